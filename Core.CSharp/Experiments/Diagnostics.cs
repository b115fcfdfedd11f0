using GapLab.Bounds;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// How much the latent variables of a model say about the measured datapoints, see <see cref="PosteriorDiagnostics"/>, at the λ that the model's own inference finds:
/// columns "kl" and "information"; scalars "meanKl", "meanKlError", "mutualInformation", "mutualInformationError", "marginalKl", "activeUnits", and "meanVariance.0",
/// "meanVariance.1", ... of every latent dimension. What the family does not allow to estimate is left out.
/// </summary>
/// <param name="samples">Samples of each q; at least 2 for standard errors.</param>
public sealed class Diagnostics(int samples = 20) : Measure(new Component("diagnostics", revision: 1, new { samples }))
{
    /// <summary>The scalars with the variance over datapoints of each latent dimension's mean start with this and end in the dimension.</summary>
    public const string MeanVariancePrefix = "meanVariance.";

    /// <inheritdoc/>
    public override string Title => "posterior diagnostics";

    /// <summary>The aggregate posterior is that of all datapoints.</summary>
    public override bool IsOfWholeSet => true;

    /// <inheritdoc/>
    public override MeasureResult Run(Vae vae, Observations x, ulong seed, Action<int>? progress, CancellationToken cancellation)
    {
        LocalParameters lambda = vae.Inference.Infer(vae.Model, vae.Family, x, new RandomStream(seed, RandomPurpose.Evaluation), 0).Final;
        PosteriorDiagnostics found = PosteriorDiagnostics.Compute(
            vae.Model, vae.Family, x, lambda, samples, new RandomStream(seed, RandomPurpose.Importance).Fork(3), progress, cancellation);
        var columns = new List<MeasuredColumn> { new("kl", [.. found.Kl]) };
        if (found.Information is { } information)
            columns.Add(new MeasuredColumn("information", [.. information]));
        var scalars = new Dictionary<string, double>();
        void Add(string name, double? value)
        {
            if (value is { } number && double.IsFinite(number))
                scalars[name] = number;
        }
        Add("meanKl", found.MeanKl);
        Add("meanKlError", found.MeanKlError);
        Add("mutualInformation", found.MutualInformation);
        Add("mutualInformationError", found.MutualInformationError);
        Add("marginalKl", found.MarginalKl);
        Add("activeUnits", found.ActiveUnits);
        for (int d = 0; d < found.MeanVariances.Count; d++)
            Add($"{MeanVariancePrefix}{d}", found.MeanVariances[d]);
        return new MeasureResult(columns, scalars);
    }
}
