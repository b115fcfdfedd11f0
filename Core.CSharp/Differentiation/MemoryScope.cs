using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// The lifetime of the tensors computed on one thread between <see cref="Enter"/> and <see cref="Dispose"/>, and the tape that
/// gradients are taken from. Leaving the scope takes back all its memory but what was kept with <see cref="Keep"/>; scopes nest, and
/// are left in the opposite order. Outside any scope a tensor belongs to the garbage collector and is not recorded.
/// </summary>
public sealed class MemoryScope : IDisposable
{
    [ThreadStatic]
    private static MemoryScope? t_current;

    [ThreadStatic]
    private static MemoryScope? t_spare;

    [ThreadStatic]
    private static bool t_recordingPaused;

    private readonly List<Arena> _arenas = [];
    private MemoryScope? _parent;
    private TapeNode[] _nodes;
    private int _count;
    private int _generation;
    private bool _active;
    private bool _records;

    private MemoryScope(int capacity) => _nodes = new TapeNode[capacity];

    /// <summary>The innermost scope of this thread; null outside any.</summary>
    internal static MemoryScope? Current => t_current;

    /// <summary>The scope around this one.</summary>
    internal MemoryScope? Parent => _parent;

    /// <summary>Whether the scope keeps a tape.</summary>
    internal bool Records => _records;

    /// <summary>How many tensors the scope holds.</summary>
    internal int Count => _count;

    /// <summary>Whether what is computed now on this thread can be differentiated.</summary>
    public static bool IsRecording => t_current is { _records: true } && !t_recordingPaused;

    /// <summary>Opens a scope on this thread.</summary>
    /// <param name="record">Whether to keep the tape; without it no gradients can be taken, operations skip what only gradients need, and to a scope inside that keeps one its tensors are constants.</param>
    public static MemoryScope Enter(bool record = true)
    {
        MemoryScope scope = t_spare ?? new MemoryScope(256);
        t_spare = scope._parent;
        scope._parent = t_current;
        scope._active = true;
        scope._records = record;
        t_current = scope;
        return scope;
    }

    /// <summary>Ends the scope: its tensors can no longer be used, and its memory is reused by the next scope of this thread.</summary>
    /// <exception cref="ScopeException">An inner scope is still open, or the scope has been left already.</exception>
    public void Dispose()
    {
        if (!_active || t_current != this)
            throw new ScopeException("MemoryScope: scopes must be left once, on the thread that entered them, inner scopes first.");
        _active = false;
        Array.Clear(_nodes, 0, _count);
        _count = 0;
        _generation++;
        foreach (Arena arena in _arenas)
            arena.Reset();
        t_current = _parent;
        _parent = t_spare;
        t_spare = this;
    }

    /// <summary>A copy of a tensor that outlives this scope: it belongs to the scope around it or, if there is none, to the garbage collector.</summary>
    /// <param name="tensor">Any tensor.</param>
    /// <returns>The copy, a leaf: no gradient flows through it.</returns>
    /// <exception cref="ScopeException">This is not the innermost scope of the thread.</exception>
    public Tensor Keep(Tensor tensor)
    {
        if (!_active || t_current != this)
            throw new ScopeException("MemoryScope.Keep: only the innermost open scope can hand tensors to the scope around it.");
        return CopyTo(_parent, tensor);
    }

    /// <summary>A copy of a tensor in this scope, a leaf that can be changed in place.</summary>
    /// <param name="tensor">Any tensor.</param>
    public Tensor Copy(Tensor tensor) => CopyTo(this, tensor);

    /// <summary>A new tensor in the current scope, contents undefined.</summary>
    internal static Tensor Allocate(Device device, Shape shape, ElementType type, out Storage storage) =>
        Allocate(t_current, device, shape, type, out storage);

    /// <summary>Notes how a tensor of the current scope came about. Also keeps the inputs alive until here.</summary>
    internal static void Record(Tensor output, Operation operation, OperationAttributes attributes, ReadOnlySpan<Tensor> inputs)
    {
        if (IsRecording)
        {
            ref TapeNode node = ref output.Scope!._nodes[output.Index];
            node.Operation = operation;
            node.Attributes = attributes;
            node.InputCount = inputs.Length;
            for (int i = 0; i < inputs.Length; i++)
            {
                node.Inputs[i] = inputs[i];
                node.InputVersions[i] = inputs[i].Version;
            }
        }
        foreach (Tensor input in inputs)
            GC.KeepAlive(input.Scope);
    }

    /// <summary>Keeps a tensor for the adjoint of the operation that made another.</summary>
    internal static void Save(Tensor output, Tensor saved) => output.Scope!._nodes[output.Index].Saved = saved;

    /// <summary>Keeps the rows that an operation chose for its adjoint.</summary>
    internal static void SaveRows(Tensor output, ReadOnlyMemory<int> rows) => output.Scope!._nodes[output.Index].Rows = rows;

    /// <summary>Keeps what a recurrent operation has computed for its adjoint.</summary>
    internal static void SaveSequence(Tensor output, LstmTape sequence) => output.Scope!._nodes[output.Index].Sequence = sequence;

    /// <summary>Another tensor over the same numbers.</summary>
    internal static Tensor View(Tensor tensor, Shape shape)
    {
        Storage storage = tensor.StorageOf("Reshape");
        MemoryScope owner = t_current ?? new MemoryScope(1);
        Tensor view = owner.Append(tensor.Device, shape, storage);
        ref TapeNode node = ref owner._nodes[view.Index];
        node.ViewOf = tensor;
        return view;
    }

    /// <summary>Stops (or resumes) recording on this thread; returns the state before.</summary>
    internal static bool PauseRecording(bool paused)
    {
        bool before = t_recordingPaused;
        t_recordingPaused = paused;
        return before;
    }

    internal ref TapeNode NodeAt(int index) => ref _nodes[index];

    internal Tensor TensorAt(int index) => new(this, index, _generation);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal ref TapeNode Resolve(Tensor tensor, string operation)
    {
        if (tensor.Generation != _generation)
            ThrowEnded(operation);
        return ref _nodes[tensor.Index];
    }

    [DoesNotReturn]
    private static void ThrowEnded(string operation) =>
        throw new ScopeException($"{operation}: a tensor was used after its memory scope had ended; keep it with MemoryScope.Keep, or compute it inside the scope.");

    /// <summary>A copy that belongs to a scope or, without one, to the garbage collector.</summary>
    internal static Tensor CopyTo(MemoryScope? scope, Tensor tensor)
    {
        Storage source = tensor.StorageOf("Copy");
        Tensor copy = Allocate(scope, tensor.Device, tensor.Shape, tensor.Type, out Storage storage);
        tensor.Device.Copy(source, storage);
        GC.KeepAlive(tensor.Scope);
        return copy;
    }

    private static Tensor Allocate(MemoryScope? scope, Device device, Shape shape, ElementType type, out Storage storage)
    {
        long bytes = (long)shape.Count * Storage.SizeOf(type);
        MemoryScope owner = scope ?? new MemoryScope(1);
        storage = new Storage(owner.ArenaOf(device, exactly: scope is null).Allocate(bytes), shape.Count, type);
        return owner.Append(device, shape, storage);
    }

    private Arena ArenaOf(Device device, bool exactly)
    {
        foreach (Arena arena in _arenas)
            if (ReferenceEquals(arena.Device, device))
                return arena;
        var added = new Arena(device, exactly);
        _arenas.Add(added);
        return added;
    }

    private Tensor Append(Device device, Shape shape, Storage storage)
    {
        if (_count == _nodes.Length)
            Array.Resize(ref _nodes, _nodes.Length * 2);
        ref TapeNode node = ref _nodes[_count];
        node.Device = device;
        node.Shape = shape;
        node.Storage = storage;
        return new Tensor(this, _count++, _generation);
    }
}
