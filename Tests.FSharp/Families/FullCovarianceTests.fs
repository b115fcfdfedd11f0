module GapLab.Tests.Families.FullCovarianceTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open MathNet.Numerics.LinearAlgebra
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Optimization
open GapLab.Tests
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures

/// L of one datapoint, from λ.
let private factor n (lambda: LocalParameters) row =
    let d, a = lambda[1].ToArray(), lambda[2].ToArray()

    Matrix<float>
        .Build.Dense(
            n,
            n,
            fun i j ->
                if i = j then exp d[row * n + i]
                elif i > j then a[(row * n + i) * n + j]
                else 0.0
        )

[<Property(MaxTest = 50)>]
let ``samples have the density of N(μ, L Lᵀ) that comes with them`` (seed: uint64) =
    use _scope = MemoryScope.Enter()
    let s = stream seed
    let n, b, samples = 1 + s.Below(4, 0), 1 + s.Below(3, 1), 5
    let family = FullCovariance(reference, n)
    let lambda = randomLambda family reference s 0.7 b
    let x = observe reference (Array.replicate b [| 0.0 |])
    let q = family.Sample(lambda, golden reference, Noise(x, s, samples))
    let z, logQ, mean = q.Latents[0].ToArray(), q.LogDensity.ToArray(), lambda[0].ToArray()

    for row in 0 .. b - 1 do
        let l = factor n lambda row
        let m = Vector<float>.Build.Dense(n, fun i -> mean[row * n + i])

        for i in 0 .. samples - 1 do
            let at = row * samples + i
            let point = Vector<float>.Build.Dense(n, fun j -> z[at * n + j])
            Checks.near 1e-8 (logNormal m (l * l.Transpose()) point) logQ[at]

[<TestCase(true)>]
[<TestCase(false)>]
let ``a sample does not depend on its batch, and is μ + L ε`` onReference =
    use _scope = MemoryScope.Enter()
    let device, tolerance = if onReference then reference, 1e-12 else cpu, 1e-5
    let n = 7
    let family = FullCovariance(device, n)
    let lambda = randomLambda family device (stream 3UL) 0.5 4
    let rows = Array.init 4 (fun i -> [| float i |])
    let all = family.Sample(lambda, golden device, Noise(observe device rows, stream 1UL, 6))
    let epsilon = Noise(observe device rows, stream 1UL, 6).Normal(n).ToArray()

    for row in 0..3 do
        let x = observeAs device [| row |] [| rows[row] |]
        let one = family.Sample(lambda.Select(ReadOnlySpan [| row |]), golden device, Noise(x, stream 1UL, 6))
        let own = one.Latents[0].ToArray()
        Checks.close "z" tolerance (Array.sub (all.Latents[0].ToArray()) (row * 6 * n) (6 * n)) own
        Checks.equal (bits (one.LogDensity.ToArray())) (bits (Array.sub (all.LogDensity.ToArray()) (row * 6) 6))
        let l, mean = factor n lambda row, lambda[0].ToArray()

        for i in 0..5 do
            let e = Vector<float>.Build.Dense(n, fun j -> epsilon[(row * 6 + i) * n + j])
            let expected = (l * e).ToArray() |> Array.mapi (fun j v -> mean[row * n + j] + v)
            Checks.close "L ε" tolerance expected own[i * n .. i * n + n - 1]

[<Test>]
let ``local optimisation closes the approximation gap that factorised Gaussians leave`` () =
    let model = correlated cpu

    let rows = [| [| 0.7; 0.1; -0.4; 1.2 |]; [| 2.0; 1.5; 0.3; -0.5 |]; [| -1.0; 0.2; 0.9; 0.0 |] |]

    let x = observe cpu rows
    let marginal = rows |> Array.map model.LogMarginal

    let elbo family =
        let options = LocalOptimizerOptions(Samples = 100, Adam = AdamOptions(LearningRate = 1e-2), MaximumSteps = 4000)
        let optimum = LocalOptimizer(options).Optimize(model, family, x, stream 5UL)
        ImportanceSampler(5000).Estimate(model, optimum, x, stream 6UL).Elbo

    // Near the optimum the gap is a quadratic form in errors of λ of about the step size over √(its averaging); it cannot be negative.
    let full = elbo (FullCovariance(cpu, 3))
    let factorized = elbo (FactorizedGaussian(cpu, 3))

    for i in 0..2 do
        Checks.near (4.0 * full.StandardErrors[i] + 2e-3) marginal[i] full.Values[i]
        let gap = marginal[i] - factorized.Values[i]
        Checks.near (4.0 * factorized.StandardErrors[i] + 1e-2) (model.FactorizedApproximationGap()) gap

    Checks.holds "the gap is worth closing" (model.FactorizedApproximationGap() > 0.2)

[<Test>]
let ``a model with two latent levels is refused by name`` () =
    let twoLevels =
        { new GapLab.Models.GenerativeModel(GapLab.Networks.ParameterSet cpu) with
            member _.Name = "two levels"
            member _.LatentSizes = [| 2; 3 |]
            member _.Prior(_, _) = DiagonalGaussian.Standard(cpu, 2)
            member _.Output(_, _) = raise (NotSupportedException()) }

    for choice in [ FullCovariance.Choice(); AuxiliaryFlow.Choice(); InverseAutoregressiveFlow.Choice() ] do
        Checks.throws<ShapeException> [ "one latent level"; "2" ] (fun () ->
            choice.Build(FamilyContext(twoLevels, stream 1UL)) |> ignore)
