module GapLab.Tests.Workbench.PlanePicturesTests

open System.IO
open NUnit.Framework
open GapLab.Experiments
open GapLab.Specification
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

/// A measure that gives the columns of `PosteriorShape` from a table, in the order of the datapoints.
type private Tabled(name: string, rows: float list list) =
    inherit Measure(Component(name, 1))
    override _.Title = name
    override _.IsOfWholeSet = true

    override _.Run(_, _, _, _, _) =
        let names = [ "correlation"; "bimodality"; "saddle"; "klInferred"; "klOptimal" ]

        MeasureResult
            [| for i, column in List.indexed names -> MeasuredColumn(column, [| for row in rows -> row[i] |]) |]

/// What is chosen of datapoints with given correlation, bimodality, saddle, KL(q ‖ p) and KL(q* ‖ p): labels and rows.
let private chosen (rows: float list list) =
    let result = ref []

    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let spec = evaluation (plainSpec folder 1UL) (Tabled("table", rows)) rows.Length
        runner.Ensure [| spec |]
        let cell = runner.Find spec
        let found = PlanePictures.choose cell

        for point in found do
            equal cell.Datapoints[point.Row] point.Datapoint
            equal rows[point.Row].[0] point.Correlation

        result.Value <- [ for point in found -> point.Kind.Label, point.Row ])

    result.Value

[<Test>]
let ``each kind takes the datapoint that shows it best`` () =
    equal
        [ "A", 2; "B", 1; "C", 4; "D", 3 ]
        (chosen
            [ [ 0.1; 0.; 0.; 0.9; 0.1 ]
              [ -0.8; 0.; 0.; 0.9; 0.5 ]
              [ 0.2; 0.; 0.; 0.1; 0.05 ]
              [ 0.99; 0.3; 2.; 9.; 0.7 ]
              // As correlated as any, but the encoder is far off.
              [ 0.95; 0.; 0.; 20.; 0.6 ] ])

[<Test>]
let ``one datapoint shows one kind only, and the rarer kind takes it`` () =
    // The first is best in everything.
    equal
        [ "A", 2; "B", 3; "C", 1; "D", 0 ]
        (chosen
            [ [ 0.9; 0.4; 1.; 0.01; -50. ]
              [ 0.3; 0.; 0.; 0.6; 0.1 ]
              [ 0.2; 0.; 0.; 0.2; 0.1 ]
              [ 0.7; 0.; 0.; 0.5; 0.1 ] ])

[<Test>]
let ``a part beyond a deep saddle is shown only if there is no other`` () =
    let unimodal = [ for i in 1..3 -> [ 0.1; 0.; 0.; 0.1 * float i; 0.1 ] ]
    let deep, shallow = [ 0.1; 0.5; 9.; 1.; 0.7 ], [ 0.1; 0.1; 1.; 1.; 0.7 ]
    holds "the shallow one" (chosen ([ deep; shallow ] @ unimodal) |> List.contains ("D", 1))
    holds "the deep one" (chosen (deep :: unimodal) |> List.contains ("D", 0))

[<Test>]
let ``a kind that no datapoint shows is left out`` () =
    equal [ "A"; "B"; "C" ] (chosen [ for i in 1..4 -> [ 0.1; 0.; 0.; 0.1 * float i; 0.1 ] ] |> List.map fst)
    equal [ "C" ] (chosen [ [ 0.1; 0.; 0.; 0.5; 0.1 ] ] |> List.map fst)

[<Test>]
let ``the paper preset is section 6.1.1, the others say how they differ`` () =
    equal [ "Settings: those of the paper's section 6.1.1." ] (PosteriorFigure.notes (PlanePictures.preset "paper"))

    for name in [ "smoke"; "small" ] do
        let notes = PosteriorFigure.notes (PlanePictures.preset name)
        holds "the schedule" (notes |> List.exists (fun note -> note.Contains "(paper: 3000 at 0.0001)"))
        holds "the model is the paper's" (notes |> List.forall (fun note -> not (note.Contains "latent size")))

    throws<GapLabException> [ "'huge'" ] (fun () -> PlanePictures.preset "huge" |> ignore)
