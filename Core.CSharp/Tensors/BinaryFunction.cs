namespace GapLab.Tensors;

/// <summary>The elementwise functions of two arguments that a device implements, with broadcasting.</summary>
public enum BinaryFunction
{
    /// <summary>x + y.</summary>
    Add,

    /// <summary>x - y.</summary>
    Subtract,

    /// <summary>x · y.</summary>
    Multiply,

    /// <summary>x / y.</summary>
    Divide,
}
