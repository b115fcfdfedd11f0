namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors

/// The paper's training runs, and the measurement of inference gaps.
module Suboptimality =
    /// The paper's settings for MNIST and Fashion-MNIST.
    let paper =
        { TrainingImages = None
          ValidationImages = Some 0
          LatentSize = 50
          Hidden = [ 200; 200 ]
          EncoderHidden = [ 200; 200 ]
          Convolutions = None
          Schedule = LearningRateSchedule.Burda()
          BatchSize = 100
          ResamplesTraining = false
          Dequantizes = false
          Patience = None
          AnnealingEpochs = 400
          Points = 1000
          FlowPoints = 100
          SimulatedPoints = 100
          ImportanceSamples = 5000
          Chains = 100
          Distributions = 500
          AisSchedule = AisSchedule.Linear
          AisStart = AisStart.Prior
          LeapfrogSteps = 10
          LocalSamples = 100
          LocalStepSize = 1e-3
          FlowStepSize = 1e-3
          FlowLength = 2
          LocalSteps = LocalOptimizerOptions().MaximumSteps
          FlowSteps = LocalOptimizerOptions().MaximumSteps
          OtherFamilies = []
          Bounds = [] }

    /// Real data in minutes.
    let small =
        { paper with
            ValidationImages = None
            Schedule = LearningRateSchedule.Constant(20, 1e-3)
            AnnealingEpochs = 2
            Points = 50
            FlowPoints = 10
            SimulatedPoints = 20
            Chains = 20
            Distributions = 200
            LocalSamples = 20
            // Chosen once among 1e-3 to 3e-2 by L[q*] and the number of steps; see docs/decisions.md.
            LocalStepSize = 3e-3 }

    /// Every part once, in seconds.
    let smoke =
        { small with
            TrainingImages = Some 5000
            Schedule = LearningRateSchedule.Constant(10, 1e-3)
            AnnealingEpochs = 1
            Points = 10
            FlowPoints = 5
            SimulatedPoints = 10
            ImportanceSamples = 1000
            Chains = 10
            Distributions = 100
            LocalSamples = 10
            LocalStepSize = 1e-2
            FlowSteps = 500 }

    /// The paper's settings for CIFAR-10. It says of the learning rates only that they fall from 1e-3, and that held-out images end the training.
    let paperColours =
        { paper with
            ValidationImages = None
            LatentSize = 32
            Convolutions = Some { Channels = [ 64; 128; 256 ]; ScaleHidden = [ 64; 32 ] }
            Schedule = LearningRateSchedule [| for halvings in 0..3 -> ScheduleStage(50, 1e-3 / 2. ** halvings) |]
            Patience = Some 10
            AnnealingEpochs = 20
            Points = 100
            FlowLength = 4 }

    /// Colour images in minutes.
    let smallColours =
        { paperColours with
            TrainingImages = Some 10_000
            Schedule = LearningRateSchedule(ScheduleStage(6, 1e-3), ScheduleStage(2, 3e-4))
            Patience = None
            AnnealingEpochs = 2
            Points = 10
            FlowPoints = 5
            SimulatedPoints = 5
            ImportanceSamples = 1000
            Chains = 5
            Distributions = 200
            LocalSamples = 10
            // Of 3e-3, 1e-2 and 3e-2 the one that reaches L[q*] first; see docs/decisions.md.
            LocalStepSize = 3e-2
            LocalSteps = 2000
            FlowSteps = 1000 }

    /// Every part of the experiment on colour images once, in seconds.
    let smokeColours =
        { smallColours with
            TrainingImages = Some 500
            Convolutions = Some { Channels = [ 4; 8; 16 ]; ScaleHidden = [ 8 ] }
            LatentSize = 8
            Schedule = LearningRateSchedule.Constant(4, 1e-3)
            Points = 4
            FlowPoints = 2
            SimulatedPoints = 2
            Distributions = 50
            LocalSteps = 300
            FlowSteps = 200 }

    let private presets =
        [ "smoke", (smoke, smokeColours); "small", (small, smallColours); "paper", (paper, paperColours) ]

    /// The settings of a preset for a data set: images of several channels have a convolutional model.
    let presetFor dataset name =
        let grey, colours = Cli.find "preset" presets name
        if DataSets.ChannelsOf dataset = 1 then grey else colours

    /// The settings of a preset for fully connected models of binary images.
    let preset name = presetFor DataSets.Glyphs name

    /// Settings of which fully connected layers are about to be varied; those of a convolutional model are refused.
    let dense settings =
        if Option.isSome settings.Convolutions then
            Cli.fail
                "This experiment varies fully connected layers, and colour images have a convolutional model; name a data set of grey images with --dataset."

        settings

    /// Settings with what else the command line says of AIS.
    let withAnnealing (session: Session) usual =
        { usual with
            AisSchedule = session.AisSchedule usual.AisSchedule
            AisStart = session.AisStart usual.AisStart
            SimulatedPoints = session.Simulated usual.SimulatedPoints }

    /// The settings of the command line for fully connected models.
    let settings (session: Session) = withAnnealing session (preset session.Preset)

    /// The settings of the command line for the model of a data set.
    let settingsFor (session: Session) dataset = withAnnealing session (presetFor dataset session.Preset)

    /// The data sets of the command line; generated ones by default in smoke, binarized MNIST otherwise.
    let datasets (session: Session) =
        session.Datasets(if session.Preset = "smoke" then "glyphs" else "binarized-mnist")

    /// A schedule in words: 20 at 0.001, 10 at 0.0001; or 100 from 0.001, times 0.999 after each.
    let scheduleText (schedule: LearningRateSchedule) =
        let stages = List.ofSeq schedule.Stages
        let factors = stages |> List.map _.LearningRate |> List.pairwise |> List.map (fun (first, next) -> next / first)

        match factors with
        | factor :: _ when
            stages |> List.forall (fun stage -> stage.Epochs = 1)
            && factors |> List.forall (fun other -> abs (other - factor) < 1e-9)
            ->
            $"{schedule.Epochs} from {stages.Head.LearningRate:G4}, times {factor:G4} after each"
        | _ -> stages |> List.map (fun stage -> $"{stage.Epochs} at {stage.LearningRate:G4}") |> String.concat ", "

    /// Every setting as a name and a value.
    let describe (settings: SuboptimalitySettings) =
        let orAll = Option.map string >> Option.defaultValue "all"

        let layers sizes =
            match sizes with
            | [] -> "none"
            | some -> some |> List.map string |> String.concat "-"

        [ "training images", orAll settings.TrainingImages
          "validation part",
          (match settings.ValidationImages with
           | None -> "the data set's own"
           | Some 0 -> "none"
           | Some count -> string count)
          "latent size", string settings.LatentSize
          match settings.Convolutions with
          | None ->
              "hidden layers of the decoder", layers settings.Hidden
              "hidden layers of the encoder", layers settings.EncoderHidden
          | Some convolutions ->
              "channels of the convolutions", layers convolutions.Channels
              "hidden layers of the log-scales", layers convolutions.ScaleHidden
          "epochs",
          (if
               Seq.forall2 (=) settings.Schedule.Stages (LearningRateSchedule.Burda().Stages)
               && settings.Schedule.Stages.Count = 8
           then
               $"{settings.Schedule.Epochs} (3^i schedule)"
           else
               scheduleText settings.Schedule)
          "datapoints in a batch", string settings.BatchSize
          "binarization of training images",
          (if settings.ResamplesTraining then
               "anew in every epoch, where the data set is binarized at random"
           else
               "the data set's own")
          "early stopping",
          (match settings.Patience with
           | None -> "none"
           | Some epochs -> $"after {epochs} epochs without improvement")
          "entropy-annealing epochs", string settings.AnnealingEpochs
          "evaluated points of each split", string settings.Points
          "evaluated points where q* is searched among flows", string settings.FlowPoints
          "datapoints simulated for BDMC", string settings.SimulatedPoints
          "importance samples", string settings.ImportanceSamples
          "AIS chains", string settings.Chains
          "AIS distributions", string settings.Distributions
          "schedule of AIS", (string settings.AisSchedule).ToLowerInvariant()
          "start of AIS", (string settings.AisStart).ToLowerInvariant()
          "leapfrog steps", string settings.LeapfrogSteps
          "local samples", string settings.LocalSamples
          "local step size", $"{settings.LocalStepSize}"
          "local step size of flows", $"{settings.FlowStepSize}"
          "steps of a flow", string settings.FlowLength
          "limit on local steps", string settings.LocalSteps
          "limit on local steps of flows", string settings.FlowSteps
          "further bounds",
          (match settings.Bounds with
           | [] -> "none"
           | some -> some |> List.map fst |> String.concat ", ") ]

    /// What a table's header says of the settings: every one that differs from the paper's.
    let settingNotes (used: SuboptimalitySettings list) =
        let published settings =
            if Option.isSome settings.Convolutions then
                "CIFAR-10", paperColours
            else
                "MNIST and Fashion-MNIST", paper

        let differences =
            [ for settings in used do
                  for (name, own), (_, published) in List.zip (describe settings) (describe (snd (published settings))) do
                      if own <> published then
                          $"differs from the paper: {name} {own} (paper: {published})" ]
            |> List.distinct

        if List.isEmpty differences then
            let data = used |> List.map (published >> fst) |> List.distinct |> String.concat " and "
            [ $"Settings: those of the paper's experiments on {data}." ]
        else
            differences @ [ "With these differences the numbers are no reproduction of the published ones." ]

    /// How AIS is run, with step sizes found in one way or the other.
    let aisOptions steps (settings: SuboptimalitySettings) =
        AisOptions(
            StepSizes = steps,
            Chains = settings.Chains,
            Betas =
                (match settings.AisSchedule with
                 | AisSchedule.Linear -> AnnealingSchedule.Linear settings.Distributions
                 | AisSchedule.Sigmoid -> AnnealingSchedule.Sigmoid settings.Distributions),
            LeapfrogSteps = settings.LeapfrogSteps,
            Start =
                match settings.AisStart with
                | AisStart.Prior -> AnnealingStart.Prior
                | AisStart.Posterior -> AnnealingStart.Posterior
        )

    /// How AIS is run, for a table's header.
    let aisNote settings =
        let options = aisOptions StepSizeMode.Adaptive settings
        $"{(string settings.AisSchedule).ToLowerInvariant()} schedule from the {(string settings.AisStart).ToLowerInvariant()}, {options.StepSizes.ToString().ToLowerInvariant()} step sizes for each chain from {options.InitialStepSize} towards an acceptance rate of {options.TargetAcceptance}"

    /// A family by its name, a flow with as many steps as the settings say.
    let family (settings: SuboptimalitySettings) name =
        if name = "flow" then
            AuxiliaryFlow.Choice(steps = settings.FlowLength)
        else
            Parts.family name

    /// AIS as the tables run it.
    let annealedBound settings = AnnealedBound(aisOptions StepSizeMode.Adaptive settings)

    /// The paper's parts: a dense Bernoulli decoder or a convolutional one, a factorised Gaussian, an amortized encoder of the same layers.
    let parts (settings: SuboptimalitySettings) =
        match settings.Convolutions with
        | None ->
            { Model =
                DenseModel.Choice(
                    settings.LatentSize,
                    List.toArray settings.Hidden,
                    Activation.Elu,
                    OutputKind.Bernoulli
                )
              Family = Parts.family "ffg"
              Inference = Parts.inference settings.EncoderHidden "amortized"
              Rule = JointGradient.Choice() }
        | Some layers ->
            let channels = List.toArray layers.Channels

            { Model = ConvolutionalModel.Choice(settings.LatentSize, channels, List.toArray layers.ScaleHidden)
              Family = Parts.family "ffg"
              Inference = ConvolutionalEncoder.Choice channels
              Rule = JointGradient.Choice() }

    /// A training run as the paper's, with entropy annealing, of any parts.
    let trainSpecOf (parts: Parts) (settings: SuboptimalitySettings) (dataset: string) (seed: uint64) =
        TrainSpec(
            Data =
                DataSpec(
                    Name = dataset,
                    ValidationCount = Option.toNullable settings.ValidationImages,
                    TrainCount = Option.toNullable settings.TrainingImages,
                    ResamplesTraining = settings.ResamplesTraining,
                    Dequantizes = settings.Dequantizes
                ),
            Model = parts.Model,
            Family = parts.Family,
            Inference = parts.Inference,
            Rule = parts.Rule,
            Schedule = settings.Schedule,
            BatchSize = settings.BatchSize,
            Weights = Annealing.Entropy settings.AnnealingEpochs,
            Patience = Option.toNullable settings.Patience,
            KeepBest = settings.Patience.IsSome,
            Seed = seed
        )

    /// A training run of the paper.
    let trainSpec settings dataset seed = trainSpecOf (parts settings) settings dataset seed

    /// Refuses data of which a Bernoulli decoder has no probabilities.
    let requireBinary (data: DataSet) =
        if not data.SuitsBernoulli then
            Cli.fail
                $"'{data.Name}' holds numbers other than 0 and 1, which a Bernoulli decoder cannot explain; scale them to 0 to 1, or measure a decoder with Gaussian outputs (Scripts/gaps.fsx --model 200-200:gaussian)."

    /// The training runs of given parts on one data set, one a seed. Data that the settings' kind of model cannot explain are refused.
    let trainSpecs (session: Session) parts settings dataset =
        let specs = [ for seed in session.Seeds -> trainSpecOf parts settings dataset seed ]
        let data = (session.Data specs.Head.Data).Set

        if settings.Convolutions.IsNone then
            requireBinary data
        elif not data.HasLevels then
            Cli.fail
                $"'{dataset}' does not hold pixels of 256 levels, which the paper's decoder of colour images explains; name a data set of such images."

        specs

    /// How q* is searched in a family.
    let localOptions (settings: SuboptimalitySettings) (family: Component) =
        let stepSize, steps =
            if Parts.hasNetworks family then
                settings.FlowStepSize, settings.FlowSteps
            else
                settings.LocalStepSize, settings.LocalSteps

        LocalOptimizerOptions(
            Samples = settings.LocalSamples,
            Adam = AdamOptions(LearningRate = stepSize),
            MaximumSteps = steps
        )

    /// How many points of a split are evaluated where q* is searched in a family.
    let points (settings: SuboptimalitySettings) (family: Component) =
        if Parts.hasNetworks family then
            min settings.Points settings.FlowPoints
        else
            settings.Points

    /// What is measured to get the gaps: L[q], L[q*], AIS, L[q*] of the other families, the further bounds, and both bounds on simulated data if there are any,
    /// in this order.
    let evaluations (settings: SuboptimalitySettings) (artifact: ArtifactSpec) (split: DataSplit) =
        let evaluation split points (measure: Measure) =
            EvaluationSpec(Artifact = artifact, Measure = measure, Split = split, Points = points, Seed = artifact.Seed)

        let own = points settings artifact.Family
        let best family = OptimalBounds(localOptions settings family, settings.ImportanceSamples, family)

        [ evaluation split own (InferredBounds settings.ImportanceSamples)
          evaluation split own (OptimalBounds(localOptions settings artifact.Family, settings.ImportanceSamples))
          evaluation split own (annealedBound settings)
          for family in List.map (family settings) settings.OtherFamilies do
              evaluation split (min own (points settings family)) (best family)
          for _, measure in settings.Bounds do
              evaluation split own measure
          // Simulated data know no split: the training points, which every data set has, lend their number only. Steps that adapt to the chains would not certify the bounds.
          if settings.SimulatedPoints > 0 then
              evaluation
                  DataSplit.Train
                  settings.SimulatedPoints
                  (BidirectionalBound(aisOptions StepSizeMode.Frozen settings)) ]

    /// Measures models on parts of their data, each with its own settings: everything at once, so that several processes can share the work.
    let measure (session: Session) (wanted: (SuboptimalitySettings * ArtifactSpec * DataSplit) list) =
        let evaluations = [ for settings, artifact, split in wanted -> evaluations settings artifact split ]

        let mutable cells = session.Evaluate(List.concat evaluations)

        [ for (settings, artifact, _), own in List.zip wanted evaluations do
              let mine, rest = List.splitAt own.Length cells
              cells <- rest
              Measurement.ofCells settings artifact.Seed mine ]
