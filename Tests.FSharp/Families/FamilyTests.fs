/// What holds of every family.
module GapLab.Tests.Families.FamilyTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Tests
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures

let private names = families |> List.map (fst >> box) |> List.toArray
let private make name = families |> List.find (fst >> (=) name) |> snd

[<TestCaseSource(nameof names)>]
let ``importance weights average to p(x), whatever the parameters`` (name: string) =
    // E_q[p(x, z) / q(z)], with log q the extended quantity for the flows, is p(x) exactly. The flows are mild ones: q must cover the posterior and,
    // where there is an auxiliary variable, r(v | z), or the mean is right and its standard error is not.
    use _scope = MemoryScope.Enter(record = false)
    let model = golden reference
    let x = observe reference [| [| 0.8 |] |]

    for seed in 1UL .. 5UL do
        let s = stream seed

        let family =
            match name with
            | "flow" ->
                AuxiliaryFlow(
                    reference,
                    1,
                    s,
                    hidden = [| 4 |],
                    scale = FlowScale.CentredSigmoid(),
                    standardAuxiliary = (seed % 2UL = 0UL)
                )
                |> perturbed s 0.05
                :> VariationalFamily
            | "IAF" ->
                InverseAutoregressiveFlow(reference, 1, s, hidden = [| 4 |]) |> perturbed s 0.2 :> VariationalFamily
            | _ -> make name reference 1 s

        let lambda =
            LocalParameters [| for block in family.LocalBlocks -> Tensor.Filled(reference, Shape(1, block.Size), 0.4) |]

        let q = family.Sample(lambda, model, Noise(x, stream 77UL, 40000))
        let w = (model.LogJoint(x, q.Latents) - q.LogDensity).ToArray()
        Checks.holds "q covers the posterior" (LogWeights.EffectiveSampleSize(ReadOnlySpan w) > 4000.0)
        agrees $"{name} {seed}" 1.0 (meanAndError (Array.map (fun v -> exp (v + 1.4570080265800647)) w))

[<TestCaseSource(nameof names)>]
let ``gradients of the ELBO with respect to λ and the shared parameters are those of finite differences``
    (name: string)
    =
    for seed in 1UL .. 6UL do
        let s = stream seed
        let n = 1 + s.Below(3, 40)
        let family = make name reference n s
        let model = DenseModel(reference, n, [| 4 |], 5, Activation.Tanh, OutputKind.Bernoulli, s)
        let x = observe reference (Array.init 2 (fun i -> Array.init 5 (fun j -> float (s.At(i).Below(2, int64 j)))))
        use _scope = MemoryScope.Enter()
        let noise = Noise(x, s, 3)
        let lambda = randomLambda family reference s 0.5 2
        let parameters = [| yield! lambda.Blocks; yield! family.Shared |]
        let gradients = Array.zeroCreate<Tensor> parameters.Length

        let value =
            ElboObjective(model, family, x, noise, ObjectiveWeights.EntropyAnnealing 0.7, KlForm.Analytic).Value lambda

        Gradient.Of(value, ReadOnlySpan parameters, Span gradients)

        for i in 0 .. parameters.Length - 1 do
            let objective (p: Tensor) =
                let moved = Array.mapi (fun k original -> if k = i then p else original) parameters
                let blocks = lambda.Blocks.Count
                let other = family.With(family.Shared.With(ReadOnlySpan moved[blocks..]))

                ElboObjective(model, other, x, noise, ObjectiveWeights.EntropyAnnealing 0.7, KlForm.Analytic)
                    .Value(LocalParameters moved[.. blocks - 1])
                    .Sum()

            Checks.close
                $"{name} {seed}, parameter {i}"
                1e-6
                (FiniteDifference.Gradient(objective, parameters[i]))
                (gradients[i].ToArray())

[<TestCaseSource(nameof names)>]
let ``the fast device agrees with the reference`` (name: string) =
    for seed in 1UL .. 5UL do
        use _scope = MemoryScope.Enter()
        let n = 5

        let sample (device: Device) =
            let family = make name device n (stream seed)
            let lambda = randomLambda family device (stream 100UL) 0.5 3
            let x = observe device (Array.replicate 3 [| 0.0 |])
            let q = family.Sample(lambda, golden device, Noise(x, stream seed, 7))
            q.Latents[0].ToArray(), q.LogDensity.ToArray()

        let z, logQ = sample reference
        let fastZ, fastLogQ = sample cpu
        Checks.close "z" 1e-4 z fastZ
        Checks.close "log q" 1e-4 logQ fastLogQ

[<TestCaseSource(nameof names)>]
let ``training an encoder with the family raises the ELBO, shared parameters included`` (name: string) =
    let n, d, count = 2, 6, 40
    let s = stream 5UL

    let rows =
        Array.init count (fun i -> Array.init d (fun j -> if s.At(i).Below(3, int64 (j % 2)) > 0 then 1.0 else 0.0))

    let model = DenseModel(cpu, n, [| 8 |], d, Activation.Tanh, OutputKind.Bernoulli, s.Fork 1UL)
    let family = make name cpu n (stream 2UL)
    let before = bitsOf family.Shared
    let vae = Vae(model, family, Amortized(family, cpu, d, [| 8 |], Activation.Elu, s.Fork 2UL))
    let x = observe cpu rows
    let adam = Adam(vae.Parameters, AdamOptions(LearningRate = 1e-2))

    let values =
        [ for step in 0..299 ->
              use _scope = MemoryScope.Enter()
              let gradients = Array.zeroCreate<Tensor> vae.Parameters.Count
              let value = JointGradient().Gradients(vae, x, s, step, ObjectiveWeights.Elbo, Span gradients)
              adam.Ascend(ReadOnlySpan gradients)
              value.Mean().ToDouble() ]

    Checks.holds "a better ELBO" (List.averageBy id values[280..] > List.averageBy id values[..19] + 0.2)

    Array.iter2
        (fun (b: int64[]) (p: Tensor) -> Checks.holds "every network moved" (b <> bits (p.ToArray())))
        before
        (Seq.toArray family.Shared)

[<Test>]
let ``command lines can name every family`` () =
    let context = FamilyContext(correlated cpu, stream 1UL)

    for name, expected in
        [ "ffg", typeof<FactorizedGaussian>
          "full-covariance", typeof<FullCovariance>
          "flow", typeof<AuxiliaryFlow>
          "iaf", typeof<InverseAutoregressiveFlow> ] do
        Checks.equal expected.Name ((GapLab.Workbench.Parts.family name).Build(context).GetType().Name)
