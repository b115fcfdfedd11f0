namespace GapLab.Notebooks

open System
open System.Runtime
open System.Threading
open System.Threading.Tasks
open GapLab.Tensors
open GapLab.Workbench

#nowarn "44" // ControlledExecution is marked as risky: it is what a program's own loops leave.

/// How a cell came to its end.
type internal CellEnd<'a> =
    | Completed of 'a
    /// On request; with force if nothing else helped.
    | Stopped of byForce: bool

/// One run of a cell.
type private RunningCell =
    {
        Thread: Thread
        Force: CancellationTokenSource
        Ended: ManualResetEvent
        /// A second request.
        Hurry: AutoResetEvent
        mutable Requests: int
        mutable HasEnded: bool
        mutable IsForced: bool
    }

/// Runs cells so that they can be stopped, in three steps. Sessions are told, and get a few seconds to store what they have. Then calls of GapLab's kernels and output throw, which ends
/// every computation with tensors in good order. What still runs, an endless loop of the cell's own, is stopped wherever it is. A second request goes to the next step at once.
[<Sealed>]
type internal CellStop() =
    static let forSessions = TimeSpan.FromSeconds 3.
    static let forKernels = TimeSpan.FromSeconds 1.

    // Attempts to wake a cell. The runtime cannot stop code whose handlers of exceptions throw others, nor native code.
    static let hopeless = 30

    let gate = obj ()
    let mutable running: RunningCell option = None
    let mutable isStopping = false

    let setStopping value =
        Volatile.Write(&isStopping, value)
        WorkerPool.IsStopping <- value

    let escalate (cell: RunningCell) () =
        let wait (time: TimeSpan) = WaitHandle.WaitAny([| cell.Ended :> WaitHandle; cell.Hurry |], time) |> ignore

        if Interruption.StopAll() then
            wait forSessions

        lock gate (fun () ->
            if not cell.HasEnded then
                setStopping true)

        wait forKernels

        lock gate (fun () ->
            if not cell.HasEnded then
                cell.IsForced <- true
                // An exception of output in a handler of the one that now comes would hold it up.
                setStopping false)

        if cell.IsForced then
            // Stops running code; the call returns only after that.
            Task.Run(fun () -> cell.Force.Cancel()) |> ignore

            let mutable attempts = 0

            while not (cell.Ended.WaitOne 300) do
                // A thread that waits or sleeps has to be woken for it; one that runs, perhaps a handler, is left alone.
                lock gate (fun () ->
                    if not cell.HasEnded && cell.Thread.ThreadState.HasFlag ThreadState.WaitSleepJoin then
                        cell.Thread.Interrupt())

                attempts <- attempts + 1

                if attempts = hopeless then
                    eprintfn "The cell cannot be stopped: restart the kernel."

    /// Ends a run although the thread may still be woken at any moment.
    let finish (cell: RunningCell) =
        let rec attempt () =
            try
                lock gate (fun () ->
                    cell.HasEnded <- true
                    running <- None
                    setStopping false
                    cell.Ended.Set() |> ignore)
            with :? ThreadInterruptedException ->
                attempt ()

        attempt ()

        try
            Thread.Sleep 0
        with :? ThreadInterruptedException ->
            ()

    /// Whether the cell's thread is to end at the next output.
    member _.IsStopping =
        Volatile.Read(&isStopping)
        && (match running with
            | Some cell -> cell.Thread = Thread.CurrentThread
            | None -> false)

    /// Throws on the thread of a cell that is to end.
    member stop.ThrowIfStopping() =
        if stop.IsStopping then
            raise (OperationCanceledException "The cell was stopped.")

    /// Runs a cell on this thread. Its exceptions are thrown on, unless it had been asked to stop.
    member _.Run(action: unit -> 'a) : CellEnd<'a> =
        let cell =
            { Thread = Thread.CurrentThread
              Force = new CancellationTokenSource()
              Ended = new ManualResetEvent(false)
              Hurry = new AutoResetEvent(false)
              Requests = 0
              HasEnded = false
              IsForced = false }

        lock gate (fun () -> running <- Some cell)
        let mutable result = None
        let mutable failure = None

        try
            try
                ControlledExecution.Run((fun () -> result <- Some(action ())), cell.Force.Token)
            finally
                finish cell
        with e ->
            failure <- Some e

        match failure, result with
        | Some _, _
        | None, None when cell.Requests > 0 -> Stopped cell.IsForced
        | Some e, _ -> Runtime.ExceptionServices.ExceptionDispatchInfo.Throw e |> unbox
        | None, Some _ when cell.IsForced -> Stopped true
        | None, Some value -> Completed value
        | None, None -> Stopped cell.IsForced

    /// Asks the running cell to stop, if there is one; returns at once.
    member _.Request() =
        lock gate (fun () ->
            match running with
            | None -> ()
            | Some cell ->
                cell.Requests <- cell.Requests + 1

                if cell.Requests = 1 then
                    Thread(escalate cell, IsBackground = true, Name = "Stopping a cell").Start()
                else
                    cell.Hurry.Set() |> ignore)
