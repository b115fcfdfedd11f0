using System.Buffers.Text;
using System.Text;
using GapLab.Data.Arrays;

namespace GapLab.Data;

/// <summary>
/// Reads documents as bags of words, one a line: <c>label word:count word:count ...</c>, separated by blanks or tabs, with words numbered from 1 and in any order. The label may be any text without a colon;
/// it is not used. This is the form of 20 Newsgroups and RCV1 as prepared for neural topic models.
/// </summary>
public static class WordCountReader
{
    private const int BufferBytes = 1 << 18;

    // A word and its count, with colon and blank, in the longest form that makes sense.
    private const int LongestEntry = 24;
    private const int LongestLabel = 1 << 12;
    private const int MostWords = 1 << 24;

    /// <summary>Reads a plain or gzip-compressed file in one pass; the text is never held as a whole.</summary>
    /// <param name="path">The file.</param>
    /// <param name="vocabularySize">How many words there are. Range: 1 to 16,777,216.</param>
    /// <param name="sha256">Expected SHA-256 of the unpacked bytes, or null to accept any.</param>
    /// <param name="count">Expected number of documents, or null to accept any.</param>
    /// <returns>The documents with ids from 0, and the file's checksum.</returns>
    /// <exception cref="DataException">The file is missing, malformed, truncated, or not the expected one; names the line.</exception>
    public static (CountSet Documents, LoadedFile File) Read(string path, int vocabularySize, string? sha256 = null, int? count = null)
    {
        if (vocabularySize is < 1 or > MostWords)
            throw new DataException($"'{path}' cannot be read with a vocabulary of {vocabularySize} words; give 1 to {MostWords}.");
        using UnpackedFile file = UnpackedFile.Open(path);
        Lines lines = new(file, vocabularySize);
        lines.Read(count);
        LoadedFile loaded = file.Finish(sha256);
        return (lines.Documents(Path.GetFileName(file.Path)), loaded);
    }

    private sealed class Lines(UnpackedFile file, int vocabularySize)
    {
        private readonly List<int> _starts = [0];
        private readonly List<int> _words = [];
        private readonly List<int> _counts = [];
        private readonly int[] _lastLine = new int[vocabularySize];
        private int _line;

        public CountSet Documents(string name) => new(name, vocabularySize, [.. _starts], [.. _words], [.. _counts]);

        public void Read(int? count)
        {
            long limit = file.IsPacked ? Unpacking.LimitOf(file.StoredBytes) : long.MaxValue;
            byte[] buffer = new byte[Math.Max(BufferBytes, LongestLabel + (LongestEntry * vocabularySize))];
            int kept = 0;
            while (true)
            {
                int read = file.Read(buffer.AsSpan(kept));
                bool isLast = kept + read < buffer.Length;
                ReadOnlySpan<byte> text = buffer.AsSpan(0, kept + read);
                if (file.Position > limit)
                    throw new DataException($"'{file.Path}' unpacks to more than {limit} bytes, out of all proportion to the {file.StoredBytes} of its file; save it uncompressed if that is right.");
                while (!text.IsEmpty)
                {
                    int end = text.IndexOf((byte)'\n');
                    if (end < 0 && !isLast)
                        break;
                    if (_line++ == count)
                        throw new DataException($"'{file.Path}' has more than the {count} lines expected; check that it is the right file.");
                    ReadLine(end < 0 ? text : text[..end]);
                    text = end < 0 ? [] : text[(end + 1)..];
                }

                if (isLast)
                    break;
                if (text.Length == buffer.Length)
                    throw Fault($"is longer than {buffer.Length} characters, more than {vocabularySize} words can take", _line + 1);
                text.CopyTo(buffer);
                kept = text.Length;
            }

            if (_line == 0)
                throw new DataException($"'{file.Path}' has no documents; check that it is the right file.");
            if (count is { } expected && _line != expected)
                throw new DataException($"'{file.Path}' is cut off: it has {_line} lines where {expected} were expected; fetch it again.");
        }

        private void ReadLine(ReadOnlySpan<byte> line)
        {
            ReadOnlySpan<byte> label = Next(ref line);
            if (label.Contains((byte)':'))
                throw Fault($"starts with '{Shown(label)}', where a label is expected", _line);
            while (Next(ref line) is { IsEmpty: false } entry)
            {
                int colon = entry.IndexOf((byte)':');
                if (colon < 0 || !TryRead(entry[..colon], out int word) || !TryRead(entry[(colon + 1)..], out int count))
                    throw Fault($"has '{Shown(entry)}', where the number of a word, a colon and a count, both at least 1, are expected", _line);
                if (word > vocabularySize)
                    throw Fault($"has word {word}, but the vocabulary has {vocabularySize}", _line);
                if (_lastLine[word - 1] == _line)
                    throw Fault($"has word {word} twice", _line);
                _lastLine[word - 1] = _line;
                _words.Add(word - 1);
                _counts.Add(count);
            }

            if (_words.Count == _starts[^1])
                throw Fault("has no words, and a document without words has no perplexity", _line);
            _starts.Add(_words.Count);
        }

        private DataException Fault(string what, int line) => new($"Line {line} of '{file.Path}' {what}; correct or remove it.");

        private static bool TryRead(ReadOnlySpan<byte> digits, out int value) =>
            Utf8Parser.TryParse(digits, out value, out int used) && used == digits.Length && value >= 1 && digits[0] != '+';

        private static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> line)
        {
            line = line.TrimStart(" \t\r"u8);
            int end = line.IndexOfAny(" \t\r"u8);
            ReadOnlySpan<byte> field = end < 0 ? line : line[..end];
            line = line[field.Length..];
            return field;
        }

        // Short, in one line.
        private static string Shown(ReadOnlySpan<byte> field)
        {
            string text = Encoding.UTF8.GetString(field.Length > 20 ? field[..20] : field);
            return string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) + (field.Length > 20 ? "..." : "");
        }
    }
}
