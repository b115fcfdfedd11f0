namespace GapLab.Workbench

open System
open System.Collections.Generic
open GapLab.Data
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Optimization
open GapLab.Tensors

/// One level of a hierarchy.
type LatentLevel =
    {
        Size: int
        Hidden: int list
        /// Units that carry what this level's network computes past the latent variables.
        Deterministic: int
    }

/// The settings of the experiments of "Iterative Amortized Inference" (Marino et al. 2018).
type IterativeSettings =
    {
        /// Sizes, training, and how bounds and gaps are measured.
        Gaps: SuboptimalitySettings
        /// How often an iterative network updates λ.
        Iterations: int
        /// Samples of q for each ELBO of training, and for what an iterative network sees.
        Samples: int
        /// Whether the hidden layers of inference networks carry part of their input on.
        Highway: bool
        /// A hierarchy of latent levels in place of one: size, hidden layers and deterministic units of each, from the one nearest to the data upwards, for both networks. None for one level.
        Levels: LatentLevel list option
        /// For pixels of 256 levels with uniform noise between them, whose Gaussian outputs share one variance: the initial logarithm of the variance. None for Bernoulli outputs.
        GaussianLogVariance: float option
    }

/// What an iterative inference network sees beside the present λ.
type Encoding =
    {
        /// What tables call it.
        Name: string
        Data: bool
        Gradients: bool
        Errors: bool
    }

/// What iterative inference networks are shown in the paper's experiments.
module Encoding =
    let gradients = { Name = "∇L"; Data = false; Gradients = true; Errors = false }
    let dataAndGradients = { gradients with Name = "x, ∇L"; Data = true }
    let errors = { Name = "ε"; Data = false; Gradients = false; Errors = true }
    let dataAndErrors = { errors with Name = "x, ε"; Data = true }
    let all = [ gradients; dataAndGradients; errors; dataAndErrors ]

/// The models of the experiments on iterative inference.
module IterativeModels =
    /// The model of MNIST with one latent level, and how it is trained, in place of what other settings say.
    let private ofPaper (gaps: SuboptimalitySettings) =
        { gaps with
            ValidationImages = None
            LatentSize = 64
            Hidden = [ 512; 512 ]
            EncoderHidden = [ 512; 512 ]
            ResamplesTraining = true
            AnnealingEpochs = 0
            SimulatedPoints = 0 }

    /// The paper's settings for MNIST with one latent level. The batch is that of the published code; gaps are not the paper's subject.
    let paper =
        { Gaps =
            { ofPaper Suboptimality.paper with
                Schedule = LearningRateSchedule.Decaying(1500, 2e-4, 0.999)
                BatchSize = 64
                Points = 10_000 }
          Iterations = 5
          Samples = 1
          Highway = true
          Levels = None
          GaussianLogVariance = None }

    /// Real data in minutes.
    let small =
        { paper with
            Gaps =
                { ofPaper Suboptimality.small with
                    TrainingImages = Some 20_000
                    Schedule = LearningRateSchedule.Decaying(20, 1e-3, 0.999)
                    Points = 500 } }

    /// Every part once, in seconds.
    let smoke =
        { small with
            Gaps =
                { ofPaper Suboptimality.smoke with
                    TrainingImages = Some 1000
                    LatentSize = 8
                    Hidden = [ 32 ]
                    EncoderHidden = [ 32 ]
                    Schedule = LearningRateSchedule.Decaying(10, 2e-3, 0.999)
                    Points = 20
                    ImportanceSamples = 500 }
            Iterations = 3 }

    /// The paper's settings for CIFAR-10. The batch is that of the published code; how long it was trained is not stated.
    let paperColours =
        { paper with
            Gaps =
                { paper.Gaps with
                    LatentSize = 1024
                    Hidden = [ 2048 ]
                    EncoderHidden = [ 2048; 2048; 2048 ]
                    BatchSize = 128
                    ResamplesTraining = false
                    Dequantizes = true }
            GaussianLogVariance = Some 0. }

    /// Colour images in minutes.
    let smallColours =
        { paperColours with
            Gaps =
                { ofPaper Suboptimality.small with
                    TrainingImages = Some 5000
                    LatentSize = 128
                    Hidden = [ 512 ]
                    EncoderHidden = [ 512; 512; 512 ]
                    Schedule = LearningRateSchedule.Decaying(20, 5e-4, 0.999)
                    Points = 500
                    ImportanceSamples = 1000
                    ResamplesTraining = false
                    Dequantizes = true }
            // A thousand steps do not lead from 1 to the variance of pixels.
            GaussianLogVariance = Some -3. }

    /// Every part of the experiment on colour images once, in seconds.
    let smokeColours =
        { smallColours with
            Gaps =
                { smallColours.Gaps with
                    TrainingImages = Some 300
                    LatentSize = 8
                    Hidden = [ 32 ]
                    EncoderHidden = [ 32 ]
                    Points = 10
                    ImportanceSamples = 200 }
            Iterations = 3 }

    /// The same settings for the paper's hierarchy of two levels, with batch normalisation; a small one in smoke. The batch of `paper` is that of the published code.
    let hierarchical preset (settings: IterativeSettings) =
        let level size hidden deterministic =
            { Size = size; Hidden = [ hidden; hidden ]; Deterministic = deterministic }

        { settings with
            Gaps =
                { settings.Gaps with
                    BatchSize = if preset = "paper" then 256 else settings.Gaps.BatchSize }
            Levels =
                Some(
                    if preset = "smoke" then
                        [ level 8 32 8; level 4 16 0 ]
                    else
                        [ level 64 512 64; level 32 256 0 ]
                ) }

    let private presets =
        [ "smoke", (smoke, smokeColours); "small", (small, smallColours); "paper", (paper, paperColours) ]

    /// The settings of a preset for a data set: pixels of images of several channels have Gaussian outputs.
    let presetFor dataset name =
        let grey, colours = Cli.find "preset" presets name
        if DataSets.ChannelsOf dataset = 1 then grey else colours

    /// The settings of a preset for binary images.
    let preset name = presetFor DataSets.Glyphs name

    /// The data sets of the command line; generated ones by default in smoke, MNIST with pixels sampled anew in every epoch otherwise.
    let datasets (session: Session) = session.Datasets(if session.Preset = "smoke" then "glyphs" else "mnist")

    /// Every setting that these experiments depend on, as a name and a value.
    let describe (settings: IterativeSettings) =
        let relevant =
            [ "training images"
              "validation part"
              "latent size"
              "hidden layers of the decoder"
              "hidden layers of the encoder"
              "epochs"
              "datapoints in a batch"
              "binarization of training images"
              "evaluated points of each split"
              "importance samples" ]

        let ofOneLevel = [ "latent size"; "hidden layers of the decoder"; "hidden layers of the encoder" ]

        let levels =
            settings.Levels
            |> Option.map (fun levels ->
                [ for level in levels ->
                      let hidden = level.Hidden |> List.map string |> String.concat "-"
                      $"{level.Size} (+{level.Deterministic} deterministic units), {hidden}" ]
                |> String.concat "; ")

        (Suboptimality.describe settings.Gaps
         |> List.filter (fun (name, _) ->
             List.contains name relevant && not (levels.IsSome && List.contains name ofOneLevel)))
        @ [ "latent levels from the data upwards", defaultArg levels "one"
            "iterations", string settings.Iterations
            "samples in training", string settings.Samples
            "highway layers", (if settings.Highway then "yes" else "no")
            "outputs",
            (match settings.GaussianLogVariance with
             | None -> "Bernoulli"
             | Some initial -> $"Gaussian with one variance, initially e^{initial}") ]

    /// What the paper says of a setting whose published value is not, or not always, its own.
    let private remarks =
        [ "datapoints in a batch", "of its code; not stated in the paper"
          "epochs", "stated for Figure 5 only"
          "samples in training", "stated for Figure 5 only"
          "outputs", "where the variance starts is not stated" ]

    /// What the reader must know of settings: what was chosen where the paper is silent, and every setting that differs from the published one, which for an experiment may not be the usual
    /// one; `remarks` say which of these the paper does not state.
    let settingNotesWith remarks (published: IterativeSettings) (used: IterativeSettings) =
        let remark name = remarks |> List.tryFind (fst >> (=) name) |> Option.map snd

        let differences =
            [ for (name, own), (_, published) in List.zip (describe used) (describe published) do
                  if own <> published then
                      match remark name with
                      | Some remark -> $"differs: {name} {own} ({published}, {remark})"
                      | None -> $"differs from the paper: {name} {own} (paper: {published})" ]

        [ yield
              "Where the paper is silent: iterative networks see each datapoint's own ∂L/∂λ, the decoder is trained by the ELBO after the last iteration, and log-variances of q stay within ±15."
          yield! differences
          if differences.IsEmpty then
              let open' = [ for name, remark in remarks -> $"{name} ({remark})" ] |> String.concat ", "
              yield $"Settings: those of the paper; but {open'}."
          else
              yield "With these differences the numbers are no reproduction of the published ones." ]

    /// The same for the experiments on images.
    let settingNotes published used = settingNotesWith remarks published used

    /// The layers of a hierarchy's networks; None for one level.
    let private layers (settings: IterativeSettings) =
        settings.Levels
        |> Option.map (fun levels ->
            [| for level in levels -> LevelLayers(List.toArray level.Hidden, level.Deterministic) |]
            :> IReadOnlyList<LevelLayers>)

    /// The options of iterative inference.
    let options (settings: IterativeSettings) (encoding: Encoding) =
        let errors = if encoding.Errors then ErrorEncoding.Plain else ErrorEncoding.None

        IterativeOptions(
            Iterations = settings.Iterations,
            Samples = settings.Samples,
            Hidden = List.toArray settings.Gaps.EncoderHidden,
            Levels = Option.toObj (layers settings),
            BatchNormalization = settings.Levels.IsSome,
            Highway = settings.Highway,
            Data = encoding.Data,
            Gradients = (if encoding.Gradients then GradientEncoding.LogSign else GradientEncoding.None),
            BottomUpErrors = errors,
            TopDownErrors = errors
        )

    let private parts (settings: IterativeSettings) inference rule =
        { Model =
            match settings.Levels, layers settings with
            | Some levels, Some layers ->
                HierarchicalModel.Choice(
                    [| for level in levels -> level.Size |],
                    layers,
                    Activation.Elu,
                    OutputKind.Bernoulli,
                    highway = true,
                    batchNormalization = true
                )
            | _ ->
                match settings.GaussianLogVariance with
                | None ->
                    DenseModel.Choice(
                        settings.Gaps.LatentSize,
                        List.toArray settings.Gaps.Hidden,
                        Activation.Elu,
                        OutputKind.Bernoulli
                    )
                | Some initial ->
                    DenseModel.Choice(
                        settings.Gaps.LatentSize,
                        List.toArray settings.Gaps.Hidden,
                        Activation.Elu,
                        OutputKind.Gaussian,
                        GaussianOptions(InitialLogVariance = initial, SigmoidMean = true, Levels = Nullable 256)
                    )
          Family = Parts.family "ffg"
          Inference = inference
          Rule = rule }

    /// A decoder with Bernoulli outputs and a standard encoder.
    let standard (settings: IterativeSettings) =
        let encoder =
            match layers settings with
            | Some layers ->
                HierarchicalEncoder.Choice(layers, Activation.Elu, settings.Highway, batchNormalization = true)
            | None -> Amortized.Choice(List.toArray settings.Gaps.EncoderHidden, Activation.Elu, settings.Highway)

        parts settings encoder (JointGradient.Choice settings.Samples)

    /// The hierarchy with a bottom-up encoder whose messages a ladder combines with the prior on the way down (Sønderby et al. 2016).
    let ladder (settings: IterativeSettings) = { standard settings with Family = LadderGaussian.Choice() }

    /// The same decoder with iterative inference.
    let iterative (settings: IterativeSettings) (encoding: Encoding) =
        parts settings (Iterative.Choice(options settings encoding)) (IterativeGradient.Choice())

    /// The settings of the experiments on single iterations: 16 of them in training, which take long, so that `small` has fewer images; 4 in smoke.
    let longer preset (settings: IterativeSettings) =
        match preset with
        | "smoke" -> { settings with Iterations = 4 }
        | "small" ->
            { settings with
                Iterations = 16
                Gaps =
                    { settings.Gaps with
                        TrainingImages = settings.Gaps.TrainingImages |> Option.map (min 10_000) } }
        | _ -> { settings with Iterations = 16 }

    /// The training runs of given parts on one data set, one a seed. Data that the settings' outputs cannot explain are refused.
    let trainSpecs (session: Session) (settings: IterativeSettings) (parts: Parts) (dataset: string) =
        let specs = [ for seed in session.Seeds -> Suboptimality.trainSpecOf parts settings.Gaps dataset seed ]

        if settings.GaussianLogVariance.IsNone then
            Suboptimality.requireBinary (session.Data specs.Head.Data).Set

        specs
