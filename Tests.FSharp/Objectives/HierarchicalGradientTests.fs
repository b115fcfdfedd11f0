/// The printed gradient formulas of hierarchies against the tape.
module GapLab.Tests.Objectives.HierarchicalGradientTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Networks
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Checks

/// A hierarchy with constant prior variances, a factorised Gaussian, and the sampled form: with the same noise its gradient and the formulas are equal, not only in expectation.
let private problem (activation: Activation option) seed =
    let hierarchy = { randomHierarchy seed with ConstantVariances = true }

    let hierarchy = { hierarchy with Activation = defaultArg activation hierarchy.Activation }

    let model = randomModelOf reference seed hierarchy
    let family = FactorizedGaussian(reference, hierarchy.Sizes[0], hierarchy.Sizes[1..])
    let x = randomData reference seed hierarchy 2
    let noise = Noise(x, stream seed, 3)
    let objective = ElboObjective(model, family, x, noise, ObjectiveWeights.Elbo, KlForm.Sampled)
    model, x, randomLambdaOf family reference seed 2, noise, objective

let private repeats = repetitions 1 20

[<Property(MaxTest = 60)>]
let ``the formulas of a hierarchy are the tape's gradients`` (seed: uint64) =
    for i in 0 .. repeats - 1 do
        use _scope = MemoryScope.Enter()
        let model, x, lambda, noise, objective = problem None (seed + 7919UL * uint64 i)
        let tape = Array.zeroCreate<Tensor> lambda.Blocks.Count
        ObjectiveDerivatives.Gradient(objective, lambda, tape) |> ignore

        for level, struct (mean, variance, logVariance) in
            Seq.indexed (ElboGradientFormula.EvaluateLevels(model, x, lambda, noise)) do
            let byLogVariance = tape[2 * level + 1].ToArray()
            close $"∂L/∂μ, level {level}" 1e-9 (tape[2 * level].ToArray()) (mean.ToArray())
            close $"∂L/∂log σ², level {level}" 1e-9 byLogVariance (logVariance.ToArray())
            // The chain rule: ∂L/∂log σ² = σ² ∂L/∂σ².
            let sigma2 = lambda[2 * level + 1].ToArray() |> Array.map exp
            close $"∂L/∂σ², level {level}" 1e-9 (Array.map2 (/) byLogVariance sigma2) (variance.ToArray())

[<Property(MaxTest = 15)>]
let ``the formulas of a hierarchy are central differences of the objective`` (seed: uint64) =
    for i in 0 .. repeats - 1 do
        use _scope = MemoryScope.Enter()
        let model, x, lambda, noise, objective = problem (Some Activation.Tanh) (seed + 7919UL * uint64 i)

        for level, struct (mean, variance, _) in
            Seq.indexed (ElboGradientFormula.EvaluateLevels(model, x, lambda, noise)) do
            let value block (moved: Tensor) =
                let blocks = lambda.Blocks |> Seq.mapi (fun k b -> if k = block then moved else b) |> Seq.toArray
                (objective.Value(LocalParameters blocks)).Sum()

            let difference (f: Tensor -> Tensor) at = FiniteDifference.Gradient(Func<Tensor, Tensor> f, at)
            close "∂L/∂μ" 1e-6 (difference (value (2 * level)) lambda[2 * level]) (mean.ToArray())

            close
                "∂L/∂σ²"
                1e-6
                (difference (fun v -> value (2 * level + 1) (v.Log())) (lambda[2 * level + 1].Exp()))
                (variance.ToArray())

[<Test>]
let ``with one level they are the formulas of one level`` () =
    use _scope = MemoryScope.Enter()
    let model = DenseModel(reference, 2, [| 3 |], 4, Activation.Tanh, OutputKind.Bernoulli, stream 1UL)
    let x = observe reference [| [| 1.0; 0.0; 1.0; 1.0 |] |]
    let lambda = sameLambda reference 1 [| 0.3; -0.4 |] [| 0.5; 2.0 |]
    let noise = Noise(x, stream 2UL, 3)
    let struct (mean, _, logVariance) = ElboGradientFormula.Evaluate(model, x, lambda, noise)
    let struct (mean', _, logVariance') = (ElboGradientFormula.EvaluateLevels(model, x, lambda, noise)).[0]
    equal (bits (mean.ToArray())) (bits (mean'.ToArray()))
    equal (bits (logVariance.ToArray())) (bits (logVariance'.ToArray()))

[<Test>]
let ``in expectation the gradient vanishes at the exact optimum of a chain`` () =
    // The best factorised Gaussian of a linear-Gaussian chain: the posterior's mean, variances 1 / Λ_jj.
    use _scope = MemoryScope.Enter()
    let model = chain.On reference
    let count = 4000
    let mean, covariance = chain.Posterior chainData[0]
    let variance = covariance.Inverse().Diagonal().ToArray() |> Array.map (fun p -> 1.0 / p)
    let rows (values: float[]) = matrixOf reference (Array.replicate count values)

    let lambda =
        LocalParameters
            [| rows [| mean[0]; mean[1] |]
               rows (Array.map log variance[..1])
               rows [| mean[2] |]
               rows [| log variance[2] |] |]

    let x = repeated reference count chainData[0]

    for struct (byMean, byVariance, _) in ElboGradientFormula.EvaluateLevels(model, x, lambda, Noise(x, stream 9UL, 1)) do
        for gradient in [ byMean; byVariance ] do
            let n = gradient.Shape[1]

            for j in 0 .. n - 1 do
                let own = gradient.ToArray() |> Array.indexed |> Array.filter (fun (i, _) -> i % n = j) |> Array.map snd
                agrees "gradient" 0.0 (meanAndError own)

[<Test>]
let ``prior variances that depend on the levels above are refused, and so is another λ`` () =
    use _scope = MemoryScope.Enter()
    let x = observe reference [| [| 1.0; 0.0 |] |]

    let model constant =
        HierarchicalModel(
            reference,
            [| 1; 2 |],
            [| LevelLayers [||]; LevelLayers [||] |],
            2,
            Activation.Tanh,
            OutputKind.Bernoulli,
            stream 1UL,
            constantPriorVariances = constant
        )

    let evaluate model (lambda: LocalParameters) =
        ElboGradientFormula.EvaluateLevels(model, x, lambda, Noise(x, stream 1UL, 1)) |> ignore

    let lambda = FactorizedGaussian(reference, 1, 2).InitialLocalParameters 1
    evaluate (model true) lambda

    throws<GapLabException> [ "constant variance"; "level 0"; "levels above" ] (fun () -> evaluate (model false) lambda)

    throws<ShapeException> [ "1, 1"; "1, 2" ] (fun () ->
        evaluate (model true) (FactorizedGaussian(reference, 1).InitialLocalParameters 1))
