using System.Runtime.Intrinsics;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// How intensities (pixels 0..255 divided by 255, or real numbers from 0 to 1) become the values 0 and 1 that a Bernoulli model sees. One of
/// <see cref="FixedFile"/>, <see cref="Threshold"/>, <see cref="SampledOnce"/> and <see cref="Resampled"/>; or <see cref="None"/>, which leaves
/// numbers as they are, and <see cref="Dequantized"/>, which adds noise below one grey level. The bits of an image depend on its pixels, its <see cref="DataPart.Id"/>, the seed and (only when resampled) the
/// epoch, never on its batch, on the order of access or on other images.
/// </summary>
public abstract partial record Binarization
{
    /// <summary>Raised whenever the bits made from the same pixels change; part of what identifies a result.</summary>
    public const int Revision = 1;

    private static readonly float[] Probabilities = MakeProbabilities();

    private Binarization()
    {
    }

    /// <summary>Name and settings in one word, for provenance: "fixed", "threshold(128)", "sampled-once(seed=7)", "resampled(seed=7)", "none".</summary>
    public abstract string Description { get; }

    /// <summary>Writes one datapoint as values that are exactly 0 or 1; with <see cref="None"/> as it is, pixels divided by 255.</summary>
    /// <param name="images">The set.</param>
    /// <param name="index">Number of the image in the set. Range: 0 ≤ index &lt; images.Count.</param>
    /// <param name="epoch">Pass over the data; only <see cref="Resampled"/> looks at it. Range: epoch ≥ 0.</param>
    /// <param name="row">[images.PixelCount], overwritten.</param>
    /// <exception cref="DataException">No such image, a row of another length, a negative epoch, or numbers that this kind cannot turn into bits.</exception>
    public void Fill(DataPart images, int index, int epoch, Span<float> row)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (row.Length != images.PixelCount)
        {
            throw new DataException(
                $"An image of '{images.Name}' has {images.PixelCount} pixels and cannot be written into a row of {row.Length}; pass a row of that length.");
        }

        if (epoch < 0)
        {
            throw new DataException($"Images of '{images.Name}' cannot be binarized for epoch {epoch}; count epochs from 0.");
        }

        RequireFit(images);
        if (images is ImageSet bytes)
            FillChecked(bytes, index, epoch, row);
        else
            FillChecked(ArraysOf(images), index, epoch, row);
    }

    /// <summary>Writes several images, one row each.</summary>
    /// <param name="images">The set.</param>
    /// <param name="indices">[B], numbers of the images in the set.</param>
    /// <param name="epoch">Pass over the data. Range: epoch ≥ 0.</param>
    /// <param name="rows">[B, images.PixelCount], overwritten.</param>
    /// <exception cref="DataException">As for one image, or the rows are of another length.</exception>
    public void Fill(DataPart images, ReadOnlySpan<int> indices, int epoch, Span<float> rows)
    {
        ArgumentNullException.ThrowIfNull(images);
        int size = images.PixelCount;
        if (rows.Length != (long)indices.Length * size)
        {
            throw new DataException(
                $"{indices.Length} images of '{images.Name}' with {size} pixels each cannot be written into {rows.Length} values; pass {(long)indices.Length * size}.");
        }

        for (int i = 0; i < indices.Length; i++)
        {
            Fill(images, indices[i], epoch, rows.Slice(i * size, size));
        }
    }

    /// <summary>Expected value of every pixel over the set, [PixelCount]: what a decoder's last bias may start from.</summary>
    /// <exception cref="DataException">The set is empty, or holds numbers that this kind cannot turn into bits.</exception>
    public double[] Means(DataPart images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0)
        {
            throw new DataException($"'{images.Name}' has no images to take a mean over; use a set with at least one.");
        }

        RequireFit(images);
        double[] sums = new double[images.PixelCount];
        for (int i = 0; i < images.Count; i++)
        {
            if (images is ImageSet bytes)
                AddExpected(bytes.Pixels(i), sums);
            else
                AddExpected(ArraysOf(images).Values(i), sums);
        }

        // Bytes are summed times 255: sums of whole numbers are exact, so the means do not depend on the order of the images.
        double scale = (images is ImageSet ? 255.0 : 1.0) * images.Count;
        return Array.ConvertAll(sums, sum => sum / scale);
    }

    private protected abstract void FillChecked(ImageSet images, int index, int epoch, Span<float> row);

    private protected abstract void FillChecked(ArraySet values, int index, int epoch, Span<float> row);

    private static ArraySet ArraysOf(DataPart images) => images as ArraySet
        ?? throw new DataException($"'{images.Name}' holds documents, which have no pixels; use a data set of images here.");

    // Refuses what has no bits of this kind.
    private protected virtual void RequireFit(DataPart images)
    {
        if (!images.HasIntensities)
        {
            throw new DataException(
                $"'{images.Name}' holds numbers outside 0..1, which are no probabilities, so binarization {Description} cannot be used; rescale them, or use none with a model of real numbers.");
        }
    }

    // Adds the expected values times 255.
    private protected virtual void AddExpected(ReadOnlySpan<byte> pixels, Span<double> sums)
    {
        for (int i = 0; i < pixels.Length; i++)
        {
            sums[i] += pixels[i];
        }
    }

    private protected virtual void AddExpected(ReadOnlySpan<float> values, Span<double> sums)
    {
        for (int i = 0; i < values.Length; i++)
        {
            sums[i] += values[i];
        }
    }

    /// <summary>row[i] = 1 where pixels[i] is at least the level, else 0; sixteen at a time, as every training step does it for its batch.</summary>
    private static void Mark(ReadOnlySpan<byte> pixels, byte level, Span<float> row)
    {
        int i = 0;
        Vector128<byte> bound = Vector128.Create(level);
        for (; i <= pixels.Length - Vector128<byte>.Count; i += Vector128<byte>.Count)
        {
            Vector128<byte> ones = Vector128.GreaterThanOrEqual(Vector128.Create(pixels[i..]), bound) & Vector128<byte>.One;
            (Vector128<ushort> low, Vector128<ushort> high) = Vector128.Widen(ones);
            Store(low, row[i..]);
            Store(high, row[(i + Vector128<ushort>.Count)..]);
        }

        for (; i < pixels.Length; i++)
        {
            row[i] = pixels[i] >= level ? 1f : 0f;
        }
    }

    private static void Store(Vector128<ushort> values, Span<float> row)
    {
        (Vector128<uint> low, Vector128<uint> high) = Vector128.Widen(values);
        Vector128.ConvertToSingle(low.AsInt32()).CopyTo(row);
        Vector128.ConvertToSingle(high.AsInt32()).CopyTo(row[Vector128<float>.Count..]);
    }

    private static void Draw(ReadOnlySpan<byte> pixels, RandomStream stream, Span<float> row)
    {
        // Uniforms lie in [0, 1): pixel 0 is never and pixel 255 always set.
        stream.FillUniform(row);
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = row[i] < Probabilities[pixels[i]] ? 1f : 0f;
        }
    }

    private static void Draw(ReadOnlySpan<float> probabilities, RandomStream stream, Span<float> row)
    {
        stream.FillUniform(row);
        for (int i = 0; i < row.Length; i++)
        {
            row[i] = row[i] < probabilities[i] ? 1f : 0f;
        }
    }

    private static float[] MakeProbabilities()
    {
        float[] table = new float[256];
        for (int i = 0; i < table.Length; i++)
        {
            table[i] = i / 255f;
        }

        return table;
    }
}
