/// plotly.js, which draws the charts: too large to commit, so it comes from the user's own npm registry.
module GapLab.Build.PlotlyPackage

#load "processes.fsx"
#r "System.Formats.Tar"

open System
open System.Diagnostics
open System.Formats.Tar
open System.IO
open System.IO.Compression
open System.Security.Cryptography
open GapLab.Build.Processes

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
let fetchPlotly () =
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
