module GapLab.Tests.Optimization.LearningRateScheduleTests

open NUnit.Framework
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tests.Checks

[<Test>]
let ``Burda's schedule has 3,280 epochs in stages of powers of three`` () =
    let schedule = LearningRateSchedule.Burda()
    equal 3280 schedule.Epochs
    equal [ 1; 3; 9; 27; 81; 243; 729; 2187 ] [ for stage in schedule.Stages -> stage.Epochs ]

[<Test>]
let ``Burda's rates fall from 1e-3 to 1e-4`` () =
    // 0.001 · 10^(-i/7), printed to four digits in Cremer et al. (2018), appendix; Burda et al. (2016).
    let printed = [ 1e-3; 7.197e-4; 5.179e-4; 3.728e-4; 2.683e-4; 1.931e-4; 1.389e-4; 1e-4 ]

    for stage, rate in Seq.zip (LearningRateSchedule.Burda().Stages) printed do
        near 5.1e-8 rate stage.LearningRate

[<Test>]
let ``epochs find their stage and know whether they begin it`` () =
    let schedule = LearningRateSchedule.Burda()
    let at epoch = let struct (stage, isFirst) = schedule.At epoch in stage, isFirst
    equal (0, true) (at 0)
    equal (1, true) (at 1)
    equal (1, false) (at 3)
    equal (2, true) (at 4)
    equal (7, true) (at 1093)
    equal (7, false) (at 3279)
    throws<GapLabException> [ "3280" ] (fun () -> at 3280 |> ignore)

[<Test>]
let ``a decaying schedule multiplies after every epoch`` () =
    let schedule = LearningRateSchedule.Decaying(3, 0.5, 0.1)
    equal 3 schedule.Epochs

    for stage, rate in Seq.zip schedule.Stages [ 0.5; 0.05; 0.005 ] do
        equal 1 stage.Epochs
        near 1e-15 rate stage.LearningRate

[<Test>]
let ``a constant schedule is one stage`` () =
    let schedule = LearningRateSchedule.Constant(5, 0.01)
    equal 5 schedule.Epochs
    equal [ ScheduleStage(5, 0.01) ] (List.ofSeq schedule.Stages)
    throws<GapLabException> [ "5" ] (fun () -> schedule.At 5 |> ignore)

[<Test>]
let ``stages without epochs are passed over`` () =
    let schedule = LearningRateSchedule [| ScheduleStage(0, 1.0); ScheduleStage(2, 0.5) |]
    let struct (stage, isFirst) = schedule.At 0
    equal (1, true) (stage, isFirst)

[<Test>]
let ``the first epochs of a schedule have the same rates`` () =
    let schedule = LearningRateSchedule.Burda()

    for epochs in [ 1; 2; 4; 5; 100; 3280 ] do
        let first = schedule.First epochs
        equal epochs first.Epochs

        for epoch in 0 .. epochs - 1 do
            equal (schedule.At epoch) (first.At epoch)

        equal
            (List.ofSeq (Seq.take (first.Stages.Count - 1) schedule.Stages))
            (List.ofSeq first.Stages |> List.take (first.Stages.Count - 1))

    for epochs in [ 0; 3281 ] do
        throws<GapLabException> [ "3280 epochs"; string epochs ] (fun () -> schedule.First epochs |> ignore)
