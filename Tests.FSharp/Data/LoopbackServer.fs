/// An HTTP server on 127.0.0.1 that answers as badly as a test wants.
module GapLab.Tests.Data.LoopbackServer

open System
open System.Collections.Concurrent
open System.IO
open System.Net
open System.Net.Sockets
open System.Text
open System.Threading
open System.Threading.Tasks

/// What a client asked for: the path, the first byte of its Range, its If-Range.
type Request = { Path: string; From: int option; IfRange: string option }

/// Reads a request's head; None if the client went away.
let private readRequest (stream: Stream) =
    let head = StringBuilder()
    let buffer = [| 0uy |]
    let mutable isOpen = true

    while isOpen && not (head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal)) do
        isOpen <- stream.Read(buffer, 0, 1) = 1
        head.Append(char buffer[0]) |> ignore

    if not isOpen then
        None
    else
        let lines = head.ToString().Split("\r\n")

        let field (name: string) =
            lines
            |> Array.tryFind (fun line -> line.StartsWith(name + ": ", StringComparison.OrdinalIgnoreCase))
            |> Option.map (fun line -> line.Substring(name.Length + 2))

        Some
            { Path = lines[0].Split(' ')[1]
              From = field "Range" |> Option.map (fun range -> int (range.Replace("bytes=", "").TrimEnd '-'))
              IfRange = field "If-Range" }

/// A running server: every request is recorded and handed to `answer` with the stream to write to; the connection is closed afterwards.
type Server(answer: Request -> Stream -> unit) =
    let listener = new TcpListener(IPAddress.Loopback, 0)
    let requests = ConcurrentQueue<Request>()

    let serve (client: TcpClient) =
        use client = client
        use stream = client.GetStream()

        try
            match readRequest stream with
            | Some request ->
                requests.Enqueue request
                answer request stream
            | None -> ()
        with
        | :? IOException
        | :? ObjectDisposedException -> () // The client has had enough.

    let rec accept () =
        task {
            let! client = listener.AcceptTcpClientAsync()

            // A thread of its own: answers that stall would keep pool threads, and the client, waiting.
            Task.Factory.StartNew((fun () -> serve client), TaskCreationOptions.LongRunning) |> ignore

            return! accept ()
        }

    do
        listener.Start()
        accept () |> ignore

    member _.Address = $"http://127.0.0.1:{(listener.LocalEndpoint :?> IPEndPoint).Port}/"

    member _.Requests = requests.ToArray() |> Array.toList

    interface IDisposable with
        member _.Dispose() = listener.Stop()

let head (status: int) (fields: (string * string) list) (stream: Stream) =
    let lines =
        $"HTTP/1.1 {status} Status" :: [ for name, value in fields -> $"{name}: {value}" ]
        @ [ "Connection: close"; ""; "" ]

    stream.Write(ReadOnlySpan(Encoding.ASCII.GetBytes(String.concat "\r\n" lines)))

let body (bytes: byte[]) (stream: Stream) = stream.Write(ReadOnlySpan bytes)

/// The whole content with its length.
let whole (content: byte[]) (_: Request) (stream: Stream) =
    head 200 [ "Content-Length", string content.Length ] stream
    body content stream

let status (code: int) (_: Request) (stream: Stream) = head code [ "Content-Length", "0" ] stream

/// As a good server does it: honours Range if If-Range names this version, 416 beyond the end.
let ranged (tag: string) (content: byte[]) (request: Request) (stream: Stream) =
    let mark = [ "ETag", $"\"{tag}\""; "Accept-Ranges", "bytes" ]

    match request.From with
    | Some first when request.IfRange |> Option.forall ((=) $"\"{tag}\"") ->
        if first >= content.Length then
            head 416 [ "Content-Range", $"bytes */{content.Length}"; "Content-Length", "0" ] stream
        else
            let rest = content[first..]
            let range = $"bytes {first}-{content.Length - 1}/{content.Length}"
            head 206 ([ "Content-Range", range; "Content-Length", string rest.Length ] @ mark) stream
            body rest stream
    | _ ->
        head 200 (("Content-Length", string content.Length) :: mark) stream
        body content stream

/// Promises everything and breaks off after some bytes.
let breaksOff (after: int) (tag: string) (content: byte[]) (_: Request) (stream: Stream) =
    head 200 [ "Content-Length", string content.Length; "ETag", $"\"{tag}\"" ] stream
    body content[.. after - 1] stream

/// One answer after the other; the last one for ever.
let inTurn (answers: (Request -> Stream -> unit) list) =
    let mutable turn = -1
    fun request stream -> answers[min (Interlocked.Increment &turn) (answers.Length - 1)] request stream
