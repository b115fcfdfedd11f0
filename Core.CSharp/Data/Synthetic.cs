using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// Generated images: digit-like glyphs of 28x28 pixels, drawn as soft strokes after one of a few ways of writing each of ten classes, with random bends, size, slant,
/// rotation, position and thickness. Each image is a function of (seed, index) alone, so a set may grow without changing the images it had.
/// </summary>
/// <remarks>
/// Only additions, multiplications, divisions and square roots of single-precision numbers are used, in a fixed order, so the pixels are the same on every machine.
/// </remarks>
public static class Synthetic
{
    /// <summary>Raised whenever the pixels of a (seed, index) change.</summary>
    public const int Revision = 1;

    /// <summary>Rows and columns of a glyph.</summary>
    public const int GlyphSize = 28;

    /// <summary>Number of classes of glyphs.</summary>
    public const int GlyphClasses = GlyphTemplates.ClassCount;

    // Far apart, so that changing the size of one part leaves the images of the others as they are.
    internal const int FirstValidationIndex = 1_000_000_000;
    internal const int FirstTestIndex = 1_500_000_000;

    // Uniform numbers per glyph: class, way of writing, eight of the pose, two per control point.
    private const int PoseNumbers = 16;
    private const int Numbers = PoseNumbers + (2 * GlyphTemplates.MaxPoints);

    private const float Bend = 0.07f;

    /// <summary>Draws one glyph.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="index">Number of the image. Range: index ≥ 0.</param>
    /// <param name="pixels">[28, 28], overwritten with 0 (paper) to 255 (ink).</param>
    /// <returns>Its class, 0 to 9.</returns>
    /// <exception cref="DataException">The index is negative or the span has another length.</exception>
    public static int Glyph(ulong seed, int index, Span<byte> pixels)
    {
        if (index < 0 || pixels.Length != GlyphSize * GlyphSize)
        {
            throw new DataException(
                $"Glyph {index} cannot be drawn on {pixels.Length} pixels; give an index of at least 0 and {GlyphSize * GlyphSize} pixels.");
        }

        Span<float> u = stackalloc float[Numbers];
        new RandomStream(seed, RandomPurpose.Synthetic).At(index, 0, 0).FillUniform(u);
        int label = Choose(u[0], GlyphTemplates.ClassCount);
        float[][][] ways = GlyphTemplates.Drawings[label];
        float[][] strokes = ways[Choose(u[1], ways.Length)];

        // Rotation through its half-angle tangent h, which needs no trigonometry: cos = (1 - h²)/(1 + h²), sin = 2h/(1 + h²).
        float h = 0.12f * Centred(u[2], u[3]);
        float cos = (1 - (h * h)) / (1 + (h * h));
        float sin = 2 * h / (1 + (h * h));
        float slant = 0.08f + (0.25f * Centred(u[4], u[5]));
        float width = 17f * (0.72f + (0.5f * u[6]));
        float height = 19.5f * (0.86f + (0.24f * u[7]));
        float centreX = (GlyphSize / 2f) + (1.5f * Centred(u[8], u[9]));
        float centreY = (GlyphSize / 2f) + (1.5f * Centred(u[10], u[11]));
        float radius = 0.75f + (0.8f * u[12]);

        Span<float> distances = stackalloc float[GlyphSize * GlyphSize];
        GlyphCanvas canvas = new(distances, GlyphSize, radius + 0.6f);
        canvas.Clear();
        Span<float> points = stackalloc float[2 * GlyphTemplates.MaxPoints];
        ReadOnlySpan<float> bends = u[PoseNumbers..];
        foreach (float[] stroke in strokes)
        {
            for (int i = 0; i < stroke.Length; i += 2)
            {
                float x = (stroke[i] - 0.5f + (Bend * ((2 * bends[i]) - 1))) * width;
                float y = (stroke[i + 1] - 0.5f + (Bend * ((2 * bends[i + 1]) - 1))) * height;
                x -= slant * y;
                points[i] = centreX + (cos * x) - (sin * y);
                points[i + 1] = centreY + (sin * x) + (cos * y);
            }

            bends = bends[stroke.Length..];
            for (int start = 0; start + 8 <= stroke.Length; start += 6)
            {
                canvas.Curve(points.Slice(start, 8));
            }
        }

        canvas.Ink(pixels, radius);
        return label;
    }

    /// <summary>Draws glyphs firstIndex .. firstIndex + count - 1; their ids are these indices.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="firstIndex">First index. Range: firstIndex ≥ 0.</param>
    /// <param name="count">How many. Range: count ≥ 0.</param>
    /// <param name="binary">Whether pixels of at least 128 become 255 and all others 0.</param>
    /// <param name="name">Name of the set.</param>
    /// <exception cref="DataException">The range is impossible or too large.</exception>
    public static ImageSet GlyphImages(ulong seed, int firstIndex, int count, bool binary = false, string name = DataSets.Glyphs)
    {
        const int size = GlyphSize * GlyphSize;
        if (firstIndex < 0 || count < 0 || (long)count * size > Array.MaxLength || (long)firstIndex + count > int.MaxValue)
        {
            throw new DataException($"{count} glyphs from number {firstIndex} on cannot be drawn; ask for 0 to {Array.MaxLength / size} from number 0 or later.");
        }

        byte[] pixels = GC.AllocateUninitializedArray<byte>(count * size);
        for (int i = 0; i < count; i++)
        {
            _ = Glyph(seed, firstIndex + i, pixels.AsSpan(i * size, size));
        }

        if (binary)
        {
            foreach (ref byte pixel in pixels.AsSpan())
            {
                pixel = pixel >= 128 ? byte.MaxValue : (byte)0;
            }
        }

        return new ImageSet(name, GlyphSize, GlyphSize, pixels, firstIndex);
    }

    /// <summary>The data set "glyphs". The images of a part do not change when the sizes of the parts do.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="train">Number of training images. Range: train ≥ 0.</param>
    /// <param name="validation">Number of validation images. Range: validation ≥ 0.</param>
    /// <param name="test">Number of test images. Range: test ≥ 0.</param>
    /// <param name="binary">Whether the images themselves hold only 0 and 255; otherwise they are grey and binarized by a threshold by default, with the same result.</param>
    /// <exception cref="DataException">A size is negative or too large.</exception>
    public static DataSet Glyphs(ulong seed, int train, int validation, int test, bool binary = false)
    {
        string source = $"{DataSets.Glyphs}(revision={Revision}, seed={seed})";
        DataSplits splits = new(
            GlyphImages(seed, 0, train, binary, $"{DataSets.Glyphs}/train"),
            GlyphImages(seed, FirstValidationIndex, validation, binary, $"{DataSets.Glyphs}/validation"),
            GlyphImages(seed, FirstTestIndex, test, binary, $"{DataSets.Glyphs}/test"),
            [
                new SplitRange("train", source, 0, train),
                new SplitRange("validation", source, FirstValidationIndex, validation),
                new SplitRange("test", source, FirstTestIndex, test),
            ]);
        return new DataSet(DataSets.Glyphs, splits, binary ? new Binarization.FixedFile() : new Binarization.Threshold(), []);
    }

    private static int Choose(float u, int count) => Math.Min((int)(u * count), count - 1);

    // Symmetric around 0 in -1..1, small values more often than large ones.
    private static float Centred(float a, float b) => a + b - 1;
}
