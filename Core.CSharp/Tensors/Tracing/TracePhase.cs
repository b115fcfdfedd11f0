namespace GapLab.Tensors.Tracing;

/// <summary>An open phase of a trace; see <see cref="Trace.Phase"/>. Dispose of it where the phase ends, on the thread that opened it.</summary>
public sealed class TracePhase : IDisposable
{
    private readonly TraceLog? _log;

    internal TracePhase(TraceLog? log, TracePhase? parent, int path, long start, long allocated, (string Name, object Value)[] arguments)
    {
        _log = log;
        Parent = parent;
        Path = path;
        Start = start;
        Allocated = allocated;
        Arguments = arguments;
    }

    /// <summary>What is returned while nothing is recorded.</summary>
    internal static TracePhase None { get; } = new(null, null, 0, 0, 0, []);

    /// <summary>The phase of the same thread around this one.</summary>
    internal TracePhase? Parent { get; }

    /// <summary>The number of the names from the outermost phase to this one.</summary>
    internal int Path { get; }

    /// <summary>When it began, in ticks of the stopwatch.</summary>
    internal long Start { get; }

    /// <summary>The managed bytes that the process had allocated by then.</summary>
    internal long Allocated { get; }

    internal (string Name, object Value)[] Arguments { get; }

    /// <summary>Closes the phase, and those inside it that are still open.</summary>
    public void Dispose() => _log?.Close(this);
}
