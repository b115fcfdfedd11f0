namespace GapLab.Workbench

open System
open GapLab.Tensors

/// An immutable table of named columns, all of the same length; every entry is a `Cell`. The module of the same name makes and transforms
/// frames. Two frames are equal if they have the same columns in the same order with the same cells (but NaN equals nothing).
type Frame =
    internal
        { Names: string array
          Columns: Cell array array
          Rows: int }

    /// The names of the columns, in order.
    member frame.ColumnKeys = List.ofArray frame.Names

    /// The number of rows.
    member frame.RowCount = frame.Rows

    /// The position of a column; a GapLabException names those that exist if there is none of that name.
    member internal frame.IndexOf(column: string) =
        match Array.IndexOf(frame.Names, column) with
        | -1 ->
            let known =
                match frame.Names with
                | [||] -> "it has no columns"
                | names -> "its columns are " + (names |> Array.map (sprintf "'%s'") |> String.concat ", ")

            raise (GapLabException $"The frame has no column '{column}': {known}.")
        | index -> index

    /// The cells of a column.
    member internal frame.Cells column = frame.Columns[frame.IndexOf column]

/// One row of a frame.
[<Struct>]
type Row internal (frame: Frame, index: int) =
    /// The cell of a column; a GapLabException says so if there is no such column.
    member _.Item
        with get (column: string): Cell = (frame.Cells column)[index]

    /// The entry of a column as a value: see `Frame.col` for the types. A GapLabException says so if the entry is not of that type.
    member row.GetAs<'T>(column: string) : 'T = Row.Convert(Cell.reader<'T>(), column, index, row[column])

    static member internal Convert<'T>(read: Cell -> 'T voption, column: string, row: int, cell: Cell) : 'T =
        match read cell with
        | ValueSome value -> value
        | ValueNone ->
            let wanted = typeof<'T>.Name

            let problem =
                match cell with
                | Missing -> $"has no entry in row {row + 1}: take it as an option of {wanted}, or filter such rows out"
                | _ -> $"holds '{Cell.name cell}' in row {row + 1}, which is no {wanted}"

            raise (GapLabException $"Column '{column}' {problem}.")

/// Which rows a join keeps.
type JoinKind =
    /// Rows whose key is in both frames.
    | Inner = 0
    /// All rows of the left frame.
    | Left = 1
    /// All rows of both frames.
    | Outer = 2

/// `"name" => values`, a column for `Frame.ofColumns`.
[<AutoOpen>]
module FrameOperators =
    /// A named column of values: numbers, texts, bools, estimates, cells, or options of these.
    let (=>) (name: string) (values: 'T seq) : string * Cell array =
        name, values |> Seq.map (fun value -> Cell.ofObject $"A value of column '{name}'" (box value)) |> Seq.toArray
