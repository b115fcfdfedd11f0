namespace GapLab.Workbench

open System
open System.Collections.Generic
open System.Diagnostics
open System.IO
open Argu
open GapLab.Data
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Tracing

/// One run of an experiment script: its options, and the store in which its results are looked up and kept.
type Session
    private
    (commandLine: string array, options: ParseResults<CommandLine>, formats: string list, interruption: Interruption) =
    let watch = Stopwatch.StartNew()

    let slurm = SlurmSettings.Of options

    /// The results that this process was started for on a cluster.
    let own = SlurmArray.Own

    // On a cluster --jobs counts tasks, and here nothing is computed but what follows.
    let jobs = if slurm.IsSome then 1 else options.GetResult(CommandLine.Jobs, 1)

    let totalThreads =
        match options.TryGetResult CommandLine.Threads with
        | Some threads when slurm.IsSome && threads > 0 -> min threads Environment.ProcessorCount
        | Some threads when threads < 1 || threads > Environment.ProcessorCount ->
            Cli.fail
                $"--threads must lie between 1 and the {Environment.ProcessorCount} processors of this machine, not {threads}."
        | Some threads -> threads
        | None -> WorkerPool.Threads

    do
        if jobs < 1 || jobs > totalThreads then
            Cli.fail $"--jobs must lie between 1 and the {totalThreads} threads that they share, not {jobs}."

        WorkerPool.Threads <- totalThreads / jobs
        options.TryGetResult CommandLine.Out |> Option.iter (Report.checkFile formats)

    let traceFile = if Workers.isWorker then None else options.TryGetResult CommandLine.Trace
    do traceFile |> Option.iter TraceRecording.CheckWritable

    let device: Device =
        match traceFile with
        | Some _ -> TracingDevice CpuDevice.Instance
        | None -> CpuDevice.Instance

    let recording = traceFile |> Option.map (fun file -> file, Trace.Start device)

    let store =
        let root = Path.Combine(DataFolders.Cache, "..", "..")
        let usual = Path.GetFullPath(Path.Combine(root, ".gaplab", "results"))
        ResultStore.Open(options.GetResult(CommandLine.Results, usual))

    let recompute = options.TryGetResult CommandLine.Recompute

    let observer =
        { new IRunObserver with
            member _.Phase(kind, details, work) =
                use _ = Trace.Phase(kind, struct ("details", box details))
                let title = if details = "" then kind else $"{kind}, {details}"
                Progress.run title work.Invoke

            member _.Note sentence = eprintfn "%s" sentence

            member _.Epoch report =
                if report.Epoch = report.Epochs && not (Double.IsNaN report.Validation.Elbo) then
                    eprintfn "epoch %d: validation ELBO %s" report.Epoch (Cell.nats report.Validation.Elbo) }

    let runner =
        let minutes = options.GetResult(CommandLine.Checkpoint_Minutes, 2.)

        if not (minutes > 0.) || minutes > 1e6 then
            Cli.fail $"--checkpoint-minutes must be a positive number, not {minutes}."

        Runner(
            store,
            RunnerOptions(
                Device = device,
                DataFolder = Option.toObj (options.TryGetResult CommandLine.Data),
                CheckpointInterval = TimeSpan.FromMinutes minutes,
                AcceptStale = (recompute <> Some Recompute.Stale)
            ),
            observer
        )

    do DataFolders.Named <- Option.toObj (options.TryGetResult CommandLine.Data)
    do store.add_Warned (fun sentence -> eprintfn "%s" sentence)

    let mutable helpers: Workers.Helpers option = None
    let mutable computed = 0

    /// Makes results exist on the cluster, if that is where they are computed.
    let submit (slurm: SlurmSettings) evaluations artifacts =
        // As this process was started by `dotnet fsi`, which as a process of its own would hand every signal on a second time.
        let command = [ Environment.ProcessPath; "exec"; Environment.GetCommandLineArgs()[0]; yield! commandLine ]

        SlurmExecutor(runner, SlurmQueue.cluster, slurm, command, observer.Note, evaluations, artifacts).Run
            interruption.Token

    let estimate (evaluations: EvaluationSpec list) (artifacts: ArtifactSpec list) =
        let missing = CostEstimator(runner, device).Estimate(evaluations, artifacts, interruption.Token)

        for part in missing do
            let remark = if part.Remark = "" then "" else $" ({part.Remark})"
            printfn "%13s  %s%s" (Progress.time (TimeSpan.FromSeconds part.Seconds)) part.Title remark

        let total = TimeSpan.FromSeconds(missing |> Seq.sumBy _.Seconds)
        let wanted = evaluations.Length + artifacts.Length

        let held =
            (evaluations |> List.filter (runner.Find >> isNull >> not)).Length
            + (artifacts |> List.filter (store.FindArtifact >> isNull >> not)).Length

        let peak = Process.GetCurrentProcess().PeakWorkingSet64 >>> 20

        printfn
            "%13s  in all on %d threads, about %d MB of memory; %d of %d results are stored already."
            (Progress.time total)
            totalThreads
            (int64 jobs * peak)
            held
            wanted

        raise (ScriptEnd 0)

    /// The preset: smoke, small or paper.
    member _.Preset = options.GetResult(CommandLine.Preset, "smoke")

    /// The data sets, or a default.
    member _.Datasets(usual: string) = Session.Names(options.TryGetResult CommandLine.Dataset, [ usual ])

    /// The one data set of experiments that take no more, or a default.
    member session.Dataset(usual: string) =
        match session.Datasets usual with
        | [ one ] -> one
        | several ->
            let names = String.concat ", " several
            Cli.fail $"This experiment takes one data set, not {names}; run it for each."

    /// The size of language models' states, if the command line gives one.
    member _.Hidden =
        match options.TryGetResult CommandLine.Hidden with
        | Some size when size < 2 -> Cli.fail $"--hidden takes a size of at least 2, not {size}."
        | size -> size

    /// The size of a text's vocabulary, if the command line gives one.
    member _.Vocabulary =
        match options.TryGetResult CommandLine.Vocabulary with
        | Some words when words < 3 -> Cli.fail $"--vocabulary takes at least 3 words, not {words}."
        | words -> words

    /// The file with the weights of a model that was trained elsewhere, and the file that describes it.
    member _.ExternalModel =
        match options.TryGetResult CommandLine.Weights, options.TryGetResult CommandLine.Spec with
        | Some weights, Some spec -> weights, spec
        | None, _ -> Cli.fail "Name the safetensors file with the model's weights, before the options."
        | _, None ->
            Cli.fail "Name the JSON file that describes the model's layers with --spec; see docs/external-models.md."

    /// A sentence of the user's own.
    member _.Text = options.TryGetResult CommandLine.Text

    /// The seeds; 1 by default.
    member _.Seeds =
        options.TryGetResult CommandLine.Seed |> Option.map (Cli.numbers "seed") |> Option.defaultValue [ 1UL ]

    /// Numbers of importance samples to sweep, or a default.
    member _.Samples(usual: int) = Session.Axis("samples", options.TryGetResult CommandLine.Samples, usual)

    /// Numbers of AIS distributions to sweep, or a default.
    member _.Steps(usual: int) = Session.Axis("steps", options.TryGetResult CommandLine.Steps, usual)

    /// Limits on the steps of local optimisation to sweep, or a default.
    member _.Iterations(usual: int) = Session.Axis("iterations", options.TryGetResult CommandLine.Iterations, usual)

    /// How the inverse temperatures of AIS are spaced, or a default.
    member _.AisSchedule(usual: AisSchedule) = options.GetResult(CommandLine.Ais_Schedule, usual)

    /// Where the path of AIS starts, or a default.
    member _.AisStart(usual: AisStart) = options.GetResult(CommandLine.Ais_Start, usual)

    /// How many datapoints to simulate from a model, or a default.
    member _.Simulated(usual: int) =
        match options.GetResult(CommandLine.Simulated, usual) with
        | points when points >= 0 -> points
        | points -> Cli.fail $"--simulated takes a number of datapoints, 0 or more, not {points}."

    /// Names of decoders to sweep, or a default; see `Parts.model`.
    member _.Models(usual: string) = Session.Names(options.TryGetResult CommandLine.Model, [ usual ])

    /// Names of families to sweep, or those that are usual; see `Parts.family`.
    member _.Families(usual: string list) = Session.Names(options.TryGetResult CommandLine.Family, usual)

    /// Names of inference methods to sweep, or a default; see `Parts.inference`.
    member _.Methods(usual: string) = Session.Names(options.TryGetResult CommandLine.Method, [ usual ])

    /// Where results are kept.
    member _.Store = store

    /// Loads data once.
    member _.Data spec = runner.Data spec

    /// The results of evaluations, in their order: from the store, or computed and stored now. With --jobs other processes help, with --executor slurm a cluster computes; with --estimate
    /// the script ends here, after saying what is missing.
    member _.Evaluate(evaluations: EvaluationSpec list) : MeasuredCell list =
        if options.Contains CommandLine.Estimate then
            estimate evaluations []

        own |> Option.iter (fun own -> SlurmWork.compute runner own evaluations [] interruption.Token)

        // What a cluster is computing anew is waited for.
        if
            recompute = Some Recompute.All
            && not Workers.isWorker
            && not (slurm.IsSome && SlurmExecutor.IsUnderWay(store, SlurmQueue.cluster, evaluations))
        then
            runner.Forget evaluations

        let missing = evaluations |> List.filter (runner.Find >> isNull)
        computed <- computed + (missing |> List.distinctBy _.Key).Length

        // Before anything is trained.
        for evaluation in missing do
            let available = (runner.Data evaluation.Artifact.Data).[evaluation.Split].Count

            if evaluation.Points > available then
                Cli.fail
                    $"'{evaluation.Artifact.Data.Name}' has {available} {evaluation.Split.ToString().ToLowerInvariant()} points, but {evaluation.Points} are to be evaluated; use a preset with fewer."

        if not missing.IsEmpty && jobs > 1 && helpers.IsNone && not Workers.isWorker then
            helpers <- Some(new Workers.Helpers(commandLine, jobs - 1))

        match slurm with
        | Some _ when own.IsSome && not missing.IsEmpty ->
            Cli.fail
                $"{missing.Length} results that the script asks for before those of this task are not stored any more; start the script that submitted it again."
        | Some slurm when not missing.IsEmpty -> submit slurm evaluations []
        | _ -> ()

        runner.Ensure(evaluations, null, interruption.Token)
        evaluations |> List.map runner.Find

    /// For a script that evaluates in several parts, or loads several models: with --estimate it ends here, after saying what is missing of the whole.
    member _.Foresee(evaluations: EvaluationSpec list, ?artifacts: ArtifactSpec list) =
        if options.Contains CommandLine.Estimate then
            estimate evaluations (defaultArg artifacts [])

    /// Cancelled when the user stops the script.
    member _.Cancellation = interruption.Token

    /// A stored model, ready for use; it is trained first if need be. With --estimate the script ends here, as in `Foresee`.
    member session.Load(spec: ArtifactSpec) =
        session.Foresee([], [ spec ])
        own |> Option.iter (fun own -> SlurmWork.compute runner own [] [ spec ] interruption.Token)

        match slurm with
        | Some slurm when own.IsNone && isNull (store.FindArtifact spec) -> submit slurm [] [ spec ]
        | _ -> ()

        runner.Load(spec, interruption.Token)

    /// Prints a report and, with --out, writes it to a file; at the end, what the run took.
    member _.Show(report: Report) =
        if not Workers.isWorker then
            Report.print report

            match options.TryGetResult CommandLine.Out with
            | Some file ->
                Report.write file report
                printfn "%s is written." file
            | None -> ()

            printfn
                "%s; %s; peak memory %d MB, of tensors %d MB. Results are kept in '%s'."
                (Progress.time watch.Elapsed)
                (if computed = 0 then
                     "everything was stored already"
                 else
                     $"{computed} evaluations computed")
                (Process.GetCurrentProcess().PeakWorkingSet64 >>> 20)
                (device.PeakBytes >>> 20)
                (Path.GetRelativePath(Directory.GetCurrentDirectory(), store.Folder))

    /// Writes a page to the file that --out names, or to one of a usual name in the current folder, and prints where it is.
    member _.Save(page: Page, usual: string) =
        if not Workers.isWorker then
            let file = options.GetResult(CommandLine.Out, usual)
            Report.writePage file page
            printfn "%s is written; it took %s." file (Progress.time watch.Elapsed)

    static member private Names(given: string option, usual: string list) =
        match Option.map Cli.items given with
        | None -> usual
        | Some [] -> Cli.fail "An option that takes a list of names was given none."
        | Some names -> List.distinct names

    static member private Axis(name, given: string option, usual: int) : int list =
        match given with
        | None -> [ usual ]
        | Some text ->
            [ for number in Cli.numbers name text do
                  if number < 1UL || number > uint64 Int32.MaxValue then
                      Cli.fail $"--{name} takes numbers from 1 to {Int32.MaxValue}, not {number}."

                  int number ]

    /// Runs a script: parses its command line, hands over a session, and turns errors into one sentence and an exit code: 0, 1 for errors, 130 and 143
    /// after Ctrl-C and SIGTERM. `Formats` are the endings of files that --out may name; those of tables unless told. `Uses` names the options that the
    /// script understands beside those that all do: dataset, preset, seed and those of AIS and of measurements unless it says otherwise.
    static member Run
        (commandLine: string array, summary: string, main: Session -> unit, ?Uses: string list, ?Formats: string list)
        : int =
        use interruption = new Interruption()
        Workers.watchParent interruption

        Cli.run
            commandLine
            summary
            (defaultArg Uses ([ "dataset"; "preset"; "seed" ] @ Cli.annealing @ Cli.measuring))
            (fun options ->
                let session = Session(commandLine, options, defaultArg Formats Report.formats, interruption)

                try
                    try
                        main session
                        session.Finish()
                    with :? OperationCanceledException when interruption.ExitCode <> 0 ->
                        session.Stop()

                        if not Workers.isWorker then
                            eprintfn
                                "Stopped. What has been computed is kept in '%s'; the same command goes on from there."
                                session.Store.Folder

                        raise (ScriptEnd interruption.ExitCode)
                finally
                    session.Stop()
                    session.EndTrace())

    /// A session that stays open, for notebooks: with the options of a command line, such as [ "--preset"; "small" ], of which it takes those that say what is measured, and
    /// `--results`, `--data`, `--threads`, `--recompute` and `--out`. Errors are exceptions. Interrupting a cell stops what it computes, and the next one can go on from there.
    static member Open(?options: string seq) : Session =
        let arguments = options |> Option.map Seq.toArray |> Option.defaultValue [||]

        let uses =
            [ "dataset"; "preset"; "seed"; "samples"; "steps"; "iterations"; "model"; "family"; "method"; "recompute" ]
            @ Cli.annealing

        let parsed = Cli.parse "A session" "docs/experiments.md" uses arguments

        if parsed.Contains CommandLine.Trace then
            Cli.fail "An open session writes no trace; run a script with --trace."

        Session(arguments, parsed, Report.formats, Interruption.Repeatable())

    member private _.Finish() =
        if own.IsSome then
            Cli.fail
                "The script does not ask for the results of this task any more: it, or GapLab, was changed after the task was submitted."

        helpers |> Option.iter _.Finish()

    member private _.EndTrace() =
        match recording with
        | None -> ()
        | Some(file, recording) ->
            recording.Stop()
            let command = commandLine |> Array.map Path.GetFileName |> String.concat " "
            recording.Write(file, dict [ "command", command; "version", Provenance.LibraryVersion ] |> Dictionary)
            recording.Table() |> Seq.iter (printfn "%s")
            printfn "The trace is in '%s'; open it at chrome://tracing or ui.perfetto.dev." file

    member private _.Stop() =
        helpers |> Option.iter (fun running -> (running :> IDisposable).Dispose())
        helpers <- None
