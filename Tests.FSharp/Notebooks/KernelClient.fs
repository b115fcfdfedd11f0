namespace GapLab.Tests.Notebooks

open System
open System.Diagnostics
open System.IO
open System.Net
open System.Net.Sockets
open System.Runtime.InteropServices
open System.Text.Json.Nodes
open NUnit.Framework
open GapLab.Notebooks
open GapLab.Tests.Scripts.ScriptRunner

/// What came of a request: the content of the reply, and what was published for it, in order.
type Reply =
    { Content: JsonObject
      Published: (string * JsonObject) list }

    member reply.Status = reply.Content["status"].GetValue<string>()

    /// What was published of one kind.
    member reply.Of kind = reply.Published |> List.filter (fst >> (=) kind) |> List.map snd

    /// All that was written to stdout or stderr.
    member reply.Stream(name: string) =
        [ for content in reply.Of "stream" do
              if content["name"].GetValue<string>() = name then
                  content["text"].GetValue<string>() ]
        |> String.concat ""

    /// The result in one form, by its MIME type.
    member reply.Result(form: string) =
        (List.exactlyOne (reply.Of "execute_result")).["data"].[form].GetValue<string>()

    /// All lines of an error.
    member reply.Traceback =
        [ for line in reply.Content["traceback"].AsArray() -> line.GetValue<string>() ] |> String.concat "\n"

/// A kernel in a process of its own, driven as Jupyter does.
[<Sealed>]
type internal KernelClient() =
    static let program =
        Path.Combine(repository, "Notebooks", "Kernel.FSharp", "bin", "Release", "net10.0", "GapLab.Kernel.dll")

    /// Longer than anything takes, even on a machine that is busy.
    static let patience = TimeSpan.FromSeconds 60.

    let freePorts count =
        let listeners = [ for _ in 1..count -> new TcpListener(IPAddress.Loopback, 0) ]
        listeners |> List.iter _.Start()
        let ports = [ for listener in listeners -> (listener.LocalEndpoint :?> IPEndPoint).Port ]
        listeners |> List.iter _.Stop()
        ports

    let folder = Directory.CreateTempSubdirectory "gaplab-kernel-"
    let file = Path.Combine(folder.FullName, "connection.json")

    let connection =
        let ports = freePorts 5
        let names = [ "shell_port"; "control_port"; "iopub_port"; "stdin_port"; "hb_port" ]

        let json =
            Json.object
                [ yield "transport", Json.string "tcp"
                  yield "ip", Json.string "127.0.0.1"
                  yield "key", Json.string "the key of a test"
                  for name, port in List.zip names ports do
                      yield name, Json.integer port ]

        File.WriteAllBytes(file, Json.toUtf8 json)
        Connection.read file

    let context = new SocketContext()
    let name = Guid.NewGuid().ToByteArray()

    let connect kind port =
        let socket = context.Open kind

        if kind = SocketKind.Dealer then
            socket.Name name

        socket.Connect(connection.Address port)
        socket

    let shell = connect SocketKind.Dealer connection.ShellPort
    let control = connect SocketKind.Dealer connection.ControlPort
    let stdin = connect SocketKind.Dealer connection.StdinPort
    let iopub = connect SocketKind.Subscribe connection.IoPubPort
    let heartbeat = connect SocketKind.Request connection.HeartbeatPort
    do iopub.SubscribeAll()

    let start =
        ProcessStartInfo("dotnet", [ program; file ], WorkingDirectory = folder.FullName, RedirectStandardError = true)

    let running = Process.Start start

    let send (socket: Socket) kind content =
        let message = Message.create [] kind (JsonObject()) content
        socket.Send(Message.toFrames connection.Key message)
        message

    let receive (socket: Socket) what (wanted: Message -> bool) =
        let watch = Stopwatch.StartNew()

        let rec wait () =
            match socket.TryReceive() |> Option.bind (Message.tryParse connection.Key) with
            | Some message when wanted message -> message
            | _ when running.HasExited -> failwith $"The kernel ended with code {running.ExitCode}."
            | _ when watch.Elapsed > patience -> failwith $"No {what} came."
            | _ -> wait ()

        wait ()

    let answers (request: Message) (message: Message) =
        Json.tryString "msg_id" message.Parent = Json.tryString "msg_id" request.Header

    /// Everything published for a request, until the kernel is idle again; `onMessage` sees it as it comes.
    let published request onMessage =
        let rec collect found =
            let message = receive iopub "end of a request" (answers request)
            onMessage message

            if message.Kind = "status" && Json.tryString "execution_state" message.Content = Some "idle" then
                List.rev found
            else
                collect ((message.Kind, message.Content) :: found)

        collect []

    let complete request onMessage =
        let published = published request onMessage

        { Content = (receive shell "reply" (answers request)).Content
          Published = published }

    let code (text: string) more = Json.object (("code", Json.string text) :: more)

    // A subscription takes a moment: questions are asked until both channels answer.
    do
        let watch = Stopwatch.StartNew()

        let rec wait () =
            let request = send shell "kernel_info_request" (JsonObject())
            receive shell "answer of the kernel" (answers request) |> ignore

            if iopub.TryReceive().IsNone && watch.Elapsed < patience then
                wait ()

        wait ()

    /// Skips a test where libzmq is missing.
    static member Need() =
        match NativeLibrary.TryLoad "libzmq.so.5", NativeLibrary.TryLoad "libzmq.5.dylib" with
        | (false, _), (false, _) when not (OperatingSystem.IsWindows()) ->
            Assert.Ignore "libzmq is not installed (on Debian 'apt-get install libzmq5'): the kernel is not tested."
        | _ -> ()

    member _.Process = running

    /// Sends a request and waits for all that comes of it.
    member _.Request(kind, content) = complete (send shell kind content) ignore

    /// Runs a cell.
    member _.Execute(text: string) =
        complete (send shell "execute_request" (code text [ "allow_stdin", Json.flag false ])) ignore

    /// Sends a cell without waiting; `Finish` waits.
    member _.Send(text: string) = send shell "execute_request" (code text [])

    /// Waits for a cell; `onMessage` sees what is published, by kind and content.
    member _.Finish(request: Message, ?onMessage: string -> JsonObject -> unit) =
        let see = defaultArg onMessage (fun _ _ -> ())
        complete request (fun message -> see message.Kind message.Content)

    /// Runs a cell that reads a line.
    member _.ExecuteWithInput(text: string, line: string) =
        let request = send shell "execute_request" (code text [ "allow_stdin", Json.flag true ])
        receive stdin "question" (fun message -> message.Kind = "input_request") |> ignore
        send stdin "input_reply" (Json.object [ "value", Json.string line ]) |> ignore
        complete request ignore

    /// Asks over the control channel.
    member _.Control(kind, content) =
        let request = send control kind content
        (receive control "reply" (answers request)).Content

    /// Sends frames as they are.
    member _.SendRaw frames = shell.Send frames

    /// The frames of a request to run a cell, rightly signed.
    member _.Frames(text: string) =
        Message.create [] "execute_request" (JsonObject()) (code text []) |> Message.toFrames connection.Key

    /// Whether the heartbeat comes back.
    member _.Beats() =
        heartbeat.Send [ "beat"B ]
        let watch = Stopwatch.StartNew()

        let rec wait () =
            match heartbeat.TryReceive() with
            | Some frames -> frames = [ "beat"B ]
            | None when watch.Elapsed > patience -> false
            | None -> wait ()

        wait ()

    /// Asks the kernel to end; its exit code.
    member client.ShutDown() =
        client.Control("shutdown_request", Json.object [ "restart", Json.flag false ]) |> ignore

        if not (running.WaitForExit patience) then
            failwith "The kernel did not end."

        running.ExitCode

    interface IDisposable with
        member _.Dispose() =
            if not running.HasExited then
                running.Kill true

            for socket in [ shell; control; stdin; iopub; heartbeat ] do
                (socket :> IDisposable).Dispose()

            (context :> IDisposable).Dispose()
            running.Dispose()
            folder.Delete true
