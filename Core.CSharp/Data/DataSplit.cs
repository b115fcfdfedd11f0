namespace GapLab.Data;

/// <summary>One of the three parts of a data set.</summary>
public enum DataSplit
{
    /// <summary>What models are fitted to.</summary>
    Train,

    /// <summary>What early stopping and choices look at; may be empty.</summary>
    Validation,

    /// <summary>What the reported numbers are computed on.</summary>
    Test,
}
