// The first thing every script loads: one started before the build says so in one sentence.
open System.IO

let private root = Path.Combine(__SOURCE_DIRECTORY__, "..")

let private library = Path.Combine(root, "Workbench.FSharp", "bin", "Release", "net10.0", "GapLab.Workbench.dll")

if not (File.Exists library) then
    eprintfn
        "GapLab is not built yet (scripts use the Release build): run 'dotnet fsi build.fsx build' in the folder '%s', then start this script again."
        (Path.GetRelativePath(Directory.GetCurrentDirectory(), root))

    exit 1
