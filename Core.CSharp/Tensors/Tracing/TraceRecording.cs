using System.Diagnostics;

namespace GapLab.Tensors.Tracing;

/// <summary>
/// Phases, kernels and memory of a stretch of time; see <see cref="Trace"/>. Phases are all kept. Kernels are kept one by one up to a limit and always summed by phase and kernel.
/// Memory is sampled about every 10 ms, more rarely in long recordings.
/// </summary>
public sealed class TraceRecording
{
    /// <summary>Kernels that a thread reserves room for at once.</summary>
    private const int Chunk = 1024;

    private const int MostSamples = 16384;

    [ThreadStatic]
    private static TraceLog? t_log;

    private readonly Device _device;
    private readonly KernelEvent[] _events;
    private readonly TraceLog?[] _chunkOwners;
    private readonly int[] _chunkCounts;
    private readonly List<TraceLog> _logs = [];
    private readonly List<PhasePath> _paths = [new("", -1)];
    private readonly Dictionary<PhasePath, int> _pathNumbers = [];
    private readonly List<MemorySample> _samples = new(MostSamples);
    private long _sampleTicks = Stopwatch.Frequency / 100;
    private long _nextSample;
    private int _chunksTaken;
    private int _sharedPath;
    private long _stopped;

    internal TraceRecording(Device device, int kernelLimit)
    {
        _device = device;
        KernelsOfPhase = (kernelLimit + 9) / 10;
        _events = new KernelEvent[kernelLimit];
        int chunks = (kernelLimit + Chunk - 1) / Chunk;
        _chunkOwners = new TraceLog?[chunks];
        _chunkCounts = new int[chunks];
        lock (Gate)
            Started = Sample();
    }

    /// <summary>Held while phases, threads or samples are added.</summary>
    internal Lock Gate { get; } = new();

    /// <summary>Kernels of one phase that a thread keeps one by one.</summary>
    internal int KernelsOfPhase { get; }

    /// <summary>The path of the phase that workers of the pool work for: the one opened last outside their items.</summary>
    internal int SharedPath => Volatile.Read(ref _sharedPath);

    /// <summary>When it began, in ticks of the stopwatch.</summary>
    internal long Started { get; }

    /// <summary>When it ended, or now.</summary>
    internal long Ended => Volatile.Read(ref _stopped) is var stopped and not 0 ? stopped : Stopwatch.GetTimestamp();

    /// <summary>The traced device.</summary>
    internal Device Device => _device;

    /// <summary>How many kernels can be kept one by one.</summary>
    internal int KernelLimit => _events.Length;

    /// <summary>Phase paths by number; 0 is outside all phases. To be used with the recording locked.</summary>
    internal IReadOnlyList<PhasePath> Paths => _paths;

    /// <summary>The threads that did something. To be used with the recording locked.</summary>
    internal IReadOnlyList<TraceLog> Logs => _logs;

    /// <summary>Memory over time. To be used with the recording locked.</summary>
    internal IReadOnlyList<MemorySample> Samples => _samples;

    /// <summary>Ends the recording; what was recorded stays. Ending it again does nothing.</summary>
    public void Stop()
    {
        lock (Gate)
        {
            if (_stopped != 0)
                return;
            Volatile.Write(ref _stopped, Sample());
        }
        Trace.Stop(this);
    }

    /// <summary>Calls, time and operations: every phase in the order of its first run, and below it its kernels, longest first.</summary>
    public IReadOnlyList<TraceRow> Summary() => TraceSummary.Of(this);

    /// <summary>The summary as the lines of a table.</summary>
    public IReadOnlyList<string> Table() => TraceSummary.Lines(Summary());

    /// <summary>
    /// Writes a file in the Chrome trace event format, which chrome://tracing and Perfetto open. It is written under another name first, then renamed. Phases that are still
    /// open are shown as if they ended now.
    /// </summary>
    /// <param name="path">The file; one that exists is replaced.</param>
    /// <param name="metadata">Text for "run" in the file's "otherData", such as the command line.</param>
    /// <exception cref="GapLabException">The file cannot be written.</exception>
    public void Write(string path, IReadOnlyDictionary<string, string>? metadata = null) => TraceFile.Write(this, path, metadata);

    /// <summary>To be called before long work whose trace is to be written.</summary>
    /// <param name="path">Where.</param>
    /// <exception cref="GapLabException">No file can be written there.</exception>
    public static void CheckWritable(string path) => TraceFile.CheckWritable(path);

    internal TracePhase Open(string name, (string Name, object Value)[] arguments)
    {
        TraceLog log = LogOfThread();
        lock (Gate)
        {
            var key = new PhasePath(name, log.Path);
            if (!_pathNumbers.TryGetValue(key, out int path))
            {
                path = _paths.Count;
                _pathNumbers.Add(key, path);
                _paths.Add(key);
            }
            TracePhase phase = log.Open(path, Sample(), arguments);
            // A phase inside an item is its item's own: other threads work on other items.
            if (!WorkerPool.IsInside)
                Volatile.Write(ref _sharedPath, path);
            return phase;
        }
    }

    /// <summary>A phase was closed: the shared phase, if it was that or inside it, is the one around it. With the recording locked.</summary>
    internal void Closed(TracePhase phase)
    {
        for (int path = _sharedPath; path > 0; path = _paths[path].Parent)
            if (path == phase.Path && !WorkerPool.IsInside)
                Volatile.Write(ref _sharedPath, _paths[path].Parent);
    }

    /// <summary>The log of the calling thread.</summary>
    internal TraceLog LogOfThread()
    {
        if (t_log is { } log && log.Recording == this)
            return log;
        lock (Gate)
        {
            string name = Thread.CurrentThread.Name ?? (_logs.Count == 0 ? "main" : $"thread {Environment.CurrentManagedThreadId}");
            _logs.Add(t_log = new TraceLog(this, _logs.Count + 1, name));
            return t_log;
        }
    }

    /// <summary>Room for further kernels of one thread; none when the limit is reached.</summary>
    internal (int Chunk, Memory<KernelEvent> Room) TakeChunk(TraceLog log)
    {
        if (Volatile.Read(ref _chunksTaken) >= _chunkOwners.Length || Interlocked.Increment(ref _chunksTaken) - 1 is var chunk && chunk >= _chunkOwners.Length)
            return (-1, default);
        Volatile.Write(ref _chunkOwners[chunk], log);
        return (chunk, _events.AsMemory(chunk * Chunk, Math.Min(Chunk, _events.Length - chunk * Chunk)));
    }

    /// <summary>The next kernel of a chunk is complete.</summary>
    internal void Filled(int chunk) => Volatile.Write(ref _chunkCounts[chunk], _chunkCounts[chunk] + 1);

    /// <summary>The kernels that were kept, with the threads that ran them, thread by thread in the order of time.</summary>
    internal IEnumerable<(TraceLog Log, KernelEvent Event)> Kernels()
    {
        for (int chunk = 0; chunk < _chunkOwners.Length && Volatile.Read(ref _chunkOwners[chunk]) is { } log; chunk++)
            for (int i = 0; i < Volatile.Read(ref _chunkCounts[chunk]); i++)
                yield return (log, _events[chunk * Chunk + i]);
    }

    /// <summary>Notes the memory if the last time is long enough ago.</summary>
    internal void SampleIfDue(long now)
    {
        // Whoever samples now does it for all, so nobody waits.
        if (now < Volatile.Read(ref _nextSample) || !Gate.TryEnter())
            return;
        Sample();
        Gate.Exit();
    }

    /// <summary>Notes the memory; returns the time. With the recording locked. When there is no more room, every other sample is dropped and the next ones are rarer.</summary>
    internal long Sample()
    {
        long now = Stopwatch.GetTimestamp();
        if (_stopped != 0 || now < _nextSample)
            return now;
        if (_samples.Count == MostSamples)
        {
            int kept = 0;
            _samples.RemoveAll(_ => kept++ % 2 == 1);
            _sampleTicks *= 2;
        }
        _samples.Add(new MemorySample(now, _device.AllocatedBytes, GC.GetTotalMemory(false), GC.CollectionCount(0), GC.CollectionCount(1), GC.CollectionCount(2)));
        Volatile.Write(ref _nextSample, now + _sampleTicks);
        return now;
    }
}
