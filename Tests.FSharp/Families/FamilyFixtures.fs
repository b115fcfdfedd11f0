/// Families with shared parameters at random values, and what their tests share.
module GapLab.Tests.Families.FamilyFixtures

open System
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Objectives
open GapLab.Tests.Models.ModelFixtures

let normals (device: Device) (s: RandomStream) scale (sizes: int[]) =
    Tensor.Create(device, Shape sizes, Array.init (Array.fold (*) 1 sizes) (fun i -> scale * s.Normal(int64 i)))

/// Shrinks all shared parameters and moves them by random numbers: biases start at zero, and nothing should be special. What is left is small enough
/// for compositions of several steps to stay in the range where finite differences mean something.
let perturbed (s: RandomStream) scale (family: #VariationalFamily) =
    use _scope = MemoryScope.Enter(record = false)

    family.Shared
    |> Seq.iteri (fun i p -> p.Assign(0.3 * p + normals p.Device (s.At(1000 + i)) scale (p.Shape.Span.ToArray())))

    family

let scales =
    [ FlowScale.Sigmoid()
      FlowScale.Sigmoid 2.0
      FlowScale.CentredSigmoid()
      FlowScale.Exponential
      FlowScale.Bounded() ]

/// A small flow with an auxiliary variable: its steps, hidden layers, scale and q(v0) follow from the stream.
let randomFlow device size (s: RandomStream) =
    let hidden = Array.init (s.Below(3, 0)) (fun i -> 1 + s.Below(6, int64 (10 + i)))

    AuxiliaryFlow(
        device,
        size,
        s,
        steps = s.Below(4, 1),
        hidden = hidden,
        activation = (if s.Below(2, 2) = 0 then Activation.Elu else Activation.Tanh),
        scale = scales[s.Below(scales.Length, 3)],
        standardAuxiliary = (s.Below(2, 4) = 0)
    )
    |> perturbed s 0.1

/// A small inverse autoregressive flow, likewise.
let randomIaf device size (s: RandomStream) =
    InverseAutoregressiveFlow(
        device,
        size,
        s,
        steps = s.Below(4, 1),
        hidden = Array.init (1 + s.Below(2, 0)) (fun i -> size + s.Below(6, int64 (10 + i))),
        activation = (if s.Below(2, 2) = 0 then Activation.Elu else Activation.Tanh),
        scale = scales[s.Below(scales.Length, 3)],
        hasContext = (s.Below(2, 4) = 0)
    )
    |> perturbed s 0.1

/// All families by name, made for a latent size from a stream.
let families: (string * (Device -> int -> RandomStream -> VariationalFamily)) list =
    [ "FFG", (fun device size _ -> FactorizedGaussian(device, size))
      "full covariance", (fun device size _ -> FullCovariance(device, size))
      "flow", (fun device size s -> randomFlow device size s)
      "IAF", (fun device size s -> randomIaf device size s) ]

/// λ of random numbers.
let randomLambda (family: VariationalFamily) device (s: RandomStream) scale count =
    LocalParameters
        [| for i, block in Seq.indexed family.LocalBlocks ->
               normals device (s.At(2000 + i)) scale [| count; block.Size |] |]

/// The matrix of ∂f_i/∂x_j by central differences.
let jacobian (f: float[] -> float[]) (x: float[]) =
    let h = 1e-5

    let columns =
        [ for j in 0 .. x.Length - 1 ->
              let at step = f (Array.mapi (fun i v -> if i = j then v + step else v) x)
              Array.map2 (fun above below -> (above - below) / (2.0 * h)) (at h) (at -h) ]

    Matrix<float>.Build.DenseOfColumns(Seq.map Seq.ofArray columns)

/// The ELBO of a batch, with the sampled form.
let sampledElbo model family x noise lambda =
    ElboObjective(model, family, x, noise, ObjectiveWeights.Elbo, KlForm.Sampled).Value lambda
