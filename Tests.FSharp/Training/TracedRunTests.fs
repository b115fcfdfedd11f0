/// Whole runs through a traced device.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Training.TracedRunTests

open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Tracing
open GapLab.Training
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures

/// Training, amortized inference, importance sampling, local optimisation and AIS: everything that a script computes, as bits.
let private run (device: Device) =
    let init = stream 1UL
    let family = FactorizedGaussian(device, 5)
    let model = DenseModel(device, 5, [| 30 |], 784, Activation.Elu, OutputKind.Bernoulli, init.Fork 1UL)
    let vae = Vae(model, family, Amortized(family, device, 784, [| 30 |], Activation.Tanh, init.Fork 2UL))
    let glyphs = Synthetic.Glyphs(2UL, 250, 20, 20)
    let source = ImageSource(device, glyphs.Train, Binarization.Threshold())
    let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(2, 1e-3), BatchSize = 100)

    do
        use _ = Trace.Phase "training"
        Trainer(options).Train(vae, source, null) |> ignore

    let x = source.Subset 3
    let lambda = vae.Inference.Infer(model, family, x, stream 2UL, 0).Final
    let importance = ImportanceSampler(300).Estimate(model, family, x, lambda, stream 3UL)

    let optimum =
        LocalOptimizer(LocalOptimizerOptions(Samples = 10, MaximumSteps = 20)).Optimize(model, family, x, stream 4UL)

    use _ = Trace.Phase "AIS"

    let ais =
        Ais(AisOptions(Chains = 10, Betas = AnnealingSchedule.Linear 10, LeapfrogSteps = 3)).Run(model, x, stream 5UL)

    Array.concat
        [ bitsOf vae.Parameters
          bitsOf lambda.Blocks
          bitsOf optimum.Lambda.Blocks
          [| bits importance.Elbo.Values; bits importance.Iwae.Values; bits ais.LogMarginal.Values |] ]

[<Test>]
let ``a traced run has the bits of an untraced one, and its trace has all kernels`` () =
    for device in [ cpu; reference ] do
        let plain = run device
        let traced = TracingDevice device
        equalFor "a traced device that nobody listens to" plain (run traced)

        for threads in [ 1; 2 ] do
            let recording = Trace.Start(traced, 1000)

            try
                equalFor $"recorded, {threads} threads" plain (withThreads threads (fun () -> run traced))
            finally
                recording.Stop()

            let rows = recording.Summary()

            let calls phase kernel =
                rows |> Seq.filter (fun row -> row.Phase = phase && row.Kernel = kernel) |> Seq.sumBy _.Calls
            // Two epochs of three batches.
            equal 6L (calls "training" "Adam")
            equal 1L (calls "AIS" "")
            holds "AIS decodes" (calls "AIS" "LinearBernoulliLogLikelihood" > 0L)

            holds
                "products have operations"
                (rows |> Seq.exists (fun row -> row.Kernel = "Linear" && row.Operations > 0.0))
