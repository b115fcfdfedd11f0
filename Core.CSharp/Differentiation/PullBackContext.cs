using GapLab.Differentiation.Operations;
using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>What an operation sees when an adjoint is propagated through it: its node, the adjoint, and where contributions go.</summary>
internal readonly ref struct PullBackContext
{
    private readonly ref readonly TapeNode _node;
    private readonly AdjointTable _adjoints;

    public PullBackContext(ref readonly TapeNode node, Tensor output, Tensor adjoint, bool createGraph, AdjointTable adjoints)
    {
        _node = ref node;
        _adjoints = adjoints;
        Output = output;
        Adjoint = adjoint;
        CreateGraph = createGraph;
    }

    /// <summary>The recorded result.</summary>
    public Tensor Output { get; }

    /// <summary>The derivative of the differentiated quantity with respect to <see cref="Output"/>.</summary>
    public Tensor Adjoint { get; }

    /// <summary>Whether the adjoint computation itself must be differentiable, so that fused kernels may not be used.</summary>
    public bool CreateGraph { get; }

    public OperationAttributes Attributes => _node.Attributes;

    /// <summary>What the operation kept for its adjoint.</summary>
    public Tensor Saved => _node.Saved;

    /// <summary>The rows that the operation chose.</summary>
    public ReadOnlyMemory<int> Rows => _node.Rows;

    /// <summary>What the recurrent operation kept.</summary>
    public LstmTape Sequence => _node.Sequence!;

    /// <summary>Whether the wanted gradients depend on this input at all; nothing is computed for one that they do not.</summary>
    public bool Wants(int input) => _adjoints.Wants(_node.Inputs[input]);

    /// <summary>The number of inputs.</summary>
    public int InputCount => _node.InputCount;

    /// <summary>The shape of an input.</summary>
    public Shape InputShape(int input) => _node.Inputs[input].Shape;

    /// <summary>The element type of an input.</summary>
    public ElementType InputType(int input) => _node.Inputs[input].Type;

    /// <summary>The value of an input.</summary>
    /// <exception cref="ScopeException">It has been changed in place since it was used.</exception>
    public Tensor Input(int input)
    {
        Tensor tensor = _node.Inputs[input];
        if (tensor.Version != _node.InputVersions[input])
            throw new ScopeException($"{_node.Operation!.NameOf(_node.Attributes)}: an operand of shape {tensor.Shape} was changed after it was used, so the gradient cannot be computed; take gradients before updating parameters.");
        return tensor;
    }

    /// <summary>Adds a contribution to an input's adjoint.</summary>
    public void Add(int input, Tensor contribution) => _adjoints.Add(_node.Inputs[input], contribution);
}
