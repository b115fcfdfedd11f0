using System.Runtime.InteropServices;

namespace GapLab.Data;

/// <summary>
/// Reads .amat text: one image per line, its pixels as the characters 0 and 1 separated by blanks (spaces or tabs), row-major. This is the form of
/// the fixed binarization of MNIST. Lines end with LF or CRLF, the last one may lack its end; anything else is refused.
/// </summary>
public static class AmatReader
{
    private const int BufferBytes = 1 << 18;
    private const ushort BlankDigit = 0x2030; // '0' followed by ' ' as a little-endian pair

    /// <summary>Reads a plain or gzip-compressed file in one pass; the text is never held as a whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="height">Rows per image. Range: height ≥ 1.</param>
    /// <param name="width">Columns per image. Range: width ≥ 1.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <param name="count">Expected number of images, or null to accept any.</param>
    /// <returns>The images as 0/255 with ids from 0, and the file's checksum.</returns>
    /// <exception cref="DataException">The file is missing, malformed, truncated, or not the expected one.</exception>
    public static (ImageSet Images, LoadedFile File) Read(string path, int height = 28, int width = 28, string? sha256 = null, int? count = null)
    {
        long size = (long)height * width;
        if (height < 1 || width < 1 || size > Array.MaxLength / 16)
        {
            throw new DataException($"'{path}' cannot be read as {height}x{width} images; give a height and a width of at least 1.");
        }

        if (count is < 0 || count * size > Array.MaxLength)
        {
            throw new DataException($"'{path}' cannot be read as {count} images of {height}x{width}; give a count between 0 and {Array.MaxLength / size}.");
        }

        using UnpackedFile file = UnpackedFile.Open(path);
        byte[] pixels = ReadLines(file, (int)size, count);
        LoadedFile loaded = file.Finish(sha256);
        return (new ImageSet(Path.GetFileName(file.Path), height, width, pixels), loaded);
    }

    private static byte[] ReadLines(UnpackedFile file, int size, int? count)
    {
        // Several blanks between pixels are fine, but a line has to fit the buffer, which bounds what a file without line ends can cost.
        byte[] buffer = new byte[Math.Max(BufferBytes, 8 * size)];
        byte[] pixels = new byte[(count ?? 16) * size];
        int kept = 0;
        int lines = 0;
        while (true)
        {
            int read = file.Read(buffer.AsSpan(kept));
            bool isLast = kept + read < buffer.Length;
            ReadOnlySpan<byte> text = buffer.AsSpan(0, kept + read);
            while (!text.IsEmpty)
            {
                int end = text.IndexOf((byte)'\n');
                if (end < 0 && !isLast)
                {
                    break;
                }

                ReadOnlySpan<byte> line = end < 0 ? text : text[..end];
                Span<byte> row = Row(file, ref pixels, lines, size, count);
                if (!TryReadRegular(line, row))
                {
                    ReadIrregular(file, lines + 1, line, row);
                }

                lines++;
                text = end < 0 ? [] : text[(end + 1)..];
            }

            if (isLast)
            {
                break;
            }

            if (text.Length == buffer.Length)
            {
                throw new DataException(
                    $"Line {lines + 1} of '{file.Path}' is longer than {buffer.Length} characters where {size} pixels were expected; check that it is the right file.");
            }

            text.CopyTo(buffer);
            kept = text.Length;
        }

        if (count is { } expected && lines != expected)
        {
            throw new DataException($"'{file.Path}' is cut off: it has {lines} lines where {expected} were expected; fetch it again.");
        }

        if (pixels.Length != lines * size)
        {
            Array.Resize(ref pixels, lines * size);
        }

        return pixels;
    }

    private static Span<byte> Row(UnpackedFile file, ref byte[] pixels, int line, int size, int? count)
    {
        if (line == count)
        {
            throw new DataException($"'{file.Path}' has more than the {count} lines expected; check that it is the right file.");
        }

        long end = (line + 1L) * size;
        if (end > pixels.Length)
        {
            if (end > Array.MaxLength)
            {
                throw new DataException($"'{file.Path}' holds more pixels than one array can take (line {line + 1}); split the file.");
            }

            Array.Resize(ref pixels, (int)Math.Min(Array.MaxLength, Math.Max(end, 2L * pixels.Length)));
        }

        return pixels.AsSpan(line * size, size);
    }

    // The published files have exactly one blank between two digits: such a line is read two characters at a time.
    private static bool TryReadRegular(ReadOnlySpan<byte> line, Span<byte> row)
    {
        int last = row.Length - 1;
        if (!BitConverter.IsLittleEndian || line.Length < 2 * last + 1 || !IsLineEnd(line[(2 * last + 1)..]))
        {
            return false;
        }

        ReadOnlySpan<ushort> pairs = MemoryMarshal.Cast<byte, ushort>(line[..(2 * last)]);
        int wrong = 0;
        for (int i = 0; i < pairs.Length && i < row.Length; i++)
        {
            int pair = pairs[i] ^ BlankDigit;
            wrong |= pair;
            row[i] = (byte)-pair;
        }

        int digit = line[2 * last] ^ '0';
        row[last] = (byte)-digit;
        return ((wrong | digit) & ~1) == 0;
    }

    private static bool IsLineEnd(ReadOnlySpan<byte> rest) => rest.IsEmpty || (rest.Length == 1 && rest[0] is (byte)' ' or (byte)'\r');

    private static void ReadIrregular(UnpackedFile file, int line, ReadOnlySpan<byte> text, Span<byte> row)
    {
        if (text is [.., (byte)'\r'])
        {
            text = text[..^1];
        }

        int filled = 0;
        bool afterDigit = false;
        for (int i = 0; i < text.Length; i++)
        {
            byte c = text[i];
            bool isDigit = c is (byte)'0' or (byte)'1';
            if (!isDigit && c is not ((byte)' ' or (byte)'\t'))
            {
                throw new DataException(
                    $"Line {line} of '{file.Path}' has {Show(c)} at column {i + 1}, where only 0, 1 and blanks may stand; check that it is the right file.");
            }

            if (isDigit && afterDigit)
            {
                throw new DataException($"Line {line} of '{file.Path}' has two digits without a blank between them at column {i + 1}; separate the pixels by blanks.");
            }

            afterDigit = isDigit;
            if (isDigit && filled++ < row.Length)
            {
                row[filled - 1] = c == '1' ? byte.MaxValue : (byte)0;
            }
        }

        if (filled != row.Length)
        {
            throw new DataException(
                $"Line {line} of '{file.Path}' has {filled} pixels where {row.Length} were expected; the file is cut off or holds images of another size.");
        }
    }

    private static string Show(byte c) => c is > 0x20 and < 0x7f ? $"'{(char)c}'" : $"the byte {c:x2}";
}
