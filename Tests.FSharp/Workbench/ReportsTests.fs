module GapLab.Tests.Workbench.ReportsTests

open System.IO
open NUnit.Framework
open GapLab.Tests.Checks
open GapLab.Tensors
open GapLab.Workbench

let private report =
    { Title = "Gaps, \"quoted\""
      Notes = [ "a note" ]
      Frame =
        Frame.ofRows
            [ "nats"; "train"; "published" ]
            [ [ Text "a, b"; Estimate(-89.8, 0.125); Value -91.23 ]
              [ Text "gap | c"; Interval(1.43, 1.305, 1.5551); Missing ] ]
      Charts = []
      Summaries = [] }

let private written name =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        let file = Path.Combine(folder, name)
        Report.write file report
        File.ReadAllLines file
    finally
        Directory.Delete(folder, true)

[<Test>]
let ``CSV has title and notes as comments, and reads back as the frame`` () =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        let file = Path.Combine(folder, "table.csv")
        Report.write file report
        equal [| "# Gaps, \"quoted\""; "# a note" |] ((File.ReadAllLines file).[..1])
        equal report.Frame (Frame.readCsv file)
    finally
        Directory.Delete(folder, true)

[<Test>]
let ``Markdown has the title, the notes and the rows, with bars escaped`` () =
    let lines = written "table.md"
    Assert.That(lines[0], Is.EqualTo "# Gaps, \"quoted\"")
    Assert.That(lines, Does.Contain "- a note")
    Assert.That(lines, Does.Contain "| gap \\| c | 1.43 [1.30, 1.56] | - |")

[<Test>]
let ``LaTeX has title and notes as comments`` () =
    let lines = written "table.tex"
    Assert.That(lines[0], Is.EqualTo "% Gaps, \"quoted\"")
    Assert.That(String.concat "\n" lines, Does.Contain "\\toprule")

[<Test>]
let ``HTML has the title, the rows and the notes`` () =
    let html = String.concat "\n" (written "table.html")
    Assert.That(html, Does.Contain "<h1>Gaps, &quot;quoted&quot;</h1>")
    Assert.That(html, Does.Contain "gap | c")
    Assert.That(html, Does.Contain "a note")

[<Test>]
let ``another ending is refused with the known ones`` () =
    throws<GapLabException> [ ".csv, .md, .tex, .html" ] (fun () -> Report.checkOutput "table.pdf")

[<Test>]
let ``pages begin with what sums the rows up, Markdown has it, and files of one table leave it out`` () =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        let summed = { report with Summaries = [ "In short", Frame.ofColumns [ "sum" => [ 7 ] ] ] }

        let text name =
            let file = Path.Combine(folder, name)
            Report.write file summed
            File.ReadAllText file

        holds "Markdown" ((text "a.md").Contains "In short:\n\n| sum |")
        holds "CSV" (not ((text "a.csv").Contains "In short"))

        if (Plotly.find Plotly.home).IsSome then
            let html = text "a.html"
            holds "pages" (html.IndexOf "In short" < html.IndexOf "gap | c")
    finally
        Directory.Delete(folder, true)
