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
    private const string Encoder = "encoder.", Decoder = "decoder.";

    private const int PieceSize = 1000;

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
        store.FindCell(spec, options.AcceptStale) is { } cell && store.HasValues(spec, cell) ? cell : null;

    /// <summary>What is missing of some evaluations and of the models that they need, each once: a model comes before what needs it.</summary>
    /// <param name="evaluations">Descriptions.</param>
    /// <param name="artifacts">Models that are wanted whether or not an evaluation needs them.</param>
    public IReadOnlyList<RunTask> Plan(IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec>? artifacts = null) => RunTask.Plan(
        [.. evaluations.Where(spec => Find(spec) is null)], [.. (artifacts ?? []).Where(spec => store.FindArtifact(spec) is null)], store);

    /// <summary>Whether the result of a task is stored.</summary>
    /// <param name="task">A task of a plan.</param>
    public bool IsStored(RunTask task) => task.Evaluation is { } evaluation ? Find(evaluation) is not null : store.FindArtifact(task.Artifact) is not null;

    /// <summary>Computes what is missing of some evaluations and of the models that they need.</summary>
    /// <param name="evaluations">Descriptions.</param>
    /// <param name="artifacts">Models that are wanted whether or not an evaluation needs them.</param>
    /// <param name="cancellation">Stops as soon as what was computed is stored.</param>
    /// <exception cref="GapLabException">Something failed: says what. The rest was computed nevertheless, but for what depended on it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Ensure(IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec>? artifacts = null, CancellationToken cancellation = default)
    {
        TidyUp(evaluations, artifacts ?? []);
        IReadOnlyList<RunTask> pending = Plan(evaluations, artifacts);
        int total = pending.Count;
        var open = pending.Select(task => task.Key).ToHashSet();
        var failed = new HashSet<string>();
        var failures = new List<GapLabException>();
        bool saidSo = false;
        while (pending.Count > 0)
        {
            var left = new List<RunTask>();
            foreach (RunTask task in pending)
            {
                cancellation.ThrowIfCancellationRequested();
                if (task.Needs.Any(open.Contains) || !TryDo(task, $" ({total - open.Count + 1} of {total})", failed, out GapLabException? failure, cancellation))
                {
                    left.Add(task);
                    continue;
                }
                open.Remove(task.Key);
                if (failure is null)
                    continue;
                failed.Add(task.Key);
                failures.Add(failure);
                if (open.Count > 0)
                    observer.Note(failure.Message);
            }
            bool isStuck = left.Count == pending.Count;
            pending = left;
            if (!isStuck)
                continue;
            if (!saidSo)
                observer.Note($"Another process is computing {pending.Count} of the results that are needed; waiting for it.");
            saidSo = true;
            cancellation.WaitHandle.WaitOne(Poll);
        }
        if (failures.Count == 1)
            throw failures[0];
        if (failures.Count > 1)
            throw new GapLabException($"{failures.Count} of {total} results could not be computed. The first: {failures[0].Message}", failures[0]);
    }

    /// <summary>A stored model, ready for use; it is computed first if need be. Every call gives a copy of its own.</summary>
    /// <param name="spec">The description.</param>
    /// <param name="cancellation">Stops early.</param>
    public Vae Load(ArtifactSpec spec, CancellationToken cancellation = default)
    {
        while (true)
        {
            Ensure([], [spec], cancellation);
            Vae vae = spec.Build(options.Device, Data(spec.Data).DataSize);
            if (store.TryLoadWeights(spec, vae))
                return vae;
        }
    }

    /// <summary>Forgets the stored results of some evaluations, so that they are computed anew; models are kept.</summary>
    /// <param name="evaluations">Descriptions.</param>
    public void Forget(IEnumerable<EvaluationSpec> evaluations)
    {
        foreach (EvaluationSpec spec in evaluations)
        {
            // What another process holds, it is computing anew.
            using StoreLock? mine = store.TryLock(spec.Key);
            if (mine is not null)
                store.Delete(spec);
        }
    }

    /// <summary>Removes what a process that was killed just after it had stored a result could not remove: its lock is still there.</summary>
    private void TidyUp(IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec> artifacts)
    {
        HashSet<string> locked = store.Locked();
        if (locked.Count == 0)
            return;
        void Tidy(string key, Func<bool> isStored, Action delete)
        {
            if (!locked.Remove(key) || !isStored())
                return;
            using StoreLock? mine = store.TryLock(key);
            if (mine is null)
                return;
            delete();
            mine.IsDone = true;
        }
        foreach (EvaluationSpec spec in evaluations)
            Tidy(spec.Key, () => Find(spec) is { IsStale: false }, () => store.DeleteLeftovers(spec));
        foreach (ArtifactSpec spec in artifacts.Concat(evaluations.Select(evaluation => evaluation.Artifact)))
            Tidy(spec.Key, () => store.FindArtifact(spec) is not null, () => store.DeleteLeftovers(spec));
    }

    /// <summary>Does a task, unless another process is doing it.</summary>
    /// <returns>Whether the task is over, which it also is when it has failed.</returns>
    private bool TryDo(RunTask task, string position, HashSet<string> failed, out GapLabException? failure, CancellationToken cancellation)
    {
        failure = null;
        if (task.Needs.Any(failed.Contains))
        {
            failure = new GapLabException($"{task.Title} could not be computed, because it needs a model that could not.");
            return true;
        }
        using StoreLock? mine = store.TryLock(task.Key);
        if (mine is null)
            return false;
        try
        {
            // Another process may have finished it since the plan was made.
            if (!IsStored(task))
                Execute(task, position, cancellation);
            mine.IsDone = true;
        }
        catch (Exception e) when (!cancellation.IsCancellationRequested)
        {
            // A script's own measures and models may throw anything; the other results are still worth having.
            failure = new GapLabException($"{task.Title} could not be computed: {(e is GapLabException ? "" : $"{e.GetType().Name}: ")}{e.Message}", e);
        }
        return true;
    }

    private void Execute(RunTask task, string position, CancellationToken cancellation)
    {
        if (task.Evaluation is { } evaluation)
        {
            store.DeleteUnfinished(evaluation);
            Evaluate(evaluation, position, cancellation);
            return;
        }
        store.DeleteUnfinished(task.Artifact);
        if (task.Artifact is TrainSpec training)
            Train(training, position, cancellation);
        else
            Import((ImportSpec)task.Artifact);
    }

    private void Train(TrainSpec spec, string position, CancellationToken cancellation)
    {
        LoadedData data = Data(spec.Data);
        Vae vae = spec.Build(options.Device, data.DataSize);
        if (spec.Parent is { } parent)
            Inherit(vae, Ready(parent, cancellation), spec.Inherits);
        TrainerOptions settings = spec.OptionsFor(vae);
        (Checkpoint Checkpoint, double Seconds)? last = store.FindCheckpoint(spec, vae, settings);
        if (last is { } found)
            observer.Note($"Training goes on after {found.Checkpoint.Position.Epoch} epochs and {found.Checkpoint.Position.Batch} batches.");
        Checkpoint? stored = last?.Checkpoint;
        for (TrainSpec? shorter = spec.Continues; last is null && shorter is not null; shorter = shorter.Continues)
            last = store.FindEnd(shorter, vae, settings);
        double before = last?.Seconds ?? 0;
        var watch = Stopwatch.StartNew();
        void Save(Checkpoint checkpoint)
        {
            try
            {
                store.Write(spec, checkpoint, before + watch.Elapsed.TotalSeconds);
                stored = checkpoint;
            }
            catch (DataException e) when (!cancellation.IsCancellationRequested)
            {
                // Training is worth more than its checkpoint: the next one may succeed.
                observer.Note($"{e.Message} Training goes on without this checkpoint.");
            }
        }
        TrainingOutcome? outcome = null;
        try
        {
            var checkpointing = new Checkpointing(
                options.CheckpointInterval, Save, last?.Checkpoint, spec.KeepsEnd ? end => store.WriteEnd(spec, end, before + watch.Elapsed.TotalSeconds) : null);
            // Of what is left to do.
            double start = (last?.Checkpoint.Position.Epoch ?? 0) / (double)spec.Schedule.Epochs;
            observer.Phase("training", $"{spec.Data.Name}, seed {spec.Seed}{position}", report => outcome = new Trainer(settings).Train(
                vae, data.Train, data.Validation, observer.Epoch, done => report((done - start) / (1 - start)), checkpointing, cancellation));
        }
        catch (GapLabException e) when (stored is not null)
        {
            throw new GapLabException($"{e.Message} The last good checkpoint, after {stored.Position.Epoch} epochs and {stored.Position.Batch} batches, is '{store.CheckpointPath(spec)}'.", e);
        }
        store.Write(spec, vae, outcome!, Provenance.Now(options.Device, data, before + watch.Elapsed.TotalSeconds));
        _lastModel = (spec.Key, vae);
    }

    private void Import(ImportSpec spec)
    {
        LoadedData data = Data(spec.Data);
        Vae vae = spec.Build(options.Device, data.DataSize);
        spec.Restore(vae);
        store.Write(spec, vae, new TrainingOutcome([], 0), Provenance.Now(options.Device, data, 0));
    }

    /// <summary>The model in memory if it is the last one that was used, which nobody else can change; otherwise from the store.</summary>
    private Vae Ready(ArtifactSpec spec, CancellationToken cancellation)
    {
        string key = spec.Key;
        if (_lastModel?.Key != key)
            _lastModel = (key, Load(spec, cancellation));
        return _lastModel.Value.Vae;
    }

    /// <summary>Takes over the values of parameters that a parent has under the same names, or those that stand for them, and shapes.</summary>
    private static void Inherit(Vae vae, Vae parent, Inheritance inherited)
    {
        bool isModel = inherited == Inheritance.Model;
        (IReadOnlyList<Tensor> heirs, IReadOnlyList<string> names) = inherited switch
        {
            Inheritance.Model => (vae.Model.Parameters, vae.Model.Parameters.Names),
            Inheritance.EncoderFromModel => (vae.Inference.Parameters, [.. vae.Inference.Parameters.Names.Select(name => name.StartsWith(Encoder, StringComparison.Ordinal) ? Decoder + name[Encoder.Length..] : name)]),
            _ => (vae.Parameters, vae.ParameterNames),
        };
        Dictionary<string, Tensor> values = inherited == Inheritance.All
            ? parent.ParameterNames.Zip(parent.Parameters).ToDictionary()
            : parent.Model.Parameters.Names.Zip(parent.Model.Parameters).ToDictionary();
        bool any = false;
        for (int i = 0; i < heirs.Count; i++)
        {
            bool fits = values.TryGetValue(names[i], out Tensor value) && value.Shape == heirs[i].Shape;
            if (isModel && !fits)
                throw new GapLabException($"The parent's generative model has no parameter '{names[i]}' of the shape {heirs[i].Shape}; the models of both must be the same.");
            if (!fits)
                continue;
            heirs[i].Assign(value);
            any = true;
        }
        if (!any)
            throw new GapLabException("The model has no parameter of the same name and shape as its parent; name another parent, or none.");
    }

    private void Evaluate(EvaluationSpec spec, string position, CancellationToken cancellation)
    {
        LoadedData data = Data(spec.Artifact.Data);
        Vae vae = Ready(spec.Artifact, cancellation);
        ObservationSource source = data[spec.Split];
        int[] order = source.SubsetOrder(spec.Points);
        int[] ids = new int[order.Length];
        List<BlockResult> blocks = store.FindBlocks(spec);
        int stored = blocks.Count, done = stored == 0 ? 0 : blocks[^1].End;
        // In pieces: all datapoints at once may be far larger than any block.
        for (int first = 0; first < order.Length; first += PieceSize)
        {
            using var piece = MemoryScope.Enter(record: false);
            source.Batch(order.AsSpan(first, Math.Min(PieceSize, order.Length - first))).Indices.CopyTo(ids.AsMemory(first));
        }
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
                    result.Require(spec.Measure, count);
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
