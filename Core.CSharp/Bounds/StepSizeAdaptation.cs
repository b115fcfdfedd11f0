namespace GapLab.Bounds;

/// <summary>
/// Per-chain step sizes that steer towards an acceptance rate of 0.65 (as Wu et al. 2017 do): after every move the step grows by 2 % if the chain's
/// exponentially averaged acceptance lies above, and shrinks by 2 % if it lies below; it stays within [1e-4, 0.5].
/// </summary>
internal sealed class StepSizeAdaptation
{
    private const double Target = 0.65, Growth = 1.02, Shrinkage = 0.98, Memory = 0.9, Smallest = 1e-4, Largest = 0.5;

    private readonly double[] _acceptance;

    public StepSizeAdaptation(int chains, double initial)
    {
        StepSizes = new double[chains];
        Array.Fill(StepSizes, initial);
        _acceptance = new double[chains];
        Array.Fill(_acceptance, Target);
    }

    public double[] StepSizes { get; }

    public void Update(ReadOnlySpan<bool> accepted)
    {
        for (int c = 0; c < StepSizes.Length; c++)
        {
            _acceptance[c] = Memory * _acceptance[c] + (1 - Memory) * (accepted[c] ? 1 : 0);
            StepSizes[c] = Math.Clamp(StepSizes[c] * (_acceptance[c] > Target ? Growth : Shrinkage), Smallest, Largest);
        }
    }

    /// <summary>The geometric mean over the chains.</summary>
    public double Mean() => Math.Exp(StepSizes.Average(Math.Log));
}
