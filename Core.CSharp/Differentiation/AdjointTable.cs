using System.Diagnostics.CodeAnalysis;

namespace GapLab.Differentiation;

/// <summary>
/// The working memory of one gradient computation: which tensors of the open scopes depend on those the gradient is wanted for,
/// and the adjoints collected so far. One per thread, reused.
/// </summary>
internal sealed class AdjointTable
{
    [ThreadStatic]
    private static AdjointTable? t_instance;

    private readonly List<MemoryScope> _scopes = [];
    private readonly List<Tensor[]> _adjoints = [];
    private readonly List<bool[]> _depends = [];
    private readonly List<int> _counts = [];
    private readonly Dictionary<Tensor, Tensor> _outside = [];

    private AdjointTable() { }

    /// <summary>This thread's table.</summary>
    public static AdjointTable OfThread => t_instance ??= new AdjointTable();

    /// <summary>The open scopes of this thread, innermost first.</summary>
    public List<MemoryScope> Scopes => _scopes;

    /// <summary>Finds every tensor of the open scopes that depends on a wanted one.</summary>
    public void Prepare(ReadOnlySpan<Tensor> wanted)
    {
        for (MemoryScope? scope = MemoryScope.Current; scope is not null; scope = scope.Parent)
        {
            int level = _scopes.Count;
            _scopes.Add(scope);
            _counts.Add(scope.Count);
            if (_adjoints.Count == level)
            {
                _adjoints.Add([]);
                _depends.Add([]);
            }
            if (_adjoints[level].Length < scope.Count)
            {
                _adjoints[level] = new Tensor[Math.Max(256, scope.Count * 2)];
                _depends[level] = new bool[_adjoints[level].Length];
            }
        }
        foreach (Tensor tensor in wanted)
        {
            int level = LevelOf(tensor);
            if (level >= 0)
                _depends[level][tensor.Index] = true;
            else
                _outside[tensor] = default;
        }
        for (int level = _scopes.Count - 1; level >= 0; level--)
            for (int i = 0; i < _counts[level]; i++)
            {
                ref TapeNode node = ref _scopes[level].NodeAt(i);
                if (node.Operation is null || _depends[level][i])
                    continue;
                for (int j = 0; j < node.InputCount; j++)
                    if (Wants(node.Inputs[j]))
                    {
                        _depends[level][i] = true;
                        break;
                    }
            }
    }

    /// <summary>Whether the tensor is a wanted one or depends on one.</summary>
    public bool Wants(Tensor tensor)
    {
        int level = LevelOf(tensor);
        return level >= 0
            ? tensor.Index < _counts[level] && _depends[level][tensor.Index]
            : _outside.Count > 0 && _outside.ContainsKey(tensor);
    }

    /// <summary>Adds a contribution to a tensor's adjoint.</summary>
    public void Add(Tensor tensor, Tensor contribution)
    {
        int level = LevelOf(tensor);
        if (level >= 0)
        {
            ref Tensor adjoint = ref _adjoints[level][tensor.Index];
            adjoint = adjoint.IsDefined ? adjoint + contribution : contribution;
        }
        else
        {
            Tensor adjoint = _outside[tensor];
            _outside[tensor] = adjoint.IsDefined ? adjoint + contribution : contribution;
        }
    }

    /// <summary>A tensor's adjoint, if anything has contributed to it.</summary>
    public bool TryGet(Tensor tensor, [MaybeNullWhen(false)] out Tensor adjoint)
    {
        int level = LevelOf(tensor);
        if (level >= 0)
            adjoint = _adjoints[level][tensor.Index];
        else
            _outside.TryGetValue(tensor, out adjoint);
        return adjoint.IsDefined;
    }

    /// <summary>The number of tensors of a scope that existed when the gradient was asked for.</summary>
    public int CountAt(int level) => _counts[level];

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        for (int level = 0; level < _scopes.Count; level++)
        {
            Array.Clear(_adjoints[level], 0, _counts[level]);
            Array.Clear(_depends[level], 0, _counts[level]);
        }
        _scopes.Clear();
        _counts.Clear();
        _outside.Clear();
    }

    private int LevelOf(Tensor tensor)
    {
        for (int level = 0; level < _scopes.Count; level++)
            if (ReferenceEquals(_scopes[level], tensor.Scope))
                return level;
        return -1;
    }
}
