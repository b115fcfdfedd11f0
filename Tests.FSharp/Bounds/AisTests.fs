module GapLab.Tests.Bounds.AisTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Bounds
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures

let private x3 = [| 1.2; 0.4; -0.9; 0.7 |]

[<Test>]
let ``the linear schedule has equidistant temperatures`` () =
    Assert.That(AnnealingSchedule.Linear 2, equalTo [| 0.0; 1.0 |])
    Assert.That(AnnealingSchedule.Linear 5, near 1e-15 ([| 0.0; 0.25; 0.5; 0.75; 1.0 |]))

[<Test>]
let ``the sigmoid schedule is that of Wu et al.`` () =
    // (s(u) - s(0)) / (s(1) - s(0)) with s(u) = logistic(4 (2u - 1)) at u = 0, 1/4, 1/2, 3/4, 1.
    let logistic t = 1.0 / (1.0 + exp -t)
    let beta t = (logistic t - logistic -4.0) / (logistic 4.0 - logistic -4.0)
    Assert.That(AnnealingSchedule.Sigmoid 5, near 1e-15 ([| 0.0; beta -2.0; 0.5; beta 2.0; 1.0 |]))

[<Property>]
let ``schedules rise from exactly 0 to exactly 1`` (PositiveInt n) =
    [ AnnealingSchedule.Linear(n + 1); AnnealingSchedule.Sigmoid(n + 1) ]
    |> List.forall (fun betas ->
        betas.Length = n + 1
        && betas[0] = 0.0
        && betas[n] = 1.0
        && Array.forall (fun (a, b) -> a < b) (Array.pairwise betas))

[<Test>]
let ``a schedule of fewer than two distributions is refused`` () =
    for build in [ AnnealingSchedule.Linear; AnnealingSchedule.Sigmoid ] do
        Assert.That(messageOf<GapLabException>(fun () -> build 1 |> ignore), Does.Contain "at least 2 distributions")

let private options betas chains leapfrog mode =
    AisOptions(Betas = betas, Chains = chains, LeapfrogSteps = leapfrog, StepSizes = mode, InitialStepSize = 0.3)

[<Test>]
let ``settings that cannot work are refused before anything runs`` () =
    let refused (what: string) (options: AisOptions) =
        Assert.That(messageOf<GapLabException>(fun () -> Ais options |> ignore), Does.Contain what)

    refused "at least 1 chain" (AisOptions(Chains = 0))
    refused "1 leapfrog step" (AisOptions(LeapfrogSteps = 0))
    refused "positive step size" (AisOptions(InitialStepSize = nan))

    for betas in [ [||]; [| 1.0 |]; [| 0.1; 1.0 |]; [| 0.0; 0.9 |]; [| 0.0; 0.5; 0.5; 1.0 |]; [| 0.0; nan; 1.0 |] ] do
        refused "rise from exactly 0 to exactly 1" (AisOptions(Betas = betas))

let private weightsOf (options: AisOptions) model x seed =
    let mutable acceptance = 0.0
    let w = Ais(options).LogWeightsOf(model, x, 0, stream seed, &acceptance)
    w, acceptance

let private cases =
    [ golden cpu, [| 0.8 |]
      golden cpu, [| -3.0 |]
      correlated cpu, x3
      correlated cpu, [| 0.0; -1.5; 1.0; 0.3 |] ]

[<TestCase(true)>]
[<TestCase(false)>]
let ``with frozen steps the mean weight is p(x)`` (linear: bool) =
    let betas = (if linear then AnnealingSchedule.Linear else AnnealingSchedule.Sigmoid) 12

    for model, x in cases do
        let w, acceptance =
            weightsOf
                (options betas (repetitions 4000 100000) 4 StepSizeMode.Frozen)
                model
                (observe model.Device [| x |])
                21UL

        Assert.That(acceptance, Is.InRange(0.2, 1.0))
        let mean, error = meanAndError (Array.map (fun w -> exp (w - model.LogMarginal x)) w)
        Assert.That(error, Is.LessThan 0.05)
        agrees $"{model.Name}: mean weight / p(x)" 1.0 (mean, error)

/// Digits of an earlier version, in which no chain could run backwards: stored results stay comparable. They agree to the last bit on the machine that
/// made them; other platforms have other logarithms.
[<Test>]
let ``estimates stay what they were`` () =
    let x = observe cpu [| x3; [| 0.0; -1.5; 1.0; 0.3 |] |]

    for mode, values, errors, sizes in
        [ StepSizeMode.Adaptive,
          [| -5.534961941561879; -6.389451975978521 |],
          [| 0.15756516115367175; 0.2324171194461959 |],
          [| 13.589644721689847; 9.870028353526832 |]
          StepSizeMode.Frozen,
          [| -5.5257073953872435; -6.1566999126930515 |],
          [| 0.15808554547125858; 0.24202122277151608 |],
          [| 13.560887244817105; 9.465613251524127 |] ] do
        let run = Ais(options (AnnealingSchedule.Linear 12) 20 4 mode).Run(correlated cpu, x, stream 21UL)
        Assert.That(run.LogMarginal.Values, near 1e-12 values)
        Assert.That(run.LogMarginal.StandardErrors, near 1e-12 errors)
        Assert.That(run.EffectiveSampleSizes, near 1e-11 sizes)
        Assert.That(run.IsCertified, equalTo (mode = StepSizeMode.Frozen))

[<Test>]
let ``two distributions are plain sampling from the prior`` () =
    // w = log p(x | z) at the prior samples of the same noise, and no move is made.
    let model, x = correlated reference, observe reference [| x3 |]
    let w, acceptance = weightsOf (options [| 0.0; 1.0 |] 40 3 StepSizeMode.Adaptive) model x 5UL
    use _scope = MemoryScope.Enter()
    let z = model.SamplePrior(Noise(x, stream 5UL, 40))
    Assert.That(w, near 1e-12 (model.LogLikelihood(x, z).ToArray()))
    Assert.That(acceptance, equalTo 1.0)

[<Test>]
let ``the estimate is the log of the mean weight, with its error, acceptance and effective number of chains`` () =
    let model, x = golden cpu, observe cpu [| [| 0.8 |] |]
    let settings = options (AnnealingSchedule.Linear 10) 50 3 StepSizeMode.Adaptive
    let w, acceptance = weightsOf settings model x 5UL
    let run = Ais(settings).Run(model, x, stream 5UL)
    Assert.That(run.LogMarginal.Values, equalTo [| LogWeights.LogMeanExp(ReadOnlySpan w) |])
    Assert.That(run.LogMarginal.StandardErrors, equalTo [| LogWeights.StandardError(ReadOnlySpan w) |])
    Assert.That(run.EffectiveSampleSizes, equalTo [| LogWeights.EffectiveSampleSize(ReadOnlySpan w) |])
    Assert.That(run.AcceptanceRates, equalTo [| acceptance |])
    Assert.That(run.LogMarginal.Direction, equalTo BoundDirection.Lower)
    let viaBound = Ais(settings).Estimate(model, null, x, null, stream 5UL)
    Assert.That(viaBound.Values, equalTo run.LogMarginal.Values)

/// Estimates of a few chains, for independent repetitions of one datapoint.
let private repeatedEstimate betas chains mode count seed =
    (Ais(options betas chains 3 mode).Run(correlated cpu, repeated cpu count x3, stream seed)).LogMarginal

[<Test>]
let ``the estimate is a lower bound in expectation, and more distributions tighten it`` () =
    let exact = (correlated cpu).LogMarginal x3

    let ladder =
        [ for t in [ 3; 8; 30 ] ->
              (repeatedEstimate (AnnealingSchedule.Linear t) 2 StepSizeMode.Frozen (repetitions 200 2000) (uint64 t))
                  .Values ]

    for values in ladder do
        let mean, error = meanAndError values
        Assert.That(mean, Is.LessThan(exact + 4.0 * error))
    // With three distributions and two chains Jensen's inequality shows far above the noise.
    let loosest, looseError = meanAndError ladder[0]
    Assert.That(loosest, Is.LessThan(exact - 4.0 * looseError))

    let rise fewer more = meanAndError (Array.map2 (-) more fewer)

    for fewer, more in List.pairwise ladder do
        let difference, error = rise fewer more
        Assert.That(difference, Is.GreaterThan(-4.0 * error))

    let difference, error = rise ladder[0] (List.last ladder)
    Assert.That(difference, Is.GreaterThan(4.0 * error))

[<Test>]
let ``the standard errors are calibrated`` () =
    let exact, count = (correlated cpu).LogMarginal x3, repetitions 200 2000
    let estimate = repeatedEstimate (AnnealingSchedule.Linear 20) 150 StepSizeMode.Frozen count 4UL
    let z = Array.map2 (fun value error -> (value - exact) / error) estimate.Values estimate.StandardErrors
    let bias = Array.average estimate.StandardErrors / 2.0
    let mean, error = meanAndError z
    Assert.That(mean, within (4.0 * error + bias) 0.0)
    // The variance of a sample variance of normals is 2 / n; heavier tails of the weights may add a tenth.
    let squares = Array.averageBy (fun v -> v * v) z
    Assert.That(squares, within (4.0 * sqrt (2.0 / float count) + 0.1) 1.0)

[<Test>]
let ``adaptive steps come close to log p(x) and accept part of the moves`` () =
    let weight = array2D [ [ 1.0; 0.8; 0.1 ]; [ 0.9; 1.1; -0.3 ]; [ -0.2; 0.5; 0.7 ]; [ 0.4; -0.6; 1.2 ] ]
    let rows = drawFrom weight [| 0.3; -0.2; 0.1; 0.5 |] 0.6 (stream 3UL) 6
    let model = correlated cpu
    let settings = AisOptions(Betas = AnnealingSchedule.Linear 150, Chains = 100, LeapfrogSteps = 5)
    let run = Ais(settings).Run(model, observe cpu rows, stream 3UL)
    let exact = Array.averageBy model.LogMarginal rows
    // Adaptation from a chain's own past biases the weights a little: 0.02 nats are allowed for it.
    Assert.That(run.LogMarginal.Mean, within (4.0 * run.LogMarginal.MonteCarloError + 0.02) exact)
    Assert.That(run.LogMarginal.MonteCarloError, Is.LessThan 0.03)
    Assert.That(run.AcceptanceRates, Is.All.InRange(0.3, 1.0))
    Assert.That(run.EffectiveSampleSizes, Is.All.InRange(50.0, 100.0))

[<Test>]
let ``chains that refuse every move still give unbiased weights`` () =
    // A step size far too large is refused always; then AIS is sampling from the prior.
    let model = golden cpu

    let settings =
        AisOptions(
            Betas = AnnealingSchedule.Linear 4,
            Chains = 20000,
            LeapfrogSteps = 1,
            InitialStepSize = 1e6,
            LargestStepSize = 1e6
        )

    let w, acceptance = weightsOf settings model (observe cpu [| [| 0.8 |] |]) 3UL
    Assert.That(acceptance, Is.InRange(0.0, 1.0))
    agrees "mean weight / p(x)" 1.0 (meanAndError (Array.map (fun w -> exp (w - model.LogMarginal [| 0.8 |])) w))

[<Test>]
let ``step sizes grow and shrink by two percent around an acceptance of 0.65 and stay in their range`` () =
    let adaptation = StepSizeAdaptation(AisOptions(Chains = 3, InitialStepSize = 0.1))
    adaptation.Update(ReadOnlySpan [| true; false; true |])
    Assert.That(adaptation.StepSizes, near 1e-15 ([| 0.102; 0.098; 0.102 |]))
    // Chain 2: 0.9 (0.9 · 0.65 + 0.1) = 0.6165 is below 0.65.
    adaptation.Update(ReadOnlySpan [| true; false; false |])
    Assert.That(adaptation.StepSizes, near 1e-15 ([| 0.102 * 1.02; 0.098 * 0.98; 0.102 * 0.98 |]))
    Assert.That(adaptation.Mean(), within 1e-15 (Math.Cbrt(0.102 * 1.02 * 0.098 * 0.98 * 0.102 * 0.98)))

    for _ in 1..1000 do
        adaptation.Update(ReadOnlySpan [| true; false; true |])

    Assert.That(adaptation.StepSizes, near 1e-15 ([| 0.5; 1e-4; 0.5 |]))

[<Test>]
let ``frozen steps are those of other chains: the pilot changes no random number of the run`` () =
    // With two distributions there is no move, so frozen and adaptive runs must agree bit for bit.
    let model, x = correlated cpu, observe cpu [| x3 |]
    let run mode = fst (weightsOf (options [| 0.0; 1.0 |] 30 3 mode) model x 5UL)
    Assert.That(bits (run StepSizeMode.Frozen), equalTo (bits (run StepSizeMode.Adaptive)))

[<Test>]
let ``frozen steps are those that the pilot's adaptation found`` () =
    // The first step size is far too large for this narrow posterior, so almost every move is refused until it has shrunk. The frozen run then
    // accepts about as many as another adaptive one: rates of 10,000 moves, whose chains adapt alike.
    let model = LinearGaussian(cpu, array2D [ [ 1.3 ] ], [| 0.0 |], 0.01)
    let x = observe cpu [| [| 0.8 |] |]

    let settings mode =
        AisOptions(
            Betas = AnnealingSchedule.Linear 201,
            Chains = 50,
            LeapfrogSteps = 5,
            StepSizes = mode,
            InitialStepSize = 0.5
        )

    let _, adaptive = weightsOf (settings StepSizeMode.Adaptive) model x 1UL
    let _, frozen = weightsOf (settings StepSizeMode.Frozen) model x 2UL
    Assert.That(adaptive, Is.InRange(0.3, 0.9))
    Assert.That(frozen, within 0.1 adaptive)

[<Test>]
let ``a datapoint's estimate depends on no other datapoint, their order or the number of threads`` () =
    let model = DenseModel(cpu, 3, [| 17 |], 21, Activation.Elu, OutputKind.Bernoulli, stream 2UL)
    let images = Array.init 5 (fun i -> Array.init 21 (fun j -> float ((stream 6UL).At(i).Below(2, int64 j))))

    for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
        let run threads (rows: int[]) =
            withThreads threads (fun () ->
                (Ais(options (AnnealingSchedule.Linear 8) 19 3 mode)
                    .Run(model, observeAs cpu (Array.map ((+) 7) rows) [| for r in rows -> images[r] |], stream 1UL))
                    .LogMarginal.Values)

        let all = run 1 [| 0..4 |]
        Assert.That(Array.distinct all, Has.Length.EqualTo 5)

        for threads, rows in [ 2, [| 0..4 |]; 2, [| 4; 2; 0; 1; 3 |]; 1, [| 3 |]; 2, [| 1; 4; 1 |] ] do
            Assert.That(bits (run threads rows), equalTo (bits [| for r in rows -> all[r] |]))
