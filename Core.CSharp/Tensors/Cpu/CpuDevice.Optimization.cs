using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace GapLab.Tensors.Cpu;

public sealed unsafe partial class CpuDevice
{
    /// <inheritdoc/>
    public override void Adam(in AdamStep step, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1) => Update(new AdamRule(step), parameters, gradientScale);

    /// <inheritdoc/>
    public override void Momentum(double rate, double momentum, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale = 1) =>
        Update(new MomentumRule((float)rate, (float)momentum), parameters, gradientScale);

    /// <inheritdoc/>
    public override void AddScaled(double scale, ReadOnlySpan<ParameterUpdate> pairs) => Update(new AddScaledRule((float)scale), pairs, 1);

    /// <summary>How one vector of parameters moves: p, m and v are read and written once.</summary>
    private interface IUpdateRule
    {
        bool HasFirstMoment { get; }

        bool HasSecondMoment { get; }

        void Apply(Vector512<float> g, ref Vector512<float> p, ref Vector512<float> m, ref Vector512<float> v);
    }

    /// <summary>All tensors in one parallel pass, as if their numbers lay end to end; the scaled gradients are rounded first.</summary>
    private static void Update<TRule>(TRule rule, ReadOnlySpan<ParameterUpdate> parameters, double gradientScale) where TRule : unmanaged, IUpdateRule
    {
        int count = 0;
        foreach (ParameterUpdate parameter in parameters)
        {
            RequireFloat32("Optimizer", parameter.Parameter, parameter.Gradient, rule.HasFirstMoment ? parameter.FirstMoment : parameter.Gradient);
            count = checked(count + parameter.Parameter.Length);
        }
        fixed (ParameterUpdate* first = parameters)
            Run(new UpdateLoop<TRule>(rule, first, (float)gradientScale), count);
    }

    private readonly struct UpdateLoop<TRule>(TRule rule, ParameterUpdate* parameters, float gradientScale) : ILoop where TRule : unmanaged, IUpdateRule
    {
        private readonly TRule _rule = rule;
        private readonly ParameterUpdate* _parameters = parameters;
        private readonly float _gradientScale = gradientScale;

        public void Execute(int start, int end)
        {
            ParameterUpdate* parameter = _parameters;
            for (int first = 0; first < end; parameter++)
            {
                int length = parameter->Parameter.Length;
                int from = Math.Max(start - first, 0), to = Math.Min(end - first, length);
                if (from < to)
                    Execute(*parameter, from, to);
                first += length;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Execute(in ParameterUpdate parameter, int start, int end)
        {
            float* p = (float*)parameter.Parameter.Address, g = (float*)parameter.Gradient.Address;
            float* m = (float*)parameter.FirstMoment.Address, v = (float*)parameter.SecondMoment.Address;
            TRule rule = _rule;
            float scale = _gradientScale;
            int i = start;
            for (; i <= end - 16; i += 16)
            {
                Vector512<float> pi = Vector512.Load(p + i), mi = rule.HasFirstMoment ? Vector512.Load(m + i) : default, vi = rule.HasSecondMoment ? Vector512.Load(v + i) : default;
                rule.Apply(Vector512.Create(scale) * Vector512.Load(g + i), ref pi, ref mi, ref vi);
                pi.Store(p + i);
                if (rule.HasFirstMoment)
                    mi.Store(m + i);
                if (rule.HasSecondMoment)
                    vi.Store(v + i);
            }
            for (; i < end; i++)
            {
                Vector512<float> pi = Vector512.CreateScalar(p[i]), mi = Vector512.CreateScalar(rule.HasFirstMoment ? m[i] : 0), vi = Vector512.CreateScalar(rule.HasSecondMoment ? v[i] : 0);
                rule.Apply(Vector512.CreateScalar(scale * g[i]), ref pi, ref mi, ref vi);
                p[i] = pi.ToScalar();
                if (rule.HasFirstMoment)
                    m[i] = mi.ToScalar();
                if (rule.HasSecondMoment)
                    v[i] = vi.ToScalar();
            }
        }
    }

    private readonly struct AdamRule(AdamStep step) : IUpdateRule
    {
        private readonly float _beta1 = (float)step.Beta1, _rest1 = (float)(1 - step.Beta1), _beta2 = (float)step.Beta2, _rest2 = (float)(1 - step.Beta2);
        private readonly float _epsilon = (float)step.Epsilon, _rate = (float)(step.Rate / step.Correction1), _scale2 = (float)(1 / step.Correction2);

        public bool HasFirstMoment => true;

        public bool HasSecondMoment => true;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(Vector512<float> g, ref Vector512<float> p, ref Vector512<float> m, ref Vector512<float> v)
        {
            m = Vector512.FusedMultiplyAdd(Vector512.Create(_beta1), m, Vector512.Create(_rest1) * g);
            v = Vector512.FusedMultiplyAdd(Vector512.Create(_beta2), v, Vector512.Create(_rest2) * g * g);
            Vector512<float> root = Vector512.Sqrt(v * Vector512.Create(_scale2)) + Vector512.Create(_epsilon);
            p = Vector512.FusedMultiplyAdd(Vector512.Create(_rate), m / root, p);
        }
    }

    private readonly struct MomentumRule(float rate, float momentum) : IUpdateRule
    {
        private readonly float _rate = rate, _momentum = momentum;

        public bool HasFirstMoment => _momentum != 0;

        public bool HasSecondMoment => false;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(Vector512<float> g, ref Vector512<float> p, ref Vector512<float> m, ref Vector512<float> v)
        {
            m = Vector512.FusedMultiplyAdd(Vector512.Create(_momentum), m, g);
            p = Vector512.FusedMultiplyAdd(Vector512.Create(_rate), m, p);
        }
    }

    private readonly struct AddScaledRule(float scale) : IUpdateRule
    {
        private readonly float _scale = scale;

        public bool HasFirstMoment => false;

        public bool HasSecondMoment => false;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply(Vector512<float> g, ref Vector512<float> p, ref Vector512<float> m, ref Vector512<float> v) => p += Vector512.Create(_scale) * g;
    }
}
