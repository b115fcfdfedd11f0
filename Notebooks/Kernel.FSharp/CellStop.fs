namespace GapLab.Notebooks

open System
open System.Collections.Concurrent
open System.Runtime
open System.Runtime.ExceptionServices
open System.Threading
open System.Threading.Tasks
open GapLab.Tensors
open GapLab.Workbench

#nowarn "44" // ControlledExecution is marked as risky: it is what a program's own loops leave.

/// How a cell was stopped.
type internal StopKind =
    | InOrder
    /// Wherever it was.
    | ByForce
    /// Not at all: it may still run.
    | LeftBehind

/// How a cell came to its end.
type internal CellEnd<'a> =
    | Completed of 'a
    /// On request.
    | Stopped of StopKind

/// The thread on which cells run one after the other, so that what belongs to a thread lasts from cell to cell, until one is stopped by force.
type private CellThread = { Jobs: BlockingCollection<unit -> unit>; Thread: Thread }

/// One run of a cell.
type private RunningCell =
    {
        Place: CellThread
        Force: CancellationTokenSource
        /// Whether it ended or was left behind.
        Over: ManualResetEvent
        /// A second request.
        Hurry: AutoResetEvent
        mutable IsRequested: bool
        mutable IsForced: bool
        mutable IsLeftBehind: bool
        mutable HasEnded: bool
    }

/// Runs cells so that they can be stopped, step by step. Sessions are told, and get a few seconds to store what they have. Then calls of GapLab's kernels, output and
/// `while` loops of cells throw, which ends nearly everything in good order. What still runs, such as endless recursion, is stopped wherever it is. What even that does not stop is left behind.
/// After either, the next cells get another thread. A second request does not wait for sessions.
[<Sealed>]
type internal CellStop() =
    static let forSessions = TimeSpan.FromSeconds 3.
    static let forKernels = TimeSpan.FromSeconds 1.

    // Attempts to wake a cell, three a second. The runtime cannot stop native code, nor some handlers of exceptions.
    static let attempts = 12

    // Cells may recurse deeply.
    static let stack = 256 <<< 20

    let startThread () =
        let jobs = new BlockingCollection<unit -> unit>()

        let work () =
            for job in jobs.GetConsumingEnumerable() do
                job ()

        let thread = Thread(work, stack, IsBackground = true, Name = "Cells")
        thread.Start()
        { Jobs = jobs; Thread = thread }

    let gate = obj ()
    let mutable place = startThread ()
    let mutable running: RunningCell option = None
    let mutable isStopping = false

    let setStopping value =
        Volatile.Write(&isStopping, value)
        WorkerPool.IsStopping <- value

    /// Gives the next cells another thread. One that was stopped by force blocks the signal by which the runtime stops threads, and so would a thread that it starts:
    /// neither a later cell nor the garbage collector could stop them. To be called on any other thread.
    let replaceThread () =
        place.Jobs.CompleteAdding()
        place <- startThread ()

    /// Changes a cell that still runs; whether it did.
    let change (cell: RunningCell) action =
        lock gate (fun () ->
            if not cell.HasEnded then
                action ()

            not cell.HasEnded)

    let escalate (cell: RunningCell) () =
        if Interruption.StopAll() then
            WaitHandle.WaitAny([| cell.Over :> WaitHandle; cell.Hurry |], forSessions) |> ignore

        // Nothing shortens this: force on a cell that is about to end in good order may end the process.
        if change cell (fun () -> setStopping true) then
            cell.Over.WaitOne forKernels |> ignore

        let force () =
            cell.IsForced <- true
            // An exception of output in a handler of the one that now comes would hold it up.
            setStopping false

        if change cell force then
            // Stops running code; the call returns only after that.
            Task.Run(fun () -> cell.Force.Cancel()) |> ignore
            let mutable left = attempts

            while left > 0 && not (cell.Over.WaitOne 300) do
                left <- left - 1

                // A thread that waits or sleeps has to be woken for it; one that runs, perhaps a handler, is left alone.
                change cell (fun () ->
                    if cell.Place.Thread.ThreadState.HasFlag ThreadState.WaitSleepJoin then
                        cell.Place.Thread.Interrupt())
                |> ignore

            change cell (fun () ->
                cell.IsLeftBehind <- true
                replaceThread ()
                running <- None
                cell.Over.Set() |> ignore)
            |> ignore

    /// Ends a run, on its thread, although that may still be woken at any moment.
    let finish (cell: RunningCell) =
        let rec attempt () =
            try
                lock gate (fun () ->
                    cell.HasEnded <- true

                    if not cell.IsLeftBehind then
                        running <- None
                        setStopping false
                        cell.Over.Set() |> ignore)
            with :? ThreadInterruptedException ->
                attempt ()

        attempt ()

        try
            Thread.Sleep 0
        with :? ThreadInterruptedException ->
            ()

    /// Throws on the thread of a cell that is to end.
    member _.ThrowIfStopping() =
        if Volatile.Read(&isStopping) && place.Thread = Thread.CurrentThread then
            raise (OperationCanceledException "The cell was stopped.")

    /// Runs a cell on the thread of cells, and waits. Its exceptions are thrown on, unless it had been asked to stop.
    member _.Run(action: unit -> 'a) : CellEnd<'a> =
        let cell =
            { Place = place
              Force = new CancellationTokenSource()
              Over = new ManualResetEvent(false)
              Hurry = new AutoResetEvent(false)
              IsRequested = false
              IsForced = false
              IsLeftBehind = false
              HasEnded = false }

        let result = ref None
        let failure = ref None

        let job () =
            try
                ControlledExecution.Run((fun () -> result.Value <- Some(action ())), cell.Force.Token)
            with e ->
                failure.Value <- Some e

            finish cell

        lock gate (fun () -> running <- Some cell)
        cell.Place.Jobs.Add job
        cell.Over.WaitOne() |> ignore

        lock gate (fun () ->
            if cell.IsForced && not cell.IsLeftBehind then
                replaceThread ())

        match result.Value, failure.Value with
        | _ when cell.IsLeftBehind -> Stopped LeftBehind
        | _ when cell.IsForced -> Stopped ByForce
        | _, Some _ when cell.IsRequested -> Stopped InOrder
        | _, Some error -> ExceptionDispatchInfo.Throw error |> unbox
        | Some value, None -> Completed value
        | None, None -> Stopped InOrder

    /// Asks the running cell to stop, if there is one; returns at once.
    member _.Request() =
        lock gate (fun () ->
            match running with
            | None -> ()
            | Some cell when cell.IsRequested -> cell.Hurry.Set() |> ignore
            | Some cell ->
                cell.IsRequested <- true
                Thread(escalate cell, IsBackground = true, Name = "Stopping a cell").Start())
