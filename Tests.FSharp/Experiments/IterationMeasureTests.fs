/// Measures of inference that iterates, and of the maximum of a surface over two latent variables.
module GapLab.Tests.Experiments.IterationMeasureTests

open System
open System.Threading
open NUnit.Framework
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private weight = array2D [ [ 1.0; 0.4 ]; [ 0.3; 0.8 ]; [ -0.5; 0.9 ] ]
let private model = LinearGaussian(cpu, weight, [| 0.1; -0.2; 0.3 |], 0.5)
let private family = FactorizedGaussian(cpu, 2)

/// More datapoints than are inferred together.
let private rows =
    let random = Random 4
    Array.init 130 (fun _ -> Array.init 3 (fun _ -> 2.0 * random.NextDouble() - 1.0))

let private x = observe cpu rows

let private iterative =
    Iterative(model, family, 3, IterativeOptions(Iterations = 2, Hidden = [| 5 |]), stream 6UL)

let private run (vae: Vae) (measure: Measure) = measure.Run(vae, x, 5UL, null, CancellationToken.None)

let private column name (result: MeasureResult) = (result.Columns |> Seq.find (fun column -> column.Name = name)).Values

[<Test>]
let ``each iteration's ELBO is that of its point on the trace, whatever else is asked for`` () =
    let vae = Vae(model, family, iterative)
    let found = run vae (IterationBounds([| 0; 1; 2; 5 |], 50))
    use _ = MemoryScope.Enter(record = false)

    let trace = iterative.WithIterations(5).Infer(model, family, x, RandomStream(5UL, RandomPurpose.Evaluation), 0)

    for t in [ 0; 1; 2; 5 ] do
        let direct =
            ImportanceSampler(50)
                .Estimate(model, family, x, trace.Points[t], (RandomStream(5UL, RandomPurpose.Importance)).Fork 5UL)
                .Elbo

        equal direct.Values (column (IterationBounds.Elbo t) found)
        equal direct.Values (column (IterationBounds.Elbo t) (run vae (IterationBounds([| t |], 50))))

[<Test>]
let ``gradient magnitudes fall as variational EM finds the best q`` () =
    let ascent = VariationalEmOptions(Rule = AscentRule.Adam, StepSize = 0.05, Samples = 20)
    let found = run (Vae(model, family, iterative)) (IterationBounds([| 0; 300 |], 20, ascent))
    let magnitude t = Array.average (column (IterationBounds.GradientMagnitude t) found)
    // Ten samples of the gradient leave some noise.
    holds $"{magnitude 0} falls below half: {magnitude 300}" (magnitude 300 < 0.5 * magnitude 0)

    for row in 0..5 do
        let exact = model.ExactElbo(rows[row], model.PosteriorMean rows[row], model.OptimalFactorizedVariance())
        near 0.5 exact (column (IterationBounds.Elbo 300) found).[row]

[<Test>]
let ``an encoder has iteration 0 only, and times need iterations`` () =
    let vae = Vae(model, family, Amortized(family, cpu, 3, [| 4 |], Activation.Elu, stream 7UL))
    equal 130 (column (IterationBounds.Elbo 0) (run vae (IterationBounds([| 0 |], 3)))).Length

    throws<GapLabException> [ "does not iterate"; "iteration 0" ] (fun () ->
        run vae (IterationBounds([| 0; 1 |], 3)) |> ignore)

    throws<GapLabException> [ "at least 1" ] (fun () -> run vae (InferenceTime 0) |> ignore)
    throws<GapLabException> [ "different iterations" ] (fun () -> IterationBounds([| 1; 1 |]) |> ignore)
    throws<GapLabException> [ "different iterations" ] (fun () -> IterationBounds([| -1 |]) |> ignore)

[<Test>]
let ``a warm start begins where the frame before ended`` () =
    let vae = Vae(model, family, iterative)
    let found = run vae (WarmStartBounds([| 0; 2 |], 2, 3, 50))
    use _ = MemoryScope.Enter(record = false)
    let before = iterative.Infer(model, family, x, RandomStream(5UL, RandomPurpose.Evaluation), 0).Final
    let moved = observe cpu (rows |> Array.map (fun row -> [| 0.0; row[0]; row[1] |]))

    let elbo lambda =
        ImportanceSampler(50)
            .Estimate(model, family, moved, lambda, (RandomStream(5UL, RandomPurpose.Importance)).Fork 6UL)
            .Elbo.Values

    equal (elbo before) (column (WarmStartBounds.Warm 0) found)
    equal (elbo (family.InitialLocalParameters rows.Length)) (column (WarmStartBounds.Cold 0) found)
    holds "another end" (column (WarmStartBounds.Warm 2) found <> column (WarmStartBounds.Cold 2) found)
    throws<GapLabException> [ "rows of 2" ] (fun () -> run vae (WarmStartBounds([| 0 |], 1, 2)) |> ignore)

[<Test>]
let ``times are positive`` () =
    let found = run (Vae(model, family, iterative)) (InferenceTime(2, VariationalEmOptions()))
    holds "positive" (found.Scalars[InferenceTime.SecondsPerIteration] > 0.0)

[<Test>]
let ``the highest point of a surface is found, within the square and outside`` () =
    // The posterior's mode is its mean; the last datapoint's lies far out.
    let rows = [| rows[0]; rows[1]; [| 9.0; 14.0; 2.0 |] |]
    let vae = Vae(model, family, iterative)

    let found = PlaneMaximum().Run(vae, observe cpu rows, 1UL, null, CancellationToken.None)

    for i, row in Array.indexed rows do
        close $"mode {i}" 1e-3 (model.PosteriorMean row) [| (column "x" found).[i]; (column "y" found).[i] |]
