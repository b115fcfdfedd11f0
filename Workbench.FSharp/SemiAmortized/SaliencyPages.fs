namespace GapLab.Workbench

open System
open GapLab.Data
open GapLab.Data.Text
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Models
open GapLab.Tensors
open MathNet.Numerics.Statistics

/// What words have to do with the latent variables of a SA-VAE (Kim et al. 2018, section 5.1).
module SaliencyPages =
    /// Samples of q for every saliency, as in the paper.
    let private samples = 5

    /// Sentences that are shown, and sentences that are averaged over.
    let private shown = 4

    let private averaged preset =
        match preset with
        | "smoke" -> 20
        | "small" -> 500
        | _ -> 10_000

    /// Sentences sampled for each that is shown, and the temperature of their words.
    let private drawn = 2
    let private temperature = 0.25

    /// A trained SA-VAE with its text.
    type private Trained =
        { Run: TrainSpec
          Vae: GapLab.Inference.Vae
          Data: LoadedData
          Vocabulary: Vocabulary
          Seed: uint64 }

    let private trained (session: Session) (settings: SemiAmortizedSettings) dataset =
        let runs = RefinedModels.trainSpecs session settings (SaVae settings.Steps) dataset

        match runs with
        | [ run ] ->
            let data = session.Data run.Data

            { Run = run
              Vae = session.Load run
              Data = data
              Vocabulary = Vocabulary data.Set.Vocabulary
              Seed = run.Seed }
        | _ -> Cli.fail "Saliency is that of one model; give one seed."

    let private saliency (session: Session) (trained: Trained) (sentences: TokenObservations) =
        List.ofSeq (WordSaliency.Of(trained.Vae, sentences, samples, trained.Seed, session.Cancellation))

    let private wordsOf (trained: Trained) (numbers: int seq) =
        [ for number in numbers -> trained.Vocabulary.Words[number] ]

    /// Words with their saliency, of which the largest of the sentence is the full colour.
    let private coloured (trained: Trained) (numbers: int seq) (values: float seq) =
        let largest = Seq.fold max 1e-300 values
        List.map2 (fun word value -> word, value / largest, value) (wordsOf trained numbers) (List.ofSeq values)

    let private addSentence session (trained: Trained) heading (sentence: TokenObservations) (page: Page) =
        let own = List.exactlyOne (saliency session trained sentence)
        let model = trained.Vae.Model :?> LstmModel

        let others =
            use _ = MemoryScope.Enter(record = false)
            let stream = RandomStream(trained.Seed, RandomPurpose.ModelSampling)

            let lambda =
                trained.Vae.Inference
                    .Infer(
                        trained.Vae.Model,
                        trained.Vae.Family,
                        sentence,
                        RandomStream(trained.Seed, RandomPurpose.Evaluation),
                        0
                    )
                    .Final

            let z = trained.Vae.Family.Sample(lambda, trained.Vae.Model, Noise(sentence, stream, drawn)).Latents[0]
            let own = Latents [| Tensor.Create(z.Device, Shape(drawn, 1, z.Shape[2]), z.ToArray()) |]
            let indices = ReadOnlyMemory [| 0 .. drawn - 1 |]

            model.SampleSentences(
                own,
                stream.Fork 1UL,
                indices,
                2 * sentence.Longest + 5,
                trained.Vocabulary.End,
                temperature
            )
            |> Seq.map _.ToArray()
            |> List.ofSeq

        let ofSamples =
            saliency
                session
                trained
                (TokenObservations(sentence.Device, [| for other in others -> ReadOnlyMemory other |]))

        let page =
            page
            |> Page.addHeading heading
            |> Page.addWords "output" 0 (coloured trained own.Words own.Output)
            |> Page.addWords "input" 220 (coloured trained own.Words own.Input)

        List.fold
            (fun page (other: WordSaliency) ->
                Page.addWords "sample" 0 (coloured trained other.Words other.Output) page)
            page
            ofSamples

    let private notes (session: Session) paper settings (trained: Trained) =
        String.concat
            "\n"
            [ $"Preset {session.Preset}, seed {trained.Seed}."
              yield! Origin.notes session [ trained.Run ] [ (session.Store.FindArtifact trained.Run).Provenance, false ]
              yield! SemiAmortizedSettings.notes paper settings ]

    let private definitions =
        $"Output saliency of a word (red): E_q ‖∂ log p(x_t | x_<t, z) / ∂z‖, how much the latent variables matter to its prediction. Input saliency (blue): ‖E_q[d‖z‖ / dw_t]‖ with w_t its embedding in the encoder, how much it matters to them, through the encoder and the steps. {samples} samples of q."

    /// Sentences with their saliency, and sentences sampled from their q.
    let examples (session: Session) title paper settings dataset : Page =
        let trained = trained session settings dataset

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let test = trained.Data.Test

        let sentence index = test.Batch(ReadOnlySpan [| index |]) :?> TokenObservations

        let chosen =
            test.SubsetOrder test.Count
            |> Seq.map sentence
            |> Seq.filter (fun x -> x.Longest >= 6 && x.Longest <= 20)
            |> Seq.truncate shown
            |> List.ofSeq

        let chosen = if chosen.IsEmpty then [ sentence 0 ] else chosen

        let page =
            Page.create title
            |> Page.addText definitions
            |> Page.addText
                $"Colours are rescaled within each sentence; pointing at a word shows the number. Samples: z from q, words at temperature {temperature}."

        let page =
            match session.Text with
            | None -> page
            | Some text ->
                let own =
                    TokenObservations(
                        test.Batch(ReadOnlySpan [| 0 |]).Device,
                        [| ReadOnlyMemory(trained.Vocabulary.Encode text) |]
                    )

                addSentence session trained "Your sentence" own page

        List.fold
            (fun page (x: TokenObservations) -> addSentence session trained $"Test sentence {x.Indices.Span[0]}" x page)
            page
            chosen
        |> Page.addHeading "Notes"
        |> Page.addText (notes session paper settings trained)

    /// Averages of saliency by word class, position, frequency and log-likelihood.
    let aggregates (session: Session) title paper settings dataset : Page =
        let trained = trained session settings dataset

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let count = min (averaged session.Preset) trained.Data.Test.Count
        let sentences = trained.Data.Test.Subset count :?> TokenObservations
        let frequencies = Array.create trained.Vocabulary.Size 0

        match trained.Data.Set.Splits.Train with
        | :? SentenceSet as train ->
            for i in 0 .. train.Count - 1 do
                for word in train.Words(i).ToArray() do
                    frequencies[word] <- frequencies[word] + 1
        | _ -> ()

        let words =
            [ for sentence in saliency session trained sentences do
                  for t in 0 .. sentence.Words.Count - 1 do
                      {| Word = sentence.Words[t]
                         Position = t + 1
                         LogProbability = sentence.LogProbabilities[t]
                         Output = sentence.Output[t]
                         Input = sentence.Input[t] |} ]

        let interval (values: float list) = if values.Length < 2 then Missing else Comparison.interval values

        let byKey (name: string) key order =
            Frame.ofRows
                [ name; "words"; "output saliency"; "input saliency"; "log-likelihood" ]
                [ for key, group in words |> List.groupBy key |> List.sortBy (fun (key, group) -> order key group) ->
                      [ key
                        Integer(int64 group.Length)
                        interval [ for w in group -> w.Output ]
                        interval [ for w in group -> w.Input ]
                        interval [ for w in group -> w.LogProbability ] ] ]

        let average group =
            -(group
              |> List.averageBy
                  (fun
                      (w:
                          {| Word: int
                             Position: int
                             LogProbability: float
                             Output: float
                             Input: float |}) -> w.Output))

        let byClass =
            byKey "class" (fun w -> Text(WordClass.ofWord trained.Vocabulary.Words[w.Word])) (fun _ group ->
                average group)

        let number cell = Cell.number cell |> Option.get
        let byPosition = byKey "position" (fun w -> Integer(int64 (min w.Position 30))) (fun key _ -> number key)

        let byFrequency =
            byKey
                "log frequency"
                (fun w -> Value(Math.Round(Math.Log(float (max 1 frequencies[w.Word])))))
                (fun key _ -> number key)

        let byLikelihood =
            byKey "log-likelihood from" (fun w -> Value(Math.Max(-12., Math.Floor w.LogProbability))) (fun key _ ->
                number key)

        let correlation = Correlation.Pearson([ for w in words -> w.Output ], [ for w in words -> w.LogProbability ])

        let line name (frame: Frame) =
            Chart.Line(
                [ for x, y in Array.zip (Frame.getColumn name frame) (Frame.getColumn "output saliency" frame) ->
                      number x, number y ],
                Name = "output saliency"
            )
            |> Chart.WithXTitle name
            |> Chart.WithYTitle "output saliency"

        let withInterval (frame: Frame) = frame |> Frame.filterRows (fun row -> row["output saliency"] <> Missing)

        Page.create title
        |> Page.addText definitions
        |> Page.addText
            $"{words.Length} words of {count} random test sentences. The correlation of output saliency with log-likelihood is {correlation:N2} (the paper, on Yahoo questions: -0.51). The paper finds nouns, adjectives, verbs, numbers and the end of sentences above conjunctions, determiners, prepositions and to; early words above later ones; rare words above frequent ones."
        |> Page.addCharts
            [ line "position" (withInterval byPosition)
              line "log frequency" (withInterval byFrequency)
              line "log-likelihood from" (withInterval byLikelihood) ]
        |> Page.addFrame
            "By word class (a short list tells them; the others are content words), averages with 95 % intervals over words."
            byClass
        |> Page.addFrame "By position; the last row is of all later words." byPosition
        |> Page.addFrame "By the logarithm of the frequency in the training text." byFrequency
        |> Page.addFrame "By log-likelihood, in steps of one nat; the first row is of all words below." byLikelihood
        |> Page.addHeading "Notes"
        |> Page.addText (notes session paper settings trained)
