namespace GapLab.Workbench

open System
open System.Collections.Generic
open System.Globalization
open System.IO
open System.Text.Json
open System.Text.Json.Nodes
open GapLab.Experiments

/// A job array that was submitted for results of a store. Its folder, STORE/slurm/NAME, holds the list of its tasks' results (tasks.jsonl), the script that sbatch was given
/// (job.sh), the number that Slurm gave it (job), and for each task its output (log-7.txt) and, once it has ended, its exit code (ended-7).
type SlurmArray private (folder: string) =
    static let variable = "GAPLAB_SLURM_ARRAY"
    let file (name: string) = Path.Combine(folder, name)

    let read () =
        let lines = [ for line in File.ReadLines(file "tasks.jsonl") -> JsonNode.Parse line ]
        let taskOf (line: JsonNode) = line["task"].GetValue<int>()
        let last = lines |> List.map taskOf |> List.max
        let found = Array.init (last + 1) (fun _ -> ResizeArray<string>())

        for line in lines do
            found[taskOf line].Add(line["key"].GetValue<string>())

        found |> Array.map List.ofSeq

    let tasks =
        lazy
            (try
                read ()
             with :? JsonException ->
                 Cli.fail
                     $"""'{file "tasks.jsonl"}' is damaged; when no job 'gaplab-{Path.GetFileName folder}' waits or runs, delete its folder and start again.""")

    let settled = file "settled"
    let job = file "job"

    /// Where it is described.
    member _.Folder = folder

    /// The name by which the queue knows it.
    member _.Name = "gaplab-" + Path.GetFileName folder

    /// The keys of the results of each task, in the order in which they are computed.
    member _.Tasks: string list array = tasks.Value

    /// The script for sbatch.
    member _.Script = file "job.sh"

    /// The number that Slurm gave it, if it was told.
    member _.Job
        with get (): string option = if File.Exists job then Some((File.ReadAllText job).Trim()) else None
        and set (number: string option) = number |> Option.iter (fun number -> File.WriteAllText(job, number))

    /// Where a task writes its output.
    member _.Log(task: int) = file $"log-{task}.txt"

    /// The exit code of a task, if it ended by itself.
    member _.ExitCode(task: int) : int option =
        let path = file $"ended-{task}"

        match (if File.Exists path then Int32.TryParse(File.ReadAllText path) else (false, 0)) with
        | true, code -> Some code
        | false, _ -> None

    /// Whether all of its tasks have ended and nothing more is expected of it.
    member _.IsSettled
        with get () = File.Exists settled
        and set (isSettled: bool) =
            if isSettled then
                File.WriteAllText(settled, "")

    /// Removes it.
    member _.Delete() = Directory.Delete(folder, true)

    /// sbatch's arguments: --slurm's own come in the script.
    member this.Arguments(after: string list) =
        [ $"--job-name={this.Name}"
          $"--array=0-{this.Tasks.Length - 1}"
          // A percent sign would stand for something else.
          $"""--output={(file "log-").Replace("%", "%%")}%%a.txt"""
          "--open-mode=append"
          if not after.IsEmpty then
              // Whatever becomes of the models: what is missing then is submitted anew.
              let jobs = String.concat ":" after
              $"--dependency=afterany:{jobs}"
          this.Script ]

    /// A word for a shell.
    static member Quote(word: string) = "'" + word.Replace("'", @"'\''") + "'"

    static member private FolderOf(store: ResultStore) = Path.Combine(store.Folder, "slurm")

    /// What the job does: it starts the same script, as one of the tasks, and notes how that ended. SIGTERM, which Slurm sends when a job is cancelled or its time is over, goes to all
    /// processes of a job: the script stores what it has, and the shell waits for it.
    static member private ScriptFor(folder: string, options: string, command: string list) =
        let quote = SlurmArray.Quote
        let data = Environment.GetEnvironmentVariable "GAPLAB_DATA"

        [ "#!/bin/bash"
          "#SBATCH --ntasks=1"
          if options <> "" then
              $"#SBATCH {options}"
          $"export {variable}={quote folder}"
          if not (String.IsNullOrEmpty data) then
              $"export GAPLAB_DATA={quote data}"
          "# As many threads as Slurm gave processors."
          "export DOTNET_PROCESSOR_COUNT=$SLURM_CPUS_ON_NODE DOTNET_NOLOGO=1"
          $"ended=${variable}/ended-$SLURM_ARRAY_TASK_ID"
          "rm -f \"$ended\""
          $"cd {quote (Directory.GetCurrentDirectory())} || exit"
          "trap : TERM"
          (command |> List.map quote |> String.concat " ") + " </dev/null"
          "code=$?"
          "echo $code >\"$ended\""
          "exit $code" ]

    /// Describes an array whose tasks compute some results; it is not submitted yet.
    static member Create(store: ResultStore, tasks: RunTask list list, options: string, command: string list) =
        let time = DateTime.UtcNow.ToString("yyyyMMdd-HHmmss", CultureInfo.InvariantCulture)
        let name = $"{time}-{Guid.NewGuid().ToString(string 'N').Substring(0, 6)}"
        let folder = Path.Combine(SlurmArray.FolderOf store, name)
        Directory.CreateDirectory folder |> ignore
        let script = SlurmArray.ScriptFor(folder, options, command)
        File.WriteAllText(Path.Combine(folder, "job.sh"), String.concat "\n" script + "\n")

        let describe (number: int) (result: RunTask) =
            let line = JsonObject()
            line["task"] <- JsonValue.Create number
            line["key"] <- JsonValue.Create result.Key
            line["title"] <- JsonValue.Create result.Title
            line.ToJsonString()

        let lines =
            [ for number, results in List.indexed tasks do
                  for result in results -> describe number result ]

        // The list comes last, in one step: a folder without it is no array.
        let unfinished = Path.Combine(folder, "tasks.tmp")
        File.WriteAllLines(unfinished, lines)
        File.Move(unfinished, Path.Combine(folder, "tasks.jsonl"))
        SlurmArray folder

    /// All arrays that a store knows, oldest first.
    static member All(store: ResultStore) : SlurmArray list =
        let all = SlurmArray.FolderOf store

        if not (Directory.Exists all) then
            []
        else
            [ for folder in Directory.EnumerateDirectories all |> Seq.sort do
                  if File.Exists(Path.Combine(folder, "tasks.jsonl")) then
                      SlurmArray folder ]

    /// The arrays of which something is expected.
    static member Expected(store: ResultStore) = SlurmArray.All store |> List.filter (fun array -> not array.IsSettled)

    /// Whether this process is a task of an array.
    static member IsTask =
        not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable variable))
        && not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable "SLURM_ARRAY_TASK_ID"))

    /// The keys of the results that this process was started for, if it is a task of an array.
    static member Own: HashSet<string> option =
        if SlurmArray.IsTask then
            let array = SlurmArray(Environment.GetEnvironmentVariable variable)
            Some(HashSet array.Tasks[int (Environment.GetEnvironmentVariable "SLURM_ARRAY_TASK_ID")])
        else
            None
