/// Linear-Gaussian models with data drawn from them, and the checks that the tests of models, inference, bounds and training share.
module GapLab.Tests.Models.ModelFixtures

open System
open System.Threading
open NUnit.Framework
open FsCheck
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models

let cpu = CpuDevice.Instance :> Device
let reference = ReferenceDevice.Instance :> Device

/// The source of everything random in a test.
let stream seed = RandomStream(seed, RandomPurpose.Test)

/// Larger repetitions when GAPLAB_SOAK=1.
let soaking = Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1"
let repetitions few many = if soaking then many else few

let equalTo (expected: 'T) = Is.EqualTo(box expected)

let within (tolerance: float) (expected: float) = Is.EqualTo(expected).Within tolerance

/// All elements within a tolerance.
let near (tolerance: float) (expected: float[]) = Is.EqualTo(box expected).Within tolerance

let withThreads threads (work: unit -> 'T) =
    let before = WorkerPool.Threads
    WorkerPool.Threads <- threads

    try
        work ()
    finally
        WorkerPool.Threads <- before

/// The message of the exception of exactly this type that the work throws.
let messageOf<'E when 'E :> exn> (work: unit -> unit) = Assert.Throws<'E>(Action work).Message

/// The mean of independent numbers and its standard error.
let meanAndError (values: float[]) =
    let mean = Array.average values
    mean, sqrt (Array.sumBy (fun v -> (v - mean) ** 2.0) values / (float values.Length - 1.0) / float values.Length)

/// Four standard errors: of all correct implementations, one in 16,000 fails such a check.
let agrees (what: string) (expected: float) (value: float, error: float) =
    Assert.That(
        value,
        Is.EqualTo(expected).Within(4.0 * error),
        $"{what}: {value} with standard error {error}, expected {expected}"
    )

/// p(z) = N(0, 1), p(x | z) = N(1.3 z, 0.5): the model of the golden values.
let golden device = LinearGaussian(device, array2D [ [ 1.3 ] ], [| 0.0 |], 0.5)

/// Three latent variables with a strongly correlated posterior, four outputs.
let correlated device =
    LinearGaussian(
        device,
        array2D [ [ 1.0; 0.8; 0.1 ]; [ 0.9; 1.1; -0.3 ]; [ -0.2; 0.5; 0.7 ]; [ 0.4; -0.6; 1.2 ] ],
        [| 0.3; -0.2; 0.1; 0.5 |],
        0.6
    )

/// A LinearGaussian with what made it.
type RandomModel =
    { Weight: float[,]
      Bias: float[]
      Noise: float
      X: float[] }

    member m.On device = LinearGaussian(device, m.Weight, m.Bias, m.Noise)

/// A model of 1 to 4 latent variables and 1 to 5 outputs, and a datapoint: a function of the seed.
let randomModel (seed: uint64) =
    let s = stream seed
    let n, d = 1 + s.Below(4, 0), 1 + s.Below(5, 1)

    { Weight = Array2D.init d n (fun i j -> s.At(1).Normal(int64 (i * n + j)))
      Bias = Array.init d (fun i -> s.At(2).Normal(int64 i))
      Noise = 0.2 + 1.5 * s.Uniform 0
      X = Array.init d (fun i -> 2.0 * s.At(3).Normal(int64 i)) }

/// Data points x = W z + b + √s ε of a random or given model.
let drawFrom (weight: float[,]) (bias: float[]) noise (s: RandomStream) count =
    Array.init count (fun i ->
        let z = Array.init (Array2D.length2 weight) (fun j -> s.At(i).Normal(int64 j))

        Array.init bias.Length (fun k ->
            let mean = Seq.sum (Seq.mapi (fun j zj -> weight[k, j] * zj) z)
            bias[k] + mean + sqrt noise * s.At(i, 1).Normal(int64 k)))

/// Rows as a batch; row i is datapoint indices[i].
let observeAs (device: Device) (indices: int[]) (rows: float[][]) =
    DenseObservations(
        Tensor.Create(device, Shape(rows.Length, rows[0].Length), ReadOnlySpan(Array.concat rows)),
        Nullable(ReadOnlyMemory indices)
    )
    :> Observations

let observe device rows = observeAs device [| 0 .. Array.length rows - 1 |] rows

/// One datapoint many times under different indices: independent repetitions of an experiment in one call.
let repeated device count (row: float[]) = observe device (Array.replicate count row)

let matrixOf device (rows: float[][]) =
    Tensor.Create(device, Shape(rows.Length, rows[0].Length), ReadOnlySpan(Array.concat rows))

/// λ = [μ, log σ²], the same for every datapoint.
let sameLambda device count (mean: float[]) (variance: float[]) =
    LocalParameters
        [| matrixOf device (Array.replicate count mean)
           matrixOf device (Array.replicate count (Array.map log variance)) |]

/// log N(x; m, Σ) by the LU decomposition of the dense covariance.
let logNormal (m: Vector<float>) (sigma: Matrix<float>) (x: Vector<float>) =
    let lu = sigma.LU()
    let r = x - m
    -0.5 * (float x.Count * log (2.0 * Math.PI) + log lu.Determinant + r.DotProduct(lu.Solve r))

/// Bit patterns, so that NaN equals itself and -0 differs from 0.
let bits (values: float[]) = Array.map BitConverter.DoubleToInt64Bits values

let bitsOf (tensors: Tensor seq) = tensors |> Seq.map (fun t -> bits (t.ToArray())) |> Seq.toArray

/// The distributions of another family, by one that does not tell what their densities are.
type Undescribed(inner: VariationalFamily, device: Device) =
    inherit VariationalFamily(GapLab.Networks.ParameterSet device)
    override _.Name = "undescribed"
    override _.LocalBlocks = inner.LocalBlocks
    override _.InitialLocalParameters count = inner.InitialLocalParameters count

    override _.Sample(lambda, model, noise) =
        let sample = inner.Sample(lambda, model, noise)
        PosteriorSample(sample.Latents, sample.LogDensity, null)
