/// A sweep on a Slurm cluster of one node, one of whose tasks is killed, and whose controller is stopped for a while.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Slurm.ClusterTests

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private isInstalled program =
    [ "/usr/bin"; "/usr/sbin"; "/usr/local/bin"; "/usr/local/sbin" ]
    |> List.exists (fun folder -> File.Exists(Path.Combine(folder, program)))

/// Runs a program to its end, with a cluster's configuration; gives its exit code and what it printed.
let private runs (configuration: string) (program: string) (arguments: string list) =
    let start = ProcessStartInfo(program, arguments, RedirectStandardOutput = true, UseShellExecute = false)
    start.Environment["SLURM_CONF"] <- configuration
    use running = Process.Start start
    let output = running.StandardOutput.ReadToEnd()
    running.WaitForExit()
    running.ExitCode, output

/// A script that runs beside the test, and the lines that it has written to stderr.
type private Running(configuration: string, arguments: string list) =
    let told = ConcurrentQueue<string>()

    let running =
        let start =
            ProcessStartInfo(
                "dotnet",
                "fsi" :: arguments,
                WorkingDirectory = repository,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false
            )

        start.Environment["SLURM_CONF"] <- configuration
        start.Environment["GAPLAB_DATA"] <- ""
        Process.Start start

    let output = running.StandardOutput.ReadToEndAsync()

    do
        running.ErrorDataReceived.Add(fun line ->
            if not (isNull line.Data) then
                told.Enqueue line.Data)

        running.BeginErrorReadLine()

    member _.Said = String.Join("\n", told)

    /// Waits until something is true, unless the script ends before.
    member this.Await (what: string) (condition: unit -> bool) =
        let watch = Stopwatch.StartNew()

        while not (condition ()) do
            if running.HasExited || watch.Elapsed > TimeSpan.FromMinutes 5. then
                Assert.Fail $"Waited in vain for {what}. The script said:\n{this.Said}"

            Thread.Sleep 50

    member this.Ends() =
        this.Await "the end" (fun () -> running.HasExited)
        running.WaitForExit()
        equalFor this.Said 0 running.ExitCode
        output.Result

    interface IDisposable with
        member _.Dispose() =
            if not running.HasExited then
                running.Kill(entireProcessTree = true)
                running.WaitForExit()

            running.Dispose()

/// The processes in which tasks of a store's arrays compute.
let private tasksOf (store: string) =
    [ for folder in Directory.GetDirectories "/proc" do
          match Int32.TryParse(Path.GetFileName folder) with
          | true, id ->
              let read name =
                  try
                      File.ReadAllText(Path.Combine(folder, name))
                  with
                  | :? IOException
                  | :? UnauthorizedAccessException -> ""

              if (read "comm").Trim() = "dotnet" && (read "environ").Contains $"GAPLAB_SLURM_ARRAY={store}/" then
                  id
          | false, _ -> () ]

[<Test>]
let ``a sweep survives a killed task and a controller that is away, and is computed once`` () =
    if not (List.forall isInstalled [ "slurmctld"; "slurmd"; "munged"; "mungekey" ]) then
        Assert.Ignore "Slurm is not installed: the packages are slurm-wlm and munge."

    if Environment.UserName <> "root" then
        Assert.Ignore "The cluster of one node must be started by root."

    withFolder (fun folder ->
        let node = Path.Combine(folder, "node")
        let configuration = Path.Combine(node, "slurm.conf")

        let oneNode action =
            runs
                configuration
                "bash"
                [ Path.Combine(repository, "Tests.FSharp", "Slurm", "one-node.sh"); action; node ]

        try
            equalFor "start of the cluster" 0 (fst (oneNode "start"))
            let store, table = Path.Combine(folder, "store"), Path.Combine(folder, "gaps.csv")

            // Two models, for each L[q], L[q*] and two lengths of AIS: eight evaluations.
            let sweep (store: string) (table: string) =
                [ "Scripts/gaps.fsx"; "--seed"; "1..2"; "--samples"; "20"; "--steps"; "10,20"; "--iterations"; "200" ]
                @ [ "--results"; store; "--out"; table ]

            let onCluster = sweep store table @ [ "--executor"; "slurm"; "--jobs"; "4" ]

            let files part pattern =
                let below = Path.Combine(store, part)

                if Directory.Exists below then
                    Directory.GetFiles(below, pattern, SearchOption.AllDirectories).Length
                else
                    0

            use running = new Running(configuration, onCluster)
            running.Await "a task" (fun () -> not (tasksOf store).IsEmpty)
            (Process.GetProcessById (tasksOf store).Head).Kill()
            running.Await "the note of the killed task" (fun () -> running.Said.Contains "ended with exit code 137")
            running.Await "a result" (fun () -> files "cells" "*.json" > 0)
            oneNode "stop-controller" |> ignore

            running.Await "the note of silence" (fun () ->
                running.Said.Contains "The Slurm controller does not answer")

            equalFor "start of the controller" 0 (fst (oneNode "start-controller"))
            let output = running.Ends()

            holds output (output.Contains "8 evaluations computed")
            equal 8 (files "cells" "*.json")
            equal 2 (files "artifacts" "artifact.json")
            equal 0 (files "damaged" "*")

            // The same command submits nothing.
            let nextJob () =
                (snd (runs configuration "scontrol" [ "show"; "config" ])).Split('\n')
                |> Array.find _.StartsWith("NEXT_JOB_ID")

            let before = nextJob ()
            let text = File.ReadAllText table
            use again = new Running(configuration, onCluster)
            let output = again.Ends()
            holds output (output.Contains "everything was stored already")
            equal before (nextJob ())
            equal text (File.ReadAllText table)

            // What the cluster has computed is what this computer computes.
            use here = new Running(configuration, sweep (Path.Combine(folder, "here")) table)
            here.Ends() |> ignore
            equal text (File.ReadAllText table)
        finally
            oneNode "stop" |> ignore)
