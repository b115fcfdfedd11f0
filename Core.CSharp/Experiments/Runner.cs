using System.Diagnostics;
using GapLab.Data;
using GapLab.Differentiation;
using GapLab.Distributions;
using GapLab.Inference;
using GapLab.Tensors;
using GapLab.Training;

namespace GapLab.Experiments;

/// <summary>
/// Makes results exist: whatever of a list of evaluations, and of the models that they need, a store does not hold yet is computed and stored. Several processes
/// that are given the same list share the work: each takes what no other is computing. What is interrupted goes on where it was when it is asked for again,
/// and ends with the bits of an undisturbed run.
/// </summary>
/// <param name="store">Where results are kept.</param>
/// <param name="options">How to run.</param>
/// <param name="observer">Who is told.</param>
public sealed class Runner(ResultStore store, RunnerOptions options, IRunObserver observer)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);

    private readonly Dictionary<DataSpec, LoadedData> _data = [];
    private (string Key, Vae Vae)? _lastModel;

    /// <summary>Where results are kept.</summary>
    public ResultStore Store => store;

    /// <summary>Loads data once.</summary>
    /// <param name="spec">Which.</param>
    /// <exception cref="DataException">Unknown name, missing, malformed or altered file.</exception>
    public LoadedData Data(DataSpec spec)
    {
        if (!_data.TryGetValue(spec, out LoadedData? data))
            _data[spec] = data = spec.Load(options.Device, options.DataFolder);
        return data;
    }

    /// <summary>The stored result of an evaluation, or null.</summary>
    /// <param name="spec">The description.</param>
    public MeasuredCell? Find(EvaluationSpec spec) =>
        store.FindCell(spec, options.AcceptStale) is { } cell && (cell.IsStale || store.HasValues(spec, cell)) ? cell : null;

    /// <summary>Computes what is missing of some evaluations and of the models that they need.</summary>
    /// <param name="evaluations">Descriptions.</param>
    /// <param name="artifacts">Models that are wanted whether or not an evaluation needs them.</param>
    /// <param name="cancellation">Stops as soon as what was computed is stored.</param>
    /// <exception cref="GapLabException">Something failed: says what. The rest was computed nevertheless, but for what depended on it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Ensure(IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec>? artifacts = null, CancellationToken cancellation = default)
    {
        List<RunTask> pending = RunTask.Plan(
            [.. evaluations.Where(spec => Find(spec) is null)], [.. (artifacts ?? []).Where(spec => store.FindArtifact(spec) is null)], store);
        int total = pending.Count;
        var failures = new List<(RunTask Task, GapLabException Error)>();
        bool saidSo = false;
        while (pending.Count > 0)
        {
            bool any = false;
            foreach (RunTask task in pending.ToArray())
            {
                cancellation.ThrowIfCancellationRequested();
                if (task.Needs.Any(need => failures.Any(failure => failure.Task.Key == need)))
                {
                    pending.Remove(task);
                    failures.Add((task, new GapLabException("what it needs has failed")));
                    any = true;
                    continue;
                }
                if (task.Needs.Any(need => pending.Any(other => other.Key == need)))
                    continue;
                using StoreLock? mine = store.TryLock(task.Key);
                if (mine is null)
                    continue;
                try
                {
                    // Another process may have finished it since the plan was made.
                    if (task.Evaluation is { } evaluation ? Find(evaluation) is null : store.FindArtifact(task.Artifact) is null)
                        Execute(task, $" ({total - pending.Count + 1} of {total})", cancellation);
                    mine.IsDone = true;
                }
                catch (GapLabException e)
                {
                    failures.Add((task, e));
                }
                pending.Remove(task);
                any = true;
            }
            if (any)
                continue;
            if (!saidSo)
                observer.Note($"Another process is computing {pending.Count} of the results that are needed; waiting for it.");
            saidSo = true;
            cancellation.WaitHandle.WaitOne(Poll);
        }
        if (failures.Count == 1)
            throw failures[0].Error;
        if (failures.Count > 1)
            throw new GapLabException($"{failures.Count} of {total} results could not be computed, the first because: {failures[0].Error.Message}");
    }

    /// <summary>A stored model, ready for use; it is computed first if need be.</summary>
    /// <param name="spec">The description.</param>
    /// <param name="cancellation">Stops early.</param>
    public Vae Load(ArtifactSpec spec, CancellationToken cancellation = default)
    {
        string key = spec.Key;
        if (_lastModel is { } last && last.Key == key)
            return last.Vae;
        while (true)
        {
            Ensure([], [spec], cancellation);
            Vae vae = spec.Build(options.Device, Data(spec.Data).DataSize);
            if (!store.TryLoadWeights(spec, vae))
                continue;
            _lastModel = (key, vae);
            return vae;
        }
    }

    /// <summary>Forgets the stored results of some evaluations, so that they are computed anew; models are kept.</summary>
    /// <param name="evaluations">Descriptions.</param>
    public void Forget(IEnumerable<EvaluationSpec> evaluations)
    {
        foreach (EvaluationSpec spec in evaluations)
            store.Delete(spec);
    }

    private void Execute(RunTask task, string position, CancellationToken cancellation)
    {
        if (task.Evaluation is { } evaluation)
            Evaluate(evaluation, position, cancellation);
        else if (task.Artifact is TrainSpec training)
            Train(training, position, cancellation);
        else
            Import((ImportSpec)task.Artifact);
    }

    private void Train(TrainSpec spec, string position, CancellationToken cancellation)
    {
        LoadedData data = Data(spec.Data);
        Vae vae = spec.Build(options.Device, data.DataSize);
        if (spec.Parent is { } parent)
            Inherit(vae, Load(parent, cancellation));
        (Checkpoint Checkpoint, double Seconds)? last = store.FindCheckpoint(spec);
        double before = last?.Seconds ?? 0;
        if (last is { } found)
            observer.Note($"Training goes on after {found.Checkpoint.Position.Epoch} epochs and {found.Checkpoint.Position.Batch} batches.");
        var watch = Stopwatch.StartNew();
        void Save(Checkpoint checkpoint)
        {
            try
            {
                store.Write(spec, checkpoint, before + watch.Elapsed.TotalSeconds);
            }
            catch (DataException e) when (!cancellation.IsCancellationRequested)
            {
                // Training is worth more than its checkpoint: the next one may succeed.
                observer.Note($"{e.Message} Training goes on without this checkpoint.");
            }
        }
        TrainingOutcome? outcome = null;
        observer.Phase("training", $"{spec.Data.Name}, seed {spec.Seed}{position}", report => outcome = new Trainer(spec.OptionsFor(vae)).Train(
            vae, data.Train, data.Validation, observer.Epoch, report, new Checkpointing(options.CheckpointInterval, Save, last?.Checkpoint), cancellation));
        store.Write(spec, vae, outcome!, Provenance.Now(options.Device, data, before + watch.Elapsed.TotalSeconds));
        _lastModel = (spec.Key, vae);
    }

    private void Import(ImportSpec spec)
    {
        LoadedData data = Data(spec.Data);
        Vae vae = spec.Build(options.Device, data.DataSize);
        TensorEntry.Restore(SafetensorsFile.Read(spec.Path).Entries, "", vae.ParameterNames, vae.Parameters);
        store.Write(spec, vae, new TrainingOutcome([], 0), Provenance.Now(options.Device, data, 0));
    }

    /// <summary>Takes over the values of parameters that a parent has under the same names and shapes.</summary>
    private static void Inherit(Vae vae, Vae parent)
    {
        for (int i = 0; i < vae.Parameters.Count; i++)
        {
            int from = parent.ParameterNames.ToList().IndexOf(vae.ParameterNames[i]);
            if (from >= 0 && parent.Parameters[from].Shape == vae.Parameters[i].Shape)
                vae.Parameters[i].Assign(parent.Parameters[from]);
        }
    }

    private void Evaluate(EvaluationSpec spec, string position, CancellationToken cancellation)
    {
        LoadedData data = Data(spec.Artifact.Data);
        Vae vae = Load(spec.Artifact, cancellation);
        ObservationSource source = data[spec.Split];
        int[] order = source.SubsetOrder(spec.Points);
        int[] ids = new int[order.Length];
        List<BlockResult> blocks = store.FindBlocks(spec);
        int stored = blocks.Count, done = stored == 0 ? 0 : blocks[^1].End;
        using (MemoryScope.Enter(record: false))
            source.Batch(order).Indices.CopyTo(ids);
        int size = spec.Measure.IsOfWholeSet ? order.Length : 8 * WorkerPool.AvailableThreads;

        void Flush()
        {
            if (stored == blocks.Count)
                return;
            BlockResult fresh = BlockResult.Join(blocks[stored..]);
            blocks.RemoveRange(stored, blocks.Count - stored);
            blocks.Add(fresh);
            stored = blocks.Count;
            store.Write(spec, ids.AsSpan(fresh.First, fresh.Count), fresh);
        }

        observer.Phase(spec.Measure.Title, $"{spec.Split.ToString().ToLowerInvariant()} points{position}", report =>
        {
            var sinceFlush = Stopwatch.StartNew();
            try
            {
                while (done < order.Length)
                {
                    var watch = Stopwatch.StartNew();
                    int first = done, count = Math.Min(size, order.Length - done);
                    using var scope = MemoryScope.Enter(record: false);
                    Observations x = source.Batch(order.AsSpan(first, count));
                    MeasureResult result = spec.Measure.Run(
                        vae, x, spec.Seed, finished => report((first + (double)finished) / order.Length), cancellation);
                    blocks.Add(new BlockResult(first, result, watch.Elapsed.TotalSeconds));
                    done += count;
                    report((double)done / order.Length);
                    if (done < order.Length && sinceFlush.Elapsed >= options.BlockInterval)
                    {
                        Flush();
                        sinceFlush.Restart();
                    }
                }
            }
            catch (Exception) when (!spec.Measure.IsOfWholeSet)
            {
                // Whatever stopped the rest, what was measured is kept.
                Flush();
                throw;
            }
        });
        BlockResult all = BlockResult.Join(blocks);
        store.Write(spec, ids, all.Result, Provenance.Now(options.Device, data, all.Seconds));
    }
}
