namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Tensors

/// The models of documents of "Iterative Amortized Inference" (Marino et al. 2018, appendix D).
module DocumentModels =
    /// The paper's settings for RCV1. Epochs and the size of a batch are not published.
    let paper =
        { IterativeModels.paper with
            Gaps =
                { IterativeModels.paper.Gaps with
                    LatentSize = 512
                    ResamplesTraining = false
                    Schedule = LearningRateSchedule.Decaying(100, 2e-4, 0.999)
                    BatchSize = 128
                    ImportanceSamples = 5000 }
            Iterations = 16 }

    /// Real documents in minutes.
    let small =
        { paper with
            Gaps =
                { paper.Gaps with
                    LatentSize = 64
                    Hidden = [ 256; 256 ]
                    EncoderHidden = [ 256; 256 ]
                    Schedule = LearningRateSchedule.Decaying(20, 1e-3, 0.999)
                    Points = 500
                    ImportanceSamples = 1000 } }

    /// Every part once, in seconds.
    let smoke =
        { small with
            Gaps =
                { small.Gaps with
                    TrainingImages = Some 1000
                    LatentSize = 8
                    Hidden = [ 32 ]
                    EncoderHidden = [ 32 ]
                    Schedule = LearningRateSchedule.Decaying(10, 5e-3, 0.999)
                    Points = 50
                    ImportanceSamples = 500 }
            Iterations = 4 }

    let private presets = [ "smoke", smoke; "small", small; "paper", paper ]

    /// The settings of a preset.
    let preset name = Cli.find "preset" presets name

    /// The data sets of the command line; by default generated documents in smoke, 20 Newsgroups in small, RCV1 with the paper's settings.
    let datasets (session: Session) =
        session.Datasets(
            match session.Preset with
            | "smoke" -> DataSets.Documents
            | "small" -> "20news-nvdm"
            | _ -> "rcv1"
        )

    /// What the reader must know of settings: every one that differs from the paper's.
    let settingNotes (used: IterativeSettings) =
        let aboutDocuments =
            List.map (fun (sentence: string) -> sentence.Replace("training images", "training documents"))

        let remarks =
            [ "datapoints in a batch", "our choice; not stated"
              "epochs", "our choice; not stated"
              "samples in training", "not stated" ]

        IterativeModels.settingNotesWith remarks paper used |> aboutDocuments

    let private parts (settings: IterativeSettings) inference rule =
        let hidden = List.toArray settings.Gaps.Hidden

        { Model = DenseModel.Choice(settings.Gaps.LatentSize, hidden, Activation.Elu, OutputKind.Multinomial)
          Family = Parts.family "ffg"
          Inference = inference
          Rule = rule }

    /// A decoder of words with a standard encoder, which reads TF-IDF.
    let standard (settings: IterativeSettings) =
        parts
            settings
            (Amortized.Choice(List.toArray settings.Gaps.EncoderHidden, Activation.Elu, settings.Highway))
            (JointGradient.Choice settings.Samples)

    /// The same decoder with iterative inference, whose network sees the gradients and the present λ: with 512 latent variables the 2,048 numbers that the paper counts, and no word. Gradients grow with the length of
    /// a document, which a network that saw them as they are could not stand, so it sees their directions.
    let iterative (settings: IterativeSettings) =
        let options =
            IterativeOptions(
                Iterations = settings.Iterations,
                Samples = settings.Samples,
                Hidden = List.toArray settings.Gaps.EncoderHidden,
                Highway = settings.Highway,
                Data = false,
                Gradients = GradientEncoding.Normalized
            )

        parts settings (Iterative.Choice options) (IterativeGradient.Choice())

    /// The training runs of given parts on one data set, one a seed. Data that are no documents are refused.
    let trainSpecs (session: Session) (settings: IterativeSettings) (parts: Parts) (dataset: string) =
        let specs = [ for seed in session.Seeds -> Suboptimality.trainSpecOf parts settings.Gaps dataset seed ]

        if not (session.Data specs.Head.Data).Set.HasCounts then
            Cli.fail
                $"'{dataset}' holds no documents, whose words this experiment counts; name a data set of documents, such as {DataSets.Documents} or 20news-nvdm."

        specs

    /// The perplexity of the words' frequencies in the training documents, each counted once more than it occurs: of a model without latent variables, exactly.
    let unigram (train: CountSet) (test: CountSet) (points: int array) =
        let frequencies = Array.create train.VocabularySize 1.

        for document in 0 .. train.Count - 1 do
            let words, counts = train.Words(document).ToArray(), train.Counts(document).ToArray()
            Array.iter2 (fun word count -> frequencies[word] <- frequencies[word] + float count) words counts

        let total = log (Array.sum frequencies)
        let logProbabilities = frequencies |> Array.map (fun frequency -> log frequency - total)

        let documents =
            [| for point in points ->
                   Array.zip (test.Words(point).ToArray()) (test.Counts(point).ToArray())
                   |> Array.map (fun (word, count) -> float count * logProbabilities[word], float count) |]

        Perplexity.Of(documents |> Array.map (Array.sumBy fst), documents |> Array.map (Array.sumBy snd))
