namespace GapLab.Workbench

open System
open System.IO

/// A table of results as a script shows it: a title, what the reader must know, the frame, charts for those formats that can show them, and tables that
/// sum the frame up, each with a caption: pages begin with them, and files that hold one table leave them out.
type Report =
    { Title: string
      Notes: string list
      Frame: Frame
      Charts: Chart list
      Summaries: (string * Frame) list }

/// Output of reports.
module Report =
    /// A report as a page.
    let toPage (report: Report) =
        let addFrame page = Page.addFrame "" report.Frame page
        let addCharts page = if report.Charts.IsEmpty then page else Page.addCharts report.Charts page

        let addNotes page =
            page |> Page.addHeading "Notes" |> Page.addText (String.concat "\n" report.Notes)

        let page = Page.create report.Title

        match report.Summaries with
        | [] -> page |> addFrame |> addCharts |> addNotes
        | some ->
            List.fold (fun page (caption, frame) -> Page.addFrame caption frame page) page some
            |> addCharts
            |> addNotes
            |> Page.addHeading "All numbers"
            |> addFrame

    /// The file formats that `write` knows.
    let private writers: (string * (string -> Report -> unit)) list =
        let text (render: Report -> string list) (path: string) report =
            File.WriteAllText(path, String.concat "\n" (render report) + "\n")

        [ ".csv",
          text (fun report ->
              [ for line in report.Title :: report.Notes -> "# " + line ] @ [ (Frame.toCsv report.Frame).TrimEnd() ])
          ".md",
          text (fun report ->
              [ $"# {report.Title}"; "" ]
              @ [ for note in report.Notes -> $"- {note}" ]
              @ [ for caption, frame in report.Summaries do
                      yield! [ ""; $"{caption}:"; ""; (Frame.toMarkdown frame).TrimEnd() ] ]
              @ [ ""; Frame.toMarkdown report.Frame ])
          ".tex",
          text (fun report ->
              [ for line in report.Title :: report.Notes -> "% " + line ] @ [ Frame.toLatex report.Frame ])
          ".html", (fun path report -> Page.save path (toPage report))
          ".png", (fun path report -> Page.savePng path (toPage report)) ]

    /// The endings of the files that `write` knows.
    let formats = writers |> List.map fst

    /// The endings of the files that a page can be written to.
    let pageFormats = [ ".html"; ".png" ]

    let private ending (path: string) = (Path.GetExtension path).ToLowerInvariant()

    /// Refuses a file that could not be written, or whose name ends in none of some formats, before any work is done.
    let checkFile (formats: string list) (path: string) =
        if not (List.contains (ending path) formats) then
            let known = String.concat ", " formats
            Cli.fail $"Nothing can be written to '{path}': its name must end in one of {known}."

        let folder = Path.GetDirectoryName(Path.GetFullPath path)

        if not (Directory.Exists folder) then
            Cli.fail $"Nothing can be written to '{path}': the folder '{folder}' does not exist; create it first."

        if Directory.Exists path then
            Cli.fail $"Nothing can be written to '{path}': it is a folder; name a file in it."

        let isNew = not (File.Exists path)

        try
            use _ = File.OpenWrite path
            ()
        with
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            Cli.fail $"Nothing can be written to '{path}' ({e.Message.TrimEnd '.'}); choose another place with --out."

        if isNew then
            File.Delete path

    /// Refuses a file that `write` could not write.
    let checkOutput path = checkFile formats path

    /// Writes a report in the format that the file's name ends in.
    let write (path: string) (report: Report) =
        checkOutput path
        let _, write = writers |> List.find (fun (known, _) -> known = ending path)
        write path report

    /// Writes a page in the format that the file's name ends in.
    let writePage (path: string) (page: Page) =
        checkFile pageFormats path
        if ending path = ".png" then Page.savePng path page else Page.save path page

    /// Prints a report on stdout: its title and notes, then the rows and what sums them up.
    let print (report: Report) =
        printfn "\n%s" report.Title

        for note in report.Notes do
            printfn "  %s" note

        Frame.print report.Frame

        for caption, frame in report.Summaries do
            printfn "%s" caption
            Frame.print frame
