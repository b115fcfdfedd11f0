using System.Text;
using GapLab.Data.Arrays;

namespace GapLab.Data;

/// <summary>Reads the words of documents, one a line in the order of their numbers: the first field of each line; what follows after a blank or tab, such as a frequency, is not used.</summary>
public static class VocabularyReader
{
    /// <summary>Reads a plain or gzip-compressed file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="count">How many words it must have.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <exception cref="DataException">The file is missing, malformed, of another length, or not the expected one.</exception>
    public static (IReadOnlyList<string> Words, LoadedFile File) Read(string path, int count, string? sha256 = null)
    {
        using UnpackedFile file = UnpackedFile.Open(path);
        byte[] bytes = Unpacking.ReadAll(file.Path, file.StoredBytes, buffer => file.Read(buffer.Span));
        LoadedFile loaded = file.Finish(sha256);
        string[] words = [.. Encoding.UTF8.GetString(bytes).TrimEnd().Split('\n').Select(line => line.TrimStart().Split([' ', '\t', '\r'], 2)[0])];
        int empty = Array.IndexOf(words, "");
        if (empty >= 0)
            throw new DataException($"Line {empty + 1} of '{file.Path}' has no word; correct or remove it.");
        return words.Length == count
            ? (words, loaded)
            : throw new DataException($"'{file.Path}' has {words.Length} words where {count} were expected; check that it is the right file.");
    }
}
