module GapLab.Tests.Workbench.TablesTests

open System.IO
open NUnit.Framework
open GapLab.Tensors
open GapLab.Workbench

let private table =
    { Title = "Gaps, \"quoted\""
      Notes = [ "a note" ]
      Columns = [ "train"; "published" ]
      Rows = [ "a, b", [ Estimate(-89.8, 0.125); Value -91.23 ]; "gap | c", [ Interval(1.43, 1.305, 1.5551); Missing ] ] }

let private written name =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        let file = Path.Combine(folder, name)
        Tables.write file table
        File.ReadAllLines file
    finally
        Directory.Delete(folder, true)

[<Test>]
let ``cells are read with their errors and intervals`` () =
    Assert.That(Tables.format (Estimate(-89.8, 0.125)), Is.EqualTo "-89.80 ± 0.12")
    Assert.That(Tables.format (Interval(1.43, 1.305, 1.5551)), Is.EqualTo "1.43 [1.30, 1.56]")
    Assert.That(Tables.format Missing, Is.EqualTo "-")

[<Test>]
let ``CSV has one line for each cell, all digits, and quotes where it must`` () =
    let lines = written "table.csv"
    Assert.That(lines, Has.Length.EqualTo 7)
    Assert.That(lines[0], Is.EqualTo "# Gaps, \"quoted\"")
    let lines = lines[2..]
    Assert.That(lines[0], Is.EqualTo "row,column,value,standard_error,low,high,text")
    Assert.That(lines[1], Is.EqualTo "\"a, b\",train,-89.8,0.125,,,-89.80 ± 0.12")
    Assert.That(lines[3], Is.EqualTo "gap | c,train,1.43,,1.305,1.5551,\"1.43 [1.30, 1.56]\"")

[<Test>]
let ``Markdown has the title, the notes and the rows, with bars escaped`` () =
    let lines = written "table.md"
    Assert.That(lines[0], Is.EqualTo "# Gaps, \"quoted\"")
    Assert.That(lines, Does.Contain "- a note")
    Assert.That(lines, Does.Contain "| gap \\| c | 1.43 [1.30, 1.56] | - |")

[<Test>]
let ``another ending is refused with the known ones`` () =
    let error = Assert.Throws<GapLabException>(System.Action(fun () -> Tables.checkOutput "table.pdf"))
    Assert.That(error.Message, Does.Contain ".csv or .md")
