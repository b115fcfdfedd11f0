namespace GapLab.Data;

/// <summary>
/// Reads the binary version of CIFAR-10: records of 3,073 bytes, a label from 0 to 9 and then 1,024 red, 1,024 green and 1,024 blue bytes, each 32 rows of 32 pixels; no header. The images
/// come with channels innermost, as convolutions take them.
/// </summary>
public static class CifarReader
{
    /// <summary>Rows and columns of an image.</summary>
    public const int Side = 32;

    /// <summary>Bytes per pixel: red, green, blue.</summary>
    public const int Channels = 3;

    /// <summary>Number of classes.</summary>
    public const int Classes = 10;

    private const int Plane = Side * Side;
    private const int ImageBytes = Channels * Plane;
    private const int RecordBytes = 1 + ImageBytes;
    private const int FirstBlockImages = 1000;

    /// <summary>Reads a plain or gzip-compressed file; memory grows with the images present, not with how many there should be.</summary>
    /// <param name="path">The file.</param>
    /// <param name="count">How many images it must have. Range: count ≥ 0.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <exception cref="DataException">The file is missing, malformed, truncated, too long, or not the expected one.</exception>
    public static (ImageSet Images, LoadedFile File) Read(string path, int count, string? sha256 = null)
    {
        if (count < 0 || count > Array.MaxLength / ImageBytes)
        {
            throw new DataException($"{count} CIFAR images cannot be read from '{path}'; ask for 0 to {Array.MaxLength / ImageBytes}.");
        }

        using UnpackedFile file = UnpackedFile.Open(path);
        byte[] pixels = new byte[Math.Min(count, FirstBlockImages) * ImageBytes];
        Span<byte> record = stackalloc byte[RecordBytes];
        for (int image = 0; image < count; image++)
        {
            if (file.Read(record) < RecordBytes)
            {
                throw new DataException(
                    $"'{file.Path}' is cut off: {count} images of {RecordBytes} bytes were expected, but the unpacked data end at byte {file.Position}, in image {image} (from 0); fetch it again.");
            }

            if (record[0] >= Classes)
            {
                throw new DataException(
                    $"'{file.Path}' is no file of CIFAR-10 images: image {image} (from 0) has the label {record[0]}, and labels are 0 to {Classes - 1}; check that it is the right file.");
            }

            if ((image + 1) * ImageBytes > pixels.Length)
            {
                Array.Resize(ref pixels, (int)Math.Min((long)count * ImageBytes, 2L * pixels.Length));
            }

            Interleave(record[1..], pixels.AsSpan(image * ImageBytes, ImageBytes));
        }

        if (file.Read(record[..1]) != 0)
        {
            throw new DataException($"'{file.Path}' goes on after {count} images (from byte {file.Position - 1} of the unpacked data); check that it is the right file.");
        }

        LoadedFile loaded = file.Finish(sha256);
        return (new ImageSet(Path.GetFileName(file.Path), Side, Side, pixels, channels: Channels), loaded);
    }

    private static void Interleave(ReadOnlySpan<byte> planes, Span<byte> pixels)
    {
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int i = 0; i < Plane; i++)
            {
                pixels[(i * Channels) + channel] = planes[(channel * Plane) + i];
            }
        }
    }
}
