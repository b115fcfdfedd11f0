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
}
