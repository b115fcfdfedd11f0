module GapLab.Tests.Objectives.ElboObjectiveTests

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
open GapLab.Tests.Checks
open GapLab.Tests.Objectives.RandomModels

let private value weights form problem =
    (ElboObjective(problem.Model, problem.Family, problem.X, problem.Noise, weights, form).Value problem.Lambda)
        .ToArray()

let private forms = [ KlForm.Sampled; KlForm.Analytic ]

// "Golden values" of the linear-Gaussian model w = 1.3, s = 0.5, x = 0.8 (derived analytically).
let private goldenLogMarginal = -1.4570080265800647
let private goldenMean, goldenVariance = 0.4748858447488584, 0.22831050228310498

[<Test>]
let ``the golden model has its golden values`` () =
    near 1e-15 goldenLogMarginal (golden.LogMarginal [| 0.8 |])
    near 1e-15 goldenMean (golden.PosteriorMean [| 0.8 |]).[0]
    near 1e-15 goldenVariance (golden.PosteriorCovariance()).[0, 0]
    near 1e-15 goldenVariance (golden.OptimalFactorizedVariance()).[0]
    near 1e-15 0.0 (golden.FactorizedApproximationGap())
    near 1e-14 goldenLogMarginal (golden.ExactElbo([| 0.8 |], [| goldenMean |], [| goldenVariance |]))

[<Test>]
let ``the exact ELBO of the golden model has the golden gradient`` () =
    // At μ = 0.2, σ² = 0.6: dELBO/dμ = 1.2040, dELBO/dσ² = -1.356666...; central differences are good to 1e-9 here.
    let elbo mu variance = golden.ExactElbo([| 0.8 |], [| mu |], [| variance |])
    let h = 1e-5
    near 1e-8 1.2040 ((elbo (0.2 + h) 0.6 - elbo (0.2 - h) 0.6) / (2.0 * h))
    near 1e-8 (-1.0 - 107.0 / 300.0) ((elbo 0.2 (0.6 + h) - elbo 0.2 (0.6 - h)) / (2.0 * h))

[<Test>]
let ``at the exact posterior every sample gives log p(x)`` () =
    use scope = MemoryScope.Enter()

    close
        "ELBO"
        1e-13
        (Array.create 50 goldenLogMarginal)
        (value ObjectiveWeights.Elbo KlForm.Sampled (goldenBatch 50 goldenMean goldenVariance))

[<Test>]
let ``elsewhere both forms have the exact ELBO as their mean`` () =
    use scope = MemoryScope.Enter()
    let exact = golden.ExactElbo([| 0.8 |], [| 0.2 |], [| 0.6 |])
    holds "the bound is below log p(x)" (exact < goldenLogMarginal)

    for form in forms do
        let mean, error = meanAndError (value ObjectiveWeights.Elbo form (goldenBatch 20000 0.2 0.6))
        holds "the standard error is small" (error < 0.02)
        near (4.0 * error) exact mean

[<Property(MaxTest = 20)>]
let ``the objective is the weighted sum of its terms`` (seed: int) =
    use scope = MemoryScope.Enter()
    let random = Random seed
    let wl, wp, we = random.NextDouble(), random.NextDouble(), random.NextDouble()

    for kind in [ OutputKind.Bernoulli; OutputKind.Gaussian ] do
        let problem = problem kind [ Activation.Tanh; Activation.Elu ] seed

        for form in forms do
            let term likelihood prior entropy = value (ObjectiveWeights(likelihood, prior, entropy)) form problem
            let likelihood, prior, entropy = term 1.0 0.0 0.0, term 0.0 1.0 0.0, term 0.0 0.0 1.0
            let sum a b c = Array.map3 (fun l p e -> a * l + b * p + c * e) likelihood prior entropy
            close "weights" 1e-12 (sum wl wp we) (term wl wp we)
            close "the ELBO" 1e-12 (sum 1.0 1.0 1.0) (value ObjectiveWeights.Elbo form problem)
            close "KL annealing" 1e-12 (sum 1.0 wp wp) (value (ObjectiveWeights.KlAnnealing wp) form problem)
            close "entropy annealing" 1e-12 (sum 1.0 1.0 we) (value (ObjectiveWeights.EntropyAnnealing we) form problem)

            // The terms themselves, from the model and the family.
            let q = problem.Family.Sample(problem.Lambda, problem.Model, problem.Noise)
            close "log p(x | z)" 1e-12 ((problem.Model.LogLikelihood(problem.X, q.Latents).Mean 1).ToArray()) likelihood

            if form = KlForm.Sampled then
                close "log p(z)" 1e-12 ((problem.Model.LogPrior q.Latents).Mean(1).ToArray()) prior
                close "-log q" 1e-12 ((-q.LogDensity.Mean(1)).ToArray()) entropy
            else
                // KL(N(m, v) ‖ N(0, I)) = -½ Σ [1 + log v - m² - v].
                let n = problem.Lambda[0].Shape[1]
                let mu, logVar = problem.Lambda[0].ToArray(), problem.Lambda[1].ToArray()

                let kl =
                    Array.map2 (fun m l -> -0.5 * (1.0 + l - m * m - exp l)) mu logVar
                    |> Array.chunkBySize n
                    |> Array.map Array.sum

                close "KL" 1e-12 kl (Array.map2 (fun p e -> -(p + e)) prior entropy)

[<Property(MaxTest = 20)>]
let ``a datapoint's objective does not depend on its batch`` (seed: int) =
    use scope = MemoryScope.Enter()
    let whole = problem OutputKind.Bernoulli [ Activation.Elu ] seed

    for form in forms do
        let together = value ObjectiveWeights.Elbo form whole

        for row in 0 .. whole.X.Count - 1 do
            let x = whole.X.Select(ReadOnlySpan [| row |])

            let alone =
                { whole with
                    X = x
                    Lambda = whole.Lambda.Select(ReadOnlySpan [| row |])
                    Noise = Noise(x, whole.Noise.Stream, whole.Noise.Samples) }

            equal [| together[row] |] (value ObjectiveWeights.Elbo form alone)

/// Two levels: z₂ ~ N(0, I₂), z₁ | z₂ ~ N(A z₂, ½ I₂), x | z₁ ~ N(sum of z₁, 1); q has an independent Gaussian for each level.
let private hierarchy count =
    let a = Tensor.Create(device, Shape(2, 2), [| 0.8; -0.3; 0.4; 1.1 |])
    let zeros = Tensor.Filled(device, Shape 2, 0.0)
    let sum = Tensor.Filled(device, Shape(1, 2), 1.0)
    let unit = Tensor.Filled(device, Shape 1, 0.0)

    let model =
        { new GenerativeModel(ParameterSet device) with
            member _.Name = "two levels"
            member _.LatentSizes = [| 2; 2 |]

            member _.Prior(level, above) =
                if level = 1 then
                    DiagonalGaussian.Standard(device, 2)
                else
                    DiagonalGaussian(above[0].Linear(a, zeros), Tensor.Filled(device, Shape 1, log 0.5))

            member _.Output(z, _) = GaussianOutput(z[0].Linear(sum, unit), unit) }

    let family =
        { new VariationalFamily(ParameterSet device) with
            member _.Name = "independent levels"

            member _.LocalBlocks =
                [| LocalBlock("m1", 2); LocalBlock("v1", 2); LocalBlock("m2", 2); LocalBlock("v2", 2) |]

            member _.InitialLocalParameters _ = failwith "not used"

            member _.Sample(lambda, _, noise) =
                let level l =
                    let block i = lambda[2 * l + i].Reshape(Shape(lambda.Count, 1, 2))
                    let q, epsilon = DiagonalGaussian(block 0, block 1), noise.Normal(2, l)
                    q, q.Sample epsilon, q.LogProbOfSample epsilon

                let (q0, z0, d0), (q1, z1, d1) = level 0, level 1
                PosteriorSample(Latents [| z0; z1 |], d0 + d1, [| q0; q1 |]) }

    let x = DenseObservations(Tensor.Filled(device, Shape(count, 1), 0.7))

    let block a b =
        Tensor.Create(device, Shape(count, 2), Array.init (2 * count) (fun i -> if i % 2 = 0 then a else b))

    { Model = model
      Family = family
      X = x
      Lambda = LocalParameters([| block 2.8 -2.2; block -0.9 -0.5; block 0.5 0.1; block -0.1 -1.2 |])
      Noise = Noise(x, RandomStream(23UL, RandomPurpose.Test), 1) }

[<Test>]
let ``the analytic and the sampled form agree in expectation`` () =
    for problem in [ goldenBatch 5000 0.4 0.7; hierarchy 5000 ] do
        use scope = MemoryScope.Enter()

        for weights in
            [ ObjectiveWeights.Elbo
              ObjectiveWeights.KlAnnealing 0.3
              ObjectiveWeights.EntropyAnnealing 0.4
              ObjectiveWeights(0.0, 1.0, 1.0) ] do
            let difference =
                Array.map2 (-) (value weights KlForm.Sampled problem) (value weights KlForm.Analytic problem)

            let mean, error = meanAndError difference
            holds "the forms differ sample by sample, and little in the mean" (error > 0.0 && error < 0.1)
            near (4.0 * error) 0.0 mean

[<Test>]
let ``free bits charge the larger of KL and their number`` () =
    use scope = MemoryScope.Enter()
    let problem = problem OutputKind.Bernoulli [ Activation.Tanh ] 4
    let likelihood = value (ObjectiveWeights(1, 0, 0)) KlForm.Analytic problem

    for form in forms do
        let kl = Array.map2 (-) likelihood (value ObjectiveWeights.Elbo form problem)
        let middle = Array.average kl

        for freeBits in [ 1e-3; 0.9 * middle; middle; 1.1 * middle; 100.0 ] do
            let found = value (ObjectiveWeights(1, 1, 1, freeBits)) form problem
            close $"{freeBits} free bits" 1e-12 (Array.map2 (fun l k -> l - max k freeBits) likelihood kl) found

[<Test>]
let ``free bits are counted level by level, and each below its number has no gradient`` () =
    use scope = MemoryScope.Enter()
    let problem = hierarchy 3
    let part weights = value weights KlForm.Analytic problem
    let likelihood = part (ObjectiveWeights(1, 0, 0))
    // The top level's KL to N(0, I) by the formula; the rest is the lower level's.
    let top = [ 0.5, -0.1; 0.1, -1.2 ] |> List.sumBy (fun (m, l) -> -0.5 * (1.0 + l - m * m - exp l))
    let bottom = Array.map2 (fun l e -> l - e - top) likelihood (part ObjectiveWeights.Elbo)
    let freeBits = 0.5 * (top + Array.min bottom)
    holds "the number lies between the levels" (top < freeBits)
    let weights = ObjectiveWeights(1, 1, 1, freeBits)
    close "value" 1e-12 (Array.map2 (fun l b -> l - max top freeBits - max b freeBits) likelihood bottom) (part weights)

    // With the likelihood switched off, what is below its free bits does not move.
    let gradients = Array.zeroCreate<Tensor> 4

    let objective =
        ElboObjective(
            problem.Model,
            problem.Family,
            problem.X,
            problem.Noise,
            ObjectiveWeights(0, 1, 1, 100.0),
            KlForm.Analytic
        )

    ObjectiveDerivatives.Gradient(objective, problem.Lambda, gradients) |> ignore

    for g in gradients do
        close "gradient" 1e-15 (Array.zeroCreate 6) (g.ToArray())

[<Test>]
let ``a family's posterior shares the noise of its batch`` () =
    use scope = MemoryScope.Enter()
    let problem = problem OutputKind.Bernoulli [ Activation.Tanh ] 9
    let n = problem.Lambda[0].Shape[1]
    let q = problem.Family.Sample(problem.Lambda, problem.Model, problem.Noise)
    let epsilon = problem.Noise.Normal(n).ToArray()
    let mu, logVar, s = problem.Lambda[0].ToArray(), problem.Lambda[1].ToArray(), problem.Noise.Samples

    let expected =
        epsilon |> Array.mapi (fun i e -> let k = i / (s * n) * n + i % n in mu[k] + exp (0.5 * logVar[k]) * e)

    close "z" 1e-14 expected (q.Latents[0].ToArray())
    close "log q" 1e-12 ((q.Conditionals[0].LogProb q.Latents[0]).ToArray()) (q.LogDensity.ToArray())

[<Test>]
let ``local parameters must be matrices of equally many rows`` () =
    let make (sizes: int[]) = Tensor.Filled(device, Shape sizes, 0.0)

    throws<ShapeException> [ "LocalParameters"; "[2, 3]"; "[3, 3]" ] (fun () ->
        LocalParameters([| make [| 2; 3 |]; make [| 3; 3 |] |]) |> ignore)

    throws<ShapeException> [ "LocalParameters"; "[2]" ] (fun () -> LocalParameters([| make [| 2 |] |]) |> ignore)
