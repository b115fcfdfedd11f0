namespace GapLab.Notebooks

open System
open System.Reflection
open System.Runtime.InteropServices
open Microsoft.FSharp.NativeInterop
open GapLab.Tensors

#nowarn "9" // Memory of messages is read by pointer.
#nowarn "51"

/// The functions of libzmq that a kernel needs.
module internal ZeroMqLibrary =
    [<Literal>]
    let private Name = "gaplab-libzmq"

    let private names =
        [ "libzmq.so.5"
          "libzmq.so"
          "libzmq.5.dylib"
          "libzmq.dylib"
          "/opt/homebrew/lib/libzmq.5.dylib"
          "/usr/local/lib/libzmq.5.dylib"
          "libzmq.dll"
          "libzmq-v143-mt-4_3_5.dll" ]

    /// Loads the first library of these names.
    let load (names: string list) =
        let tryLoad (name: string) =
            match NativeLibrary.TryLoad(name, Assembly.GetExecutingAssembly(), Nullable()) with
            | true, handle -> Some handle
            | _ -> None

        match List.tryPick tryLoad names with
        | Some handle -> handle
        | None ->
            raise (
                GapLabException
                    "Notebooks need the library libzmq, which is not installed: install it (Debian and Ubuntu: 'apt-get install libzmq5'; macOS: 'brew install zeromq'; Windows: put libzmq.dll on PATH)."
            )

    let private handle = lazy (load names)

    do
        NativeLibrary.SetDllImportResolver(
            Assembly.GetExecutingAssembly(),
            DllImportResolver(fun name _ _ -> if name = Name then handle.Value else 0n)
        )

    /// Fails with one sentence if the library is not installed.
    let check () = handle.Force() |> ignore

    [<DllImport(Name)>]
    extern nativeint zmq_ctx_new()

    [<DllImport(Name)>]
    extern int zmq_ctx_term(nativeint context)

    [<DllImport(Name)>]
    extern nativeint zmq_socket(nativeint context, int kind)

    [<DllImport(Name)>]
    extern int zmq_close(nativeint socket)

    [<DllImport(Name)>]
    extern int zmq_bind(nativeint socket, string address)

    [<DllImport(Name)>]
    extern int zmq_connect(nativeint socket, string address)

    [<DllImport(Name)>]
    extern int zmq_setsockopt(nativeint socket, int option, nativeint value, unativeint size)

    [<DllImport(Name)>]
    extern int zmq_send(nativeint socket, byte[] data, unativeint size, int flags)

    [<DllImport(Name)>]
    extern int zmq_msg_init(nativeint message)

    [<DllImport(Name)>]
    extern int zmq_msg_recv(nativeint message, nativeint socket, int flags)

    [<DllImport(Name)>]
    extern nativeint zmq_msg_data(nativeint message)

    [<DllImport(Name)>]
    extern unativeint zmq_msg_size(nativeint message)

    [<DllImport(Name)>]
    extern int zmq_msg_more(nativeint message)

    [<DllImport(Name)>]
    extern int zmq_msg_close(nativeint message)

    [<DllImport(Name)>]
    extern int zmq_errno()

    [<DllImport(Name)>]
    extern nativeint zmq_strerror(int number)

/// The kinds of sockets that kernels and their clients use; the numbers are libzmq's.
type internal SocketKind =
    | Publish = 1
    | Subscribe = 2
    | Request = 3
    | Reply = 4
    | Dealer = 5
    | Router = 6

/// A socket of messages of several frames. Each socket belongs to one thread.
[<Sealed>]
type internal Socket(context: nativeint, kind: SocketKind) =
    // Largest frame that is taken; the connection of a peer that sends a larger one is closed by libzmq.
    static let largestFrame = 64L <<< 20

    // Frames beyond these are read and thrown away.
    static let mostFrames = 256

    static let interruptedCall = 4 // EINTR: a signal came meanwhile

    static let fail action =
        let reason = Marshal.PtrToStringUTF8(ZeroMqLibrary.zmq_strerror (ZeroMqLibrary.zmq_errno ()))
        raise (GapLabException $"A socket of the notebook cannot {action}: {reason}.")

    let handle = ZeroMqLibrary.zmq_socket (context, int kind)

    let check action result =
        if result < 0 then
            fail action

    let set option (value: int) =
        let mutable value = value
        check "be set up" (ZeroMqLibrary.zmq_setsockopt (handle, option, NativePtr.toNativeInt &&value, 4un))

    do
        if handle = 0n then
            fail "be made"

        let mutable most = largestFrame
        check "be set up" (ZeroMqLibrary.zmq_setsockopt (handle, 22, NativePtr.toNativeInt &&most, 8un))
        set 17 1000 // LINGER: at the end the last messages get this many milliseconds to leave
        set 23 0 // SNDHWM: without a limit, beyond which a publisher would drop messages
        set 27 200 // RCVTIMEO, in milliseconds, so that a thread that waits can be asked to end

        if kind = SocketKind.Router then
            // ROUTER_HANDOVER: a client that connects again may take its identity along.
            set 56 1

    /// Takes a place of its own, such as tcp://127.0.0.1:5555.
    member _.Bind(address: string) = check $"take the address {address}" (ZeroMqLibrary.zmq_bind (handle, address))

    /// Connects to a place that another socket has or will have taken.
    member _.Connect(address: string) = check $"connect to {address}" (ZeroMqLibrary.zmq_connect (handle, address))

    /// The name by which a router knows this socket; before it connects.
    member _.Name(name: byte array) =
        use pinned = fixed name

        check
            "take a name"
            (ZeroMqLibrary.zmq_setsockopt (handle, 5, NativePtr.toNativeInt pinned, unativeint name.Length))

    /// Asks a publisher for everything.
    member _.SubscribeAll() = check "subscribe" (ZeroMqLibrary.zmq_setsockopt (handle, 6, 0n, 0un))

    /// Sends the frames of one message.
    member _.Send(frames: byte array seq) =
        let frames = Seq.toArray frames

        for i in 0 .. frames.Length - 1 do
            let more = if i < frames.Length - 1 then 2 else 0

            let rec send () =
                if ZeroMqLibrary.zmq_send (handle, frames[i], unativeint frames[i].Length, more) < 0 then
                    if ZeroMqLibrary.zmq_errno () = interruptedCall then send () else fail "send"

            send ()

    /// The frames of the next message; None if none came within a fifth of a second.
    member _.TryReceive() : byte array list option =
        let message = Marshal.AllocHGlobal 64

        try
            let frame () =
                ZeroMqLibrary.zmq_msg_init message |> ignore

                if ZeroMqLibrary.zmq_msg_recv (message, handle, 0) < 0 then
                    match ZeroMqLibrary.zmq_errno () with
                    | error when error = interruptedCall || error = 11 || error = 35 -> None // EAGAIN has two numbers
                    | _ -> fail "receive"
                else
                    let bytes: byte array = Array.zeroCreate (int (ZeroMqLibrary.zmq_msg_size message))
                    Marshal.Copy(ZeroMqLibrary.zmq_msg_data message, bytes, 0, bytes.Length)
                    let more = ZeroMqLibrary.zmq_msg_more message <> 0
                    ZeroMqLibrary.zmq_msg_close message |> ignore
                    Some(bytes, more)

            let rec rest frames count =
                match frame () with
                | Some(bytes, more) ->
                    let frames = if count < mostFrames then bytes :: frames else frames
                    if more then rest frames (count + 1) else frames
                // The frames of a message come together.
                | None -> rest frames count

            match frame () with
            | None -> None
            | Some(bytes, false) -> Some [ bytes ]
            | Some(bytes, true) -> Some(List.rev (rest [ bytes ] 1))
        finally
            Marshal.FreeHGlobal message

    interface IDisposable with
        member _.Dispose() = ZeroMqLibrary.zmq_close handle |> ignore

/// What the sockets of a process share; ends when all of them are closed.
[<Sealed>]
type internal SocketContext() =
    let handle =
        ZeroMqLibrary.check ()
        ZeroMqLibrary.zmq_ctx_new ()

    /// A new socket.
    member _.Open kind = new Socket(handle, kind)

    interface IDisposable with
        member _.Dispose() = ZeroMqLibrary.zmq_ctx_term handle |> ignore
