using System.Text;
using GapLab.Data.Arrays;

namespace GapLab.Data.Text;

/// <summary>Reads plain text in UTF-8, one sentence a line, words separated by white space; compressed with gzip or not.</summary>
public static class SentenceReader
{
    /// <summary>Longer sentences are left out, as in the papers' text experiments (Kim et al. 2018).</summary>
    public const int LongestSentence = 200;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <param name="lines">Expected number of lines, or null to accept any.</param>
    /// <exception cref="DataException">The file is missing, not UTF-8, cut off, not the expected one, or has no sentence that can be used.</exception>
    public static SentenceFile Read(string path, string? sha256 = null, int? lines = null)
    {
        using UnpackedFile file = UnpackedFile.Open(path);
        byte[] bytes = file.IsPacked ? Unpacking.ReadAll(file.Path, file.StoredBytes, buffer => file.Read(buffer.Span)) : Unpacking.ReadPlain(file);
        LoadedFile loaded = file.Finish(sha256);
        string text;
        try
        {
            text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
        }
        catch (DecoderFallbackException e)
        {
            throw new DataException($"'{file.Path}' is not UTF-8 text (byte {e.Index}); save it as UTF-8.", e);
        }

        var sentences = new List<string[]>();
        int line = 0, empty = 0, tooLong = 0;
        foreach (ReadOnlySpan<char> one in text.AsSpan().TrimEnd().EnumerateLines())
        {
            line++;
            string[] words = one.ToString().Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                empty++;
            else if (words.Length > LongestSentence)
                tooLong++;
            else
                sentences.Add(words);
        }
        if (lines is { } expected && line != expected)
            throw new DataException($"'{file.Path}' has {line} lines where {expected} were expected; fetch it again.");
        return sentences.Count > 0
            ? new SentenceFile(sentences, empty, tooLong, loaded)
            : throw new DataException($"'{file.Path}' has no sentence of 1 to {LongestSentence} words; give one a line.");
    }
}
