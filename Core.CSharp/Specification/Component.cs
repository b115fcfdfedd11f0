using System.Security.Cryptography;
using System.Text.Json.Nodes;
using GapLab.Tensors;

namespace GapLab.Specification;

/// <summary>
/// What identifies one choice of an experiment: its name, its settings, and an integer revision that is raised whenever its numbers change. All three
/// enter the key of every result that depends on it.
/// </summary>
public class Component
{
    private readonly JsonNode? _settings;
    private readonly string? _source;

    /// <summary>A component of the library.</summary>
    /// <param name="name">A short name, such as "dense".</param>
    /// <param name="revision">Raised whenever the component gives other numbers for the same settings.</param>
    /// <param name="settings">All that its numbers depend on, for <see cref="CanonicalJson.From"/>; null for none.</param>
    public Component(string name, int revision, object? settings = null) : this(name, revision, settings, null) { }

    private protected Component(string name, int revision, object? settings, string? source)
    {
        Name = name;
        Revision = revision;
        _settings = CanonicalJson.From(settings);
        _source = source;
    }

    /// <summary>A component that a script defines: the script's text stands in for the revision, so that what an earlier version of it gave is not taken for this one's.</summary>
    /// <param name="name">A short name.</param>
    /// <param name="sourceFile">The script.</param>
    /// <param name="settings">All that its numbers depend on; null for none.</param>
    /// <exception cref="GapLabException">The script cannot be read.</exception>
    public static Component FromScript(string name, string sourceFile, object? settings = null) => new(name, 1, settings, HashOf(sourceFile));

    /// <summary>The short name.</summary>
    public string Name { get; }

    /// <summary>The version of its numbers.</summary>
    public int Revision { get; }

    /// <summary>Name, revision, settings and, for a script's component, the hash of the script.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject { ["name"] = Name, [CanonicalJson.RevisionMember] = Revision };
        if (_settings is not null)
            json["settings"] = _settings.DeepClone();
        if (_source is not null)
            json["source"] = _source;
        return json;
    }

    private protected static string HashOf(string sourceFile)
    {
        try
        {
            return Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(sourceFile)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new GapLabException($"The script '{sourceFile}' that defines a component cannot be read ({e.Message.TrimEnd('.')}); name the script's own file.");
        }
    }
}
