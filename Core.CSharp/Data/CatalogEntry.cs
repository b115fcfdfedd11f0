namespace GapLab.Data;

/// <summary>A data set the catalog knows.</summary>
/// <param name="Name">Short name, also the name of its subfolder.</param>
/// <param name="Title">What it is.</param>
/// <param name="Height">Rows per image; 1 for documents.</param>
/// <param name="Width">Columns per image; the size of the vocabulary of documents.</param>
/// <param name="Binarization">Default binarization: "fixed", "threshold" (at 128) or "sampled-once" (with seed 0, so that the data do not vary with an experiment's seed), or "none" for pixels of 256 levels.</param>
/// <param name="Validation">How many training datapoints, the last ones unless the files are sorted, are the validation part by default.</param>
/// <param name="Citation">What to cite.</param>
/// <param name="Licence">Licence of the data.</param>
/// <param name="Sources">Addresses below which the distributors publish the files.</param>
/// <param name="Files">Its files.</param>
/// <param name="Channels">Numbers per pixel.</param>
/// <param name="Note">What results must say of the data, such as that they are a part of the published ones; empty for nothing.</param>
/// <param name="Sorted">Whether the training datapoints are sorted, by class for instance, so that the validation part is drawn from them at random: the same datapoints every time.</param>
/// <param name="Instructions">How to get the files where the distributors do not publish them one by one, as a sentence; empty where they do.</param>
public sealed record CatalogEntry(
    string Name,
    string Title,
    int Height,
    int Width,
    string Binarization,
    int Validation,
    string Citation,
    string Licence,
    IReadOnlyList<string> Sources,
    IReadOnlyList<CatalogFile> Files,
    int Channels = 1,
    string Note = "",
    bool Sorted = false,
    string Instructions = "");
