using System.Text.Json.Nodes;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Models;
using GapLab.Specification;
using GapLab.Tensors;

namespace GapLab.Experiments;

/// <summary>
/// A model with its parameters, by description: what it consists of and where the parameters come from. Its key, the SHA-256 of the canonical JSON,
/// names the stored artifact.
/// </summary>
public abstract record ArtifactSpec
{
    /// <summary>The data that the model is for.</summary>
    public required DataSpec Data { get; init; }

    /// <summary>The generative model.</summary>
    public required Component<ModelContext, GenerativeModel> Model { get; init; }

    /// <summary>The family of approximate posteriors.</summary>
    public required Component<FamilyContext, VariationalFamily> Family { get; init; }

    /// <summary>How λ is found.</summary>
    public required Component<InferenceContext, InferenceMethod> Inference { get; init; }

    /// <summary>The seed of the initial parameters and, where the model is trained, of batches and noise.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The artifacts that must exist first.</summary>
    public virtual IReadOnlyList<ArtifactSpec> Dependencies => [];

    /// <summary>The name under which the artifact is stored.</summary>
    public string Key => CanonicalJson.Hash(ToJson());

    /// <summary>The key that it would have whatever the revisions of its components.</summary>
    public string Identity => CanonicalJson.Hash(CanonicalJson.WithoutRevisions(ToJson()));

    /// <summary>The complete description.</summary>
    public JsonObject ToJson()
    {
        var json = new JsonObject
        {
            ["data"] = Data.ToJson(),
            ["model"] = Model.ToJson(),
            ["family"] = Family.ToJson(),
            ["inference"] = Inference.ToJson(),
            ["seed"] = Seed,
        };
        Describe(json);
        return json;
    }

    /// <summary>The model with its initial parameters.</summary>
    /// <param name="device">Where it computes.</param>
    /// <param name="dataSize">The size D of x.</param>
    public Vae Build(Device device, int dataSize)
    {
        var initial = new RandomStream(Seed, RandomPurpose.Initialization);
        GenerativeModel model = Model.Build(new ModelContext(device, dataSize, initial.Fork(1)));
        VariationalFamily family = Family.Build(new FamilyContext(model, initial.Fork(3)));
        return new Vae(model, family, Inference.Build(new InferenceContext(model, family, dataSize, initial.Fork(2))));
    }

    /// <summary>Adds to the description where the parameters come from.</summary>
    /// <param name="json">The description so far.</param>
    private protected abstract void Describe(JsonObject json);
}
