module GapLab.Tests.Families.InverseAutoregressiveFlowTests

open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Families
open GapLab.Tests
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures

/// z_T and log|det| of one point.
let private forward (flow: InverseAutoregressiveFlow) (lambda: float[][]) (z: float[]) =
    use _scope = MemoryScope.Enter(record = false)
    let point = Tensor.Create(reference, Shape(1, 1, z.Length), z)
    let local = LocalParameters [| for block in lambda -> matrixOf reference [| block |] |]
    let struct (zT, logDet) = flow.Forward(point, local)
    zT.ToArray(), logDet.ToDouble()

let private randomBlocks (flow: VariationalFamily) (s: RandomStream) =
    [| for i, block in Seq.indexed flow.LocalBlocks -> Array.init block.Size (fun j -> s.At(50 + i).Normal(int64 j)) |]

[<Property(MaxTest = 40)>]
let ``log|det| is that of the numeric Jacobian`` (seed: uint64) =
    let s = stream seed
    let n = 1 + s.Below(5, 20)
    let flow = randomIaf reference n s
    let lambda = randomBlocks flow s
    let z = Array.init n (fun i -> s.At(30).Normal(int64 i))
    let numeric = jacobian (forward flow lambda >> fst) z
    Checks.near 1e-6 (log (abs (numeric.Determinant()))) (snd (forward flow lambda z))

[<TestCase(1, true)>]
[<TestCase(1, false)>]
[<TestCase(2, true)>]
[<TestCase(2, false)>]
let ``a step's shift and scale of a component depend on all components before it and on no other`` steps hasContext =
    let n = 5

    // Of two steps the first is made the identity, which leaves the reversed order of the second.
    let flow =
        InverseAutoregressiveFlow(
            reference,
            n,
            stream 3UL,
            steps = steps,
            hidden = [| 11; 9 |],
            activation = Activation.Tanh,
            hasContext = hasContext
        )
        |> perturbed (stream 4UL) 0.5

    if steps = 2 then
        for name, value in Seq.zip flow.Shared.Names flow.Shared do
            if name.StartsWith "iaf.0.s" then
                value.Assign(Tensor.Filled(reference, value.Shape, 0.0))

    let lambda = randomBlocks flow (stream 5UL)
    let numeric = jacobian (forward flow lambda >> fst) (Array.init n (fun i -> (stream 6UL).Normal(int64 i)))

    for i in 0 .. n - 1 do
        for j in 0 .. n - 1 do
            let isBefore = if steps = 1 then j < i else j > i

            if isBefore then
                Checks.holds $"component {i} sees {j}" (abs numeric[i, j] > 1e-6)
            elif i <> j then
                // Not even rounding: what is masked is not there.
                Checks.equalFor $"component {i} from {j}" 0.0 numeric[i, j]

[<Test>]
let ``every component sees the context`` () =
    let n = 4

    let flow =
        InverseAutoregressiveFlow(reference, n, stream 3UL, steps = 1, hidden = [| 8 |]) |> perturbed (stream 4UL) 0.5

    let lambda = randomBlocks flow (stream 5UL)
    let z = Array.init n (fun i -> (stream 6UL).Normal(int64 i))
    let ofContext h = forward flow [| lambda[0]; lambda[1]; h |] z |> fst
    let numeric = jacobian ofContext lambda[2]

    for i in 0 .. n - 1 do
        Checks.holds $"component {i}" (numeric.Row(i).AbsoluteMaximum() > 1e-6)

[<Test>]
let ``a network without hidden layers is refused`` () =
    Checks.throws<GapLabException> [ "0 hidden layers" ] (fun () ->
        InverseAutoregressiveFlow(cpu, 3, stream 1UL, hidden = [||]) |> ignore)
