namespace GapLab.Workbench

open System
open System.Diagnostics
open System.Threading

/// Several processes that run the same script with the same options on one result store: each takes what no other is computing. A worker
/// prints no table, and, unless it runs on a cluster, stops when the process that started it ends, however that ends.
module Workers =
    [<Literal>]
    let private variable = "GAPLAB_WORKER"

    /// Whether this process was started by another one on this computer.
    let private isHelper = not (String.IsNullOrEmpty(Environment.GetEnvironmentVariable variable))

    /// Whether this process was started to help another one, here or on a cluster.
    let isWorker = isHelper || SlurmArray.IsTask

    /// For a helper: stops it when its standard input ends, which it does when the starting process is gone.
    let watchParent (interruption: Interruption) =
        if isHelper then
            let watch () =
                while Console.In.ReadLine() |> isNull |> not do
                    ()

                interruption.Stop 1

            Thread(watch, IsBackground = true).Start()

    /// Helping processes of this script.
    type Helpers(commandLine: string array, count: int) =
        let start number =
            let start =
                ProcessStartInfo(
                    Environment.ProcessPath,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                    UseShellExecute = false
                )

            for argument in Array.append [| "fsi" |] commandLine do
                start.ArgumentList.Add argument

            start.Environment[variable] <- string number
            let running = Process.Start start
            running.OutputDataReceived.Add ignore

            running.ErrorDataReceived.Add(fun line ->
                if not (String.IsNullOrWhiteSpace line.Data) then
                    Console.Error.WriteLine $"[{number}] {line.Data}")

            running.BeginOutputReadLine()
            running.BeginErrorReadLine()
            number, running

        let running = [ for number in 2 .. count + 1 -> start number ]

        /// Lets the helpers end, which they do when there is nothing left to compute, and says which of them failed.
        member _.Finish() =
            for number, helper in running do
                helper.StandardInput.Close()
                helper.WaitForExit()

                if helper.ExitCode > 1 then
                    Console.Error.WriteLine
                        $"Process {number} ended with exit code {helper.ExitCode}; what it had not finished was computed by the others."

        interface IDisposable with
            member _.Dispose() =
                for _, helper in running do
                    // Closing its input asks a helper to stop, which it does after storing what it has.
                    helper.StandardInput.Close()
                    helper.WaitForExit()
                    helper.Dispose()
