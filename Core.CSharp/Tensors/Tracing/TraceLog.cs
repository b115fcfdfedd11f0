namespace GapLab.Tensors.Tracing;

/// <summary>What one thread did. Only that thread adds kernels, without locks and, once it has been in a phase, without allocating.</summary>
/// <param name="recording">What it belongs to.</param>
/// <param name="number">Counts the threads of the recording from 1.</param>
/// <param name="name">What the thread is called.</param>
internal sealed class TraceLog(TraceRecording recording, int number, string name)
{
    private readonly List<PhaseEvent> _phases = [];
    private KernelSum[]?[] _sums = new KernelSum[]?[16];
    private int[] _kept = new int[16];
    private Memory<KernelEvent> _free;
    private int _chunk = -1;
    private TracePhase? _innermost;

    public TraceRecording Recording { get; } = recording;

    public int Number { get; } = number;

    public string Name { get; } = name;

    /// <summary>The phases that ended; to be used with the recording locked.</summary>
    public IReadOnlyList<PhaseEvent> Phases => _phases;

    /// <summary>The innermost open phase; to be used with the recording locked.</summary>
    public TracePhase? Innermost => Volatile.Read(ref _innermost);

    /// <summary>The path of the phase that this thread works for.</summary>
    public int Path => _innermost is { } phase ? phase.Path : Recording.SharedPath;

    /// <summary>The sums by path and kernel.</summary>
    public KernelSum[]?[] Sums => Volatile.Read(ref _sums);

    public TracePhase Open(int path, long start, (string Name, object Value)[] arguments)
    {
        var phase = new TracePhase(this, _innermost, path, start, GC.GetTotalAllocatedBytes(precise: false), arguments);
        Volatile.Write(ref _innermost, phase);
        return phase;
    }

    /// <summary>Ends a phase and those inside it; does nothing if it has ended.</summary>
    public void Close(TracePhase phase)
    {
        lock (Recording.Gate)
        {
            for (TracePhase? open = _innermost; open != phase; open = open.Parent)
                if (open is null)
                    return;
            long end = Recording.Sample();
            while (_innermost is { } inner)
            {
                _phases.Add(Ended(inner, end));
                Volatile.Write(ref _innermost, inner.Parent);
                if (inner == phase)
                    break;
            }
            Recording.Closed(phase);
        }
    }

    /// <summary>A phase as if it ended at a given time.</summary>
    public static PhaseEvent Ended(TracePhase phase, long end) =>
        new(phase.Start, end, phase.Path, GC.GetTotalAllocatedBytes(precise: false) - phase.Allocated, phase.Arguments);

    public void AddKernel(int kernel, long start, long end, int a, int b, int c) => AddKernel(kernel, start, end, Path, a, b, c);

    public void AddKernel(int kernel, long start, long end, int path, int a, int b, int c)
    {
        if (path >= _sums.Length || _sums[path] is null)
            MakeRoom(path);
        ref KernelSum sum = ref _sums[path]![kernel];
        sum.Calls++;
        sum.Ticks += end - start;
        sum.Operations += TracedKernel.All[kernel].Operations(a, b, c);
        if (_kept[path] < Recording.KernelsOfPhase && (!_free.IsEmpty || NextChunk()))
        {
            _free.Span[0] = new KernelEvent(start, end, path, kernel, a, b, c);
            _free = _free[1..];
            _kept[path]++;
            Recording.Filled(_chunk);
        }
        Recording.SampleIfDue(end);
    }

    private bool NextChunk()
    {
        (_chunk, _free) = Recording.TakeChunk(this);
        return !_free.IsEmpty;
    }

    private void MakeRoom(int path)
    {
        KernelSum[]?[] sums = _sums;
        if (path >= sums.Length)
        {
            int length = Math.Max(path + 1, 2 * sums.Length);
            Array.Resize(ref sums, length);
            Array.Resize(ref _kept, length);
        }
        sums[path] = new KernelSum[TracedKernel.All.Length];
        Volatile.Write(ref _sums, sums);
    }
}
