using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void LstmStep(Storage gates, Storage inputs, int repeat, Storage shift, Storage cell, Storage nextCell, Storage hidden, int rows, int size)
    {
        RequireFloat32("LstmStep", gates, cell, hidden);
        Run(
            new LstmLoop
            {
                Gates = (float*)gates.Address,
                Inputs = inputs.Length > 0 ? (float*)inputs.Address : null,
                Repeat = repeat,
                Shift = shift.Length > 0 ? (float*)shift.Address : null,
                Cell = (float*)cell.Address,
                NextCell = (float*)nextCell.Address,
                Hidden = (float*)hidden.Address,
                Size = size,
            },
            rows, 20 * size);
    }

    /// <inheritdoc/>
    public override void LstmStepAdjoint(Storage gates, Storage cell, Storage nextCell, Storage g, Storage dHidden, Storage dNextCell, Storage dGates, Storage dCell, int rows, int size)
    {
        RequireFloat32("LstmStepAdjoint", gates, dHidden, dGates);
        Run(
            new LstmAdjointLoop
            {
                Gates = (float*)gates.Address,
                Cell = (float*)cell.Address,
                NextCell = (float*)nextCell.Address,
                G = g.Length > 0 ? (float*)g.Address : null,
                DHidden = (float*)dHidden.Address,
                DNextCell = (float*)dNextCell.Address,
                DGates = (float*)dGates.Address,
                DCell = (float*)dCell.Address,
                Size = size,
            },
            rows, 10 * size);
    }

    /// <inheritdoc/>
    public override void LstmStepTangent(Storage gates, Storage cell, Storage nextCell, Storage direction, Storage tGates, Storage tCell, Storage tNextCell, Storage tHidden, int rows, int size)
    {
        RequireFloat32("LstmStepTangent", gates, direction, tGates);
        Run(
            new LstmTangentLoop
            {
                Gates = (float*)gates.Address,
                Cell = (float*)cell.Address,
                NextCell = (float*)nextCell.Address,
                Direction = (float*)direction.Address,
                TGates = (float*)tGates.Address,
                TCell = (float*)tCell.Address,
                TNextCell = (float*)tNextCell.Address,
                THidden = (float*)tHidden.Address,
                Size = size,
            },
            rows, 10 * size);
    }

    /// <inheritdoc/>
    public override void LstmStepAdjointTangent(
        Storage gates, Storage cell, Storage nextCell, Storage dHidden, Storage dNextCell, Storage tGates, Storage tCell, Storage tNextCell, Storage tdHidden, Storage tdNextCell, Storage tdGates, Storage tdCell,
        int rows, int size)
    {
        RequireFloat32("LstmStepAdjointTangent", gates, tGates, tdGates);
        Run(
            new LstmAdjointTangentLoop
            {
                Gates = (float*)gates.Address,
                Cell = (float*)cell.Address,
                NextCell = (float*)nextCell.Address,
                DHidden = (float*)dHidden.Address,
                DNextCell = (float*)dNextCell.Address,
                TGates = (float*)tGates.Address,
                TCell = (float*)tCell.Address,
                TNextCell = (float*)tNextCell.Address,
                TdHidden = (float*)tdHidden.Address,
                TdNextCell = (float*)tdNextCell.Address,
                TdGates = (float*)tdGates.Address,
                TdCell = (float*)tdCell.Address,
                Size = size,
            },
            rows, 10 * size);
    }

    /// <summary>The four gates of up to 16 units.</summary>
    private readonly ref struct Gates(Vector512<float> i, Vector512<float> f, Vector512<float> g, Vector512<float> o)
    {
        public readonly Vector512<float> I = i, F = f, G = g, O = o;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Gates Load(float* row, int size, int count) =>
            new(LoadUpTo16(row, count), LoadUpTo16(row + size, count), LoadUpTo16(row + 2 * size, count), LoadUpTo16(row + 3 * size, count));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Store(float* row, int size, int count)
        {
            StoreUpTo16(I, row, count);
            StoreUpTo16(F, row + size, count);
            StoreUpTo16(G, row + 2 * size, count);
            StoreUpTo16(O, row + 3 * size, count);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Gates Plus(Gates other) => new(I + other.I, F + other.F, G + other.G, O + other.O);

        /// <summary>The derivatives of the activations with respect to what they are of: y (1 - y) and 1 - y².</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Gates Slopes() => new(
            I * (Vector512<float>.One - I), F * (Vector512<float>.One - F), Vector512.FusedMultiplyAdd(-G, G, Vector512<float>.One), O * (Vector512<float>.One - O));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Gates Times(Gates other) => new(I * other.I, F * other.F, G * other.G, O * other.O);
    }

    private struct LstmLoop : ILoop
    {
        public float* Gates;
        public float* Inputs;
        public float* Shift;
        public float* Cell;
        public float* NextCell;
        public float* Hidden;
        public int Repeat;
        public int Size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int j = 0; j < Size; j += 16)
                {
                    int count = Size - j;
                    float* row = Gates + 4 * r * Size + j;
                    Gates a = CpuDevice.Gates.Load(row, Size, count);
                    if (Inputs != null)
                        a = a.Plus(CpuDevice.Gates.Load(Inputs + 4 * (r / Repeat) * Size + j, Size, count));
                    if (Shift != null)
                        a = a.Plus(CpuDevice.Gates.Load(Shift + 4 * r * Size + j, Size, count));
                    a = new Gates(SimdMath.Sigmoid(a.I), SimdMath.Sigmoid(a.F), SimdMath.Tanh(a.G), SimdMath.Sigmoid(a.O));
                    a.Store(row, Size, count);
                    Vector512<float> c = Vector512.FusedMultiplyAdd(a.F, LoadUpTo16(Cell + r * Size + j, count), a.I * a.G);
                    StoreUpTo16(c, NextCell + r * Size + j, count);
                    StoreUpTo16(a.O * SimdMath.Tanh(c), Hidden + r * Size + j, count);
                }
        }
    }

    private struct LstmAdjointLoop : ILoop
    {
        public float* Gates;
        public float* Cell;
        public float* NextCell;
        public float* G;
        public float* DHidden;
        public float* DNextCell;
        public float* DGates;
        public float* DCell;
        public int Size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int j = 0; j < Size; j += 16)
                {
                    int count = Size - j;
                    long at = r * Size + j;
                    Gates a = CpuDevice.Gates.Load(Gates + 4 * r * Size + j, Size, count);
                    Vector512<float> tau = SimdMath.Tanh(LoadUpTo16(NextCell + at, count)), dh = LoadUpTo16(DHidden + at, count);
                    if (G != null)
                    {
                        dh += LoadUpTo16(G + at, count);
                        StoreUpTo16(dh, DHidden + at, count);
                    }
                    Vector512<float> slope = Vector512.FusedMultiplyAdd(-tau, tau, Vector512<float>.One);
                    Vector512<float> dc = Vector512.FusedMultiplyAdd(dh * a.O, slope, LoadUpTo16(DNextCell + at, count));
                    StoreUpTo16(dc, DNextCell + at, count);
                    a.Slopes().Times(new Gates(dc * a.G, dc * LoadUpTo16(Cell + at, count), dc * a.I, dh * tau)).Store(DGates + 4 * r * Size + j, Size, count);
                    StoreUpTo16(dc * a.F, DCell + at, count);
                }
        }
    }

    private struct LstmTangentLoop : ILoop
    {
        public float* Gates;
        public float* Cell;
        public float* NextCell;
        public float* Direction;
        public float* TGates;
        public float* TCell;
        public float* TNextCell;
        public float* THidden;
        public int Size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int j = 0; j < Size; j += 16)
                {
                    int count = Size - j;
                    long at = r * Size + j, wide = 4 * r * Size + j;
                    Gates a = CpuDevice.Gates.Load(Gates + wide, Size, count);
                    Gates t = CpuDevice.Gates.Load(TGates + wide, Size, count).Plus(CpuDevice.Gates.Load(Direction + wide, Size, count));
                    t.Store(TGates + wide, Size, count);
                    t = t.Times(a.Slopes());
                    Vector512<float> tau = SimdMath.Tanh(LoadUpTo16(NextCell + at, count)), slope = Vector512.FusedMultiplyAdd(-tau, tau, Vector512<float>.One);
                    Vector512<float> tc = Vector512.FusedMultiplyAdd(
                        LoadUpTo16(TCell + at, count), a.F,
                        Vector512.FusedMultiplyAdd(LoadUpTo16(Cell + at, count), t.F, Vector512.FusedMultiplyAdd(t.I, a.G, a.I * t.G)));
                    StoreUpTo16(tc, TNextCell + at, count);
                    StoreUpTo16(Vector512.FusedMultiplyAdd(a.O * slope, tc, t.O * tau), THidden + at, count);
                }
        }
    }

    private struct LstmAdjointTangentLoop : ILoop
    {
        public float* Gates;
        public float* Cell;
        public float* NextCell;
        public float* DHidden;
        public float* DNextCell;
        public float* TGates;
        public float* TCell;
        public float* TNextCell;
        public float* TdHidden;
        public float* TdNextCell;
        public float* TdGates;
        public float* TdCell;
        public int Size;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int start, int end)
        {
            for (long r = start; r < end; r++)
                for (int j = 0; j < Size; j += 16)
                {
                    int count = Size - j;
                    long at = r * Size + j, wide = 4 * r * Size + j;
                    Gates a = CpuDevice.Gates.Load(Gates + wide, Size, count), slopes = a.Slopes();
                    Gates t = CpuDevice.Gates.Load(TGates + wide, Size, count).Times(slopes);
                    Vector512<float> c = LoadUpTo16(Cell + at, count), tc = LoadUpTo16(TCell + at, count);
                    Vector512<float> dh = LoadUpTo16(DHidden + at, count), dc = LoadUpTo16(DNextCell + at, count), tdh = LoadUpTo16(TdHidden + at, count);
                    Vector512<float> tau = SimdMath.Tanh(LoadUpTo16(NextCell + at, count)), slope = Vector512.FusedMultiplyAdd(-tau, tau, Vector512<float>.One);
                    Vector512<float> tTau = slope * LoadUpTo16(TNextCell + at, count);
                    Vector512<float> inner = Vector512.FusedMultiplyAdd(t.O, slope, -2 * a.O * tau * tTau);
                    Vector512<float> tdc = Vector512.FusedMultiplyAdd(dh, inner, Vector512.FusedMultiplyAdd(tdh * a.O, slope, LoadUpTo16(TdNextCell + at, count)));
                    new Gates(
                        Moved(slopes.I, tdc, a.G, dc, t.G, dc * a.G * Bend(a.I), t.I),
                        Moved(slopes.F, tdc, c, dc, tc, dc * c * Bend(a.F), t.F),
                        Moved(slopes.G, tdc, a.I, dc, t.I, -2 * dc * a.I * a.G, t.G),
                        Moved(slopes.O, tdh, tau, dh, tTau, dh * tau * Bend(a.O), t.O)).Store(TdGates + wide, Size, count);
                    StoreUpTo16(Vector512.FusedMultiplyAdd(tdc, a.F, dc * t.F), TdCell + at, count);
                }
        }

        /// <summary>1 - 2 y: the derivative of y (1 - y) along y.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Bend(Vector512<float> y) => Vector512<float>.One - y - y;

        /// <summary>s (a b + c d) + e f.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector512<float> Moved(
            Vector512<float> s, Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, Vector512<float> e, Vector512<float> f) =>
            Vector512.FusedMultiplyAdd(s, Vector512.FusedMultiplyAdd(a, b, c * d), e * f);
    }
}
