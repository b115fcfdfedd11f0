namespace GapLab.Bounds;

/// <summary>Collects the chains of many datapoints, from any thread, as estimates of log p(x) from one side.</summary>
/// <param name="name">The estimator.</param>
/// <param name="direction">Lower for weights whose mean is p(x), upper for those whose mean is 1 / p(x).</param>
/// <param name="datapoints">The index of every datapoint.</param>
internal sealed class AnnealedResults(string name, BoundDirection direction, ReadOnlyMemory<int> datapoints)
{
    private readonly double[] _values = new double[datapoints.Length];
    private readonly double[] _errors = new double[datapoints.Length];
    private readonly double[] _acceptance = new double[datapoints.Length];
    private readonly double[] _effective = new double[datapoints.Length];

    /// <summary>Takes in the chains of one datapoint.</summary>
    /// <exception cref="Tensors.GapLabException">Their mean weight is not a number, or infinite.</exception>
    public void Set(int row, ChainWeights chains)
    {
        double logMean = LogWeights.LogMeanExp(chains.LogWeights);
        BoundEstimate.RequireNumber(name, logMean, datapoints.Span[row]);
        _values[row] = direction == BoundDirection.Lower ? logMean : -logMean;
        _errors[row] = LogWeights.StandardError(chains.LogWeights);
        _effective[row] = LogWeights.EffectiveSampleSize(chains.LogWeights);
        _acceptance[row] = chains.AcceptanceRate;
    }

    /// <summary>What was collected.</summary>
    public AisEstimate ToEstimate(bool isCertified) =>
        new(new BoundEstimate(name, direction, _values, _errors) { Datapoints = datapoints }, _acceptance, _effective, isCertified);
}
