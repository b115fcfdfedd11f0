namespace GapLab.Data.Arrays;

/// <summary>The next bytes of a file as a stream of their own, for a decompressor that must not read further.</summary>
/// <param name="file">The file.</param>
/// <param name="length">How many bytes.</param>
internal sealed class BoundedStream(UnpackedFile file, long length) : Stream
{
    /// <summary>Bytes not read yet.</summary>
    public long Remaining { get; private set; } = length;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        int count = file.Read(buffer[..(int)Math.Min(buffer.Length, Remaining)]);
        Remaining -= count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Reads what is left.</summary>
    /// <returns>Whether all of it was there.</returns>
    public bool Drain()
    {
        Span<byte> buffer = stackalloc byte[4096];
        while (Remaining > 0)
        {
            if (Read(buffer) == 0)
                return false;
        }

        return true;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
