module GapLab.Tests.Scripts.HelpTests

open System.IO
open NUnit.Framework
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

/// All scripts but those that others load.
let private scripts =
    let folder = Path.Combine(repository, "Scripts")

    [| for path in Directory.GetFiles(folder, "*.fsx", SearchOption.AllDirectories) |> Array.sort do
           let name = Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/')

           if name <> "built.fsx" && name <> "gaplab.fsx" then
               name |]

[<TestCaseSource(nameof scripts)>]
let ``every script compiles without a remark and says how it is used`` (script: string) =
    let outcome = run $"Scripts/{script}" [ "help" ]
    equalFor outcome.Error 0 outcome.ExitCode
    equal "" outcome.Error
    holds "nothing but help" (not (outcome.Output.Contains "FS3886" || outcome.Output.Contains "warning"))
    holds "how it is used" (outcome.Output.Contains $"dotnet fsi Scripts/{script}")
