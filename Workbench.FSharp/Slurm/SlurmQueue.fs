namespace GapLab.Workbench

open System
open System.ComponentModel
open System.Diagnostics
open System.Threading.Tasks

/// One task of a job array that waits or runs.
type SlurmTask =
    {
        /// The number of the array.
        Job: string
        /// The number of the task in it.
        Index: int
        /// The name of the array.
        Name: string
        /// PENDING, RUNNING, COMPLETING, ...
        State: string
        /// Why it waits.
        Reason: string
    }

    /// Whether it has not started.
    member task.IsPending = task.State = "PENDING"

/// A cluster's queue. An `Error` is what Slurm said instead.
type ISlurmQueue =
    /// Submits a job with sbatch's arguments and gives its number.
    abstract Submit: arguments: string list -> Result<string, string>
    /// The tasks of the job arrays of some names that wait or run. Accounting is not needed: what has ended is not listed.
    abstract Tasks: names: string list -> Result<SlurmTask list, string>

/// Slurm's commands.
module SlurmQueue =
    /// The format in which `squeue --array` is asked for tasks, and that `parse` reads: the reason, which is free text, comes last.
    let format = "%F|%K|%j|%T|%r"

    /// Reads what `squeue` printed in this format; lines of jobs that are no arrays are left out.
    let parse (output: string) : SlurmTask list =
        [ for line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries) do
              match line.Split('|', 5) with
              | [| job; index; name; state; reason |] ->
                  match Int32.TryParse index with
                  | true, index -> { Job = job; Index = index; Name = name; State = state; Reason = reason }
                  | false, _ -> ()
              | _ -> () ]

    /// The number of a job from what `sbatch --parsable` printed: "12", or "12;cluster".
    let jobNumber (output: string) =
        let lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries)
        if lines.Length = 0 then "" else lines[lines.Length - 1].Split(';')[0]

    /// What went wrong, from the lines a command wrote to stderr: the last one without its prefix.
    let problem (error: string) =
        match error.Split('\n', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries) with
        | [||] -> "it gave no reason"
        | lines ->
            // Advice such as 'Try "sbatch --help"' comes after the reason.
            let telling =
                lines
                |> Array.filter (fun line -> not (line.StartsWith("Try ", StringComparison.Ordinal)))
                |> Array.tryLast
                |> Option.defaultValue lines[0]

            let withoutPrefix =
                [ "sbatch: error: "
                  "sbatch: fatal: "
                  "sbatch: "
                  "squeue: error: "
                  "squeue: fatal: "
                  "slurm_load_jobs error: " ]
                |> List.tryFind telling.StartsWith
                |> Option.map (fun prefix -> telling.Substring prefix.Length)

            (defaultArg withoutPrefix telling).TrimEnd '.'

    /// A command that does not answer, because the controller does not answer it, is given up.
    let private patience = TimeSpan.FromSeconds 60.

    let private ask (command: string) (arguments: string list) : Result<string, string> =
        let start =
            ProcessStartInfo(
                command,
                arguments,
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false
            )

        use running =
            try
                Process.Start start
            with :? Win32Exception ->
                Cli.fail
                    $"There is no '{command}' here: start the script on a computer of a Slurm cluster, or leave out --executor slurm."

        running.StandardInput.Close()
        let output, error = running.StandardOutput.ReadToEndAsync(), running.StandardError.ReadToEndAsync()

        if not (running.WaitForExit patience) then
            running.Kill(entireProcessTree = true)
            Error $"'{command}' got no answer for {patience.TotalSeconds:F0} seconds"
        else
            Task.WaitAll(output, error)

            if running.ExitCode = 0 then Ok output.Result else Error(problem error.Result)

    /// The cluster that this computer belongs to.
    let cluster =
        { new ISlurmQueue with
            member _.Submit arguments = ask "sbatch" ("--parsable" :: arguments) |> Result.map jobNumber

            member _.Tasks names =
                let names = String.concat "," names
                ask "squeue" [ "--noheader"; "--array"; $"--format={format}"; $"--name={names}" ] |> Result.map parse }
