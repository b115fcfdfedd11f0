using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace GapLab.Tensors.Tracing;

/// <summary>
/// A recording in the Chrome trace event format: an object with the "traceEvents" ("M": names of process and threads, "X": phases and kernels, "C": memory) and, in "otherData",
/// the summary. Times are microseconds from the start of the recording, written exactly so that a viewer nests them as they were.
/// </summary>
internal static class TraceFile
{
    private const int Process = 1;
    private const int FlushBytes = 1 << 20;

    public static void Write(TraceRecording recording, string path, IReadOnlyDictionary<string, string>? metadata)
    {
        // Takes the lock itself; sums are complete before single kernels are written.
        IReadOnlyList<TraceRow> summary = recording.Summary();
        try
        {
            string target = Path.GetFullPath(path), unfinished = Unfinished(target);
            try
            {
                using (var file = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write))
                {
                    using var json = new Utf8JsonWriter(file);
                    lock (recording.Gate)
                        Write(json, recording, summary, metadata);
                    json.Flush();
                    file.Flush(flushToDisk: true);
                }
                File.Move(unfinished, target, overwrite: true);
            }
            finally
            {
                File.Delete(unfinished);
            }
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            throw NotWritable(path, e);
        }
    }

    public static void CheckWritable(string path)
    {
        if (Directory.Exists(path))
            throw new GapLabException($"The trace cannot be written to '{path}', which is a folder; name a file in it.");
        try
        {
            using (new FileStream(Unfinished(Path.GetFullPath(path)), FileMode.CreateNew, FileAccess.Write, FileShare.None, bufferSize: 1, FileOptions.DeleteOnClose)) { }
            if (File.Exists(path))
                using (new FileStream(path, FileMode.Open, FileAccess.Write)) { }
        }
        catch (Exception e) when (IsOfFiles(e))
        {
            throw NotWritable(path, e);
        }
    }

    private static void Write(Utf8JsonWriter json, TraceRecording recording, IReadOnlyList<TraceRow> summary, IReadOnlyDictionary<string, string>? metadata)
    {
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartArray("traceEvents");
        WriteNames(json, recording);
        foreach (TraceLog log in recording.Logs)
        {
            foreach (PhaseEvent phase in log.Phases)
                WritePhase(json, recording, log, phase, isOpen: false);
            for (TracePhase? open = log.Innermost; open is not null; open = open.Parent)
                WritePhase(json, recording, log, TraceLog.Ended(open, Math.Max(open.Start, recording.Ended)), isOpen: true);
        }
        long kept = 0;
        foreach ((TraceLog log, KernelEvent kernel) in recording.Kernels())
        {
            WriteKernel(json, recording, log, kernel);
            kept++;
        }
        foreach (MemorySample sample in recording.Samples)
            WriteMemory(json, recording, sample);
        json.WriteEndArray();
        json.WriteStartObject("otherData");
        json.WriteString("device", recording.Device.ToString());
        json.WriteNumber("threads", WorkerPool.Threads);
        json.WriteNumber("kernels", summary.Where(row => row.Kernel != "").Sum(row => row.Calls));
        json.WriteNumber("kernelsShown", kept);
        json.WriteNumber("kernelLimit", recording.KernelLimit);
        if (metadata is not null)
        {
            json.WriteStartObject("run");
            foreach ((string name, string text) in metadata)
                json.WriteString(name, text);
            json.WriteEndObject();
        }
        WriteSummary(json, summary);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, TraceRecording recording)
    {
        WriteName(json, "process_name", 0, "GapLab");
        foreach (TraceLog log in recording.Logs)
            WriteName(json, "thread_name", log.Number, log.Name);
    }

    private static void WriteName(Utf8JsonWriter json, string kind, int thread, string name)
    {
        json.WriteStartObject();
        json.WriteString("ph", "M");
        json.WriteString("name", kind);
        json.WriteNumber("ts", 0);
        json.WriteNumber("pid", Process);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WritePhase(Utf8JsonWriter json, TraceRecording recording, TraceLog log, PhaseEvent phase, bool isOpen)
    {
        StartComplete(json, recording, recording.Paths[phase.Path].Name, "phase", log.Number, phase.Start, phase.End);
        foreach ((string name, object value) in phase.Arguments)
            WriteArgument(json, name, value);
        json.WriteNumber("managed MB allocated", Math.Round(phase.Allocated / 1e6, 3));
        if (isOpen)
            json.WriteBoolean("unfinished", true);
        EndComplete(json);
    }

    private static void WriteKernel(Utf8JsonWriter json, TraceRecording recording, TraceLog log, KernelEvent run)
    {
        TracedKernel kernel = TracedKernel.All[run.Kernel];
        StartComplete(json, recording, kernel.Name, run.Kernel == TracedKernel.WorkerParts ? "worker" : "kernel", log.Number, run.Start, run.End);
        for (int i = 0; i < kernel.Sizes.Length; i++)
            json.WriteNumber(kernel.Sizes[i], i == 0 ? run.A : i == 1 ? run.B : run.C);
        if (kernel.IsProduct && run.End > run.Start)
            json.WriteNumber("GFLOP/s", Math.Round(kernel.Operations(run.A, run.B, run.C) * Stopwatch.Frequency / (run.End - run.Start) / 1e9, 1));
        EndComplete(json);
    }

    private static void StartComplete(Utf8JsonWriter json, TraceRecording recording, string name, string category, int thread, long start, long end)
    {
        if (json.BytesPending > FlushBytes)
            json.Flush();
        decimal from = Microseconds(recording, start);
        json.WriteStartObject();
        json.WriteString("ph", "X");
        json.WriteString("name", name);
        json.WriteString("cat", category);
        json.WriteNumber("ts", from);
        json.WriteNumber("dur", Microseconds(recording, end) - from);
        json.WriteNumber("pid", Process);
        json.WriteNumber("tid", thread);
        json.WriteStartObject("args");
    }

    private static void EndComplete(Utf8JsonWriter json)
    {
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteArgument(Utf8JsonWriter json, string name, object value)
    {
        switch (value)
        {
            case double number when double.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            case float number when float.IsFinite(number):
                json.WriteNumber(name, number);
                break;
            case int or long or short or byte or uint or ushort:
                json.WriteNumber(name, Convert.ToInt64(value, CultureInfo.InvariantCulture));
                break;
            case bool truth:
                json.WriteBoolean(name, truth);
                break;
            default:
                json.WriteString(name, Convert.ToString(value, CultureInfo.InvariantCulture));
                break;
        }
    }

    private static void WriteMemory(Utf8JsonWriter json, TraceRecording recording, MemorySample sample)
    {
        WriteCounter(json, recording, sample.Time, "tensor memory, MB", ("MB", Math.Round(sample.Tensors / 1e6, 3)));
        WriteCounter(json, recording, sample.Time, "managed heap, MB", ("MB", Math.Round(sample.Managed / 1e6, 3)));
        // Each collection of a generation is one of the younger ones too.
        WriteCounter(json, recording, sample.Time, "garbage collections", ("generation 0", sample.Generation0 - sample.Generation1), ("generation 1", sample.Generation1 - sample.Generation2),
            ("generation 2", sample.Generation2));
    }

    private static void WriteCounter(Utf8JsonWriter json, TraceRecording recording, long time, string name, params ReadOnlySpan<(string Series, double Value)> values)
    {
        json.WriteStartObject();
        json.WriteString("ph", "C");
        json.WriteString("name", name);
        json.WriteNumber("ts", Microseconds(recording, time));
        json.WriteNumber("pid", Process);
        json.WriteNumber("tid", 0);
        json.WriteStartObject("args");
        foreach ((string series, double value) in values)
            json.WriteNumber(series, value);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSummary(Utf8JsonWriter json, IReadOnlyList<TraceRow> summary)
    {
        json.WriteStartArray("summary");
        foreach (TraceRow row in summary)
        {
            json.WriteStartObject();
            json.WriteString("phase", row.Phase);
            if (row.Kernel != "")
                json.WriteString("kernel", row.Kernel);
            json.WriteNumber("calls", row.Calls);
            json.WriteNumber("seconds", Math.Round(row.Seconds, 9));
            if (row.Operations > 0)
                json.WriteNumber("GFLOP/s", Math.Round(row.GigaflopsPerSecond, 3));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    /// <summary>A decimal number, because the difference of two rounded binary ones can make an inner event outlast its outer one.</summary>
    private static decimal Microseconds(TraceRecording recording, long time) =>
        decimal.Round((time - recording.Started) * 1e6m / Stopwatch.Frequency, 3);

    private static string Unfinished(string path) => $"{path}.{Guid.NewGuid():N}.tmp";

    private static bool IsOfFiles(Exception e) => e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException;

    private static GapLabException NotWritable(string path, Exception e) =>
        new($"The trace cannot be written to '{path}' ({e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}); check the folder, its permissions and the free space.", e);
}
