namespace GapLab.Tensors.Cpu;

// Sizes and layouts of register tiles as type arguments: the just-in-time compiler folds them into
// constants, so that one source text becomes one branch-free kernel for every size of tile.

/// <summary>A number of rows or vectors known to the just-in-time compiler.</summary>
internal interface ITileSize
{
    /// <summary>The number.</summary>
    static abstract int Value { get; }
}

/// <summary>How the rows of op(A) lie in memory.</summary>
internal interface ITileLayout
{
    /// <summary>True: element (r, k) is at r + k * step. False: it is at r * step + k.</summary>
    static abstract bool RowsAreAdjacent { get; }
}

internal readonly struct StridedRows : ITileLayout
{
    public static bool RowsAreAdjacent => false;
}

internal readonly struct AdjacentRows : ITileLayout
{
    public static bool RowsAreAdjacent => true;
}

/// <summary>
/// Adjacent rows whose depth comes in runs with gaps between them, in both factors. In the place of stepA the kernel takes the address of a <see cref="Runs"/>.
/// </summary>
internal readonly struct AdjacentRowsInRuns : ITileLayout
{
    public static bool RowsAreAdjacent => true;
}

/// <summary>How the depth of <see cref="AdjacentRowsInRuns"/> is cut.</summary>
/// <param name="StepA">From one k to the next in op(A), within a run.</param>
/// <param name="Length">Steps in a run.</param>
/// <param name="GapA">Numbers of op(A) to skip after a run.</param>
/// <param name="GapB">Numbers of op(B) to skip after a run.</param>
internal readonly record struct Runs(nint StepA, nint Length, nint GapA, nint GapB);

internal readonly struct One : ITileSize
{
    public static int Value => 1;
}

internal readonly struct Two : ITileSize
{
    public static int Value => 2;
}

internal readonly struct Three : ITileSize
{
    public static int Value => 3;
}

internal readonly struct Four : ITileSize
{
    public static int Value => 4;
}

internal readonly struct Five : ITileSize
{
    public static int Value => 5;
}

internal readonly struct Six : ITileSize
{
    public static int Value => 6;
}

internal readonly struct Seven : ITileSize
{
    public static int Value => 7;
}

internal readonly struct Eight : ITileSize
{
    public static int Value => 8;
}

internal readonly struct Nine : ITileSize
{
    public static int Value => 9;
}

internal readonly struct Ten : ITileSize
{
    public static int Value => 10;
}

internal readonly struct Eleven : ITileSize
{
    public static int Value => 11;
}

internal readonly struct Twelve : ITileSize
{
    public static int Value => 12;
}
