module GapLab.Tests.Bounds.SimulatedDataTests

open System
open NUnit.Framework
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Bounds
open GapLab.Models
open GapLab.Networks
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures

/// The rows of a batch.
let private rowsOf (x: Observations) =
    let values = (x :?> DenseObservations).Values
    Array.chunkBySize values.Shape[1] (values.ToArray())

/// A batch of zeros under given indices.
let private like device (indices: int[]) size = observeAs device indices [| for _ in indices -> Array.zeroCreate size |]

let private decoder output = DenseModel(cpu, 3, [| 9 |], 5, Activation.Elu, output, stream 2UL)

[<Test>]
let ``a simulated datapoint depends on its index alone`` () =
    for output in [ OutputKind.Bernoulli; OutputKind.Gaussian ] do
        let model = decoder output

        let draw (x: Observations) seed =
            let data = SimulatedData.Draw(model, x, stream seed)

            rowsOf data.Observations,
            data.Latents[0].ToArray() |> Array.chunkBySize 3,
            data.Observations.Indices.ToArray()

        let x, z, indices = draw (like cpu [| 0..9 |] 5) 1UL
        equal [| 0..9 |] indices
        equal 10 (Array.distinct z).Length
        let few = [| 7; 2; 7 |]
        // Neither the other datapoints nor what the batch holds matters.
        let other = observeAs cpu few [| for i in few -> Array.create 5 (float i) |]
        equal ([| for i in few -> x[i] |], [| for i in few -> z[i] |], few) (draw other 1UL)
        let x', z', _ = draw (like cpu [| 0..9 |] 5) 2UL
        holds "another seed gives other data" (x' <> x && z' <> z)

[<Test>]
let ``binary data are zeros and ones`` () =
    let data = SimulatedData.Draw(decoder OutputKind.Bernoulli, like cpu [| 0..49 |] 5, stream 1UL)
    let values = Array.concat (rowsOf data.Observations)
    equal [| 0.0; 1.0 |] (Array.sort (Array.distinct values))

[<Test>]
let ``data simulated from the linear-Gaussian model have its distribution`` () =
    let model, count = correlated reference, repetitions 2000 50000
    let data = SimulatedData.Draw(model, like reference [| 0 .. count - 1 |] 4, stream 3UL)
    let x, z = rowsOf data.Observations, data.Latents[0].ToArray() |> Array.chunkBySize 3
    // E[log p(x)] of a Gaussian: -½ (D (1 + log 2π) + log det Σ).
    let w = array2D [ [ 1.0; 0.8; 0.1 ]; [ 0.9; 1.1; -0.3 ]; [ -0.2; 0.5; 0.7 ]; [ 0.4; -0.6; 1.2 ] ]
    let weight = Matrix<float>.Build.DenseOfArray w
    let sigma = weight * weight.Transpose() + 0.6 * Matrix<float>.Build.DenseIdentity 4
    let entropy = 0.5 * (4.0 * (1.0 + log (2.0 * Math.PI)) + log (sigma.Determinant()))
    agrees "E[log p(x)]" -entropy (meanAndError (Array.map model.LogMarginal x))
    // The residual x - b - W z is independent noise of variance 0.6.
    let bias = Vector<float>.Build.DenseOfArray [| 0.3; -0.2; 0.1; 0.5 |]

    let residual =
        Array.map2
            (fun (x: float[]) (z: float[]) ->
                Vector<float>.Build.DenseOfArray x - bias - weight * Vector<float>.Build.DenseOfArray z)
            x
            z

    agrees "noise" 0.0 (meanAndError (Array.map (fun (r: Vector<float>) -> r.Sum() / 4.0) residual))
    agrees "variance" 0.6 (meanAndError (Array.map (fun (r: Vector<float>) -> r.DotProduct r / 4.0) residual))

/// A model whose output depends on the data that came before.
type private Sequential() =
    inherit GenerativeModel(ParameterSet reference)
    override _.Name = "sequential"
    override _.LatentSizes = [| 2 |]
    override _.Prior(_, _) = DiagonalGaussian.Standard(reference, 2)

    override _.Output(_, x) =
        let mean = (x :?> DenseObservations).Values.Reshape(Shape(x.Count, 1, 3)) * 0.5
        GaussianOutput(mean, Tensor.Filled(reference, Shape 1, 0.0))

/// No datapoints at all.
type private Nothing() =
    inherit Observations(ReadOnlyMemory [||])
    override _.Device = cpu
    override this.Select _ = this
    override this.ToOwned() = this

[<Test>]
let ``what cannot be simulated, or does not fit, is refused`` () =
    throws<GapLabException> [ "sequential"; "override Sample" ] (fun () ->
        SimulatedData.Draw(Sequential(), like reference [| 0; 1 |] 3, stream 1UL) |> ignore)

    throws<GapLabException> [ "at least 1 datapoint" ] (fun () ->
        SimulatedData.Draw(decoder OutputKind.Gaussian, Nothing(), stream 1UL) |> ignore)

    for shape in [ Shape(3, 1, 2); Shape(2, 2, 2); Shape(2, 2) ] do
        throws<ShapeException> [ "(datapoints, 1, size)"; "2 datapoints"; $"{shape}" ] (fun () ->
            SimulatedData(like cpu [| 0; 1 |] 4, Latents [| Tensor.Filled(cpu, shape, 0.0) |]) |> ignore)
