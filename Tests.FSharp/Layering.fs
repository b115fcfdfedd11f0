/// The shape of the source tree: which folder may use which, how namespaces follow folders, how long a file may be.
module GapLab.Tests.Layering

open System
open System.IO
open System.Text.RegularExpressions
open NUnit.Framework

/// The folders of Core.CSharp in order: each may use itself and those before it.
let private layers =
    [ "Tensors"
      "Specification"
      "Differentiation"
      "Networks"
      "Distributions"
      "Models"
      "Families"
      "Objectives"
      "Optimization"
      "Data"
      "Inference"
      "Bounds"
      "Training"
      "Experiments" ]

let private longestFile = 450

let private repositoryRoot =
    let rec walkUp (folder: DirectoryInfo) =
        match folder with
        | null -> failwith "GapLab.slnx is in no folder above the test assembly."
        | here when File.Exists(Path.Combine(here.FullName, "GapLab.slnx")) -> here.FullName
        | here -> walkUp here.Parent

    walkUp (DirectoryInfo AppContext.BaseDirectory)

let private core = Path.Combine(repositoryRoot, "Core.CSharp")

/// All files of these extensions below a folder, leaving out what builds and tools produce.
let rec private sources (extensions: string list) (folder: string) =
    [ for file in Directory.EnumerateFiles folder do
          if extensions |> List.exists (fun extension -> file.EndsWith(extension, StringComparison.Ordinal)) then
              file

      for below in Directory.EnumerateDirectories folder do
          match Path.GetFileName below with
          | "bin"
          | "obj"
          | "paket-files" -> ()
          | name when name.StartsWith '.' -> ()
          | _ -> yield! sources extensions below ]

/// The source without its comments: documentation may point at later layers.
let private code (text: string) = Regex.Replace(text, @"//[^\n]*|/\*.*?\*/", "", RegexOptions.Singleline)

/// The layers a source names, as `GapLab.X` anywhere or as `using X` relative to its own namespace.
let private layersNamed (text: string) =
    let named = @"\bGapLab\s*\.\s*(\w+)|\busing\s+(?:static\s+)?(?!GapLab\b)(\w+)\s*[.;]"

    [ for reference in Regex.Matches(code text, named) do
          let name = reference.Groups[if reference.Groups[1].Success then 1 else 2].Value

          if reference.Groups[1].Success || List.contains name layers then
              name ]
    |> List.distinct

/// The layers that a source in `layer` names but must not: later ones, and ones that are not in the list.
let private forbidden (layer: string) (text: string) =
    let allowed = layers |> List.takeWhile ((<>) layer) |> Set.ofList |> Set.add layer
    layersNamed text |> List.filter (fun name -> not (allowed.Contains name))

/// The namespace a file must declare, from its path below Core.CSharp.
let private namespaceOf (relativePath: string) =
    let folders = relativePath.Replace('\\', '/').Split('/') |> Array.toList
    "GapLab" :: List.take (folders.Length - 1) folders |> String.concat "."

let private declaredNamespaces (text: string) =
    [ for declaration in Regex.Matches(code text, @"^\s*namespace\s+([\w.]+)", RegexOptions.Multiline) do
          declaration.Groups[1].Value ]

let private coreSources =
    lazy
        [ for file in sources [ ".cs" ] core do
              Path.GetRelativePath(core, file), File.ReadAllText file ]

let private assertNone (problems: string list) =
    if not problems.IsEmpty then
        Assert.Fail(String.concat "\n" problems)

[<Test>]
let ``the scan finds the core library`` () =
    let folders = coreSources.Value |> List.map (fst >> Path.GetDirectoryName) |> List.distinct
    Assert.That(folders, Does.Contain "Tensors")

[<Test>]
let ``every folder of the core library is a layer`` () =
    assertNone
        [ for folder in Directory.EnumerateDirectories core do
              match Path.GetFileName folder with
              | "bin"
              | "obj" -> ()
              | name when List.contains name layers -> ()
              | name -> $"Core.CSharp/{name} is not in the list of layers" ]

[<Test>]
let ``each layer uses only itself and the layers before it`` () =
    assertNone
        [ for path, text in coreSources.Value do
              match path.Replace('\\', '/').Split '/' with
              | [| _ |] -> ()
              | parts ->
                  for name in forbidden parts[0] text do
                      $"{path} uses GapLab.{name}, which {parts[0]} may not" ]

[<Test>]
let ``every file of the core library declares the namespace of its folder`` () =
    assertNone
        [ for path, text in coreSources.Value do
              let expected = namespaceOf path

              for declared in declaredNamespaces text do
                  if declared <> expected then
                      $"{path} declares {declared}, not {expected}"

              if path <> Path.GetFileName path && List.isEmpty (declaredNamespaces text) then
                  $"{path} declares no namespace" ]

[<Test>]
let ``no source file is longer than one subject needs`` () =
    assertNone
        [ for file in sources [ ".cs"; ".fs"; ".fsx" ] repositoryRoot do
              let lines = File.ReadLines file |> Seq.length

              if lines > longestFile then
                  $"{Path.GetRelativePath(repositoryRoot, file)} has {lines} lines, more than {longestFile}" ]

// The scan itself, on sources made up for it.

[<TestCase("Models", "using GapLab.Tensors;", "")>]
[<TestCase("Models", "using GapLab.Models.Images;", "")>]
[<TestCase("Models", "using GapLab.Bounds;", "Bounds")>]
[<TestCase("Models", "using static GapLab.Bounds.Ais;", "Bounds")>]
[<TestCase("Models", "using Ais = GapLab.Bounds.Ais;", "Bounds")>]
[<TestCase("Models", "namespace GapLab.Models;\nusing Bounds;", "Bounds")>]
[<TestCase("Models", "var bound = new GapLab.Bounds.Ais();", "Bounds")>]
[<TestCase("Models", "using GapLab.Elsewhere;", "Elsewhere")>]
[<TestCase("Models", "using (Data.Open()) { }", "")>]
[<TestCase("Models", "/// <see cref=\"GapLab.Bounds.Ais\"/>", "")>]
[<TestCase("Models", "/* GapLab.Bounds\n GapLab.Data */ using GapLab.Networks;", "")>]
let ``a use of a later layer is seen, in code and not in comments`` layer source (expected: string) =
    Assert.That(String.concat " " (forbidden layer source), Is.EqualTo expected)

[<TestCase("Tensors/Cpu/CpuDevice.cs", "GapLab.Tensors.Cpu")>]
[<TestCase("Tensors\\Shape.cs", "GapLab.Tensors")>]
[<TestCase("Version.cs", "GapLab")>]
let ``the namespace follows the path`` path (expected: string) = Assert.That(namespaceOf path, Is.EqualTo expected)
