/// Gaussian models of pixels, from noise between the levels to bits per dimension.
module GapLab.Tests.Experiments.GaussianPixelTests

open System
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private pixels variance =
    GaussianOptions(Variance = variance, SigmoidMean = true, InitialLogVariance = -3., Levels = Nullable 256)

let private specOf dataset (options: GaussianOptions) inference rule epochs =
    TrainSpec(
        Data = DataSpec(Name = dataset, TrainCount = Nullable 200, ValidationCount = Nullable 10, Dequantizes = true),
        Model = DenseModel.Choice(4, [| 16 |], Activation.Elu, OutputKind.Gaussian, options),
        Family = FactorizedGaussian.Choice(),
        Inference = inference,
        Rule = rule,
        Schedule = LearningRateSchedule.Constant(epochs, 3e-3),
        BatchSize = 50
    )

let private standard = Amortized.Choice([| 16 |], Activation.Elu)

let private errors =
    Iterative.Choice(
        IterativeOptions(
            Iterations = 2,
            Hidden = [| 16 |],
            Gradients = GradientEncoding.None,
            BottomUpErrors = ErrorEncoding.Plain,
            TopDownErrors = ErrorEncoding.Plain
        )
    )

/// Bits for each number of an image.
let private bitsOf (runner: Runner) (spec: TrainSpec) =
    let wanted = EvaluationSpec(Artifact = spec, Measure = InferredBounds 10, Points = 20)
    runner.Ensure [| wanted |]

    OutputDistribution.BitsPerDimension(
        (runner.Find wanted).Values "iwae" |> Array.average,
        runner.Data(spec.Data).DataSize
    )

[<Test>]
let ``training saves bits with every kind of variance, for encoders and iterative inference`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn folder

        for variance in Enum.GetValues<OutputVariance>() do
            for inference, rule in [ standard, JointGradient.Choice(); errors, IterativeGradient.Choice() ] do
                let bits epochs = bitsOf runner (specOf "shapes" (pixels variance) inference rule epochs)
                let first, last = bits 1, bits 12
                // Uniform pixels have 8.
                holds $"{variance}: {last} after {first}" (last < first && last < 8. && last > 0.))

[<Test>]
let ``log-variances of dimensions and of networks are bounded`` () =
    use _ = MemoryScope.Enter(record = false)
    let size = 3
    let z = Latents [| Tensor.Create(cpu, Shape(2, 2, 1), [| 1.; -1.; 1000.; -1000. |]) |]
    let x = observe cpu [| [| 0.1; 0.2; 0.3 |]; [| 0.4; 0.5; 0.6 |] |]

    let density variance =
        let model =
            DenseModel(
                cpu,
                1,
                [||],
                size,
                Activation.Elu,
                OutputKind.Gaussian,
                stream 3UL,
                GaussianOptions(Variance = variance, SigmoidMean = true)
            )

        for i, name in Seq.indexed model.Parameters.Names do
            if name.StartsWith "decoder.logVariance" then
                model.Parameters[i].Assign(model.Parameters[i] * 1000.)

        let output = model.Output(z, x)
        holds "means in [0, 1]" (output.Mean.ToArray() |> Array.forall (fun m -> m >= 0. && m <= 1.))
        output.LogProb(x).ToArray()

    // At the smallest log-variance of -7 a dimension has at most ½ (7 - log 2π) nats; at the largest it loses about ½ (15 + log 2π).
    let most, least =
        0.5 * float size * (7. - log (2. * Math.PI)), -0.5 * float size * (16. + log (2. * Math.PI) + exp 7.)

    for variance in [ OutputVariance.PerDimension; OutputVariance.Network ] do
        for value in density variance do
            holds $"{variance}: {value}" (value <= most + 1e-4 && value >= least)

[<Test>]
let ``kinds of variance have parameters of their own, and the usual Gaussian outputs stay what they were`` () =
    let names (options: GaussianOptions) =
        let model = DenseModel(cpu, 2, [| 4 |], 3, Activation.Elu, OutputKind.Gaussian, stream 3UL, options)

        [ for i, name in Seq.indexed model.Parameters.Names do
              if name.StartsWith "decoder.logVariance" then
                  name, model.Parameters[i].Shape ]

    equal [ "decoder.logVariance", Shape 1 ] (names null)
    equal [ "decoder.logVariance", Shape 1 ] (names (GaussianOptions()))
    equal [ "decoder.logVariance", Shape 3 ] (names (pixels OutputVariance.PerDimension))
    equal [ Shape(3, 4); Shape 3 ] (names (pixels OutputVariance.Network) |> List.map snd)

    let choice (options: GaussianOptions) =
        (DenseModel.Choice(2, [| 4 |], Activation.Elu, OutputKind.Gaussian, options)).ToJson().ToJsonString()

    equal
        """{"name":"dense","revision":1,"settings":{"latentSize":2,"hidden":[4],"activation":"elu","output":"gaussian"}}"""
        (choice null)

    holds "another choice" (choice (pixels OutputVariance.Global) <> choice (pixels OutputVariance.Network))

    for options, output in
        [ GaussianOptions(), OutputKind.Bernoulli; GaussianOptions(Levels = Nullable 1), OutputKind.Gaussian ] do
        throws<GapLabException> [ "do not fit" ] (fun () ->
            DenseModel(cpu, 2, [| 4 |], 3, Activation.Elu, output, stream 3UL, options) |> ignore)

[<Test>]
let ``noise between levels is a choice of its own, for pixels only`` () =
    let plain, noisy =
        DataSpec(Name = "shapes", TrainCount = Nullable 5),
        DataSpec(Name = "shapes", TrainCount = Nullable 5, Dequantizes = true)

    holds "another key" (plain.ToJson().ToJsonString() <> noisy.ToJson().ToJsonString())
    holds "no trace" (not (plain.ToJson().ToJsonString().Contains "dequantizes"))
    let data = noisy.Load cpu
    holds data.Set.Provenance (data.Set.Provenance.Contains "dequantized(seed=0)")
    equal (false, false) (data.Set.SuitsBernoulli, data.Set.HasLevels)
    let batch epoch = data.Train.Batch(ReadOnlySpan [| 0 |], epoch).Values.ToArray()
    let levels values = values |> Array.map (fun v -> floor (256. * v))
    equal (levels (batch 0)) (levels (batch 1))
    holds "anew" (batch 0 <> batch 1)
    equal (batch 1) (batch 1)

    throws<DataException> [ "'glyphs'"; "256 levels" ] (fun () ->
        DataSpec(Name = "glyphs", Dequantizes = true).Load cpu |> ignore)
