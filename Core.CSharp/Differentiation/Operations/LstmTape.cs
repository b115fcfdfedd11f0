namespace GapLab.Differentiation.Operations;

/// <summary>What an LSTM keeps of T steps on R rows for its derivatives; all of it belongs to the scope of the tape.</summary>
/// <param name="Steps">T.</param>
/// <param name="Gates">i, f, g, o [T R, 4 n].</param>
/// <param name="Cells">c before the first step and after every step, [(T + 1) R, n].</param>
/// <param name="Hidden">h after every step, [T R, n].</param>
internal sealed record LstmTape(int Steps, Tensor Gates, Tensor Cells, Tensor Hidden)
{
    /// <summary>The complete adjoints of h, [T R, n], once there are some.</summary>
    public Tensor HiddenAdjoints { get; init; }

    /// <summary>The complete adjoints of <see cref="Cells"/>, once there are some.</summary>
    public Tensor CellAdjoints { get; init; }
}
