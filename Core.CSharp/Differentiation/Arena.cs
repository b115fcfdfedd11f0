using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// Device memory that is handed out by advancing a pointer and taken back all at once. Work that repeats gets the same
/// addresses each time, and after the first round nothing is allocated.
/// </summary>
/// <param name="device">Whose memory.</param>
/// <param name="exactly">Take no more than asked for: for a tensor that lives on its own.</param>
internal sealed class Arena(Device device, bool exactly)
{
    private const long Alignment = 64;
    private const long FirstBlock = 64 * 1024;

    /// <summary>Up to this size memory may be wasted to allocate rarely: 64 MB.</summary>
    private const long LargeBlock = 1 << 26;

    private readonly List<(nint Address, long Bytes)> _blocks = [];
    private int _current = -1;
    private long _offset;
    private long _used;

    ~Arena() => Release();

    public Device Device { get; } = device;

    public nint Allocate(long bytes)
    {
        // A tensor without elements still has a place: devices and the collector do not take sizes of 0.
        bytes = Math.Max(1, (bytes + Alignment - 1) / Alignment) * Alignment;
        while (_current < 0 || _offset + bytes > _blocks[_current].Bytes)
        {
            if (_current + 1 == _blocks.Count)
            {
                long size = Math.Max(bytes, exactly ? 0 : NextBlock());
                _blocks.Add((Device.Allocate(size), size));
                // Nothing but the collector frees a tensor that lives on its own, so it must know what that tensor weighs.
                if (exactly)
                    GC.AddMemoryPressure(size);
            }
            _current++;
            _offset = 0;
        }
        nint address = _blocks[_current].Address + (nint)_offset;
        _offset += bytes;
        _used += bytes;
        return address;
    }

    /// <summary>Takes everything back; several blocks become one, so that the next round finds all it needs in one place.</summary>
    public void Reset()
    {
        if (_blocks.Count > 1)
        {
            long total = Held(_current);
            // Large ones fit what was used, with little to spare for rounds that differ.
            if (total > LargeBlock)
                total = Math.Min(total, Math.Max(LargeBlock, _used + _used / 16));
            Release();
            _blocks.Add((Device.Allocate(total), total));
        }
        _current = _blocks.Count - 1;
        _offset = 0;
        _used = 0;
    }

    /// <summary>Blocks double until they are large; from then on, all memory grows by a quarter.</summary>
    private long NextBlock() => _blocks.Count == 0 ? FirstBlock : Math.Min(_blocks[^1].Bytes * 2, Math.Max(LargeBlock, Held(_blocks.Count - 1) / 4));

    /// <summary>The bytes of the blocks up to one of them.</summary>
    private long Held(int last)
    {
        long total = 0;
        for (int i = 0; i <= last; i++)
            total += _blocks[i].Bytes;
        return total;
    }

    public void Release()
    {
        foreach ((nint address, long bytes) in _blocks)
        {
            Device.Free(address, bytes);
            if (exactly)
                GC.RemoveMemoryPressure(bytes);
        }
        _blocks.Clear();
        _current = -1;
        _offset = 0;
    }
}
