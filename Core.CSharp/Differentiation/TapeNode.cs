using System.Runtime.CompilerServices;
using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// What a memory scope knows of one tensor: where its numbers are and, if it was computed from others, by which operation.
/// The tape is the array of these records; there are no closures.
/// </summary>
internal struct TapeNode
{
    public const int MaxInputs = 5;

    /// <summary>The operation that made the tensor; null for a leaf, to which nothing is propagated.</summary>
    public Operation? Operation;
    public Device Device;
    public Storage Storage;
    public Shape Shape;
    public int InputCount;
    public InputArray Inputs;
    public VersionArray InputVersions;

    /// <summary>What the operation needs to know beside its inputs.</summary>
    public OperationAttributes Attributes;

    /// <summary>What the operation kept for its adjoint beside inputs and output; undefined if nothing.</summary>
    public Tensor Saved;

    /// <summary>The rows that the operation chose; empty if it chose none.</summary>
    public ReadOnlyMemory<int> Rows;

    /// <summary>What a recurrent operation keeps for its adjoint; null for others.</summary>
    public LstmTape? Sequence;

    /// <summary>A copy in the order that products read it; null if there is none.</summary>
    public PackedCopy? Packed;

    /// <summary>The tensor whose numbers these are, under another shape or name; undefined for a tensor with numbers of its own.</summary>
    public Tensor ViewOf;

    /// <summary>How often the tensor has been changed in place.</summary>
    public int Version;

    [InlineArray(MaxInputs)]
    public struct InputArray
    {
        private Tensor _first;
    }

    [InlineArray(MaxInputs)]
    public struct VersionArray
    {
        private int _first;
    }
}

/// <summary>A packed copy and the version of the numbers that it was made of.</summary>
internal sealed record PackedCopy(PackedWeight Weight, int Version);

/// <summary>The constants of a recorded operation: two numbers, three integers.</summary>
internal record struct OperationAttributes(double A = 0, double B = 0, int I = 0, int J = 0, int K = 0);
