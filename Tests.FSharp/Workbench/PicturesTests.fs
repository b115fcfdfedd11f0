module GapLab.Tests.Workbench.PicturesTests

open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Data.ArrayFixtures
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private settings =
    { Suboptimality.smoke with
        LocalSamples = 3
        LocalSteps = 200
        ImportanceSamples = 50 }

let private loaded (folder: string) name (bytes: byte[]) =
    let file = Path.Combine(folder, name)
    File.WriteAllBytes(file, bytes)
    DataSpec(Name = file).Load cpu

[<Test>]
let ``vectors are no images`` () =
    withFolder (fun folder ->
        throws<GapLabException> [ "cannot be shown as images"; "6 numbers"; "--dataset" ] (fun () ->
            DataSpec(Name = dataFile folder).Load cpu |> Pictures.scaleOf |> ignore))

[<Test>]
let ``intensities are grey levels, other numbers are scaled to their range`` () =
    withFolder (fun folder ->
        let images low high =
            npyOfFloats [ 100; 2; 3 ] [| for i in 0..599 -> if i % 2 = 0 then low else high |]

        let colours = DataSpec(Name = "shapes").Load cpu |> Pictures.scaleOf
        equal { Height = 32; Width = 32; Channels = 3; Black = 0.; White = 1. } colours
        let coloured = Pictures.levels colours [| for i in 0 .. 32 * 32 * 3 - 1 -> float i |]
        // The colours of a pixel lie side by side.
        equal
            [ 96.; 97.; 98.; 99. ]
            [ coloured[0, 1, 0, 0]; coloured[0, 1, 0, 1]; coloured[0, 1, 0, 2]; coloured[0, 1, 1, 0] ]

        let grey = loaded folder "grey.npy" (images 0.25f 0.5f) |> Pictures.scaleOf
        equal { Height = 2; Width = 3; Channels = 1; Black = 0.; White = 1. } grey
        equal "" (Pictures.scaleNote grey)
        let real = loaded folder "real.npy" (images -2.f 6.f) |> Pictures.scaleOf
        equal { Height = 2; Width = 3; Channels = 1; Black = -2.; White = 6. } real
        holds "the note" ((Pictures.scaleNote real).Contains "Black is -2")
        let levels = Pictures.levels real [| -2.; 6.; 2.; 0.; 0.; 0.; 1.; 1.; 1.; 1.; 1.; 6. |]
        equal [ 2; 2; 3; 1 ] [ for axis in 0..3 -> levels.GetLength axis ]

        equal
            [ 0.; 1.; 0.5; 0.25; 1. ]
            [ levels[0, 0, 0, 0]; levels[0, 0, 1, 0]; levels[0, 0, 2, 0]; levels[0, 1, 0, 0]; levels[1, 1, 2, 0] ])

[<Test>]
let ``samples are those of the seed, and draws are the outcomes of their means`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let vae = runner.Load(plainSpec folder 1UL)
        let means, draws = Pictures.samples vae 6 500 3UL
        equal (means, draws) (Pictures.samples vae 6 500 3UL)
        let others, _ = Pictures.samples vae 6 500 4UL
        holds "another seed gives others" (means <> others)
        // A prefix of more samples.
        let more, _ = Pictures.samples vae 6 600 3UL
        equal means more[.. means.Length - 1]
        holds "draws are zeros and ones" (draws |> Array.forall (fun x -> x = 0. || x = 1.))
        agrees "draws" 0. (meanAndError (Array.map2 (-) draws means)))

[<Test>]
let ``reconstructions come with the ELBOs of the stored measures`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let vae = runner.Load artifact
        let evaluations = Suboptimality.evaluations { settings with Points = 5 } artifact DataSplit.Test |> List.take 2
        runner.Ensure(List.toArray evaluations)
        use _scope = MemoryScope.Enter(record = false)
        let x = runner.Data(artifact.Data).Test.Subset 5

        let found =
            Pictures.reconstruct
                (Suboptimality.localOptions settings artifact.Family)
                settings.ImportanceSamples
                vae
                x
                artifact.Seed
                null
                CancellationToken.None

        let stored = evaluations |> List.map runner.Find
        equal stored.Head.Datapoints found.Datapoints
        equal (stored[0].Values "elbo") found.InferredElbo.Values
        equal (stored[1].Values "elbo") found.OptimalElbo.Values

        for images in [ found.Originals; found.Inferred; found.Optimal ] do
            equal 30 images.Length

        let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream 1UL, 0).Final
        let z = GapLab.Distributions.Latents(lambda[0].Reshape(5, 1, 2))
        equal (vae.Model.Output(z, x).Mean.ToArray()) found.Inferred)

[<Test>]
let ``a q of unknown mean is decoded at the average of its samples`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let known = runner.Load artifact
        let unknown = Vae(known.Model, Undescribed(known.Family, cpu), known.Inference)
        use _scope = MemoryScope.Enter(record = false)
        let x = runner.Data(artifact.Data).Test.Subset 5

        let images vae =
            (Pictures.reconstruct
                (Suboptimality.localOptions settings artifact.Family)
                settings.ImportanceSamples
                vae
                x
                1UL
                null
                CancellationToken.None)
                .Inferred

        let exact, averaged = images known, images unknown
        holds "another mean" (exact <> averaged)
        // 1,000 samples leave about 0.03 standard deviations of q, and the outputs are flatter than z.
        close "images" 0.1 exact averaged)
