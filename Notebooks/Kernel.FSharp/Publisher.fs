namespace GapLab.Notebooks

open System
open System.Collections.Concurrent
open System.Text
open System.Text.Json.Nodes
open System.Threading

/// What everyone who looks at a notebook sees: one thread sends, in the order in which messages were handed over, so that a cell
/// that is stopped at any moment never leaves half a message on the socket.
[<Sealed>]
type internal Publisher(socket: Socket, key: byte array) =
    // A cell that writes faster than the messages leave has to wait.
    let queue = new BlockingCollection<Message>(1024)

    let send () =
        for message in queue.GetConsumingEnumerable() do
            socket.Send(Message.toFrames key message)

        (socket :> IDisposable).Dispose()

    let thread = Thread(send, IsBackground = true, Name = "Jupyter iopub")
    do thread.Start()

    /// Hands a message over, as part of what a request brought about.
    member _.Send(kind: string, parent: JsonObject, content: JsonObject) =
        queue.Add(Message.create [ Encoding.UTF8.GetBytes kind ] kind parent content)

    /// Whether the kernel is busy with a request.
    member publisher.Status(state: string, parent: JsonObject) =
        publisher.Send("status", parent, Json.object [ "execution_state", Json.string state ])

    /// Sends what is left and closes the socket.
    member _.Finish() =
        queue.CompleteAdding()
        thread.Join(TimeSpan.FromSeconds 5.) |> ignore
