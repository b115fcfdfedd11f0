using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Gate(Storage x, Storage y, int rows, int size)
    {
        RequireFloat32("Gate", x, x, y);
        Run(new GateLoop((float*)x.Address, (float*)y.Address, size), rows, 8 * size);
    }

    /// <inheritdoc/>
    public override void GateAdjoint(Storage x, Storage g, Storage d, int rows, int size)
    {
        RequireFloat32("GateAdjoint", x, g, d);
        Run(new GateAdjointLoop((float*)x.Address, (float*)g.Address, (float*)d.Address, size), rows, 8 * size);
    }

    /// <inheritdoc/>
    public override void GateSecondAdjoint(Storage x, Storage g, Storage h, Storage dX, Storage dG, int rows, int size)
    {
        RequireFloat32("GateSecondAdjoint", x, g, h);
        RequireFloat32("GateSecondAdjoint", x, dX, dG);
        Run(new GateSecondAdjointLoop((float*)x.Address, (float*)g.Address, (float*)h.Address, (float*)dX.Address, (float*)dG.Address, size), rows, 8 * size);
    }

    private readonly struct GateLoop(float* x, float* y, int size) : ILoop
    {
        private readonly float* _x = x, _y = y;
        private readonly int _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int i = 0; i < _size; i += 16)
                {
                    float* x = _x + 2 * r * _size + i;
                    Vector512<float> t = TanhOperation.Invoke(LoadUpTo16(x, _size - i)), s = SigmoidOperation.Invoke(LoadUpTo16(x + _size, _size - i));
                    StoreUpTo16(t * s, _y + r * _size + i, _size - i);
                }
        }
    }

    private readonly struct GateAdjointLoop(float* x, float* g, float* d, int size) : ILoop
    {
        private readonly float* _x = x, _g = g, _d = d;
        private readonly int _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int i = 0; i < _size; i += 16)
                {
                    int count = _size - i;
                    float* x = _x + 2 * r * _size + i, d = _d + 2 * r * _size + i;
                    Vector512<float> t = TanhOperation.Invoke(LoadUpTo16(x, count)), s = SigmoidOperation.Invoke(LoadUpTo16(x + _size, count));
                    Vector512<float> gs = LoadUpTo16(_g + r * _size + i, count) * s;
                    StoreUpTo16(gs * Vector512.FusedMultiplyAdd(-t, t, Vector512<float>.One), d, count);
                    StoreUpTo16(gs * t * (Vector512<float>.One - s), d + _size, count);
                }
        }
    }

    private readonly struct GateSecondAdjointLoop(float* x, float* g, float* h, float* dX, float* dG, int size) : ILoop
    {
        private readonly float* _x = x, _g = g, _h = h, _dX = dX, _dG = dG;
        private readonly int _size = size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int i = 0; i < _size; i += 16)
                {
                    int count = _size - i;
                    long first = 2 * r * _size + i, second = first + _size;
                    Vector512<float> t = TanhOperation.Invoke(LoadUpTo16(_x + first, count)), s = SigmoidOperation.Invoke(LoadUpTo16(_x + second, count));
                    Vector512<float> h1 = LoadUpTo16(_h + first, count), h2 = LoadUpTo16(_h + second, count), gs = LoadUpTo16(_g + r * _size + i, count) * s;
                    Vector512<float> u = Vector512.FusedMultiplyAdd(-t, t, Vector512<float>.One), rest = Vector512<float>.One - s;
                    StoreUpTo16(gs * u * Vector512.FusedMultiplyAdd(rest, h2, -2 * t * h1), _dX + first, count);
                    StoreUpTo16(gs * rest * Vector512.FusedMultiplyAdd(u, h1, t * (rest - s) * h2), _dX + second, count);
                    StoreUpTo16(s * Vector512.FusedMultiplyAdd(u, h1, t * rest * h2), _dG + r * _size + i, count);
                }
        }
    }
}
