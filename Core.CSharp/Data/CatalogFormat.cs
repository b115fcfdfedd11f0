namespace GapLab.Data;

/// <summary>Format of a catalogued file.</summary>
public enum CatalogFormat
{
    /// <summary>idx with unsigned bytes, see <see cref="IdxReader"/>.</summary>
    Idx,

    /// <summary>Lines of 0 and 1, see <see cref="AmatReader"/>.</summary>
    Amat,

    /// <summary>Records of a label and a colour image, see <see cref="CifarReader"/>.</summary>
    Cifar,

    /// <summary>Documents as bags of words, see <see cref="WordCountReader"/>.</summary>
    WordCounts,

    /// <summary>Text, one sentence a line, see <see cref="Text.SentenceReader"/>.</summary>
    Sentences,

    /// <summary>Images in a MATLAB file, see <see cref="MatReader"/>.</summary>
    Mat,

    /// <summary>One word a line, see <see cref="VocabularyReader"/>.</summary>
    Vocabulary,
}
