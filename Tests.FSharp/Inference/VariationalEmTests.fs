module GapLab.Tests.Inference.VariationalEmTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

/// Two latent variables whose posterior is correlated, so that the best factorised q is not the posterior.
let private model device =
    LinearGaussian(device, array2D [ [ 1.0; 0.4 ]; [ 0.3; 0.8 ]; [ -0.5; 0.9 ] ], [| 0.1; -0.2; 0.3 |], 0.5)

let private rows = [| [| 0.3; -1.0; 0.8 |]; [| 1.2; 0.4; -0.7 |]; [| -0.6; 0.2; 0.1 |] |]

let private family device = FactorizedGaussian(device, 2)

let private noise = stream 12UL

let private trace device (method: InferenceMethod) (x: Observations) =
    use _ = MemoryScope.Enter(record = false)

    [ for lambda in method.Infer(model device, family device, x, noise, 3).Points ->
          [ for block in lambda.Blocks -> block.ToArray() ] ]

let private em (device: Device) options = VariationalEm(device, options)

[<Test>]
let ``a step goes along the ELBO's gradient from N(0, I), by the rule's own formula`` () =
    let x = observe reference rows

    let gradients =
        use _ = MemoryScope.Enter()
        let found = Array.zeroCreate 2
        let family = family reference

        let objective =
            ElboObjective(
                model reference,
                family,
                x,
                Noise(x, noise.Fork 0UL, 4, 3),
                ObjectiveWeights.Elbo,
                KlForm.Analytic
            )

        objective.Gradient(family.InitialLocalParameters rows.Length, Span found) |> ignore
        [ for gradient in found -> gradient.ToArray() ]

    for rule, step in
        [ AscentRule.Sgd, (fun g -> 0.1 * g)
          AscentRule.Momentum, (fun g -> 0.1 * g)
          // v = 0.01 g².
          AscentRule.RmsProp, (fun g -> 0.1 * g / (0.1 * abs g + 1e-8))
          AscentRule.Adam, (fun g -> 0.1 * g / (abs g + 1e-8)) ] do
        let options = VariationalEmOptions(Rule = rule, StepSize = 0.1, Iterations = 1, Samples = 4)

        match trace reference (em reference options) x with
        | [ start; first ] ->
            for block, gradient in List.zip start gradients do
                close "the start" 0.0 (Array.zeroCreate gradient.Length) block

            for block, gradient in List.zip first gradients do
                close $"{rule}" 1e-12 (Array.map step gradient) block
        | other -> Assert.Fail $"{other.Length} points instead of 2."

[<Test>]
let ``every rule climbs to the best factorised Gaussian of the linear-Gaussian model`` () =
    let model = model reference
    let best = model.OptimalFactorizedVariance()

    for rule, step in
        [ AscentRule.Sgd, 0.02; AscentRule.Momentum, 0.002; AscentRule.RmsProp, 0.004; AscentRule.Adam, 0.004 ] do
        let options = VariationalEmOptions(Rule = rule, StepSize = step, Iterations = 1500, Samples = 20)
        let final = trace reference (em reference options) (observe reference rows) |> List.last

        for i, row in Array.indexed rows do
            let part (block: float[]) = block[2 * i .. 2 * i + 1]
            let exact = model.ExactElbo(row, model.PosteriorMean row, best)
            let reached = model.ExactElbo(row, part final[0], Array.map exp (part final[1]))
            holds $"{rule} reaches {exact:F3}: {reached:F3}" (reached <= exact + 1e-9 && reached > exact - 0.03)

[<Test>]
let ``more steps go on from fewer, and a datapoint's steps do not depend on its batch`` () =
    let x = observe cpu rows
    let options = VariationalEmOptions(Rule = AscentRule.Adam, StepSize = 0.05, Iterations = 4)
    let four = trace cpu (em cpu options) x
    let nine = trace cpu ((em cpu options).WithIterations 9) x
    equal 10 nine.Length
    equal four (List.take 5 nine)

    for row in 0 .. rows.Length - 1 do
        let alone = trace cpu (em cpu options) (x.Select(ReadOnlySpan [| row |]))

        for together, own in List.zip four alone do
            for all, one in List.zip together own do
                equal (bits one) (bits all[2 * row .. 2 * row + 1])

[<Test>]
let ``log-variances stay within 15 even for steps that are far too long`` () =
    let options = VariationalEmOptions(StepSize = 1e3, Iterations = 3)
    let points = trace reference (em reference options) (observe reference rows)

    for lambda in points do
        holds "within 15" (lambda[1] |> Array.forall (fun v -> abs v <= 15.0))

[<Test>]
let ``settings that make no sense are refused, and a gradient that is not finite is named`` () =
    for options in
        [ VariationalEmOptions(Iterations = -1)
          VariationalEmOptions(Samples = 0)
          VariationalEmOptions(StepSize = 0.0)
          VariationalEmOptions(StepSize = nan) ] do
        throws<GapLabException> [ "step"; "sample" ] (fun () -> em cpu options |> ignore)

    let wild = [| [| 1e200; 0.0; 0.0 |] |]
    let far = VariationalEmOptions(StepSize = 1e300, Iterations = 5)

    throws<GapLabException> [ "'mean'"; "step"; "smaller" ] (fun () ->
        trace reference (em reference far) (observe reference wild) |> ignore)
