/// What must hold of every run: the same seed gives the same bits for any number of threads and any batch, and memory stays bounded.
module GapLab.Tests.Training.ReproducibilityTests

open System
open System.Collections.Generic
open System.Runtime.Intrinsics.Arm
open System.Runtime.Intrinsics.X86
open System.Threading
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Bounds
open GapLab.Optimization
open GapLab.Training
open GapLab.Tests.Models.ModelFixtures

let private megabyte = 1048576.0
let private glyphs = Synthetic.Glyphs(2UL, 500, 100, 100)
let private sourceOf (images: ImageSet) = ImageSource(cpu, images, Binarization.Threshold())

/// Without instructions for fused multiply-add a product takes a hundred times as long; then the networks are smaller.
let private fast = Fma.IsSupported || AdvSimd.IsSupported
let private hidden = if fast then [| 200; 200 |] else [| 20; 20 |]

/// The sizes of the paper, 784-200-200-50 and back.
let private newVae () =
    let init = RandomStream(1UL, RandomPurpose.Initialization)
    let family = FactorizedGaussian(cpu, 50)
    let model = DenseModel(cpu, 50, hidden, 784, Activation.Elu, OutputKind.Bernoulli, init.Fork 1UL)
    Vae(model, family, Amortized(family, cpu, 784, hidden, Activation.Elu, init.Fork 2UL))

let private vae = newVae ()
let private images = (sourceOf glyphs.Test).Subset 100

let private encode (x: Observations) =
    use _scope = MemoryScope.Enter()
    vae.Inference.Infer(vae.Model, vae.Family, x, stream 1UL, 0).Final.ToOwned()

/// Runs an evaluation of some datapoints, rows of `images`, and gives one array of bits each.
let private holdsForAnyBatchAndThreads (evaluate: Observations -> LocalParameters -> int64[][]) =
    let run threads (rows: int[]) =
        withThreads threads (fun () ->
            let x = images.Select(ReadOnlySpan rows)
            evaluate x (encode x))

    let all = run 1 [| 0..5 |]
    Assert.That(Array.distinct all, Has.Length.EqualTo 6)

    for threads, rows in [ 2, [| 0..5 |]; 2, [| 5; 2; 0; 4; 1; 3 |]; 1, [| 3 |]; 2, [| 4; 1 |] ] do
        Assert.That(run threads rows, equalTo [| for row in rows -> all[row] |], $"{threads} threads, {rows}")

[<Test>]
let ``training gives the same bits on one and on two threads`` () =
    let train threads =
        withThreads threads (fun () ->
            let vae, reports = newVae (), List<EpochReport>()
            // A last batch of 50 rows, too.
            let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(1, 1e-3), BatchSize = 90, Seed = 5UL)

            Trainer(options)
                .Train(vae, sourceOf glyphs.Train, sourceOf glyphs.Validation, (fun report -> reports.Add report))
            |> ignore

            bitsOf vae.Parameters,
            BitConverter.DoubleToInt64Bits reports[0].Objective,
            BitConverter.DoubleToInt64Bits reports[0].Validation.Elbo)

    let parameters, objective, validation = train 1
    let parameters', objective', validation' = train 2
    Assert.That((objective', validation'), equalTo (objective, validation))
    Assert.That(parameters', equalTo parameters)
    Assert.That(parameters, Is.Not.EqualTo(bitsOf (newVae ()).Parameters))

[<Test>]
let ``amortized λ are the same bits for any batch, order and number of threads`` () =
    holdsForAnyBatchAndThreads (fun _ lambda ->
        [| for i in 0 .. lambda.Count - 1 -> Array.concat (bitsOf (lambda.Select(ReadOnlySpan [| i |]).Blocks)) |])

[<Test>]
let ``ELBO and IWAE are the same bits for any batch, order and number of threads`` () =
    holdsForAnyBatchAndThreads (fun x lambda ->
        let estimate = ImportanceSampler(333).Estimate(vae.Model, vae.Family, x, lambda, stream 2UL)
        Array.map2 (fun a b -> bits [| a; b |]) estimate.Elbo.Values estimate.Iwae.Values)

[<Test>]
let ``AIS is the same bits for any batch, order and number of threads`` () =
    for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
        holdsForAnyBatchAndThreads (fun x _ ->
            let options =
                AisOptions(Betas = AnnealingSchedule.Linear 5, Chains = 30, LeapfrogSteps = 3, StepSizes = mode)

            let run = Ais(options).Run(vae.Model, x, stream 2UL)
            Array.map2 (fun a b -> bits [| a; b |]) run.LogMarginal.Values run.EffectiveSampleSizes)

[<Test>]
let ``local optimisation is the same bits for any batch, order and number of threads`` () =
    holdsForAnyBatchAndThreads (fun x _ ->
        let options = LocalOptimizerOptions(Samples = 30, StepsPerCheck = 5, MaximumSteps = 20)
        let optimum = LocalOptimizer(options).Optimize(vae.Model, vae.Family, x, stream 2UL)
        [| for i in 0 .. x.Count - 1 -> Array.concat (bitsOf (optimum.Lambda.Select(ReadOnlySpan [| i |]).Blocks)) |])

/// The most tensor memory held during some work, in bytes.
let private peakOf (work: unit -> unit) =
    CpuDevice.Instance.ResetPeak()
    work ()
    CpuDevice.Instance.PeakBytes

/// The most tensor memory that some work adds to what the process holds, in bytes. Scopes keep their memory for the next ones on their
/// thread; a new thread has none yet, so all that the work needs is counted.
let private addedPeakOf (work: unit -> unit) =
    let added = ref 0L

    let thread =
        Thread(fun () ->
            // Tensors that other tests left would be freed meanwhile, and hide as much of what the work adds.
            GC.Collect()
            GC.WaitForPendingFinalizers()
            let before = CpuDevice.Instance.AllocatedBytes
            added.Value <- peakOf work - before)

    thread.Start()
    thread.Join()
    added.Value

let private iwae samples (rows: int[]) =
    let x = images.Select(ReadOnlySpan rows)
    ImportanceSampler(samples).Estimate(vae.Model, vae.Family, x, encode x, stream 3UL)

[<Test>]
let ``IWAE-5000 of many datapoints stays under 256 MB of tensors`` () =
    let count = if fast then repetitions 100 1000 else 5

    withThreads 2 (fun () ->
        let values = ref [||]

        let peak =
            addedPeakOf (fun () -> values.Value <- (iwae 5000 (Array.init count (fun i -> i % 100))).Iwae.Values)

        Assert.That(values.Value, Has.Length.EqualTo count)
        // 250 samples of 784 pixels are 0.8 MB: less would mean that nothing was measured.
        Assert.That(float peak / megabyte, Is.InRange(0.5, 256.0)))

[<Test>]
let ``the memory of an evaluation grows neither with the number of datapoints nor with that of samples`` () =
    // On one thread, so that the peak is not a matter of which threads met; the first round makes room, which later ones use again.
    withThreads 1 (fun () ->
        iwae 500 [| 0 |] |> ignore

        let ais (rows: int[]) =
            Ais(AisOptions(Betas = AnnealingSchedule.Linear 4, LeapfrogSteps = 2))
                .Run(vae.Model, images.Select(ReadOnlySpan rows), stream 2UL)
            |> ignore

        ais [| 0 |]

        for what, fewer, more in
            [ "datapoints of IWAE",
              (fun () -> iwae 500 [| 0..4 |] |> ignore),
              (fun () -> iwae 500 [| 0..19 |] |> ignore)
              "samples of IWAE", (fun () -> iwae 500 [| 0..1 |] |> ignore), (fun () -> iwae 5000 [| 0..1 |] |> ignore)
              "datapoints of AIS", (fun () -> ais [| 0..1 |]), (fun () -> ais [| 0..7 |]) ] do
            let few, many = peakOf fewer, peakOf more
            // The observed rows and their λ themselves, 884 float32 a datapoint, and their copies.
            Assert.That(float (many - few) / megabyte, Is.LessThan 0.5, what))

[<Test>]
let ``repeated training steps hold no more memory than the first ones`` () =
    let held = List<int64>()
    let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(4, 1e-3), BatchSize = 100)

    Trainer(options)
        .Train(newVae (), sourceOf glyphs.Train, null, null, (fun _ -> held.Add CpuDevice.Instance.AllocatedBytes))
    |> ignore

    Assert.That(held, Has.Count.EqualTo 20)
    // The second step joins the blocks of the first; from then on nothing is added. (Collected tensors may take some away.)
    for later in Seq.skip 3 held do
        Assert.That(later, Is.LessThanOrEqualTo held[2])

[<Test>]
let ``repeated evaluations hold no more memory than the first one`` () =
    withThreads 1 (fun () ->
        let held =
            [ for _ in 1..5 do
                  iwae 300 [| 0..3 |] |> ignore
                  GC.Collect()
                  GC.WaitForPendingFinalizers()
                  CpuDevice.Instance.AllocatedBytes ]

        for later in List.skip 2 held do
            Assert.That(later, Is.LessThanOrEqualTo held[1]))
