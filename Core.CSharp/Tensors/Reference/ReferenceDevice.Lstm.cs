namespace GapLab.Tensors.Reference;

public sealed partial class ReferenceDevice
{
    /// <inheritdoc/>
    public override void LstmStep(Storage gates, Storage inputs, int repeat, Storage shift, Storage cell, Storage nextCell, Storage hidden, int rows, int size)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int j = 0; j < 4 * size; j++)
            {
                int at = r * 4 * size + j;
                double a = gates.Doubles[at] + (inputs.Length > 0 ? inputs.Doubles[r / repeat * 4 * size + j] : 0) + (shift.Length > 0 ? shift.Doubles[at] : 0);
                gates.Doubles[at] = ScalarFunctions.Evaluate(j / size == 2 ? Activation.Tanh : Activation.Sigmoid, a);
            }
            for (int j = 0; j < size; j++)
            {
                (double i, double f, double g, double o) = GatesAt(gates, r, j, size);
                int at = r * size + j;
                nextCell.Doubles[at] = f * cell.Doubles[at] + i * g;
                hidden.Doubles[at] = o * Math.Tanh(nextCell.Doubles[at]);
            }
        }
    }

    /// <inheritdoc/>
    public override void LstmStepAdjoint(Storage gates, Storage cell, Storage nextCell, Storage g, Storage dHidden, Storage dNextCell, Storage dGates, Storage dCell, int rows, int size)
    {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
            {
                (double i, double f, double v, double o) = GatesAt(gates, r, j, size);
                int at = r * size + j;
                double c = cell.Doubles[at], tau = Math.Tanh(nextCell.Doubles[at]);
                double dh = dHidden.Doubles[at] += g.Length > 0 ? g.Doubles[at] : 0;
                double dc = dNextCell.Doubles[at] += dh * o * (1 - tau * tau);
                SetGates(dGates, r, j, size, dc * v * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - v * v), dh * tau * o * (1 - o));
                dCell.Doubles[at] = dc * f;
            }
    }

    /// <inheritdoc/>
    public override void LstmStepTangent(Storage gates, Storage cell, Storage nextCell, Storage direction, Storage tGates, Storage tCell, Storage tNextCell, Storage tHidden, int rows, int size)
    {
        for (int k = 0; k < 4 * rows * size; k++)
            tGates.Doubles[k] += direction.Doubles[k];
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
            {
                (double i, double f, double v, double o) = GatesAt(gates, r, j, size);
                (double ti, double tf, double tv, double to) = GateTangents(gates, tGates, r, j, size);
                int at = r * size + j;
                double tau = Math.Tanh(nextCell.Doubles[at]);
                double tc = tNextCell.Doubles[at] = tCell.Doubles[at] * f + cell.Doubles[at] * tf + ti * v + i * tv;
                tHidden.Doubles[at] = to * tau + o * (1 - tau * tau) * tc;
            }
    }

    /// <inheritdoc/>
    public override void LstmStepAdjointTangent(
        Storage gates, Storage cell, Storage nextCell, Storage dHidden, Storage dNextCell, Storage tGates, Storage tCell, Storage tNextCell, Storage tdHidden, Storage tdNextCell, Storage tdGates, Storage tdCell,
        int rows, int size)
    {
        for (int r = 0; r < rows; r++)
            for (int j = 0; j < size; j++)
            {
                (double i, double f, double v, double o) = GatesAt(gates, r, j, size);
                (double ti, double tf, double tv, double to) = GateTangents(gates, tGates, r, j, size);
                int at = r * size + j;
                double c = cell.Doubles[at], tc = tCell.Doubles[at], dh = dHidden.Doubles[at], dc = dNextCell.Doubles[at], tdh = tdHidden.Doubles[at];
                double tau = Math.Tanh(nextCell.Doubles[at]), slope = 1 - tau * tau, tTau = slope * tNextCell.Doubles[at];
                double tdc = tdNextCell.Doubles[at] + tdh * o * slope + dh * (to * slope - 2 * o * tau * tTau);
                SetGates(
                    tdGates, r, j, size,
                    (tdc * v + dc * tv) * i * (1 - i) + dc * v * (1 - 2 * i) * ti,
                    (tdc * c + dc * tc) * f * (1 - f) + dc * c * (1 - 2 * f) * tf,
                    (tdc * i + dc * ti) * (1 - v * v) - 2 * dc * i * v * tv,
                    (tdh * tau + dh * tTau) * o * (1 - o) + dh * tau * (1 - 2 * o) * to);
                tdCell.Doubles[at] = tdc * f + dc * tf;
            }
    }

    private static (double I, double F, double G, double O) GatesAt(Storage gates, int r, int j, int size)
    {
        Span<double> row = gates.Doubles.Slice(r * 4 * size, 4 * size);
        return (row[j], row[size + j], row[2 * size + j], row[3 * size + j]);
    }

    private static void SetGates(Storage gates, int r, int j, int size, double i, double f, double g, double o)
    {
        Span<double> row = gates.Doubles.Slice(r * 4 * size, 4 * size);
        (row[j], row[size + j], row[2 * size + j], row[3 * size + j]) = (i, f, g, o);
    }

    /// <summary>The derivatives of the gates along those of their pre-activations.</summary>
    private static (double I, double F, double G, double O) GateTangents(Storage gates, Storage tGates, int r, int j, int size)
    {
        (double i, double f, double g, double o) = GatesAt(gates, r, j, size);
        (double ti, double tf, double tg, double to) = GatesAt(tGates, r, j, size);
        return (i * (1 - i) * ti, f * (1 - f) * tf, (1 - g * g) * tg, o * (1 - o) * to);
    }
}
