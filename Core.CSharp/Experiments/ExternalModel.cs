using System.Text.Json;
using GapLab.Data;
using GapLab.Families;
using GapLab.Inference;
using GapLab.Models;
using GapLab.Networks;

namespace GapLab.Experiments;

/// <summary>
/// A model that was trained elsewhere: its weights in a safetensors file, with the names that PyTorch's <c>nn.Sequential</c> gives them, and a description of its layers in a JSON file:
/// <code>
/// {
///   "latentSize": 20, "dataSize": 784,
///   "likelihood": "bernoulli",                             or "gaussian"
///   "logVariance": -2.0,                                   of Gaussian outputs: log σ², or "outputs" where the last module gives [mean, log σ²]
///   "decoder": { "prefix": "decoder", "modules": ["linear 200", "tanh", "linear 784"] },
///   "encoder": { "prefix": "encoder", "modules": ["linear 200", "tanh", "linear 40"],
///                "heads": ["fc_mean", "fc_log_variance"],  linear layers on top, where the last module does not give both
///                "spread": "log-variance" },               or "log-deviation"
///   "ignore": ["classifier."]                              beginnings of names of entries that p(x, z) and q(z | x) do not depend on
/// }
/// </code>
/// The prior is N(0, I). Without an encoder q starts at N(0, I), and only its local optima mean anything.
/// </summary>
public sealed class ExternalModel
{
    private const string DecoderFields = "an object with 'modules' and, unless it is 'decoder', the 'prefix' of their names";
    private const string ModuleList = "a list of modules in the order of the nn.Sequential, one text for each: " + SequentialModule.Known;
    private const string TwoHeads = "a list of the names of two linear layers, of the mean and of the spread";
    private const string Variance = "the log-variance of all outputs, a number, or \"outputs\" where the decoder gives [mean, log-variance]";

    private readonly string _origin;
    private readonly string _decoderPrefix;
    private readonly SequentialModule[] _decoder;
    private readonly string _encoderPrefix = "";
    private readonly SequentialModule[]? _encoder;
    private readonly string[] _heads = [];
    private readonly bool _givesDeviations;
    private readonly double? _logVariance;
    private readonly string[] _ignored;

    private ExternalModel(string weights, JsonField spec)
    {
        _origin = spec.Origin;
        Weights = weights;
        spec.AllowOnly("latentSize", "dataSize", "likelihood", "logVariance", "decoder", "encoder", "ignore");
        const string latentSize = "the number of latent variables, a whole number from 1", dataSize = "the numbers of a datapoint, a whole number from 1";
        LatentSize = spec.Require("latentSize", latentSize).Size(latentSize);
        DataSize = spec.Require("dataSize", dataSize).Size(dataSize);
        const string likelihoods = "\"bernoulli\" or \"gaussian\"";
        JsonField likelihood = spec.Require("likelihood", likelihoods);
        Output = likelihood.Text(likelihoods) switch
        {
            "bernoulli" => OutputKind.Bernoulli,
            "gaussian" => OutputKind.Gaussian,
            _ => throw likelihood.Wrong(likelihoods),
        };
        _logVariance = ReadLogVariance(spec);
        JsonField decoder = spec.Require("decoder", DecoderFields);
        decoder.AllowOnly("prefix", "modules");
        _decoderPrefix = ReadPrefix(decoder, "decoder");
        _decoder = ReadModules(decoder, allowsNone: false);
        CheckDecoder(decoder);
        if (spec.Find("encoder") is { } encoder)
        {
            encoder.AllowOnly("prefix", "modules", "heads", "spread");
            _encoderPrefix = ReadPrefix(encoder, "encoder");
            _heads = [.. encoder.Find("heads")?.Items(TwoHeads).Select(head => head.Text(TwoHeads)) ?? []];
            if (encoder.Find("heads") is { } heads && (_heads.Length != 2 || _heads[0] == _heads[1]))
                throw heads.Wrong(TwoHeads);
            _encoder = ReadModules(encoder, allowsNone: _heads.Length == 2);
            _givesDeviations = encoder.Find("spread") is { } spread && IsDeviation(spread);
            CheckEncoder(encoder);
        }
        _ignored = [.. spec.Find("ignore")?.Items("a list of beginnings of names").Select(item => item.Text("the beginning of a name")) ?? []];
    }

    /// <summary>The file with the weights.</summary>
    public string Weights { get; }

    /// <summary>The size n of z.</summary>
    public int LatentSize { get; }

    /// <summary>The size D of x.</summary>
    public int DataSize { get; }

    /// <summary>What the decoder's outputs parametrise: Bernoulli or Gaussian.</summary>
    public OutputKind Output { get; }

    /// <summary>Whether there is an encoder.</summary>
    public bool HasEncoder => _encoder is not null;

    /// <summary>Reads a model's description, and checks that its weights are those of the file.</summary>
    /// <param name="weights">The safetensors file.</param>
    /// <param name="specification">The JSON file.</param>
    /// <exception cref="DataException">
    /// A file cannot be read; a field of the description is unknown, missing or holds something else than it may: names the field and what is allowed; the weights do not belong to it: names the
    /// tensor with the shape that it has and the one that is needed.
    /// </exception>
    public static ExternalModel Read(string weights, string specification) => Checked(new ExternalModel(weights, JsonField.Read(specification)), SafetensorsFile.Read(weights));

    /// <summary>The same from bytes in memory, of files that messages call by these names.</summary>
    internal static ExternalModel Parse(ReadOnlyMemory<byte> weights, string weightsName, ReadOnlyMemory<byte> specification, string specificationName) =>
        Checked(new ExternalModel(weightsName, JsonField.Parse(specification, specificationName)), SafetensorsFile.Parse(weights, weightsName));

    /// <summary>
    /// The model as an artifact whose bounds can be measured. A Gaussian decoder gets the intensities of images whose usual form is zeros and ones. The key depends on the bytes of the weights, on the description's
    /// content, and on the data.
    /// </summary>
    /// <param name="dataset">The data to measure it on.</param>
    /// <exception cref="DataException">The file with the weights cannot be read.</exception>
    public ImportSpec On(string dataset) => new(Weights)
    {
        Data = new DataSpec { Name = dataset, KeepsIntensities = Output == OutputKind.Gaussian },
        Model = SequentialModel.Choice(LatentSize, _decoderPrefix, _decoder, Output, _logVariance),
        Family = FactorizedGaussian.Choice(),
        Inference = _encoder is null ? FixedStart.Choice() : SequentialEncoder.Choice(_encoderPrefix, _encoder, _heads, _givesDeviations),
        Ignored = _ignored,
    };

    /// <summary>Refuses data of another size, or that a Bernoulli decoder has no probabilities of.</summary>
    /// <param name="data">The data.</param>
    /// <exception cref="DataException">They do not fit.</exception>
    public void Require(DataSet data)
    {
        if (data.PixelCount != DataSize)
            throw new DataException($"'{data.Name}' has datapoints of {data.PixelCount} numbers, but the field 'dataSize' of '{_origin}' says {DataSize}; measure the model on data of the kind that it was trained on.");
        if (Output == OutputKind.Bernoulli && !data.SuitsBernoulli)
            throw new DataException($"'{data.Name}' holds numbers other than 0 and 1, which the Bernoulli decoder of '{_origin}' cannot explain; name other data, or a model with the likelihood \"gaussian\".");
    }

    /// <summary>Sizes are compared with the file before anything is made of them: a wrong one must not ask for more memory than there is.</summary>
    private static ExternalModel Checked(ExternalModel model, SafetensorsFile file)
    {
        ImportedWeights.Check(file, model.Weights, model.Parameters(), model._ignored);
        return model;
    }

    private IEnumerable<(string Name, long[] Shape)> Parameters()
    {
        IEnumerable<(string, long[])> decoder = SequentialNetwork.ParametersOf(_decoderPrefix, LatentSize, _decoder);
        if (_encoder is null)
            return decoder;
        int features = SequentialNetwork.OutputsOf(DataSize, _encoder);
        return [.. decoder, .. SequentialNetwork.ParametersOf(_encoderPrefix, DataSize, _encoder), .. _heads.SelectMany(head => SequentialNetwork.ParametersOf(head, features, LatentSize))];
    }

    private double? ReadLogVariance(JsonField spec)
    {
        if (Output == OutputKind.Bernoulli)
        {
            if (spec.Find("logVariance") is { } none)
                throw none.Wrong("left out where the likelihood is \"bernoulli\"");
            return null;
        }
        JsonField given = spec.Require("logVariance", Variance);
        if (given.Number() is { } number)
            return number;
        if (given.Text(Variance) != "outputs")
            throw given.Wrong(Variance);
        return null;
    }

    private static string ReadPrefix(JsonField network, string usual) =>
        network.Find("prefix")?.Text("the beginning of the names of its tensors, such as \"decoder\"; empty where they begin with the number") ?? usual;

    private static SequentialModule[] ReadModules(JsonField network, bool allowsNone)
    {
        JsonField list = network.Require("modules", ModuleList);
        SequentialModule[] modules = [.. list.Items(ModuleList).Select(item => SequentialModule.Parse(item.Text(SequentialModule.Known)) ?? throw item.Wrong(SequentialModule.Known))];
        return allowsNone || modules.Any(module => module.Kind == SequentialKind.Linear)
            ? modules
            : throw list.Wrong($"{ModuleList}, at least one of them linear");
    }

    private static bool IsDeviation(JsonField spread)
    {
        const string allowed = "\"log-variance\" or \"log-deviation\"";
        return spread.Text(allowed) switch
        {
            "log-variance" => false,
            "log-deviation" => true,
            _ => throw spread.Wrong(allowed),
        };
    }

    private void CheckDecoder(JsonField decoder)
    {
        JsonField modules = decoder.Require("modules", ModuleList);
        int outputs = SequentialNetwork.OutputsOf(LatentSize, _decoder);
        if (outputs != SequentialModel.OutputsFor(DataSize, Output, _logVariance))
            throw modules.Wrong($"modules that end in {SequentialModel.OutputsFor(DataSize, Output, _logVariance)} outputs, as 'dataSize' and 'likelihood' say, not in {outputs}");
        if (Output == OutputKind.Bernoulli && SequentialModel.LogitsOf(_decoder) is null)
            throw modules.Wrong("modules that end in the linear layer of the logits, or in that and a sigmoid, where the likelihood is \"bernoulli\"");
    }

    private void CheckEncoder(JsonField encoder)
    {
        if (_encoderPrefix == _decoderPrefix)
            throw new DataException($"'{_origin}': the tensors of 'decoder' and 'encoder' both begin with '{_decoderPrefix}'; give them different prefixes.");
        int outputs = SequentialNetwork.OutputsOf(DataSize, _encoder!);
        if (_heads.Length == 0 && outputs != 2 * LatentSize)
            throw encoder.Require("modules", ModuleList).Wrong(
                $"modules that end in {2 * LatentSize} outputs, the means and the spreads of {LatentSize} latent variables, not in {outputs}; or give 'heads', {TwoHeads}");
    }
}
