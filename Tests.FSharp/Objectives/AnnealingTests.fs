module GapLab.Tests.Objectives.AnnealingTests

open NUnit.Framework
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Checks

/// The weights of the steps of a run with so many batches an epoch.
let private weights batches steps (schedule: AnnealingPosition -> ObjectiveWeights) =
    [ for step in 0 .. steps - 1 -> schedule (AnnealingPosition(step / batches, step % batches, batches)) ]

[<Test>]
let ``schedules by epoch are constant within one`` () =
    let kl = weights 3 9 (Annealing.Kl 2).Build
    equal (List.map ObjectiveWeights.KlAnnealing [ 0.0; 0.0; 0.0; 0.5; 0.5; 0.5; 1.0; 1.0; 1.0 ]) kl
    let entropy = weights 2 6 (Annealing.Entropy 2).Build
    equal (List.map ObjectiveWeights.EntropyAnnealing [ 0.0; 0.0; 0.5; 0.5; 1.0; 1.0 ]) entropy
    equal (List.replicate 4 ObjectiveWeights.Elbo) (weights 2 4 (Annealing.Kl 0).Build)

[<Test>]
let ``the weight of the KL term grows from batch to batch, as published and as coded`` () =
    let batches = 7

    let check (expected: int -> float) schedule =
        for step, found in List.indexed (weights batches (12 * batches) schedule) do
            near 1e-12 (expected step) found.Prior
            equal found.Prior found.Entropy
            equal 1.0 found.Likelihood

    check (fun b -> min 1.0 (0.1 + 0.9 * float b / (10.0 * float batches))) (Annealing.KlByBatch().Build)
    // The code's weight starts at 0.1 and has 1 / (10 · batches) added before each batch: it reaches 1 after nine epochs.
    let coded = Annealing.KlByBatch(asCoded = true).Build
    check (fun b -> min 1.0 (0.1 + float (b + 1) / (10.0 * float batches))) coded
    let reached = weights batches (12 * batches) coded |> List.findIndex (fun w -> w.Prior > 1.0 - 1e-9)
    equal (9 * batches - 1) reached

[<Test>]
let ``schedules that make no sense are refused`` () =
    throws<GapLabException> [ "-1" ] (fun () -> Annealing.Kl -1 |> ignore)
    throws<GapLabException> [ "epoch" ] (fun () -> Annealing.KlByBatch 0 |> ignore)
    throws<GapLabException> [ "weight" ] (fun () -> Annealing.KlByBatch(10, 1.5) |> ignore)
