using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Models;
using GapLab.Objectives;
using GapLab.Tensors;

namespace GapLab.Inference;

/// <summary>Which derivative of which point of an inference trace reaches which parameters: what tells the ways of training one method apart.</summary>
public abstract class TrainingRule
{
    private const ulong DroppingNoise = 0xD409;

    /// <summary>The rule in a few words, for provenance.</summary>
    public abstract string Name { get; }

    /// <summary>
    /// The positions in <see cref="Vae.Parameters"/> of the parameters that it trains, in ascending order: all, unless a rule says otherwise. The others keep their values, bit for bit.
    /// </summary>
    /// <param name="vae">What is trained.</param>
    public virtual IReadOnlyList<int> Trained(Vae vae) => [.. Enumerable.Range(0, vae.Parameters.Count)];

    /// <summary>The rule as it is in an epoch of training: the same throughout, unless a rule says otherwise.</summary>
    /// <param name="epoch">From 0.</param>
    public virtual TrainingRule At(int epoch) => this;

    /// <summary>The model that an objective is computed with: in training, with what it drops at random, independently of the objective's samples.</summary>
    /// <param name="model">The model, in training or not.</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The stream of the objective's noise.</param>
    /// <param name="step">The step of the stream.</param>
    internal static GenerativeModel Dropping(GenerativeModel model, Observations x, RandomStream stream, int step) =>
        model.WithTrainingNoise(new Noise(x, stream.Fork(DroppingNoise), 1, step));

    /// <summary>The positions of all parameters but θ.</summary>
    private protected static IReadOnlyList<int> AllButModel(Vae vae) =>
        [.. Enumerable.Range(vae.Model.Parameters.Count, vae.Parameters.Count - vae.Model.Parameters.Count)];

    /// <summary>The gradients of one training step, of a batch mean in nats, on the current memory scope.</summary>
    /// <param name="vae">What is trained, in training (<see cref="Vae.InTraining"/>).</param>
    /// <param name="x">The batch.</param>
    /// <param name="stream">The source of noise.</param>
    /// <param name="step">The training step, a step of the stream.</param>
    /// <param name="weights">The weights of the objective's terms.</param>
    /// <param name="gradients">Receives one gradient for each of the parameters that are trained, see <see cref="Trained"/>.</param>
    /// <returns>The objective of every datapoint, [B].</returns>
    public abstract Tensor Gradients(Vae vae, Observations x, RandomStream stream, int step, ObjectiveWeights weights, Span<Tensor> gradients);
}
