using System.Runtime.InteropServices;

namespace GapLab.Tensors;

/// <summary>A device whose memory is the host's own: what the reference and the CPU device share.</summary>
public abstract unsafe class HostDevice : Device
{
    /// <inheritdoc/>
    protected override nint AllocateCore(long bytes)
    {
        try
        {
            return Take(bytes);
        }
        catch (OutOfMemoryException)
        {
            // Tensors outside memory scopes may be waiting for their finalizers.
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
        try
        {
            return Take(bytes);
        }
        catch (OutOfMemoryException e)
        {
            throw new GapLabException($"There is no memory for {bytes / 1048576.0:F0} MB more of tensors; use fewer samples, chains or a smaller batch at once.", e);
        }
    }

    private static nint Take(long bytes) => (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);

    /// <inheritdoc/>
    protected override void FreeCore(nint address, long bytes) => NativeMemory.AlignedFree((void*)address);

    /// <inheritdoc/>
    public override void Read(Storage source, Span<double> destination)
    {
        if (source.Type == ElementType.Float64)
            source.Doubles.CopyTo(destination);
        else
            for (int i = 0; i < source.Length; i++)
                destination[i] = source.Floats[i];
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<double> source, Storage destination)
    {
        if (destination.Type == ElementType.Float64)
        {
            source.CopyTo(destination.Doubles);
            return;
        }
        Span<float> y = destination.Floats;
        for (int i = 0; i < source.Length; i++)
            y[i] = (float)source[i];
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<float> source, Storage destination)
    {
        if (destination.Type == ElementType.Float32)
        {
            source.CopyTo(destination.Floats);
            return;
        }
        Span<double> y = destination.Doubles;
        for (int i = 0; i < source.Length; i++)
            y[i] = source[i];
    }

    /// <inheritdoc/>
    public override void CopyColumns(Storage x, int xColumns, int xFirst, Storage y, int yColumns, int yFirst, int rows, int columns)
    {
        long size = Storage.SizeOf(x.Type);
        byte* from = (byte*)x.Address + xFirst * size, to = (byte*)y.Address + yFirst * size;
        for (long i = 0; i < rows; i++)
            Buffer.MemoryCopy(from + i * xColumns * size, to + i * yColumns * size, columns * size, columns * size);
    }

    /// <inheritdoc/>
    public override void Fill(Storage y, double value)
    {
        if (y.Type == ElementType.Float64)
            y.Doubles.Fill(value);
        else
            y.Floats.Fill((float)value);
    }

    /// <inheritdoc/>
    public override void Copy(Storage x, Storage y)
    {
        if (x.Type == y.Type)
            Buffer.MemoryCopy((void*)x.Address, (void*)y.Address, y.Bytes, x.Bytes);
        else if (x.Type == ElementType.Float32)
            Write(x.Floats, y);
        else
            Write(x.Doubles, y);
    }

    /// <inheritdoc/>
    public override void GatherRows(Storage x, ReadOnlySpan<int> indices, int columns, Storage y)
    {
        long bytes = (long)columns * Storage.SizeOf(x.Type);
        for (int i = 0; i < indices.Length; i++)
            Buffer.MemoryCopy((byte*)x.Address + indices[i] * bytes, (byte*)y.Address + i * bytes, bytes, bytes);
    }

    /// <inheritdoc/>
    public override void SelectRows(Storage mask, Storage a, Storage b, Storage y, int rows, int columns)
    {
        long bytes = (long)columns * Storage.SizeOf(y.Type);
        for (long r = 0; r < rows; r++)
        {
            bool first = mask.Type == ElementType.Float64 ? mask.Doubles[(int)r] != 0 : mask.Floats[(int)r] != 0;
            Buffer.MemoryCopy((byte*)(first ? a : b).Address + r * bytes, (byte*)y.Address + r * bytes, bytes, bytes);
        }
    }

    /// <inheritdoc/>
    public override void FillNormal(RandomStream stream, ReadOnlySpan<int> datapoints, int step, int lane, long offset, int rowLength, Storage y)
    {
        // The same float32 normals on every device, so that their results can be compared draw by draw.
        Span<float> buffer = stackalloc float[y.Type == ElementType.Float32 ? 0 : 256];
        for (int r = 0; r < datapoints.Length; r++)
        {
            RandomStream row = stream.At(datapoints[r], step, lane);
            if (y.Type == ElementType.Float32)
            {
                row.FillNormal(y.Floats.Slice(r * rowLength, rowLength), offset);
                continue;
            }
            Span<double> target = y.Doubles.Slice(r * rowLength, rowLength);
            for (int start = 0; start < rowLength; start += buffer.Length)
            {
                Span<float> piece = buffer[..Math.Min(buffer.Length, rowLength - start)];
                row.FillNormal(piece, offset + start);
                for (int i = 0; i < piece.Length; i++)
                    target[start + i] = piece[i];
            }
        }
    }
}
