namespace GapLab.Bounds;

/// <summary>A local maximum of a density over the plane.</summary>
/// <param name="X">Where: the grid's point.</param>
/// <param name="Y">Where.</param>
/// <param name="LogDensity">The logarithm of the normalised density there.</param>
/// <param name="Depth">How many nats the log-density falls on the best way from here to a higher point; infinite for the highest maximum.</param>
/// <param name="Weight">The probability of its basin: of the points from which the steepest way up leads here, or to shallower maxima that count with this one.</param>
public sealed record DensityMode(double X, double Y, double LogDensity, double Depth, double Weight)
{
    /// <summary>How clearly it stands for a part of the density: the weight of its basin or of all the rest, whichever is smaller, times 1 - e^-depth. From 0 to ½.</summary>
    public double Separation => Math.Min(Weight, 1 - Weight) * (1 - Math.Exp(-Depth));
}
