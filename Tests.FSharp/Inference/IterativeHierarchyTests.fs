/// Iterative inference of hierarchies: by a flat network, or by one network for each level.
module GapLab.Tests.Inference.IterativeHierarchyTests

open System
open NUnit.Framework
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Data
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
open GapLab.Training
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Inference.IterativeFixtures
open GapLab.Tests.Checks

let private hierarchy =
    { Sizes = [| 2; 1 |]
      Layers = [| LevelLayers([| 4 |], 2); LevelLayers [| 3 |] |]
      DataSize = dataSize
      Activation = Activation.Tanh
      Output = OutputKind.Bernoulli
      Highway = false
      BatchNormalization = false
      ConstantVariances = false }

let private levels = [| LevelLayers([| 6 |], 2); LevelLayers [| 4; 4 |] |]

let private vaeOf device isLadder (hierarchy: Hierarchy) (options: IterativeOptions) =
    let model = hierarchy.On device
    let family = (levelFamilies model).[if isLadder then 1 else 0]
    Vae(model, family, Iterative(model, family, dataSize, options, stream 7UL))

/// Networks of either kind that see anything.
type private Settings =
    static member Options() =
        gen {
            let! gradients = Gen.elements (Enum.GetValues<GradientEncoding>())
            let! bottomUp = Gen.elements (Enum.GetValues<ErrorEncoding>())
            let! topDown = Gen.elements (Enum.GetValues<ErrorEncoding>())
            let! update = Gen.elements (Enum.GetValues<IterativeUpdate>())
            let! layers = Gen.elements [ levels; levels; null ]
            let! highway = Gen.elements [ true; false ]
            let! normalised = Gen.elements [ true; false ]
            let! estimates = Gen.elements [ true; false ]

            return
                IterativeOptions(
                    Iterations = 3,
                    Samples = 2,
                    Hidden = [| 6 |],
                    Levels = layers,
                    Highway = highway,
                    BatchNormalization = normalised,
                    Update = update,
                    Gradients = gradients,
                    BottomUpErrors = bottomUp,
                    TopDownErrors = topDown,
                    Estimates = estimates
                )
        }
        |> Arb.fromGen

[<Property(Arbitrary = [| typeof<Settings> |], MaxTest = 40)>]
let ``iterations that are differentiated one by one give the gradients of the whole trace``
    (options: IterativeOptions)
    (isLadder: bool)
    =
    // That the next level sees the new means must not enter what a level is shown: the gradients at given λ of the others.
    let normalised = { hierarchy with BatchNormalization = options.BatchNormalization }

    let vae = (vaeOf reference isLadder normalised options).InTraining()
    let x = data reference

    let expected =
        use _ = MemoryScope.Enter()
        gradientOf ((elbos vae x options |> List.reduce (+)) / float options.Iterations) vae.Parameters

    for e, g in List.zip expected (gradients (IterativeGradient ThetaGradient.Average) vae x) do
        close "gradient" 1e-10 e g

[<Property(Arbitrary = [| typeof<Settings> |], MaxTest = 20)>]
let ``a datapoint's trace does not depend on its batch, batch normalisation included`` (options: IterativeOptions) =
    let vae = vaeOf reference false { hierarchy with BatchNormalization = true } options

    let x = data reference
    gradients (IterativeGradient()) (vae.InTraining()) x |> ignore
    let together = trace vae x

    for row in 0 .. points - 1 do
        for blocks, own in List.zip together (trace vae (x.Select(ReadOnlySpan [| row |]))) do
            for block, one in List.zip blocks own do
                equal (bits block[row * one.Length .. (row + 1) * one.Length - 1]) (bits one)

[<Test>]
let ``one direct iteration of levels that see the data only is the bottom-up encoder`` () =
    for isLadder in [ false; true ] do
        let options =
            IterativeOptions(
                Iterations = 1,
                Levels = levels,
                Highway = true,
                Update = IterativeUpdate.Direct,
                Gradients = GradientEncoding.None,
                Estimates = false
            )

        let iterative = vaeOf reference isLadder hierarchy options

        let encoder =
            HierarchicalEncoder(
                iterative.Family,
                reference,
                dataSize,
                levels,
                Activation.Elu,
                stream 1UL,
                highway = true
            )

        for parameter, value in Seq.zip encoder.Parameters iterative.Inference.Parameters do
            parameter.Assign value

        // The iterative network sees x - 1/2.
        let x = data reference
        let shifted = DenseObservations(((x :?> DenseObservations).Values - 0.5).ToOwned())
        equal [ List.last (trace iterative x) ] (trace (Vae(iterative.Model, iterative.Family, encoder)) shifted)

[<Test>]
let ``levels see their errors: what goes upwards is the distance of the new means from the prior`` () =
    // One direct iteration without hidden layers that sees errors only, computed by hand: λ is linear in them.
    for weighted in [ ErrorEncoding.Plain; ErrorEncoding.Weighted ] do
        let options =
            IterativeOptions(
                Iterations = 1,
                Samples = 3,
                Levels = [| LevelLayers [||]; LevelLayers [||] |],
                Update = IterativeUpdate.Direct,
                Data = false,
                Estimates = false,
                Gradients = GradientEncoding.None,
                BottomUpErrors = weighted,
                TopDownErrors = weighted
            )

        let vae = vaeOf reference false hierarchy options
        let x = data reference
        let found = trace vae x
        use _ = MemoryScope.Enter(record = false)

        let start =
            LocalParameters
                [| for own in found[0] -> Tensor.Create(reference, Shape(points, own.Length / points), own) |]

        let q = vae.Family.Sample(start, vae.Model, Noise(x, noise.Fork 0UL, 3, 7))
        let struct (priors, output) = vae.Model.Factors(q.Latents, x)
        let prior level = priors[level] :?> DiagonalGaussian

        let precision level =
            if weighted = ErrorEncoding.Weighted then
                (-(prior level).LogVariance).Exp()
            else
                Tensor.Filled(reference, Shape 1, 1.0)

        let topDown level = ((q.Latents[level] - (prior level).Mean) * precision level).Mean 1

        let bottomUp =
            if weighted = ErrorEncoding.Weighted then
                (output.Error x).Mean 1
            else
                (x :?> DenseObservations).Values - output.Mean.Mean 1

        let linear name (input: Tensor) =
            let p suffix =
                vae.Inference.Parameters[Seq.findIndex ((=) $"iterative.{name}.{suffix}") vae.Inference.Parameters.Names]

            input.Linear(p "weight", p "bias")

        let first = Tensor.Concatenate(bottomUp, topDown 0)
        let mean = linear "level0.mean" first
        let distance = ((mean.Reshape(Shape(points, 1, 2)) - (prior 0).Mean) * precision 0).Mean 1
        let second = Tensor.Concatenate(mean, distance, topDown 1)

        for block, expected in
            [ 0, mean
              1, linear "level0.logVariance" first
              2, linear "level1.mean.1" second
              3, linear "level1.logVariance.1" second ] do
            close $"{weighted}, block {block}" 1e-12 (expected.ToArray()) found[1].[block]

[<Test>]
let ``iterations start at the prior`` () =
    let vae = vaeOf reference false hierarchy (IterativeOptions(Levels = levels, Samples = 2))
    let x = data reference
    let first = (trace vae x).Head
    equal (Array.zeroCreate<float> points) first[2]
    equal (Array.zeroCreate<float> points) first[3]
    holds "below the top q starts elsewhere" (first[0] |> Array.forall ((<>) 0.0))

[<Test>]
let ``recurrent networks of levels are trained through time`` () =
    let options =
        IterativeOptions(
            Iterations = 3,
            Levels = levels,
            Recurrent = true,
            Update = IterativeUpdate.Direct,
            Gradients = GradientEncoding.None,
            Estimates = false
        )

    checkThroughTime (vaeOf reference false hierarchy options) options (data reference)

[<Test>]
let ``memory does not grow with the number of iterations`` () =
    let peak iterations =
        let options =
            IterativeOptions(
                Iterations = iterations,
                Levels = [| LevelLayers([| 64 |], 8); LevelLayers [| 64 |] |],
                BatchNormalization = true
            )

        peakOf ((vaeOf cpu true hierarchy options).InTraining())

    equal (peak 5) (peak 50)

[<Test>]
let ``keys of flat networks stay what they were before there were levels`` () =
    let json options = (Iterative.Choice options).ToJson().ToJsonString()
    let flat = json (IterativeOptions())

    equal
        "94a932f92d98c02d74252b4b15d046dc69dd3fa8fdadb2b089a39f4820751758"
        (CanonicalJson.Hash((Iterative.Choice(IterativeOptions())).ToJson()))

    holds "no trace" (not (flat.Contains "levels") && not (flat.Contains "batchNormalization"))
    let others = [ IterativeOptions(Levels = levels); IterativeOptions(BatchNormalization = true) ]
    equal 3 (flat :: List.map json others |> List.distinct).Length

[<TestCase(false)>]
[<TestCase(true)>]
let ``the model's running averages are those of the last iteration's estimates`` (recurrent: bool) =
    let options = IterativeOptions(Iterations = 3, Samples = 2, Levels = levels, Recurrent = recurrent)

    let fresh () =
        (vaeOf reference false { hierarchy with BatchNormalization = true } options).InTraining()

    let x = data reference
    let trained = fresh ()
    gradients (IterativeGradient()) trained x |> ignore

    let last =
        let vae = fresh ()
        use _ = MemoryScope.Enter(record = false)
        vae.Inference.Infer(vae.Model, vae.Family, x, noise, 7).Final.ToOwned()

    let expected = fresh ()

    using (MemoryScope.Enter()) (fun _ -> elboAt expected x options.Samples 3 last |> ignore)

    let averages (vae: Vae) =
        [ for name, value in Seq.zip vae.Model.Parameters.Names vae.Model.Parameters do
              if name.EndsWith ".variance" then
                  value.ToArray() ]

    holds "there are some" (averages expected <> [])

    for e, found in List.zip (averages expected) (averages trained) do
        holds "they have moved" (Array.exists ((<>) 1.) found)
        close "variances" 1e-12 e found

[<Test>]
let ``layers for other levels are refused`` () =
    throws<ShapeException> [ "Iterative inference"; "2 latent levels"; "1" ] (fun () ->
        vaeOf cpu false hierarchy (IterativeOptions(Levels = [| LevelLayers [| 3 |] |])) |> ignore)

    throws<GapLabException> [ "nothing" ] (fun () ->
        vaeOf
            cpu
            false
            hierarchy
            (IterativeOptions(Levels = levels, Data = false, Estimates = false, Gradients = GradientEncoding.None))
        |> ignore)

[<TestCase(false)>]
[<TestCase(true)>]
let ``training on glyphs raises the bound of a normalised hierarchy, in training and in evaluation`` (isLadder: bool) =
    let glyphs = Synthetic.Glyphs(1UL, 300, 60, 0)
    let size = Synthetic.GlyphSize * Synthetic.GlyphSize
    let layers = [| LevelLayers([| 48 |], 8); LevelLayers [| 24 |] |]

    let model =
        HierarchicalModel(
            cpu,
            [| 8; 4 |],
            layers,
            size,
            Activation.Elu,
            OutputKind.Bernoulli,
            stream 1UL,
            highway = true,
            batchNormalization = true
        )

    let family = (levelFamilies model).[if isLadder then 1 else 0]

    let options =
        IterativeOptions(
            Iterations = 3,
            Levels = layers,
            Highway = true,
            BatchNormalization = true,
            Gradients = GradientEncoding.None,
            BottomUpErrors = ErrorEncoding.Plain,
            TopDownErrors = ErrorEncoding.Plain
        )

    let vae = Vae(model, family, Iterative(model, family, size, options, stream 2UL))
    let source images = ImageSource(cpu, images, Binarization.Threshold())

    let outcome =
        Trainer(
            TrainerOptions(
                Schedule = LearningRateSchedule.Constant(8, 5e-3),
                BatchSize = 50,
                Rule = IterativeGradient(),
                ValidationSamples = 5
            )
        )
            .Train(vae, source glyphs.Train, source glyphs.Validation)

    let validation = [ for epoch in outcome.Curve -> epoch.Validation.Elbo ]
    holds $"{validation}: finite" (validation |> List.forall Double.IsFinite)
    holds $"{validation}: better" (List.last validation > validation.Head + 20.0)
