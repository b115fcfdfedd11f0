module GapLab.Tests.Workbench.SuboptimalityTests

open NUnit.Framework
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks

let private tiny =
    { Suboptimality.smoke with
        TrainingImages = Some 200
        ValidationImages = Some 50
        LatentSize = 3
        Hidden = [ 10 ]
        Schedule = LearningRateSchedule.Constant(2, 1e-3)
        Points = 2 }

[<Test>]
let ``the paper preset has no differences, the others name theirs`` () =
    equal
        [ "Settings: those of the paper's experiments on MNIST and Fashion-MNIST." ]
        (Suboptimality.settingNotes Suboptimality.paper)

    let notes = Suboptimality.settingNotes Suboptimality.small
    holds "AIS chains" (List.exists (fun (note: string) -> note.Contains "AIS chains 20 (paper: 100)") notes)
    holds "no reproduction" (List.exists (fun (note: string) -> note.Contains "no reproduction") notes)

    let other =
        { Suboptimality.paper with
            Schedule = LearningRateSchedule.Constant(3280, 1e-3) }

    holds
        "another schedule of as many epochs"
        (Suboptimality.settingNotes other |> List.exists (fun note -> note.Contains "3280 at 0.001"))

[<Test>]
let ``an unknown preset is refused`` () =
    throws<GapLabException> [ "'huge'"; "smoke, small, paper" ] (fun () -> Suboptimality.preset "huge" |> ignore)

[<Test>]
let ``training without annealing is training of the ELBO`` () =
    let data = Suboptimality.load "glyphs" None tiny

    let validation annealing =
        let settings = { tiny with AnnealingEpochs = annealing }
        let vae = Suboptimality.build settings data.Set.Train.PixelCount 1UL
        let mutable last = nan
        Suboptimality.train settings 1UL data vae (fun epoch -> last <- epoch.ValidationElbo)
        last

    holds "a finite bound" (System.Double.IsFinite(validation 0))
    holds "annealing changes the result" (validation 0 <> validation 2)

[<Test>]
let ``a part of the training images is drawn at random, the same part every time`` () =
    let data () = Suboptimality.load "glyphs" None { tiny with TrainingImages = Some 150 }
    equal 150 (data ()).Train.Count
