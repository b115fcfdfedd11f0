/// What the tests of semi-amortized inference and of its training rules share.
module GapLab.Tests.Inference.SemiAmortizedFixtures

open System
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Inference.IterativeFixtures

let latentSize = 2
let step = 7

/// Smooth activations: ELU's second derivative jumps.
let activation = Activation.Tanh

let encoderOf (family: VariationalFamily) device =
    Amortized(family, device, dataSize, [| 6 |], activation, (stream 4UL).Fork 2UL) :> InferenceMethod

let vaeFrom start device (options: SemiAmortizedOptions) =
    let model =
        DenseModel(device, latentSize, [| 4 |], dataSize, activation, OutputKind.Bernoulli, (stream 4UL).Fork 1UL)

    let family = FactorizedGaussian(device, latentSize)
    Vae(model, family, SemiAmortized(start (family :> VariationalFamily) device, options))

let vaeOf device options = vaeFrom encoderOf device options

let fixedStart noise (_: VariationalFamily) device = FixedStart(device, noise) :> InferenceMethod

/// Steps that matter, without clipping.
let options steps momentum =
    SemiAmortizedOptions(
        Iterations = steps,
        StepSize = 1.5,
        Momentum = momentum,
        BatchSize = 2,
        Samples = 2,
        Clip = Nullable()
    )

/// A rule's values and gradients in training, as numbers.
let train (rule: TrainingRule) (vae: Vae) (x: Observations) (weights: ObjectiveWeights) =
    use _ = MemoryScope.Enter()
    let gradients = Array.zeroCreate vae.Parameters.Count
    let value = rule.Gradients(vae.InTraining(), x, noise, step, weights, Span gradients)
    value.ToArray(), [ for gradient in gradients -> gradient.ToArray() ]

/// The ELBO with the samples of step k of the inference of a training step; no k stands for the final one.
let objectiveAt (vae: Vae) (x: Observations) weights samples (k: int option) =
    let inner = SemiAmortized.StepNoiseOf(noise.Fork 1UL)
    let source = k |> Option.map (fun k -> inner.Fork(uint64 k)) |> Option.defaultValue noise
    ElboObjective(vae.Model, vae.Family, x, Noise(x, source, samples, step), weights, KlForm.Analytic)

let startOf (vae: Vae) x =
    let method = (vae.Inference :?> SemiAmortized).WithIterations 0
    method.Infer(vae.Model, vae.Family, x, noise.Fork 1UL, step).Final

/// λ_0 .. λ_K on the tape of the open scope, steps and all: what the rules must not need.
let unrolled (vae: Vae) (x: Observations) weights (options: SemiAmortizedOptions) =
    let start = startOf vae x

    let next (lambda: Tensor[], velocity: Tensor[]) k =
        let objective = objectiveAt vae x weights options.Samples (Some k)
        let gradients = Array.zeroCreate lambda.Length
        // Gradients count the uses of these handles only.
        let lambda = lambda |> Array.map _.Alias()
        Gradient.Of(objective.Value(LocalParameters lambda), ReadOnlySpan lambda, Span gradients, Tensor(), true)

        let velocity = Array.map2 (fun v g -> options.Momentum * v + g / float options.BatchSize) velocity gradients

        Array.map2 (fun l v -> l + options.StepSize * v) lambda velocity, velocity

    let zeros = [| for b in start.Blocks -> b * 0.0 |]

    [ 0 .. options.Iterations - 1 ]
    |> List.scan next (Seq.toArray start.Blocks, zeros)
    |> List.map (fun (lambda, _) -> LocalParameters lambda)
