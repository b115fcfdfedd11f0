namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors

/// A shape of posterior that the figure looks for: the datapoint with the highest score shows it best.
type PosteriorKind =
    {
        Label: string
        Shows: string
        /// What the score is, in words.
        Criterion: string
        /// By the columns of `PosteriorShape` for one datapoint.
        Score: (string -> float) -> float
    }

/// A datapoint that the figure shows.
type ChosenPosterior =
    {
        Kind: PosteriorKind
        /// Its place in the pool.
        Row: int
        /// Its index in the data set.
        Datapoint: int
        Score: float
        Correlation: float
        Bimodality: float
    }

/// One approximation of a posterior over the plane.
type PlaneApproximation =
    {
        Density: PlaneDensity
        /// KL(q ‖ p(z | x)) by quadrature: what it loses of log p(x).
        Divergence: float
        /// Bounds from samples, for comparison.
        Elbo: Cell
        Iwae: Cell
        /// The log-density at the points of any grid.
        LogDensity: PlaneGrid -> float array
    }

/// A posterior with its approximations, by quadrature.
type PlanePicture =
    { Chosen: ChosenPosterior
      Posterior: PlaneDensity
      LogPosterior: PlaneGrid -> float array
      Amortized: PlaneApproximation
      OptimalFfg: PlaneApproximation
      OptimalFlow: PlaneApproximation
      Ais: Cell }

/// Posteriors of models with two latent variables beside their approximations, as in the paper's Figure 2.
module PlanePictures =
    /// The paper's settings (section 6.1.1); its pool and what is measured are not stated.
    let paper =
        { Suboptimality.paper with
            LatentSize = 2
            Hidden = [ 100 ]
            EncoderHidden = [ 100 ]
            Schedule = LearningRateSchedule.Constant(3000, 1e-4)
            BatchSize = 50
            AnnealingEpochs = 0 }

    /// The settings of a preset; `Points` is the size of the pool of training points from which four are chosen.
    let preset name =
        let usual = Suboptimality.preset name

        let common =
            { usual with
                LatentSize = paper.LatentSize
                Hidden = paper.Hidden
                EncoderHidden = paper.EncoderHidden
                BatchSize = paper.BatchSize
                AnnealingEpochs = paper.AnnealingEpochs }

        match name with
        | "paper" -> paper
        | "smoke" -> { common with Schedule = LearningRateSchedule.Constant(10, 2e-3); Points = 10 }
        | _ -> { common with Schedule = LearningRateSchedule.Constant(50, 1e-3); Points = 200 }

    /// The training run: one hidden layer, tanh, two latent variables, no annealing.
    let trainSpec (session: Session) (settings: SuboptimalitySettings) dataset seed =
        let parts =
            { Model =
                DenseModel.Choice(
                    settings.LatentSize,
                    List.toArray settings.Hidden,
                    Activation.Tanh,
                    OutputKind.Bernoulli
                )
              Family = FactorizedGaussian.Choice()
              Inference = Amortized.Choice(List.toArray settings.EncoderHidden, Activation.Tanh)
              Rule = JointGradient.Choice() }

        let spec = Suboptimality.trainSpecOf parts settings dataset seed

        if not (session.Data spec.Data).Set.SuitsBernoulli then
            Cli.fail $"'{dataset}' holds numbers outside 0 to 1, which a Bernoulli decoder cannot explain; scale them."

        spec

    // ------------------------------------------------------------------------------------------------------------
    // The choice of four datapoints

    /// Two parts of a posterior that hold less than this are no two parts: see `PlaneDensity.Bimodality`.
    let private oneMode = 0.01

    /// An amortization gap, in nats, with which the encoder's q still lies where the posterior is.
    let private nearby = 1.

    /// The depth, in nats, of a saddle that searches cross. Beyond deeper ones lies a part that no q* covers, whatever its family.
    let private passable = 3.

    let private fits =
        { Label = "A"
          Shows = "good fit"
          Criterion = "smallest KL(q ‖ p)"
          Score = fun column -> -(column "klInferred") }

    let private correlated =
        { Label = "B"
          Shows = "correlation"
          Criterion =
            $"largest |correlation|, of those with bimodality below {oneMode} and an amortization gap below {nearby} nat"
          Score =
            fun column ->
                if column "bimodality" < oneMode && column "klInferred" - column "klOptimal" < nearby then
                    abs (column "correlation")
                else
                    -infinity }

    let private missed =
        { Label = "C"
          Shows = "encoder misses it"
          Criterion = "largest amortization gap, KL(q ‖ p) - KL(q* ‖ p)"
          Score = fun column -> column "klInferred" - column "klOptimal" }

    let private bimodal =
        { Label = "D"
          Shows = "two modes"
          Criterion =
            $"largest bimodality, {oneMode} at least; those whose saddle is at most {passable} nats deep come first"
          Score =
            fun column ->
                match column "bimodality" with
                | value when value < oneMode -> -infinity
                | value when column "saddle" <= passable -> value + 1.
                | value -> value }

    /// From A to D: the later, the rarer.
    let kinds = [ fits; correlated; missed; bimodal ]

    /// The datapoints that show A to D, all different: the rarest kinds choose first. A kind that no datapoint shows is left out.
    let choose (cell: MeasuredCell) : ChosenPosterior list =
        let values = [ for column in cell.Columns -> column.Name, cell.Values column.Name ] |> Map.ofList
        let datapoints = cell.Datapoints

        let pick (chosen: ChosenPosterior list) (kind: PosteriorKind) =
            let scores =
                [ for row in 0 .. datapoints.Length - 1 do
                      if chosen |> List.forall (fun other -> other.Row <> row) then
                          row, kind.Score(fun column -> values[column][row]) ]
                |> List.filter (snd >> Double.IsFinite)

            match scores with
            | [] -> chosen
            | some ->
                let row, score = List.maxBy snd some

                { Kind = kind
                  Row = row
                  Datapoint = datapoints[row]
                  Score = score
                  Correlation = values["correlation"][row]
                  Bimodality = values["bimodality"][row] }
                :: chosen

        kinds |> List.rev |> List.fold pick [] |> List.sortBy _.Kind.Label

    // ------------------------------------------------------------------------------------------------------------
    // Posteriors and approximations

    /// The families with the ways their searches start. The paper's start, N(0, I), can end in a far tail of a narrow posterior, so a second search starts at the
    /// posterior's moments; for the flow as the identity, so that it can keep what is there.
    let private searches =
        let standard (_: VariationalFamily) (_: PlaneDensity array) : LocalParameters = null
        let moments family posteriors = PlanePosterior.MomentsAsStart(family, posteriors)
        let identity = AuxiliaryFlow.Choice(scale = FlowScale.CentredSigmoid(), startsAtIdentity = true)

        {| Ffg = [ FactorizedGaussian.Choice(), standard; FactorizedGaussian.Choice(), moments ]
           Flow = [ AuxiliaryFlow.Choice(), standard; identity, moments ] |}

    /// The posteriors of chosen datapoints with their approximations; q* is that of the search with the highest ELBO.
    let pictures
        (session: Session)
        (settings: SuboptimalitySettings)
        (spec: TrainSpec)
        (chosen: ChosenPosterior list)
        : PlanePicture list =
        let vae = session.Load spec
        let pool = (session.Data spec.Data).Train.Subset settings.Points
        let x = pool.Select(ReadOnlySpan [| for point in chosen -> point.Row |])
        let rows = [| for row in 0 .. x.Count - 1 -> x.Select(ReadOnlySpan [| row |]) |]
        let stream purpose = RandomStream(spec.Seed, purpose)
        let noise (fork: int) = (stream RandomPurpose.Importance).Fork(uint64 fork)
        let sampler = ImportanceSampler settings.ImportanceSamples
        let posteriors = rows |> Array.map (fun row -> PlanePosterior.Of(vae.Model, row, session.Cancellation))

        let approximation row (family: VariationalFamily) (lambda: LocalParameters) (bounds: ImportanceEstimate) =
            let lambda = lambda.Select(ReadOnlySpan [| row |])
            let density = PlanePosterior.Of(vae.Model, family, rows[row], lambda, noise 4)
            let cell (bound: BoundEstimate) = Cell.Estimate(bound.Values[row], bound.StandardErrors[row])

            { Density = density
              Divergence = PlanePosterior.Divergence(vae.Model, rows[row], posteriors[row], density)
              Elbo = cell bounds.Elbo
              Iwae = cell bounds.Iwae
              LogDensity = fun grid -> PlanePosterior.LogDensity(vae.Model, family, rows[row], lambda, grid, noise 5) }

        let inferred = vae.Inference.Infer(vae.Model, vae.Family, x, stream RandomPurpose.Evaluation, 0).Final
        let ofInferred = sampler.Estimate(vae.Model, vae.Family, x, inferred, noise 1)

        /// The approximation by the best q* of some searches, by row.
        let best name starts =
            let found =
                [ for i, (choice: Component<FamilyContext, VariationalFamily>, start) in List.indexed starts do
                      let family = choice.Build(FamilyContext(vae.Model, stream RandomPurpose.Initialization))
                      let search = LocalOptimizer(Suboptimality.localOptions settings choice)

                      let optimum =
                          Progress.run $"search for q*, {name}, {i + 1} of {starts.Length}" (fun report ->
                              search.Optimize(
                                  vae.Model,
                                  family,
                                  x,
                                  stream RandomPurpose.LocalOptimization,
                                  Progress.ofCount x.Count report,
                                  session.Cancellation,
                                  start family posteriors
                              ))

                      optimum, sampler.Estimate(vae.Model, optimum, x, noise 2) ]

            fun row ->
                let optimum, bounds = found |> List.maxBy (fun (_, bounds) -> bounds.Elbo.Values[row])
                approximation row optimum.Families[row] optimum.Lambda bounds

        let ffg = best "FFG" searches.Ffg
        let flow = best "flow" searches.Flow
        let ais = Ais(Suboptimality.aisOptions StepSizeMode.Adaptive settings)

        let annealed =
            Progress.run "AIS" (fun report ->
                ais.Run(
                    vae.Model,
                    x,
                    stream RandomPurpose.AnnealedInitial,
                    Progress.ofCount x.Count report,
                    session.Cancellation
                ))

        Progress.run "densities" (fun report ->
            [ for row, point in List.indexed chosen do
                  report (float row / float chosen.Length)

                  { Chosen = point
                    Posterior = posteriors[row]
                    LogPosterior =
                      fun grid ->
                          PlanePosterior.LogJoint(vae.Model, rows[row], grid)
                          |> Array.map (fun value -> value - posteriors[row].LogIntegral)
                    Amortized = approximation row vae.Family inferred ofInferred
                    OptimalFfg = ffg row
                    OptimalFlow = flow row
                    Ais = Cell.Estimate(annealed.LogMarginal.Values[row], annealed.LogMarginal.StandardErrors[row]) } ])
