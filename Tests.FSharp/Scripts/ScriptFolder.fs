namespace GapLab.Tests.Scripts

open System.IO
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

/// The scripts of one folder below Scripts, run on one store of their own.
type ScriptFolder(scripts: string) =
    let folder = lazy (Directory.CreateTempSubdirectory("gaplab-").FullName)

    /// Runs a script, which must succeed.
    member _.Runs (name: string) (arguments: string list) =
        let script = Path.Combine(repository, "Scripts", scripts, name + ".fsx")
        let outcome = runIn folder.Value None script (arguments @ [ "--results"; "store" ])
        equalFor outcome.Error 0 outcome.ExitCode
        outcome.Output

    /// Runs a script, which must end with one sentence.
    member _.Refuses (name: string) (arguments: string list) (parts: string list) =
        runIn
            folder.Value
            None
            (Path.Combine(repository, "Scripts", scripts, name + ".fsx"))
            (arguments @ [ "--results"; "store" ])
        |> refuses parts

    /// Runs a script and reads the table that it wrote.
    member this.Table (name: string) (arguments: string list) =
        let file = Path.Combine(folder.Value, name + ".csv")
        this.Runs name (arguments @ [ "--out"; file ]) |> ignore
        Frame.readCsv file

    /// Runs a script and reads the page that it wrote under its usual name; ignores the test where pages cannot be made.
    member this.Page (name: string) (arguments: string list) =
        if (Plotly.find Plotly.home).IsNone then
            Assert.Ignore "plotly.js is not there, because npm was missing when GapLab was built: no page to test."

        let output = this.Runs name arguments
        holds "the file is named" (output.Contains $"{name}.html is written")
        File.ReadAllText(Path.Combine(folder.Value, name + ".html"))

    /// Deletes the store.
    member _.Delete() =
        if folder.IsValueCreated then
            Directory.Delete(folder.Value, true)

/// What tables hold.
module Table =
    /// The numbers of a column.
    let numbers column frame = Frame.getColumn column frame |> Array.map (Cell.number >> Option.get)
