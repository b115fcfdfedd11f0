/// Batch normalisation over a training run: its running averages belong to the model, and only training moves them.
module GapLab.Tests.Training.RunningAveragesTests

open System
open System.Collections.Generic
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Training
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private shapes = SyntheticShapes.Load(1UL, 25, 8, 0)
let private sourceOf (images: ImageSet) = ImageSource(cpu, images, Binarization.None())

let private newVae () =
    let init = stream 1UL
    let family = FactorizedGaussian(cpu, 2)
    let model = ConvolutionalModel(cpu, 2, [| 2; 3 |], [| 3 |], 32, 3, init.Fork 1UL)
    Vae(model, family, ConvolutionalEncoder(family, cpu, [| 2; 3 |], 32, 3, init.Fork 2UL))

/// Two epochs of three batches.
let private options =
    TrainerOptions(
        Schedule = LearningRateSchedule.Constant(2, 1e-2),
        BatchSize = 10,
        Weights = (fun position -> ObjectiveWeights.EntropyAnnealing position.Epochs)
    )

let private train validation checkpointing cancellation (vae: Vae) =
    let validation = if validation then sourceOf shapes.Validation else null
    Trainer(options).Train(vae, sourceOf shapes.Train, validation, ignore, ignore, checkpointing, cancellation)

let private averages (vae: Vae) =
    [ for name, value in Seq.zip vae.ParameterNames vae.Parameters do
          if name.Contains ".norm.mean" || name.Contains ".norm.variance" then
              name, value.ToArray() ]

[<Test>]
let ``training moves the averages towards the batches' statistics, and the optimiser leaves them alone`` () =
    let vae = newVae ()
    let before = averages vae
    let saved = List<Checkpoint>()

    let outcome =
        vae
        |> train true (Checkpointing(TimeSpan.Zero, (fun checkpoint -> saved.Add checkpoint))) CancellationToken.None

    equal 6 before.Length

    for (name, first), (_, last) in List.zip before (averages vae) do
        holds $"{name} has moved" (Array.forall2 (<>) first last)

    let last = saved[saved.Count - 1]

    for name, values in averages vae do
        let entry kind =
            (last.Tensors |> Seq.find (fun entry -> entry.Name = $"{kind}/{name}")).ToDoubles()

        equalFor name (Array.zeroCreate values.Length) (entry "first")
        equalFor name (Array.zeroCreate values.Length) (entry "second")
        equalFor name values (entry "parameter")

    holds "the validation scores are finite" (outcome.Curve |> Seq.forall (fun e -> Double.IsFinite e.Validation.Elbo))

[<Test>]
let ``those of a model that is not trained stay as they are, while an encoder's move`` () =
    let before, vae = newVae (), newVae ()

    let options =
        TrainerOptions(
            Schedule = options.Schedule,
            BatchSize = options.BatchSize,
            Rule = JointGradient(trainsModel = false)
        )

    Trainer(options).Train(vae, sourceOf shapes.Train, null) |> ignore
    equal (bitsOf before.Model.Parameters) (bitsOf vae.Model.Parameters)
    let ofEncoder = averages vae |> List.filter (fun (name, _) -> name.StartsWith "encoder")
    holds "the encoder has some" (not ofEncoder.IsEmpty)

    for name, last in ofEncoder do
        let _, first = averages before |> List.find (fst >> (=) name)
        holds $"{name} has moved" (Array.forall2 (<>) first last)

[<Test>]
let ``validation does not move them`` () =
    let with', without = newVae (), newVae ()
    with' |> train true null CancellationToken.None |> ignore
    without |> train false null CancellationToken.None |> ignore
    equal (bitsOf without.Parameters) (bitsOf with'.Parameters)

[<Test>]
let ``an interrupted run ends with the bits of an undisturbed one, the averages included`` () =
    let undisturbed = newVae ()
    undisturbed |> train true null CancellationToken.None |> ignore
    let saved = List<byte[]>()
    let keep (checkpoint: Checkpoint) = saved.Add(SafetensorsFile.ToBytes(checkpoint.Tensors, checkpoint.Metadata()))
    newVae () |> train true (Checkpointing(TimeSpan.Zero, keep)) CancellationToken.None |> ignore
    holds "checkpoints after every step" (saved.Count >= 6)
    let half = Checkpoint.From(SafetensorsFile.Parse(saved[3], "test"))
    let resumed = newVae ()
    resumed |> train true (Checkpointing(TimeSpan.MaxValue, ignore, half)) CancellationToken.None |> ignore
    equal (bitsOf undisturbed.Parameters) (bitsOf resumed.Parameters)
