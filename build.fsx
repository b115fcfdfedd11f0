// The one entry point for building: dotnet fsi build.fsx TARGET [ARGUMENTS]. It needs the .NET 10 SDK, and npm for charts.
#load "Build/processes.fsx"
#load "Build/plotly.fsx"
#load "Build/notebooks.fsx"
#load "Build/reference.fsx"

open System
open System.IO
open GapLab.Build
open GapLab.Build.Processes

// ---------------------------------------------------------------------------------------------------------------
// Packages

/// The package feed of this machine: NUGET_FEED if it is set, else the first enabled https source NuGet knows.
let private nugetFeed () =
    match Environment.GetEnvironmentVariable "NUGET_FEED" with
    | null
    | "" ->
        let lines = ResizeArray<string>()
        dotnetLines [] lines.Add [ "nuget"; "list"; "source"; "--format"; "short" ] |> ignore

        match lines |> Seq.tryFind (fun line -> line.StartsWith("E https://", StringComparison.Ordinal)) with
        | Some line -> line.Substring(2).Trim()
        | None ->
            eprintfn
                "No enabled https package source is configured: add one with 'dotnet nuget add source URL', or set NUGET_FEED to its address, then start this script again."

            raise (StepFailed 1)
    | feed -> feed

let restore () =
    step "restore" (fun () ->
        let feed = [ ("NUGET_FEED", nugetFeed ()) ]
        quietly [] [ "tool"; "restore" ]
        quietly feed [ "paket"; "restore" ]
        quietly feed [ "restore"; solution ])

// ---------------------------------------------------------------------------------------------------------------
// Targets

let build () =
    restore ()
    PlotlyPackage.fetchPlotly ()

    step "build" (fun () ->
        [ "build"; solution; "--configuration"; "Release"; "--no-restore" ]
        @ [ "--verbosity"; "quiet"; "-consoleLoggerParameters:ErrorsOnly;NoSummary" ]
        |> quietly [])

let test environment arguments =
    build ()
    let mutable anyRan = false

    let show (line: string) =
        if line.Contains "Passed:" && line.Contains "Failed:" then
            anyRan <- true

        if line.Trim() <> "" then
            printfn "%s" line

    let exitCode =
        [ "test"; solution; "--configuration"; "Release"; "--no-build" ]
        @ [ "--verbosity"; "quiet"; "--logger"; "console;verbosity=minimal" ]
        @ arguments
        |> dotnetLines environment show

    if exitCode <> 0 then
        raise (StepFailed exitCode)

    if not anyRan then
        eprintfn "No test ran."
        raise (StepFailed 1)

let run arguments =
    build ()
    // In the caller's folder, so that --data and --out mean what they say.
    openlyIn
        Environment.CurrentDirectory
        ([ "fsi"; Path.Combine(root, "Scripts", "table2.fsx"); "--preset"; "smoke" ] @ arguments)

let bench arguments =
    build ()
    openlyIn root ([ "run"; "--project"; "Benchmarks"; "--configuration"; "Release"; "--no-build"; "--" ] @ arguments)

let private isIgnored (folder: string) =
    match Path.GetFileName folder with
    | "bin"
    | "obj" -> true
    | name -> name.StartsWith('.')

let rec private projectFolders folder =
    [ if not (Seq.isEmpty (Directory.EnumerateFiles(folder, "*.*proj"))) then
          folder

      for below in Directory.EnumerateDirectories folder do
          if not (isIgnored below) then
              yield! projectFolders below ]

/// Whether a target was given the one argument that it knows.
let private hasFlag target flag arguments =
    if arguments <> [] && arguments <> [ flag ] then
        eprintfn "The target '%s' knows only the argument '%s'." target flag
        raise (StepFailed 1)

    arguments <> []

let format arguments =
    let check = hasFlag "format" "--check" arguments
    restore ()

    step "format" (fun () ->
        for folder in projectFolders root do
            for project in Directory.EnumerateFiles(folder, "*.csproj") do
                quietly
                    []
                    ([ "format"; Path.GetRelativePath(root, project); "--no-restore" ]
                     @ (if check then [ "--verify-no-changes" ] else []))

        quietly [] ([ "fantomas" ] @ (if check then [ "--check" ] else []) @ [ "." ]))

let clean () =
    let produced =
        [ for project in projectFolders root do
              for name in [ "bin"; "obj"; "TestResults" ] do
                  Path.Combine(project, name)

          for name in [ "artifacts"; "paket-files"; "TestResults" ] do
              Path.Combine(root, name) ]

    for folder in produced do
        if Directory.Exists folder then
            Directory.Delete(folder, true)

let kernel () =
    build ()
    NotebookTargets.installKernel ()

let notebooks arguments =
    let keep = hasFlag "notebooks" "--keep" arguments
    build ()
    NotebookTargets.executeNotebooks keep

let docs arguments =
    match arguments with
    | [] -> None
    | [ address ] -> Some address
    | _ ->
        eprintfn "The target 'docs' takes one argument, the address where the site will be."
        raise (StepFailed 1)
    |> fun address ->
        build ()
        ReferenceSite.write address

let private soak = [ ("GAPLAB_SOAK", "1") ]

/// The tests of devices and derivatives again, with the processor's wider vectors switched off.
let simd arguments =
    for width, variable in [ 256, "DOTNET_EnableAVX512"; 128, "DOTNET_EnableAVX2" ] do
        printfn "Vectors of %d bits:" width

        test
            [ (variable, "0"); ("GAPLAB_VECTOR_BITS", string width) ]
            ([ "--filter"
               "FullyQualifiedName~GapLab.Tests.Tensors|FullyQualifiedName~GapLab.Tests.Differentiation|FullyQualifiedName~GapLab.Tests.Optimization" ]
             @ arguments)

let targets: (string * string * (string list -> unit)) list =
    let plain action arguments =
        match arguments with
        | [] -> action ()
        | _ ->
            eprintfn "This target takes no arguments: %s" (String.concat " " arguments)
            raise (StepFailed 1)

    [ "run", "restore, build, and the smoke run of Scripts/table2.fsx; takes that script's options", run
      "build", "restore the packages and build everything (Release)", plain build
      "test", "build and run the tests; takes dotnet test's options, such as --filter", test []
      "simd", "the tests of devices and derivatives with 256- and with 128-bit vectors", simd
      "soak", "the tests with long property runs; takes dotnet test's options", test soak
      "bench", "build and run the benchmarks; takes their options", bench
      "kernel", "build, and make the notebooks' kernel known to Jupyter, for the current user", plain kernel
      "notebooks",
      "execute and check all notebooks, where Jupyter is installed; with --keep keep their outputs",
      notebooks
      "docs",
      "write the documentation and the reference of all types as pages, into artifacts/docs; takes the address where they will be served",
      docs
      "format", "format all C# and F# files; with --check only look", format
      "clean", "delete everything that was built (not the downloaded data)", plain clean ]

let private usage (writer: TextWriter) =
    writer.WriteLine "Usage: dotnet fsi build.fsx TARGET [ARGUMENTS]"
    writer.WriteLine()

    for name, meaning, _ in targets do
        writer.WriteLine $"  %-9s{name} {meaning}"

    writer.WriteLine()
    writer.WriteLine "This list: dotnet fsi build.fsx help (dotnet fsi keeps a bare --help for itself)."
    writer.WriteLine "Packages come from the first enabled https source of 'dotnet nuget list source';"
    writer.WriteLine "the environment variable NUGET_FEED names another."

let private exitCode =
    match List.ofArray fsi.CommandLineArgs |> List.tail with
    | [ "help" | "--help" | "-h" ] ->
        usage Console.Out
        0
    | [] ->
        usage Console.Error
        1
    | name :: arguments ->
        match targets |> List.tryFind (fun (target, _, _) -> target = name) with
        | Some(_, _, action) ->
            try
                action arguments
                0
            with StepFailed code ->
                code
        | None ->
            eprintfn "There is no target '%s'.\n" name
            usage Console.Error
            1

exit exitCode
