module GapLab.Tests.Inference.AmortizedTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Tests.Models.ModelFixtures

let private binary b d seed =
    Array.init b (fun i -> Array.init d (fun j -> float ((stream seed).At(i).Below(2, int64 j))))

let private small device output =
    let init = RandomStream(4UL, RandomPurpose.Initialization)
    let model = DenseModel(device, 2, [| 3 |], 4, Activation.Tanh, output, init.Fork 1UL)
    let family = FactorizedGaussian(device, 2)
    Vae(model, family, Amortized(family, device, 4, [| 3 |], Activation.Elu, init.Fork 2UL))

[<Test>]
let ``an encoder gives every block of λ its size, one row a datapoint`` () =
    use _scope = MemoryScope.Enter()
    let encoder = Amortized(FactorizedGaussian(cpu, 5), cpu, 12, [| 7; 6 |], Activation.Elu, stream 1UL)
    let lambda = encoder.Encode(observe cpu (binary 3 12 2UL))
    Assert.That(lambda.Count, equalTo 3)
    Assert.That([ for block in lambda.Blocks -> block.Shape ], equalTo [ Shape(3, 5); Shape(3, 5) ])
    Assert.That([ for p in encoder.Parameters -> p.Count ], equalTo [ 84; 7; 42; 6; 30; 5; 30; 5 ])
    Assert.That(encoder.Parameters.Names, Does.Contain "encoder.logVariance.weight")

[<Test>]
let ``an encoder without hidden layers is linear, and a datapoint's λ does not depend on its batch`` () =
    use _scope = MemoryScope.Enter()
    let encoder = Amortized(FactorizedGaussian(reference, 2), reference, 3, [||], Activation.Elu, stream 1UL)
    let rows = [| [| 1.0; 2.0; 3.0 |]; [| -1.0; 0.5; 2.0 |]; [| 0.0; 2.5; 5.0 |] |]
    let lambda = encoder.Encode(observe reference rows)
    let mean = lambda[0].ToArray()
    // The third row is the sum of the first two, and the biases start at zero.
    for j in 0..1 do
        Assert.That(mean[4 + j], within 1e-12 (mean[j] + mean[2 + j]))

    let one = encoder.Encode(observe reference [| rows[1] |])
    Assert.That(bits (one[0].ToArray()), equalTo (bits (mean[2..3])))

[<Test>]
let ``an encoder refuses data of another size`` () =
    let encoder = Amortized(FactorizedGaussian(cpu, 2), cpu, 3, [| 4 |], Activation.Elu, stream 1UL)
    let message = messageOf<ShapeException>(fun () -> encoder.Encode(observe cpu (binary 2 5 1UL)) |> ignore)
    Assert.That(message, Does.Contain("5").And.Contains("3"))

[<Test>]
let ``a VAE's parameters are the decoder's, the family's and the encoder's, under different names`` () =
    let vae = small cpu OutputKind.Gaussian
    Assert.That(vae.Parameters.Count, equalTo (vae.Model.Parameters.Count + vae.Inference.Parameters.Count))
    Assert.That(vae.ParameterNames.Count, equalTo vae.Parameters.Count)
    Assert.That(vae.ParameterNames, Is.Unique)

[<TestCase(OutputKind.Bernoulli, KlForm.Analytic)>]
[<TestCase(OutputKind.Bernoulli, KlForm.Sampled)>]
[<TestCase(OutputKind.Gaussian, KlForm.Analytic)>]
[<TestCase(OutputKind.Gaussian, KlForm.Sampled)>]
let ``the joint gradient is that of the batch mean, for every parameter`` (output: OutputKind, form: KlForm) =
    let vae = small reference output
    let x = observe reference (binary 3 4 5UL)
    let rule = JointGradient(2, form)
    let weights = ObjectiveWeights(1.0, 0.7, 0.9)
    let noise = stream 9UL

    let meanObjective () =
        use _scope = MemoryScope.Enter()
        let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, noise, 6).Final
        ElboObjective(vae.Model, vae.Family, x, Noise(x, noise, 2, 6), weights, form).Value(lambda).Mean().ToDouble()

    let gradients =
        use _scope = MemoryScope.Enter()
        let gradients = Array.zeroCreate vae.Parameters.Count
        let value = rule.Gradients(vae, x, noise, 6, weights, Span gradients)
        Assert.That(value.Shape, equalTo (Shape 3))
        Assert.That(Array.average (value.ToArray()), within 1e-12 (meanObjective ()))
        [| for g in gradients -> g.ToArray() |]

    for p, name, gradient in Seq.zip3 vae.Parameters vae.ParameterNames gradients do
        let values = p.ToArray()

        for i in 0 .. values.Length - 1 do
            let at offset =
                let moved = Array.mapi (fun j v -> if j = i then v + offset else v) values
                p.Assign(Tensor.Create(reference, p.Shape, ReadOnlySpan moved))
                meanObjective ()
            // Central differences: truncation of order h² = 1e-10, rounding of order 1e-16 / h.
            let h = 1e-5
            let numeric = (at h - at -h) / (2.0 * h)
            p.Assign(Tensor.Create(reference, p.Shape, ReadOnlySpan values))
            Assert.That(gradient[i], within (1e-7 * (1.0 + abs numeric)) numeric, $"{name}[{i}]")

[<Test>]
let ``rules tell apart what they do`` () =
    Assert.That(JointGradient().Name, Does.Contain("1 sample,").And.Contains("Analytic"))
    Assert.That(JointGradient(5, KlForm.Sampled).Name, Does.Contain("5 samples").And.Contains("Sampled"))
