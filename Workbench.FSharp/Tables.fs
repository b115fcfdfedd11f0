namespace GapLab.Workbench

open System
open System.Globalization
open System.IO
open Spectre.Console

/// A table of results: a title, what the reader must know, columns, rows of text.
type ResultTable =
    { Title: string
      Notes: string list
      Columns: string list
      Rows: string list list }

/// Number formats and output of tables.
module Tables =
    let private invariant = CultureInfo.InvariantCulture

    /// Nats with two decimals.
    let nats (value: float) = value.ToString("F2", invariant)

    /// Nats with a standard error: -89.80 ± 0.12.
    let withError (value: float) (error: float) = $"{nats value} ± {nats error}"

    /// Nats with an interval: 1.43 [1.31, 1.56].
    let withInterval (value: float) (low: float) (high: float) = $"{nats value} [{nats low}, {nats high}]"

    /// The file formats that `write` knows.
    let private writers: (string * (ResultTable -> string)) list =
        let csvField (text: string) =
            if text.IndexOfAny [| ','; '"'; '\n' |] >= 0 then
                "\"" + text.Replace("\"", "\"\"") + "\""
            else
                text

        let csv table =
            table.Columns :: table.Rows
            |> List.map (List.map csvField >> String.concat ",")
            |> String.concat "\n"

        let markdown table =
            let line cells =
                "| " + String.concat " | " (cells |> List.map (fun (cell: string) -> cell.Replace("|", "\\|"))) + " |"

            [ [ $"# {table.Title}"; "" ]
              table.Notes |> List.map (fun note -> $"- {note}")
              [ ""; line table.Columns; line (table.Columns |> List.map (fun _ -> "---")) ]
              table.Rows |> List.map line ]
            |> List.concat
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

    /// Writes a table in the format that the file's name ends in.
    let write (path: string) (table: ResultTable) =
        checkOutput path
        let _, format = writers |> List.find (fun (known, _) -> known = (Path.GetExtension path).ToLowerInvariant())
        File.WriteAllText(path, format table + "\n")

    /// Prints a table on stdout: its title and notes, then the rows.
    let print (table: ResultTable) =
        printfn "\n%s" table.Title

        for note in table.Notes do
            printfn "  %s" note

        let console =
            AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput Console.Out))

        if Console.IsOutputRedirected then
            console.Profile.Width <- 200

        let grid = Table(Border = TableBorder.Rounded)

        table.Columns
        |> List.iteri (fun i column ->
            grid.AddColumn(TableColumn(Markup.Escape column, Alignment = if i = 0 then Justify.Left else Justify.Right))
            |> ignore)

        for row in table.Rows do
            grid.AddRow(row |> List.map Markup.Escape |> List.toArray) |> ignore

        console.Write grid
