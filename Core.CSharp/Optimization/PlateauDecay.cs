using GapLab.Tensors;

namespace GapLab.Optimization;

/// <summary>
/// A learning rate that decays once the validation bound no longer rises: from the first epoch that fails to exceed all before it, if that is not too early, the rate is multiplied after every
/// epoch, and training ends when it has become too small. The defaults are those of the code of Kim et al. 2018 for text, where the rate starts at 1.
/// </summary>
public sealed record PlateauDecay
{
    /// <summary>The first epoch, from 1, whose failure counts.</summary>
    public int FirstEpoch { get; init; } = 15;

    /// <summary>What the rate is multiplied by.</summary>
    public double Factor { get; init; } = 0.5;

    /// <summary>A decayed rate below this one ends training.</summary>
    public double Minimum { get; init; } = 0.03;

    /// <summary>What the learning rate of the next epoch is multiplied by: a function of the past alone, so that a run that is resumed needs nothing else.</summary>
    /// <param name="bounds">The validation bounds of the epochs so far; one that is no number is worse than any other.</param>
    public double After(IEnumerable<double> bounds)
    {
        double best = double.NaN, factor = 1;
        int epoch = 0;
        bool decays = false;
        foreach (double bound in bounds)
        {
            epoch++;
            if (bound > best || (double.IsNaN(best) && !double.IsNaN(bound)))
                best = bound;
            else
                decays |= epoch >= FirstEpoch;
            if (decays)
                factor *= Factor;
        }
        return factor;
    }

    /// <summary>The same settings.</summary>
    /// <exception cref="GapLabException">A number is out of its range.</exception>
    internal PlateauDecay Checked() => FirstEpoch >= 1 && Factor is > 0 and < 1 && Minimum >= 0
        ? this
        : throw new GapLabException($"Decay on a plateau needs a first epoch of at least 1, a factor between 0 and 1 and a smallest rate of 0 or more, not {FirstEpoch}, {Factor} and {Minimum}.");
}
