namespace GapLab.Experiments;

/// <summary>The right to compute a result. The operating system takes it back when the process ends, however it ends.</summary>
/// <param name="file">The open file that nobody else can open.</param>
/// <param name="released">Told when the right ends.</param>
internal sealed class StoreLock(FileStream file, Action released) : IDisposable
{
    /// <summary>Whether the result is stored, so that nobody needs the lock any more.</summary>
    public bool IsDone { get; set; }

    public void Dispose()
    {
        released();
        try
        {
            // Whoever waits for this very file finds the result when it gets it.
            if (IsDone)
                File.Delete(file.Name);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file that stays does no harm.
        }
        file.Dispose();
    }
}
