module GapLab.Tests.Inference.LocalOptimizerTests

open System
open System.Threading
open NUnit.Framework
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Optimization
open GapLab.Tests.Models.ModelFixtures

/// Factorised Gaussians of one latent variable whose optimisation starts at a given μ and log σ².
type private StartingAt(device, mean: float, logVariance: float) =
    inherit VariationalFamily(ParameterSet device)
    let inner = FactorizedGaussian(device, 1)
    override _.Name = "FFG from elsewhere"
    override _.LocalBlocks = inner.LocalBlocks
    override _.Sample(lambda, model, noise) = inner.Sample(lambda, model, noise)

    override _.InitialLocalParameters count =
        let filled value = Tensor.Filled(device, Shape(count, 1), value)
        LocalParameters [| filled mean; filled logVariance |]

/// A model whose x does not depend on z: with the analytic KL its objective is -KL(q ‖ N(0, 1)) plus a constant, without noise.
let private indifferent device = LinearGaussian(device, array2D [ [ 0.0 ] ], [| 0.0 |], 1.0)

let private optimize (options: LocalOptimizerOptions) model family x =
    LocalOptimizer(options).Optimize(model, family, x, stream 11UL)

[<Test>]
let ``the optimum of a correlated linear-Gaussian model is the exact mean and the variances 1 over the precision's diagonal``
    ()
    =
    let model = correlated cpu

    let rows =
        drawFrom
            (array2D [ [ 1.0; 0.8; 0.1 ]; [ 0.9; 1.1; -0.3 ]; [ -0.2; 0.5; 0.7 ]; [ 0.4; -0.6; 1.2 ] ])
            [| 0.3; -0.2; 0.1; 0.5 |]
            0.6
            (stream 3UL)
            3

    let options = LocalOptimizerOptions(Samples = 2000, Adam = AdamOptions(LearningRate = 5e-3))
    let optimum = optimize options model (FactorizedGaussian(cpu, 3)) (observe cpu rows)
    let mean, logVariance = optimum.Lambda[0].ToArray(), optimum.Lambda[1].ToArray()
    let variance = model.OptimalFactorizedVariance()
    Assert.That(optimum.ConvergedCount, equalTo 3)
    // log p(x | z) has a deviation of about 1.2 nats under q, so a check (100 steps of 2,000 samples) one of 0.0027. The best of the last ten or so
    // checks may owe four of these to luck: that much can be missing. Quadratic expansions of the ELBO, 1/2 δᵀ Λ δ for the mean and
    // 1/4 δ² for a log-variance, turn it into tolerances.
    let missing = 4.0 * 1.2 / sqrt (2000.0 * 100.0)
    let covariance = model.PosteriorCovariance()

    for i in 0..2 do
        let exact = model.PosteriorMean rows[i]

        for j in 0..2 do
            Assert.That(mean[3 * i + j], within (sqrt (2.0 * missing * covariance[j, j])) exact[j])
            Assert.That(logVariance[3 * i + j], within (sqrt (4.0 * missing)) (log variance[j]))

        let shortfall =
            model.ExactElbo(rows[i], exact, variance)
            - model.ExactElbo(rows[i], mean[3 * i .. 3 * i + 2], Array.map exp logVariance[3 * i .. 3 * i + 2])

        Assert.That(shortfall, Is.InRange(0.0, missing))

[<Test>]
let ``checks, patience and the λ that is kept follow the rule of the paper`` () =
    // The rule again, in scalars: Adam on -1/2 (μ² + σ² - 1 - log σ²), a check every few steps, stop after `patience` checks in a row without a new best.
    let mutable keptEarlier = 0

    for rate, perCheck, patience in [ 0.3, 5, 2; 0.5, 3, 3; 0.1, 7, 1; 0.8, 2, 4 ] do
        let p, m, v = [| 3.0; 1.0 |], [| 0.0; 0.0 |], [| 0.0; 0.0 |]
        let mutable best, bestCheck, sum, failures, t = Array.copy p, -infinity, 0.0, 0, 0

        while failures < patience && t < 400 do
            let gradient = [| -p[0]; -0.5 * (exp p[1] - 1.0) |]
            sum <- sum - 0.5 * (p[0] * p[0] + exp p[1] - 1.0 - p[1])
            t <- t + 1

            for i in 0..1 do
                m[i] <- 0.9 * m[i] + 0.1 * gradient[i]
                v[i] <- 0.999 * v[i] + 0.001 * gradient[i] * gradient[i]
                p[i] <- p[i] + rate * (m[i] / (1.0 - 0.9 ** t)) / (sqrt (v[i] / (1.0 - 0.999 ** t)) + 1e-8)

            if t % perCheck = 0 then
                let check = sum / float perCheck
                sum <- 0.0

                if check > bestCheck then
                    bestCheck <- check
                    best <- Array.copy p
                    failures <- 0
                else
                    failures <- failures + 1

        if failures = patience then
            keptEarlier <- keptEarlier + 1

        let options =
            LocalOptimizerOptions(
                Samples = 2,
                Adam = AdamOptions(LearningRate = rate),
                StepsPerCheck = perCheck,
                Patience = patience,
                MaximumSteps = 400
            )

        let optimum =
            optimize
                options
                (indifferent reference)
                (StartingAt(reference, 3.0, 1.0))
                (observe reference [| [| 0.3 |] |])

        Assert.That(optimum.Steps, equalTo [| t |], $"rate {rate}")
        Assert.That(optimum.ConvergedCount, equalTo (if failures = patience then 1 else 0))
        Assert.That(optimum.Lambda[0].ToDouble(), within 1e-8 best[0])
        Assert.That(optimum.Lambda[1].ToDouble(), within 1e-8 best[1])

    Assert.That(keptEarlier, Is.GreaterThanOrEqualTo 2, "cases that end by the rule")

[<Test>]
let ``a constant objective is left after one check and ten failures`` () =
    // Started at the optimum: every check equals the first and none beats it. 100 steps a check, patience 10, by default.
    let optimum =
        optimize
            (LocalOptimizerOptions(Samples = 1))
            (indifferent reference)
            (FactorizedGaussian(reference, 1))
            (repeated reference 3 [| 0.2 |])

    Assert.That(optimum.Steps, equalTo [| 1100; 1100; 1100 |])
    Assert.That(optimum.ConvergedCount, equalTo 3)
    Assert.That(optimum.Lambda[0].ToArray(), equalTo [| 0.0; 0.0; 0.0 |])

[<Test>]
let ``the limit on steps ends what still improves, with the λ of the last steps`` () =
    let family = StartingAt(reference, 3.0, 0.0)

    let run limit =
        optimize
            (LocalOptimizerOptions(Samples = 1, StepsPerCheck = 10, MaximumSteps = limit))
            (indifferent reference)
            family
            (observe reference [| [| 0.2 |] |])

    let twenty = run 20
    Assert.That(twenty.Steps, equalTo [| 20 |])
    Assert.That(twenty.ConvergedCount, equalTo 0)
    // Adam's first steps each have the size of the rate, 1e-3.
    Assert.That(twenty.Lambda[0].ToDouble(), within 1e-3 (3.0 - 20.0 * 1e-3))
    // Fewer steps than one check: they count all the same.
    Assert.That((run 5).Lambda[0].ToDouble(), within 1e-4 (3.0 - 5.0 * 1e-3))

let private decoder = DenseModel(cpu, 3, [| 17 |], 21, Activation.Elu, OutputKind.Bernoulli, stream 2UL)
let private images = Array.init 6 (fun i -> Array.init 21 (fun j -> float ((stream 6UL).At(i).Below(2, int64 j))))

let private short =
    LocalOptimizerOptions(
        Samples = 33,
        StepsPerCheck = 10,
        Patience = 1,
        MaximumSteps = 60,
        Adam = AdamOptions(LearningRate = 0.05)
    )

let private rowsOf (optimum: LocalOptimum) i =
    Array.concat [ for block in optimum.Lambda.Blocks -> bits (block.ToArray()[3 * i .. 3 * i + 2]) ]

[<Test>]
let ``a datapoint's optimum depends on no other datapoint, their order or the number of threads`` () =
    let run threads (rows: int[]) =
        withThreads threads (fun () ->
            optimize
                short
                decoder
                (FactorizedGaussian(cpu, 3))
                (observeAs cpu (Array.map ((+) 100) rows) [| for r in rows -> images[r] |]))

    let all = run 1 [| 0..5 |]
    Assert.That(Array.distinct [| for i in 0..5 -> rowsOf all i |], Has.Length.EqualTo 6)

    for threads, rows in [ 2, [| 0..5 |]; 2, [| 5; 3; 1; 0; 2; 4 |]; 1, [| 4 |]; 2, [| 2; 5; 2 |] ] do
        let some = run threads rows

        rows
        |> Array.iteri (fun position row ->
            Assert.That(rowsOf some position, equalTo (rowsOf all row), $"{threads} threads, {rows}")
            Assert.That(some.Steps[position], equalTo all.Steps[row]))

[<Test>]
let ``another datapoint index or seed gives other noise`` () =
    let run index seed =
        let x = observeAs cpu [| index |] [| images[0] |]
        rowsOf (LocalOptimizer(short).Optimize(decoder, FactorizedGaussian(cpu, 3), x, stream seed)) 0

    Assert.That(run 0 1UL, equalTo (run 0 1UL))
    Assert.That(run 1 1UL, Is.Not.EqualTo(run 0 1UL))
    Assert.That(run 0 2UL, Is.Not.EqualTo(run 0 1UL))

[<Test>]
let ``the model is not changed, and progress counts the datapoints`` () =
    let before = bitsOf decoder.Parameters
    let told = Collections.Concurrent.ConcurrentBag<int>()

    LocalOptimizer(short)
        .Optimize(decoder, FactorizedGaussian(cpu, 3), observe cpu images, stream 1UL, (fun count -> told.Add count))
    |> ignore

    Assert.That(bitsOf decoder.Parameters, equalTo before)
    Assert.That(Seq.sort told, equalTo [ 1..6 ])

[<Test>]
let ``an objective that is not finite is told with its datapoint and step`` () =
    let x = observeAs reference [| 40; 41 |] [| [| 0.5 |]; [| nan |] |]

    let message =
        messageOf<GapLabException>(fun () ->
            optimize (LocalOptimizerOptions()) (golden reference) (FactorizedGaussian(reference, 1)) x |> ignore)

    Assert.That(
        message,
        equalTo "Local optimisation: the ELBO of datapoint 41 is NaN at step 0; use a smaller step size."
    )

[<Test>]
let ``cancellation stops it`` () =
    use cancelled = new CancellationTokenSource()
    cancelled.Cancel()

    Assert.Catch<OperationCanceledException>(
        Action(fun () ->
            LocalOptimizer(short)
                .Optimize(decoder, FactorizedGaussian(cpu, 3), observe cpu images, stream 1UL, null, cancelled.Token)
            |> ignore)
    )
    |> ignore
