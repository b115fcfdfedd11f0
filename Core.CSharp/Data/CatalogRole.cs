namespace GapLab.Data;

/// <summary>What a file of a data set is for.</summary>
public enum CatalogRole
{
    /// <summary>Images to train on or to validate with; several such files are joined in the catalog's order.</summary>
    TrainingImages,

    /// <summary>Images of the test part.</summary>
    TestImages,

    /// <summary>Classes of the training images; no experiment reads them.</summary>
    TrainingLabels,

    /// <summary>Classes of the test images; no experiment reads them.</summary>
    TestLabels,
}
