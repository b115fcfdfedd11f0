namespace GapLab.Workbench

open System
open System.Globalization
open System.IO
open CsvHelper
open GapLab.Tensors

/// Frames as CSV. Numbers have all their digits, and texts that would read as something else are quoted, so that a frame comes back as it
/// was. A column of estimates or intervals takes several columns of the file: "L", "L [standard error]", "L [count]", "L [low]", "L [high]".
module internal FrameCsv =
    let private invariant = CultureInfo.InvariantCulture

    // ------------------------------------------------------------------------------------------------------------
    // Cells and fields

    /// An entry of a file: a quoted one is text whatever it looks like.
    [<Struct>]
    type private Field = { Text: string; Quoted: bool }

    let private bare text = { Text = text; Quoted = false }

    /// What a missing entry is called in a frame of one column, where an empty field would make an empty line.
    let private notAvailable = "NA"

    let private parse field =
        if field.Quoted then
            Text field.Text
        else
            match field.Text with
            | ""
            | "NA" -> Missing
            | text ->
                match Int64.TryParse(text, NumberStyles.AllowLeadingSign, invariant) with
                | true, value -> Integer value
                | _ ->
                    // A whole number of more digits is an identifier rather than a measurement: it stays as it is.
                    if text |> Seq.forall Char.IsAsciiDigit then
                        Text text
                    else
                        match Double.TryParse(text, NumberStyles.Float, invariant) with
                        | true, value -> Value value
                        | _ -> Text text

    let private textField text =
        let survives = parse (bare text) = Text text && text = text.Trim() && text[0] <> '#'
        { Text = text; Quoted = not survives }

    let private empty = bare ""

    let private part name (ofCell: Cell -> Field) = (name, ofCell)

    let private numberPart ofCell cell =
        match ofCell cell with
        | Some value -> bare (Cell.digits value)
        | None -> empty

    /// The columns of the file beside the first that a column of a frame may need.
    let private parts =
        [ part
              " [standard error]"
              (numberPart (function
                  | Estimate(_, error) -> Some error
                  | Averaged estimate -> estimate.StandardError
                  | _ -> None))
          part " [count]" (function
              | Averaged estimate -> bare (string estimate.Count)
              | _ -> empty)
          part
              " [low]"
              (numberPart (function
                  | Interval(_, low, _) -> Some low
                  | _ -> None))
          part
              " [high]"
              (numberPart (function
                  | Interval(_, _, high) -> Some high
                  | _ -> None)) ]

    let private mainField cell =
        match cell with
        | Missing -> empty
        | Text text -> textField text
        | Integer value -> bare (value.ToString invariant)
        | Value value
        | Estimate(value, _)
        | Averaged { Mean = value }
        | Interval(value, _, _) -> bare (Cell.digits value)

    // ------------------------------------------------------------------------------------------------------------
    // Writing

    /// The columns of the file for one column of a frame.
    let private fileColumns (name: string) (cells: Cell array) =
        [ yield textField name, Array.map mainField cells
          for suffix, ofCell in parts do
              let fields = Array.map ofCell cells

              if fields |> Array.exists (fun field -> field <> empty) then
                  yield textField (name + suffix), fields ]

    let write (frame: Frame) (writer: TextWriter) =
        for name in frame.Names do
            for suffix, _ in parts do
                if Array.contains (name + suffix) frame.Names then
                    raise (
                        GapLabException
                            $"The frame cannot be written as CSV: column '{name}{suffix}' would be read back as a part of column '{name}'; rename one of them."
                    )

        let columns = List.map2 fileColumns (List.ofArray frame.Names) (List.ofArray frame.Columns) |> List.concat
        let single = List.length columns = 1
        use csv = CsvWriter.Create(writer, CsvWriterOptions(NewLine = "\n"), leaveOpen = true)

        let write (field: Field) =
            let quoting = if field.Quoted then CsvQuoting.Always else CsvQuoting.WhenNeeded
            csv.WriteField((if single && field = empty then notAvailable else field.Text), quoting)

        if not columns.IsEmpty then
            columns |> List.iter (fst >> write)
            csv.EndRecord()

            for row in 0 .. frame.Rows - 1 do
                columns |> List.iter (fun (_, fields) -> write fields[row])
                csv.EndRecord()

    // ------------------------------------------------------------------------------------------------------------
    // Reading

    let private options =
        CsvReaderOptions(
            HasHeader = false,
            Separator = Nullable ',',
            CommentPrefix = Nullable '#',
            MalformedData = CsvMalformedDataHandling.Throw,
            // A quote that is never closed ends here rather than with the memory.
            MaxRecordSize = Nullable(1 <<< 24),
            TrackLineNumbers = true
        )

    let private records (file: string) (reader: TextReader) =
        let refuse (line: int64) problem =
            raise (GapLabException $"The file '{file}' is not a CSV table: line {line} {problem}.")

        use csv = CsvReader.Create(reader, options, leaveOpen = true)
        let records = ResizeArray<Field array>()

        let field index =
            let raw = csv.GetRawSpan index

            { Text = csv.GetString index; Quoted = raw.Length > 0 && raw[0] = byte '"' }

        try
            while csv.Read() do
                if records.Count > 0 && csv.FieldCount <> records[0].Length then
                    refuse
                        csv.LineNumber
                        $"has {csv.FieldCount} fields, but the header names {records[0].Length} columns"

                records.Add(Array.init csv.FieldCount field)
        with :? CsvFormatException as e ->
            refuse e.LineNumber "has a quote in the middle of a field, or one that is never closed"

        records

    /// Joins an estimate's or interval's parts, as `write` took them apart; cells of a column that is none stay as they are.
    let private rejoin (cell: Cell) (part: string -> Cell) =
        match Cell.number cell, part " [standard error]", part " [count]", part " [low]", part " [high]" with
        | Some mean, error, Integer count, _, _ ->
            Averaged { Mean = mean; StandardError = Cell.number error; Count = int count }
        | Some value, _, _, low, high when low <> Missing && high <> Missing ->
            match Cell.number low, Cell.number high with
            | Some low, Some high -> Interval(value, low, high)
            | _ -> cell
        | Some value, error, _, _, _ ->
            match Cell.number error with
            | Some error -> Estimate(value, error)
            | None -> cell
        | None, _, _, _, _ -> cell

    /// The columns of a file; `file` names it in errors.
    let read (file: string) (reader: TextReader) : (string * Cell array) list =
        let records = records file reader

        if records.Count = 0 then
            raise (GapLabException $"The file '{file}' is empty; a table starts with a line that names its columns.")

        let names = records[0] |> Array.map _.Text

        match names |> Array.countBy id |> Array.tryFind (fun (_, count) -> count > 1) with
        | Some(name, _) ->
            raise (GapLabException $"The file '{file}' names column '{name}' twice; every column needs its own name.")
        | None -> ()

        let cells column = Array.init (records.Count - 1) (fun row -> parse records[row + 1].[column])

        let isPart (name: string) =
            parts
            |> List.exists (fun (suffix, _) ->
                name.EndsWith(suffix, StringComparison.Ordinal)
                && Array.contains (name.Substring(0, name.Length - suffix.Length)) names)

        let column name = Array.IndexOf(names, name)

        [ for name in names do
              if not (isPart name) then
                  let found =
                      parts
                      |> List.choose (fun (suffix, _) ->
                          match column (name + suffix) with
                          | -1 -> None
                          | index -> Some(suffix, cells index))

                  let ofRow row cell =
                      rejoin cell (fun suffix ->
                          match List.tryFind (fun (known, _) -> known = suffix) found with
                          | Some(_, cells) -> cells[row]
                          | None -> Missing)

                  let main = cells (column name)
                  yield name, (if found.IsEmpty then main else Array.mapi ofRow main) ]
