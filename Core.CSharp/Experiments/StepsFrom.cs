using GapLab.Inference;

namespace GapLab.Experiments;

/// <summary>Steps of gradient ascent on λ that are taken with a model whatever inference it was trained with, see <see cref="SemiAmortized"/>.</summary>
/// <param name="Options">Their settings but for their number.</param>
/// <param name="FromEncoder">Whether they start at the λ that the model's encoder gives; else at N(0, I).</param>
public sealed record StepsFrom(SemiAmortizedOptions Options, bool FromEncoder)
{
    /// <summary>Where they start, for tables.</summary>
    public string Place => FromEncoder ? "the encoder's λ" : "N(0, I)";

    /// <summary>What results depend on.</summary>
    internal object Settings => new { Options = Options with { Iterations = 0 }, FromEncoder };

    /// <summary>The inference for a model.</summary>
    /// <param name="vae">The model.</param>
    internal InferenceMethod Of(Vae vae)
    {
        InferenceMethod own = vae.Inference is SemiAmortized semi ? semi.StartMethod : vae.Inference;
        return new SemiAmortized(FromEncoder ? own : new FixedStart(vae.Model.Device), Options);
    }
}
