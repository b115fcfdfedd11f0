namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors

/// The settings of the experiments of "Inference Suboptimality in Variational Autoencoders" (Cremer et al. 2018).
type SuboptimalitySettings =
    {
        /// Training images; None for all that the data set has.
        TrainingImages: int option
        /// How many of the last training images are held out for validation; None for the data set's own split.
        ValidationImages: int option
        LatentSize: int
        /// Hidden layers of the decoder.
        Hidden: int list
        /// Hidden layers of the encoder.
        EncoderHidden: int list
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
        /// The step size of the search for q* in families without networks.
        LocalStepSize: float
        /// The step size in families with networks, such as flows; with larger ones their variances collapse.
        FlowStepSize: float
        /// A limit on the steps of local optimisation, which otherwise ends by its own rule.
        LocalSteps: int
        /// The same for families with networks.
        FlowSteps: int
        /// Families, by their names, whose q* is searched beside that of the family a model was trained with.
        OtherFamilies: string list
        /// Further lower bounds on log p(x), each with its name: they are reported, and compete with IWAE and AIS for log p̂.
        Bounds: (string * Measure) list
    }

/// What is measured of one model on one set of datapoints, in nats.
type Measurement =
    {
        Points: int
        /// L[q] and its importance-weighted bound.
        Inferred: BoundEstimate
        InferredIwae: BoundEstimate
        /// L[q*] and its importance-weighted bound, for the family that the model was trained with.
        Optimal: BoundEstimate
        OptimalIwae: BoundEstimate
        /// L[q*] for the other families of the settings.
        OtherOptima: (string * BoundEstimate) list
        Ais: BoundEstimate
        /// The further bounds of the settings.
        Others: (string * BoundEstimate) list
        AcceptanceRates: float array
        Gaps: Gaps
        LocalSteps: int array
        LocallyConverged: int
        /// Reasons not to trust the bounds on log p(x), as sentences that name the datapoints; none if none were found.
        Findings: string list
        /// Where the numbers come from, one for each measure.
        Provenance: Provenance list
        /// Whether another revision of the code gave some of the numbers.
        IsStale: bool
    }

/// The paper's training runs, and the measurement of inference gaps.
module Suboptimality =
    /// The paper's settings for MNIST and Fashion-MNIST.
    let paper =
        { TrainingImages = None
          ValidationImages = Some 0
          LatentSize = 50
          Hidden = [ 200; 200 ]
          EncoderHidden = [ 200; 200 ]
          Schedule = LearningRateSchedule.Burda()
          AnnealingEpochs = 400
          Points = 1000
          ImportanceSamples = 5000
          Chains = 100
          Distributions = 500
          LeapfrogSteps = 10
          LocalSamples = 100
          LocalStepSize = 1e-3
          FlowStepSize = 1e-3
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
            LocalStepSize = 1e-2
            FlowSteps = 500 }

    let private presets = [ "smoke", smoke; "small", small; "paper", paper ]

    /// The settings of a preset.
    let preset name =
        match List.tryFind (fun (known, _) -> known = name) presets with
        | Some(_, settings) -> settings
        | None ->
            let known = presets |> List.map fst |> String.concat ", "
            Cli.fail $"There is no preset '{name}'; use one of {known}."

    /// The data sets of the command line; generated ones by default in smoke, binarized MNIST otherwise.
    let datasets (session: Session) =
        session.Datasets(if session.Preset = "smoke" then "glyphs" else "binarized-mnist")

    /// Every setting as a name and a value.
    let describe (settings: SuboptimalitySettings) =
        let orAll = Option.map string >> Option.defaultValue "all"

        let schedule =
            settings.Schedule.Stages
            |> Seq.map (fun stage -> $"{stage.Epochs} at {stage.LearningRate:G4}")
            |> String.concat ", "

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
          "hidden layers of the decoder", layers settings.Hidden
          "hidden layers of the encoder", layers settings.EncoderHidden
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
          "local step size", $"{settings.LocalStepSize}"
          "local step size of flows", $"{settings.FlowStepSize}"
          "limit on local steps", string settings.LocalSteps
          "limit on local steps of flows", string settings.FlowSteps
          "further bounds",
          (match settings.Bounds with
           | [] -> "none"
           | some -> some |> List.map fst |> String.concat ", ") ]

    /// What a table's header says of the settings: every one that differs from the paper's.
    let settingNotes (used: SuboptimalitySettings list) =
        let differences =
            [ for settings in used do
                  for (name, own), (_, published) in List.zip (describe settings) (describe paper) do
                      if own <> published then
                          $"differs from the paper: {name} {own} (paper: {published})" ]
            |> List.distinct

        if List.isEmpty differences then
            [ "Settings: those of the paper's experiments on MNIST and Fashion-MNIST." ]
        else
            differences @ [ "With these differences the numbers are no reproduction of the published ones." ]

    /// How AIS is run.
    let aisOptions (settings: SuboptimalitySettings) =
        AisOptions(
            Chains = settings.Chains,
            Betas = AnnealingSchedule.Linear settings.Distributions,
            LeapfrogSteps = settings.LeapfrogSteps
        )

    /// How AIS is run, for a table's header.
    let aisNote settings =
        let options = aisOptions settings
        $"linear schedule, {options.StepSizes.ToString().ToLowerInvariant()} step sizes for each chain from {options.InitialStepSize} towards an acceptance rate of {options.TargetAcceptance}"

    /// The paper's parts: a dense Bernoulli decoder, a factorised Gaussian, an amortized encoder of the same layers.
    let parts (settings: SuboptimalitySettings) =
        { Model =
            DenseModel.Choice(settings.LatentSize, List.toArray settings.Hidden, Activation.Elu, OutputKind.Bernoulli)
          Family = Parts.family "ffg"
          Inference = Parts.inference settings.EncoderHidden "amortized" }

    /// A training run as the paper's, with entropy annealing, of any parts.
    let trainSpecOf (parts: Parts) (settings: SuboptimalitySettings) (dataset: string) (seed: uint64) =
        TrainSpec(
            Data =
                DataSpec(
                    Name = dataset,
                    ValidationCount = Option.toNullable settings.ValidationImages,
                    TrainCount = Option.toNullable settings.TrainingImages
                ),
            Model = parts.Model,
            Family = parts.Family,
            Inference = parts.Inference,
            Schedule = settings.Schedule,
            Weights = Annealing.Entropy settings.AnnealingEpochs,
            Seed = seed
        )

    /// A training run of the paper.
    let trainSpec settings dataset seed = trainSpecOf (parts settings) settings dataset seed

    /// The training runs of given parts on one data set, one a seed. Data that a Bernoulli model cannot explain are refused.
    let trainSpecs (session: Session) parts settings dataset =
        let specs = [ for seed in session.Seeds -> trainSpecOf parts settings dataset seed ]

        if not (session.Data specs.Head.Data).Set.SuitsBernoulli then
            Cli.fail
                $"'{dataset}' holds numbers outside 0 to 1, which the paper's Bernoulli decoder cannot explain; scale them, or measure a decoder with Gaussian outputs (Scripts/gaps.fsx --model 200-200:gaussian)."

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

    /// What is measured to get the gaps: L[q], L[q*], AIS, L[q*] of the other families and the further bounds, in this order.
    let evaluations (settings: SuboptimalitySettings) (artifact: ArtifactSpec) (split: DataSplit) =
        let measures: Measure list =
            [ InferredBounds settings.ImportanceSamples
              OptimalBounds(localOptions settings artifact.Family, settings.ImportanceSamples)
              AnnealedBound(aisOptions settings)
              for name in settings.OtherFamilies do
                  let family = Parts.family name
                  OptimalBounds(localOptions settings family, settings.ImportanceSamples, family)
              yield! List.map snd settings.Bounds ]

        [ for measure in measures ->
              EvaluationSpec(
                  Artifact = artifact,
                  Measure = measure,
                  Split = split,
                  Points = settings.Points,
                  Seed = artifact.Seed
              ) ]

    /// Reasons not to trust bounds on log p(x), from their disagreement and from how AIS moved.
    let private findings seed (ais: MeasuredCell) (bounds: (string * BoundEstimate) list) =
        let points =
            // A description in a store may lack it.
            match string ais.Spec["split"] with
            | "train" -> "training points"
            | "" -> "points"
            | split -> $"{split} points"

        let named = [| for name, bound in bounds -> struct (name, bound) |]

        [ yield! MarginalCheck.Disagreements(ReadOnlySpan named)
          yield! MarginalCheck.Acceptance("AIS", ReadOnlySpan(ais.Values "acceptance")) ]
        |> List.map (fun finding -> $"Caution, {points} of seed {seed}: {finding}")

    /// The gaps from the results of `evaluations`.
    let ofCells (settings: SuboptimalitySettings) seed (cells: MeasuredCell list) =
        match cells with
        | inferred :: optimal :: ais :: others ->
            let optima, bounds = List.splitAt settings.OtherFamilies.Length others

            let optima =
                List.map2 (fun name (cell: MeasuredCell) -> name, cell.Bound "elbo") settings.OtherFamilies optima

            let others =
                List.map2 (fun (name, _) (cell: MeasuredCell) -> name, cell.Bound "bound") settings.Bounds bounds

            let bounds = [| optimal.Bound "iwae"; ais.Bound "ais"; yield! List.map snd others |]

            { Points = ais.Datapoints.Length
              Inferred = inferred.Bound "elbo"
              InferredIwae = inferred.Bound "iwae"
              Optimal = optimal.Bound "elbo"
              OptimalIwae = bounds[0]
              OtherOptima = optima
              Ais = bounds[1]
              Others = others
              AcceptanceRates = ais.Values "acceptance"
              Gaps =
                Gaps.Compute(
                    bounds,
                    optimal.Bound "elbo",
                    inferred.Bound "elbo",
                    RandomStream(seed, RandomPurpose.Bootstrap)
                )
              LocalSteps = optimal.Values "steps" |> Array.map int
              LocallyConverged = optimal.Values "converged" |> Array.sumBy int
              Findings = findings seed ais (("IWAE of q*", bounds[0]) :: ("AIS", bounds[1]) :: others)
              Provenance = cells |> List.map _.Provenance
              IsStale = cells |> List.exists _.IsStale }
        | _ -> invalidArg (nameof cells) "Three results at least are expected."

    /// Measures models on parts of their data, each with its own settings: everything at once, so that several processes can share the work.
    let measure (session: Session) (wanted: (SuboptimalitySettings * ArtifactSpec * DataSplit) list) =
        for settings, artifact, split in wanted do
            let available = (session.Data artifact.Data).[split].Count

            if settings.Points > available then
                Cli.fail
                    $"'{artifact.Data.Name}' has {available} {split.ToString().ToLowerInvariant()} points, but {settings.Points} are to be evaluated; use a preset with fewer."

        let evaluations = [ for settings, artifact, split in wanted -> evaluations settings artifact split ]

        let mutable cells = session.Evaluate(List.concat evaluations)

        [ for (settings, artifact, _), own in List.zip wanted evaluations do
              let mine, rest = List.splitAt own.Length cells
              cells <- rest
              ofCells settings artifact.Seed mine ]

    /// What a table's reader must know: what the numbers mean, the models, where they come from, and how the settings differ from the paper's.
    let notes
        (session: Session)
        (settings: SuboptimalitySettings list)
        (specs: TrainSpec list)
        (measurements: Measurement list)
        =
        let describeModel (spec: TrainSpec) =
            match session.Store.FindArtifact spec with
            | null -> "a model that is no longer stored"
            | artifact -> artifact.Description

        let data = specs |> List.map _.Data |> List.distinct |> List.map session.Data
        let provenance = measurements |> List.collect _.Provenance
        let level = 100. * measurements.Head.Gaps.Level
        let seeds = session.Seeds |> List.map string |> String.concat ", "
        let several = session.Seeds.Length > 1
        let points = settings |> List.map (fun s -> string s.Points) |> List.distinct |> String.concat " or "

        [ $"""Preset {session.Preset}, {(if several then "seeds" else "seed")} {seeds}. {points} random training and test points, the same for every seed."""
          (if several then
               $"Averages over {session.Seeds.Length} seeds, each with its own model; ± is the standard error over seeds."
           else
               $"± is the Monte-Carlo standard error for these points, [ ] the {level:F0} %% bootstrap interval over points.")
          "q is the encoder's posterior, q* the best of a family for each point, in the gaps that of the family the model was trained with. log p̂ is the larger of the averages of IWAE (of that q*) and AIS, both lower bounds on log p(x) in expectation. Approximation gap: log p̂ - L[q*]; amortization gap: L[q*] - L[q]; inference gap: their sum."
          "The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side. Local steps: mean, and how many points met the stopping rule."
          "The published numbers are the paper's, of its training points."
          for description in specs |> List.map describeModel |> List.distinct do
              $"Model: {description}."
          $"Training and local optimisation evaluate the KL analytically where the family allows it. AIS: {aisNote settings.Head}."
          for version in
              [ for p in provenance -> $"GapLab {p.Version}, {p.Runtime}, {p.SimdBits}-bit vectors." ] |> List.distinct do
              version
          for loaded in data do
              $"Trained on {loaded.Train.Count} datapoints of {loaded.Set.Provenance}"

              for file in loaded.Set.Files do
                  $"{System.IO.Path.GetFileName file.Path}: sha256 of the unpacked bytes {file.Sha256}"
          if measurements |> List.exists _.IsStale then
              "Some numbers were computed by another revision of the code; --recompute stale computes them anew." ]
        @ settingNotes settings
