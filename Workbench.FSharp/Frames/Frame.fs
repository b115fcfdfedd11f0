namespace GapLab.Workbench

open System
open System.Collections.Generic
open System.Linq
open System.IO
open System.Text
open FSharp.Reflection
open GapLab.Tensors

/// Tables of named columns, in Deedle's vocabulary. Every function gives a new frame; a column that does not exist, or whose entries are not
/// of the wanted type, is a GapLabException that names what there is.
[<CompilationRepresentation(CompilationRepresentationFlags.ModuleSuffix)>]
module Frame =
    let private fail sentence : 'a = raise (GapLabException sentence)

    let private create (columns: (string * Cell array) array) =
        match columns |> Array.countBy fst |> Array.tryFind (fun (_, count) -> count > 1) with
        | Some(name, _) -> fail $"A frame cannot have two columns named '{name}'."
        | None -> ()

        let rows =
            match columns with
            | [||] -> 0
            | _ -> (snd columns[0]).Length

        for name, cells in columns do
            if cells.Length <> rows then
                fail
                    $"The columns of a frame are equally long, but '{fst columns[0]}' has {rows} entries and '{name}' {cells.Length}."

        { Names = Array.map fst columns; Columns = Array.map snd columns; Rows = rows }

    let private select (rows: int array) (frame: Frame) =
        { frame with
            Columns = frame.Columns |> Array.map (fun cells -> rows |> Array.map (fun row -> cells[row]))
            Rows = rows.Length }

    // ------------------------------------------------------------------------------------------------------------
    // Making frames

    /// A frame of columns made with `=>`: `Frame.ofColumns [ "samples" => [ 1; 10 ]; "bound" => [ -90.1; -89.5 ] ]`.
    let ofColumns (columns: (string * Cell array) seq) = create (Seq.toArray columns)

    /// A frame with the given column names and rows of cells.
    let ofRows (columns: string seq) (rows: #seq<Cell> seq) =
        let names = Seq.toArray columns
        let rows = rows |> Seq.map Seq.toArray |> Seq.toArray

        rows
        |> Array.iteri (fun i row ->
            if row.Length <> names.Length then
                fail $"Row {i + 1} has {row.Length} cells, but there are {names.Length} columns.")

        { create (names |> Array.mapi (fun i name -> name, rows |> Array.map (fun row -> row[i]))) with
            Rows = rows.Length }

    /// A frame of records or anonymous records, with a column for each field. Fields are numbers, texts, bools, estimates, gaps, bounds,
    /// enumerations, cases without fields, cells, or options of these; None becomes a missing entry.
    let ofRecords (records: 'T seq) =
        let kind = typeof<'T>

        if not (FSharpType.IsRecord(kind, true)) then
            fail $"Frame.ofRecords takes records, but {kind.Name} is none."

        let read = FSharpValue.PreComputeRecordReader(kind, true)
        let rows = records |> Seq.map (box >> read) |> Seq.toArray

        FSharpType.GetRecordFields(kind, true)
        |> Array.mapi (fun i field ->
            field.Name, rows |> Array.map (fun row -> Cell.ofObject $"Field '{field.Name}' of {kind.Name}" row[i]))
        |> create

    // ------------------------------------------------------------------------------------------------------------
    // Looking into frames

    /// The names of the columns, in order.
    let columnKeys (frame: Frame) = frame.ColumnKeys

    /// The number of rows.
    let rowCount (frame: Frame) = frame.RowCount

    /// The rows, in order.
    let rows (frame: Frame) : Row seq = Seq.init frame.RowCount (fun i -> Row(frame, i))

    /// The cells of a column.
    let getColumn (column: string) (frame: Frame) : Cell array = Array.copy (frame.Cells column)

    /// A column as values: float, float32, int, int64, uint64, bool, string, Estimate or Cell. As an option of these, missing entries are
    /// None; otherwise they are errors. float takes the number of an estimate or interval, string takes any entry's text.
    let col<'T> (column: string) (frame: Frame) : 'T array =
        let read = Cell.reader<'T>()
        frame.Cells column |> Array.mapi (fun row cell -> Row.Convert(read, column, row, cell))

    // ------------------------------------------------------------------------------------------------------------
    // Transforming frames

    /// The frame with some of its columns, in the given order.
    let sliceCols (columns: string seq) (frame: Frame) =
        columns |> Seq.map (fun column -> column, frame.Cells column) |> Seq.toArray |> create

    /// The frame with a column renamed.
    let renameCol (column: string) (name: string) (frame: Frame) =
        let index = frame.IndexOf column
        create (Array.zip (Array.updateAt index name frame.Names) frame.Columns)

    /// The rows that satisfy a condition, such as `fun row -> row.GetAs<int> "samples" > 10`.
    let filterRows (condition: Row -> bool) (frame: Frame) =
        select (Array.filter (fun i -> condition (Row(frame, i))) [| 0 .. frame.Rows - 1 |]) frame

    let private setColumn column (cells: Cell array) (frame: Frame) =
        match Array.IndexOf(frame.Names, column) with
        | -1 -> create [| yield! Array.zip frame.Names frame.Columns; (column, cells) |]
        | index -> { frame with Columns = Array.updateAt index cells frame.Columns }

    let private cellOf column value = Cell.ofObject $"A value of column '{column}'" (box value)

    /// The frame with a function applied to each value of a column.
    let mapCol (column: string) (f: 'T -> 'U) (frame: Frame) =
        setColumn column (col<'T> column frame |> Array.map (f >> cellOf column)) frame

    /// The frame with one more column, computed from each row; a column of that name is replaced.
    let addCol (column: string) (f: Row -> 'T) (frame: Frame) =
        let cells = Array.init frame.Rows (fun i -> cellOf column (f (Row(frame, i))))
        setColumn column cells frame

    /// Numbers in ascending order, then NaN, then texts in the order of their characters, then missing entries.
    let private order =
        Comparer.Create(fun (a: Cell) (b: Cell) ->
            let rank cell =
                match cell with
                | Missing -> 3
                | Text _ -> 2
                | _ -> if Double.IsNaN (Cell.number cell).Value then 1 else 0

            match a, b with
            | Text a, Text b -> String.CompareOrdinal(a, b)
            | Integer a, Integer b -> compare a b
            | _ when rank a = 0 && rank b = 0 -> compare (Cell.number a).Value (Cell.number b).Value
            | _ -> compare (rank a) (rank b))

    /// The rows in ascending order of a column: numbers, then texts, then missing entries; equal ones stay in their order.
    let sortBy (column: string) (frame: Frame) =
        let cells = frame.Cells column
        select (Seq.toArray ([| 0 .. frame.Rows - 1 |].OrderBy((fun i -> cells[i]), order))) frame

    /// The rows of the first frame, then those of the second. A column that one of them lacks is missing in its rows.
    let append (first: Frame) (second: Frame) =
        let cells (frame: Frame) name =
            match Array.IndexOf(frame.Names, name) with
            | -1 -> Array.create frame.Rows Missing
            | index -> frame.Columns[index]

        { create
              [| for name in Array.append first.Names second.Names |> Array.distinct ->
                     name, Array.append (cells first name) (cells second name) |] with
            Rows = first.Rows + second.Rows }

    // ------------------------------------------------------------------------------------------------------------
    // Groups

    let private keyOf (columns: Cell array array) row =
        columns |> Array.map (fun cells -> Cell.key cells[row]) |> List.ofArray

    /// The rows of each key, in the order of first appearance.
    let private groups (keys: string seq) (frame: Frame) =
        let columns = keys |> Seq.map frame.Cells |> Seq.toArray
        let found = Dictionary<Cell list, ResizeArray<int>>()
        let groups = ResizeArray<ResizeArray<int>>()

        for row in 0 .. frame.Rows - 1 do
            let key = keyOf columns row

            match found.TryGetValue key with
            | true, rows -> rows.Add row
            | _ ->
                let rows = ResizeArray [ row ]
                found.Add(key, rows)
                groups.Add rows

        groups |> Seq.map _.ToArray() |> Seq.toArray

    /// The rows that agree in some columns, as frames with their common entries in these columns, in the order of first appearance. The
    /// numbers 1 and 1.0 agree; so do missing entries.
    let groupBy (keys: string list) (frame: Frame) : (Cell list * Frame) list =
        [ for rows in groups keys frame -> [ for key in keys -> (frame.Cells key)[rows[0]] ], select rows frame ]

    /// One row for each group: its keys, and named values computed from the group's frame.
    let aggregate (keys: string list) (values: (string * (Frame -> Cell)) list) (frame: Frame) =
        let names = keys @ List.map fst values

        groupBy keys frame
        |> List.map (fun (key, group) -> key @ [ for _, value in values -> value group ])
        |> ofRows names

    /// One row for each group: its keys, and of each value column the mean with its standard error over the group's rows, which are
    /// repetitions such as seeds (see `Estimate.ofValues`). Missing entries do not count; a group without any has a missing mean.
    let meanBy (keys: string list) (values: string list) (frame: Frame) =
        let mean column (group: Frame) =
            let read = Cell.reader<float option>()

            let numbers =
                group.Cells column
                |> Array.mapi (fun row cell -> Row.Convert(read, column, row, cell))
                |> Array.choose id

            if Array.isEmpty numbers then Missing else Averaged(Estimate.ofValues numbers)

        aggregate keys [ for column in values -> column, mean column ] frame

    /// A table with a row for each entry of column `row`, a column for each entry of column `column`, both in the order of first appearance,
    /// and entries from column `value`. What does not occur is missing; what occurs twice is an error.
    let pivot (row: string) (column: string) (value: string) (frame: Frame) =
        let lefts, heads, values = frame.Cells row, frame.Cells column, frame.Cells value
        let entries = Dictionary<struct (Cell * Cell), Cell>()

        for i in 0 .. frame.Rows - 1 do
            if not (entries.TryAdd(struct (Cell.key lefts[i], Cell.key heads[i]), values[i])) then
                fail
                    $"The frame has two rows with {row} = {Cell.name lefts[i]} and {column} = {Cell.name heads[i]}: average them first, as with Frame.meanBy, or keep one."

        let distinct name (cells: Cell array) = groups [ name ] frame |> Array.map (fun rows -> cells[rows[0]])

        let entry head left =
            match entries.TryGetValue(struct (Cell.key left, Cell.key head)) with
            | true, cell -> cell
            | _ -> Missing

        let distinctLefts = distinct row lefts

        create
            [| yield row, distinctLefts
               for head in distinct column heads do
                   yield Cell.name head, distinctLefts |> Array.map (entry head) |]

    /// Puts rows of two frames that agree in the key columns side by side, in the order of the left frame, then of the right. A key that
    /// occurs several times is combined with each of its partners; entries without a partner are missing. Other columns must have
    /// different names.
    let join (kind: JoinKind) (keys: string list) (left: Frame) (right: Frame) =
        if keys.IsEmpty then
            fail "A join needs at least one key column."

        let rest (frame: Frame) = frame.Names |> Array.filter (fun name -> not (List.contains name keys))

        for name in rest left do
            if Array.contains name (rest right) then
                fail
                    $"Both frames of the join have a column '{name}', which is no key: rename one with Frame.renameCol."

        let keyColumns (frame: Frame) = keys |> List.map frame.Cells |> List.toArray
        let leftKeys, rightKeys = keyColumns left, keyColumns right
        let partners = Dictionary<Cell list, ResizeArray<int>>()

        for row in 0 .. right.Rows - 1 do
            let key = keyOf rightKeys row

            match partners.TryGetValue key with
            | true, rows -> rows.Add row
            | _ -> partners.Add(key, ResizeArray [ row ])

        let met = Array.create right.Rows false

        let pairs =
            [| for row in 0 .. left.Rows - 1 do
                   match partners.TryGetValue(keyOf leftKeys row) with
                   | true, others ->
                       for other in others do
                           met[other] <- true
                           struct (row, other)
                   | _ when kind <> JoinKind.Inner -> struct (row, -1)
                   | _ -> ()

               if kind = JoinKind.Outer then
                   for other in 0 .. right.Rows - 1 do
                       if not met[other] then
                           struct (-1, other) |]

        let cell (cells: Cell array) row = if row < 0 then Missing else cells[row]

        let key name (struct (row, other)) = if row >= 0 then (left.Cells name)[row] else (right.Cells name)[other]

        create
            [| for name in left.Names do
                   if List.contains name keys then
                       yield name, Array.map (key name) pairs
                   else
                       let cells = left.Cells name
                       yield name, pairs |> Array.map (fun (struct (row, _)) -> cell cells row)

               for name in rest right do
                   let cells = right.Cells name
                   yield name, pairs |> Array.map (fun (struct (_, other)) -> cell cells other) |]

    // ------------------------------------------------------------------------------------------------------------
    // Output

    /// The frame as CSV with all digits, which `readCsv` reads back as it was.
    let toCsv (frame: Frame) =
        use writer = new StringWriter()
        FrameCsv.write frame writer
        writer.ToString()

    /// The frame as a table in Markdown.
    let toMarkdown (frame: Frame) = FrameFormats.markdown frame

    /// The frame as a LaTeX tabular with the lines of the package booktabs.
    let toLatex (frame: Frame) = FrameFormats.latex frame

    /// The frame as an HTML table; cells of numbers have the class "number".
    let toHtml (frame: Frame) = FrameFormats.html frame

    /// Prints the frame on stdout; lines wrap at the edge of a terminal, but not in a file or pipe.
    let print (frame: Frame) = FrameFormats.print frame

    let private attempt verb (path: string) action =
        try
            action ()
        with
        | :? IOException
        | :? UnauthorizedAccessException
        | :? ArgumentException as e -> fail $"The file '{path}' cannot be {verb} ({e.Message.TrimEnd '.'})."

    /// Writes the frame as CSV with all digits; an existing file is replaced.
    let saveCsv (path: string) (frame: Frame) =
        let text = toCsv frame
        attempt "written" path (fun () -> File.WriteAllText(path, text))

    /// Reads a CSV file whose first line names the columns. Unquoted numbers are numbers, an empty field or NA is missing, all else is text,
    /// and lines that start with # are comments.
    let readCsv (path: string) =
        attempt "read" path (fun () ->
            use reader = new StreamReader(path, UTF8Encoding false)
            FrameCsv.read path reader |> List.toArray |> create)
