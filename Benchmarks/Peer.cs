using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;

namespace GapLab.Benchmarks;

/// <summary>
/// PyTorch, as a program that is started once and answers a line with a line (<c>peers/workloads.py</c>). When it stops answering,
/// <see cref="Failure"/> says why and the rest of the run goes on without it.
/// </summary>
internal sealed class Peer : IDisposable
{
    private static readonly string[] Interpreters = ["/usr/bin/python3", "python3"];

    private readonly Process _process;
    private readonly Task<string> _errors;

    private Peer(Process process)
    {
        _process = process;
        _errors = process.StandardError.ReadToEndAsync();
        Version = _process.StandardOutput.ReadLine() ?? "";
        if (Version.Length == 0)
        {
            Fail();
        }
    }

    /// <summary>PyTorch's version.</summary>
    public string Version { get; }

    /// <summary>Why it no longer answers, or null.</summary>
    public string? Failure { get; private set; }

    /// <summary>Starts PyTorch with the first Python that has it.</summary>
    /// <param name="failure">Why there is none.</param>
    public static Peer? Start(out string failure)
    {
        failure = "there is no python3";
        foreach (var interpreter in Interpreters)
        {
            if (Open(interpreter) is not { } process)
            {
                continue;
            }

            var peer = new Peer(process);
            if (peer.Failure is null)
            {
                return peer;
            }

            failure = $"{interpreter}: {peer.Failure}";
            peer.Dispose();
        }

        return null;
    }

    /// <summary>The best time of one call of a workload, or null once PyTorch has failed.</summary>
    public double? Seconds(string workload, int threads, TimeSpan span) =>
        Ask(string.Create(CultureInfo.InvariantCulture, $"{workload} {threads} {span.TotalSeconds}")) is { } answer
            ? double.Parse(answer, CultureInfo.InvariantCulture)
            : null;

    /// <summary>Answers a line, or null once PyTorch has failed.</summary>
    public string? Ask(string line)
    {
        if (Failure is not null)
        {
            return null;
        }

        try
        {
            _process.StandardInput.WriteLine(line);
            _process.StandardInput.Flush();
        }
        catch (IOException)
        {
            Fail();
            return null;
        }

        var answer = _process.StandardOutput.ReadLine();
        if (answer is null)
        {
            Fail();
        }

        return answer;
    }

    public void Dispose()
    {
        // The end of its input ends the program.
        try
        {
            _process.StandardInput.Close();
        }
        catch (IOException)
        {
        }

        _process.WaitForExit();
        _process.Dispose();
    }

    private static Process? Open(string interpreter)
    {
        var start = new ProcessStartInfo(interpreter)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "peers", "workloads.py"));

        // OpenBLAS with the kernels of this processor, whatever this machine's environment prescribes for other programs: the peer at its best.
        start.Environment.Remove("OPENBLAS_L2_SIZE");
        if (Avx512F.IsSupported)
        {
            start.Environment["OPENBLAS_CORETYPE"] = "SkylakeX";
        }
        else
        {
            start.Environment.Remove("OPENBLAS_CORETYPE");
        }

        try
        {
            return Process.Start(start);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private void Fail()
    {
        var lines = _errors.Result.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Failure = lines.Length == 0 ? "it ended without a message" : lines[^1];
    }
}
