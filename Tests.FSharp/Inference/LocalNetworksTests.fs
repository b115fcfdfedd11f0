/// Local optimisation of families with shared parameters: every datapoint moves a copy of them.
module GapLab.Tests.Inference.LocalNetworksTests

open System
open NUnit.Framework
open GapLab.Bounds
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tests
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures

let private decoder = DenseModel(cpu, 3, [| 17 |], 21, Activation.Elu, OutputKind.Bernoulli, stream 2UL)
let private images = Array.init 6 (fun i -> Array.init 21 (fun j -> float ((stream 6UL).At(i).Below(2, int64 j))))

let private smallFlow () = AuxiliaryFlow(cpu, 3, stream 5UL, hidden = [| 9; 7 |])

let private short =
    LocalOptimizerOptions(
        Samples = 21,
        StepsPerCheck = 10,
        Patience = 1,
        MaximumSteps = 40,
        Adam = AdamOptions(LearningRate = 0.02)
    )

let private optimize (family: VariationalFamily) x = LocalOptimizer(short).Optimize(decoder, family, x, stream 11UL)

/// All that was found for one datapoint.
let private found (optimum: LocalOptimum) row =
    use _scope = MemoryScope.Enter(record = false)

    Array.append (bitsOf optimum.Families[row].Shared) (bitsOf (optimum.Lambda.Select(ReadOnlySpan [| row |]).Blocks))

[<TestCase("flow")>]
[<TestCase("IAF")>]
let ``networks and λ of a datapoint depend on no other datapoint, their order or the number of threads``
    (name: string)
    =
    let family: VariationalFamily =
        if name = "flow" then
            smallFlow ()
        else
            InverseAutoregressiveFlow(cpu, 3, stream 5UL, hidden = [| 9 |])

    let before = bitsOf family.Shared

    let run threads (rows: int[]) =
        withThreads threads (fun () ->
            optimize family (observeAs cpu (Array.map ((+) 100) rows) [| for r in rows -> images[r] |]))

    let all = run 1 [| 0..5 |]
    // Each has networks of its own, which are not the ones that it started from.
    Checks.equal 7 (Array.distinct [| before; yield! [ for i in 0..5 -> bitsOf all.Families[i].Shared ] |]).Length
    Checks.equal before (bitsOf family.Shared)

    for threads, rows in [ 2, [| 0..5 |]; 2, [| 5; 3; 1; 0; 2; 4 |]; 1, [| 4 |]; 2, [| 2; 5; 2 |] ] do
        let some = run threads rows

        rows
        |> Array.iteri (fun position row ->
            Checks.equalFor $"{threads} threads, {rows}" (found all row) (found some position)
            Checks.equal all.Steps[row] some.Steps[position])

[<Test>]
let ``a family without shared parameters is optimised step by step as Adam on λ alone does`` () =
    let family = FactorizedGaussian(cpu, 3)
    let x = observe cpu images
    let optimum = optimize family x

    for row in 0 .. images.Length - 1 do
        use scope = MemoryScope.Enter()
        let own = x.Select(ReadOnlySpan [| row |])
        let blocks = [| for block in (family.InitialLocalParameters 1).Blocks -> scope.Copy block |]
        let lambda = LocalParameters blocks
        let adam = Adam(blocks, short.Adam)
        let mutable sum, bestCheck, failures, steps = 0.0, -infinity, 0, 0
        let mutable best = bitsOf blocks

        while steps < short.MaximumSteps && failures < short.Patience do
            use _step = MemoryScope.Enter()
            let gradients = Array.zeroCreate<Tensor> 2
            let noise = Noise(own, stream 11UL, short.Samples, steps)
            let objective = ElboObjective(decoder, family, own, noise, ObjectiveWeights.Elbo, KlForm.Analytic)
            sum <- sum + objective.Gradient(lambda, Span gradients).ToDouble()
            adam.Ascend(ReadOnlySpan gradients)
            steps <- steps + 1

            if steps % short.StepsPerCheck = 0 then
                if sum > bestCheck then
                    bestCheck <- sum
                    best <- bitsOf blocks
                    failures <- 0
                else
                    failures <- failures + 1

                sum <- 0.0

        Checks.equal steps optimum.Steps[row]
        Checks.equal best (bitsOf (optimum.Lambda.Select(ReadOnlySpan [| row |]).Blocks))
        Checks.holds "the family is the given one" (Object.ReferenceEquals(family, optimum.Families[row]))

[<Test>]
let ``a datapoint is evaluated with its own networks, as the measure does it one by one`` () =
    let x = observe cpu images
    let flow = smallFlow ()
    let vae = Vae(decoder, flow, Amortized(flow, cpu, 21, [| 5 |], Activation.Elu, stream 3UL))
    let measured = OptimalBounds(short, 33).Run(vae, x, 8UL, null, Threading.CancellationToken.None)

    let optimum = LocalOptimizer(short).Optimize(decoder, flow, x, RandomStream(8UL, RandomPurpose.LocalOptimization))

    let noise = RandomStream(8UL, RandomPurpose.Importance).Fork 2UL
    let own = ImportanceSampler(33).Estimate(decoder, optimum, x, noise)
    let values name = (measured.Columns |> Seq.find (fun column -> column.Name = name)).Values
    Checks.equal (bits own.Elbo.Values) (bits (values "elbo"))
    Checks.equal (bits own.Iwae.Values) (bits (values "iwae"))
    Checks.equal (Array.map float optimum.Steps) (values "steps")
    // With the networks that the search started from, λ* is worth less.
    let others = ImportanceSampler(33).Estimate(decoder, flow, x, optimum.Lambda, noise)
    Checks.holds "own networks are better" (own.Elbo.Mean > others.Elbo.Mean)

[<Test>]
let ``a flow fits a correlated posterior better than a factorised Gaussian, and not better than the posterior`` () =
    let model = LinearGaussian(cpu, array2D [ [ 2.0; 1.8 ]; [ 1.5; 1.7 ] ], [| 0.0; 0.0 |], 0.5)
    let row = [| 1.0; 0.2 |]
    let x = observe cpu [| row |]

    let options = LocalOptimizerOptions(Samples = 50, Adam = AdamOptions(LearningRate = 1e-2), MaximumSteps = 2000)

    let elbo (family: VariationalFamily) =
        let optimum = LocalOptimizer(options).Optimize(model, family, x, stream 4UL)
        let estimate = ImportanceSampler(5000).Estimate(model, optimum, x, stream 5UL).Elbo
        estimate.Values[0], estimate.StandardErrors[0]

    let ffg, ffgError = elbo (FactorizedGaussian(cpu, 2))
    Checks.near (4.0 * ffgError + 0.02) (model.FactorizedApproximationGap()) (model.LogMarginal row - ffg)

    for family in
        [ AuxiliaryFlow(cpu, 2, stream 6UL, hidden = [| 16 |], scale = FlowScale.CentredSigmoid()) :> VariationalFamily
          InverseAutoregressiveFlow(cpu, 2, stream 6UL, hidden = [| 16 |]) ] do
        let flow, error = elbo family
        Checks.holds $"{family.Name}: {flow} beats {ffg}" (flow > ffg + 0.5 * model.FactorizedApproximationGap())
        Checks.holds $"{family.Name}: {flow} is a lower bound" (flow < model.LogMarginal row + 4.0 * error)

[<Test>]
let ``a search that starts at the optimum of another family with the flow as the identity starts with its ELBO`` () =
    use _scope = MemoryScope.Enter()
    let x = observe cpu images
    let ffg = LocalOptimizer(short).Optimize(decoder, FactorizedGaussian(cpu, 3), x, stream 1UL)

    let flow =
        AuxiliaryFlow(cpu, 3, stream 5UL, hidden = [| 9 |], scale = FlowScale.CentredSigmoid(), startsAtIdentity = true)

    let still = LocalOptimizerOptions(Samples = 5, MaximumSteps = 1, Adam = AdamOptions(LearningRate = 1e-9))
    let started = LocalOptimizer(still).Optimize(decoder, flow, x, stream 1UL, start = ffg.Lambda)

    let elbo optimum =
        ImportanceSampler(50).Estimate(decoder, (optimum: LocalOptimum), x, stream 7UL).Elbo.Values

    Checks.close "ELBO" 1e-5 (elbo ffg) (elbo started)

    Checks.throws<ShapeException> [ "6"; "2" ] (fun () ->
        LocalOptimizer(still)
            .Optimize(decoder, flow, x, stream 1UL, start = ffg.Lambda.Select(ReadOnlySpan [| 0; 1 |]))
        |> ignore)

/// Factorised Gaussians whose log-density is no number from the given evaluation on.
type private LostAfter(evaluations: int) =
    inherit VariationalFamily(ParameterSet reference)
    let inner = FactorizedGaussian(reference, 1)
    let mutable evaluated = 0
    override _.Name = "lost"
    override _.LocalBlocks = inner.LocalBlocks
    override _.InitialLocalParameters count = inner.InitialLocalParameters count

    override _.Sample(lambda, model, noise) =
        let sample = inner.Sample(lambda, model, noise)
        evaluated <- evaluated + 1
        let shift = if evaluated > evaluations then nan else 0.0
        PosteriorSample(sample.Latents, sample.LogDensity + shift, null)

[<Test>]
let ``a search that gets lost ends with what it has found, and before it has found anything with an error`` () =
    let x = observe reference [| [| 0.8 |] |]

    let run evaluations steps =
        let options = LocalOptimizerOptions(Samples = 5, StepsPerCheck = 10, MaximumSteps = steps, Patience = 100)
        LocalOptimizer(options).Optimize(golden reference, LostAfter evaluations, x, stream 1UL)

    let lost, whole = run 34 100, run 1000 30
    Checks.equal [| 34 |] lost.Steps
    Checks.equal [| false |] lost.Converged
    // With so few steps each check is better than the last: λ is that of step 30.
    Checks.equal (bitsOf whole.Lambda.Blocks) (bitsOf lost.Lambda.Blocks)
    Checks.throws<GapLabException> [ "datapoint 0"; "NaN"; "step 7" ] (fun () -> run 7 100 |> ignore)

[<Test>]
let ``long gradients are scaled down to the limit, by default where networks are moved`` () =
    let x = observe cpu images[..1]
    // One step of Adam from zero moments is the rate times g / (|g| + ε): a large ε shows the length of g.
    let moved (limit: Nullable<float>) (family: VariationalFamily) =
        let options =
            LocalOptimizerOptions(
                Samples = 5,
                MaximumSteps = 1,
                MaximumGradientNorm = limit,
                Adam = AdamOptions(LearningRate = 1e9, Epsilon = 1e9)
            )

        let optimum = LocalOptimizer(options).Optimize(decoder, family, x, stream 1UL)
        use _scope = MemoryScope.Enter(record = false)

        [| for row in 0..1 ->
               let own =
                   [ yield! optimum.Lambda.Select(ReadOnlySpan [| row |]).Blocks; yield! optimum.Families[row].Shared ]

               let start = [ yield! (family.InitialLocalParameters 1).Blocks; yield! family.Shared ]

               sqrt (
                   List.fold2 (fun sum (a: Tensor) (b: Tensor) -> sum + (a - b).Square().Sum().ToDouble()) 0.0 own start
               ) |]

    let flow () = smallFlow () |> perturbed (stream 3UL) 0.6
    let free = moved (Nullable infinity) (flow ())
    Checks.holds $"gradients are longer than the limits here: %A{free}" (Array.forall (fun length -> length > 1.0) free)
    Checks.close "limited to 0.5" 1e-4 [| 0.5; 0.5 |] (moved (Nullable 0.5) (flow ()))
    let byDefault = free |> Array.map (min LocalOptimizerOptions.NetworkGradientNorm)
    Checks.close "limited by default" 1e-4 byDefault (moved (Nullable()) (flow ()))
    let ffg = FactorizedGaussian(cpu, 3)
    Checks.equal (moved (Nullable infinity) ffg) (moved (Nullable()) ffg)

    Checks.throws<GapLabException> [ "positive"; "0" ] (fun () -> moved (Nullable 0.0) ffg |> ignore)
