namespace GapLab.Inference;

/// <summary>Of which gradients the norm that is clipped is taken.</summary>
public enum ClipScope
{
    /// <summary>Of the whole batch, as in the code of Kim et al. 2018: a datapoint's steps then depend on its batch, which only training may do.</summary>
    Batch,

    /// <summary>Of each datapoint; the threshold is that of a batch over √(its size).</summary>
    Datapoint,
}
