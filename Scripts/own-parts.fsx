// A decoder, a family of approximate posteriors and a bound of one's own, written in a script and measured like those of the library: a linear decoder, a
// Gaussian with one variance for all components, and Rényi's bound. Copy this file and change it.
//
//   dotnet fsi Scripts/own-parts.fsx --dataset binarized-mnist --preset small --out own.html
#load "built.fsx"
#load "gaplab.fsx"

open System
open System.IO
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Networks
open GapLab.Specification
open GapLab.Tensors
open GapLab.Workbench

/// p(z) = N(0, I), p(x | z) = Bernoulli(sigmoid(W z + b)).
type LinearDecoder(parameters: ParameterSet, latentSize: int, dataSize: int, stream: RandomStream) =
    inherit GenerativeModel(parameters)
    let layer = Linear(parameters, "decoder.output", latentSize, dataSize, Activation.Identity, stream)
    override _.Name = $"linear {latentSize}-{dataSize}"
    override _.LatentSizes = [| latentSize |]
    override model.Prior(_, _) = DiagonalGaussian.Standard(model.Device, latentSize)
    // Compute with model.Parameters: GenerativeModel.With makes copies that hold other values than the constructor was given.
    override model.Output(z, _) = Bernoulli(layer.Forward(model.Parameters, z[0]))

/// q(z | x) = N(μ, σ² I): one variance for all components, λ = [μ, log σ²].
type IsotropicGaussian(device: Device, latentSize: int) =
    inherit VariationalFamily(ParameterSet device)
    override _.Name = "isotropic Gaussian"
    override _.LocalBlocks = [| LocalBlock("mean", latentSize); LocalBlock("logVariance", 1) |]

    override _.Sample(lambda, _, noise) =
        let row = Shape(lambda.Count, 1, latentSize)
        let logVariance = lambda[1].Reshape(lambda.Count, 1, 1).BroadcastTo row
        let q = DiagonalGaussian(lambda[0].Reshape row, logVariance)
        let epsilon = noise.Normal latentSize
        PosteriorSample(Latents(q.Sample epsilon), q.LogProbOfSample epsilon, [| q |])

    override _.InitialLocalParameters count =
        let zeros size = Tensor.Filled(device, Shape(count, size), 0.)
        LocalParameters(zeros latentSize, zeros 1)

/// Rényi's bound (Li and Turner 2016) for 0 < α < 1: 1 / (1 - α) · log E_q[(p(x, z) / q(z | x))^(1 - α)] ≤ log p(x), between IWAE (α = 0) and the ELBO (α = 1).
type RenyiBound(alpha: float, samples: int) =
    inherit Bound()
    override _.Name = $"Rényi bound, α = {alpha}"
    override _.Direction = BoundDirection.Lower

    override bound.Estimate(model, family, x, lambda, stream, progress, cancellation) =
        let lambda = bound.Require lambda
        let estimates = Array.zeroCreate x.Count
        let errors = Array.zeroCreate x.Count

        let estimate row =
            use _ = MemoryScope.Enter(record = false)
            let datapoint = x.Select(ReadOnlySpan [| row |])
            let q = family.Sample(lambda.Select(ReadOnlySpan [| row |]), model, Noise(datapoint, stream, samples))
            let logWeights = (model.LogJoint(datapoint, q.Latents) - q.LogDensity).ToArray()
            let tempered = logWeights |> Array.map (fun w -> (1. - alpha) * w)
            estimates[row] <- LogWeights.LogMeanExp tempered / (1. - alpha)
            errors[row] <- LogWeights.StandardError tempered / (1. - alpha)

            if not (isNull progress) then
                progress.Invoke(row + 1)

        // One datapoint is one work item.
        WorkerPool.ForEach(x.Count, estimate, cancellation)
        BoundEstimate(bound.Name, bound.Direction, estimates, errors, Datapoints = x.Indices)

// Each part gets a name and its settings. The hash of this file goes with them into the keys of stored results: edit it, and they are computed anew.
let source = Path.Combine(__SOURCE_DIRECTORY__, __SOURCE_FILE__)

let linear latentSize =
    Component<ModelContext, GenerativeModel>
        .FromScript(
            "linear",
            source,
            {| latentSize = latentSize |},
            fun context -> LinearDecoder(ParameterSet context.Device, latentSize, context.DataSize, context.Stream)
        )

let isotropic =
    Component<FamilyContext, VariationalFamily>
        .FromScript(
            "isotropic",
            source,
            null,
            fun context -> IsotropicGaussian(context.Model.Device, context.Model.LatentSizes[0])
        )

let renyi alpha samples =
    $"Rényi {alpha}",
    BoundMeasure(
        Component.FromScript("renyi", source, {| alpha = alpha; samples = samples |}),
        RenyiBound(alpha, samples)
    )
    :> Measure

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Gaps of a linear decoder, with the library's family and with one of this script, and a bound of this script.",
        fun session ->
            let settings =
                { Suboptimality.preset session.Preset with
                    LatentSize = 10
                    Bounds = [ renyi 0.5 1000 ] }

            let encoder = Parts.inference settings.EncoderHidden "amortized"

            session.Show(
                GapSweep.report
                    session
                    [ for dataset in session.Datasets "glyphs" do
                          for name, family in [ "ffg", Parts.family "ffg"; "isotropic", isotropic ] do
                              for seed in session.Seeds do
                                  let parts =
                                      { Model = linear settings.LatentSize
                                        Family = family
                                        Inference = encoder
                                        Rule = Parts.rule encoder }

                                  {| Dataset = dataset; Family = name; Seed = seed |},
                                  settings,
                                  Suboptimality.trainSpecOf parts settings dataset seed ]
            )
    )
)
