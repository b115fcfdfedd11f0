using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Networks;
using GapLab.Tensors;
using MathNet.Numerics.LinearAlgebra;
using MathNet.Numerics.LinearAlgebra.Factorization;

namespace GapLab.Models;

/// <summary>
/// The model on which every quantity of this workbench is known exactly: p(z) = N(0, I), p(x | z) = N(W z + b, s I). Its posterior is the
/// Gaussian with precision Λ = I + WᵀW / s and mean Λ⁻¹ Wᵀ(x - b) / s, and p(x) = N(b, W Wᵀ + s I). The best factorised Gaussian has the
/// exact mean and the variances 1 / Λ_jj; it falls short of log p(x) by ½ (Σ_j log Λ_jj - log det Λ), the exact approximation gap.
/// The exact answers are those of the parameters given here; they do not follow training or <see cref="GenerativeModel.With"/>.
/// </summary>
public sealed class LinearGaussian : GenerativeModel
{
    private readonly Matrix<double> _weight;
    private readonly Vector<double> _bias;
    private readonly double _noiseVariance;
    private readonly Cholesky<double> _precision;
    private readonly Linear _layer;
    private readonly Tensor _logNoiseVariance;

    /// <summary>The model with given parameters.</summary>
    /// <param name="device">Where it computes; the exact answers are float64 on the host.</param>
    /// <param name="weight">W [D, n].</param>
    /// <param name="bias">b [D].</param>
    /// <param name="noiseVariance">s, greater than 0.</param>
    /// <exception cref="ShapeException">The sizes of W and b differ.</exception>
    public LinearGaussian(Device device, double[,] weight, double[] bias, double noiseVariance) : base(new ParameterSet(device))
    {
        if (bias.Length != weight.GetLength(0))
            throw new ShapeException($"LinearGaussian: W has {weight.GetLength(0)} rows, but b has {bias.Length} numbers.");
        if (!(noiseVariance > 0))
            throw new GapLabException($"LinearGaussian: the noise variance must be positive, not {noiseVariance}.");
        _weight = Matrix<double>.Build.DenseOfArray(weight);
        _bias = Vector<double>.Build.DenseOfArray(bias);
        _noiseVariance = noiseVariance;
        LatentSizes = [_weight.ColumnCount];
        _precision = (Matrix<double>.Build.DenseIdentity(_weight.ColumnCount) + _weight.TransposeThisAndMultiply(_weight) / noiseVariance).Cholesky();
        _layer = new Linear(Parameters, "linear", _weight.ColumnCount, _weight.RowCount, Activation.Identity, default);
        Parameters[0].Assign(Tensor.Create(device, new Shape(_weight.RowCount, _weight.ColumnCount), _weight.Transpose().ToColumnMajorArray()));
        Parameters[1].Assign(Tensor.Create(device, new Shape(bias.Length), bias));
        _logNoiseVariance = Tensor.Create(device, new Shape(1), [Math.Log(noiseVariance)]).ToOwned();
    }

    /// <inheritdoc/>
    public override string Name => $"linear-Gaussian {_weight.ColumnCount}-{_weight.RowCount}";

    /// <inheritdoc/>
    public override IReadOnlyList<int> LatentSizes { get; }

    /// <inheritdoc/>
    public override LatentDistribution Prior(int level, IReadOnlyList<Tensor> above) => DiagonalGaussian.Standard(Device, LatentSizes[level]);

    /// <inheritdoc/>
    public override OutputDistribution Output(Latents z, Observations x) =>
        new GaussianOutput(_layer.Forward(Parameters, z[0]), _logNoiseVariance);

    /// <summary>log p(x) in nats, exactly: log N(x; b, W Wᵀ + s I), by the determinant and inversion lemmas in the latent space.</summary>
    /// <param name="x">One datapoint, D numbers.</param>
    public double LogMarginal(double[] x)
    {
        Vector<double> residual = Residual(x);
        Vector<double> projected = _weight.TransposeThisAndMultiply(residual) / _noiseVariance;
        double quadratic = residual.DotProduct(residual) / _noiseVariance - projected.DotProduct(_precision.Solve(projected));
        double logDeterminant = _precision.DeterminantLn + _bias.Count * Math.Log(_noiseVariance);
        return -0.5 * (_bias.Count * DiagonalGaussian.LogTwoPi + logDeterminant + quadratic);
    }

    /// <summary>The mean of the exact posterior.</summary>
    /// <param name="x">One datapoint, D numbers.</param>
    public double[] PosteriorMean(double[] x) =>
        _precision.Solve(_weight.TransposeThisAndMultiply(Residual(x)) / _noiseVariance).ToArray();

    /// <summary>The covariance of the exact posterior, the same for every x.</summary>
    public double[,] PosteriorCovariance() =>
        _precision.Solve(Matrix<double>.Build.DenseIdentity(_weight.ColumnCount)).ToArray();

    /// <summary>The variances 1 / Λ_jj of the best factorised Gaussian, whose mean is the exact one.</summary>
    public double[] OptimalFactorizedVariance()
    {
        Matrix<double> precision = _precision.Factor.TransposeAndMultiply(_precision.Factor);
        return precision.Diagonal().Map(value => 1 / value).ToArray();
    }

    /// <summary>The exact approximation gap of factorised Gaussians, ½ (Σ_j log Λ_jj - log det Λ) ≥ 0 nats, the same for every x.</summary>
    public double FactorizedApproximationGap() =>
        0.5 * (-OptimalFactorizedVariance().Sum(Math.Log) - _precision.DeterminantLn);

    /// <summary>The exact ELBO of q = N(mean, diag variance) in nats: log p(x) - KL(q ‖ p(z | x)).</summary>
    /// <param name="x">One datapoint, D numbers.</param>
    /// <param name="mean">n numbers.</param>
    /// <param name="variance">n positive numbers.</param>
    public double ExactElbo(double[] x, double[] mean, double[] variance)
    {
        Matrix<double> precision = _precision.Factor.TransposeAndMultiply(_precision.Factor);
        Vector<double> difference = Vector<double>.Build.DenseOfArray(mean) - Vector<double>.Build.DenseOfArray(PosteriorMean(x));
        double trace = 0, logVariances = 0;
        for (int j = 0; j < variance.Length; j++)
        {
            trace += precision[j, j] * variance[j];
            logVariances += Math.Log(variance[j]);
        }
        double divergence = 0.5 * (trace + difference.DotProduct(precision * difference) - variance.Length - _precision.DeterminantLn - logVariances);
        return LogMarginal(x) - divergence;
    }

    private Vector<double> Residual(double[] x) => Vector<double>.Build.DenseOfArray(x) - _bias;
}
