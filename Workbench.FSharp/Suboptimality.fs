namespace GapLab.Workbench

open System
open System.IO
open System.Reflection
open GapLab.Bounds
open GapLab.Data
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Training

/// The settings of the experiments of "Inference Suboptimality in Variational Autoencoders" (Cremer et al. 2018).
type SuboptimalitySettings =
    {
        /// Training images; None for all that the data set has.
        TrainingImages: int option
        /// How many of the last training images are held out for validation; None for the data set's own split.
        ValidationImages: int option
        LatentSize: int
        Hidden: int list
        Schedule: LearningRateSchedule
        /// Epochs over which the weight of the entropy grows from 0 to 1.
        AnnealingEpochs: int
        /// Evaluated datapoints of each split.
        Points: int
        /// Samples for L[q] and the importance-weighted bound.
        ImportanceSamples: int
        Chains: int
        Distributions: int
        LeapfrogSteps: int
        LocalSamples: int
        LocalStepSize: float
    }

/// Training a model and measuring its inference gaps.
module Suboptimality =
    /// The library's version and, where it was built from a repository, revision.
    let version =
        (typeof<Gaps>.Assembly.GetCustomAttributes(typeof<AssemblyInformationalVersionAttribute>, false)[0]
        :?> AssemblyInformationalVersionAttribute)
            .InformationalVersion

    /// The paper's settings for MNIST and Fashion-MNIST.
    let paper =
        { TrainingImages = None
          ValidationImages = Some 0
          LatentSize = 50
          Hidden = [ 200; 200 ]
          Schedule = LearningRateSchedule.Burda()
          AnnealingEpochs = 400
          Points = 1000
          ImportanceSamples = 5000
          Chains = 100
          Distributions = 500
          LeapfrogSteps = 10
          LocalSamples = 100
          LocalStepSize = 1e-3 }

    /// Real data in minutes.
    let small =
        { paper with
            ValidationImages = None
            Schedule = LearningRateSchedule.Constant(20, 1e-3)
            AnnealingEpochs = 2
            Points = 50
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
            ImportanceSamples = 1000
            Chains = 10
            Distributions = 100
            LocalSamples = 10
            LocalStepSize = 1e-2 }

    let private presets = [ "smoke", smoke; "small", small; "paper", paper ]

    /// The settings of a preset.
    let preset name =
        match List.tryFind (fun (known, _) -> known = name) presets with
        | Some(_, settings) -> settings
        | None ->
            let known = presets |> List.map fst |> String.concat ", "
            Cli.fail $"There is no preset '{name}'; use one of {known}."

    /// Every setting as a name and a value.
    let describe (settings: SuboptimalitySettings) =
        let orAll = Option.map string >> Option.defaultValue "all"

        let schedule =
            settings.Schedule.Stages
            |> Seq.map (fun stage -> $"{stage.Epochs} at {stage.LearningRate:G4}")
            |> String.concat ", "

        let layers = settings.Hidden |> List.map string |> String.concat "-"

        [ "training images", orAll settings.TrainingImages
          "validation part",
          (match settings.ValidationImages with
           | None -> "the data set's own"
           | Some 0 -> "none"
           | Some count -> string count)
          "latent size", string settings.LatentSize
          "hidden layers", layers
          "epochs",
          (if
               Seq.forall2 (=) settings.Schedule.Stages (LearningRateSchedule.Burda().Stages)
               && settings.Schedule.Stages.Count = 8
           then
               $"{settings.Schedule.Epochs} (3^i schedule)"
           else
               schedule)
          "entropy-annealing epochs", string settings.AnnealingEpochs
          "evaluated points of each split", string settings.Points
          "importance samples", string settings.ImportanceSamples
          "AIS chains", string settings.Chains
          "AIS distributions", string settings.Distributions
          "leapfrog steps", string settings.LeapfrogSteps
          "local samples", string settings.LocalSamples
          "local step size", $"{settings.LocalStepSize}" ]

    /// What a table's header says of the settings: every one that differs from the paper's.
    let settingNotes (settings: SuboptimalitySettings) =
        let differences =
            List.zip (describe settings) (describe paper)
            |> List.filter (fun (own, published) -> own <> published)
            |> List.map (fun ((name, own), (_, published)) ->
                $"differs from the paper: {name} {own} (paper: {published})")

        if List.isEmpty differences then
            [ "Settings: those of the paper's experiments on MNIST and Fashion-MNIST." ]
        else
            differences
            @ [ "With these differences the numbers are no reproduction of the published ones, which stand beside them for orientation." ]

    let private aisOptions (settings: SuboptimalitySettings) =
        AisOptions(
            Chains = settings.Chains,
            Betas = AnnealingSchedule.Linear settings.Distributions,
            LeapfrogSteps = settings.LeapfrogSteps
        )

    /// How AIS is run, for a table's header.
    let aisNote settings =
        let options = aisOptions settings
        $"linear schedule, {options.StepSizes.ToString().ToLowerInvariant()} step sizes for each chain from {options.InitialStepSize} towards an acceptance rate of {options.TargetAcceptance}"

    let private device = CpuDevice.Instance

    /// A data set and the batches that training and evaluation take from it.
    type Data =
        { Set: DataSet
          Train: ObservationSource
          Validation: ObservationSource option
          Test: ObservationSource }

    /// Loads a data set with its usual binarization.
    let load (name: string) (folder: string option) (settings: SuboptimalitySettings) =
        let options =
            DataOptions(
                Folder = Option.toObj folder,
                ValidationCount = Option.toNullable settings.ValidationImages,
                SyntheticTrainCount = defaultArg settings.TrainingImages 5000
            )

        let set = DataSets.Load(name, options)

        let source (images: ImageSet) = ImageSource(device, images, set.DefaultBinarization) :> ObservationSource

        let train =
            match settings.TrainingImages with
            | Some count when count < set.Train.Count ->
                // Files may be sorted, so a part of one is drawn at random: the same part every time.
                let order = [| 0 .. set.Train.Count - 1 |]
                RandomStream(0UL, RandomPurpose.Split).Shuffle order
                set.Train.Select(ReadOnlySpan order[.. count - 1])
            | _ -> set.Train

        { Set = set
          Train = source train
          Validation = (if set.Validation.Count = 0 then None else Some(source set.Validation))
          Test = source set.Test }

    /// A model of the paper's architecture with an amortized factorised Gaussian, freshly initialised.
    let build (settings: SuboptimalitySettings) dataSize seed =
        let initial = RandomStream(seed, RandomPurpose.Initialization)
        let hidden = List.toArray settings.Hidden

        let model =
            DenseModel(
                device,
                settings.LatentSize,
                hidden,
                dataSize,
                Activation.Elu,
                OutputKind.Bernoulli,
                initial.Fork 1UL
            )

        let family = FactorizedGaussian(device, settings.LatentSize)
        let encoder = Amortized(family, device, dataSize, hidden, Activation.Elu, initial.Fork 2UL)
        Vae(model, family, encoder)

    /// Trains with entropy annealing; every epoch is handed to `onEpoch`.
    let train (settings: SuboptimalitySettings) seed data (vae: Vae) onEpoch =
        let weights epoch =
            if epoch >= settings.AnnealingEpochs then
                ObjectiveWeights.Elbo
            else
                ObjectiveWeights.EntropyAnnealing(float epoch / float settings.AnnealingEpochs)

        let options = TrainerOptions(Schedule = settings.Schedule, Weights = Func<_, _> weights, Seed = seed)

        Progress.run "training" (fun report ->
            Trainer(options).Train(vae, data.Train, Option.toObj data.Validation, Action<_> onEpoch, Action<_> report))

    /// What is measured on one set of datapoints, in nats.
    type Measurement =
        {
            Points: int
            /// L[q] and its importance-weighted bound.
            Inferred: ImportanceEstimate
            /// L[q*] and its importance-weighted bound.
            Optimal: ImportanceEstimate
            Ais: AisEstimate
            Gaps: Gaps
            LocalSteps: int array
            LocallyConverged: int
        }

    /// Measures the bounds and gaps of a random subset of a source, the same one for every seed.
    let measure (settings: SuboptimalitySettings) seed (vae: Vae) label (source: ObservationSource) =
        let x = source.Subset settings.Points
        let stream purpose = RandomStream(seed, purpose)
        let importance = ImportanceSampler settings.ImportanceSamples
        let step title work = Progress.run $"{label}: {title}" (Progress.ofCount x.Count >> work)
        let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream RandomPurpose.Evaluation, 0).Final

        let inferred =
            step "L[q]" (fun report ->
                importance.Estimate(
                    vae.Model,
                    vae.Family,
                    x,
                    lambda,
                    (stream RandomPurpose.Importance).Fork 1UL,
                    report
                ))

        let optimum =
            step "local optimisation" (fun report ->
                let options =
                    LocalOptimizerOptions(
                        Samples = settings.LocalSamples,
                        Adam = AdamOptions(LearningRate = settings.LocalStepSize)
                    )

                LocalOptimizer(options)
                    .Optimize(vae.Model, vae.Family, x, stream RandomPurpose.LocalOptimization, report))

        let optimal =
            step "L[q*]" (fun report ->
                importance.Estimate(
                    vae.Model,
                    vae.Family,
                    x,
                    optimum.Lambda,
                    (stream RandomPurpose.Importance).Fork 2UL,
                    report
                ))

        let ais =
            step "AIS" (fun report ->
                Ais(aisOptions settings).Run(vae.Model, x, stream RandomPurpose.AnnealedInitial, report))

        { Points = x.Count
          Inferred = inferred
          Optimal = optimal
          Ais = ais
          Gaps =
            Gaps.Compute([ optimal.Iwae; ais.LogMarginal ], optimal.Elbo, inferred.Elbo, stream RandomPurpose.Bootstrap)
          LocalSteps = optimum.Steps
          LocallyConverged = optimum.ConvergedCount }
