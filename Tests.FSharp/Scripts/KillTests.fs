/// A script that is killed again and again, and ends with the bits of an undisturbed run.
module GapLab.Tests.Scripts.KillTests

open System
open System.Diagnostics
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Scripts.ScriptRunner

let private arguments store =
    [ "fsi"; "Scripts/gaps.fsx"; "--preset"; "smoke"; "--results"; store; "--checkpoint-minutes"; "0.002" ]

/// Runs the script until it ends or `stop`, which is asked every few milliseconds, says so; then kills it with all its children. Returns whether it
/// has ended by itself.
let private runUntil (store: string) (stop: Stopwatch -> bool) =
    let start =
        ProcessStartInfo(
            "dotnet",
            arguments store,
            WorkingDirectory = repository,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    start.Environment["DOTNET_NOLOGO"] <- "1"
    let watch = Stopwatch.StartNew()
    use running = Process.Start start
    let output, error = running.StandardOutput.ReadToEndAsync(), running.StandardError.ReadToEndAsync()

    while not (running.WaitForExit 5) && not (stop watch) do
        ()

    if running.HasExited then
        Assert.That(running.ExitCode, Is.EqualTo 0, error.Result)
        true
    else
        running.Kill(entireProcessTree = true)
        running.WaitForExit()
        output.Wait()
        error.Wait()
        false

/// What a store holds of models and numbers, by path.
let private content (store: string) =
    [ for path in Directory.GetFiles(store, "*.safetensors", SearchOption.AllDirectories) |> Array.sort ->
          Path.GetRelativePath(store, path),
          Convert.ToHexString(Security.Cryptography.SHA256.HashData(File.ReadAllBytes path)) ]

let private exists store pattern =
    Directory.Exists store
    && not (Seq.isEmpty (Directory.EnumerateFiles(store, pattern, SearchOption.AllDirectories)))

[<Test>]
let ``killed at any moment and started again, a script ends with the bits of an undisturbed run`` () =
    withFolder (fun folder ->
        let undisturbed = Path.Combine(folder, "undisturbed")
        let watch = Stopwatch.StartNew()
        holds "it ends by itself" (runUntil undisturbed (fun _ -> false))
        let whole = watch.Elapsed
        let expected = content undisturbed
        // A model, and three measures of the test points.
        equal 4 expected.Length
        let random = Random 1
        let wanted = repetitions 3 20
        // One kill in training and two in evaluation, in this order; further ones at any time.
        let mutable kills, inTraining, round = 0, 0, 0

        while kills < wanted do
            round <- round + 1
            let store = Path.Combine(folder, $"round{round}")
            let mutable finished = false

            while not finished do
                let moment = whole * random.NextDouble()
                let delay = TimeSpan.FromMilliseconds(random.NextDouble() * 100.)
                let mutable reached: TimeSpan option = None

                let after folder pattern (running: Stopwatch) =
                    if reached.IsNone && exists (Path.Combine(store, folder)) pattern then
                        reached <- Some(running.Elapsed + delay)

                    reached |> Option.exists (fun at -> running.Elapsed >= at)

                let stop =
                    match kills with
                    | 0 -> after "artifacts" "checkpoint.safetensors"
                    | 1 -> after "artifacts" "artifact.json"
                    | 2 -> after "cells" "*.json"
                    | some when some < wanted -> (fun running -> running.Elapsed >= moment)
                    | _ -> (fun _ -> false)

                finished <- runUntil store stop

                if not finished then
                    kills <- kills + 1
                    let isTrained = exists store "artifact.json"

                    if not isTrained && exists store "checkpoint.safetensors" then
                        inTraining <- inTraining + 1

            // A last run finds everything there, and removes what killed ones had no time to.
            holds "it ends again" (runUntil store (fun _ -> false))
            equal expected (content store)
            holds "nothing was damaged" (not (Directory.Exists(Path.Combine(store, "damaged"))))

            for part in [ "artifacts"; "cells" ] do
                holds "nothing unfinished is left" (not (exists (Path.Combine(store, part)) "*.tmp"))

        holds "one kill in training at least" (inTraining > 0)
        TestContext.Out.WriteLine $"{kills} kills in {round} rounds, {inTraining} of them in training.")
