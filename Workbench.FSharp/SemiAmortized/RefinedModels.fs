namespace GapLab.Workbench

open System
open GapLab.Data
open GapLab.Experiments
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization

/// The models of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018) and the ways of training them.
module RefinedModels =
    /// A way of training as tables name it.
    let name refinement =
        match refinement with
        | Autoregressive -> "autoregressive"
        | EncoderOnly -> "VAE"
        | VaeInit -> "VAE+INIT"
        | WordDropout share -> $"VAE, word dropout {100. * share} %%"
        | Svi steps -> $"SVI, {steps} steps"
        | VaeSvi steps -> $"VAE+SVI, {steps} steps"
        | VaeSviKl steps -> $"VAE+SVI+KL, {steps} steps"
        | SaVae steps -> $"SA-VAE, {steps} steps"

    let private model (settings: SemiAmortizedSettings) refinement =
        let latents size = if refinement = Autoregressive then 0 else size

        match settings.Data with
        // What learns the oracle's distribution has its architecture.
        | OfOracle options ->
            LstmModel.Choice(
                LstmModelOptions(
                    LatentSize = latents options.LatentSize,
                    EmbeddingSize = options.EmbeddingSize,
                    HiddenSize = options.HiddenSize,
                    Entry = LatentEntry.Output
                )
            )
        | OfText layers ->
            LstmModel.Choice(
                LstmModelOptions(
                    LatentSize = latents layers.LatentSize,
                    EmbeddingSize = layers.EmbeddingSize,
                    HiddenSize = layers.HiddenSize,
                    Dropout = layers.Dropout,
                    WordDropout =
                        (match refinement with
                         | WordDropout share -> share
                         | _ -> 0.)
                )
            )
        | OfImages layers ->
            PixelCnnModel.Choice(
                PixelCnnOptions(
                    LatentSize = latents layers.LatentSize,
                    KernelSizes = List.toArray layers.Kernels,
                    Channels = layers.Channels
                )
            )

    let private encoder (settings: SemiAmortizedSettings) =
        match settings.Data with
        | OfOracle options -> LstmEncoder.Choice(options.EmbeddingSize, options.HiddenSize)
        | OfText layers -> LstmEncoder.Choice(layers.EmbeddingSize, layers.HiddenSize)
        | OfImages layers -> ResNetEncoder.Choice(List.toArray layers.EncoderChannels)

    /// The settings of steps.
    let stepOptions (settings: SemiAmortizedSettings) count =
        SemiAmortizedOptions(
            Iterations = count,
            StepSize = settings.StepSize,
            Momentum = settings.Momentum,
            BatchSize = settings.BatchSize,
            Clip = Nullable settings.Clip
        )

    let private steps settings start count = SemiAmortized.Choice(start, stepOptions settings count)

    /// Where steps without an encoder start in training and, for images, at evaluation; the paper's own evaluation of text adds noise of 0.1.
    let private fixedStart = FixedStart.Choice()

    /// How λ is found, and what trains what; `trainsModel` is false for a frozen generator.
    let inference settings trainsModel refinement =
        let encoder = encoder settings
        let steps start count = steps settings start count

        match refinement with
        | Autoregressive -> fixedStart, JointGradient.Choice(trainsModel = trainsModel)
        | EncoderOnly
        | VaeInit
        | WordDropout _ -> encoder, JointGradient.Choice(trainsModel = trainsModel)
        | Svi count -> steps fixedStart count, RefinedGradient.Choice(EncoderTarget.None, trainsModel = trainsModel)
        | VaeSvi count -> steps encoder count, RefinedGradient.Choice(EncoderTarget.Elbo, trainsModel = trainsModel)
        | VaeSviKl count ->
            steps encoder count, RefinedGradient.Choice(EncoderTarget.Divergence, trainsModel = trainsModel)
        | SaVae count -> steps encoder count, SemiAmortizedGradient.Choice(trainsModel = trainsModel)

    let private data (settings: SemiAmortizedSettings) (dataset: string) =
        DataSpec(
            Name = dataset,
            TrainCount = Option.toNullable settings.TrainingPoints,
            ValidationCount = Option.toNullable settings.ValidationPoints,
            VocabularySize =
                (match settings.Data with
                 | OfText layers -> Option.toNullable layers.VocabularySize
                 | _ -> Nullable()),
            Oracle =
                (match settings.Data with
                 | OfOracle options -> options
                 | _ -> null),
            ResamplesTraining =
                (match settings.Data with
                 | OfImages _ -> true
                 | _ -> false)
        )

    let private run settings dataset seed model (inference, rule) (parent: TrainSpec option) =
        TrainSpec(
            Data = data settings dataset,
            Model = model,
            Family = Parts.family "ffg",
            Inference = inference,
            Rule = rule,
            Schedule = LearningRateSchedule.Constant(settings.Epochs, settings.LearningRate),
            BatchSize = settings.BatchSize,
            Weights =
                (if settings.AnnealingEpochs = 0 then
                     Annealing.None
                 else
                     Annealing.KlByBatch settings.AnnealingEpochs),
            Sgd = (if settings.DecayFrom.IsSome then SgdOptions() else null),
            Decay =
                (match settings.DecayFrom with
                 | Some first -> PlateauDecay(FirstEpoch = first)
                 | None -> null),
            MaximumGradientNorm = Nullable settings.Clip,
            ValidationSamples = 1,
            KeepBest = true,
            Parent = Option.toObj parent,
            Inherits = (if parent.IsSome then Inheritance.EncoderFromModel else Inheritance.All),
            Seed = seed
        )

    /// A training run.
    let trainSpec (settings: SemiAmortizedSettings) refinement (dataset: string) (seed: uint64) =
        let plain refinement parent =
            run settings dataset seed (model settings refinement) (inference settings true refinement) parent

        plain refinement (if refinement = VaeInit then Some(plain Autoregressive None) else None)

    /// A training run of inference for the frozen generator of the data.
    let withOracle (settings: SemiAmortizedSettings) options refinement dataset seed =
        run settings dataset seed (LstmModel.OracleChoice options) (inference settings false refinement) None

    /// Refuses data that models of the settings' kind cannot explain.
    let private requireFit (session: Session) (settings: SemiAmortizedSettings) (run: TrainSpec) =
        let set = (session.Data run.Data).Set

        match settings.Data with
        | OfImages _ when set.HasSentences || set.HasCounts ->
            Cli.fail $"'{set.Name}' holds no images; name a data set of images, such as {DataSets.Glyphs} or omniglot."
        | OfImages _ -> Suboptimality.requireBinary set
        | _ when not set.HasSentences ->
            Cli.fail
                $"'{set.Name}' holds no sentences; name a data set of text, such as {DataSets.Oracle}, ptb or the path of a .txt file with one sentence a line."
        | _ -> ()

    /// The training runs of one data set, one a seed. Data that models of the settings' kind cannot explain are refused.
    let trainSpecs (session: Session) (settings: SemiAmortizedSettings) refinement dataset =
        let runs = [ for seed in session.Seeds -> trainSpec settings refinement dataset seed ]
        requireFit session settings runs.Head
        runs

    /// The settings of an experiment on sentences of the oracle: the paper's take minutes, so that its preset is small.
    let oracleSettings (session: Session) =
        SemiAmortizedSettings.ofPreset
            SemiAmortizedSettings.oracleSmoke
            SemiAmortizedSettings.oracle
            SemiAmortizedSettings.oracle
            session.Preset

    /// The settings of an experiment on text, scaled by --hidden and --vocabulary.
    let textSettings (session: Session) =
        let usual =
            SemiAmortizedSettings.ofPreset
                SemiAmortizedSettings.textSmoke
                SemiAmortizedSettings.textSmall
                SemiAmortizedSettings.text
                session.Preset

        match usual.Data with
        | OfText layers ->
            let hidden = defaultArg session.Hidden layers.HiddenSize

            { usual with
                Data =
                    OfText
                        { layers with
                            HiddenSize = hidden
                            EmbeddingSize = (if session.Hidden.IsSome then hidden / 2 else layers.EmbeddingSize)
                            VocabularySize = session.Vocabulary |> Option.orElse layers.VocabularySize } }
        | _ -> usual

    /// The text of the command line; by default generated sentences in smoke, Penn Treebank in small, Yahoo questions with the paper's settings.
    let textDataset (session: Session) =
        session.Dataset(
            match session.Preset with
            | "smoke" -> DataSets.Oracle
            | "small" -> "ptb"
            | _ -> "yahoo"
        )

    /// The settings of an experiment on images.
    let imageSettings (session: Session) =
        SemiAmortizedSettings.ofPreset
            SemiAmortizedSettings.imagesSmoke
            SemiAmortizedSettings.imagesSmall
            SemiAmortizedSettings.images
            session.Preset

    /// The images of the command line; by default generated ones in smoke, averages of the published Omniglot in small, the Omniglot of Burda et al. with the paper's settings.
    let imageDataset (session: Session) =
        session.Dataset(
            match session.Preset with
            | "smoke" -> DataSets.Glyphs
            | "small" -> "omniglot"
            | _ -> "omniglot-burda"
        )
