namespace GapLab.Notebooks

open System
open System.Diagnostics
open System.Runtime.InteropServices
open System.Text.Json.Nodes
open System.Threading
open GapLab.Workbench

/// The sockets of a kernel and the threads that listen to them: heartbeat; control, which is answered while a cell runs; shell, where cells are taken one after the other.
[<Sealed>]
type internal Kernel(connection: Connection) =
    let context = new SocketContext()

    let bind kind port =
        let socket = context.Open kind
        socket.Bind(connection.Address port)
        socket

    let heartbeat = bind SocketKind.Reply connection.HeartbeatPort
    let control = bind SocketKind.Router connection.ControlPort
    let shell = bind SocketKind.Router connection.ShellPort
    let stdin = bind SocketKind.Router connection.StdinPort
    let publisher = Publisher(bind SocketKind.Publish connection.IoPubPort, connection.Key)

    let ended = new ManualResetEvent(false)
    let isRunning () = not (ended.WaitOne 0)
    let stop = CellStop()

    let tryReceive (socket: Socket) = socket.TryReceive() |> Option.bind (Message.tryParse connection.Key)

    let send (socket: Socket) (message: Message) = socket.Send(Message.toFrames connection.Key message)

    let reply socket (request: Message) (kind: string, content: JsonObject) =
        send socket (Message.reply request kind content)

    /// Asks whoever sent a request for a line of input, and waits for it.
    let ask (request: Message) (prompt: string) =
        // An answer that comes too late belongs to an earlier question.
        while (tryReceive stdin).IsSome do
            ()

        let content = Json.object [ "prompt", Json.string prompt; "password", Json.flag false ]
        send stdin (Message.reply request "input_request" content)

        let rec wait () =
            stop.ThrowIfStopping()

            match tryReceive stdin with
            | Some answer when answer.Kind = "input_reply" ->
                Json.tryString "value" answer.Content |> Option.defaultValue ""
            | _ -> wait ()

        wait ()

    let requests = Requests(publisher, lazy (Evaluator()), stop, ask)

    let withStatus (request: Message) action =
        publisher.Status("busy", request.Header)

        try
            action ()
        finally
            publisher.Status("idle", request.Header)

    let shutDown (socket: Socket) (request: Message) =
        let restart = Json.flagOr false "restart" request.Content

        reply
            socket
            request
            ("shutdown_reply", Json.object [ "status", Json.string "ok"; "restart", Json.flag restart ])

        ended.Set() |> ignore
        // Twice: without waiting for sessions to store anything.
        stop.Request()
        stop.Request()

    let answerControl (request: Message) =
        withStatus request (fun () ->
            match request.Kind with
            | "shutdown_request" -> shutDown control request
            | "interrupt_request" ->
                stop.Request()
                reply control request ("interrupt_reply", Json.object [ "status", Json.string "ok" ])
            | "kernel_info_request" -> reply control request requests.KernelInfo
            | _ -> ())

    /// The requests that are on their way already.
    let rec waiting () =
        match tryReceive shell with
        | Some request -> request :: waiting ()
        | None -> []

    let rec answerShell (request: Message) =
        let mutable skipped = []

        withStatus request (fun () ->
            if request.Kind = "shutdown_request" then
                shutDown shell request
            else
                let answer =
                    try
                        requests.Answer request
                    with e ->
                        Some(requests.Failed(request, e))

                match answer with
                | None -> ()
                | Some(kind, content) ->
                    if
                        kind = "execute_reply"
                        && Json.tryString "status" content = Some "error"
                        && Json.flagOr true "stop_on_error" request.Content
                    then
                        // Cells that were sent after this one, before anyone could know that it fails, are not run.
                        skipped <- waiting ()

                    reply shell request (kind, content))

        for request in skipped do
            if request.Kind = "execute_request" then
                withStatus request (fun () -> reply shell request (requests.Aborted()))
            else
                answerShell request

    let listen (socket: Socket) answer () =
        while isRunning () do
            try
                tryReceive socket |> Option.iter answer
            with e ->
                // No message, whatever is in it, ends the kernel.
                eprintfn "A message could not be answered: %s" e.Message

        (socket :> IDisposable).Dispose()

    let beat () =
        while isRunning () do
            heartbeat.TryReceive() |> Option.iter heartbeat.Send

        (heartbeat :> IDisposable).Dispose()

    let start name (action: unit -> unit) =
        let thread = Thread(action, IsBackground = true, Name = name)
        thread.Start()
        thread

    /// Ends the kernel when the process that started it is gone.
    let watchParent () =
        match Int32.TryParse(Environment.GetEnvironmentVariable "JPY_PARENT_PID") with
        | true, id when not (OperatingSystem.IsWindows()) && id > 1 ->
            let isAlive () =
                try
                    use parent = Process.GetProcessById id
                    not parent.HasExited
                with :? ArgumentException ->
                    false

            let watch () =
                while isRunning () do
                    if not (isAlive ()) then
                        Environment.Exit 1

                    Thread.Sleep 1000

            start "Parent" watch |> ignore
        | _ -> ()

    /// Answers requests until one of them is to shut down.
    member _.Run() =
        Terminal.isElsewhere <- true

        use _ =
            PosixSignalRegistration.Create(
                PosixSignal.SIGINT,
                fun signal ->
                    signal.Cancel <- true
                    stop.Request()
            )

        publisher.Status("starting", JsonObject())
        let heartThread = start "Jupyter heartbeat" beat
        let controlThread = start "Jupyter control" (listen control answerControl)
        let shellThread = start "Jupyter shell" (listen shell answerShell)
        watchParent ()
        ended.WaitOne() |> ignore
        controlThread.Join(TimeSpan.FromSeconds 2.) |> ignore
        // The context must not end under a thread that still listens.
        heartThread.Join(TimeSpan.FromSeconds 2.) |> ignore

        if shellThread.Join(TimeSpan.FromSeconds 4.) then
            requests.Finish()
            (stdin :> IDisposable).Dispose()
            publisher.Finish()
            let last = start "End" (context :> IDisposable).Dispose
            last.Join(TimeSpan.FromSeconds 2.) |> ignore
        else
            // A cell that nothing stops; the process ends with it.
            publisher.Finish()
