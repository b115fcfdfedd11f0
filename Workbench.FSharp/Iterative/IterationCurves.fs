namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Inference

/// A network of iterative inference against gradient ascent on the same model's ELBO, datapoint by datapoint (variational EM), after equally many iterations.
module IterationCurves =
    /// How the experiment is done, beside the settings of the models.
    type Design =
        {
            /// After how many iterations the bounds are compared.
            Budgets: int list
            /// After how many iterations the bounds are drawn.
            Drawn: int list
            StepSizes: float list
            /// Validation points with which the step sizes are chosen, and samples of each ELBO.
            TuningPoints: int
            TuningSamples: int
            /// Test points, and samples of each ELBO.
            Points: int
            Samples: int
        }

    /// The optimisers of the baseline, as tables call them.
    let private rules =
        [ "SGD", AscentRule.Sgd
          "momentum", AscentRule.Momentum
          "RMSProp", AscentRule.RmsProp
          "Adam", AscentRule.Adam ]

    let private iterative = "iterative"

    /// The paper's step sizes, whose choice it does not explain, and three between and below them.
    let design preset =
        if preset = "smoke" then
            { Budgets = [ 1; 4; 8 ]
              Drawn = [ 0; 1; 2; 4; 8 ]
              StepSizes = [ 0.5; 0.1; 0.01 ]
              TuningPoints = 20
              TuningSamples = 50
              Points = 20
              Samples = 100 }
        else
            { Budgets = [ 1; 5; 16; 100 ]
              Drawn = [ 0..16 ] @ [ 20; 25; 32; 50; 75; 100 ]
              StepSizes = [ 0.5; 0.4; 0.3; 0.2; 0.1; 0.03; 0.01; 0.003; 0.001; 0.0003 ]
              TuningPoints = 100
              TuningSamples = 100
              Points = if preset = "paper" then 1000 else 200
              Samples = 500 }

    let private ascent samples rule step = VariationalEmOptions(Rule = rule, StepSize = step, Samples = samples)

    /// The iterations after which anything is asked of the test points.
    let private asked (design: Design) = List.distinct (design.Drawn @ design.Budgets) |> List.sort

    /// The step size of each rule and budget with the highest ELBO of validation points: one choice for all seeds.
    let private tune (session: Session) (design: Design) samples (runs: TrainSpec list) =
        let candidates =
            [ for name, rule in rules do
                  for step in design.StepSizes -> name, rule, step ]

        let evaluations =
            [ for _, rule, step in candidates do
                  for run in runs ->
                      EvaluationSpec(
                          Artifact = run,
                          Measure =
                              IterationBounds(
                                  List.toArray design.Budgets,
                                  design.TuningSamples,
                                  ascent samples rule step
                              ),
                          Split = DataSplit.Validation,
                          Points = design.TuningPoints,
                          Seed = run.Seed
                      ) ]

        let cells = session.Evaluate evaluations |> List.chunkBySize runs.Length

        let score budget (cells: MeasuredCell list) =
            cells |> List.averageBy (fun cell -> (cell.Bound(IterationBounds.Elbo budget)).Mean)

        [ for name, rule in rules do
              for budget in design.Budgets do
                  let _, (_, _, step) =
                      List.zip cells candidates
                      |> List.filter (fun (_, (other, _, _)) -> other = name)
                      |> List.maxBy (fun (cells, _) -> score budget cells)

                  (name, budget), ascent samples rule step ]

    /// What is compared: the network, and each rule with each step size that some budget chose.
    type private Method = { Name: string; Ascent: VariationalEmOptions option }

    let private measure (session: Session) (design: Design) (runs: TrainSpec list) (methods: Method list) =
        let evaluation (run: TrainSpec) (measure: Measure) points =
            EvaluationSpec(Artifact = run, Measure = measure, Split = DataSplit.Test, Points = points, Seed = run.Seed)

        let bounds (method: Method) run =
            evaluation
                run
                (IterationBounds(List.toArray (asked design), design.Samples, Option.toObj method.Ascent))
                design.Points

        let time (method: Method) run =
            evaluation run (InferenceTime(16, Option.toObj method.Ascent)) (min design.Points 100)

        let bounded =
            [ for method in methods do
                  for run in runs -> bounds method run ]

        let timed = [ for method in methods -> time method runs.Head ]
        session.Foresee(bounded @ timed)
        let cells = session.Evaluate bounded
        // Times are measured when nothing else is computed.
        let times = session.Evaluate timed
        let seconds = [ for cell in times -> cell.Scalars[InferenceTime.SecondsPerIteration] ]
        List.zip3 methods (List.chunkBySize runs.Length cells) seconds, cells @ times

    let private elbo t (cells: MeasuredCell list) = [ for cell in cells -> cell.Bound(IterationBounds.Elbo t) ]

    let private mean (bounds: BoundEstimate list) = bounds |> List.averageBy _.Mean

    /// The report on iterative models, one run a seed.
    let report (session: Session) title (settings: IterativeSettings) (runs: TrainSpec list) : Report =
        let design = design session.Preset
        let tuned = tune session design settings.Samples runs

        let methods =
            { Name = iterative; Ascent = None }
            :: ([ for (name, _), options in tuned -> { Name = name; Ascent = Some options } ]
                |> List.distinctBy (fun method -> method.Name, method.Ascent))

        let measured, cells = measure session design runs methods
        let tunedFor budget name = tuned |> List.find (fst >> (=) (name, budget)) |> snd

        let cellsOf name options =
            let _, cells, seconds =
                measured |> List.find (fun (method, _, _) -> method.Name = name && method.Ascent = options)

            cells, seconds

        let network, _ = cellsOf iterative None
        // Lines of variational EM are drawn with the step sizes that suit the number of iterations that the network was trained with, or the next.
        let drawnBudget = design.Budgets |> List.find (fun budget -> budget >= settings.Iterations)
        let lines = (iterative, None) :: [ for name, _ in rules -> name, Some(tunedFor drawnBudget name) ]

        let comparison =
            Frame.ofRows
                [ "iterations"
                  iterative
                  for name, _ in rules do
                      name
                  "iterative - best EM" ]
                [ for budget in design.Budgets ->
                      let best = [ for name, _ in rules -> name, fst (cellsOf name (Some(tunedFor budget name))) ]

                      [ Integer budget
                        Comparison.bound (elbo budget network)
                        for _, cells in best do
                            Comparison.bound (elbo budget cells)
                        // The best of the four on the test points themselves: if anything, in favour of variational EM.
                        Comparison.difference
                            (elbo budget network)
                            (best |> List.map (snd >> elbo budget) |> List.maxBy mean) ] ]

        let curves =
            Frame.ofRows
                ("iterations" :: List.map fst lines)
                [ for t in design.Drawn ->
                      Integer t
                      :: [ for name, options in lines -> Comparison.bound (elbo t (fst (cellsOf name options))) ] ]

        let chart axis (scale: float -> int -> float) =
            let series =
                [ for name, options in lines ->
                      let cells, seconds = cellsOf name options
                      name, [ for t in design.Drawn -> scale seconds t, mean (elbo t cells) ] ]

            let best = series |> List.collect (snd >> List.map snd) |> List.max

            Chart.Combine [ for name, points in series -> Chart.Line(points, Name = name) ]
            |> Chart.WithXTitle axis
            |> Chart.WithYTitle "L, nats"
            |> Chart.WithYRange(best - 60., best + 3.)

        let times =
            [ for name, options in lines -> $"{name} {1000. * snd (cellsOf name options):F1} ms" ] |> String.concat ", "

        { Title = title
          Notes =
            [ $"{Comparison.opening session} Nats a datapoint."
              $"ELBO of {design.Points} random test points with {design.Samples} samples, after some numbers of iterations from N(0, I), on the decoder that was trained with {settings.Iterations} iterations of the network; each iteration of any method sees {settings.Samples} sample."
              $"""Step sizes of {design.StepSizes |> List.map string |> String.concat ", "} were tried for each rule and number of iterations on {design.TuningPoints} validation points. Lines are drawn with those for {drawnBudget} iterations."""
              for budget in design.Budgets do
                  let chosen =
                      [ for name, _ in rules -> $"{name} {(tunedFor budget name).StepSize}" ] |> String.concat ", "

                  $"Step sizes for {budget} iterations: {chosen}."
              "iterative - best EM: against the rule that is best for these test points."
              Comparison.note session
              $"One iteration for {min design.Points 100} datapoints together, on the machine and with the threads that measured it: {times}."
              match session.Store.FindArtifact runs.Head with
              | null -> ()
              | artifact -> $"Model: {artifact.Description}"
              yield! Origin.ofCells session runs cells
              yield! IterativeModels.settingNotes (IterativeModels.longer "paper" IterativeModels.paper) settings ]
          Frame = curves
          Charts =
            [ chart "iterations" (fun _ t -> float t) |> Chart.WithTitle "by iteration"
              chart $"ms for {min design.Points 100} datapoints" (fun seconds t -> 1000. * seconds * float t)
              |> Chart.WithTitle "by time" ]
          Summaries = [ "Iterative inference and variational EM after equally many iterations", comparison ] }
