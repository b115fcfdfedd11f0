namespace GapLab.Workbench

open System
open System.Runtime.InteropServices
open System.Threading

/// Ctrl-C and SIGTERM: the first one asks the work to stop at the next point where nothing is lost, the second one ends the process. In a notebook, `StopAll`
/// takes the place of signals, and a session that is `isRepeatable` goes on with the next cell.
type Interruption private (isRepeatable: bool) =
    static let live = ResizeArray<Interruption>()

    let mutable source = new CancellationTokenSource()
    let mutable exitCode = 0

    let onSignal code (context: PosixSignalContext) =
        if exitCode = 0 then
            context.Cancel <- true
            exitCode <- code
            // A progress bar hides the cursor.
            if Terminal.hasErrors () then
                Console.Error.Write "\u001b[?25h"

            Console.Error.WriteLine "\nStopping: storing what has been computed; press Ctrl-C again to stop at once."
            source.Cancel()

    let registrations =
        if isRepeatable then
            []
        else
            [ PosixSignalRegistration.Create(PosixSignal.SIGINT, onSignal 130)
              PosixSignalRegistration.Create(PosixSignal.SIGTERM, onSignal 143) ]

    new() as this =
        new Interruption(false)
        then this.Register()

    /// For sessions that stay open from cell to cell: listens to `StopAll` alone, as often as it comes.
    static member Repeatable() =
        let made = new Interruption(true)
        made.Register()
        made

    member private this.Register() = lock live (fun () -> live.Add this)

    /// Cancelled by the first signal; of a repeatable one, by the next call of `StopAll`.
    member _.Token = source.Token

    /// What the process should end with: 128 and the signal's number, as shells expect.
    member _.ExitCode = exitCode

    /// Stops the work for another reason than a signal.
    member _.Stop(code: int) =
        if isRepeatable then
            let stopped = source
            source <- new CancellationTokenSource()
            stopped.Cancel()
        elif exitCode = 0 then
            exitCode <- code
            source.Cancel()

    /// Stops the work of all sessions of this process, as Ctrl-C does; whether there are any.
    static member StopAll() =
        let all = lock live (fun () -> live.ToArray())

        for interruption in all do
            interruption.Stop 130

        all.Length > 0

    interface IDisposable with
        member this.Dispose() =
            lock live (fun () -> live.Remove this |> ignore)

            // The source stays: a thread that watches for another reason to stop may still use it.
            for registration in registrations do
                registration.Dispose()
