using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void GaussianSample(Storage mean, Storage logVariance, Storage epsilon, Storage z, int rows, int samples, int size)
    {
        RequireFloat32("GaussianSample", mean, logVariance, epsilon);
        Run(new SampleLoop((float*)mean.Address, (float*)logVariance.Address, (float*)epsilon.Address, (float*)z.Address, samples, size), rows, samples * size);
    }

    /// <inheritdoc/>
    public override void GaussianSampleAdjoint(Storage logVariance, Storage epsilon, Storage g, Storage dMean, Storage dLogVariance, int rows, int samples, int size)
    {
        RequireFloat32("GaussianSampleAdjoint", logVariance, epsilon, g);
        Run(
            new SampleAdjointLoop((float*)logVariance.Address, (float*)epsilon.Address, (float*)g.Address, (float*)dMean.Address, (float*)dLogVariance.Address, samples, size),
            rows, samples * size);
    }

    /// <inheritdoc/>
    public override void StandardGaussianTerms(Storage mean, Storage logVariance, double p, double h, Storage y, int rows, int size)
    {
        RequireFloat32("StandardGaussianTerms", mean, logVariance, mean);
        Run(new TermsLoop((float*)mean.Address, (float*)logVariance.Address, p, h, (double*)y.Address, size), rows, size);
    }

    /// <inheritdoc/>
    public override void StandardGaussianTermsAdjoint(Storage mean, Storage logVariance, double p, double h, Storage g, Storage dMean, Storage dLogVariance, int rows, int size)
    {
        RequireFloat32("StandardGaussianTermsAdjoint", mean, logVariance, dMean);
        Run(
            new TermsAdjointLoop((float*)mean.Address, (float*)logVariance.Address, (float)p, (float)h, (double*)g.Address, (float*)dMean.Address, (float*)dLogVariance.Address, size),
            rows, size);
    }

    /// <summary>Sixteen numbers, or as many as are left, the rest zero.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> LoadUpTo16(float* x, int count) => count >= 16 ? Vector512.Load(x) : LoadTail(x, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreUpTo16(Vector512<float> value, float* y, int count)
    {
        if (count >= 16)
            value.Store(y);
        else
            StoreTail(value, y, count);
    }

    // Apart, because a method that takes stack memory is not inlined.
    private static Vector512<float> LoadTail(float* x, int count)
    {
        float* buffer = stackalloc float[16];
        for (int i = 0; i < 16; i++)
            buffer[i] = i < count ? x[i] : 0;
        return Vector512.Load(buffer);
    }

    private static void StoreTail(Vector512<float> value, float* y, int count)
    {
        float* buffer = stackalloc float[16];
        value.Store(buffer);
        for (int i = 0; i < count; i++)
            y[i] = buffer[i];
    }

    /// <summary>Datapoints: σ once for sixteen components, then all samples of them.</summary>
    private readonly struct SampleLoop(float* mean, float* logVariance, float* epsilon, float* z, int samples, int size) : ILoop
    {
        private readonly float* _mean = mean, _logVariance = logVariance, _epsilon = epsilon, _z = z;
        private readonly int _samples = samples, _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int b = start; b < end; b++)
                for (int j = 0; j < _size; j += 16)
                {
                    int count = _size - j;
                    Vector512<float> mean = LoadUpTo16(_mean + (long)b * _size + j, count);
                    Vector512<float> sigma = SimdMath.Exp(LoadUpTo16(_logVariance + (long)b * _size + j, count) * Vector512.Create(0.5f));
                    for (int s = 0; s < _samples; s++)
                    {
                        long at = ((long)b * _samples + s) * _size + j;
                        StoreUpTo16(Vector512.FusedMultiplyAdd(sigma, LoadUpTo16(_epsilon + at, count), mean), _z + at, count);
                    }
                }
        }
    }

    private readonly struct SampleAdjointLoop(float* logVariance, float* epsilon, float* g, float* dMean, float* dLogVariance, int samples, int size) : ILoop
    {
        private readonly float* _logVariance = logVariance, _epsilon = epsilon, _g = g, _dMean = dMean, _dLogVariance = dLogVariance;
        private readonly int _samples = samples, _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int b = start; b < end; b++)
                for (int j = 0; j < _size; j += 16)
                {
                    int count = _size - j;
                    Vector512<double> sumLow = default, sumHigh = default, productLow = default, productHigh = default;
                    for (int s = 0; s < _samples; s++)
                    {
                        long at = ((long)b * _samples + s) * _size + j;
                        Vector512<float> g = LoadUpTo16(_g + at, count);
                        (Vector512<double> low, Vector512<double> high) = Vector512.Widen(g);
                        sumLow += low;
                        sumHigh += high;
                        (low, high) = Vector512.Widen(g * LoadUpTo16(_epsilon + at, count));
                        productLow += low;
                        productHigh += high;
                    }
                    long parameter = (long)b * _size + j;
                    StoreUpTo16(Vector512.Narrow(sumLow, sumHigh), _dMean + parameter, count);
                    Vector512<float> half = Vector512.Create(0.5f);
                    Vector512<float> sigma = SimdMath.Exp(LoadUpTo16(_logVariance + parameter, count) * half);
                    StoreUpTo16(half * sigma * Vector512.Narrow(productLow, productHigh), _dLogVariance + parameter, count);
                }
        }
    }

    private readonly struct TermsLoop(float* mean, float* logVariance, double p, double h, double* y, int size) : ILoop
    {
        private readonly float* _mean = mean, _logVariance = logVariance;
        private readonly double* _y = y;
        private readonly double _p = p, _h = h;
        private readonly int _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int b = start; b < end; b++)
            {
                Vector512<double> squares = default, logVariances = default;
                for (int j = 0; j < _size; j += 16)
                {
                    int count = _size - j;
                    Vector512<float> m = LoadUpTo16(_mean + (long)b * _size + j, count), v = LoadUpTo16(_logVariance + (long)b * _size + j, count);
                    (Vector512<double> low, Vector512<double> high) = Vector512.Widen(Vector512.FusedMultiplyAdd(m, m, SimdMath.Exp(v)));
                    squares += low + high;
                    (low, high) = Vector512.Widen(v);
                    logVariances += low + high;
                }
                // Components that only fill up the last vector have v = 0 and so e^v = 1.
                double variance = SumLanes(squares) - ((16 - _size % 16) % 16);
                _y[b] = 0.5 * (_h * (_size * (1 + ScalarFunctions.LogTwoPi) + SumLanes(logVariances)) - _p * (_size * ScalarFunctions.LogTwoPi + variance));
            }
        }
    }

    private readonly struct TermsAdjointLoop(float* mean, float* logVariance, float p, float h, double* g, float* dMean, float* dLogVariance, int size) : ILoop
    {
        private readonly float* _mean = mean, _logVariance = logVariance, _dMean = dMean, _dLogVariance = dLogVariance;
        private readonly double* _g = g;
        private readonly float _p = p, _h = h;
        private readonly int _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (int b = start; b < end; b++)
            {
                Vector512<float> p = Vector512.Create(-_p), byMean = Vector512.Create((float)(-_p * _g[b])), half = Vector512.Create((float)(0.5 * _g[b]));
                for (int j = 0; j < _size; j += 16)
                {
                    long at = (long)b * _size + j;
                    int count = _size - j;
                    StoreUpTo16(byMean * LoadUpTo16(_mean + at, count), _dMean + at, count);
                    Vector512<float> variance = SimdMath.Exp(LoadUpTo16(_logVariance + at, count));
                    StoreUpTo16(half * Vector512.FusedMultiplyAdd(p, variance, Vector512.Create(_h)), _dLogVariance + at, count);
                }
            }
        }
    }
}
