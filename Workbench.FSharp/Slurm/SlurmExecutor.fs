namespace GapLab.Workbench

open System
open System.Collections.Generic
open System.IO
open System.Threading
open GapLab.Experiments

/// Makes results exist by job arrays: submits what neither the store holds nor an array is going to compute, waits, and submits again what has failed. All that it knows lies in the store, so
/// that it may be stopped and started at any time, and several may work on one store.
type SlurmExecutor
    (
        runner: Runner,
        queue: ISlurmQueue,
        settings: SlurmSettings,
        command: string list,
        note: string -> unit,
        evaluations: EvaluationSpec list,
        artifacts: ArtifactSpec list
    ) =
    let store = runner.Store
    let arrays = Dictionary<string, SlurmArray>()
    let endedSince = Dictionary<struct (string * int), DateTime>()
    let over = HashSet<struct (string * int)>()
    let failures = Dictionary<string, int>()
    let logs = Dictionary<string, string>()
    let named = HashSet(artifacts |> List.map _.Key)
    let isWanted (task: RunTask) = not (isNull task.Evaluation) || named.Contains task.Key
    let plan () = List.ofSeq (runner.Plan(evaluations, artifacts))
    let mutable missing = plan ()
    let all = HashSet(missing |> List.map _.Key)
    let total = missing |> List.filter isWanted |> List.length
    let mutable pause = settings.FirstPause
    let mutable isSilent = false
    let mutable saidSilent = DateTime.MinValue
    let mutable refusals = 0
    let mutable said = ""
    let mutable saidAt = DateTime.MinValue

    let count (number: int) (what: string) = if number = 1 then $"1 {what}" else $"{number} {what}s"

    let hasFailed key =
        match failures.TryGetValue key with
        | true, times -> times > settings.Retries
        | false, _ -> false

    /// What is missing and can no longer come, because it, or a model that it needs, has failed too often.
    let hopeless () =
        let found = HashSet<string>()

        for task in missing do
            if hasFailed task.Key || Seq.exists found.Contains task.Needs then
                found.Add task.Key |> ignore

        found

    /// The arrays that are expected to store some of the results.
    let expected (keys: HashSet<string>) =
        [ for array in SlurmArray.Expected store do
              if not (arrays.ContainsKey array.Name) then
                  arrays[array.Name] <- array

              let array = arrays[array.Name]

              if array.Tasks |> Array.exists (List.exists keys.Contains) then
                  array ]

    /// The queue's answer; None while the controller is silent, which is said once, and again every ten minutes.
    let ask question =
        match question () with
        | Ok answer ->
            if isSilent then
                note "The Slurm controller answers again."

            isSilent <- false
            Some answer
        | Error(problem: string) ->
            let now = DateTime.UtcNow

            if not isSilent || now - saidSilent > TimeSpan.FromMinutes 10. then
                isSilent <- true
                saidSilent <- now

                note
                    $"The Slurm controller does not answer ({problem}). Tasks that run go on without it, and nothing is lost; it is asked again until it does."

            None

    /// Notes which tasks have ended, and whose fault it is that results are missing.
    let judge (expected: SlurmArray list) (live: Dictionary<struct (string * int), SlurmTask>) =
        let missing = Dictionary(missing |> Seq.map (fun task -> KeyValuePair(task.Key, task)))

        for array in expected do
            let mutable allEnded = true

            for number in 0 .. array.Tasks.Length - 1 do
                let id = struct (array.Name, number)

                if live.ContainsKey id then
                    allEnded <- false
                elif not (over.Contains id) then
                    if not (endedSince.ContainsKey id) then
                        endedSince[id] <- DateTime.UtcNow

                    let lacking = array.Tasks[number] |> List.filter missing.ContainsKey
                    let hasSettled = DateTime.UtcNow - endedSince[id] >= settings.Settling

                    match array.ExitCode number with
                    | _ when lacking.IsEmpty -> over.Add id |> ignore
                    // It was never submitted: whoever wrote it down was stopped before.
                    | None when array.Job.IsNone -> over.Add id |> ignore
                    | None
                    | Some 0 when not hasSettled -> allEnded <- false
                    | code ->
                        over.Add id |> ignore
                        // A task goes on after a result that fails; what stops it stops it at its first one. A result whose model is missing was not tried.
                        let tried =
                            match code with
                            | Some(0 | 1) -> lacking
                            | _ -> [ lacking.Head ]
                            |> List.filter (fun key -> not (Seq.exists missing.ContainsKey missing[key].Needs))

                        for key in tried do
                            failures[key] <- 1 + failures.GetValueOrDefault key
                            logs[key] <- array.Log number

                        if not tried.IsEmpty then
                            let how =
                                match code with
                                | Some code -> $"with exit code {code}"
                                | None -> "without an exit code"

                            note
                                $"""Task {number} of job {defaultArg array.Job array.Name} ended {how} and without {count lacking.Length "result"} of {array.Tasks[number].Length}; see '{array.Log number}'."""

            if allEnded then
                array.IsSettled <- true

    /// Submits one array and gives its number; None if that has to be tried again.
    let submit (tasks: RunTask list list) (after: string list) : string option =
        let array = SlurmArray.Create(store, tasks, settings.Options, command)

        match queue.Submit(array.Arguments after) with
        | Ok number ->
            refusals <- 0
            array.Job <- Some number
            let results = tasks |> List.sumBy _.Length
            note $"""Slurm job {number} ({array.Name}): {count tasks.Length "task"} for {count results "result"}."""
            Some number
        | Error problem ->
            // Slurm may have taken the job although its answer got lost.
            match ask (fun () -> queue.Tasks [ array.Name ]) with
            | Some(first :: _) ->
                array.Job <- Some first.Job
                Some first.Job
            | Some [] ->
                array.Delete()
                refusals <- refusals + 1

                if refusals > 1 then
                    Cli.fail $"Slurm does not take the job: {problem}. Options for sbatch are given by --slurm."

                None
            | None -> None

    /// Submits what nobody is going to compute: models, and evaluations, which wait for the arrays of models that they need.
    let submitMissing (covered: Dictionary<string, string option>) =
        let lost = hopeless ()
        let planned = HashSet(missing |> List.map _.Key)
        let lacking = missing |> List.filter (fun task -> not (covered.ContainsKey task.Key || lost.Contains task.Key))
        let evaluations, models = lacking |> List.partition (fun task -> not (isNull task.Evaluation))

        let goesOn =
            match SlurmPlan.spread settings.MostTasks (SlurmPlan.families models) with
            | [] -> true
            | tasks ->
                let number = submit tasks []

                for model in models do
                    covered[model.Key] <- number

                number.IsSome

        if goesOn then
            let waitsFor (task: RunTask) =
                [ for need in task.Needs do
                      if planned.Contains need then
                          covered[need] ]
                |> List.distinct

            // A model whose task has just ended is there at the next look, or submitted again.
            let ready = evaluations |> List.filter (fun task -> waitsFor task |> List.forall _.IsSome)

            for after, evaluations in ready |> List.groupBy (waitsFor >> List.choose id) do
                submit (SlurmPlan.spread settings.MostTasks (List.map List.singleton evaluations)) after |> ignore

    let report (live: SlurmTask list) stored =
        let waiting, running = live |> List.partition _.IsPending

        let reasons =
            match waiting |> List.countBy _.Reason |> List.sortByDescending snd with
            | [] -> ""
            | (reason, _) :: _ -> $" ({reason})"

        let sentence =
            $"""On the cluster, running: {running.Length}, waiting: {waiting.Length}{reasons}; stored: {stored} of {count total "result"}."""

        if not live.IsEmpty && sentence <> said && DateTime.UtcNow - saidAt > TimeSpan.FromSeconds 10. then
            said <- sentence
            saidAt <- DateTime.UtcNow
            note sentence

    /// The last line of a task's output, which says what went wrong.
    let lastWords log =
        if File.Exists log then
            match File.ReadLines log |> Seq.filter (String.IsNullOrWhiteSpace >> not) |> Seq.tryLast with
            | Some line -> $"'{log}' ends with: {line.Trim()}"
            | None -> $"'{log}' is empty."
        else
            $"It has left no log at '{log}'."

    let giveUp (lost: RunTask list) =
        let first = lost |> List.find (fun task -> hasFailed task.Key)

        Cli.fail
            $"""{count lost.Length "result"} could not be computed on the cluster. The first: {first.Title}, in {count failures[first.Key] "task"}. {lastWords logs[first.Key]}"""

    /// Which results a task is expected to store, with the number of its job if it waits or runs.
    let coverage (arrays: SlurmArray list) (live: Dictionary<struct (string * int), SlurmTask>) =
        let covered = Dictionary<string, string option>()

        for array in arrays do
            for number in 0 .. array.Tasks.Length - 1 do
                let id = struct (array.Name, number)

                if not (over.Contains id) then
                    for key in array.Tasks[number] do
                        covered[key] <-
                            match live.TryGetValue id with
                            | true, task -> Some task.Job
                            | false, _ -> None

        covered

    /// One look at the queue and the store, and what follows from it. Only one process at a time submits to a store: it must see what the others have.
    let look (mayAct: bool) =
        let arrays = expected (HashSet(missing |> List.map _.Key))

        let answer =
            if arrays.IsEmpty then
                Some []
            else
                ask (fun () -> queue.Tasks [ for array in arrays -> array.Name ])

        let live = Dictionary<struct (string * int), SlurmTask>()
        let waiting = HashSet<string>()

        for task in defaultArg answer [] do
            let array = arrays |> List.find (fun array -> array.Name = task.Name)
            live[struct (task.Name, task.Index)] <- task

            if array.Job.IsNone then
                array.Job <- Some task.Job

            if task.IsPending then
                waiting.UnionWith array.Tasks[task.Index]

        // The queue first, then the store: what has left the queue has stored what it could.
        missing <- missing |> List.filter (fun task -> waiting.Contains task.Key || not (runner.IsStored task))

        if List.exists isWanted missing && answer.IsSome then
            report (List.ofSeq live.Values) (total - (missing |> List.filter isWanted |> List.length))

            if mayAct then
                judge arrays live
                let covered = coverage arrays live
                let lost = hopeless ()

                if
                    missing |> List.exists (fun task -> not (covered.ContainsKey task.Key || lost.Contains task.Key))
                then
                    // Anew after a failure: a model may have turned out damaged.
                    if failures.Count > 0 then
                        missing <- plan ()

                    submitMissing covered
                    pause <- settings.FirstPause
                elif missing |> List.filter isWanted |> List.forall (fun task -> lost.Contains task.Key) then
                    giveUp (missing |> List.filter (fun task -> lost.Contains task.Key))

    let lookInTurn () =
        use turn = store.TryLock "slurm"
        look (not (isNull turn))

    /// What earlier commands gave up is submitted anew; its logs have had their time.
    let forgetSettled () =
        use turn = store.TryLock "slurm"

        if not (isNull turn) then
            for array in SlurmArray.All store do
                if array.IsSettled then
                    array.Delete()

    /// Removes what described arrays whose results are all stored, once their tasks have ended.
    let rec tidyUp tries =
        let left =
            [ for array in arrays.Values do
                  if Directory.Exists array.Folder then
                      array ]

        if not left.IsEmpty then
            match queue.Tasks [ for array in left -> array.Name ] with
            | Ok live ->
                for array in left do
                    if live |> List.forall (fun task -> task.Name <> array.Name) then
                        if array.Tasks |> Array.forall (List.forall all.Contains) then
                            array.Delete()
                        else
                            array.IsSettled <- true

                if not live.IsEmpty && tries > 1 then
                    Thread.Sleep settings.FirstPause
                    tidyUp (tries - 1)
            | Error _ -> ()

    /// Returns when everything is stored.
    member _.Run(cancellation: CancellationToken) =
        if total > 0 then
            forgetSettled ()

        try
            while List.exists isWanted missing do
                cancellation.ThrowIfCancellationRequested()
                lookInTurn ()

                if List.exists isWanted missing then
                    cancellation.WaitHandle.WaitOne pause |> ignore
                    pause <- min settings.LongestPause (pause * 1.2)
        with :? OperationCanceledException ->
            match expected (HashSet(missing |> List.map _.Key)) with
            | [] -> ()
            | some ->
                let names = some |> List.map _.Name |> String.concat ","

                note
                    $"The jobs on the cluster go on; the same command waits for them again, and 'scancel --name={names}' ends them."

            reraise ()

        tidyUp 5

    /// Whether tasks that are to compute some of these evaluations wait or run; also where the controller does not say.
    static member IsUnderWay(store: ResultStore, queue: ISlurmQueue, evaluations: EvaluationSpec list) =
        let keys = HashSet(evaluations |> List.map _.Key)

        let names =
            [ for array in SlurmArray.Expected store do
                  if array.Tasks |> Array.exists (List.exists keys.Contains) then
                      array.Name ]

        not names.IsEmpty
        && (match queue.Tasks names with
            | Ok live -> not live.IsEmpty
            | Error _ -> true)
