/// PixelCNN models as experiments: trained, stored, read back and evaluated.
module GapLab.Tests.Experiments.ImageModelTests

open System
open System.IO
open NUnit.Framework
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

/// 60 images of 3 x 3 pixels, each a row or a column of ones.
let private barsFile folder =
    let path = Path.Combine(folder, "bars.csv")
    let pixel n i = if (if n % 2 = 0 then i / 3 else i % 3) = n / 2 % 3 then 1 else 0
    File.WriteAllLines(path, [ for n in 0..59 -> String.Join(',', [ for i in 0..8 -> pixel n i ]) ])
    path

let private specOf folder latentSize inference =
    TrainSpec(
        Data = DataSpec(Name = barsFile folder, ValidationCount = Nullable 10),
        Model =
            PixelCnnModel.Choice(
                PixelCnnOptions(LatentSize = latentSize, KernelSizes = [| 3; 3 |], Channels = 4, LatentMaps = 1)
            ),
        Family = FactorizedGaussian.Choice(),
        Inference = inference,
        Schedule = LearningRateSchedule.Constant(30, 1e-2),
        BatchSize = 20,
        ValidationSamples = 2,
        KeepBest = true
    )

[<Test>]
let ``images are learnt with latent variables and without, and stored models give the same numbers`` () =
    withFolder (fun folder ->
        for latentSize, inference in [ 2, ResNetEncoder.Choice [| 2 |]; 0, FixedStart.Choice() ] do
            let store = Path.Combine(folder, $"store{latentSize}")
            let spec = specOf folder latentSize inference
            let wanted = EvaluationSpec(Artifact = spec, Measure = InferredBounds 5, Points = 6)
            let runner, _ = runnerOn store
            runner.Ensure [| wanted |]
            let iwae = (runner.Find wanted).Values "iwae"
            // Six images in 512: log 6 nats are all that a perfect model needs, log 512 = 6.2 that of one that knows nothing.
            holds $"{Array.average iwae} nats" (Array.average iwae > -4.5)

            if latentSize = 0 then
                close "the bounds are one" 1e-12 ((runner.Find wanted).Values "elbo") iwae

            let again, _ = runnerOn store
            let first, second = runner.Load spec, again.Load spec
            equal (bitsOf first.Parameters) (bitsOf second.Parameters))
