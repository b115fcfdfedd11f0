namespace GapLab.Workbench

open System
open System.Runtime.InteropServices
open System.Threading

/// Ctrl-C and SIGTERM: the first one asks the work to stop at the next point where nothing is lost, the second one ends the process.
type Interruption() =
    let source = new CancellationTokenSource()
    let mutable exitCode = 0

    let onSignal code (context: PosixSignalContext) =
        if exitCode = 0 then
            context.Cancel <- true
            exitCode <- code
            // A progress bar hides the cursor.
            if not Console.IsErrorRedirected then
                Console.Error.Write "\u001b[?25h"

            Console.Error.WriteLine "\nStopping: storing what has been computed; press Ctrl-C again to stop at once."
            source.Cancel()

    let registrations =
        [ PosixSignalRegistration.Create(PosixSignal.SIGINT, onSignal 130)
          PosixSignalRegistration.Create(PosixSignal.SIGTERM, onSignal 143) ]

    /// Cancelled by the first signal.
    member _.Token = source.Token

    /// What the process should end with: 128 and the signal's number, as shells expect.
    member _.ExitCode = exitCode

    /// Stops the work for another reason than a signal.
    member _.Stop(code: int) =
        if exitCode = 0 then
            exitCode <- code
            source.Cancel()

    interface IDisposable with
        member _.Dispose() =
            // The source stays: a thread that watches for another reason to stop may still use it.
            for registration in registrations do
                registration.Dispose()
