module GapLab.Tests.Bounds.BdmcTests

open System
open NUnit.Framework
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Bounds
open GapLab.Families
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private options distributions chains mode =
    AisOptions(
        Betas = AnnealingSchedule.Linear distributions,
        Chains = chains,
        LeapfrogSteps = 3,
        StepSizes = mode,
        InitialStepSize = 0.3
    )

let private frozen distributions chains = options distributions chains StepSizeMode.Frozen

/// Samples z [count, 1, n].
let private latents device (z: float[][]) =
    Latents [| Tensor.Create(device, Shape(z.Length, 1, z[0].Length), ReadOnlySpan(Array.concat z)) |]

/// One datapoint many times, each with its own exact sample of the posterior.
let private withExactSamples (model: LinearGaussian) (x: float[]) count seed =
    let mean = Vector<float>.Build.DenseOfArray(model.PosteriorMean x)
    let factor = (Matrix<float>.Build.DenseOfArray(model.PosteriorCovariance())).Cholesky().Factor

    let z =
        [| for i in 0 .. count - 1 ->
               let s = (stream seed).At(i)
               (mean + factor * Vector<float>.Build.Dense(mean.Count, (fun j -> s.Normal(int64 j)))).ToArray() |]

    SimulatedData(repeated model.Device count x, latents model.Device z)

/// Data simulated from a model, with log p(x) of each.
let private simulate (model: LinearGaussian) size count seed =
    let like = observe model.Device (Array.replicate count (Array.zeroCreate size))
    let data = SimulatedData.Draw(model, like, stream seed)
    let values = (data.Observations :?> DenseObservations).Values.ToArray()
    data, Array.map model.LogMarginal (Array.chunkBySize size values)

let private cases = [ golden cpu, [| 0.8 |]; correlated cpu, [| 1.2; 0.4; -0.9; 0.7 |] ]

[<Test>]
let ``with frozen steps the mean forward weight is p(x) and the mean reverse weight 1 / p(x)`` () =
    for model, x in cases do
        let exact = model.LogMarginal x
        let data = withExactSamples model x (repetitions 500 10000) 1UL
        let both = Bdmc(frozen 12 3).Run(model, data, stream 2UL)
        let forward = Array.map (fun lower -> exp (lower - exact)) both.Lower.Values
        let reverse = Array.map (fun upper -> exp (exact - upper)) both.Upper.Values
        agrees $"{model.Name}: forward" 1.0 (meanAndError forward)
        agrees $"{model.Name}: reverse" 1.0 (meanAndError reverse)
        Assert.That(snd (meanAndError reverse), Is.LessThan 0.05)

[<Test>]
let ``reverse chains from samples that are not of the posterior have other weights`` () =
    // The check above can fail: these are at the posterior's mean, always.
    let model, x = cases[0]
    let count = 500
    let data = SimulatedData(repeated cpu count x, latents cpu (Array.replicate count (model.PosteriorMean x)))
    let both = Bdmc(frozen 4 3).Run(model, data, stream 2UL)
    let mean, error = meanAndError (Array.map (fun upper -> exp (model.LogMarginal x - upper)) both.Upper.Values)
    Assert.That(abs (mean - 1.0), Is.GreaterThan(4.0 * error))

[<Test>]
let ``the golden log p(x) lies between the bounds, which are close`` () =
    // p(z) = N(0, 1), p(x | z) = N(1.3 z, 0.5), x = 0.8: log N(0.8; 0, 1.69 + 0.5).
    let exact = -1.4570080265800647
    let both = Bdmc(frozen 100 20).Run(golden cpu, withExactSamples (golden cpu) [| 0.8 |] 60 4UL, stream 5UL)
    let lower, lowerError = meanAndError both.Lower.Values
    let upper, upperError = meanAndError both.Upper.Values
    Assert.That(lower, Is.InRange(exact - 0.1, exact + 4.0 * lowerError))
    Assert.That(upper, Is.InRange(exact - 4.0 * upperError, exact + 0.1))

[<Test>]
let ``on simulated data the bounds bracket log p(x), and more distributions narrow the bracket`` () =
    let model, count = correlated cpu, repetitions 200 2000
    let data, exact = simulate model 4 count 6UL

    let ladder = [ for t in [ 3; 8; 30 ] -> Bdmc(frozen t 3).Run(model, data, stream (uint64 t)) ]

    for both in ladder do
        let below, belowError = meanAndError (Array.map2 (-) exact both.Lower.Values)
        let above, aboveError = meanAndError (Array.map2 (-) both.Upper.Values exact)
        Assert.That(below, Is.GreaterThan(-4.0 * belowError))
        Assert.That(above, Is.GreaterThan(-4.0 * aboveError))
        // The bracket's own error covers both.
        let mean, error = meanAndError both.Differences
        near 1e-12 mean both.MeanDifference
        near 1e-12 error both.DifferenceError

    for fewer, more in List.pairwise ladder do
        let narrower, error = meanAndError (Array.map2 (-) fewer.Differences more.Differences)
        Assert.That(narrower, Is.GreaterThan(4.0 * error))

    let last = List.last ladder
    Assert.That(last.MeanDifference, Is.LessThan(0.3 * ladder.Head.MeanDifference))

[<Test>]
let ``from q the bounds bracket log p(x), too`` () =
    let model, count = correlated cpu, 150
    let data, exact = simulate model 4 count 7UL
    let lambda = sameLambda cpu count [| 0.2; -0.1; 0.1 |] [| 0.5; 0.5; 0.5 |]

    let fromQ =
        AisOptions(
            Betas = AnnealingSchedule.Linear 30,
            Chains = 5,
            LeapfrogSteps = 3,
            StepSizes = StepSizeMode.Frozen,
            Start = AnnealingStart.Posterior
        )

    let both = Bdmc(fromQ).Run(model, FactorizedGaussian(cpu, 3), data, lambda, stream 8UL)
    agrees "forward" 1.0 (meanAndError (Array.map2 (fun lower exact -> exp (lower - exact)) both.Lower.Values exact))
    agrees "reverse" 1.0 (meanAndError (Array.map2 (fun upper exact -> exp (exact - upper)) both.Upper.Values exact))
    Assert.That(both.MeanDifference, Is.InRange(0.0, 1.0))
    throws<GapLabException> [ "needs the family of q" ] (fun () -> Bdmc(fromQ).Run(model, data, stream 8UL) |> ignore)

    throws<ShapeException> [ "local parameters of 1" ] (fun () ->
        let one = sameLambda cpu 1 [| 0.0; 0.0; 0.0 |] [| 1.0; 1.0; 1.0 |]
        Bdmc(fromQ).Run(model, FactorizedGaussian(cpu, 3), data, one, stream 8UL) |> ignore)

[<Test>]
let ``the forward direction is AIS of the simulated data, bit for bit`` () =
    let data, _ = simulate (correlated cpu) 4 3 9UL

    for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
        let both = Bdmc(options 9 7 mode).Run(correlated cpu, data, stream 10UL)
        let ais = Ais(options 9 7 mode).Run(correlated cpu, data.Observations, stream 10UL)
        equal (bits ais.LogMarginal.Values) (bits both.Lower.Values)
        equal (bits ais.LogMarginal.StandardErrors) (bits both.Lower.StandardErrors)
        equal (bits ais.AcceptanceRates) (bits both.Forward.AcceptanceRates)
        equal (bits ais.EffectiveSampleSizes) (bits both.Forward.EffectiveSampleSizes)

[<Test>]
let ``with two distributions the reverse weight is 1 / p(x | z) of the sample that made x`` () =
    let model = correlated reference
    let data, _ = simulate model 4 6 11UL
    let both = Bdmc(frozen 2 3).Run(model, data, stream 12UL)
    use _scope = MemoryScope.Enter()
    let expected = model.LogLikelihood(data.Observations, data.Latents).ToArray()
    close "log p(x | z)" 1e-12 expected both.Upper.Values
    close "equal weights" 1e-12 (Array.create 6 3.0) both.Reverse.EffectiveSampleSizes
    equal (Array.create 6 1.0) both.Reverse.AcceptanceRates

[<Test>]
let ``both directions use the steps of one pilot, each at its temperature`` () =
    // The best step shrinks about tenfold from the prior to this narrow posterior. Taken in the wrong order, steps would be refused at one end.
    let model = LinearGaussian(cpu, array2D [ [ 1.3 ] ], [| 0.0 |], 0.01)
    let data, _ = simulate model 1 4 13UL

    let settings =
        AisOptions(
            Betas = AnnealingSchedule.Linear 201,
            Chains = 20,
            LeapfrogSteps = 5,
            StepSizes = StepSizeMode.Frozen,
            InitialStepSize = 0.5
        )

    let both = Bdmc(settings).Run(model, data, stream 14UL)
    Assert.That(both.Forward.AcceptanceRates, Is.All.InRange(0.3, 0.9))

    // Rates of 16,000 moves each: their errors are below 0.01. Steps in the wrong order lower the reverse one by 0.07.
    near 0.03 (Array.average both.Forward.AcceptanceRates) (Array.average both.Reverse.AcceptanceRates)

[<Test>]
let ``a result says on which sides its bounds lie and whether they are certified`` () =
    let data, _ = simulate (golden cpu) 1 2 15UL

    for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
        let bdmc = Bdmc(options 5 3 mode)
        let both = bdmc.Run(golden cpu, data, stream 16UL)
        equal "BDMC (3 chains, 5 distributions)" bdmc.Name
        equal (BoundDirection.Lower, BoundDirection.Upper) (both.Lower.Direction, both.Upper.Direction)
        equal (data.Observations.Indices.ToArray()) (both.Upper.Datapoints.ToArray())
        equal (mode = StepSizeMode.Frozen) bdmc.IsCertified
        equal (mode = StepSizeMode.Frozen) both.IsCertified

    throws<GapLabException> [ "at least 1 chain" ] (fun () -> Bdmc(AisOptions(Chains = 0)) |> ignore)

[<Test>]
let ``bounds of a datapoint depend on no other datapoint, their order or the number of threads`` () =
    let model = DenseModel(cpu, 3, [| 17 |], 21, Activation.Elu, OutputKind.Bernoulli, stream 2UL)

    for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
        let run threads (rows: int[]) =
            withThreads threads (fun () ->
                let like = observeAs cpu (Array.map ((+) 7) rows) [| for _ in rows -> Array.zeroCreate 21 |]
                let data = SimulatedData.Draw(model, like, stream 3UL)
                let both = Bdmc(options 6 5 mode).Run(model, data, stream 1UL)
                Array.map2 (fun a b -> bits [| a; b |]) both.Lower.Values both.Upper.Values)

        let all = run 1 [| 0..4 |]
        equal 5 (Array.distinct all).Length

        for threads, rows in [ 2, [| 0..4 |]; 2, [| 4; 2; 0; 1; 3 |]; 1, [| 3 |] ] do
            equal [| for r in rows -> all[r] |] (run threads rows)

[<Test>]
let ``progress counts the datapoints, and cancellation stops`` () =
    let data, _ = simulate (golden cpu) 1 3 17UL
    let told = Collections.Concurrent.ConcurrentBag<int>()
    Bdmc(frozen 4 2).Run(golden cpu, data, stream 1UL, (fun done_ -> told.Add done_)) |> ignore
    equal [| 1; 2; 3 |] (Array.sort (told.ToArray()))
    use source = new Threading.CancellationTokenSource()
    source.Cancel()

    Assert.Catch<OperationCanceledException>(
        Action(fun () -> Bdmc(frozen 4 2).Run(golden cpu, data, stream 1UL, null, source.Token) |> ignore)
    )
    |> ignore
