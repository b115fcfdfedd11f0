/// The documentation as a site: the pages of docs/ and a reference of every public type, from the documentation comments.
module GapLab.Build.ReferenceSite

#load "processes.fsx"

open System
open System.IO
open System.Text.RegularExpressions
open GapLab.Build.Processes

/// Not among the tools of the repository, which every build restores: it is large, and only this target needs it.
let private generator = "fsdocs-tool@22.2.0"

let private documented = [ "Core.CSharp", "GapLab.Core.csproj"; "Workbench.FSharp", "GapLab.Workbench.fsproj" ]

/// Documentation comments as the generator needs them. It takes code for F# and leaves out what is none of it, such as formulas, and does not know that backticks mark names.
let private readable (comments: string) =
    let text = comments.Replace("\n            ", "\n").Replace("<code>\n", "<pre>").Replace("\n</code>", "</pre>")

    Regex.Replace(text, "`([A-Za-z][^`\"\n]*)`", "<c>$1</c>")

let private withReadableComments action =
    let originals =
        [ for folder, _ in documented do
              for file in
                  Directory.EnumerateFiles(Path.Combine(root, folder, "bin", "Release", "net10.0"), "GapLab.*.xml") do
                  file, File.ReadAllText file ]

    try
        for file, text in originals do
            File.WriteAllText(file, readable text)

        action ()
    finally
        for file, text in originals do
            File.WriteAllText(file, text)

/// Links to files beside docs/, which are no pages of the site, become their names; the generator leaves links to places within other pages as they are.
let private repairLinks output =
    let outside = Regex("""<a href="\.\./[^"]*"[^>]*>(.*?)</a>""", RegexOptions.Singleline)
    let within = Regex """href="([\w-]+)\.md#"""

    for page in Directory.EnumerateFiles(output, "*.html") do
        File.WriteAllText(page, within.Replace(outside.Replace(File.ReadAllText page, "$1"), "href=\"$1.html#"))

/// Writes the site for a given address; without one it can be read from the disk.
let write (address: string option) =
    let output = Path.Combine(root, "artifacts", "docs")
    let address = address |> Option.defaultWith (fun () -> Uri(output).AbsoluteUri)
    let address = if address.EndsWith '/' then address else address + "/"

    if Directory.Exists output then
        Directory.Delete(output, true)

    step "docs" (fun () ->
        withReadableComments (fun () ->
            [ "tool"; "execute"; generator; "--yes"; "--"; "build" ]
            @ [ "--properties"; "Configuration=Release"; "--output"; output; "--projects" ]
            @ [ for folder, project in documented -> Path.Combine(folder, project) ]
            @ [ "--parameters"; "root"; address; "fsdocs-collection-name"; "GapLab" ]
            |> quietly [])

        repairLinks output
        // The generator leaves its package source beside the pages, and their Markdown.
        for name in [ "NuGet.config"; "llms.txt"; "llms-full.txt" ] do
            File.Delete(Path.Combine(output, name))

        for file in Directory.EnumerateFiles(output, "*.md") do
            File.Delete file)

    printfn "%s" (Path.Combine(output, "index.html"))
