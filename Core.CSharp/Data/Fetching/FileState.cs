namespace GapLab.Data.Fetching;

/// <summary>How a stored file compares with the published one.</summary>
public enum FileState
{
    /// <summary>The unpacked bytes have the published checksum.</summary>
    Genuine,

    /// <summary>It ends too early.</summary>
    Incomplete,

    /// <summary>It holds other bytes, or more.</summary>
    Altered,

    /// <summary>It is the user's own; no published file could be compared with it.</summary>
    Unpublished,
}
