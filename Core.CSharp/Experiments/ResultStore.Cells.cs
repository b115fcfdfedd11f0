using System.Globalization;
using System.Text.Json.Nodes;
using GapLab.Data;
using GapLab.Specification;

namespace GapLab.Experiments;

public sealed partial class ResultStore
{
    private const string FirstMember = "gaplab.first";

    /// <summary>The stored result of an evaluation, or null.</summary>
    /// <param name="spec">The description.</param>
    /// <param name="orStale">Whether a result of other revisions of the same components will do, marked as stale.</param>
    public MeasuredCell? FindCell(EvaluationSpec spec, bool orStale = true)
    {
        string folder = FolderOf(spec), key = spec.Key, exact = Path.Combine(folder, key + ".json");
        if (File.Exists(exact) && ReadCell(exact, isStale: false) is { } cell)
            return cell;
        if (!orStale || !Directory.Exists(folder))
            return null;
        return Directory.EnumerateFiles(folder, "*.json").Where(path => path != exact).OrderDescending(Comparer<string>.Create(CompareAge))
            .Select(path => ReadCell(path, isStale: true)).FirstOrDefault(found => found is not null);

        static int CompareAge(string a, string b) => File.GetLastWriteTimeUtc(a).CompareTo(File.GetLastWriteTimeUtc(b));
    }

    /// <summary>All stored results of evaluations.</summary>
    public IEnumerable<MeasuredCell> Cells()
    {
        string all = Path.Combine(Folder, "cells");
        if (!Directory.Exists(all))
            yield break;
        foreach (string path in Directory.EnumerateDirectories(all).Order().SelectMany(identity => Directory.EnumerateFiles(identity, "*.json").Order()))
            if (ReadCell(path, isStale: false) is { } cell)
                yield return cell;
    }

    /// <summary>Whether the file with the numbers of single datapoints is whole; if not, the cell is set aside.</summary>
    internal bool HasValues(EvaluationSpec spec, MeasuredCell cell)
    {
        string path = Path.Combine(FolderOf(spec), cell.Key), document = path + ".json", values = path + ".safetensors";
        return ReadIntact(cell.Key, document, [document, values], () => cell.Datapoints) is not null;
    }

    /// <summary>Stores a finished evaluation and removes its blocks.</summary>
    internal void Write(EvaluationSpec spec, ReadOnlySpan<int> datapoints, MeasureResult result, Provenance provenance)
    {
        string path = Path.Combine(Prepare("cells", spec.Identity), spec.Key);
        StoredTensors.Write(path + ".safetensors", MeasuredCell.Entries(datapoints, result.Columns), MeasuredCell.MetadataOf(result.Columns));
        StoredDocument.Write(path + ".json", new JsonObject
        {
            ["key"] = spec.Key,
            ["spec"] = spec.ToJson(),
            ["columns"] = CanonicalJson.From(result.Columns.Select(ColumnSummary.Of)),
            ["scalars"] = CanonicalJson.From(result.Scalars),
            ["provenance"] = CanonicalJson.From(provenance),
        });
        DeleteLeftovers(spec);
    }

    /// <summary>The finished blocks of an unfinished evaluation that follow each other from the first datapoint on.</summary>
    internal List<BlockResult> FindBlocks(EvaluationSpec spec)
    {
        var blocks = new List<BlockResult>();
        string folder = Path.Combine(FolderOf(spec), spec.Key);
        if (!Directory.Exists(folder))
            return blocks;
        foreach (string path in Directory.EnumerateFiles(folder, "*.safetensors").Order(StringComparer.Ordinal))
        {
            try
            {
                SafetensorsFile file = StoredTensors.Read(path);
                if (!int.TryParse(file.Metadata.GetValueOrDefault(FirstMember), CultureInfo.InvariantCulture, out int first)
                    || !double.TryParse(file.Metadata.GetValueOrDefault(SecondsMember), CultureInfo.InvariantCulture, out double seconds))
                    throw new DataException($"'{path}' is damaged: it does not say where it belongs.");
                if (first == (blocks.Count == 0 ? 0 : blocks[^1].End))
                    blocks.Add(new BlockResult(first, new MeasureResult(MeasuredCell.ColumnsOf(file)), seconds));
            }
            catch (DataException e)
            {
                SetAside(path, e);
            }
        }
        return blocks;
    }

    /// <summary>Stores a finished block.</summary>
    internal void Write(EvaluationSpec spec, ReadOnlySpan<int> datapoints, BlockResult block)
    {
        string path = Path.Combine(Prepare("cells", spec.Identity, spec.Key), $"{block.First:D9}.safetensors");
        Dictionary<string, string> metadata = MeasuredCell.MetadataOf(block.Result.Columns);
        metadata[FirstMember] = block.First.ToString(CultureInfo.InvariantCulture);
        metadata[SecondsMember] = block.Seconds.ToString("R", CultureInfo.InvariantCulture);
        StoredTensors.Write(path, MeasuredCell.Entries(datapoints, block.Result.Columns), metadata);
    }

    /// <summary>Removes what a killed process has not finished writing of a result; only for who has its lock.</summary>
    internal void DeleteUnfinished(EvaluationSpec spec)
    {
        DeleteUnfinished(FolderOf(spec), $"{spec.Key}.*.tmp");
        DeleteUnfinished(Path.Combine(FolderOf(spec), spec.Key), "*.tmp");
    }

    /// <summary>Removes what a stored result no longer needs; only for who has its lock.</summary>
    internal void DeleteLeftovers(EvaluationSpec spec)
    {
        DeleteUnfinished(spec);
        DeleteBlocks(spec);
    }

    /// <summary>Removes a result and its blocks.</summary>
    internal void Delete(EvaluationSpec spec)
    {
        string path = Path.Combine(FolderOf(spec), spec.Key);
        if (Directory.Exists(FolderOf(spec)))
        {
            File.Delete(path + ".json");
            File.Delete(path + ".safetensors");
        }
        DeleteBlocks(spec);
    }

    private void DeleteBlocks(EvaluationSpec spec)
    {
        string folder = Path.Combine(FolderOf(spec), spec.Key);
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
    }

    private string FolderOf(EvaluationSpec spec) => Path.Combine(Folder, "cells", spec.Identity);

    private MeasuredCell? ReadCell(string path, bool isStale) => ReadIntact(Path.GetFileNameWithoutExtension(path), path, [path], () =>
    {
        JsonObject document = StoredDocument.Read(path);
        return new MeasuredCell(
            Part<string>(document, "key", path), Member(document, "spec", path),
            Part<ColumnSummary[]>(document, "columns", path), Part<Dictionary<string, double>>(document, "scalars", path),
            Part<Provenance>(document, "provenance", path), isStale,
            () => StoredTensors.Read(Path.ChangeExtension(path, ".safetensors")));
    });
}
