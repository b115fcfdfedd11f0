module GapLab.Tests.Models.GenerativeModelTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures

let private dense device output seed = DenseModel(device, 2, [| 3; 4 |], 5, Activation.Tanh, output, stream seed)

/// z [B, S, n] of normals.
let private latents device (b: int) (s: int) (n: int) seed =
    Latents [| Tensor.Normal(device, stream seed, ReadOnlySpan [| 0 .. b - 1 |], 0, 0, Shape(s, n)) |]

let private binary b d seed =
    Array.init b (fun i -> Array.init d (fun j -> float ((stream seed).At(i).Below(2, int64 j))))

[<Property(MaxTest = 50)>]
let ``the joint log-density of a linear-Gaussian model is the dense one, for every datapoint and sample``
    (seed: uint64)
    =
    let m = randomModel seed
    use _scope = MemoryScope.Enter()
    let n, d = Array2D.length2 m.Weight, m.X.Length
    let rows = [| m.X; Array.map ((*) -0.5) m.X |]
    let z = latents reference 2 3 n seed
    let obtained = ((m.On reference).LogJoint(observe reference rows, z)).ToArray()
    let zs = z[0].ToArray()

    Seq.forall
        (fun k ->
            let x, z = rows[k / 3], zs[k * n .. k * n + n - 1]
            let residual i = x[i] - m.Bias[i] - Seq.sum (Seq.mapi (fun j zj -> m.Weight[i, j] * zj) z)

            let output =
                Seq.sumBy (fun i -> residual i ** 2.0 / m.Noise + log (2.0 * Math.PI * m.Noise)) [ 0 .. d - 1 ]

            let prior = Array.sumBy (fun zj -> zj * zj + log (2.0 * Math.PI)) z
            abs (obtained[k] + 0.5 * (output + prior)) < 1e-10 * (1.0 + abs obtained[k]))
        [ 0..5 ]

[<Test>]
let ``a decoder's likelihood does not depend on the batch or the number of samples`` () =
    use _scope = MemoryScope.Enter()
    let model = dense cpu OutputKind.Bernoulli 3UL
    let rows, z = binary 4 5 8UL, latents cpu 4 6 2 9UL
    let all = model.LogLikelihood(observe cpu rows, z).ToArray()

    for i in 0..3 do
        let zi = z[0].ToArray()[i * 12 .. i * 12 + 11]

        let one =
            model.LogLikelihood(
                observe cpu [| rows[i] |],
                Latents [| Tensor.Create(cpu, Shape(1, 6, 2), ReadOnlySpan zi) |]
            )

        Assert.That(bits (one.ToArray()), equalTo (bits all[i * 6 .. i * 6 + 5]))

[<Test>]
let ``a model computes in float32 on the CPU what it computes in float64 on the reference device`` () =
    use _scope = MemoryScope.Enter()

    for kind in [ OutputKind.Bernoulli; OutputKind.Gaussian ] do
        let on device =
            let model = dense device kind 3UL
            Assert.That(model.Name, Does.StartWith("2-3-4-5"))
            // The same weights rounded to float32, as both were drawn in float32.
            model.LogJoint(observe device (binary 4 5 8UL), latents device 4 6 2 9UL).ToArray()
        // Terms of size up to 10 with relative errors of a few 2^-24.
        Assert.That(on cpu, near 2e-5 (on reference))

[<Test>]
let ``With changes the values a model computes with, and leaves the model as it was`` () =
    use _scope = MemoryScope.Enter()
    let model = dense reference OutputKind.Bernoulli 3UL
    let x, z = observe reference (binary 2 5 8UL), latents reference 2 3 2 9UL
    let before = model.LogLikelihood(x, z).ToArray()
    let zeros = [| for p in model.Parameters -> Tensor.Filled(reference, p.Shape, 0.0) |]
    let blank = model.With(model.Parameters.With(ReadOnlySpan zeros))
    // All logits zero: every pixel costs log 2.
    Assert.That(blank.LogLikelihood(x, z).ToArray(), Is.All.EqualTo(-5.0 * log 2.0).Within 1e-12)
    Assert.That(model.LogLikelihood(x, z).ToArray(), equalTo before)

[<Test>]
let ``samples of the prior are the standard normals of the noise`` () =
    use _scope = MemoryScope.Enter()
    let model = golden reference
    let noise = Noise(repeated reference 40 [| 0.0 |], stream 5UL, 1000)
    let prior = model.SamplePrior noise
    let z = prior[0].ToArray()
    Assert.That(z.Length, equalTo 40000)
    agrees "mean" 0.0 (meanAndError z)
    agrees "second moment" 1.0 (meanAndError (Array.map (fun v -> v * v) z))

[<Test>]
let ``data of another size are refused`` () =
    use _scope = MemoryScope.Enter()
    let model = dense reference OutputKind.Bernoulli 3UL

    let message =
        messageOf<ShapeException>(fun () ->
            model.LogLikelihood(observe reference (binary 2 4 1UL), latents reference 2 3 2 9UL) |> ignore)

    Assert.That(message, Does.Contain "5")
