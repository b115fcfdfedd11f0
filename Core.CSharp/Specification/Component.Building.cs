namespace GapLab.Specification;

/// <summary>A component and how it is made, once what it depends on is there.</summary>
/// <typeparam name="TContext">What it depends on.</typeparam>
/// <typeparam name="TProduct">What is made.</typeparam>
public sealed class Component<TContext, TProduct> : Component
{
    private readonly Func<TContext, TProduct> _build;

    /// <summary>A component of the library.</summary>
    /// <param name="name">A short name, such as "dense".</param>
    /// <param name="revision">Raised whenever the component gives other numbers for the same settings.</param>
    /// <param name="settings">All that its numbers depend on beside the context; null for none.</param>
    /// <param name="build">Makes it.</param>
    public Component(string name, int revision, object? settings, Func<TContext, TProduct> build) : base(name, revision, settings) => _build = build;

    private Component(string name, string sourceFile, object? settings, Func<TContext, TProduct> build)
        : base(name, 1, settings, HashOf(sourceFile)) => _build = build;

    /// <summary>A component that a script defines, see <see cref="Component.FromScript(string, string, object?)"/>.</summary>
    /// <param name="name">A short name.</param>
    /// <param name="sourceFile">The script.</param>
    /// <param name="settings">All that its numbers depend on beside the context; null for none.</param>
    /// <param name="build">Makes it.</param>
    /// <exception cref="Tensors.GapLabException">The script cannot be read.</exception>
    public static Component<TContext, TProduct> FromScript(string name, string sourceFile, object? settings, Func<TContext, TProduct> build) =>
        new(name, sourceFile, settings, build);

    /// <summary>Makes it.</summary>
    /// <param name="context">What it depends on.</param>
    public TProduct Build(TContext context) => _build(context);
}
