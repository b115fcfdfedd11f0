module GapLab.Tests.Inference.HierarchicalEncoderTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Checks

let private layers = [| LevelLayers([| 4 |], 2); LevelLayers [| 3 |] |]
let private rows = Array.init 6 (fun i -> Array.init 5 (fun j -> float ((i * 3 + j * 5 + i * j) % 2)))

let private encoder device (family: VariationalFamily) highway batchNormalization =
    HierarchicalEncoder(
        family,
        device,
        5,
        layers,
        Activation.Tanh,
        stream 3UL,
        highway = highway,
        batchNormalization = batchNormalization
    )

/// The encoder needs no model.
let private infer (method: InferenceMethod) (family: VariationalFamily) x =
    use _scope = MemoryScope.Enter(record = false)
    [ for block in method.Infer(null, family, x, stream 1UL, 0).Final.Blocks -> block.ToArray() ]

[<Test>]
let ``each level reads the deterministic units and the means of the one below`` () =
    let family = FactorizedGaussian(reference, 2, 1)
    let method = encoder reference family false false
    perturb (stream 5UL) 0.2 method.Parameters

    let parameter name =
        let p = method.Parameters[Seq.findIndex ((=) name) method.Parameters.Names]
        p.ToArray()

    let linear name (x: float[]) =
        let w, b = parameter $"{name}.weight", parameter $"{name}.bias"
        b |> Array.mapi (fun i bi -> bi + (Seq.sum (Seq.mapi (fun j xj -> w[i * x.Length + j] * xj) x)))

    let features = linear "encoder.level0.0" rows[1] |> Array.map tanh
    let mean = linear "encoder.level0.mean" features

    let above =
        Array.append (linear "encoder.level0.deterministic" features) mean
        |> linear "encoder.level1.0"
        |> Array.map tanh

    let found = infer method family (observe reference [| rows[1] |])
    close "μ_1" 1e-13 mean found[0]
    close "log σ_1²" 1e-13 (linear "encoder.level0.logVariance" features) found[1]
    close "μ_2" 1e-13 (linear "encoder.level1.mean.1" above) found[2]
    close "log σ_2²" 1e-13 (linear "encoder.level1.logVariance.1" above) found[3]

[<Test>]
let ``a datapoint's λ does not depend on its batch, but in training with batch normalisation`` () =
    for highway in [ false; true ] do
        for normalised in [ false; true ] do
            let family = LadderGaussian(cpu, 2, 1)
            let method = encoder cpu family highway normalised
            let x = observe cpu rows
            let together = infer method family x

            for i in 0..5 do
                for block, own in List.zip together (infer method family (x.Select(ReadOnlySpan [| i |]))) do
                    equal (bits block[i * own.Length .. (i + 1) * own.Length - 1]) (bits own)

            equalFor "training changes it" normalised (infer (method.InTraining()) family x <> together)

[<Test>]
let ``training raises the ELBO with both families`` () =
    let hierarchy =
        { Sizes = [| 2; 1 |]
          Layers = layers
          DataSize = 5
          Activation = Activation.Elu
          Output = OutputKind.Bernoulli
          Highway = true
          BatchNormalization = true
          ConstantVariances = false }

    for kind in 0..1 do
        let model = hierarchy.On cpu
        let family = (levelFamilies model).[kind]
        let vae = Vae(model, family, encoder cpu family true true).InTraining()
        let x = observe cpu rows
        let adam = Adam(vae.Parameters, AdamOptions(LearningRate = 1e-2))

        let values =
            [ for step in 0..399 ->
                  use _scope = MemoryScope.Enter()
                  let gradients = Array.zeroCreate<Tensor> vae.Parameters.Count

                  let value =
                      JointGradient(4).Gradients(vae, x, stream 5UL, step, ObjectiveWeights.Elbo, Span gradients)

                  adam.Ascend(ReadOnlySpan gradients)
                  value.Mean().ToDouble() ]

        let first, last = List.average values[..19], List.average values[380..]
        holds $"{family.Name}: {last} exceeds {first}" (last > first + 0.3)

[<Test>]
let ``the choice of an encoder builds it for the family's levels`` () =
    let choice = HierarchicalEncoder.Choice(layers, Activation.Elu, highway = true)
    let model = HierarchicalModel.Choice([| 2; 1 |], layers, Activation.Elu, OutputKind.Bernoulli)
    let model = model.Build(ModelContext(cpu, 5, stream 1UL))

    for family in [ FactorizedGaussian.Choice(); LadderGaussian.Choice() ] do
        let family = family.Build(FamilyContext(model, stream 2UL))
        let built = choice.Build(InferenceContext(model, family, 5, stream 3UL))
        equal "bottom-up 5-4-[2+2+2]-3-[1+1] Elu, highway" built.Name
        equal [ 12; 12; 6; 6 ] [ for block in infer built family (observe cpu rows) -> block.Length ]

[<Test>]
let ``layers for other levels and families without means are refused`` () =
    let make (family: VariationalFamily) =
        HierarchicalEncoder(family, cpu, 5, layers, Activation.Elu, stream 1UL) |> ignore

    throws<ShapeException> [ "HierarchicalEncoder"; "1 latent levels"; "2" ] (fun () ->
        make (FactorizedGaussian(cpu, 2)))

    let nameless =
        { new VariationalFamily(ParameterSet cpu) with
            member _.Name = "nameless"
            member _.LocalBlocks = [| LocalBlock("a", 1); LocalBlock("b", 1, 1) |]
            member _.Sample(_, _, _) = failwith "not used"
            member _.InitialLocalParameters _ = failwith "not used" }

    throws<GapLabException> [ "nameless"; "no block of means"; "level 0" ] (fun () -> make nameless)
