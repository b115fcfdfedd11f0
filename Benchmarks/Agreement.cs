using System.Globalization;
using System.Runtime.InteropServices;
using GapLab.Bounds;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Objectives;
using GapLab.Tensors;
using GapLab.Tensors.Cpu;

namespace GapLab.Benchmarks;

/// <summary>
/// Whether PyTorch's workloads compute what ours do: each gives two numbers (a value, and the length of a gradient or a product) from the same
/// weights, images and noise, which PyTorch's program reads from a file of float32 numbers.
/// </summary>
internal static class Agreement
{
    private const int ImportanceSamples = 500;
    private const int ConvolvedImages = 2;
    private const double Beta = 0.5;
    private const int Sentences = 4;
    private const int SentenceLength = 6;
    private const int Words = 300;

    /// <summary>The largest relative difference of float32 rounding over sums of this size.</summary>
    private const double Tolerance = 1e-5;

    /// <summary>
    /// The same where logarithms and signs of gradients are fed back: near zero they turn a rounding into a step, and PyTorch in float32 differs as much from itself with another number of threads.
    /// </summary>
    private const double DiscontinuousTolerance = 2e-3;

    /// <summary>The workload in which the relative difference is largest compared with what rounding explains, and whether it is no larger than that; null once PyTorch has failed.</summary>
    public static (double Difference, string Workload, bool Agrees)? Check(Peer peer)
    {
        var file = Path.GetTempFileName();
        try
        {
            var ours = Compute(file);
            if (peer.Ask($"check {file}") is not { } answer)
            {
                return null;
            }

            var theirs = answer.Split(' ').Select(static text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
            var (difference, workload) = ours
                .SelectMany(static item => new[] { (item.Workload, Value: item.Value), (item.Workload, Value: item.Length) })
                .Zip(theirs, static (mine, other) => (Difference: Math.Abs(mine.Value - other) / Math.Max(1, Math.Abs(mine.Value)), mine.Workload))
                .MaxBy(static item => double.IsNaN(item.Difference) ? double.PositiveInfinity : item.Difference / ToleranceOf(item.Workload));
            return (difference, workload, difference <= ToleranceOf(workload));
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static double ToleranceOf(string workload) => workload == IterativeWorkload.Key ? DiscontinuousTolerance : Tolerance;

    private static List<(string Workload, double Value, double Length)> Compute(string file)
    {
        var problem = new Problem(TrainingWorkload.Sizes);
        var flow = new Problem(TrainingWorkload.Sizes, flow: true);
        var (model, family, images) = (problem.Model, problem.Family, problem.Images);
        var few = images.Select([.. Enumerable.Range(0, LocalWorkload.Sizes.Datapoints)]);
        var first = images.Select([0]);
        var lambda = ImportanceWorkload.Lambda(ImportanceWorkload.Sizes);
        var direction = HessianWorkload.Direction(HessianWorkload.Sizes);
        var size = TrainingWorkload.Sizes.Latent;
        var (one, many, importance) = (Draw(images, 1), Draw(few, LocalWorkload.Sizes.Samples), Draw(few, ImportanceSamples));
        var (pictures, kernels) = (ConvolutionWorkload.Image(ConvolvedImages, seed: 5), ConvolutionWorkload.Weights());
        var position = Draw(first, AisWorkload.Sizes.Samples).Normal(size);
        var iterative = IterativeWorkload.CreateVae(IterativeWorkload.Sizes);
        var (language, sentences) = (LanguageWorkload.Model(Words, embedding: 24, hidden: 32), LanguageWorkload.Sentences(Sentences, SentenceLength, Words));
        Tensor read = Tensor.Create(CpuDevice.Instance, new Shape(SentenceLength * Sentences), Array.ConvertAll(sentences.ByPosition(), static word => (double)word));
        Tensor[] given =
        [
            .. problem.Vae.Parameters, images.Values, one.Normal(size), many.Normal(size), .. lambda.Blocks, importance.Normal(size),
            position, .. direction, pictures, .. kernels, .. flow.Family.Shared, many.Normal(size, level: 1),
            .. iterative.Parameters, .. IterativeWorkload.Noises(images, problem.Stream, IterativeWorkload.Sizes),
            .. SemiAmortizedWorkload.Noises(images, problem.Stream, SemiAmortizedWorkload.Sizes),
            .. language.Parameters, read,
        ];
        using (var writer = File.Create(file))
        {
            foreach (Tensor tensor in given)
            {
                float[] numbers = [.. tensor.ToArray().Select(static number => (float)number)];
                writer.Write(MemoryMarshal.AsBytes<float>(numbers));
            }
        }

        return [Training(), Local(), Importance(), Ais(), Hessian(), Convolutions(), Flow(), Iterated(), Unrolled(), Language()];

        Noise Draw(Observations x, int samples) => new(x, problem.Stream, samples);

        (string Workload, double Value, double Length) Training()
        {
            using var scope = MemoryScope.Enter();
            var gradients = new Tensor[problem.Vae.Parameters.Count];
            Tensor value = new JointGradient().Gradients(problem.Vae, images, problem.Stream, 0, ObjectiveWeights.Elbo, gradients);
            return ("training", value.Sum().ToDouble() / images.Count, Length(gradients));
        }

        (string Workload, double Value, double Length) Local()
        {
            using var scope = MemoryScope.Enter();
            var gradients = new Tensor[2];
            Tensor value = Elbo(few, many).Gradient(family.InitialLocalParameters(few.Count), gradients);
            return ("local", value.Sum().ToDouble(), Length(gradients));
        }

        (string Workload, double Value, double Length) Importance()
        {
            var bound = new ImportanceSampler(ImportanceSamples).Estimate(model, family, few, lambda, problem.Stream).Iwae.Values;
            return ("iwae", bound.Sum(), Math.Sqrt(bound.Sum(static value => value * value)));
        }

        (string Workload, double Value, double Length) Ais()
        {
            using var scope = MemoryScope.Enter();
            var state = HmcState.At(new PriorPath(model, first), [position]);
            return ("ais", state.Base.Sum() + (Beta * state.Slope.Sum()), Length(state.Force(0, Beta)));
        }

        (string Workload, double Value, double Length) Hessian()
        {
            using var scope = MemoryScope.Enter();
            var products = new Tensor[direction.Length];
            var shared = new Tensor[model.Parameters.Count];
            var encoded = problem.Encode();
            Elbo(images, one).HessianVectorProduct(encoded, direction, products, shared);
            return ("hvp", Length(products), Length(shared));
        }

        (string Workload, double Value, double Length) Convolutions()
        {
            using var scope = MemoryScope.Enter();
            var gradients = new Tensor[kernels.Length + 1];
            Tensor value = ConvolutionWorkload.Value(pictures, kernels);
            Gradient.Of(value, (Tensor[])[pictures, .. kernels], gradients);
            return ("convolutions", value.ToDouble(), Length(gradients));
        }

        (string Workload, double Value, double Length) Flow()
        {
            using var scope = MemoryScope.Enter();
            Tensor[] parameters = [.. lambda.Blocks, .. flow.Family.Shared];
            var gradients = new Tensor[parameters.Length];
            Tensor value = new ElboObjective(model, flow.Family, few, many, ObjectiveWeights.Elbo, KlForm.Analytic).Value(lambda);
            Gradient.Of(value.Sum(), parameters, gradients);
            return ("flow", value.Sum().ToDouble(), Length(gradients));
        }

        (string Workload, double Value, double Length) Iterated()
        {
            using var scope = MemoryScope.Enter();
            var gradients = new Tensor[iterative.Parameters.Count];
            Tensor value = new IterativeGradient().Gradients(iterative, images, problem.Stream, 0, ObjectiveWeights.Elbo, gradients);
            return (IterativeWorkload.Key, value.Sum().ToDouble() / images.Count, Length(gradients));
        }

        (string Workload, double Value, double Length) Unrolled()
        {
            using var scope = MemoryScope.Enter();
            var vae = SemiAmortizedWorkload.CreateVae(problem, SemiAmortizedWorkload.Sizes);
            var gradients = new Tensor[vae.Parameters.Count];
            Tensor value = new SemiAmortizedGradient().Gradients(vae, images, problem.Stream, 0, ObjectiveWeights.Elbo, gradients);
            return (SemiAmortizedWorkload.Key, value.Sum().ToDouble() / images.Count, Length(gradients));
        }

        (string Workload, double Value, double Length) Language()
        {
            using var scope = MemoryScope.Enter();
            var gradients = new Tensor[language.Parameters.Count];
            Tensor value = LanguageWorkload.Gradients(language, sentences, gradients);
            return ("lstm", value.ToDouble(), Length(gradients));
        }

        ElboObjective Elbo(Observations x, Noise noise) => new(model, family, x, noise, ObjectiveWeights.Elbo, KlForm.Analytic);
    }

    private static double Length(params Tensor[] tensors) =>
        Math.Sqrt(tensors.Sum(static tensor => tensor.ToArray().Sum(static number => number * number)));
}
