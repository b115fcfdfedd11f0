/// What is submitted, waited for, submitted again and given up, on a queue whose failures are made.
module GapLab.Tests.Slurm.SlurmExecutorTests

open System
open System.Collections.Generic
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

/// What becomes of a task at a look at the queue.
type private Fate =
    /// It computes what it can, and ends.
    | Succeeds
    /// It ends with an exit code and without results.
    | Fails of int
    /// It is gone, as with its computer.
    | Vanishes
    /// It still runs at this look.
    | GoesOn

/// A queue in memory, whose tasks are done when it is looked at: those that wait for other jobs only once these have ended.
type private MadeQueue(store: ResultStore, compute: HashSet<string> -> unit, fate: SlurmArray -> int -> Fate) =
    let waiting = List<SlurmArray * int * string * string list>()
    let mutable jobs = 0

    member val Submissions = List<string list>()
    /// What the controller says instead of an answer.
    member val Silence: string option = None with get, set
    /// What sbatch says instead of a number; the job is taken nevertheless if it is lost on the way back.
    member val Refusal: (string * bool) option = None with get, set

    interface ISlurmQueue with
        member queue.Submit arguments =
            let value (name: string) =
                arguments
                |> List.tryFind _.StartsWith(name + "=")
                |> Option.map (fun argument -> argument.Substring(name.Length + 1))

            let take () =
                queue.Submissions.Add arguments
                jobs <- jobs + 1

                let after =
                    match value "--dependency" with
                    | Some text -> text.Split(':') |> List.ofArray |> List.tail
                    | None -> []

                let array = SlurmArray.All store |> List.find (fun array -> Some array.Name = value "--job-name")

                for number in 0 .. array.Tasks.Length - 1 do
                    waiting.Add((array, number, string jobs, after))

                string jobs

            match queue.Silence, queue.Refusal with
            | Some problem, _ -> Error problem
            | _, Some(problem, isTaken) ->
                if isTaken then
                    take () |> ignore

                queue.Refusal <- None
                Error problem
            | _ -> Ok(take ())

        member queue.Tasks names =
            match queue.Silence with
            | Some problem -> Error problem
            | None ->
                let isFree (_, _, _, after) = not (waiting.Exists(fun (_, _, job, _) -> List.contains job after))

                for array, number, job, after in waiting.ToArray() |> Array.filter isFree do
                    let ended (code: int) =
                        File.WriteAllText(Path.Combine(array.Folder, $"ended-{number}"), string code)
                        waiting.Remove((array, number, job, after)) |> ignore

                    match fate array number with
                    | Succeeds ->
                        try
                            compute (HashSet array.Tasks[number])
                            ended 0
                        with :? GapLabException ->
                            ended 1
                    | Fails code ->
                        File.WriteAllText(array.Log number, "training\nIt cannot be done.\n")
                        ended code
                    | Vanishes -> waiting.Remove((array, number, job, after)) |> ignore
                    | GoesOn -> ()

                Ok
                    [ for array, number, job, after in waiting do
                          if List.contains array.Name names then
                              { Job = job
                                Index = number
                                Name = array.Name
                                State = if after.IsEmpty then "RUNNING" else "PENDING"
                                Reason = "Dependency" } ]

let private quick =
    { SlurmSettings.Usual with
        FirstPause = TimeSpan.FromMilliseconds 1.
        LongestPause = TimeSpan.FromMilliseconds 5.
        Settling = TimeSpan.Zero
        MostTasks = 2 }

/// Two models with three evaluations each, a queue on a store, and runs of the executor with what they say.
type private Sweep(folder: string, fate: SlurmArray -> int -> Fate) =
    let runner, _ = runnerOn (Path.Combine(folder, "store"))
    let trainings = ResizeArray<uint64>()

    let wanted =
        [ for seed in [ 1UL; 2UL ] do
              let model =
                  trainSpec
                      folder
                      seed
                      (ruleOf (fun step ->
                          if step = 0 then
                              trainings.Add seed))

              for name in [ "a"; "b"; "c" ] -> evaluation model (CountingMeasure(name, 1, ignore)) 5 ]

    let compute own =
        try
            SlurmWork.compute runner own wanted [] CancellationToken.None
            failwith "The task did not end."
        with ScriptEnd 0 ->
            ()

    let queue = MadeQueue(runner.Store, compute, fate)
    let notes = ResizeArray<string>()

    member _.Queue = queue
    member _.Runner = runner
    member _.Wanted = wanted
    member _.Trainings = trainings
    member _.Notes = notes

    member _.RunWith(settings, ?cancellation, ?onNote) =
        let note sentence =
            notes.Add sentence
            onNote |> Option.iter (fun act -> act sentence)

        SlurmExecutor(runner, queue, settings, [ "true" ], note, wanted, [])
            .Run(defaultArg cancellation CancellationToken.None)

    member sweep.Run() = sweep.RunWith quick
    member _.Stored = wanted |> List.filter (runner.Find >> isNull >> not) |> List.length
    member _.Left = (SlurmArray.All runner.Store).Length

let private argument (name: string) (arguments: string list) =
    arguments |> List.tryFind _.StartsWith(name) |> Option.defaultValue ""

[<Test>]
let ``models go before the evaluations that wait for them, each once, and nothing is left`` () =
    withFolder (fun folder ->
        let sweep = Sweep(folder, (fun _ _ -> Succeeds))
        sweep.Run()
        equal 6 sweep.Stored
        equal [ 1UL; 2UL ] (List.ofSeq sweep.Trainings)
        equal 0 sweep.Left

        equal
            [ ""; "--dependency=afterany:1" ]
            [ for submitted in sweep.Queue.Submissions -> argument "--dependency" submitted ]

        equal
            [ "--array=0-1"; "--array=0-1" ]
            [ for submitted in sweep.Queue.Submissions -> argument "--array" submitted ]

        sweep.Run()
        equal 2 sweep.Queue.Submissions.Count)

[<Test>]
let ``what failed is submitted again, and only that`` () =
    withFolder (fun folder ->
        let seen = HashSet<string>()
        // The first task of each array of evaluations is killed at its first result, the second one's computer is lost.
        let fate (array: SlurmArray) number =
            match number, array.Tasks[number].Length with
            | 0, 3 when seen.Add "killed" -> Fails 137
            | 1, 3 when seen.Add "lost" -> Vanishes
            | _ -> Succeeds

        let sweep = Sweep(folder, fate)
        sweep.Run()
        equal 6 sweep.Stored
        equal 3 sweep.Queue.Submissions.Count
        equal 2 sweep.Trainings.Count
        let told (part: string) = Seq.exists (fun (note: string) -> note.Contains part) sweep.Notes
        holds "the exit code is told" (told "Task 0 of job 2 ended with exit code 137 and without 3 results of 3")
        holds "the loss is told" (told "Task 1 of job 2 ended without an exit code")
        equal 0 sweep.Left)

[<Test>]
let ``a result that fails again and again is given up with its log; the others are computed`` () =
    withFolder (fun folder ->
        let mutable isRepaired = false
        let mutable bad = ""

        let fate (array: SlurmArray) number =
            if not isRepaired && List.contains bad array.Tasks[number] then
                Fails 1
            else
                Succeeds

        let sweep = Sweep(folder, fate)
        bad <- sweep.Wanted[4].Key
        // Each result has a task of its own.
        let single = { quick with MostTasks = 100; Retries = 1 }

        throws<GapLabException>
            [ "1 result could not be computed"
              "b of 5 train points"
              "in 2 tasks"
              "log-0.txt' ends with: It cannot be done." ]
            (fun () -> sweep.RunWith single)

        equal 5 sweep.Stored
        // The models, the evaluations, and the bad one once more.
        equal 3 sweep.Queue.Submissions.Count
        // A later command tries again, as often.
        throws<GapLabException> [ "in 2 tasks" ] (fun () -> sweep.RunWith single)
        equal 5 sweep.Queue.Submissions.Count
        isRepaired <- true
        sweep.Run()
        equal 6 sweep.Stored
        equal 0 sweep.Left)

[<Test>]
let ``a model that fails is blamed, not the evaluations that wait for it`` () =
    withFolder (fun folder ->
        let fate (array: SlurmArray) _ = if array.Tasks[0].Length = 1 then Fails 1 else Succeeds
        let sweep = Sweep(folder, fate)

        throws<GapLabException> [ "training of 2 epochs"; "in 3 tasks" ] (fun () -> sweep.Run())
        equal 0 sweep.Stored
        equal 0 sweep.Trainings.Count)

[<Test>]
let ``a silent controller is told of once, and waited for`` () =
    withFolder (fun folder ->
        let mutable looks = 0
        let mutable silence = ignore

        let fate _ _ =
            looks <- looks + 1

            if looks = 1 then
                silence ()
                GoesOn
            else
                Succeeds

        let sweep = Sweep(folder, fate)
        silence <- fun () -> sweep.Queue.Silence <- Some "Unable to contact slurm controller"

        let onNote (sentence: string) =
            if sentence.Contains "does not answer (Unable to contact" then
                let comesBack () =
                    Thread.Sleep 50
                    sweep.Queue.Silence <- None

                Thread(comesBack).Start()

        sweep.RunWith(quick, onNote = onNote)
        equal 6 sweep.Stored
        let count (part: string) = sweep.Notes |> Seq.filter _.Contains(part) |> Seq.length
        equal 1 (count "does not answer")
        equal 1 (count "answers again")
        equal 2 sweep.Queue.Submissions.Count)

[<Test>]
let ``who stops waiting finds the jobs again, and submits nothing twice`` () =
    withFolder (fun folder ->
        let mutable isAway = false
        let sweep = Sweep(folder, (fun _ _ -> if isAway then Succeeds else GoesOn))

        let until (source: CancellationTokenSource) =
            sweep.RunWith(
                quick,
                source.Token,
                fun note ->
                    if note.StartsWith "Slurm job 2" then
                        source.Cancel()
            )

        cancelled until
        let last = Seq.last sweep.Notes
        holds last (last.Contains "the same command waits for them again" && last.Contains "scancel --name=gaplab-")
        equal 0 sweep.Stored
        let isUnderWay () = SlurmExecutor.IsUnderWay(sweep.Runner.Store, sweep.Queue, sweep.Wanted[4..])
        holds "it is under way" (isUnderWay ())
        isAway <- true
        // Another command, which wants a part of it.
        SlurmExecutor(sweep.Runner, sweep.Queue, quick, [ "true" ], ignore, sweep.Wanted[..1], []).Run
            CancellationToken.None

        holds "the part" (sweep.Wanted[..1] |> List.forall (sweep.Runner.Find >> isNull >> not))
        sweep.Run()
        equal 6 sweep.Stored
        equal 2 sweep.Queue.Submissions.Count
        // Logs of what another command wanted, too, stay until arrays are submitted again.
        equal 0 (SlurmArray.Expected sweep.Runner.Store).Length
        holds "it is over" (not (isUnderWay ())))

[<Test>]
let ``a model alone is trained by a task`` () =
    withFolder (fun folder ->
        let model = plainSpec folder 7UL
        let runner, _ = runnerOn (Path.Combine(folder, "store"))

        let compute own =
            throws<ScriptEnd> [] (fun () -> SlurmWork.compute runner own [] [ model ] CancellationToken.None)

        let queue = MadeQueue(runner.Store, compute, (fun _ _ -> Succeeds))
        SlurmExecutor(runner, queue, quick, [ "true" ], ignore, [], [ model ]).Run CancellationToken.None
        holds "it is stored" (not (isNull (runner.Store.FindArtifact model)))
        equal 1 queue.Submissions.Count
        // What is no task's own is passed over.
        SlurmWork.compute runner (HashSet [ "another" ]) [] [ model ] CancellationToken.None)

[<Test>]
let ``a job that was taken although the answer got lost is not submitted again, one that is refused ends the script``
    ()
    =
    withFolder (fun folder ->
        let sweep = Sweep(folder, (fun _ _ -> Succeeds))
        sweep.Queue.Refusal <- Some("Socket timed out", true)
        sweep.Run()
        equal 6 sweep.Stored
        equal 2 sweep.Queue.Submissions.Count)

    withFolder (fun folder ->
        let sweep = Sweep(folder, (fun _ _ -> Succeeds))

        let refuse _ = sweep.Queue.Refusal <- Some("Invalid partition name specified", false)

        let refusing =
            { new ISlurmQueue with
                member _.Submit arguments =
                    refuse ()
                    (sweep.Queue :> ISlurmQueue).Submit arguments

                member _.Tasks names = (sweep.Queue :> ISlurmQueue).Tasks names }

        throws<GapLabException> [ "does not take the job: Invalid partition name specified"; "--slurm" ] (fun () ->
            SlurmExecutor(sweep.Runner, refusing, quick, [ "true" ], ignore, sweep.Wanted, []).Run
                CancellationToken.None)

        equal 0 sweep.Left)
