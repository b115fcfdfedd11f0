namespace GapLab.Workbench

open System
open System.IO
open System.Text
open System.Text.Encodings.Web
open System.Text.Unicode
open Spectre.Console

/// Frames as Markdown, LaTeX, HTML and on the terminal. Columns with numbers stand to the right, those of texts alone to the left.
module internal FrameFormats =
    let private isNumeric (cells: Cell array) = cells |> Array.exists (fun cell -> (Cell.number cell).IsSome)

    let private numeric (frame: Frame) = Array.map isNumeric frame.Columns

    let private rows (frame: Frame) (ofCell: Cell -> string) =
        [ for row in 0 .. frame.Rows - 1 -> [ for column in frame.Columns -> ofCell column[row] ] ]

    let private replaceAll (replacement: char -> string option) (text: string) =
        let builder = StringBuilder text.Length

        for c in text do
            match replacement c with
            | Some replaced -> builder.Append replaced |> ignore
            | None -> builder.Append c |> ignore

        builder.ToString()

    // ------------------------------------------------------------------------------------------------------------

    let markdown (frame: Frame) =
        let escape =
            replaceAll (function
                | '\\'
                | '|'
                | '*'
                | '_'
                | '`'
                | '<'
                | '&' as c -> Some $"\\{c}"
                | '\n' -> Some "<br>"
                | '\r' -> Some ""
                | _ -> None)

        let line cells = "| " + String.concat " | " cells + " |"

        [ yield line (frame.ColumnKeys |> List.map escape)
          yield line [ for isNumeric in numeric frame -> if isNumeric then "---:" else "---" ]
          for row in rows frame (Cell.format >> escape) do
              yield line row ]
        |> String.concat "\n"

    // ------------------------------------------------------------------------------------------------------------

    /// Text for LaTeX. An opening bracket is put in braces, because after the \\ that ends a line it would start an option.
    let latexText =
        replaceAll (function
            | '\\' -> Some @"\textbackslash{}"
            | '{' -> Some @"\{"
            | '}' -> Some @"\}"
            | '$'
            | '&'
            | '#'
            | '%'
            | '_' as c -> Some $"\\{c}"
            | '^' -> Some @"\textasciicircum{}"
            | '~' -> Some @"\textasciitilde{}"
            | '<' -> Some @"\textless{}"
            | '>' -> Some @"\textgreater{}"
            | '|' -> Some @"\textbar{}"
            | '"' -> Some @"\textquotedbl{}"
            | '[' -> Some "{[}"
            | '±' -> Some @"\(\pm\)"
            | '\n'
            | '\r' -> Some " "
            | _ -> None)

    let latex (frame: Frame) =
        let ofCell cell =
            match cell with
            | Missing -> "--"
            | Text text -> latexText text
            // In mathematics the hyphen is a minus.
            | _ -> "$" + (Cell.format cell).Replace("±", @"\pm").Replace(" [", @"\;[") + "$"

        let line cells = String.concat " & " cells + @" \\"
        let alignment = numeric frame |> Array.map (fun right -> if right then 'r' else 'l') |> String

        [ yield $@"\begin{{tabular}}{{{alignment}}}"
          yield @"\toprule"
          yield line (frame.ColumnKeys |> List.map latexText)
          yield @"\midrule"
          for row in rows frame ofCell do
              yield line row
          yield @"\bottomrule"
          yield @"\end{tabular}" ]
        |> String.concat "\n"

    // ------------------------------------------------------------------------------------------------------------

    let private encoder = HtmlEncoder.Create UnicodeRanges.All

    /// Text for HTML, in elements and attributes.
    let htmlText (text: string) = encoder.Encode text

    let html (frame: Frame) =
        let numeric = numeric frame

        let line (element: string) cells =
            let cell isNumeric (text: string) =
                let kind = if isNumeric then " class=\"number\"" else ""
                $"<{element}{kind}>{htmlText text}</{element}>"

            "<tr>" + String.concat "" (Seq.map2 cell numeric cells) + "</tr>"

        [ yield "<table>"
          yield "<thead>" + line "th" frame.Names + "</thead>"
          yield "<tbody>"
          for row in rows frame Cell.format do
              yield line "td" row
          yield "</tbody>"
          yield "</table>" ]
        |> String.concat "\n"

    // ------------------------------------------------------------------------------------------------------------

    let private write (out: TextWriter) hasEdge (frame: Frame) =
        let console = AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput out))

        if not hasEdge then
            console.Profile.Width <- Int32.MaxValue

        let table = Table(Border = TableBorder.Rounded)

        for name, isNumeric in Array.zip frame.Names (numeric frame) do
            let side = if isNumeric then Justify.Right else Justify.Left
            table.AddColumn(TableColumn(Markup.Escape name, Alignment = side)) |> ignore

        for row in rows frame Cell.format do
            table.AddRow(row |> List.map Markup.Escape |> List.toArray) |> ignore

        console.Write table

    /// A file or a pipe has no edge to wrap lines at.
    let print (frame: Frame) = write Console.Out (Terminal.hasOutput ()) frame

    /// The frame as it is printed to a file.
    let text (frame: Frame) =
        use writer = new StringWriter()
        write writer false frame
        writer.ToString()
