/// What the tests of derivatives share: random operands on the reference device, and the tape against central differences.
module GapLab.Tests.Differentiation.DerivativeChecks

open System
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let device = ReferenceDevice.Instance

/// Longer versions run when GAPLAB_SOAK=1.
let soak = Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1"

/// An operand: sizes and numbers.
type Operand = { Sizes: int[]; Values: float[] }

/// Numbers of magnitude 0.3 to 1.7 and either sign: away from kinks, poles and overflow.
let operand (random: Random) (sizes: int[]) =
    let number _ = (0.3 + 1.4 * random.NextDouble()) * (if random.Next 2 = 0 then -1.0 else 1.0)
    { Sizes = sizes; Values = Array.init (Array.fold (*) 1 sizes) number }

let positive operand = { operand with Values = Array.map abs operand.Values }

let tensor operand = Tensor.Create(device, Shape operand.Sizes, operand.Values)

let private withValues (operands: Operand[]) i (x: Tensor) =
    operands |> Array.mapi (fun j o -> if j = i then x else tensor o)

/// Σ weights · y for fixed weights of y's shape that depend on the seed.
let private weights seed (y: Tensor) = tensor (operand (Random(seed: int)) (y.Shape.Span.ToArray()))

let private gradientsOf y (wanted: Tensor[]) seed createGraph =
    let gradients = Array.zeroCreate<Tensor> wanted.Length
    Gradient.Of(y, wanted, gradients, seed, createGraph)
    gradients

/// The tolerance for derivatives by central differences on float64: their error is about 1e-8 at most for the operands above.
let tolerance = 1e-6

/// Holds every gradient of Σ weights · f to central differences.
let checkGradients name (f: Tensor[] -> Tensor) (operands: Operand[]) =
    use scope = MemoryScope.Enter()
    let inputs = Array.map tensor operands
    let y = f inputs
    let gradients = gradientsOf y inputs (weights 1 y) false

    for i in 0 .. operands.Length - 1 do
        let differences =
            FiniteDifference.Gradient(
                (fun x -> let y = f (withValues operands i x) in (y * weights 1 y).Sum()),
                tensor operands[i]
            )

        equalFor $"{name}: shape of gradient {i}" (Shape operands[i].Sizes) gradients[i].Shape
        close $"{name}: gradient {i}" tolerance differences (gradients[i].ToArray())

/// Holds every gradient of Σ_i u_i · ∂(Σ weights · f)/∂x_i, of x and of the weights, to central differences of the gradients.
let checkSecondDerivatives name (f: Tensor[] -> Tensor) (operands: Operand[]) =
    let directional createGraph (inputs: Tensor[]) =
        let y = f inputs
        let seed = weights 1 y
        let gradients = gradientsOf y inputs seed createGraph
        let terms = gradients |> Array.mapi (fun i g -> (g * weights (i + 2) g).Sum())
        Array.reduce (fun a b -> a + b) terms, seed

    use scope = MemoryScope.Enter()
    let inputs = Array.map tensor operands
    let value, seed = directional true inputs
    let second = gradientsOf value (Array.append inputs [| seed |]) (Tensor()) false

    for i in 0 .. operands.Length - 1 do
        let differences =
            FiniteDifference.Gradient((fun x -> fst (directional false (withValues operands i x))), tensor operands[i])

        close $"{name}: second derivative {i}" tolerance differences (second[i].ToArray())

    // Σ u · Jᵀ w is linear in w, with the gradient J u: the derivative of f along u.
    let h = 1e-5

    let along sign =
        operands |> Array.mapi (fun i o -> tensor o + sign * h * weights (i + 2) inputs[i]) |> f |> _.ToArray()

    let forward = Array.map2 (fun p m -> (p - m) / (2.0 * h)) (along 1.0) (along -1.0)
    close $"{name}: derivative along a direction" tolerance forward (second[operands.Length].ToArray())
