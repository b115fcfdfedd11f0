namespace GapLab.Experiments;

/// <summary>The measured numbers of consecutive datapoints, as kept while the rest of a cell is still being measured.</summary>
/// <param name="First">The position of the first datapoint in the evaluated subset.</param>
/// <param name="Result">What was measured.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record BlockResult(int First, MeasureResult Result, double Seconds)
{
    public int Count => Result.Columns[0].Values.Length;

    public int End => First + Count;

    public static BlockResult Join(IReadOnlyList<BlockResult> blocks) => new(
        blocks[0].First, MeasureResult.Join([.. blocks.Select(block => block.Result)]), blocks.Sum(block => block.Seconds));
}
