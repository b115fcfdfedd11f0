using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Trace = GapLab.Tensors.Tracing.Trace;

namespace GapLab.Tensors;

/// <summary>
/// Persistent worker threads shared by the whole process. Kernels split their outputs over them with
/// <see cref="Run"/>, and independent long items (a datapoint) go through <see cref="ForEach"/>. An idle worker
/// spins for a bounded time, so that the next kernel of a training step reaches it in well under a microsecond,
/// and then sleeps. The calling thread always takes part and never waits for a worker that has not started.
/// </summary>
/// <remarks>
/// Every method may be called from any thread. A call made inside a part or an item, or while another thread
/// uses the pool, runs on the calling thread alone: results must not depend on who computes which part.
/// </remarks>
public static class WorkerPool
{
    // Far more than any machine this is for has processors; each thread has a stack and spins before it sleeps.
    private const int MostThreads = 1024;

    private const long PartsMask = 0xFFFF_FFFF;

    // Long enough to bridge the serial pieces of a training step, short enough not to take a core from others.
    private static readonly long SpinTicks = Stopwatch.Frequency / 20_000;

    private static readonly object Growth = new();
    private static readonly AutoResetEvent CallerWakeUp = new(false);
    private static Worker[] _workers = [];
    private static int _threads;

    // Written by the owner of the pool before a ticket is published, and stable until its last part is done.
    private static nint _body;
    private static nint _context;
    private static int _parts;
    private static Action<int>? _item;
    private static CancellationToken _cancellation;

    private static int _failedPart = int.MaxValue;
    private static ExceptionDispatchInfo? _failure;
    private static int _cancelled;
    private static bool _stopping;

    [ThreadStatic]
    private static bool _inside;

    // Each on its own cache lines: the ticket is read by every spinning worker.
    private static Shared _shared;

    /// <summary>
    /// Threads that work on one call, the caller included; 1 keeps everything on the caller. The default is the
    /// environment variable GAPLAB_THREADS, else the number of processors. Setting it waits until the pool is free.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The value is less than 1 or more than 1,024.</exception>
    /// <exception cref="InvalidOperationException">Set from inside a part or an item.</exception>
    /// <exception cref="GapLabException">GAPLAB_THREADS is not a whole number from 1 to 1,024.</exception>
    public static int Threads
    {
        get
        {
            var threads = Volatile.Read(ref _threads);
            if (threads != 0)
            {
                return threads;
            }

            Interlocked.CompareExchange(ref _threads, DefaultThreads(), 0);
            return Volatile.Read(ref _threads);
        }

        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(value, MostThreads);
            if (_inside)
            {
                throw new InvalidOperationException("The number of threads cannot be changed from inside a parallel part.");
            }

            var wait = default(SpinWait);
            while (!TryEnter())
            {
                wait.SpinOnce();
            }

            Volatile.Write(ref _threads, value);
            Leave();
        }
    }

    /// <summary>
    /// While true, <see cref="Run"/> and <see cref="ForEach"/> throw an <see cref="OperationCanceledException"/>. A notebook stops a cell so: the next kernel that it calls
    /// ends it, with the pool in order, as no stopping of its thread at just any place would.
    /// </summary>
    public static bool IsStopping
    {
        get => Volatile.Read(ref _stopping);
        set => Volatile.Write(ref _stopping, value);
    }

    /// <summary>
    /// Calls <paramref name="body"/>(context, p) once for every p in [0, parts) and returns when all calls have
    /// returned. Parts are handed out in ascending order to whichever thread is free. Allocates nothing.
    /// </summary>
    /// <remarks>An exception stops handing out parts; the one of the lowest part is thrown again on the caller.</remarks>
    public static unsafe void Run(int parts, delegate*<void*, int, void> body, void* context)
    {
        ThrowIfStopping();
        if (parts <= 1 || Threads == 1 || _inside || !TryEnter())
        {
            for (var p = 0; p < parts; p++)
            {
                body(context, p);
            }

            return;
        }

        _body = (nint)body;
        _context = (nint)context;
        RunAsOwner(parts);
    }

    /// <summary>
    /// Calls <paramref name="body"/>(i) once for every item i in [0, items), each on whichever thread is free,
    /// handed out in ascending order. Meant for long items; inside one, kernels run on its own thread.
    /// </summary>
    /// <param name="items">Number of items.</param>
    /// <param name="body">The work of one item.</param>
    /// <param name="cancellation">When cancelled, no further item starts.</param>
    /// <exception cref="OperationCanceledException">The token was cancelled before the last item had started.</exception>
    /// <remarks>
    /// An exception in an item stops handing out further items; the exception of the lowest failing item is thrown
    /// again on the caller with its stack.
    /// </remarks>
    public static void ForEach(int items, Action<int> body, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(body);
        ThrowIfStopping();
        if (items <= 1 || Threads == 1 || _inside || !TryEnter())
        {
            for (var i = 0; i < items; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                body(i);
            }

            return;
        }

        _item = body;
        _cancellation = cancellation;
        unsafe
        {
            _body = (nint)(delegate*<void*, int, void>)&RunItem;
        }

        RunAsOwner(items);
    }

    private static void ThrowIfStopping()
    {
        if (Volatile.Read(ref _stopping))
        {
            throw new OperationCanceledException("The computation was stopped.");
        }
    }

    private static unsafe void RunItem(void* context, int item)
    {
        if (_cancellation.IsCancellationRequested)
        {
            Volatile.Write(ref _cancelled, 1);
            return;
        }

        _item!(item);
    }

    private static int DefaultThreads()
    {
        var text = Environment.GetEnvironmentVariable("GAPLAB_THREADS");
        if (string.IsNullOrWhiteSpace(text))
        {
            return Environment.ProcessorCount;
        }

        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var threads) && threads is > 0 and <= MostThreads
            ? threads
            : throw new GapLabException(
                $"The environment variable GAPLAB_THREADS is '{text}'; set it to a whole number from 1 to {MostThreads} or remove it.");
    }

    /// <summary>Threads that a call made here and now could use: 1 inside a part or an item.</summary>
    internal static int AvailableThreads => _inside ? 1 : Threads;

    /// <summary>Whether this thread is in a part or an item.</summary>
    internal static bool IsInside => _inside;

    private static bool TryEnter() => Interlocked.CompareExchange(ref _shared.Owned, 1, 0) == 0;

    private static void Leave() => Volatile.Write(ref _shared.Owned, 0);

    private static void RunAsOwner(int parts)
    {
        _inside = true;
        try
        {
            var helpers = Math.Min(_threads, parts) - 1;
            if (_workers.Length < helpers)
            {
                AddWorkers(_threads - 1);
            }

            _parts = parts;
            _shared.Unfinished = parts;
            var generation = (Volatile.Read(ref _shared.Ticket) & ~PartsMask) + PartsMask + 1;
            Interlocked.Exchange(ref _shared.Ticket, generation | (uint)parts);
            for (var i = 0; i < helpers; i++)
            {
                _workers[i].WakeUp();
            }

            TakeParts();
            WaitForOthers();
        }
        finally
        {
            _inside = false;
            var failure = _failure;
            var cancelled = _cancelled != 0;
            var token = _cancellation;
            _failure = null;
            _failedPart = int.MaxValue;
            _cancelled = 0;
            _item = null;
            _cancellation = default;
            Leave();
            failure?.Throw();
            if (cancelled)
            {
                throw new OperationCanceledException(token);
            }
        }
    }

    private static void AddWorkers(int count)
    {
        lock (Growth)
        {
            var workers = new Worker[count];
            _workers.CopyTo(workers, 0);
            for (var i = _workers.Length; i < count; i++)
            {
                workers[i] = new Worker(i);
            }

            _workers = workers;
        }
    }

    // A ticket is (generation, parts not yet handed out). A successful exchange proves that the generation was
    // still current, hence that the fields read before it belong to it. Returns how many parts this thread got.
    private static unsafe int TakeParts()
    {
        var taken = 0;
        while (true)
        {
            var ticket = Volatile.Read(ref _shared.Ticket);
            var left = (int)(ticket & PartsMask);
            if (left == 0)
            {
                return taken;
            }

            var body = (delegate*<void*, int, void>)Volatile.Read(ref _body);
            var context = (void*)Volatile.Read(ref _context);
            var part = Volatile.Read(ref _parts) - left;
            if (Interlocked.CompareExchange(ref _shared.Ticket, ticket - 1, ticket) != ticket)
            {
                continue;
            }

            taken++;

            // Parts below the failing one still run, so that the lowest failure does not depend on timing.
            if (part < Volatile.Read(ref _failedPart))
            {
                try
                {
                    body(context, part);
                }
                catch (Exception e)
                {
                    Fail(part, e);
                }
            }

            if (Interlocked.Decrement(ref _shared.Unfinished) == 0 && Interlocked.Exchange(ref _shared.CallerSleeps, 0) == 1)
            {
                CallerWakeUp.Set();
            }
        }
    }

    private static void Fail(int part, Exception e)
    {
        lock (Growth)
        {
            if (part < _failedPart)
            {
                _failure = ExceptionDispatchInfo.Capture(e);
                Volatile.Write(ref _failedPart, part);
            }
        }
    }

    private static void WaitForOthers()
    {
        if (SpinWhile(static _ => Volatile.Read(ref _shared.Unfinished) != 0, 0))
        {
            return;
        }

        // A worker may have counted down the last part of the call before this one and only now give its signal: a
        // signal is a reason to look again, never a proof.
        while (Volatile.Read(ref _shared.Unfinished) != 0)
        {
            Interlocked.Exchange(ref _shared.CallerSleeps, 1);
            if (Volatile.Read(ref _shared.Unfinished) != 0)
            {
                CallerWakeUp.WaitOne();
            }
        }

        Volatile.Write(ref _shared.CallerSleeps, 0);
    }

    // True when the condition has ended, false when the spinning time is over.
    private static bool SpinWhile(Func<int, bool> condition, int argument)
    {
        var end = 0L;
        while (true)
        {
            for (var i = 0; i < 64; i++)
            {
                if (!condition(argument))
                {
                    return true;
                }

                Thread.SpinWait(1);
            }

            var now = Stopwatch.GetTimestamp();
            if (end == 0)
            {
                end = now + SpinTicks;
            }
            else if (now > end)
            {
                return false;
            }
        }
    }

    [StructLayout(LayoutKind.Explicit, Size = 640)]
    private struct Shared
    {
        [FieldOffset(128)]
        public long Ticket;

        [FieldOffset(256)]
        public int Unfinished;

        [FieldOffset(384)]
        public int CallerSleeps;

        [FieldOffset(512)]
        public int Owned;
    }

    private sealed class Worker
    {
        private readonly AutoResetEvent _wakeUp = new(false);
        private readonly int _index;
        private int _sleeps;

        public Worker(int index)
        {
            _index = index;
            new Thread(Work) { IsBackground = true, Name = $"GapLab worker {index + 1}" }.Start();
        }

        public void WakeUp()
        {
            if (Volatile.Read(ref _sleeps) == 1 && Interlocked.Exchange(ref _sleeps, 0) == 1)
            {
                _wakeUp.Set();
            }
        }

        private static bool IsIdle(int index) =>
            (Volatile.Read(ref _shared.Ticket) & PartsMask) == 0 || index >= Volatile.Read(ref _threads) - 1;

        private void Work()
        {
            _inside = true;
            while (true)
            {
                if (SpinWhile(static index => IsIdle(index), _index))
                {
                    var work = Trace.WorkStart();
                    Trace.WorkEnd(work, TakeParts());
                    continue;
                }

                Interlocked.Exchange(ref _sleeps, 1);
                if (!IsIdle(_index) && Interlocked.Exchange(ref _sleeps, 0) == 1)
                {
                    continue;
                }

                _wakeUp.WaitOne();
            }
        }
    }
}
