using System.IO.Compression;
using System.Security.Cryptography;

namespace GapLab.Data;

/// <summary>
/// A file opened for one forward pass: gzip is undone, the unpacked bytes are counted and hashed as they go by, and every
/// failure of the file system or the decompressor becomes a <see cref="DataException"/>.
/// </summary>
internal sealed class UnpackedFile : IDisposable
{
    private const int FileBufferBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

    private UnpackedFile(string path, Stream stream, bool isPacked, long storedBytes)
    {
        Path = path;
        _stream = stream;
        IsPacked = isPacked;
        StoredBytes = storedBytes;
    }

    /// <summary>Full path of the file as stored.</summary>
    public string Path { get; }

    /// <summary>Whether the stored file is gzip-compressed.</summary>
    public bool IsPacked { get; }

    /// <summary>Length of the stored file in bytes.</summary>
    public long StoredBytes { get; }

    /// <summary>Number of unpacked bytes read so far.</summary>
    public long Position { get; private set; }

    /// <summary>Opens a file; content that starts with the gzip signature is unpacked, whatever the file is called.</summary>
    public static UnpackedFile Open(string path)
    {
        FileStream? file = null;
        try
        {
            path = System.IO.Path.GetFullPath(path);
            if (Directory.Exists(path))
            {
                throw new DataException($"'{path}' is a folder where a data file was expected; name the file itself.");
            }

            file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, FileBufferBytes, FileOptions.SequentialScan);
            bool isPacked = file.ReadByte() == 0x1f && file.ReadByte() == 0x8b;
            file.Position = 0;
            if (!isPacked && path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase))
            {
                throw new DataException(
                    $"'{path}' is named .gz but does not start with the gzip signature 1f 8b; fetch it again, or drop .gz from its name if it is already unpacked.");
            }

            Stream stream = isPacked ? new GZipStream(file, CompressionMode.Decompress) : file;
            return new UnpackedFile(path, stream, isPacked, file.Length);
        }
        catch (DataException)
        {
            file?.Dispose();
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            file?.Dispose();
            bool isMissing = e is FileNotFoundException or DirectoryNotFoundException;
            throw new DataException(
                isMissing
                    ? $"The data file '{path}' does not exist; check the path."
                    : $"The data file '{path}' cannot be opened ({OneLine(e)}); check the path and its permissions.",
                e);
        }
    }

    /// <summary>Reads until the buffer is full or the file ends; returns the number of bytes read.</summary>
    public int Read(Span<byte> buffer)
    {
        int count;
        try
        {
            count = _stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (InvalidDataException e)
        {
            throw new DataException(
                $"'{Path}' is not a complete, undamaged gzip file (unpacking failed after byte {Position} of the unpacked data); fetch it again.", e);
        }
        catch (IOException e)
        {
            throw new DataException($"Reading '{Path}' failed after byte {Position} ({OneLine(e)}); check the disk and fetch the file again.", e);
        }

        _hash.AppendData(buffer[..count]);
        Position += count;
        return count;
    }

    /// <summary>Call at the end of the file: gives its checksum, and refuses a file that is not the expected one.</summary>
    public LoadedFile Finish(string? expectedSha256)
    {
        string sha256 = Convert.ToHexStringLower(_hash.GetHashAndReset());
        if (expectedSha256 is not null && !expectedSha256.Equals(sha256, StringComparison.OrdinalIgnoreCase))
        {
            throw new DataException(
                $"'{Path}' is not the published file: its unpacked bytes should have the sha256 {expectedSha256} but have {sha256}; replace it with an unaltered copy.");
        }

        return new LoadedFile(Path, sha256, Position);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        _hash.Dispose();
    }

    private static string OneLine(Exception e) => e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
}
