module GapLab.Tests.Families.AuxiliaryFlowTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Tests
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures

let private vectors device (s: RandomStream) sizes = normals device s 0.5 sizes

[<Property(MaxTest = 40)>]
let ``log|det| is that of the numeric Jacobian of (z, v)`` (seed: uint64) =
    let s = stream seed
    let n = 1 + s.Below(3, 20)
    let flow = randomFlow reference n s

    let forward (zv: float[]) =
        use _scope = MemoryScope.Enter(record = false)
        let z, v = matrixOf reference [| zv[.. n - 1] |], matrixOf reference [| zv[n..] |]
        let struct (z', v', logDet) = flow.Forward(z, v)
        Array.append (z'.ToArray()) (v'.ToArray()), logDet.ToDouble()

    let at = Array.init (2 * n) (fun i -> s.At(30).Normal(int64 i))
    let numeric = jacobian (forward >> fst) at
    Checks.near 1e-6 (log (abs (numeric.Determinant()))) (snd (forward at))

[<Property(MaxTest = 40)>]
let ``the inverse undoes the flow, with the same log|det|`` (seed: uint64) =
    use _scope = MemoryScope.Enter()
    let s = stream seed
    let n = 1 + s.Below(4, 20)
    let flow = randomFlow reference n s
    let z, v = vectors reference (s.At 31) [| 2; 3; n |], vectors reference (s.At 32) [| 2; 3; n |]
    let struct (zT, vT, logDet) = flow.Forward(z, v)
    let struct (z0, v0, inverseLogDet) = flow.Inverse(zT, vT)
    Checks.close "z" 1e-9 (z.ToArray()) (z0.ToArray())
    Checks.close "v" 1e-9 (v.ToArray()) (v0.ToArray())
    Checks.close "log|det|" 1e-9 (logDet.ToArray()) (inverseLogDet.ToArray())

[<Test>]
let ``the networks of q(v | z) and r(v | z) may have layers of their own`` () =
    let weights (flow: AuxiliaryFlow) =
        [ for name, value in Seq.zip flow.Shared.Names flow.Shared do
              if name.EndsWith "0.weight" then
                  name.Split('.')[0], value.Shape[0] ]
        |> List.distinct

    Checks.equal
        [ "flow", 7; "auxiliary", 4; "reverse", 4 ]
        (weights (AuxiliaryFlow(cpu, 2, stream 1UL, 2, [| 7 |], conditionalHidden = [| 4; 5 |])))

    Checks.equal
        [ "flow", 7; "reverse", 7 ]
        (weights (AuxiliaryFlow(cpu, 2, stream 1UL, 2, [| 7 |], standardAuxiliary = true)))

[<TestCase(true, true)>]
[<TestCase(true, false)>]
[<TestCase(false, true)>]
[<TestCase(false, false)>]
let ``a flow that starts at the identity has the ELBO of the factorised Gaussian`` onReference standardAuxiliary =
    use _scope = MemoryScope.Enter()
    let device, tolerance = if onReference then reference, 1e-12 else cpu, 1e-6
    let model = correlated device
    let x = observe device (Array.init 3 (fun i -> Array.init 4 (fun j -> (stream 9UL).At(i).Normal(int64 j))))
    let noise = Noise(x, stream 2UL, 20)

    for scale in
        [ FlowScale.CentredSigmoid(); FlowScale.CentredSigmoid 0.5; FlowScale.Exponential; FlowScale.Bounded() ] do
        let flow =
            AuxiliaryFlow(
                device,
                3,
                stream 4UL,
                steps = 3,
                hidden = [| 8 |],
                scale = scale,
                standardAuxiliary = standardAuxiliary,
                startsAtIdentity = true
            )

        let ffg = FactorizedGaussian(device, 3)
        let lambda = randomLambda ffg device (stream 5UL) 0.8 3
        let expected = (sampledElbo model ffg x noise lambda).ToArray()
        Checks.close scale.Name tolerance expected ((sampledElbo model flow x noise lambda).ToArray())

[<Test>]
let ``the identity needs a scale that is 1 for outputs of zero, and steps are not negative`` () =
    Checks.throws<GapLabException> [ "sigmoid"; "identity" ] (fun () ->
        AuxiliaryFlow(cpu, 2, stream 1UL, startsAtIdentity = true) |> ignore)

    Checks.throws<GapLabException> [ "positive"; "0" ] (fun () -> FlowScale.Bounded 0.0 |> ignore)
    Checks.throws<GapLabException> [ "-1 steps" ] (fun () -> AuxiliaryFlow(cpu, 2, stream 1UL, steps = -1) |> ignore)

[<Test>]
let ``scales are the functions that they are called`` () =
    use _scope = MemoryScope.Enter()
    let sigmoid a = 1.0 / (1.0 + exp -a)

    for scale, expected in
        [ FlowScale.Sigmoid(), sigmoid
          FlowScale.Sigmoid 2.0, (fun a -> sigmoid (a + 2.0))
          FlowScale.CentredSigmoid(), (fun a -> sigmoid (a + 2.0) / sigmoid 2.0)
          FlowScale.CentredSigmoid -1.0, (fun a -> sigmoid (a - 1.0) / sigmoid -1.0)
          FlowScale.Exponential, exp
          FlowScale.Bounded 1.5, (fun a -> exp (1.5 * tanh (a / 1.5))) ] do
        let a = [| -30.0; -2.0; 0.0; 0.7; 30.0 |]
        let found = (scale.Log(matrixOf reference [| a |])).ToArray()
        Checks.close $"{scale.Name} {scale.Parameter}" 1e-12 (Array.map (expected >> log) a) found

[<Test>]
let ``the marginal density integrates to 1 over the plane`` () =
    use _scope = MemoryScope.Enter(record = false)
    let half, points, k = 7.0, 71, 200
    let step = 2.0 * half / float (points - 1)

    let grid =
        [| for i in 0 .. points - 1 do
               for j in 0 .. points - 1 do
                   -half + step * float i
                   -half + step * float j |]

    for standardAuxiliary in [ true; false ] do
        let flow =
            AuxiliaryFlow(
                reference,
                2,
                stream 3UL,
                hidden = [| 6 |],
                scale = FlowScale.CentredSigmoid(),
                standardAuxiliary = standardAuxiliary
            )
            |> perturbed (stream 8UL) 0.1

        let lambda = sameLambda reference 1 [| 0.3; -0.4 |] [| 0.8; 1.3 |]
        let z = Tensor.Create(reference, Shape(1, points * points, 2), ReadOnlySpan grid)

        let logQ = flow.LogMarginal(lambda, z, Noise(observe reference [| [| 0.0 |] |], stream 7UL, k)).ToArray()

        // The Monte-Carlo errors of the 5,041 points are independent.
        Checks.near 1e-2 1.0 (step * step * Array.sumBy exp logQ)

[<Test>]
let ``the marginal density of the identity is the normal density`` () =
    use _scope = MemoryScope.Enter(record = false)
    let scale = FlowScale.CentredSigmoid()
    let flow = AuxiliaryFlow(reference, 3, stream 3UL, hidden = [| 5 |], scale = scale, startsAtIdentity = true)
    let lambda = randomLambda flow reference (stream 4UL) 0.6 2
    let z = vectors reference (stream 5UL) [| 2; 4; 3 |]
    let found = flow.LogMarginal(lambda, z, Noise(repeated reference 2 [| 0.0 |], stream 6UL, 3)).ToArray()
    let q = DiagonalGaussian(lambda[0].Reshape(2, 1, 3), lambda[1].Reshape(2, 1, 3))
    Checks.close "log q" 1e-12 (q.LogProb(z).ToArray()) found

[<Test>]
let ``the paper's flow has 212,700 parameters for one datapoint`` () =
    let flow = AuxiliaryFlow(cpu, 50, stream 1UL)

    Checks.equal
        212700L
        (flow.Shared.NumberCount + int64 (Seq.sumBy (fun (block: LocalBlock) -> block.Size) flow.LocalBlocks))

[<Test>]
let ``choices that differ in any setting have different descriptions`` () =
    let all =
        [ AuxiliaryFlow.Choice()
          AuxiliaryFlow.Choice(steps = 4)
          AuxiliaryFlow.Choice(hidden = [| 50 |])
          AuxiliaryFlow.Choice(activation = Activation.Tanh)
          AuxiliaryFlow.Choice(scale = FlowScale.Sigmoid 2.0)
          AuxiliaryFlow.Choice(scale = FlowScale.CentredSigmoid())
          AuxiliaryFlow.Choice(scale = FlowScale.Exponential)
          AuxiliaryFlow.Choice(scale = FlowScale.Bounded())
          AuxiliaryFlow.Choice(standardAuxiliary = true)
          AuxiliaryFlow.Choice(scale = FlowScale.Exponential, startsAtIdentity = true)
          InverseAutoregressiveFlow.Choice()
          InverseAutoregressiveFlow.Choice(hasContext = false)
          FullCovariance.Choice() ]

    Checks.equal
        all.Length
        (all |> List.map (fun choice -> choice.ToJson().ToJsonString()) |> List.distinct |> List.length)

    let context = FamilyContext(correlated cpu, stream 1UL)
    let sizes (family: VariationalFamily) = [ for block in family.LocalBlocks -> block.Size ]
    Checks.equal [ 3; 3 ] (sizes (all[0].Build context))
    Checks.equal [ 3; 3; 3 ] (sizes (all[10].Build context))
    Checks.equal [ 3; 3; 9 ] (sizes (all[12].Build context))
