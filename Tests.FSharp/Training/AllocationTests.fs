/// A training step in steady state leaves the garbage collector alone.
module GapLab.Tests.Training.AllocationTests

open System
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu

/// 200 steps: garbage collections, managed bytes and tensor memory.
let private measure () =
    let device = CpuDevice.Instance
    let stream = RandomStream(1UL, RandomPurpose.Initialization)
    let model = DenseModel(device, 50, [| 200; 200 |], 784, Activation.Elu, OutputKind.Bernoulli, stream.Fork 1UL)
    let family = FactorizedGaussian(device, 50)
    let encoder = Amortized(family, device, 784, [| 200; 200 |], Activation.Elu, stream.Fork 2UL)
    let vae = Vae(model, family, encoder)
    let source = ImageSource(device, Synthetic.GlyphImages(1UL, 0, 100, false, "glyphs"), Binarization.Threshold())
    let rule, optimizer = JointGradient(), Adam(vae.Parameters, AdamOptions())
    let gradients = Array.zeroCreate vae.Parameters.Count
    let indices = [| 0..99 |]
    let noise = RandomStream(1UL, RandomPurpose.TrainingNoise)

    let step number =
        use _ = MemoryScope.Enter()
        let x = source.Batch(ReadOnlySpan indices, 0)
        rule.Gradients(vae, x, noise, number, ObjectiveWeights.Elbo, Span gradients) |> ignore
        optimizer.Ascend(ReadOnlySpan gradients)

    for number in 0..19 do
        step number

    let collections = GC.CollectionCount 0
    let bytes = GC.GetTotalAllocatedBytes true
    let tensors = device.AllocatedBytes

    for number in 20..219 do
        step number

    GC.CollectionCount 0 - collections, (GC.GetTotalAllocatedBytes true - bytes) / 200L, device.AllocatedBytes - tensors

[<Test; NonParallelizable>]
let ``200 training steps collect no garbage, allocate less than 10 KB each and no tensor memory`` () =
    let collections, bytes, tensors = measure ()
    Assert.That(collections, Is.EqualTo 0)
    Assert.That(bytes, Is.LessThan 10_000L)
    Assert.That(tensors, Is.LessThanOrEqualTo 0L)

/// The garbage collector may free small tensors of other tests meanwhile.
let private elsewhere = 8192L

/// The largest tensor memory during some work, on a thread of its own: a thread keeps its scopes' memory for reuse.
let private peakOf (work: unit -> unit) =
    let device = CpuDevice.Instance
    let mutable peak = 0L

    let thread =
        System.Threading.Thread(fun () ->
            let before = WorkerPool.Threads
            WorkerPool.Threads <- 1

            try
                device.ResetPeak()
                let start = device.AllocatedBytes
                work ()
                peak <- device.PeakBytes - start
            finally
                WorkerPool.Threads <- before)

    thread.Start()
    thread.Join()
    peak

let private device = CpuDevice.Instance
let private initial = RandomStream(2UL, RandomPurpose.Initialization)
let private model = DenseModel(device, 5, [| 20 |], 30, Activation.Elu, OutputKind.Bernoulli, initial)
let private family = FactorizedGaussian(device, 5)
let private x = GapLab.Distributions.DenseObservations(Tensor.Filled(device, Shape [| 2; 30 |], 1.0).ToOwned())

[<Test; NonParallelizable>]
let ``the memory of local optimisation does not grow with the number of steps`` () =
    let peak steps =
        peakOf (fun () ->
            let options = LocalOptimizerOptions(Samples = 10, MaximumSteps = steps, Patience = steps)
            LocalOptimizer(options).Optimize(model, family, x, RandomStream(1UL, RandomPurpose.Test)) |> ignore)

    peak 10 |> ignore
    Assert.That(peak 1000, Is.EqualTo(peak 20).Within elsewhere)

[<Test; NonParallelizable>]
let ``the memory of annealed importance sampling does not grow with the number of distributions`` () =
    let peak distributions =
        peakOf (fun () ->
            let options = AisOptions(Chains = 10, Betas = AnnealingSchedule.Linear distributions, LeapfrogSteps = 3)
            Ais(options).Run(model, x, RandomStream(1UL, RandomPurpose.Test)) |> ignore)

    peak 5 |> ignore
    Assert.That(peak 1000, Is.EqualTo(peak 10).Within elsewhere)
