namespace GapLab.Objectives;

/// <summary>Where a training run is when the weights of a batch's objective are asked for.</summary>
/// <param name="Epoch">The epoch, from 0.</param>
/// <param name="Batch">The batch in its epoch, from 0.</param>
/// <param name="Batches">The batches of an epoch.</param>
public readonly record struct AnnealingPosition(int Epoch, int Batch, int Batches)
{
    /// <summary>The batches before this one, in epochs.</summary>
    public double Epochs => Epoch + (double)Batch / Batches;
}
