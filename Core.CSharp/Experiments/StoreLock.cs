namespace GapLab.Experiments;

/// <summary>The right to compute a result. The operating system takes it back when the process ends, however it ends.</summary>
internal sealed class StoreLock(FileStream file) : IDisposable
{
    /// <summary>Whether the result is stored, so that nobody needs the lock any more.</summary>
    public bool IsDone { get; set; }

    public void Dispose()
    {
        // Whoever waits for this very file finds the result when it gets it.
        if (IsDone)
            File.Delete(file.Name);
        file.Dispose();
    }
}
