namespace GapLab.Experiments;

/// <summary>One result that is to be computed: a model, or an evaluation.</summary>
/// <param name="Key">Its name in the store.</param>
/// <param name="Artifact">The model, or the one that is evaluated.</param>
/// <param name="Evaluation">The evaluation; null for a model.</param>
/// <param name="Needs">The keys of models that must be there first.</param>
public sealed record RunTask(string Key, ArtifactSpec Artifact, EvaluationSpec? Evaluation, IReadOnlyList<string> Needs)
{
    /// <summary>What messages call it.</summary>
    public string Title
    {
        get
        {
            string model = $"{Artifact.Data.Name}, seed {Artifact.Seed}";
            return Evaluation is { } evaluation ? $"{evaluation.Measure.Title} of {evaluation.Points} {evaluation.Split.ToString().ToLowerInvariant()} points, {model}"
                : Artifact is TrainSpec { Continues: { } shorter } longer ? $"training of epochs {shorter.Schedule.Epochs + 1} to {longer.Schedule.Epochs}, {model}"
                : Artifact is TrainSpec training ? $"training of {training.Schedule.Epochs} epochs, {model}"
                : $"import, {model}";
        }
    }

    /// <summary>
    /// Missing evaluations and the missing models that they need, each once, in an order in which one process can do them with each model in memory once: a model,
    /// then its evaluations.
    /// </summary>
    internal static List<RunTask> Plan(IReadOnlyList<EvaluationSpec> evaluations, IReadOnlyList<ArtifactSpec> artifacts, ResultStore store)
    {
        var tasks = new List<RunTask>();
        var planned = new HashSet<string>();
        void Require(ArtifactSpec artifact)
        {
            if (!planned.Add(artifact.Key) || store.FindArtifact(artifact) is not null)
                return;
            foreach (ArtifactSpec dependency in artifact.Dependencies)
                Require(dependency);
            tasks.Add(new RunTask(artifact.Key, artifact, null, [.. artifact.Dependencies.Select(dependency => dependency.Key)]));
        }
        foreach (ArtifactSpec artifact in artifacts)
            Require(artifact);
        foreach (IGrouping<string, EvaluationSpec> group in evaluations.GroupBy(evaluation => evaluation.Artifact.Key))
        {
            Require(group.First().Artifact);
            foreach (EvaluationSpec evaluation in group)
                if (planned.Add(evaluation.Key))
                    tasks.Add(new RunTask(evaluation.Key, evaluation.Artifact, evaluation, [group.Key]));
        }
        return tasks;
    }
}
