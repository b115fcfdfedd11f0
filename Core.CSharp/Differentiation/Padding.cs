namespace GapLab.Differentiation;

/// <summary>How many rows and columns of zeros surround an image before it is convolved; negative numbers cut the image.</summary>
/// <param name="Top">Rows above.</param>
/// <param name="Bottom">Rows below.</param>
/// <param name="Left">Columns on the left.</param>
/// <param name="Right">Columns on the right.</param>
public readonly record struct Padding(int Top, int Bottom, int Left, int Right)
{
    /// <summary>The same on all four sides.</summary>
    /// <param name="sides">Rows and columns.</param>
    public Padding(int sides) : this(sides, sides, sides, sides) { }

    /// <summary>The same on all four sides.</summary>
    /// <param name="sides">Rows and columns.</param>
    public static implicit operator Padding(int sides) => new(sides);

    /// <summary>One number where all sides are equal, else four.</summary>
    public override string ToString() => this == new Padding(Top) ? $"{Top}" : $"({Top} above, {Bottom} below, {Left} left, {Right} right)";
}
