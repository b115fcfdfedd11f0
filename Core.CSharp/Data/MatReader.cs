using System.Text;
using GapLab.Data.Arrays;

namespace GapLab.Data;

/// <summary>
/// Reads arrays of numbers from MATLAB files of version 5 to 7 (level 5 MAT-files, compressed or not, little-endian): the files of the cropped digits of SVHN and of the Omniglot images of Burda et al. are such.
/// The array is read as the file goes by, and memory grows with the numbers present, not with what headers claim.
/// </summary>
public static class MatReader
{
    private const int HeaderBytes = 128;
    private const int VersionOffset = 124;
    private const int LevelFive = 0x0100;
    private const int FewestDimensions = 2;

    /// <summary>Reads one variable; the others are passed over.</summary>
    /// <param name="path">The file, which may be packed with gzip besides.</param>
    /// <param name="variable">Its name.</param>
    /// <param name="sha256">Expected SHA-256 of the file's (unpacked) bytes, or null to accept any.</param>
    /// <exception cref="DataException">The file is missing, of another format or version, cut off, damaged, not the expected one, or has no such array of real numbers.</exception>
    public static MatArray Read(string path, string variable, string? sha256 = null)
    {
        using UnpackedFile file = UnpackedFile.Open(path);
        ReadHeader(file);
        List<string> names = [];
        MatVariable? found = null;
        Span<byte> tag = stackalloc byte[8];
        for (int read = file.Read(tag); read > 0; read = file.Read(tag))
        {
            if (read < tag.Length)
                throw new DataException($"'{file.Path}' is cut off: its unpacked data end at byte {file.Position}, inside the header of a variable; fetch it again.");
            MatVariable? own = MatVariable.Read(file, BitConverter.ToInt32(tag), BitConverter.ToUInt32(tag[4..]), variable, names);
            found ??= own;
        }

        LoadedFile loaded = file.Finish(sha256);
        return found is null
            ? throw new DataException(
                $"'{file.Path}' has no variable '{variable}' but {(names.Count == 0 ? "none at all" : string.Join(", ", names.Take(10)))}; check that it is the right file.")
            : new MatArray(found.Dimensions, found.Bytes, found.Reals, loaded);
    }

    /// <summary>
    /// Reads images: an array [height, width, channels, N], as of SVHN, or a matrix [height · width, N] whose columns are images, column by column, as of Burda et al. They come row by row with channels innermost.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="variable">The variable's name.</param>
    /// <param name="height">Rows per image.</param>
    /// <param name="width">Columns per image.</param>
    /// <param name="channels">Numbers per pixel.</param>
    /// <param name="count">How many images there must be.</param>
    /// <param name="sha256">Expected SHA-256 of the file's (unpacked) bytes, or null to accept any.</param>
    /// <returns>The images with ids from 0, as bytes or real numbers, and the file's checksum.</returns>
    /// <exception cref="DataException">As <see cref="Read"/>, or the array has other sizes, or real numbers for pixels of several channels.</exception>
    public static (DataPart Images, LoadedFile File) ReadImages(string path, string variable, int height, int width, int channels, int count, string? sha256 = null)
    {
        MatArray array = Read(path, variable, sha256);
        if (!array.Dimensions.SequenceEqual([height, width, channels, count]) && !array.Dimensions.SequenceEqual([height * width * channels, count]))
        {
            throw new DataException(
                $"'{variable}' of '{array.File.Path}' has the sizes {string.Join('x', array.Dimensions)} where {height}x{width}x{channels}x{count} or {height * width * channels}x{count} were expected; check that it is the right file.");
        }

        if (array.Bytes is null && channels > 1)
            throw new DataException($"'{variable}' of '{array.File.Path}' holds real numbers where pixels of {channels} bytes were expected; save it as uint8.");
        string name = Path.GetFileName(array.File.Path);
        return array.Bytes is not null
            ? (new ImageSet(name, height, width, RowByRow(array.Bytes, height, width, channels), channels: channels), array.File)
            : (new ArraySet(name, height, width, RowByRow(array.Reals!, height, width, channels)), array.File);
    }

    private static T[] RowByRow<T>(T[] columnByColumn, int height, int width, int channels)
    {
        T[] values = new T[columnByColumn.Length];
        int size = height * width * channels;
        for (int first = 0; first < values.Length; first += size)
        {
            for (int row = 0; row < height; row++)
            {
                for (int column = 0; column < width; column++)
                {
                    for (int channel = 0; channel < channels; channel++)
                        values[first + (((row * width) + column) * channels) + channel] = columnByColumn[first + row + (height * (column + (width * channel)))];
                }
            }
        }

        return values;
    }

    private static void ReadHeader(UnpackedFile file)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        int read = file.Read(header);
        if (header.StartsWith("MATLAB 7.3"u8))
            throw new DataException($"'{file.Path}' is a MATLAB file of version 7.3, which is HDF5 and is not read here; save it with the option '-v7'.");
        if (read < HeaderBytes || !header.StartsWith("MATLAB 5.0"u8))
            throw new DataException($"'{file.Path}' is no MATLAB file of version 5 to 7: it does not start with 'MATLAB 5.0' and a header of {HeaderBytes} bytes; check that it is the right file.");
        if (header[VersionOffset + 2] != 'I' || header[VersionOffset + 3] != 'M' || BitConverter.ToUInt16(header[VersionOffset..]) != LevelFive)
            throw new DataException($"'{file.Path}' is a MATLAB file of another byte order or level than version 5 to 7 write on usual machines; save it anew with the option '-v7'.");
    }

    /// <summary>Checks the sizes that a header claims.</summary>
    internal static int[] RequireDimensions(UnpackedFile file, string name, ReadOnlySpan<byte> bytes)
    {
        int[] sizes = new int[bytes.Length / 4];
        long total = 1;
        for (int i = 0; i < sizes.Length; i++)
        {
            sizes[i] = BitConverter.ToInt32(bytes[(4 * i)..]);
            total = sizes[i] < 0 || total > Array.MaxLength ? long.MaxValue : total * sizes[i];
        }

        return sizes.Length >= FewestDimensions && total <= Array.MaxLength
            ? sizes
            : throw new DataException($"'{name}' of '{file.Path}' has the sizes {string.Join('x', sizes.Take(8))}, which cannot be; fetch the file again.");
    }

    /// <summary>A name as it can be shown.</summary>
    internal static string Shown(ReadOnlySpan<byte> name) =>
        string.Concat(Encoding.ASCII.GetString(name.Length > 40 ? name[..40] : name).Select(c => char.IsControl(c) ? '?' : c));
}
