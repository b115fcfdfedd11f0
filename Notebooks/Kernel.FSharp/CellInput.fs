namespace GapLab.Notebooks

open System.IO

/// Stdin of cells: every line is asked for in the notebook.
[<Sealed>]
type internal CellInput(ask: unit -> string) =
    inherit TextReader()

    let mutable rest = ""

    let take count =
        let taken = rest.Substring(0, count)
        rest <- rest.Substring count
        taken

    override _.Peek() = if rest = "" then -1 else int rest[0]

    override _.Read() =
        if rest = "" then
            rest <- ask () + "\n"

        int (take 1).[0]

    override _.Read(buffer: char array, index: int, count: int) =
        if rest = "" then
            rest <- ask () + "\n"

        let taken = take (min count rest.Length)
        taken.CopyTo(0, buffer, index, taken.Length)
        taken.Length

    override _.ReadLine() =
        if rest = "" then
            ask ()
        else
            let line = take rest.Length
            line.TrimEnd '\n'
