/// Random small models, variational parameters and data for the tests of objectives, on the reference device.
module GapLab.Tests.Objectives.RandomModels

open System
open MathNet.Numerics.Distributions
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Tensors
open GapLab.Tensors.Reference

let device = ReferenceDevice.Instance

let normals (random: Random) scale (sizes: int[]) =
    Tensor.Create(device, Shape sizes, Array.init (Array.fold (*) 1 sizes) (fun _ -> Normal.Sample(random, 0.0, scale)))

type Problem =
    { Model: GenerativeModel
      Family: VariationalFamily
      X: Observations
      Lambda: LocalParameters
      Noise: Noise }

/// Latent sizes 1-6, 0-2 hidden layers, data of 1-12 numbers, 1-5 samples, 1-4 datapoints.
let problem (output: OutputKind) (activations: Activation list) (seed: int) =
    let random = Random seed
    let n, d, s, b = random.Next(1, 7), random.Next(1, 13), random.Next(1, 6), random.Next(1, 5)
    let hidden = Array.init (random.Next 3) (fun _ -> random.Next(1, 8))
    let activation = activations[random.Next activations.Length]
    let stream = RandomStream(uint64 (uint32 seed), RandomPurpose.Test)
    let model = DenseModel(device, n, hidden, d, activation, output, stream)

    // Biases and the output's log-variance start at zero; nothing here should be special.
    for parameter in model.Parameters do
        parameter.Assign(parameter + normals random 0.3 (parameter.Shape.Span.ToArray()))

    let wholes below =
        Tensor.Create(device, Shape(b, d), Array.init (b * d) (fun _ -> float (random.Next below)))

    let observations: Observations =
        match output with
        | OutputKind.Bernoulli -> DenseObservations(wholes 2)
        | OutputKind.Multinomial -> CountObservations(wholes 4, Tensor.Filled(device, Shape d, 1.0))
        | _ -> DenseObservations(normals random 1.0 [| b; d |])

    { Model = model
      Family = FactorizedGaussian(device, n)
      X = observations
      Lambda = LocalParameters([| normals random 1.0 [| b; n |]; normals random 0.7 [| b; n |] |])
      Noise = Noise(observations, stream, s) }

/// The golden linear-Gaussian model: p(z) = N(0, 1), p(x | z) = N(1.3 z, 0.5).
let golden = LinearGaussian(device, Array2D.create 1 1 1.3, [| 0.0 |], 0.5)

/// The same datapoint x = 0.8 and q = N(mu, variance) many times, each with its own single sample.
let goldenBatch count mu variance =
    let x = DenseObservations(Tensor.Filled(device, Shape(count, 1), 0.8))

    { Model = golden
      Family = FactorizedGaussian(device, 1)
      X = x
      Lambda =
        LocalParameters(
            [| Tensor.Filled(device, Shape(count, 1), mu); Tensor.Filled(device, Shape(count, 1), log variance) |]
        )
      Noise = Noise(x, RandomStream(17UL, RandomPurpose.Test), 1) }

/// Mean and standard error of independent numbers.
let meanAndError (values: float[]) =
    let mean = Array.average values
    let variance = (values |> Array.sumBy (fun v -> (v - mean) ** 2.0)) / float (values.Length - 1)
    mean, sqrt (variance / float values.Length)
