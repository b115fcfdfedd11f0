/// Gaussian families over the levels of a hierarchy: independent ones, and ladders.
module GapLab.Tests.Families.LevelGaussiansTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Checks

let private elbo model family x noise form lambda =
    ElboObjective(model, family, x, noise, ObjectiveWeights.Elbo, form).Value lambda

[<Test>]
let ``blocks are named by their level, and those of the lowest as ever`` () =
    let family = FactorizedGaussian(cpu, 3, 2)

    equal
        [ "mean", 3, 0; "logVariance", 3, 0; "mean.1", 2, 1; "logVariance.1", 2, 1 ]
        [ for block in family.LocalBlocks -> block.Name, block.Size, block.Level ]

    equal [ false; true; false; true ] [ for block in family.LocalBlocks -> block.IsLogVariance ]
    equal [ true; false; true; false ] [ for block in family.LocalBlocks -> block.IsMean ]

[<Property(MaxTest = 40)>]
let ``the density of any z is that of the Gaussians given the levels above, and of samples the one that comes with them``
    (seed: uint64)
    =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed
    let model = randomModelOf reference seed hierarchy
    let x = randomData reference seed hierarchy 2

    for family in levelFamilies model do
        let lambda = randomLambdaOf family reference seed 2
        let q = family.Sample(lambda, model, Noise(x, stream seed, 3))
        close "of samples" 1e-10 (q.LogDensity.ToArray()) (family.LogDensity(lambda, model, q.Latents).ToArray())

        let sum =
            Seq.zip q.Conditionals q.Latents.Levels
            |> Seq.map (fun (conditional, z) -> conditional.LogProb z)
            |> Seq.reduce (+)

        close "of the conditionals" 1e-10 (sum.ToArray()) (q.LogDensity.ToArray())

[<Property(MaxTest = 20)>]
let ``the divergence of two q's is estimated from samples of the first where a family has no formula`` (seed: uint64) =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed
    let model = randomModelOf reference seed hierarchy
    let x = randomData reference seed hierarchy 2
    let noise = Noise(x, stream seed, 3)

    for family in levelFamilies model |> Seq.filter (fun family -> family :? LadderGaussian) do
        let p, q = randomLambdaOf family reference seed 2, randomLambdaOf family reference (seed + 1UL) 2

        let z = (family.Sample(p, model, noise)).Latents

        let expected = (family.LogDensity(p, model, z) - family.LogDensity(q, model, z)).Mean(1).ToArray()

        close "divergence" 1e-10 expected (family.Divergence(p, q, model, noise).ToArray())

    let silent = FullCovariance(reference, 2)
    let lambda = silent.InitialLocalParameters 2

    throws<GapLabException> [ "full covariance"; "on its ELBO" ] (fun () ->
        silent.Divergence(lambda, lambda, model, noise) |> ignore)

[<Property(MaxTest = 20)>]
let ``a factorised Gaussian of several levels is one of each level`` (seed: uint64) =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed
    let model = hierarchy.On reference
    let x = randomData reference seed hierarchy 2
    let family = FactorizedGaussian(reference, hierarchy.Sizes[0], hierarchy.Sizes[1..])
    let lambda = randomLambdaOf family reference seed 2
    let noise = Noise(x, stream seed, 3)
    let q = family.Sample(lambda, model, noise)

    let single =
        [ for level, n in Seq.indexed hierarchy.Sizes ->
              DiagonalGaussian(lambda[2 * level].Reshape(Shape(2, 1, n)), lambda[2 * level + 1].Reshape(Shape(2, 1, n)))
                  .Sample(noise.Normal(n, level)) ]

    for level, z in Seq.indexed single do
        close $"level {level}" 1e-14 (z.ToArray()) (q.Latents[level].ToArray())

[<Property(MaxTest = 20)>]
let ``a ladder weighs messages and priors by their precisions`` (seed: uint64) =
    use _scope = MemoryScope.Enter(record = false)
    let hierarchy = randomHierarchy seed
    let model = randomModelOf reference seed hierarchy
    let x = randomData reference seed hierarchy 2
    let family = LadderGaussian(reference, hierarchy.Sizes[0], hierarchy.Sizes[1..])
    let lambda = randomLambdaOf family reference seed 2
    let q = family.Sample(lambda, model, Noise(x, stream seed, 3))
    let priors = model.Priors q.Latents
    let top = hierarchy.Sizes.Length - 1
    let full level (t: Tensor) = t.BroadcastTo(q.Latents[level].Shape).ToArray()

    for level in 0..top do
        let own i = full level (lambda[2 * level + i].Reshape(Shape(2, 1, hierarchy.Sizes[level])))
        let message, messagePrecision = own 0, own 1 |> Array.map (fun v -> exp -v)

        let mean, precision =
            if level = top then
                message, messagePrecision
            else
                let prior = priors[level] :?> DiagonalGaussian
                let p, pPrecision = full level prior.Mean, full level prior.LogVariance |> Array.map (fun v -> exp -v)
                let precision = Array.map2 (+) messagePrecision pPrecision
                let pull = Array.map2 (*) message messagePrecision |> Array.map2 (+) (Array.map2 (*) p pPrecision)
                Array.map2 (/) pull precision, precision

        close "mean" 1e-10 mean (full level q.Conditionals[level].Mean)
        close "log σ²" 1e-10 (precision |> Array.map (fun p -> -(log p))) (full level q.Conditionals[level].LogVariance)

[<Test>]
let ``with one level a ladder is the factorised Gaussian, and extreme messages do not overflow`` () =
    use _scope = MemoryScope.Enter(record = false)
    let model = correlated cpu
    let noise = Noise(repeated cpu 2 (Array.zeroCreate 4), stream 1UL, 3)
    let lambda = sameLambda cpu 2 [| 0.3; -1.0; 2.0 |] [| 0.5; 1.0; 2.0 |]
    let sample (family: VariationalFamily) = family.Sample(lambda, model, noise)
    let one, other = sample (FactorizedGaussian(cpu, 3)), sample (LadderGaussian(cpu, 3))
    equal (bits (one.Latents[0].ToArray())) (bits (other.Latents[0].ToArray()))
    equal (bits (one.LogDensity.ToArray())) (bits (other.LogDensity.ToArray()))
    let chain = chain.On cpu
    let family = LadderGaussian(cpu, 2, 1)

    for extreme in [ -200.0; 200.0 ] do
        let filled size value = Tensor.Filled(cpu, Shape(1, size), value)
        let lambda = LocalParameters [| filled 2 0.5; filled 2 extreme; filled 1 0.1; filled 1 0.0 |]
        let q = family.Sample(lambda, chain, Noise(observe cpu [| chainData[0] |], stream 1UL, 3))
        holds "finite" (q.LogDensity.ToArray() |> Array.forall Double.IsFinite)

[<Property(MaxTest = 15)>]
let ``gradients of the ELBO with respect to λ and θ are those of finite differences`` (seed: uint64) =
    use _scope = MemoryScope.Enter()
    // ELU's kink would spoil differences.
    let hierarchy = { randomHierarchy seed with Activation = Activation.Tanh }
    let model = randomModelOf reference seed hierarchy
    let x = randomData reference seed hierarchy 2

    for family in levelFamilies model do
        for form in [ KlForm.Analytic; KlForm.Sampled ] do
            let lambda = randomLambdaOf family reference seed 2
            let noise = Noise(x, stream seed, 2)
            let parameters = [| yield! lambda.Blocks; yield! model.Parameters |]
            let gradients = Array.zeroCreate<Tensor> parameters.Length
            Gradient.Of(elbo model family x noise form lambda, ReadOnlySpan parameters, Span gradients)

            for i in 0 .. parameters.Length - 1 do
                let objective (p: Tensor) =
                    let moved = Array.mapi (fun k original -> if k = i then p else original) parameters
                    let blocks = lambda.Blocks.Count
                    let other = model.With(model.Parameters.With(ReadOnlySpan moved[blocks..]))
                    (elbo other family x noise form (LocalParameters moved[.. blocks - 1])).Sum()

                close
                    $"{family.Name}, {form}, parameter {i}"
                    1e-6
                    (FiniteDifference.Gradient(objective, parameters[i]))
                    (gradients[i].ToArray())

[<Test>]
let ``analytic and sampled KL terms agree in expectation`` () =
    use _scope = MemoryScope.Enter(record = false)

    let hierarchy =
        { randomHierarchy 4UL with
            BatchNormalization = false
            ConstantVariances = false }

    let model = randomModelOf reference 4UL hierarchy
    let row = randomData reference 4UL hierarchy 1 :?> DenseObservations
    let x = repeated reference 4000 (row.Values.ToArray())

    for family in levelFamilies model do
        let one = randomLambdaOf family reference 4UL 1
        let lambda = one.Select(ReadOnlySpan(Array.zeroCreate<int> 4000))
        let value form = (elbo model family x (Noise(x, stream 8UL, 1)) form lambda).ToArray()
        let mean, error = meanAndError (Array.map2 (-) (value KlForm.Analytic) (value KlForm.Sampled))
        holds $"{family.Name}: the forms differ by samples" (error > 1e-4)
        agrees family.Name 0.0 (mean, error)

[<Test>]
let ``importance weights average to p(x), whatever λ`` () =
    use _scope = MemoryScope.Enter(record = false)
    let model = chain.On reference
    let x = observe reference [| chainData[0] |]

    for family in levelFamilies model do
        let lambda =
            LocalParameters [| for block in family.LocalBlocks -> Tensor.Filled(reference, Shape(1, block.Size), 0.3) |]

        let q = family.Sample(lambda, model, Noise(x, stream 77UL, 40000))
        let w = (model.LogJoint(x, q.Latents) - q.LogDensity).ToArray()
        holds "q covers the posterior" (LogWeights.EffectiveSampleSize(ReadOnlySpan w) > 4000.0)
        let exact = chain.LogMarginal chainData[0]
        agrees family.Name 1.0 (meanAndError (Array.map (fun v -> exp (v - exact)) w))

[<Test>]
let ``iterative inference starts at the prior`` () =
    use _scope = MemoryScope.Enter(record = false)
    let model = chain.On reference
    let x = repeated reference 2000 chainData[0]
    let noise = Noise(x, stream 6UL, 4)
    let start = FactorizedGaussian(reference, 2, 1).PriorLocalParameters(model, noise)
    equal (Array.zeroCreate<float> 2000) (start[2].ToArray())
    equal (Array.zeroCreate<float> 2000) (start[3].ToArray())
    let means = start[0].ToArray() |> Array.chunkBySize 2
    // E[W z + b] = b, and W W' / S in variance over S samples.
    for j, b, w in [ 0, 0.4, 0.8; 1, 0.0, -1.1 ] do
        let own = means |> Array.map (fun m -> m[j] - b)
        agrees "mean" 0.0 (meanAndError own)
        agrees "its variance" (w * w / 4.0) (meanAndError (Array.map (fun v -> v * v) own))

    close "log σ²" 1e-12 [| log 0.3; log 0.7 |] (start[1].ToArray()[..1])

    // A ladder's first q is nearly the prior itself.
    let family = LadderGaussian(reference, 2, 1)
    let q = family.Sample(family.PriorLocalParameters(model, noise), model, noise)
    let priors = model.Priors q.Latents
    let kl = -(q.Conditionals[0].WeightedTerms(priors[0] :?> DiagonalGaussian, 1.0, 1.0)).Mean().ToDouble()
    holds $"KL to the prior, {kl}" (kl >= 0.0 && kl < 0.01)

[<Test>]
let ``with one level iterative inference starts where local optimisation does`` () =
    let noise = Noise(repeated cpu 3 [| 0.8 |], stream 1UL, 2)

    for family in levelFamilies (golden cpu) do
        let start = family.PriorLocalParameters(golden cpu, noise)
        equal (bitsOf (family.InitialLocalParameters 3).Blocks) (bitsOf start.Blocks)

[<Test>]
let ``local optimisation finds the exact optima of chains`` () =
    // FFG stays below log p(x) by ½ (Σ log Λ_jj - log det Λ); the ladder of a chain of single variables contains the posterior.
    let options =
        LocalOptimizerOptions(
            Samples = 50,
            Adam = AdamOptions(LearningRate = 0.02),
            StepsPerCheck = 100,
            Patience = 3,
            MaximumSteps = 3000
        )

    let cases: (Chain * float[][] * (GenerativeModel -> VariationalFamily) * float) list =
        [ chain, chainData[..1], (fun model -> (levelFamilies model).[0]), chain.FactorizedGap
          scalarChain, [| [| 1.3; 0.4 |] |], (fun model -> (levelFamilies model).[0]), scalarChain.FactorizedGap
          scalarChain, [| [| 1.3; 0.4 |] |], (fun model -> (levelFamilies model).[1]), 0.0 ]

    for chain, rows, familyOf, gap in cases do
        let model = chain.On cpu
        let family = familyOf model
        let x = observe cpu rows
        let optimum = LocalOptimizer(options).Optimize(model, family, x, stream 3UL)
        let found = ImportanceSampler(4000).Estimate(model, family, x, optimum.Lambda, stream 4UL).Elbo

        for i, row in Seq.indexed rows do
            let best = chain.LogMarginal row - gap
            let error = 4.0 * found.StandardErrors[i]
            // A thousandth of a nat of what noise in the last steps may cost, four times over.
            holds $"{family.Name}: {found.Values[i]} is near {best}" (abs (found.Values[i] - best) < 0.004 + error)

            if family :? FactorizedGaussian then
                let mean, covariance = chain.Posterior row
                let precision = covariance.Inverse().Diagonal().ToArray()

                let blocks kind =
                    [| for b in kind..2 .. optimum.Lambda.Blocks.Count - 1 do
                           yield! optimum.Lambda.Select(ReadOnlySpan [| i |]).[b].ToArray() |]

                close "the exact means" 0.06 (mean.ToArray()) (blocks 0)
                close "the variances 1 / Λ_jj" 0.06 (precision |> Array.map (fun p -> -(log p))) (blocks 1)

[<Test>]
let ``a ladder over priors that are not Gaussian is refused`` () =
    use _scope = MemoryScope.Enter(record = false)

    let model =
        { new GenerativeModel(GapLab.Networks.ParameterSet cpu) with
            member _.Name = "odd"
            member _.LatentSizes = [| 1; 1 |]

            member _.Prior(_, _) =
                { new LatentDistribution() with
                    member _.LogProb z = z.Sum -1
                    member _.Sample epsilon = epsilon }

            member _.Output(_, _) = failwith "not reached" }

    let family = LadderGaussian(cpu, 1, 1)

    throws<GapLabException> [ "ladder"; "Gaussian priors"; "level 0 of odd" ] (fun () ->
        family.Sample(family.InitialLocalParameters 1, model, Noise(observe cpu [| [| 0.0 |] |], stream 1UL, 2))
        |> ignore)
