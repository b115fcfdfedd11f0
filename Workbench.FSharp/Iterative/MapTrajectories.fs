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
open GapLab.Tensors
open MathNet.Numerics.Statistics

/// Models of two latent variables whose q is a point, so that inference is a walk on the surface log p(x, z): its maximum, and how near inference comes to it.
module MapTrajectories =
    /// The settings of the 2-D experiments: two latent variables, and epochs as the paper says for each kind of model.
    let settings (session: Session) epochs =
        let usual = IterativeModels.preset session.Preset

        { usual with
            Gaps =
                { usual.Gaps with
                    LatentSize = 2
                    Schedule =
                        (if session.Preset = "paper" then
                             GapLab.Optimization.LearningRateSchedule.Decaying(epochs, 2e-4, 0.999)
                         else
                             usual.Gaps.Schedule)
                    Points = (if session.Preset = "smoke" then 5 else 100) } }

    /// The settings of the paper for so many epochs.
    let paper epochs =
        { IterativeModels.paper with
            Gaps =
                { IterativeModels.paper.Gaps with
                    LatentSize = 2
                    Schedule = GapLab.Optimization.LearningRateSchedule.Decaying(epochs, 2e-4, 0.999) } }

    /// A model with a point as q.
    let withPoint (parts: Parts) = { parts with Family = PointMass.Choice() }

    /// Iterations that are drawn of inference that iterates, and those of gradient ascent, which needs more.
    let private drawn = 16
    let private ascended = 100

    let private stepSizes = [ 0.1; 0.03; 0.01; 0.003; 0.001; 0.0003 ]

    /// Half the side of the square that is searched and drawn, and the distance of its grid's points, as in the paper.
    let private radius = 5.
    let private step = 0.05

    /// A way to an estimate of the most probable z.
    type private Walk = { Name: string; Ascent: VariationalEmOptions option; Iterations: int list }

    let private evaluation (run: TrainSpec) split points measure =
        EvaluationSpec(Artifact = run, Measure = measure, Split = split, Points = points, Seed = run.Seed)

    /// Two samples of a point are equal, and show that its height is known without error.
    let private heights (walk: Walk) = IterationBounds(List.toArray walk.Iterations, 2, Option.toObj walk.Ascent)

    /// Gradient ascent with the step size that is best for validation points.
    let private ascent (session: Session) (run: TrainSpec) points =
        let walk step =
            { Name = "gradient ascent"
              Ascent = Some(VariationalEmOptions(Rule = AscentRule.Sgd, StepSize = step))
              Iterations = [ 0; 1; 2; 4; 8; drawn; ascended ] }

        let cells =
            session.Evaluate
                [ for step in stepSizes -> evaluation run DataSplit.Validation points (heights (walk step)) ]

        List.zip stepSizes cells
        |> List.maxBy (fun (_, cell) -> (cell.Bound(IterationBounds.Elbo ascended)).Mean)
        |> fst
        |> walk

    /// The points [iterations + 1] that inference passes, of one datapoint.
    let private path (vae: Vae) (x: Observations) (walk: Walk) seed =
        let method =
            match walk.Ascent, box vae.Inference with
            | Some ascent, _ -> VariationalEm(vae.Model.Device, ascent).WithIterations ascended
            | None, (:? IIterated as iterated) -> iterated.WithIterations drawn
            | None, _ -> vae.Inference

        let trace = method.Infer(vae.Model, vae.Family, x, RandomStream(seed, RandomPurpose.Evaluation), 0)

        [ for lambda in trace.Points ->
              let place = lambda[0].ToArray()
              place[0], place[1] ]

    /// How far below the highest point of its surface a part of the picture is still drawn, in nats.
    let private depth = 400.

    /// The surface of a datapoint with the paths on it, as far as they lie within the square.
    let private picture (vae: Vae) (x: Observations) (best: float * float) (walks: Walk list) seed =
        let grid = PlaneGrid.Square(radius, 81)
        let surface = PlanePosterior.LogJoint(vae.Model, x, grid)
        let highest = Array.max surface
        let places axis = [ for i in 0 .. grid.Size - 1 -> Math.Round((axis i: float), 4) ]

        let heights = surface |> Array.map (fun height -> Math.Round(max height (highest - depth), 1))
        let levels = [ for i in 1..16 -> highest - depth * (1. - float i / 16.) ]

        let contours =
            Chart.Contour(
                Array.chunkBySize grid.Size heights,
                X = places grid.X,
                Y = places grid.Y,
                Name = "log p(x, z)",
                Lines = true,
                Levels = levels
            )

        let walked (walk: Walk) =
            match path vae x walk seed with
            | [ point ] -> Chart.Scatter([ point ], Name = walk.Name)
            | several -> Chart.Line(several, Name = walk.Name)

        Chart.Combine(contours :: List.map walked walks @ [ Chart.Scatter([ best ], Name = "most probable z") ])
        |> Chart.WithXRange(-radius, radius)
        |> Chart.WithYRange(-radius, radius)
        |> Chart.WithXTitle "z₁"
        |> Chart.WithYTitle "z₂"
        |> Chart.WithSize(460, 340)

    /// How many datapoints are drawn.
    let private pictures = 4

    /// A trained model, what tables call its inference, and whether that iterates.
    type Model = { Name: string; Run: TrainSpec; Iterates: bool }

    /// A page on some kinds of models, each with a name and one training run; `inference` is what tables call their own way to z.
    let page
        (session: Session)
        title
        explanation
        (published: IterativeSettings)
        (settings: IterativeSettings)
        (models: Model list)
        : Page =
        let points = settings.Gaps.Points

        // What the models have in common is not repeated.
        let nameOf (model: Model) =
            let varies (value: Model -> 'a) = models |> List.distinctBy value |> List.length > 1

            [ model.Name
              if varies _.Run.Data.Name then
                  model.Run.Data.Name
              if varies _.Run.Seed then
                  $"seed {model.Run.Seed}" ]
            |> String.concat ", "

        let measured =
            [ for model in models ->
                  let run = model.Run

                  let own: Walk =
                      { Name = (if model.Iterates then "iterative" else "encoder")
                        Ascent = None
                        Iterations = (if model.Iterates then [ 0; 1; 2; 4; 8; drawn; ascended ] else [ 0 ]) }

                  let walks = [ own; ascent session run points ]

                  match
                      session.Evaluate(
                          evaluation run DataSplit.Test points (PlaneMaximum(radius, step))
                          :: [ for walk in walks -> evaluation run DataSplit.Test points (heights walk) ]
                      )
                  with
                  | best :: found -> run, best, List.zip walks found
                  | [] -> invalidOp "A result for each evaluation is expected." ]

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let lost (best: MeasuredCell) (cell: MeasuredCell) t =
            Array.map2 (-) (best.Values "logJoint") (cell.Values(IterationBounds.Elbo t)) |> List.ofArray

        let frame =
            Frame.ofRows
                [ "model trained with"; "inference"; "iterations"; "nats below the maximum"; "median" ]
                [ for model, (_, best, found) in List.zip models measured do
                      for walk, cell in found do
                          for t in walk.Iterations do
                              let lost = lost best cell t

                              [ Text(nameOf model)
                                Text walk.Name
                                (if walk.Iterations.Length = 1 then Missing else Integer t)
                                Comparison.interval lost
                                Value(Statistics.Median lost) ] ]

        Frame.print frame

        let charts (run: TrainSpec, best: MeasuredCell, found) =
            let vae = session.Load run
            use _ = MemoryScope.Enter(record = false)
            let all = (session.Data run.Data).Test.Subset points

            [ for row in 0 .. min pictures points - 1 ->
                  let x = all.Select(ReadOnlySpan [| row |])

                  picture vae x (best.Values("x")[row], best.Values("y")[row]) (List.map fst found) run.Seed
                  |> Chart.WithTitle $"test point {x.Indices.Span[0]}" ]

        let opening = Page.create title |> Page.addText explanation

        let add page (model, one) =
            page |> Page.addHeading $"Trained with inference: {nameOf model}" |> Page.addCharts (charts one)

        List.fold add opening (List.zip models measured)
        |> Page.addFrame
            $"How far below the maximum of log p(x, z) estimates of {points} random test points lie: averages with the 95 %% interval over points, and medians."
            frame
        |> Page.addHeading "Notes"
        |> Page.addText (
            String.concat
                "\n"
                [ $"The maximum is that of a grid of distance {step} on [-{radius}, {radius}]², or a larger square where it lies at the edge, refined on smaller grids. Contours: log p(x, z) down to {depth} nats below it."
                  for model, (_, _, found) in List.zip models measured do
                      for walk, _ in found do
                          match walk.Ascent with
                          | Some ascent ->
                              $"Gradient ascent on the model trained with {nameOf model}: step size {ascent.StepSize}, the best of {stepSizes} for {points} validation points after {ascended} iterations."
                          | None -> ()
                  $"Preset {session.Preset}."
                  yield!
                      Origin.ofCells
                          session
                          (models |> List.map _.Run)
                          [ for _, best, found in measured do
                                yield best
                                yield! List.map snd found ]
                  yield! IterativeModels.settingNotes published settings ]
        )
