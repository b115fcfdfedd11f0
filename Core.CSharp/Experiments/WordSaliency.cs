using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// What the words of a sentence have to do with the latent variables (Kim et al. 2018, section 5.1). With q the posterior that the model's own inference finds and w_t the encoder's embedding of word t,
/// <code>
/// output saliency  E_q ‖∂ log p(x_t | x_1 ... x_{t-1}, z) / ∂z‖₂     how much z matters to the prediction of word t
/// input saliency   ‖E_q[d‖z‖₂ / dw_t]‖₂                               how much word t matters to z, through the encoder and the steps that follow it
/// </code>
/// </summary>
/// <param name="Words">The words.</param>
/// <param name="LogProbabilities">E_q log p(x_t | x_1 ... x_{t-1}, z) in nats for each word.</param>
/// <param name="Output">The output saliency of each word.</param>
/// <param name="Input">The input saliency of each word; empty where inference reads no words.</param>
public sealed record WordSaliency(IReadOnlyList<int> Words, IReadOnlyList<double> LogProbabilities, IReadOnlyList<double> Output, IReadOnlyList<double> Input)
{
    /// <summary>Of every sentence of a batch; its numbers do not depend on the others.</summary>
    /// <param name="vae">A model of sentences and its inference.</param>
    /// <param name="text">The sentences.</param>
    /// <param name="samples">Samples of q; the paper takes 5.</param>
    /// <param name="seed">The seed of everything random.</param>
    /// <param name="cancellation">Stops between two sentences.</param>
    /// <exception cref="GapLabException">No samples, or a model without latent variables.</exception>
    public static IReadOnlyList<WordSaliency> Of(Vae vae, TokenObservations text, int samples = 5, ulong seed = 1, CancellationToken cancellation = default)
    {
        if (samples < 1 || vae.Model.LatentSizes.Sum() == 0)
            throw new GapLabException($"Saliency needs at least 1 sample, not {samples}, and a model with latent variables; '{vae.Model.Name}' has {vae.Model.LatentSizes.Sum()}.");
        var results = new List<WordSaliency>();
        for (int row = 0; row < text.Count; row++)
        {
            cancellation.ThrowIfCancellationRequested();
            results.Add(OfOne(vae, (TokenObservations)text.Select([row]), samples, seed));
        }
        return results;
    }

    private static WordSaliency OfOne(Vae vae, TokenObservations sentence, int samples, ulong seed)
    {
        using MemoryScope scope = MemoryScope.Enter();
        var stream = new RandomStream(seed, RandomPurpose.Evaluation);
        LstmEncoder? encoder = vae.Inference as LstmEncoder ?? (vae.Inference as SemiAmortized)?.StartMethod as LstmEncoder;
        Tensor embedded = encoder is null ? default : scope.Copy(encoder.Embedded(sentence));
        LocalParameters? start = encoder?.Encode(sentence, embedded);
        InferenceTrace trace = vae.Inference switch
        {
            SemiAmortized steps when start is not null => steps.Infer(vae.Model, vae.Family, sentence, stream, 0, start),
            _ when start is not null => new InferenceTrace(start),
            _ => vae.Inference.Infer(vae.Model, vae.Family, sentence, stream, 0),
        };
        var noise = new Noise(sentence, new RandomStream(seed, RandomPurpose.Importance).Fork(7), samples);
        (double[] logProbabilities, double[] output) = OutputOf(vae, sentence, trace.Final, noise);
        double[] input = start is null ? [] : InputOf(vae, sentence, trace, noise, stream, start, embedded);
        return new WordSaliency(sentence.Sentence(0).ToArray(), logProbabilities, output, input);
    }

    private static (double[] LogProbabilities, double[] Norms) OutputOf(Vae vae, TokenObservations sentence, LocalParameters lambda, Noise noise)
    {
        using MemoryScope scope = MemoryScope.Enter();
        int words = sentence.Longest, samples = noise.Samples;
        Tensor z = vae.Family.Sample(new LocalParameters([.. lambda.Blocks.Select(scope.Copy)]), vae.Model, noise).Latents[0];
        int n = z.Shape[2];
        // Sample (s, t) is there for the derivative of word t alone, so that one pass gives those of all words.
        Tensor each = scope.Copy(z.Reshape(samples, 1, n).BroadcastTo(new Shape(samples, words, n)).Reshape(1, samples * words, n));
        Tensor logProbs = ((TokenSequence)vae.Model.Output(new Latents(each), sentence)).WordLogProbs(sentence);
        double[] values = logProbs.ToArray(), own = new double[values.Length];
        for (int t = 0; t < words; t++)
            for (int s = 0; s < samples; s++)
                own[t * samples * words + s * words + t] = 1;
        var gradient = new Tensor[1];
        Gradient.Of(logProbs, [each], gradient, seed: Tensor.Create(z.Device, logProbs.Shape, own).To(logProbs.Type));
        double[] derivatives = gradient[0].ToArray(), average = new double[words], norms = new double[words];
        for (int t = 0; t < words; t++)
            for (int s = 0; s < samples; s++)
            {
                int row = s * words + t;
                average[t] += values[t * samples * words + row] / samples;
                norms[t] += Norm(derivatives.AsSpan(row * n, n)) / samples;
            }
        return (average, norms);
    }

    private static double[] InputOf(Vae vae, TokenObservations sentence, InferenceTrace trace, Noise noise, RandomStream stream, LocalParameters start, Tensor embedded)
    {
        Tensor[] lambda = NormGradient(vae, trace.Final, noise);
        if (vae.Inference is SemiAmortized steps)
            steps.PullBack(vae.Model, vae.Family, sentence, stream, 0, trace, lambda);
        Tensor sum = default;
        for (int i = 0; i < lambda.Length; i++)
        {
            Tensor term = (start[i] * lambda[i]).Sum();
            sum = sum.IsDefined ? sum + term : term;
        }
        double[] gradient = Gradient.Of(sum, embedded).ToArray();
        // The start comes before the first word.
        return [.. gradient.Chunk(embedded.Shape[1]).Skip(1).Select(word => Norm(word))];
    }

    /// <summary>The derivatives of the average of ‖z‖₂ over the samples with respect to λ, in the scope of the caller.</summary>
    private static Tensor[] NormGradient(Vae vae, LocalParameters lambda, Noise noise)
    {
        using MemoryScope scope = MemoryScope.Enter();
        var point = new LocalParameters([.. lambda.Blocks.Select(scope.Copy)]);
        Tensor norm = vae.Family.Sample(point, vae.Model, noise).Latents[0].Square().Sum(-1).Sqrt().Mean(1);
        var found = new Tensor[point.Blocks.Count];
        Gradient.Of(norm, [.. point.Blocks], found);
        return [.. found.Select(scope.Keep)];
    }

    private static double Norm(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
            sum += value * value;
        return Math.Sqrt(sum);
    }
}
