namespace GapLab.Workbench

open GapLab.Models

/// What is modelled.
type RefinedData =
    /// Sentences that a frozen generator makes, see `LstmModel.Oracle`; learned generators and encoders have its sizes.
    | OfOracle of OracleOptions
    /// Text.
    | OfText of TextLayers
    /// Binary images.
    | OfImages of ImageLayers

/// The sizes of language models and of encoders of text.
and TextLayers =
    {
        LatentSize: int
        EmbeddingSize: int
        HiddenSize: int
        /// The share of embeddings and of outputs that is dropped in training.
        Dropout: float
        /// How many words the vocabulary has at most; None for the data set's own.
        VocabularySize: int option
    }

/// The sizes of pixel-by-pixel decoders and residual encoders.
and ImageLayers =
    {
        LatentSize: int
        /// The kernel size of each layer of the decoder.
        Kernels: int list
        /// Channels of the decoder's layers.
        Channels: int
        /// Channels after each block of the encoder.
        EncoderChannels: int list
    }

/// What trains a model and its inference (Kim et al. 2018, section 4).
type Refinement =
    /// A model without latent variables.
    | Autoregressive
    /// An encoder alone.
    | EncoderOnly
    /// The same, whose encoder starts as a language model.
    | VaeInit
    /// The same, with words hidden from the decoder with some probability.
    | WordDropout of float
    /// Steps from N(0, I) for every datapoint, no encoder.
    | Svi of int
    /// Steps from the encoder's λ; the encoder climbs the ELBO where it is, the model where the steps end.
    | VaeSvi of int
    /// The same, but the encoder approaches where the steps end.
    | VaeSviKl of int
    /// Everything climbs the ELBO where the steps end, through the steps.
    | SaVae of int

/// The settings of the experiments of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018).
type SemiAmortizedSettings =
    {
        Data: RefinedData
        /// Training datapoints; None for all that the data set has.
        TrainingPoints: int option
        /// Held-out datapoints; None for the data set's own split.
        ValidationPoints: int option
        /// K, the number of steps, where an experiment does not vary it.
        Steps: int
        /// α, the step size for the mean over a batch.
        StepSize: float
        /// γ.
        Momentum: float
        /// Training datapoints in a batch; the steps' function is the mean over so many.
        BatchSize: int
        /// The largest norm of gradients, in the steps and of the parameters.
        Clip: float
        Epochs: int
        LearningRate: float
        /// The epoch from which the learning rate halves once the validation bound has failed to rise; None for Adam at one rate.
        DecayFrom: int option
        /// Epochs over which the weight of the KL term grows from 0.1 to 1; 0 for none.
        AnnealingEpochs: int
        /// Evaluated test points.
        Points: int
        /// Samples for the bounds.
        Samples: int
    }

/// The papers' settings, and smaller ones.
module SemiAmortizedSettings =
    /// The paper's, for sentences of the oracle. Outer optimisation is not stated there; this is what is remembered of the authors' code.
    let oracle =
        { Data = OfOracle(OracleOptions())
          TrainingPoints = Some 5000
          ValidationPoints = None
          Steps = 20
          StepSize = 1.
          Momentum = 0.5
          BatchSize = 50
          Clip = 5.
          Epochs = 20
          LearningRate = 1.
          DecayFrom = Some 5
          AnnealingEpochs = 0
          Points = 1000
          Samples = 1000 }

    let private smokeOf (settings: SemiAmortizedSettings) =
        { settings with
            Steps = 3
            BatchSize = 20
            Epochs = 2
            DecayFrom = settings.DecayFrom |> Option.map (fun _ -> 1)
            AnnealingEpochs = min 1 settings.AnnealingEpochs
            Points = 20
            Samples = 50 }

    /// Every part once, in seconds.
    let oracleSmoke =
        { smokeOf oracle with
            Data = OfOracle(OracleOptions(VocabularySize = 30, HiddenSize = 8, EmbeddingSize = 8))
            TrainingPoints = Some 200 }

    /// The paper's, for text (Yahoo questions).
    let text =
        { oracle with
            Data =
                OfText
                    { LatentSize = 32
                      EmbeddingSize = 512
                      HiddenSize = 1024
                      Dropout = 0.5
                      VocabularySize = Some 20_000 }
            TrainingPoints = None
            BatchSize = 32
            Epochs = 30
            DecayFrom = Some 15
            AnnealingEpochs = 10
            Points = 10_000
            Samples = 1000 }

    /// Real text in minutes.
    let textSmall =
        { text with
            Data =
                OfText
                    { LatentSize = 32
                      EmbeddingSize = 64
                      HiddenSize = 128
                      Dropout = 0.5
                      VocabularySize = Some 2000 }
            TrainingPoints = Some 5000
            Steps = 10
            Epochs = 10
            DecayFrom = Some 6
            // At 1, as in the paper, so small a SA-VAE's encoder runs away in the third epoch: each batch moves it until the steps amplify its errors.
            LearningRate = 0.5
            AnnealingEpochs = 4
            Points = 500
            Samples = 100 }

    /// Every part once, in seconds.
    let textSmoke =
        { smokeOf text with
            Data =
                OfText
                    { LatentSize = 2
                      EmbeddingSize = 8
                      HiddenSize = 8
                      Dropout = 0.5
                      VocabularySize = Some 50 }
            TrainingPoints = Some 100 }

    /// The paper's, for Omniglot.
    let images =
        { oracle with
            Data =
                OfImages
                    { LatentSize = 32
                      Kernels = [ 9; 9; 9; 7; 7; 7; 5; 5; 5; 3; 3; 3 ]
                      Channels = 32
                      EncoderChannels = [ 64; 64; 64 ] }
            TrainingPoints = None
            ValidationPoints = Some 2000
            Epochs = 100
            LearningRate = 1e-3
            DecayFrom = None
            AnnealingEpochs = 10
            Points = 8070
            Samples = 500 }

    /// Real images in minutes.
    let imagesSmall =
        { images with
            Data =
                OfImages
                    { LatentSize = 32
                      Kernels = [ 7; 5; 3 ]
                      Channels = 8
                      EncoderChannels = [ 16; 16; 16 ] }
            TrainingPoints = Some 2000
            Steps = 5
            Epochs = 10
            AnnealingEpochs = 3
            Points = 200
            Samples = 100 }

    /// Every part once, in seconds.
    let imagesSmoke =
        { smokeOf images with
            Data = OfImages { LatentSize = 2; Kernels = [ 3; 3 ]; Channels = 4; EncoderChannels = [ 4; 4 ] }
            TrainingPoints = Some 60
            ValidationPoints = Some 20 }

    /// The settings of a preset among those of smoke, small and paper.
    let ofPreset smoke small paper name = Cli.find "preset" [ "smoke", smoke; "small", small; "paper", paper ] name

    /// Every setting that results depend on, by name.
    let private describe (settings: SemiAmortizedSettings) =
        let orAll = Option.map string >> Option.defaultValue "all"

        let model =
            match settings.Data with
            | OfOracle options ->
                $"vocabulary {options.VocabularySize}, embeddings {options.EmbeddingSize}, state {options.HiddenSize}, {options.Length} words"
            | OfText layers ->
                $"z {layers.LatentSize}, embeddings {layers.EmbeddingSize}, state {layers.HiddenSize}, dropout {layers.Dropout}"
            | OfImages layers ->
                $"""z {layers.LatentSize}, {layers.Channels} channels, kernels {layers.Kernels |> List.map string |> String.concat "-"}, encoder {layers.EncoderChannels |> List.map string |> String.concat "-"}"""

        [ "model", model
          (match settings.Data with
           | OfText layers -> "vocabulary", orAll layers.VocabularySize
           | _ -> "vocabulary", "")
          "training datapoints", orAll settings.TrainingPoints
          "steps K", string settings.Steps
          "step size", string settings.StepSize
          "momentum of the steps", string settings.Momentum
          "datapoints in a batch", string settings.BatchSize
          "largest norm of gradients", string settings.Clip
          "epochs", string settings.Epochs
          "learning rate", string settings.LearningRate
          "decay from epoch", (settings.DecayFrom |> Option.map string |> Option.defaultValue "none")
          "KL annealing epochs", string settings.AnnealingEpochs
          "evaluated points", string settings.Points ]

    /// What the reader must know of settings: every one that differs from the paper's.
    let notes (paper: SemiAmortizedSettings) (used: SemiAmortizedSettings) =
        let differences =
            [ for (name, published), (_, own) in List.zip (describe paper) (describe used) do
                  if own <> published then
                      $"differs from the paper: {name} {own} (paper: {published})" ]

        if differences.IsEmpty then
            []
        else
            differences @ [ "With these differences the numbers are no reproduction of the published ones." ]
