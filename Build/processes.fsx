/// Running dotnet and other programs, and saying what took how long.
module GapLab.Build.Processes

open System
open System.Diagnostics
open System.IO

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))
let solution = "GapLab.slnx"

/// Ends the script with the exit code of the step that failed.
exception StepFailed of exitCode: int

let private dotnetStart (environment: (string * string) list) (arguments: string list) =
    let start = ProcessStartInfo(Environment.ProcessPath, WorkingDirectory = root, UseShellExecute = false)

    for argument in arguments do
        start.ArgumentList.Add argument

    // English, so that the closing line of the tests can be recognised.
    for name, value in [ "DOTNET_NOLOGO", "1"; "DOTNET_CLI_UI_LANGUAGE", "en" ] @ environment do
        start.Environment[name] <- value

    start

/// Runs dotnet and hands every line it writes to `onLine`; returns the exit code.
let dotnetLines environment onLine arguments =
    let start = dotnetStart environment arguments
    start.RedirectStandardOutput <- true
    start.RedirectStandardError <- true
    use running = new Process(StartInfo = start)

    let receive (event: DataReceivedEventArgs) =
        if not (isNull event.Data) then
            lock running (fun () -> onLine event.Data)

    running.OutputDataReceived.Add receive
    running.ErrorDataReceived.Add receive
    running.Start() |> ignore
    running.BeginOutputReadLine()
    running.BeginErrorReadLine()
    running.WaitForExit()
    running.ExitCode

/// Runs dotnet silently; its output appears only if it fails.
let quietly environment arguments =
    let output = ResizeArray<string>()
    let exitCode = dotnetLines environment output.Add arguments

    if exitCode <> 0 then
        eprintfn "dotnet %s" (String.concat " " arguments)

        for line in output do
            eprintfn "%s" line

        raise (StepFailed exitCode)

/// Runs dotnet on this terminal, in a given folder.
let openlyIn folder arguments =
    let start = dotnetStart [] arguments
    start.WorkingDirectory <- folder
    use running = Process.Start start
    running.WaitForExit()

    if running.ExitCode <> 0 then
        raise (StepFailed running.ExitCode)

let step name action =
    let watch = Stopwatch.StartNew()
    action ()
    printfn "%-8s %6.1f s" name watch.Elapsed.TotalSeconds
