namespace GapLab.Bounds;

/// <summary>
/// Per-chain step sizes that steer towards an acceptance rate (as Wu et al. 2017 do, towards 0.65): after every move the step grows by 2 % if the chain's
/// exponentially averaged acceptance lies above, and shrinks by 2 % if it lies below.
/// </summary>
internal sealed class StepSizeAdaptation
{
    private const double Growth = 1.02, Shrinkage = 0.98, Memory = 0.9;

    private readonly AisOptions _options;
    private readonly double[] _acceptance;

    public StepSizeAdaptation(AisOptions options)
    {
        _options = options;
        StepSizes = new double[options.Chains];
        Array.Fill(StepSizes, options.InitialStepSize);
        _acceptance = new double[options.Chains];
        Array.Fill(_acceptance, options.TargetAcceptance);
    }

    public double[] StepSizes { get; }

    public void Update(ReadOnlySpan<bool> accepted)
    {
        for (int c = 0; c < StepSizes.Length; c++)
        {
            _acceptance[c] = Memory * _acceptance[c] + (1 - Memory) * (accepted[c] ? 1 : 0);
            double factor = _acceptance[c] > _options.TargetAcceptance ? Growth : Shrinkage;
            StepSizes[c] = Math.Clamp(StepSizes[c] * factor, _options.SmallestStepSize, _options.LargestStepSize);
        }
    }

    /// <summary>The geometric mean over the chains.</summary>
    public double Mean() => Math.Exp(StepSizes.Average(Math.Log));
}
