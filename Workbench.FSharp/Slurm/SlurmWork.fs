namespace GapLab.Workbench

open System.Collections.Generic
open System.Threading
open GapLab.Experiments

/// What a task of a job array does. It runs the same script as who submitted it, and so comes by the same questions; those before its own are answered by the store.
module SlurmWork =
    let rec private withNeeded (model: ArtifactSpec) : ArtifactSpec list =
        [ model
          for need in model.Dependencies do
              yield! withNeeded need ]

    /// Computes those of a task's own results that are asked for here, and ends the script; goes on if none of them is.
    let compute
        (runner: Runner)
        (own: HashSet<string>)
        (evaluations: EvaluationSpec list)
        (models: ArtifactSpec list)
        (cancellation: CancellationToken)
        =
        let ownModels =
            models @ [ for evaluation in evaluations -> evaluation.Artifact ]
            |> List.distinct
            |> List.collect withNeeded
            |> List.distinctBy _.Key
            |> List.filter (fun model -> own.Contains model.Key)

        let ownEvaluations = evaluations |> List.filter (fun evaluation -> own.Contains evaluation.Key)

        if not (ownModels.IsEmpty && ownEvaluations.IsEmpty) then
            // Never trained here: each model is the work of one task.
            let ready, early =
                ownEvaluations
                |> List.partition (fun evaluation -> not (isNull (runner.Store.FindArtifact evaluation.Artifact)))

            runner.Ensure(ready, ownModels, cancellation)

            if not early.IsEmpty then
                Cli.fail
                    $"{early.Length} evaluations wait for models that are not stored; they are submitted again when those are."

            raise (ScriptEnd 0)
