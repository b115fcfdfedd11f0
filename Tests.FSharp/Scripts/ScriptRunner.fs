module GapLab.Tests.Scripts.ScriptRunner

open System
open System.Diagnostics
open System.IO
open NUnit.Framework

/// The repository: the folder above the test assembly that holds the solution.
let repository =
    let rec search (folder: DirectoryInfo) =
        if File.Exists(Path.Combine(folder.FullName, "GapLab.slnx")) then
            folder.FullName
        else
            search folder.Parent

    search (DirectoryInfo AppContext.BaseDirectory)

/// What a script printed and how it ended.
type Outcome = { ExitCode: int; Output: string; Error: string }

/// Runs `dotnet fsi SCRIPT ARGUMENTS` as a user would. GAPLAB_DATA is what `data` says: nothing by default.
let runIn (folder: string) (data: string option) (script: string) (arguments: string list) =
    let start =
        ProcessStartInfo(
            "dotnet",
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    for argument in [ "fsi"; script ] @ arguments do
        start.ArgumentList.Add argument

    start.Environment["GAPLAB_DATA"] <- defaultArg data ""
    start.Environment["DOTNET_NOLOGO"] <- "1"
    use running = Process.Start start
    let error = running.StandardError.ReadToEndAsync()
    let output = running.StandardOutput.ReadToEnd()
    running.WaitForExit()

    { ExitCode = running.ExitCode; Output = output; Error = error.Result }

let run = runIn repository None

/// One sentence on stderr that contains all the given parts, exit code 1, and no stack trace.
let refuses (parts: string list) (outcome: Outcome) =
    let lines = outcome.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries)
    Assert.That(outcome.ExitCode, Is.EqualTo 1, outcome.Error)
    Assert.That(lines, Has.Length.EqualTo 1, outcome.Error)

    for part in parts do
        Assert.That(lines[0], Does.Contain part)

    Assert.That(outcome.Output, Does.Not.Contain "   at ")

/// A new empty folder, deleted at the end.
let withFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        action folder
    finally
        Directory.Delete(folder, true)
