using System.Globalization;
using GapLab.Tensors;

namespace GapLab.Data;

/// <content>The kinds of binarization.</content>
public abstract partial record Binarization
{
    /// <summary>The data already are 0/1 (bytes 0/255): copied as they are.</summary>
    public sealed record FixedFile : Binarization
    {
        /// <inheritdoc/>
        public override string Description => "fixed";

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) => Mark(images.Pixels(index), 1, row);

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row) => values.Values(index).CopyTo(row);

        private protected override void RequireFit(DataPart images)
        {
            if (!images.IsBinary)
            {
                throw new DataException(
                    $"'{images.Name}' has grey pixels, so its images are not fixed binary ones; choose threshold, sampled-once or resampled binarization.");
            }
        }
    }

    /// <summary>
    /// 1 where the pixel is at least <paramref name="Level"/>, or the intensity at least Level/255. The default, 128, is pixel/255 ≥ 0.5, the
    /// static binarization of Fashion-MNIST in the inference-gap experiments; for real numbers it means at least 128/255, about 0.502.
    /// </summary>
    /// <param name="Level">Smallest pixel that becomes 1.</param>
    public sealed record Threshold(byte Level = 128) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"threshold({Level})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) => Mark(images.Pixels(index), Level, row);

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row)
        {
            ReadOnlySpan<float> from = values.Values(index);
            for (int i = 0; i < row.Length; i++)
                row[i] = from[i] >= Probabilities[Level] ? 1f : 0f;
        }

        private protected override void AddExpected(ReadOnlySpan<byte> pixels, Span<double> sums)
        {
            for (int i = 0; i < pixels.Length; i++)
                sums[i] += pixels[i] >= Level ? 255 : 0;
        }

        private protected override void AddExpected(ReadOnlySpan<float> values, Span<double> sums)
        {
            for (int i = 0; i < values.Length; i++)
                sums[i] += values[i] >= Probabilities[Level] ? 1 : 0;
        }
    }

    /// <summary>Each pixel drawn once from Bernoulli(intensity): the same bits in every epoch.</summary>
    /// <param name="Seed">Another seed gives another fixed data set.</param>
    public sealed record SampledOnce(ulong Seed) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"sampled-once(seed={Seed})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) =>
            Draw(images.Pixels(index), Stream(images, index), row);

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row) =>
            Draw(values.Values(index), Stream(values, index), row);

        private RandomStream Stream(DataPart part, int index) => new RandomStream(Seed, RandomPurpose.Binarization).At(part.Id(index), 0, 0);
    }

    /// <summary>Each pixel drawn afresh from Bernoulli(intensity) in every epoch: dynamic binarization.</summary>
    /// <param name="Seed">Seed of all draws.</param>
    public sealed record Resampled(ulong Seed) : Binarization
    {
        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"resampled(seed={Seed})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row) =>
            Draw(images.Pixels(index), Stream(images, index, epoch), row);

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row) =>
            Draw(values.Values(index), Stream(values, index, epoch), row);

        // Lane 1 keeps epoch 0 apart from the bits of SampledOnce with the same seed.
        private RandomStream Stream(DataPart part, int index, int epoch) =>
            new RandomStream(Seed, RandomPurpose.Binarization).At(part.Id(index), epoch, 1);
    }

    /// <summary>No binarization: real numbers as they are, bytes divided by 255. For models of real numbers, such as Gaussian outputs.</summary>
    public sealed record None : Binarization
    {
        /// <inheritdoc/>
        public override string Description => "none";

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row)
        {
            ReadOnlySpan<byte> pixels = images.Pixels(index);
            for (int i = 0; i < row.Length; i++)
                row[i] = Probabilities[pixels[i]];
        }

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row) => values.Values(index).CopyTo(row);

        private protected override void RequireFit(DataPart images)
        {
        }
    }

    /// <summary>
    /// No binarization either: bytes k become (k + u) / 256 in [0, 1), with u uniform on [0, 1) drawn afresh in every epoch, so that a density can be fitted to pixels of 256 levels; see
    /// <see cref="Distributions.GaussianOutput"/>. Evaluations, which count as epoch 0, always draw the same u.
    /// </summary>
    /// <param name="Seed">Seed of all draws.</param>
    public sealed record Dequantized(ulong Seed) : Binarization
    {
        /// <summary>The number of levels of a byte.</summary>
        public const int Levels = 256;

        /// <inheritdoc/>
        public override string Description => string.Create(CultureInfo.InvariantCulture, $"dequantized(seed={Seed})");

        private protected override void FillChecked(ImageSet images, int index, int epoch, Span<float> row)
        {
            ReadOnlySpan<byte> pixels = images.Pixels(index);
            new RandomStream(Seed, RandomPurpose.Dequantization).At(images.Id(index), epoch, 0).FillUniform(row);
            for (int i = 0; i < row.Length; i++)
                row[i] = (pixels[i] + row[i]) / Levels;
        }

        private protected override void FillChecked(ArraySet values, int index, int epoch, Span<float> row) => RequireFit(values);

        private protected override void RequireFit(DataPart images)
        {
            if (images is not ImageSet)
                throw new DataException($"'{images.Name}' holds no pixels of {Levels} levels, between which noise could be added; use images of bytes.");
        }

        private protected override void AddExpected(ReadOnlySpan<byte> pixels, Span<double> sums)
        {
            for (int i = 0; i < pixels.Length; i++)
                sums[i] += 255 * (pixels[i] + 0.5) / Levels;
        }
    }
}
