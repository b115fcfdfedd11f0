namespace GapLab.Notebooks

open System
open System.IO
open System.Text
open System.Threading

/// Stdout or stderr of cells: collects what is written and hands it on in pieces, twenty times a second or when one is full. It is written to by any
/// thread; `beforeWrite` may throw to stop one.
[<Sealed>]
type internal CellOutput(publish: string -> unit, beforeWrite: unit -> unit) =
    inherit TextWriter()

    static let fullPiece = 32_768
    static let interval = 50

    let text = StringBuilder()
    // Held while a piece is taken and handed on, so that pieces keep their order.
    let gate = obj ()

    let flush () =
        lock gate (fun () ->
            let mutable start = 0

            while start < text.Length do
                let mutable size = min fullPiece (text.Length - start)

                // A character of two halves is not divided.
                if start + size < text.Length && Char.IsHighSurrogate text[start + size - 1] then
                    size <- size - 1

                publish (text.ToString(start, size))
                start <- start + size

            text.Clear() |> ignore)

    let timer = new Timer((fun _ -> flush ()), null, interval, interval)

    let append (write: StringBuilder -> unit) =
        beforeWrite ()

        lock gate (fun () ->
            write text

            if text.Length >= fullPiece then
                flush ())

    override _.Encoding = Encoding.UTF8

    override _.Write(c: char) = append (fun text -> text.Append c |> ignore)

    override _.Write(value: string) = append (fun text -> text.Append value |> ignore)

    override _.Write(buffer: char array, index: int, count: int) =
        append (fun text -> text.Append(buffer, index, count) |> ignore)

    override _.WriteLine(value: string) = append (fun text -> text.Append(value).Append '\n' |> ignore)

    override _.WriteLine() = append (fun text -> text.Append '\n' |> ignore)

    /// Hands on what has been written so far.
    override _.Flush() = flush ()

    override _.Dispose(disposing: bool) =
        timer.Dispose()
        flush ()
        base.Dispose disposing
