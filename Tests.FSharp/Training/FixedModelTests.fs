/// Training of an encoder and a family for a generative model that stays as it is.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Training.FixedModelTests

open System
open System.Collections.Generic
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Tracing
open GapLab.Training
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures

let private hidden = 10
let private glyphs = Synthetic.Glyphs(1UL, 25, 5, 0)
let private sourceOn (device: Device) = ImageSource(device, glyphs.Train, Binarization.Threshold())

/// A flow, whose networks are shared parameters, and a linear encoder.
let private newVae (device: Device) =
    let init = stream 1UL
    let model = DenseModel(device, 3, [| hidden |], 784, Activation.Elu, OutputKind.Bernoulli, init.Fork 1UL)
    let family = AuxiliaryFlow(device, 3, init.Fork 3UL, hidden = [| 4 |])
    Vae(model, family, Amortized(family, device, 784, [||], Activation.Elu, init.Fork 2UL))

let private rule trainsModel = JointGradient(trainsModel = trainsModel)

let private options =
    TrainerOptions(Schedule = LearningRateSchedule.Constant(2, 1e-2), BatchSize = 10, Rule = rule false)

let private train (device: Device) (checkpointing: Checkpointing) (vae: Vae) =
    Trainer(options).Train(vae, sourceOn device, null, checkpointing = checkpointing) |> ignore

/// The gradients of one step, as bits.
let private gradients trainsModel =
    use _ = MemoryScope.Enter()
    let vae = newVae cpu
    let rule = rule trainsModel
    let gradients = Array.zeroCreate<Tensor> (rule.Trained vae).Count
    rule.Gradients(vae, (sourceOn cpu).Subset 7, stream 5UL, 3, ObjectiveWeights.Elbo, gradients) |> ignore
    bitsOf gradients

[<Test>]
let ``the gradients of family and encoder are those of joint training, and there are no others`` () =
    let vae = newVae cpu
    let all, some = gradients true, gradients false
    equal vae.Parameters.Count all.Length
    equal (vae.Family.Shared.Count + vae.Inference.Parameters.Count) some.Length
    equal all[vae.Model.Parameters.Count ..] some

[<Test>]
let ``the model keeps its bits, and everything else is trained`` () =
    let before, vae = newVae cpu, newVae cpu
    // The sum of -0 and 0 is 0: a step of length zero would be seen.
    let bias = vae.Model.Parameters[1]
    bias.Assign(Tensor.Filled(cpu, bias.Shape, -0.0))
    let model = bitsOf vae.Model.Parameters
    train cpu null vae
    equal model (bitsOf vae.Model.Parameters)

    for i in vae.Model.Parameters.Count .. vae.Parameters.Count - 1 do
        holds vae.ParameterNames[i] (bitsOf [ vae.Parameters[i] ] <> bitsOf [ before.Parameters[i] ])

[<Test>]
let ``a fixed model costs no gradients of its weights`` () =
    let device = TracingDevice cpu

    let operations trainsModel =
        let vae = newVae device
        let source = sourceOn device
        let rule = rule trainsModel
        let gradients = Array.zeroCreate<Tensor> (rule.Trained vae).Count
        let recording = Trace.Start(device, 1000)

        try
            use _ = MemoryScope.Enter()
            rule.Gradients(vae, source.Subset 7, stream 5UL, 3, ObjectiveWeights.Elbo, gradients) |> ignore
        finally
            recording.Stop()

        recording.Summary() |> Seq.filter (fun row -> row.Kernel <> "") |> Seq.sumBy _.Operations

    // One multiplication and one addition for each of 7 datapoints and each weight; biases may add to it.
    let weights = 3 * hidden + hidden * 784
    holds "fewer operations" (operations true - operations false >= float (2 * 7 * weights))

[<Test>]
let ``a run with a fixed model goes on from any of its checkpoints to the same bits`` () =
    let saved = List<Checkpoint>()
    let whole = newVae cpu
    train cpu (Checkpointing(TimeSpan.Zero, (fun checkpoint -> saved.Add checkpoint))) whole
    equal 6 saved.Count

    for checkpoint in saved do
        let vae = newVae cpu
        train cpu (Checkpointing(TimeSpan.MaxValue, ignore, checkpoint)) vae
        equal (bitsOf whole.Parameters) (bitsOf vae.Parameters)

    // One of joint training has other moments.
    let other = List<Checkpoint>()

    Trainer(TrainerOptions(Schedule = options.Schedule, BatchSize = options.BatchSize, Rule = rule true))
        .Train(
            newVae cpu,
            sourceOn cpu,
            null,
            checkpointing = Checkpointing(TimeSpan.Zero, (fun checkpoint -> other.Add checkpoint))
        )
    |> ignore

    equal (other[0].Tensors.Count - 2 * whole.Model.Parameters.Count) saved[0].Tensors.Count
