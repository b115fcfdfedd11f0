namespace GapLab.Workbench

open System
open System.Threading
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Tensors

/// How the numbers of a data set become images.
type ImageScale =
    {
        Height: int
        Width: int
        /// 1 for grey images, 3 for coloured ones.
        Channels: int
        /// The numbers that are shown black and white.
        Black: float
        White: float
    }

/// Datapoints and what a model makes of them: E[x | z] at the mean of q(z | x), each [N, D], with the ELBO of that q in nats.
type Reconstructions =
    {
        /// The datapoints' indices in their data set.
        Datapoints: int array
        Originals: float array
        /// For the q of the model's own inference.
        Inferred: float array
        InferredElbo: BoundEstimate
        /// For q*, the best of the family for each datapoint.
        Optimal: float array
        OptimalElbo: BoundEstimate
    }

/// Images of models.
module Pictures =
    /// The numbers of images, [N, D].
    let valuesOf (x: Observations) = x.Values.ToArray()

    /// How images of a data set are shown: intensities from 0 to 1 as they are, other numbers by the range of some test points.
    let scaleOf (data: LoadedData) : ImageScale =
        let part = data.Set.Splits.Test

        if part.Height = 1 || part.Width = 1 then
            Cli.fail
                $"'{data.Set.Name}' cannot be shown as images: its datapoints are vectors of {part.PixelCount} numbers; name a data set of images with --dataset."

        let black, white =
            if data.Set.SuitsBernoulli || data.Set.HasLevels then
                0., 1.
            else
                use _ = MemoryScope.Enter(record = false)
                let values = valuesOf (data.Test.Subset(min 100 data.Test.Count))
                Array.min values, Array.max values

        { Height = part.Height
          Width = part.Width
          Channels = part.Channels
          Black = black
          White = white }

    /// A sentence on the grey levels, where they are not the numbers themselves.
    let scaleNote (scale: ImageScale) =
        if (scale.Black, scale.White) = (0., 1.) then
            ""
        else
            $" Black is {scale.Black:G3} and smaller, white {scale.White:G3} and larger."

    /// The numbers of one image.
    let sizeOf (scale: ImageScale) = scale.Height * scale.Width * scale.Channels

    /// Images [N, D] as levels [N, H, W, C].
    let levels (scale: ImageScale) (values: float array) =
        let pixels = sizeOf scale
        // A data set of one number only is black.
        let range = if scale.White > scale.Black then scale.White - scale.Black else 1.

        Array4D.init (values.Length / pixels) scale.Height scale.Width scale.Channels (fun n y x channel ->
            (values[n * pixels + (y * scale.Width + x) * scale.Channels + channel] - scale.Black) / range)

    /// For samples z of the prior: E[x | z], and one x drawn from p(x | z); each [N, D]. Of a model that draws x pixel by pixel, the means are those of each pixel given z and the pixels before it.
    let samples (vae: Vae) (dataSize: int) (count: int) (seed: uint64) =
        use _ = MemoryScope.Enter(record = false)
        let device = vae.Model.Device
        let stream = RandomStream(seed, RandomPurpose.ModelSampling)
        let z = vae.Model.SamplePrior(Noise(device, stream, ReadOnlyMemory [| 0 .. count - 1 |], 1))
        let nothing = DenseObservations(Tensor.Filled(device, Shape(count, dataSize), 0.))
        let drawn = vae.Model.Sample(z, nothing, stream.Fork 1UL)
        (vae.Model.Output(z, drawn)).Mean.ToArray(), valuesOf drawn

    /// Samples that average out to the mean of a q whose mean is not known.
    let private averagedSamples = 1000

    /// E_q[z]: exact for a Gaussian of one level, else the average of samples, level by level.
    let private meanOf (model: GenerativeModel) (family: VariationalFamily) x lambda stream =
        let sample (count: int) = family.Sample(lambda, model, Noise(x, stream, count))

        match (sample 1).Conditionals with
        | null -> None
        | conditionals when conditionals.Count = 1 -> Some(Latents conditionals[0].Mean)
        | _ -> None
        |> Option.defaultWith (fun () ->
            let mean (level: Tensor) =
                (level.Sum 1 / float averagedSamples).Reshape(level.Shape[0], 1, level.Shape[2])

            Latents [| for level in (sample averagedSamples).Latents.Levels -> mean level |])

    /// Reconstructions of a batch, with q* found as `search` says and ELBOs of `samples` samples. The noise is that of the measures `InferredBounds` and
    /// `OptimalBounds` with the same seed, so the ELBOs are theirs.
    let reconstruct
        (search: LocalOptimizerOptions)
        (samples: int)
        (vae: Vae)
        (x: Observations)
        (seed: uint64)
        (progress: Action<int>)
        (cancellation: CancellationToken)
        : Reconstructions =
        let inferred =
            vae.Inference.Infer(vae.Model, vae.Family, x, RandomStream(seed, RandomPurpose.Evaluation), 0).Final

        let optimal =
            LocalOptimizer(search)
                .Optimize(
                    vae.Model,
                    vae.Family,
                    x,
                    RandomStream(seed, RandomPurpose.LocalOptimization),
                    progress,
                    cancellation
                )

        let sampler = ImportanceSampler samples
        let noise fork = RandomStream(seed, RandomPurpose.Importance).Fork fork

        let image family (x: Observations) lambda =
            let z = meanOf vae.Model family x lambda (RandomStream(seed, RandomPurpose.Evaluation).Fork 1UL)
            vae.Model.Output(z, x).Mean.ToArray()

        { Datapoints = x.Indices.ToArray()
          Originals = valuesOf x
          Inferred = image vae.Family x inferred
          InferredElbo = sampler.Estimate(vae.Model, vae.Family, x, inferred, noise 1UL, null, cancellation).Elbo
          Optimal =
            // Every datapoint has a family of its own: its networks, where there are any, are part of q*.
            Array.concat
                [ for row in 0 .. x.Count - 1 ->
                      let only = [| row |]

                      image
                          optimal.Families[row]
                          (x.Select(ReadOnlySpan only))
                          (optimal.Lambda.Select(ReadOnlySpan only)) ]
          OptimalElbo = sampler.Estimate(vae.Model, optimal, x, noise 2UL, null, cancellation).Elbo }
