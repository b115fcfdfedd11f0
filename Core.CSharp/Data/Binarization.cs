using System.Globalization;
using System.Runtime.Intrinsics;
using GapLab.Tensors;

namespace GapLab.Data;

/// <summary>
/// How pixels 0..255 become the values 0 and 1 that a Bernoulli model sees. One of <see cref="FixedFile"/>, <see cref="Threshold"/>,
/// <see cref="SampledOnce"/> and <see cref="Resampled"/>. The bits of an image depend on its pixels, its <see cref="ImageSet.Id"/>, the
/// seed and (only when resampled) the epoch, never on its batch, on the order of access or on other images.
/// </summary>
public abstract record Binarization
{
    /// <summary>Raised whenever the bits made from the same pixels change; part of what identifies a result.</summary>
    public const int Revision = 1;

    private static readonly float[] Probabilities = MakeProbabilities();

    private Binarization()
    {
    }

    /// <summary>Name and settings in one word, for provenance: "fixed", "threshold(128)", "sampled-once(seed=7)", "resampled(seed=7)".</summary>
    public abstract string Description { get; }

    /// <summary>Writes one image as values that are exactly 0 or 1.</summary>
    /// <param name="images">The set.</param>
    /// <param name="index">Number of the image in the set. Range: 0 ≤ index &lt; images.Count.</param>
    /// <param name="epoch">Pass over the data; only <see cref="Resampled"/> looks at it. Range: epoch ≥ 0.</param>
    /// <param name="row">[images.PixelCount], overwritten.</param>
    /// <exception cref="DataException">No such image, a row of another length, a negative epoch, or <see cref="FixedFile"/> over grey pixels.</exception>
    public void Fill(ImageSet images, int index, int epoch, Span<float> row)
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

        FillChecked(images, index, epoch, row);
    }

    /// <summary>Writes several images, one row each.</summary>
    /// <param name="images">The set.</param>
    /// <param name="indices">[B], numbers of the images in the set.</param>
    /// <param name="epoch">Pass over the data. Range: epoch ≥ 0.</param>
    /// <param name="rows">[B, images.PixelCount], overwritten.</param>
    /// <exception cref="DataException">As for one image, or the rows are of another length.</exception>
    public void Fill(ImageSet images, ReadOnlySpan<int> indices, int epoch, Span<float> rows)
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

    /// <summary>Expected value of every pixel over the set, [PixelCount] in 0..1: what a decoder's last bias may start from.</summary>
    /// <exception cref="DataException">The set is empty, or <see cref="FixedFile"/> over grey pixels.</exception>
    public double[] Means(ImageSet images)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0)
        {
            throw new DataException($"'{images.Name}' has no images to take a mean over; use a set with at least one.");
        }

        // Sums of whole numbers are exact, so the means do not depend on the order of the images.
        long[] sums = new long[images.PixelCount];
        for (int i = 0; i < images.Count; i++)
        {
            AddInk(images, images.Pixels(i), sums);
        }

        return Array.ConvertAll(sums, sum => sum / (255.0 * images.Count));
    }

    private protected abstract void FillChecked(ImageSet images, int index, int epoch, Span<float> row);

    // Adds the expected value times 255.
    private protected virtual void AddInk(ImageSet images, ReadOnlySpan<byte> pixels, Span<long> sums)
    {
        for (int i = 0; i < pixels.Length; i++)
        {
            sums[i] += pixels[i];
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

    private static float[] MakeProbabilities()
    {
        float[] table = new float[256];
        for (int i = 0; i < table.Length; i++)
        {
            table[i] = i / 255f;
        }

        return table;
    }

    /// <summary>The file already holds 0/1 (stored as 0/255): copied as it is.</summary>
    public sealed record FixedFile : Binarization
    {
        /// <inheritdoc/>
        public override string Description => "fixed";

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row)
        {
            ReadOnlySpan<byte> pixels = images.Pixels(index);
            RequireBinary(images);
            Mark(pixels, 1, row);
        }

        private protected override void AddInk(ImageSet images, ReadOnlySpan<byte> pixels, Span<long> sums)
        {
            RequireBinary(images);
            base.AddInk(images, pixels, sums);
        }

        private static void RequireBinary(ImageSet images)
        {
            if (!images.IsBinary)
            {
                throw new DataException(
                    $"'{images.Name}' has grey pixels, so its images are not fixed binary ones; choose threshold, sampled-once or resampled binarization.");
            }
        }
    }

    /// <summary>
    /// 1 where the pixel is at least <paramref name="Level"/>. The default, 128, is pixel/255 ≥ 0.5, the static binarization of
    /// Fashion-MNIST in the inference-gap experiments.
    /// </summary>
    /// <param name="Level">Smallest pixel that becomes 1.</param>
    public sealed record Threshold(byte Level = 128) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"threshold({Level})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row)
        {
            ReadOnlySpan<byte> pixels = images.Pixels(index);
            Mark(pixels, Level, row);
        }

        private protected override void AddInk(ImageSet images, ReadOnlySpan<byte> pixels, Span<long> sums)
        {
            for (int i = 0; i < pixels.Length; i++)
            {
                sums[i] += pixels[i] >= Level ? 255 : 0;
            }
        }
    }

    /// <summary>Each pixel drawn once from Bernoulli(pixel/255): the same bits in every epoch.</summary>
    /// <param name="Seed">Another seed gives another fixed data set.</param>
    public sealed record SampledOnce(ulong Seed) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"sampled-once(seed={Seed})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) =>
            Draw(images.Pixels(index), new RandomStream(Seed, RandomPurpose.Binarization).At(images.Id(index), 0, 0), row);
    }

    /// <summary>Each pixel drawn afresh from Bernoulli(pixel/255) in every epoch: dynamic binarization.</summary>
    /// <param name="Seed">Seed of all draws.</param>
    public sealed record Resampled(ulong Seed) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"resampled(seed={Seed})");

        // Lane 1 keeps epoch 0 apart from the bits of SampledOnce with the same seed.
        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) =>
            Draw(images.Pixels(index), new RandomStream(Seed, RandomPurpose.Binarization).At(images.Id(index), epoch, 1), row);
    }
}
