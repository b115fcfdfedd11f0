using GapLab.Differentiation;
using GapLab.Tensors;

namespace GapLab.Networks;

/// <summary>
/// Modules one after the other, as PyTorch's <c>nn.Sequential</c> has them: module i of a network "decoder" has the parameters "decoder.i.weight" [outputs, inputs] and
/// "decoder.i.bias" [outputs] if it is linear, and none otherwise. So the parameters have the names that such a network is saved with.
/// </summary>
public sealed class SequentialNetwork
{
    private readonly List<(Linear? Layer, SequentialModule? Module)> _steps = [];

    /// <summary>Adds the modules' parameters to a set, with random initial values.</summary>
    /// <param name="parameters">The set.</param>
    /// <param name="prefix">What goes before the numbers of modules; an empty one for nothing.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="modules">The modules.</param>
    /// <param name="stream">The source of the initial weights.</param>
    public SequentialNetwork(ParameterSet parameters, string prefix, int inputs, IReadOnlyList<SequentialModule> modules, RandomStream stream)
    {
        Outputs = inputs;
        for (int i = 0; i < modules.Count; i++)
        {
            if (modules[i].Kind != SequentialKind.Linear)
            {
                _steps.Add((null, modules[i]));
                continue;
            }
            Activation? fused = i + 1 < modules.Count ? modules[i + 1].Fused : null;
            _steps.Add((new Linear(parameters, NameOf(prefix, i), Outputs, modules[i].Outputs, fused ?? Activation.Identity, stream), null));
            Outputs = modules[i].Outputs;
            if (fused is not null)
                i++;
        }
    }

    /// <summary>The size of the output.</summary>
    public int Outputs { get; }

    /// <summary>The name of a module, before ".weight" and ".bias".</summary>
    /// <param name="prefix">What goes before the number.</param>
    /// <param name="index">Its position among the modules, from 0.</param>
    public static string NameOf(string prefix, int index) => prefix.Length == 0 ? $"{index}" : $"{prefix}.{index}";

    /// <summary>The size of the output of some modules.</summary>
    /// <param name="inputs">The size of their input.</param>
    /// <param name="modules">The modules.</param>
    public static int OutputsOf(int inputs, IReadOnlyList<SequentialModule> modules) =>
        modules.LastOrDefault(module => module.Kind == SequentialKind.Linear)?.Outputs ?? inputs;

    /// <summary>The names and shapes of the parameters that a network of some modules has, without making one.</summary>
    /// <param name="prefix">What goes before the numbers of modules.</param>
    /// <param name="inputs">The size of the input.</param>
    /// <param name="modules">The modules.</param>
    public static IEnumerable<(string Name, long[] Shape)> ParametersOf(string prefix, int inputs, IReadOnlyList<SequentialModule> modules)
    {
        for (int i = 0; i < modules.Count; i++)
        {
            if (modules[i].Kind != SequentialKind.Linear)
                continue;
            foreach ((string Name, long[] Shape) parameter in ParametersOf(NameOf(prefix, i), inputs, modules[i].Outputs))
                yield return parameter;
            inputs = modules[i].Outputs;
        }
    }

    /// <summary>The names and shapes of the parameters of a fully connected layer.</summary>
    /// <param name="name">The layer's name.</param>
    /// <param name="inputs">The size of its input.</param>
    /// <param name="outputs">The size of its output.</param>
    public static IEnumerable<(string Name, long[] Shape)> ParametersOf(string name, int inputs, int outputs) =>
        [($"{name}.weight", [outputs, inputs]), ($"{name}.bias", [outputs])];

    /// <summary>The output [..., Outputs] for x [..., inputs].</summary>
    /// <param name="parameters">The set the network belongs to, or one of the same names with other values.</param>
    /// <param name="x">The input.</param>
    public Tensor Forward(ParameterSet parameters, Tensor x)
    {
        foreach ((Linear? layer, SequentialModule? module) in _steps)
            x = layer?.Forward(parameters, x) ?? module!.Apply(x);
        return x;
    }
}
