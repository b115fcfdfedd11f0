/// Small PixelCNN models that the tests of images share.
module GapLab.Tests.Models.PixelCnnFixtures

open System
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures

/// Two latent variables, three layers of four channels.
let tiny = PixelCnnOptions(LatentSize = 2, KernelSizes = [| 5; 3; 3 |], Channels = 4, LatentMaps = 2)

let pixelCnn (device: Device) height width options = PixelCnnModel(device, height, width, options, stream 1UL)

/// Samples [B, S, n] of a level.
let latents (device: Device) count samples size =
    let z = Array.init (count * samples * size) (fun i -> 1.5 * sin (1.3 * float i + 0.4))
    Latents [| Tensor.Create(device, Shape(count, samples, size), ReadOnlySpan z) |]

/// All binary images of so many pixels.
let allImages pixels =
    Array.init (1 <<< pixels) (fun code -> Array.init pixels (fun i -> float ((code >>> i) &&& 1)))

/// Images of zeros and ones, a function of the seed.
let binary count pixels seed =
    Array.init count (fun i ->
        Array.init pixels (fun j -> if (stream seed).At(i).Uniform(int64 j) < 0.4 then 1.0 else 0.0))
