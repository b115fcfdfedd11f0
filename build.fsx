// The one entry point for building: dotnet fsi build.fsx TARGET [ARGUMENTS]. It needs the .NET 10 SDK, and npm for charts.
#r "System.Formats.Tar"

open System
open System.Diagnostics
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Security.Cryptography

let root = __SOURCE_DIRECTORY__
let solution = "GapLab.slnx"

/// Ends the script with the exit code of the step that failed.
exception StepFailed of exitCode: int

// ---------------------------------------------------------------------------------------------------------------
// Processes

let private dotnetStart (environment: (string * string) list) (arguments: string list) =
    let start = ProcessStartInfo(Environment.ProcessPath, WorkingDirectory = root, UseShellExecute = false)

    for argument in arguments do
        start.ArgumentList.Add argument

    // English, so that the closing line of the tests can be recognised.
    for name, value in [ "DOTNET_NOLOGO", "1"; "DOTNET_CLI_UI_LANGUAGE", "en" ] @ environment do
        start.Environment[name] <- value

    start

/// Runs dotnet and hands every line it writes to `onLine`; returns the exit code.
let private dotnetLines environment onLine arguments =
    let start = dotnetStart environment arguments
    start.RedirectStandardOutput <- true
    start.RedirectStandardError <- true
    use running = new Process(StartInfo = start)

    let receive (event: DataReceivedEventArgs) =
        if not (isNull event.Data) then
            lock running (fun () -> onLine event.Data)

    running.OutputDataReceived.Add receive
    running.ErrorDataReceived.Add receive
    running.Start() |> ignore
    running.BeginOutputReadLine()
    running.BeginErrorReadLine()
    running.WaitForExit()
    running.ExitCode

/// Runs dotnet silently; its output appears only if it fails.
let private quietly environment arguments =
    let output = ResizeArray<string>()
    let exitCode = dotnetLines environment output.Add arguments

    if exitCode <> 0 then
        eprintfn "dotnet %s" (String.concat " " arguments)

        for line in output do
            eprintfn "%s" line

        raise (StepFailed exitCode)

/// Runs dotnet on this terminal, in a given folder.
let private openlyIn folder arguments =
    let start = dotnetStart [] arguments
    start.WorkingDirectory <- folder
    use running = Process.Start start
    running.WaitForExit()

    if running.ExitCode <> 0 then
        raise (StepFailed running.ExitCode)

let private step name action =
    let watch = Stopwatch.StartNew()
    action ()
    printfn "%-8s %6.1f s" name watch.Elapsed.TotalSeconds

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
// plotly.js, which draws the charts: too large to commit, so it comes from the user's own npm registry

let private plotlyPackage = "plotly.js-dist-min@4.1.2"

/// The sha512 of the package, as npm writes it.
let private plotlyIntegrity =
    "VSmS9KVNun16S8qFYYp9LlL/XBby4ueeGqB+K9AqRCVsup8dSpGULap4UyR1f2mz4pV3qjWp1sR5chwLgIKPoQ=="

/// Lets npm write the package into a folder; the reason if it could not.
let private npmPack (folder: string) =
    let npm = if OperatingSystem.IsWindows() then "npm.cmd" else "npm"

    let start =
        ProcessStartInfo(
            npm,
            [ "pack"; plotlyPackage; "--loglevel=error"; "--fetch-retries=0"; "--fetch-timeout=60000" ],
            WorkingDirectory = folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        )

    try
        use running = Process.Start start
        let output = running.StandardOutput.ReadToEndAsync()
        let error = running.StandardError.ReadToEndAsync()

        if not (running.WaitForExit(TimeSpan.FromSeconds 90.)) then
            running.Kill true
            Some "npm took longer than 90 seconds"
        elif running.ExitCode <> 0 then
            // "npm error code ..." says more than the lines after it, which end with the place of a log.
            let lines = (error.Result + output.Result).Split('\n', StringSplitOptions.RemoveEmptyEntries)

            let reason =
                lines |> Array.tryFind (fun line -> line.StartsWith("npm err", StringComparison.OrdinalIgnoreCase))

            Some(defaultArg reason "npm gave no reason")
        else
            None
    with :? ComponentModel.Win32Exception ->
        Some "npm is not installed"

/// Checks the packed package and takes out the script and its licence.
let private unpackPlotly (work: string) (target: string) =
    let package = Directory.EnumerateFiles(work, "*.tgz") |> Seq.toArray |> Array.collect File.ReadAllBytes

    if Convert.ToBase64String(SHA512.HashData package) <> plotlyIntegrity then
        Some $"what this registry gives is not {plotlyPackage} as it was released"
    else
        use unpacked = new GZipStream(new MemoryStream(package), CompressionMode.Decompress)
        use tar = new TarReader(unpacked)
        let mutable entry = tar.GetNextEntry()

        while not (isNull entry) do
            match entry.Name with
            | "package/plotly.min.js"
            | "package/LICENSE" -> entry.ExtractToFile(Path.Combine(work, Path.GetFileName entry.Name), true)
            | _ -> ()

            entry <- tar.GetNextEntry()

        Directory.CreateDirectory target |> ignore

        // The file that says which package it was comes last: without it the others are fetched again.
        for name in [ "LICENSE"; "plotly.min.js" ] do
            File.Move(Path.Combine(work, name), Path.Combine(target, name), true)

        File.WriteAllText(Path.Combine(target, "integrity"), plotlyIntegrity)
        None

/// Fetches plotly.js unless it is there. Everything but saving charts works without it, so a failure is a notice.
let private fetchPlotly () =
    let target = Path.Combine(root, ".gaplab", "plotly")
    let marker = Path.Combine(target, "integrity")

    if not (File.Exists marker && File.ReadAllText marker = plotlyIntegrity) then
        let attempt () =
            let work = Directory.CreateTempSubdirectory "gaplab-plotly-"

            try
                try
                    match npmPack work.FullName with
                    | None -> unpackPlotly work.FullName target
                    | problem -> problem
                with
                | :? IOException
                | :? UnauthorizedAccessException as e -> Some e.Message
            finally
                work.Delete true

        let tryAgain problem = if Option.isSome problem then attempt () else None

        match attempt () |> tryAgain with
        | None -> ()
        | Some problem ->
            printfn
                "plotly.js could not be fetched (%s): charts cannot be saved until a later build fetches it."
                problem

// ---------------------------------------------------------------------------------------------------------------
// Targets

let build () =
    restore ()
    fetchPlotly ()

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

let format arguments =
    let check =
        match arguments with
        | [] -> false
        | [ "--check" ] -> true
        | _ ->
            eprintfn "The target 'format' knows only the argument '--check'."
            raise (StepFailed 1)

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

// ---------------------------------------------------------------------------------------------------------------
// Notebooks

let private kernelProgram =
    Path.Combine(root, "Notebooks", "Kernel.FSharp", "bin", "Release", "net10.0", "GapLab.Kernel.dll")

/// Makes the kernel known to Jupyter, for the current user.
let kernel () =
    build ()
    openlyIn root [ kernelProgram; "install" ]

/// Runs a program of Python and lets it use this terminal; its exit code, None if there is no such Python.
let private python (program: string) (environment: (string * string) list) silent (arguments: string list) =
    let start = ProcessStartInfo(program, arguments, WorkingDirectory = root, UseShellExecute = false)
    start.RedirectStandardError <- silent

    for name, value in environment do
        start.Environment[name] <- value

    try
        use running = Process.Start start

        if silent then
            running.StandardError.ReadToEnd() |> ignore

        running.WaitForExit()
        Some running.ExitCode
    with :? ComponentModel.Win32Exception ->
        None

/// A Python that has what executes and checks notebooks.
let private findJupyter () =
    [ "/usr/bin/python3"; "python3"; "python" ]
    |> List.tryFind (fun program ->
        python program [] true [ "-c"; "import nbconvert, nbclient, nbformat, jupyter_client" ] = Some 0)

/// Executes every notebook from the top, with this build's kernel, and checks what comes of it; with --keep the notebooks are replaced by their executed selves.
let notebooks arguments =
    let keep = (arguments = [ "--keep" ])

    if not (keep || List.isEmpty arguments) then
        eprintfn "The target 'notebooks' knows only the argument '--keep'."
        raise (StepFailed 1)

    build ()

    match findJupyter () with
    | None ->
        printfn
            "The notebooks are not executed, because Jupyter's nbconvert is not installed (Debian: apt-get install python3-nbconvert python3-nbclient)."
    | Some program ->
        let work = Directory.CreateTempSubdirectory "gaplab-notebooks-"

        let run environment arguments =
            match python program environment false arguments with
            | Some 0 -> ()
            | _ -> raise (StepFailed 1)

        try
            quietly [] [ kernelProgram; "install"; work.FullName ]
            let files = Directory.GetFiles(Path.Combine(root, "Notebooks"), "*.ipynb") |> Array.sort |> Array.toList
            let executed = files |> List.map (fun file -> Path.Combine(work.FullName, Path.GetFileName file))

            for file in files do
                step (Path.GetFileNameWithoutExtension file) (fun () ->
                    [ "-m"; "nbconvert"; "--log-level=WARN"; "--to=notebook"; "--execute" ]
                    @ [ "--ExecutePreprocessor.timeout=600"; "--ExecutePreprocessor.record_timing=False" ]
                    @ [ "--output-dir"; work.FullName; file ]
                    |> run [ ("JUPYTER_PATH", work.FullName) ])

            let check = "import nbformat, sys\nfor f in sys.argv[1:]: nbformat.validate(nbformat.read(f, 4))"
            run [] ("-c" :: check :: files @ executed)

            if keep then
                for file, result in List.zip files executed do
                    File.Copy(result, file, true)

            printfn "%d notebooks run and are valid." files.Length
        finally
            work.Delete true

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
