/// What the tests of iterative inference share, for flat networks and for those of levels.
module GapLab.Tests.Inference.IterativeFixtures

open System
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Inference
open GapLab.Objectives
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let dataSize, points = 5, 3

let data device =
    observe device (Array.init points (fun i -> Array.init dataSize (fun j -> float ((i * 3 + j * 5 + i * j) % 2))))

let noise = stream 9UL

/// The training step that the noise belongs to.
let private step = 7

let private infer (vae: Vae) x = vae.Inference.Infer(vae.Model, vae.Family, x, noise, step)

/// The trace of a batch, as numbers.
let trace (vae: Vae) (x: Observations) =
    use _ = MemoryScope.Enter(record = false)
    [ for lambda in (infer vae x).Points -> [ for block in lambda.Blocks -> block.ToArray() ] ]

/// The gradients of a rule, as numbers.
let gradients (rule: TrainingRule) (vae: Vae) (x: Observations) =
    use _ = MemoryScope.Enter()
    let gradients = Array.zeroCreate vae.Parameters.Count
    let value = rule.Gradients(vae, x, noise, step, ObjectiveWeights.Elbo, Span gradients)
    equal (Shape x.Count) value.Shape
    [ for gradient in gradients -> gradient.ToArray() ]

/// The ELBO after t iterations as the rules draw it.
let elboAt (vae: Vae) (x: Observations) samples (t: int) lambda =
    let drawn = Noise(x, noise.Fork(uint64 t), samples, step)
    ElboObjective(vae.Model, vae.Family, x, drawn, ObjectiveWeights.Elbo, KlForm.Analytic).Value lambda

/// The batch means of the ELBO after each iteration, on the tape of the open scope.
let elbos (vae: Vae) (x: Observations) (options: IterativeOptions) =
    let trace = infer vae x
    [ for t in 1 .. options.Iterations -> (elboAt vae x options.Samples t trace.Points[t]).Mean() ]

/// The gradient of a value, as numbers.
let gradientOf (value: Tensor) (parameters: Tensor seq) =
    let parameters = Seq.toArray parameters
    let found = Array.zeroCreate parameters.Length
    Gradient.Of(value, ReadOnlySpan parameters, Span found)
    [ for gradient in found -> gradient.ToArray() ]

/// Recurrent networks that see only the data, and without gates: their state is all that leads from one iteration to the next, so that the rule gives whole derivatives. They are compared with
/// central differences, of some entries of each parameter.
let checkThroughTime (vae: Vae) (options: IterativeOptions) (x: Observations) =
    let objective () =
        use _ = MemoryScope.Enter(record = false)
        elbos vae x options |> List.averageBy _.ToDouble()

    let found = gradients (IterativeGradient ThetaGradient.Average) vae x

    for parameter, gradient in Seq.zip vae.Parameters found do
        let before = parameter.ToArray()

        for i in [ 0; before.Length / 2; before.Length - 1 ] |> List.distinct do
            let at shift =
                let values = before |> Array.mapi (fun j v -> if j = i then v + shift else v)
                parameter.Assign(Tensor.Create(parameter.Device, parameter.Shape, values))
                objective ()

            let difference = (at 1e-5 - at -1e-5) / 2e-5
            at 0.0 |> ignore
            near 1e-7 difference gradient[i]

/// Bytes of tensors that one training step takes at most, after a first one.
let peakOf (vae: Vae) =
    let device = vae.Model.Device
    let x = data device
    gradients (IterativeGradient()) vae x |> ignore
    GC.Collect()
    GC.WaitForPendingFinalizers()
    device.ResetPeak()
    let before = device.AllocatedBytes
    gradients (IterativeGradient()) vae x |> ignore
    device.PeakBytes - before
