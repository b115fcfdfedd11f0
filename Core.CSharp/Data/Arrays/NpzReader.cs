using System.IO.Compression;

namespace GapLab.Data.Arrays;

/// <summary>
/// Reads NumPy's .npz format, a zip archive of .npy files. An array called train (or x_train, X_train, train_x) is the training part, and so on
/// with valid, validation, val, dev and with test; an archive of one array has no parts, and other arrays beside named parts, such as labels,
/// are not read.
/// </summary>
internal static class NpzReader
{
    private static readonly string[] Training = ["train"];
    private static readonly string[] Validation = ["valid", "validation", "val", "dev"];
    private static readonly string[] Test = ["test"];

    /// <summary>Reads an archive that is in memory.</summary>
    /// <param name="name">What it is called, for messages.</param>
    /// <param name="file">The whole file.</param>
    /// <exception cref="DataException">It is malformed or damaged, or it is unclear which arrays are meant.</exception>
    public static PartArrays Read(string name, byte[] file)
    {
        try
        {
            using ZipArchive archive = new(new MemoryStream(file, writable: false));
            ZipArchiveEntry[] arrays = [.. archive.Entries.Where(e => e.FullName.EndsWith(".npy", StringComparison.Ordinal))];
            ZipArchiveEntry? train = Find(name, arrays, Training);
            ZipArchiveEntry? validation = Find(name, arrays, Validation);
            ZipArchiveEntry? test = Find(name, arrays, Test);
            if (train is null && validation is null && test is null && arrays.Length == 1)
                train = arrays[0];
            if (train is null)
            {
                string held = arrays.Length == 0 ? "no arrays" : $"the arrays {string.Join(", ", arrays.Take(8).Select(e => $"'{Stem(e)}'"))}{(arrays.Length > 8 ? ", ..." : "")}";
                throw new DataException($"'{name}' holds {held}, and none is called train or x_train; save the training part under that name.");
            }

            NumberArray Array(ZipArchiveEntry entry) => NpyReader.Read($"{name}/{Stem(entry)}", Unpack(name, file.Length, entry));
            return new PartArrays(Array(train), validation is null ? null : Array(validation), test is null ? null : Array(test));
        }
        catch (Exception e) when (e is InvalidDataException or IOException or NotSupportedException or ArgumentException or OverflowException)
        {
            throw new DataException($"'{name}' is not a complete, undamaged .npz archive; write it again with numpy.savez or numpy.savez_compressed.", e);
        }
    }

    private static ZipArchiveEntry? Find(string name, ZipArchiveEntry[] arrays, string[] parts)
    {
        ZipArchiveEntry[] found = [.. arrays.Where(e => parts.Any(part => Names(part).Contains(Stem(e))))];
        return found.Length <= 1
            ? found.FirstOrDefault()
            : throw new DataException($"'{name}' holds '{Stem(found[0])}' and '{Stem(found[1])}', and it is unclear which is meant; leave one of them out.");
    }

    private static string[] Names(string part) => [part, $"x_{part}", $"X_{part}", $"{part}_x"];

    private static string Stem(ZipArchiveEntry entry) => entry.FullName[..^".npy".Length];

    private static byte[] Unpack(string name, int fileLength, ZipArchiveEntry entry)
    {
        if (entry.IsEncrypted)
            throw new DataException($"The array '{Stem(entry)}' of '{name}' is encrypted; save it without a password.");
        using Stream stream = entry.Open();
        byte[] bytes = Unpacking.ReadAll($"{name}/{Stem(entry)}", fileLength, buffer => stream.ReadAtLeast(buffer.Span, buffer.Length, throwOnEndOfStream: false));
        return Crc32.Of(bytes) == entry.Crc32
            ? bytes
            : throw new DataException($"The array '{Stem(entry)}' of '{name}' is damaged: its checksum is not the one in the archive; write the file again.");
    }
}
