module GapLab.Tests.Objectives.ElboGradientFormulaTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Objectives.RandomModels

let private soak = Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1"

// The sampled form log p(x, z) - log q: with the same noise its gradient and the formulas are equal, not only in expectation,
// because log q of a sample depends on log σ² alone and has the exact gradient -1 / (2σ²).
let private objective problem =
    ElboObjective(problem.Model, problem.Family, problem.X, problem.Noise, ObjectiveWeights.Elbo, KlForm.Sampled)

let private formula problem =
    let struct (mean, variance, logVariance) =
        ElboGradientFormula.Evaluate(problem.Model, problem.X, problem.Lambda, problem.Noise)

    mean, variance, logVariance

let private tape problem =
    let gradients = Array.zeroCreate<Tensor> 2
    ObjectiveDerivatives.Gradient(objective problem, problem.Lambda, gradients) |> ignore
    gradients[0], gradients[1]

let private kinds = [ OutputKind.Bernoulli; OutputKind.Gaussian ]
let private activations = [ Activation.Tanh; Activation.Elu; Activation.Sigmoid ]
let private repetitions = if soak then 50 else 1

let private each (seed: int) (check: Problem -> unit) =
    for i in 0 .. repetitions - 1 do
        for kind in kinds do
            use scope = MemoryScope.Enter()
            check (problem kind activations (seed + 7919 * i))

[<Property(MaxTest = 40)>]
let ``the printed formulas, with a plus, are the tape's gradients`` (seed: int) =
    each seed (fun problem ->
        let mean, variance, logVariance = formula problem
        let byMean, byLogVariance = tape problem
        close "∂L/∂μ" 1e-9 (byMean.ToArray()) (mean.ToArray())
        close "∂L/∂log σ²" 1e-9 (byLogVariance.ToArray()) (logVariance.ToArray())
        // The chain rule: ∂L/∂log σ² = σ² ∂L/∂σ².
        let sigma2 = problem.Lambda[1].ToArray() |> Array.map exp
        close "∂L/∂σ²" 1e-9 (Array.map2 (/) (byLogVariance.ToArray()) sigma2) (variance.ToArray()))

[<Property(MaxTest = 15)>]
let ``the printed formulas are central differences of the objective`` (seed: int) =
    each seed (fun problem ->
        let mean, variance, logVariance = formula problem
        let value lambda = (objective problem).Value(lambda).Sum()
        // A step of 1e-6 keeps the effect of ELU's kink, at most a quarter of the step, below the tolerance.
        let differences (f: Tensor -> Tensor) x = FiniteDifference.Gradient(Func<Tensor, Tensor> f, x, 1e-6)
        let mu, logVar = problem.Lambda[0], problem.Lambda[1]
        close "∂L/∂μ" 1e-6 (differences (fun x -> value (LocalParameters([| x; logVar |]))) mu) (mean.ToArray())

        close
            "∂L/∂log σ²"
            1e-6
            (differences (fun x -> value (LocalParameters([| mu; x |]))) logVar)
            (logVariance.ToArray())

        close
            "∂L/∂σ²"
            1e-6
            (differences (fun x -> value (LocalParameters([| mu; x.Log() |]))) (logVar.Exp()))
            (variance.ToArray()))

/// A decoder that ignores z, so that only the prior and the entropy act: weights of zero.
let private deaf () =
    let model =
        DenseModel(device, 2, [||], 3, Activation.Tanh, OutputKind.Bernoulli, RandomStream(1UL, RandomPurpose.Test))

    model.Parameters[0].Assign(Tensor.Filled(device, model.Parameters[0].Shape, 0.0))
    model

[<Test>]
let ``where q is the prior and the data say nothing, the gradient vanishes; with the printed minus sign it would not``
    ()
    =
    // ∂L/∂σ² at q = p = N(0, I): E[-ε²/2] + 1/2 = 0. A minus sign gives -1.
    use scope = MemoryScope.Enter()
    let count = 20000
    let x = DenseObservations(Tensor.Filled(device, Shape(count, 3), 1.0))
    let lambda = (FactorizedGaussian(device, 2)).InitialLocalParameters count

    let problem =
        { Model = deaf ()
          Family = FactorizedGaussian(device, 2)
          X = x
          Lambda = lambda
          Noise = Noise(x, RandomStream(2UL, RandomPurpose.Test), 1) }

    let mean, variance, _ = formula problem
    let value, error = meanAndError (variance.ToArray())
    near (4.0 * error) 0.0 value
    // Between the two signs lies 2 / (2σ²) = 1.
    holds "with a minus sign the mean is far from 0" (abs (value - 1.0) > 100.0 * error)
    let value, error = meanAndError (mean.ToArray())
    near (4.0 * error) 0.0 value

[<Test>]
let ``on the golden model the mean gradients are the exact ones`` () =
    // "Golden values" of the linear-Gaussian model (derived analytically): at μ = 0.2, σ² = 0.6,
    // dELBO/dμ = 1.2040 and dELBO/dσ² = -1.356666...
    use scope = MemoryScope.Enter()
    let mean, variance, _ = formula (goldenBatch 20000 0.2 0.6)
    let value, error = meanAndError (mean.ToArray())
    holds "the standard error is small" (error < 0.05)
    near (4.0 * error) 1.2040 value
    let value, error = meanAndError (variance.ToArray())
    holds "the standard error is small" (error < 0.05)
    let exact = -1.0 - 107.0 / 300.0
    near (4.0 * error) exact value
    // With the other sign it would be less by 2 / (2 · 0.6).
    holds "the minus sign is excluded" (abs (value - 1.0 / 0.6 - exact) > 20.0 * error)

[<Test>]
let ``the sample's own noise explains the golden gradient exactly`` () =
    // L is quadratic: ∂L/∂μ of a sample is -Λ (z - m) with the posterior's precision Λ and mean m, z = μ + σ ε.
    use scope = MemoryScope.Enter()
    let problem = goldenBatch 5 0.2 0.6
    let mean, _, _ = formula problem
    let epsilon = problem.Noise.Normal(1).ToArray()
    let expected = epsilon |> Array.map (fun e -> -(0.2 + sqrt 0.6 * e - 0.4748858447488584) / 0.22831050228310498)
    close "∂L/∂μ" 1e-12 expected (mean.ToArray())

[<Test>]
let ``models of more levels are refused`` () =
    use scope = MemoryScope.Enter()
    let problem = goldenBatch 1 0.0 1.0

    let twoLevels =
        { new GenerativeModel(problem.Model.Parameters) with
            member _.Name = "two levels"
            member _.LatentSizes = [| 1; 1 |]
            member _.Prior(_, _) = DiagonalGaussian.Standard(device, 1)
            member _.Output(_, _) = failwith "not reached" }

    throws<GapLabException> [ "ElboGradientFormula"; "one latent level" ] (fun () ->
        formula { problem with Model = twoLevels } |> ignore)
