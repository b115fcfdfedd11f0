using GapLab.Tensors;

namespace GapLab.Differentiation;

/// <summary>
/// Reverse-mode derivatives. Only what is asked for is computed: a frozen decoder never pays for the gradients of its weights.
/// </summary>
public static class Gradient
{
    /// <summary>
    /// The gradients of Σ_i seed_i y_i with respect to some tensors; without a seed, of the sum of all elements of y.
    /// For a y of shape [B] whose rows are independent this gives every row's own gradient at once.
    /// </summary>
    /// <param name="y">The differentiated tensor, computed in the scopes that are open on this thread.</param>
    /// <param name="wanted">The tensors to differentiate with respect to: parameters, or tensors of the open scopes.</param>
    /// <param name="gradients">Receives the gradients, in the order and with the shapes of <paramref name="wanted"/>; zeros where y does not depend on one.</param>
    /// <param name="seed">The weights of the elements of y; same shape as y.</param>
    /// <param name="createGraph">Record the gradients themselves, so that they can be differentiated.</param>
    /// <exception cref="ScopeException">No scope is open, or y belongs to none of them, or a needed tensor was changed after it was used.</exception>
    /// <exception cref="ShapeException">The seed's shape differs from y's, or the spans' lengths differ.</exception>
    public static void Of(Tensor y, ReadOnlySpan<Tensor> wanted, Span<Tensor> gradients, Tensor seed = default, bool createGraph = false)
    {
        if (wanted.Length != gradients.Length)
            throw new ShapeException($"Gradient: {wanted.Length} tensors are wanted, but there is room for {gradients.Length} gradients.");
        // A handle from an ended scope would otherwise be taken for another tensor at the same place of the tape.
        _ = y.StorageOf("Gradient");
        foreach (Tensor tensor in wanted)
            _ = tensor.StorageOf("Gradient");
        if (seed.IsDefined && seed.Shape != y.Shape)
            throw new ShapeException($"Gradient: the seed has shape {seed.Shape}, the differentiated tensor {y.Shape}.");
        AdjointTable table = AdjointTable.OfThread;
        bool paused = MemoryScope.PauseRecording(!createGraph);
        try
        {
            table.Prepare(wanted);
            int level = table.Scopes.IndexOf(y.Scope!);
            if (level < 0)
                throw new ScopeException("Gradient: the differentiated tensor was computed outside the open memory scopes of this thread; compute it inside 'using var scope = MemoryScope.Enter()'.");
            if ((!y.Scope!.Records && !wanted.Contains(y)) || (createGraph && MemoryScope.Current is { Records: false }))
                throw new ScopeException("Gradient: the memory scope was entered without a tape (record: false); enter it with one to take gradients.");
            if (table.Wants(y))
                table.Add(y, seed.IsDefined ? seed.To(y.Type) : Tensor.Filled(y.Device, y.Shape, 1, y.Type));
            for (int start = y.Index; level < table.Scopes.Count; level++)
            {
                Propagate(table, level, start, createGraph);
                start = level + 1 < table.Scopes.Count ? table.CountAt(level + 1) - 1 : -1;
            }
            for (int i = 0; i < wanted.Length; i++)
                gradients[i] = table.TryGet(wanted[i], out Tensor gradient)
                    ? gradient
                    : Tensor.Filled(wanted[i].Device, wanted[i].Shape, 0, wanted[i].Type);
        }
        finally
        {
            table.Clear();
            MemoryScope.PauseRecording(paused);
        }
    }

    /// <summary>The gradient with respect to a single tensor; see <see cref="Of(Tensor, ReadOnlySpan{Tensor}, Span{Tensor}, Tensor, bool)"/>.</summary>
    /// <param name="y">The differentiated tensor.</param>
    /// <param name="wanted">The tensor to differentiate with respect to.</param>
    /// <param name="seed">The weights of the elements of y.</param>
    /// <param name="createGraph">Record the gradient itself, so that it can be differentiated.</param>
    public static Tensor Of(Tensor y, Tensor wanted, Tensor seed = default, bool createGraph = false)
    {
        Tensor gradient = default;
        Of(y, new ReadOnlySpan<Tensor>(in wanted), new Span<Tensor>(ref gradient), seed, createGraph);
        return gradient;
    }

    private static void Propagate(AdjointTable table, int level, int start, bool createGraph)
    {
        MemoryScope scope = table.Scopes[level];
        for (int i = start; i >= 0; i--)
        {
            Tensor tensor = scope.TensorAt(i);
            // A copy of the node: computing adjoints adds nodes, which may move the array.
            TapeNode node = scope.NodeAt(i);
            if (node.Operation is null || !table.Wants(tensor) || !table.TryGet(tensor, out Tensor adjoint))
                continue;
            // A wanted tensor may itself have been computed from others, which nobody asked for.
            if (!WantsAnInput(table, in node))
                continue;
            var context = new PullBackContext(in node, tensor, adjoint, createGraph, table);
            node.Operation.PullBack(ref context);
        }
    }

    private static bool WantsAnInput(AdjointTable table, ref readonly TapeNode node)
    {
        for (int j = 0; j < node.InputCount; j++)
            if (table.Wants(node.Inputs[j]))
                return true;
        return false;
    }
}
