namespace GapLab.Data;

/// <summary>What a file of a data set is for.</summary>
public enum CatalogRole
{
    /// <summary>Datapoints to train on or to validate with; several such files are joined in the catalog's order.</summary>
    Training,

    /// <summary>Datapoints to validate with, where they have a file of their own.</summary>
    Validation,

    /// <summary>Datapoints of the test part.</summary>
    Test,

    /// <summary>Classes of the training images; no experiment reads them.</summary>
    TrainingLabels,

    /// <summary>Classes of the test images; no experiment reads them.</summary>
    TestLabels,

    /// <summary>The words of documents. Only pages that show words need them, so they may be missing.</summary>
    Vocabulary,
}
