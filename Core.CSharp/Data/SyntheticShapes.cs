using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// Generated colour images of 32x32 pixels: one to three discs, rectangles or triangles of random colours, sizes, angles and places before a background that passes from one colour to
/// another. Edges are soft, so that neighbouring levels are alike as in photographs. Each image is a function of (seed, index) alone, so a set may grow without changing the images it had.
/// </summary>
/// <remarks>
/// Only additions, multiplications, divisions and comparisons of single-precision numbers are used, in a fixed order, so the pixels are the same on every machine.
/// </remarks>
public static class SyntheticShapes
{
    /// <summary>Raised whenever the pixels of a (seed, index) change.</summary>
    public const int Revision = 1;

    /// <summary>Rows and columns of an image.</summary>
    public const int Side = 32;

    /// <summary>Bytes per pixel: red, green, blue.</summary>
    public const int Channels = 3;

    private const int MostShapes = 3;

    // Uniform numbers: two colours and the direction of the background, the number of shapes, and for each shape a colour, kind, place, two sizes and an angle.
    private const int BackgroundNumbers = 8;
    private const int ShapeNumbers = 9;
    private const int Numbers = BackgroundNumbers + 1 + (MostShapes * ShapeNumbers);

    // Keeps these images apart from glyphs of the same seed.
    private const ulong Stream = 1;

    /// <summary>Draws one image.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="index">Number of the image. Range: index ≥ 0.</param>
    /// <param name="pixels">[32, 32, 3], overwritten.</param>
    /// <exception cref="DataException">The index is negative or the span has another length.</exception>
    public static void Draw(ulong seed, int index, Span<byte> pixels)
    {
        if (index < 0 || pixels.Length != Side * Side * Channels)
        {
            throw new DataException(
                $"Image {index} of shapes cannot be drawn on {pixels.Length} bytes; give an index of at least 0 and {Side * Side * Channels} bytes.");
        }

        Span<float> u = stackalloc float[Numbers];
        new RandomStream(seed, RandomPurpose.Synthetic).Fork(Stream).At(index, 0, 0).FillUniform(u);
        Span<float> image = stackalloc float[Side * Side * Channels];
        Background(u, image);
        int count = 1 + Math.Min((int)(u[BackgroundNumbers] * MostShapes), MostShapes - 1);
        for (int i = 0; i < count; i++)
        {
            Paint(u.Slice(BackgroundNumbers + 1 + (i * ShapeNumbers), ShapeNumbers), image);
        }

        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)Math.Clamp((int)((255 * image[i]) + 0.5f), 0, 255);
        }
    }

    /// <summary>Draws images firstIndex .. firstIndex + count - 1; their ids are these indices.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="firstIndex">First index. Range: firstIndex ≥ 0.</param>
    /// <param name="count">How many. Range: count ≥ 0.</param>
    /// <param name="name">Name of the set.</param>
    /// <exception cref="DataException">The range is impossible or too large.</exception>
    public static ImageSet Images(ulong seed, int firstIndex, int count, string name = DataSets.Shapes)
    {
        const int size = Side * Side * Channels;
        if (firstIndex < 0 || count < 0 || (long)count * size > Array.MaxLength || (long)firstIndex + count > int.MaxValue)
        {
            throw new DataException($"{count} images of shapes from number {firstIndex} on cannot be drawn; ask for 0 to {Array.MaxLength / size} from number 0 or later.");
        }

        byte[] pixels = GC.AllocateUninitializedArray<byte>(count * size);
        for (int i = 0; i < count; i++)
        {
            Draw(seed, firstIndex + i, pixels.AsSpan(i * size, size));
        }

        return new ImageSet(name, Side, Side, pixels, firstIndex, Channels);
    }

    /// <summary>The data set "shapes". The images of a part do not change when the sizes of the parts do.</summary>
    /// <param name="seed">Seed of the data set.</param>
    /// <param name="train">Number of training images. Range: train ≥ 0.</param>
    /// <param name="validation">Number of validation images. Range: validation ≥ 0.</param>
    /// <param name="test">Number of test images. Range: test ≥ 0.</param>
    /// <exception cref="DataException">A size is negative or too large.</exception>
    public static DataSet Load(ulong seed, int train, int validation, int test)
    {
        string source = $"{DataSets.Shapes}(revision={Revision}, seed={seed})";
        DataSplits splits = new(
            Images(seed, 0, train, $"{DataSets.Shapes}/train"),
            Images(seed, Synthetic.FirstValidationIndex, validation, $"{DataSets.Shapes}/validation"),
            Images(seed, Synthetic.FirstTestIndex, test, $"{DataSets.Shapes}/test"),
            [
                new SplitRange("train", source, 0, train),
                new SplitRange("validation", source, Synthetic.FirstValidationIndex, validation),
                new SplitRange("test", source, Synthetic.FirstTestIndex, test),
            ]);
        return new DataSet(DataSets.Shapes, splits, new Binarization.None(), []);
    }

    private static void Background(ReadOnlySpan<float> u, Span<float> image)
    {
        float across = (2 * u[6]) - 1, down = (2 * u[7]) - 1;
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                float at = 0.5f + (0.5f * ((across * Centred(x)) + (down * Centred(y))));
                for (int channel = 0; channel < Channels; channel++)
                {
                    image[(((y * Side) + x) * Channels) + channel] = (at * u[channel]) + ((1 - at) * u[Channels + channel]);
                }
            }
        }
    }

    private static void Paint(ReadOnlySpan<float> u, Span<float> image)
    {
        int kind = Math.Min((int)(u[3] * 3), 2);
        float centreX = 1.4f * (u[4] - 0.5f), centreY = 1.4f * (u[5] - 0.5f);
        float wide = 0.2f + (0.4f * u[6]), tall = 0.2f + (0.4f * u[7]);
        // Rotation through its half-angle tangent, which needs no trigonometry; see Synthetic.
        float h = (2 * u[8]) - 1;
        float cos = (1 - (h * h)) / (1 + (h * h)), sin = 2 * h / (1 + (h * h));
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                float dx = Centred(x) - centreX, dy = Centred(y) - centreY;
                float along = ((cos * dx) + (sin * dy)) / wide, beside = ((cos * dy) - (sin * dx)) / tall;
                // Less than 1 inside, and about 1 / size per unit of length near the edge.
                float outside = kind switch
                {
                    0 => (along * along) + (beside * beside),
                    1 => Math.Max(Math.Abs(along), Math.Abs(beside)),
                    _ => Math.Max(-beside, (2 * Math.Abs(along)) + beside),
                };
                float cover = Math.Clamp(0.5f + (4 * (1 - outside)), 0, 1);
                for (int channel = 0; channel < Channels; channel++)
                {
                    ref float pixel = ref image[(((y * Side) + x) * Channels) + channel];
                    pixel += cover * (u[channel] - pixel);
                }
            }
        }
    }

    // The middle of a pixel on a scale from -1 to 1 over the image.
    private static float Centred(int position) => ((position + 0.5f) * (2f / Side)) - 1;
}
