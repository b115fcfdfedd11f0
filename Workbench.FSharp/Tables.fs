namespace GapLab.Workbench

open System
open System.Globalization
open System.IO
open Spectre.Console

/// A table of results: a title, what the reader must know, and rows of a name and one cell for each column.
type ResultTable =
    { Title: string
      Notes: string list
      Columns: string list
      Rows: (string * Cell list) list }

/// Number formats and output of tables.
module Tables =
    let private invariant = CultureInfo.InvariantCulture

    /// Nats with two decimals.
    let nats = Cell.nats

    /// A cell as it is read: -89.80 ± 0.12, or 1.43 [1.31, 1.56].
    let format = Cell.format

    /// The file formats that `write` knows.
    let private writers: (string * (ResultTable -> string)) list =
        let csvField (text: string) =
            if text.IndexOfAny [| ','; '"'; '\n' |] >= 0 then
                "\"" + text.Replace("\"", "\"\"") + "\""
            else
                text

        let number (value: float) = value.ToString("R", invariant)

        // One line for each cell, all digits.
        let csvLine row (column, cell) =
            let numbers =
                match cell with
                | Missing
                | Text _ -> [ ""; ""; ""; "" ]
                | Integer value -> [ string value; ""; ""; "" ]
                | Value value
                | Averaged { Mean = value; StandardError = None } -> [ number value; ""; ""; "" ]
                | Estimate(value, error)
                | Averaged { Mean = value; StandardError = Some error } -> [ number value; number error; ""; "" ]
                | Interval(value, low, high) -> [ number value; ""; number low; number high ]

            [ row; column ] @ numbers @ [ format cell ] |> List.map csvField |> String.concat ","

        let csv table =
            [ for line in table.Title :: table.Notes do
                  yield "# " + line
              yield "row,column,value,standard_error,low,high,text"
              for name, cells in table.Rows do
                  for column in List.zip table.Columns cells do
                      yield csvLine name column ]
            |> String.concat "\n"

        let markdown table =
            let line cells =
                "| " + String.concat " | " (cells |> List.map (fun (cell: string) -> cell.Replace("|", "\\|"))) + " |"

            [ yield $"# {table.Title}"
              yield ""
              for note in table.Notes do
                  yield $"- {note}"
              yield ""
              yield line ("" :: table.Columns)
              yield line ("---" :: [ for _ in table.Columns -> "---:" ])
              for name, cells in table.Rows do
                  yield line (name :: List.map format cells) ]
            |> String.concat "\n"

        [ ".csv", csv; ".md", markdown ]

    /// Refuses a file that `write` could not write, before any work is done.
    let checkOutput (path: string) =
        let extension = (Path.GetExtension path).ToLowerInvariant()

        if not (List.exists (fun (known, _) -> known = extension) writers) then
            let known = writers |> List.map fst |> String.concat " or "
            Cli.fail $"The table cannot be written to '{path}': its name must end in {known}."

        let folder = Path.GetDirectoryName(Path.GetFullPath path)

        if not (Directory.Exists folder) then
            Cli.fail $"The table cannot be written to '{path}': the folder '{folder}' does not exist; create it first."

        if Directory.Exists path then
            Cli.fail $"The table cannot be written to '{path}': it is a folder; name a file in it."

        let isNew = not (File.Exists path)

        try
            use _ = File.OpenWrite path
            ()
        with
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            Cli.fail
                $"The table cannot be written to '{path}' ({e.Message.TrimEnd '.'}); choose another place with --out."

        if isNew then
            File.Delete path

    /// Writes a table in the format that the file's name ends in.
    let write (path: string) (table: ResultTable) =
        checkOutput path
        let _, render = writers |> List.find (fun (known, _) -> known = (Path.GetExtension path).ToLowerInvariant())
        File.WriteAllText(path, render table + "\n")

    /// Prints a table on stdout: its title and notes, then the rows.
    let print (table: ResultTable) =
        printfn "\n%s" table.Title

        for note in table.Notes do
            printfn "  %s" note

        let console = AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput Console.Out))

        if Console.IsOutputRedirected then
            console.Profile.Width <- 200

        let grid = Table(Border = TableBorder.Rounded)

        grid.AddColumn(TableColumn "") |> ignore

        for column in table.Columns do
            grid.AddColumn(TableColumn(Markup.Escape column, Alignment = Justify.Right)) |> ignore

        for name, cells in table.Rows do
            let texts = name :: List.map format cells
            grid.AddRow(texts |> List.map Markup.Escape |> List.toArray) |> ignore

        console.Write grid
