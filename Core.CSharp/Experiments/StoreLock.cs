namespace GapLab.Experiments;

/// <summary>
/// The right to compute a result. The operating system takes it back when the process ends, however it ends. Of a computer that is gone a server of files may not know that; therefore
/// whoever has the lock renews it every minute, and after <see cref="Expiry"/> without renewal it counts no more.
/// </summary>
public sealed class StoreLock : IDisposable
{
    /// <summary>The age from which a lock that is not renewed counts no more: much longer than the clocks of computers that share a folder differ.</summary>
    public static readonly TimeSpan Expiry = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan Renewal = TimeSpan.FromMinutes(1);

    private readonly FileStream _file;
    private readonly Action _released;
    private readonly Timer _renewal;
    private bool _isOver;

    /// <summary>Holds a lock.</summary>
    /// <param name="file">The open file that nobody else can open.</param>
    /// <param name="released">Told when the right ends.</param>
    internal StoreLock(FileStream file, Action released)
    {
        _file = file;
        _released = released;
        Renew();
        _renewal = new Timer(_ => Renew(), null, Renewal, Renewal);
    }

    /// <summary>Whether the result is stored, so that nobody needs the lock any more.</summary>
    public bool IsDone { get; set; }

    /// <summary>Gives the right back.</summary>
    public void Dispose()
    {
        _renewal.Dispose();
        _released();
        lock (_file)
        {
            _isOver = true;
            try
            {
                // Whoever waits for this very file finds the result when it gets it.
                if (IsDone)
                    File.Delete(_file.Name);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // A file that stays does no harm.
            }
            _file.Dispose();
        }
    }

    /// <summary>Says that the holder is still there.</summary>
    internal void Renew()
    {
        lock (_file)
        {
            if (_isOver)
                return;
            try
            {
                File.SetLastWriteTimeUtc(_file.SafeFileHandle, DateTime.UtcNow);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The next renewal may succeed; without any, another process does the same work again.
            }
        }
    }
}
