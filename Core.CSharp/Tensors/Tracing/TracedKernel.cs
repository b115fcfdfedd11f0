namespace GapLab.Tensors.Tracing;

/// <summary>What a trace calls a kernel, and what its sizes are.</summary>
/// <param name="Name">The primitive, with its function where it has one.</param>
/// <param name="Sizes">The names of its sizes.</param>
/// <param name="IsProduct">Whether it makes two floating-point operations for each combination of its three sizes; of others the operations are not counted.</param>
internal readonly record struct TracedKernel(string Name, string[] Sizes, bool IsProduct = false)
{
    public const int Read = 0, Write = 1, Fill = 2, Copy = 3, Broadcast = 4, GatherRows = 5, Affine = 6, SelectRows = 7, MatrixProduct = 8, Pack = 9, Linear = 10,
        BernoulliLogLikelihood = 11, BernoulliLogLikelihoodAdjoint = 12, LinearBernoulliLogLikelihood = 13, GaussianSample = 14, GaussianSampleAdjoint = 15,
        StandardGaussianTerms = 16, StandardGaussianTermsAdjoint = 17, FillNormal = 18, Adam = 19, Momentum = 20, WorkerParts = 21,
        Convolution = 22, TransposedConvolution = 23, ConvolutionWeightAdjoint = 24, Gate = 25, GateAdjoint = 26, CopyColumns = 27, AddScaled = 28, GateSecondAdjoint = 29, ScatterRows = 30,
        CategoricalLogLikelihood = 31, CategoricalResidualAdjoint = 32,
        LstmStep = 33, LstmStepAdjoint = 34, LstmStepTangent = 35, LstmStepAdjointTangent = 36;

    /// <summary>All kernels, by number.</summary>
    public static readonly TracedKernel[] All = Table();

    private static readonly int FirstUnary = Array.FindIndex(All, kernel => kernel.Name == $"Unary {default(UnaryFunction)}");
    private static readonly int FirstBinary = Array.FindIndex(All, kernel => kernel.Name == $"Binary {default(BinaryFunction)}");
    private static readonly int FirstReduction = Array.FindIndex(All, kernel => kernel.Name == $"Reduce {default(Reduction)}");
    private static readonly int FirstActivation = Array.FindIndex(All, kernel => kernel.Name == $"ActivationAdjoint {default(Activation)}");

    public static int Of(UnaryFunction function) => FirstUnary + (int)function;

    public static int Of(BinaryFunction function) => FirstBinary + (int)function;

    public static int Of(Reduction reduction) => FirstReduction + (int)reduction;

    public static int AdjointOf(Activation activation) => FirstActivation + (int)activation;

    /// <summary>The floating-point operations of one run; 0 where they are not counted.</summary>
    public double Operations(int a, int b, int c) => IsProduct ? 2.0 * a * b * c : 0;

    private static TracedKernel[] Table()
    {
        string[] elements = ["elements"], matrix = ["rows", "columns"], product = ["m", "n", "k"], samples = ["rows", "samples", "size"], rows = ["rows", "size"],
            convolution = ["output pixels", "output channels", "kernel size"];
        return
        [
            new("Read", elements), new("Write", elements), new("Fill", elements), new("Copy", elements), new("Broadcast", elements),
            new("GatherRows", matrix), new("Affine", elements), new("SelectRows", matrix), new("MatrixProduct", product, true), new("Pack", matrix),
            new("Linear", product, true), new("BernoulliLogLikelihood", matrix), new("BernoulliLogLikelihoodAdjoint", matrix),
            new("LinearBernoulliLogLikelihood", product, true), new("GaussianSample", samples), new("GaussianSampleAdjoint", samples),
            new("StandardGaussianTerms", rows), new("StandardGaussianTermsAdjoint", rows), new("FillNormal", rows),
            new("Adam", elements), new("Momentum", elements), new("parts on a worker thread", ["parts"]),
            new("Convolution", convolution, true), new("TransposedConvolution", convolution, true), new("ConvolutionWeightAdjoint", convolution, true),
            new("Gate", rows), new("GateAdjoint", rows), new("CopyColumns", matrix), new("AddScaled", elements), new("GateSecondAdjoint", rows),
            new("ScatterRows", matrix), new("CategoricalLogLikelihood", matrix), new("CategoricalResidualAdjoint", matrix),
            new("LstmStep", rows), new("LstmStepAdjoint", rows), new("LstmStepTangent", rows), new("LstmStepAdjointTangent", rows),
            .. Enum.GetNames<UnaryFunction>().Select(name => new TracedKernel($"Unary {name}", elements)),
            .. Enum.GetNames<BinaryFunction>().Select(name => new TracedKernel($"Binary {name}", elements)),
            .. Enum.GetNames<Reduction>().Select(name => new TracedKernel($"Reduce {name}", ["outer", "reduced", "inner"])),
            .. Enum.GetNames<Activation>().Select(name => new TracedKernel($"ActivationAdjoint {name}", elements)),
        ];
    }
}
