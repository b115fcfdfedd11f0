using System.Runtime.CompilerServices;
using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// A handle on an array of numbers, row-major, in a device's memory, together with its place on the tape. Copying the handle does not
/// copy the numbers. Operations on tensors give tensors of the innermost open <see cref="MemoryScope"/>.
/// </summary>
public readonly partial struct Tensor : IEquatable<Tensor>
{
    internal Tensor(MemoryScope scope, int index, int generation)
    {
        Scope = scope;
        Index = index;
        Generation = generation;
    }

    internal MemoryScope? Scope { get; }

    internal int Index { get; }

    internal int Generation { get; }

    /// <summary>Whether the handle refers to a tensor at all; false for default(Tensor).</summary>
    public bool IsDefined => Scope is not null;

    /// <summary>The sizes of the axes.</summary>
    public Shape Shape => Node("Shape").Shape;

    /// <summary>The type of the numbers.</summary>
    public ElementType Type => Node("Type").Storage.Type;

    /// <summary>The device that holds the numbers.</summary>
    public Device Device => Node("Device").Device;

    /// <summary>The number of elements.</summary>
    public int Count => Node("Count").Shape.Count;

    /// <summary>How often the numbers have been changed in place.</summary>
    internal int Version
    {
        get
        {
            ref TapeNode node = ref Node("Version");
            return node.ViewOf.IsDefined ? node.ViewOf.Version : node.Version;
        }
    }

    // ---- creation -------------------------------------------------------------------------------------------------------------

    /// <summary>A tensor of given numbers in the current scope.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="values">As many numbers, row-major.</param>
    /// <exception cref="ShapeException">The number of values does not fit the shape.</exception>
    public static Tensor Create(Device device, Shape shape, ReadOnlySpan<double> values)
    {
        RequireCount(shape, values.Length);
        Tensor tensor = MemoryScope.Allocate(device, shape, device.Real, out Storage storage);
        device.Write(values, storage);
        return tensor;
    }

    /// <summary>A tensor of given numbers in the current scope.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="values">As many numbers, row-major.</param>
    /// <exception cref="ShapeException">The number of values does not fit the shape.</exception>
    public static Tensor Create(Device device, Shape shape, params double[] values) => Create(device, shape, (ReadOnlySpan<double>)values);

    /// <summary>A tensor of given float32 numbers in the current scope.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="values">As many numbers, row-major.</param>
    /// <exception cref="ShapeException">The number of values does not fit the shape.</exception>
    public static Tensor Create(Device device, Shape shape, ReadOnlySpan<float> values)
    {
        RequireCount(shape, values.Length);
        Tensor tensor = MemoryScope.Allocate(device, shape, device.Real, out Storage storage);
        device.Write(values, storage);
        return tensor;
    }

    /// <summary>A tensor in the current scope whose elements are all the same.</summary>
    /// <param name="device">Where.</param>
    /// <param name="shape">The sizes.</param>
    /// <param name="value">Every element.</param>
    /// <param name="type">The element type; by default the device's own.</param>
    public static Tensor Filled(Device device, Shape shape, double value, ElementType? type = null)
    {
        Tensor tensor = MemoryScope.Allocate(device, shape, type ?? device.Real, out Storage storage);
        device.Fill(storage, value);
        return tensor;
    }

    /// <summary>
    /// Standard normals [datapoints, ...]: row b holds numbers offset, offset + 1, ... of the stream at (datapoint b, step, lane), whatever else is in the batch.
    /// </summary>
    /// <param name="device">Where.</param>
    /// <param name="stream">The source.</param>
    /// <param name="datapoints">The index of each row's datapoint.</param>
    /// <param name="step">The step of the stream.</param>
    /// <param name="lane">The lane of the stream.</param>
    /// <param name="rowShape">The shape of one row.</param>
    /// <param name="offset">How many numbers of each row to skip.</param>
    public static Tensor Normal(Device device, RandomStream stream, ReadOnlySpan<int> datapoints, int step, int lane, Shape rowShape, long offset = 0)
    {
        Span<int> sizes = stackalloc int[rowShape.Rank + 1];
        sizes[0] = datapoints.Length;
        rowShape.Span.CopyTo(sizes[1..]);
        Tensor tensor = MemoryScope.Allocate(device, new Shape(sizes), device.Real, out Storage storage);
        device.FillNormal(stream, datapoints, step, lane, offset, rowShape.Count, storage);
        return tensor;
    }

    /// <summary>Some rows of a matrix, in the given order; a leaf, for picking batches out of data.</summary>
    /// <param name="rows">Row numbers.</param>
    /// <exception cref="ShapeException">Not a matrix, or no such row.</exception>
    public Tensor GatherRows(ReadOnlySpan<int> rows)
    {
        Storage source = StorageOf("GatherRows");
        Shape shape = Shape;
        if (shape.Rank != 2)
            throw new ShapeException($"GatherRows: {shape} is not a matrix.");
        foreach (int row in rows)
            if ((uint)row >= (uint)shape[0])
                throw new ShapeException($"GatherRows: there is no row {row} in a matrix of shape {shape}.");
        Tensor result = MemoryScope.Allocate(Device, new Shape(rows.Length, shape[1]), Type, out Storage storage);
        Device.GatherRows(source, rows, shape[1], storage);
        GC.KeepAlive(Scope);
        return result;
    }

    /// <summary>A copy that belongs to the garbage collector, whatever scope is open: for parameters, data and optimizer state.</summary>
    public Tensor ToOwned() => MemoryScope.CopyTo(null, this);

    /// <summary>A copy in the current scope through which no gradient flows.</summary>
    public Tensor Detach() => MemoryScope.CopyTo(MemoryScope.Current, this);

    // ---- reading and changing -----------------------------------------------------------------------------------------------------

    /// <summary>All elements, row-major.</summary>
    public double[] ToArray()
    {
        var values = new double[StorageOf("ToArray").Length];
        CopyTo(values);
        return values;
    }

    /// <summary>Copies all elements, row-major.</summary>
    /// <param name="destination">At least as long.</param>
    public void CopyTo(Span<double> destination)
    {
        Storage source = StorageOf("CopyTo");
        Device.Read(source, destination);
        GC.KeepAlive(Scope);
    }

    /// <summary>The only element.</summary>
    /// <exception cref="ShapeException">There are more, or none.</exception>
    public double ToDouble()
    {
        if (StorageOf("ToDouble").Length != 1)
            throw new ShapeException($"ToDouble: a tensor of shape {Shape} is not a single number.");
        double value = 0;
        CopyTo(new Span<double>(ref value));
        return value;
    }

    /// <summary>
    /// Replaces the numbers of a leaf by another tensor's. What was computed from the old ones keeps its values, but gradients that
    /// need the old ones then fail with a sentence.
    /// </summary>
    /// <param name="source">The new numbers: same shape and device.</param>
    /// <exception cref="ShapeException">Another shape.</exception>
    /// <exception cref="ScopeException">This tensor was computed from others.</exception>
    public void Assign(Tensor source)
    {
        _ = StorageOf("Assign");
        _ = source.StorageOf("Assign");
        if (source.Shape != Shape)
            throw new ShapeException($"Assign: a tensor of shape {source.Shape} cannot replace one of shape {Shape}.");
        if (!ReferenceEquals(source.Device, Device))
            throw new DeviceMismatchException($"Assign: the source is on the device '{source.Device}', the target on '{Device}'.");
        Storage target = ForUpdate("Assign");
        Device.Copy(source.StorageOf("Assign"), target);
        GC.KeepAlive(source.Scope);
        GC.KeepAlive(Scope);
    }

    /// <summary>
    /// Makes a copy of a matrix in the order that products read it, used by every product until the matrix changes. Worth it for weights that
    /// many products share and none changes, such as a frozen decoder's.
    /// </summary>
    internal void Pack()
    {
        ref TapeNode node = ref Node("Pack");
        if (node.Shape.Rank != 2 || node.ViewOf.IsDefined || node.Packed?.Version == node.Version)
            return;
        if (node.Packed is { } stale)
        {
            // In training the same weights are packed step after step. Of several threads that need the copy one makes it.
            lock (stale.Weight)
            {
                if (node.Packed.Version != node.Version)
                {
                    node.Device.Repack(stale.Weight, node.Storage);
                    Volatile.Write(ref node.Packed, new PackedCopy(stale.Weight, node.Version));
                }
            }
        }
        else if (node.Device.Pack(node.Storage, node.Shape[0], node.Shape[1]) is { } weight)
        {
            Volatile.Write(ref node.Packed, new PackedCopy(weight, node.Version));
        }
        GC.KeepAlive(Scope);
    }

    /// <summary>The packed copy, if there is one of the present numbers.</summary>
    internal PackedWeight? Packed
    {
        get
        {
            ref TapeNode node = ref Node("Packed");
            PackedCopy? copy = Volatile.Read(ref node.Packed);
            return copy?.Version == node.Version ? copy.Weight : null;
        }
    }

    /// <summary>Whether the tensor was not computed from others, so that it can be changed in place.</summary>
    internal bool IsLeaf
    {
        get
        {
            ref TapeNode node = ref Node("IsLeaf");
            return node.Operation is null && !node.ViewOf.IsDefined;
        }
    }

    /// <summary>The storage of a leaf that is about to be changed in place; counts the change.</summary>
    internal Storage ForUpdate(string operation)
    {
        ref TapeNode node = ref Node(operation);
        if (node.Operation is not null || node.ViewOf.IsDefined)
            throw new ScopeException($"{operation}: only parameters and other tensors that were not computed from others can be changed in place.");
        node.Version++;
        return node.Storage;
    }

    internal Storage StorageOf(string operation) => Node(operation).Storage;

    /// <inheritdoc/>
    public bool Equals(Tensor other) => ReferenceEquals(Scope, other.Scope) && Index == other.Index && Generation == other.Generation;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Tensor other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Scope is null ? 0 : RuntimeHelpers.GetHashCode(Scope), Index);

    /// <summary>The shape, type and, of a small tensor, the numbers.</summary>
    public override string ToString() => !IsDefined
        ? "undefined tensor"
        : $"{Type} {Shape}" + (Count <= 16 ? $" {{ {string.Join(", ", ToArray().Select(value => value.ToString("G6", System.Globalization.CultureInfo.InvariantCulture)))} }}" : "");

    private ref TapeNode Node(string operation)
    {
        if (Scope is null)
            throw new ScopeException($"{operation}: an undefined tensor (default(Tensor)) was used.");
        return ref Scope.Resolve(this, operation);
    }

    private static void RequireCount(Shape shape, int count)
    {
        if (shape.Count != count)
            throw new ShapeException($"Create: {count} numbers do not fill a tensor of shape {shape}.");
    }
}
