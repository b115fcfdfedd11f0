namespace GapLab.Workbench

open System
open System.IO
open Argu
open GapLab.Data
open GapLab.Data.Fetching
open GapLab.Models
open GapLab.Tensors

/// The options of `datasets.fsx list`.
[<RequireQualifiedAccess>]
type ListArguments =
    | [<Unique>] Data of folder: string

    interface IArgParserTemplate with
        member _.Usage = "a folder to look at first"

/// The options of `datasets.fsx fetch`.
[<RequireQualifiedAccess>]
type FetchArguments =
    | [<MainCommand>] Names of name: string list
    | [<Unique>] Data of folder: string
    | Mirror of address: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Names _ -> "the data sets, or 'all'"
            | Data _ -> "the folder to fetch into (default Datasets/cache); every data set gets a subfolder of its name"
            | Mirror _ ->
                "an address to fetch from instead of the publishers', below which the files lie under their published names, in folders named after the data sets or not; may be repeated; also GAPLAB_MIRRORS"

/// The options of `datasets.fsx verify`.
[<RequireQualifiedAccess>]
type VerifyArguments =
    | [<MainCommand>] Names of name: string list
    | [<Unique>] Data of folder: string

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | Names _ -> "the data sets (default: all that are here)"
            | Data _ -> "a folder to look at first"

/// The sub-commands of `datasets.fsx`.
[<RequireQualifiedAccess>]
type DatasetsArguments =
    | [<CliPrefix(CliPrefix.None)>] List of ParseResults<ListArguments>
    | [<CliPrefix(CliPrefix.None)>] Fetch of ParseResults<FetchArguments>
    | [<CliPrefix(CliPrefix.None)>] Verify of ParseResults<VerifyArguments>

    interface IArgParserTemplate with
        member argument.Usage =
            match argument with
            | List _ -> "print the data sets and where they are"
            | Fetch _ -> "download data sets, continuing what was begun, and check them"
            | Verify _ -> "compare the checksums of the files that are here with the published ones"

/// `dotnet fsi Scripts/datasets.fsx`: what data there are, fetching them, checking them.
module DatasetsCommand =
    let private script = "Scripts/datasets.fsx"

    let private catalog = Catalog.Default

    let private known = String.Join(", ", catalog.Names)

    let private megabytes (bytes: int64) = $"{float bytes / 1e6:F1} MB"

    /// The files of a data set that are here, with their places.
    let private present (folders: DataFolders) (entry: CatalogEntry) =
        [ for file in entry.Files do
              match folders.Find(entry.Name, file.Name, catalog.Names) with
              | null -> ()
              | path -> file, path ]

    let private state folders (entry: CatalogEntry) =
        let found = present folders entry

        let places =
            found |> List.map (fun (_, path) -> Path.GetDirectoryName path) |> List.distinct |> String.concat ", "

        let isImages (file: CatalogFile) =
            List.contains file.Role [ CatalogRole.Training; CatalogRole.Validation; CatalogRole.Test ]

        let haveImages =
            entry.Files |> Seq.forall (fun file -> not (isImages file) || List.exists (fst >> (=) file) found)

        if found.IsEmpty then "not here"
        elif found.Length = entry.Files.Count then $"complete in {places}"
        elif haveImages then $"complete, without labels, in {places}"
        else $"incomplete, {found.Length} of {entry.Files.Count} files in {places}"

    let private printColumns (rows: string list list) =
        let widths = rows |> List.transpose |> List.map (List.map String.length >> List.max)

        for row in rows do
            let cells = List.map2 (fun width (cell: string) -> cell.PadRight width) widths row
            printfn "%s" ((String.concat "  " cells).TrimEnd())

    let private sizeOf (entry: CatalogEntry) =
        let isText =
            entry.Files
            |> Seq.exists (fun file -> file.Format = CatalogFormat.WordCounts || file.Format = CatalogFormat.Sentences)

        if isText then
            $"{entry.Width} words"
        else
            $"{entry.Height}x{entry.Width}" + (if entry.Channels = 1 then "" else $"x{entry.Channels}")

    let private list (options: ParseResults<ListArguments>) =
        let folders = DataFolders.Default(options.TryGetResult ListArguments.Data |> Option.toObj)

        let datapoints (entry: CatalogEntry) =
            let count role = entry.Files |> Seq.filter (fun f -> f.Role = role) |> Seq.sumBy _.Count

            match count CatalogRole.Training with
            | 0 -> $"your own, {sizeOf entry}"
            | training ->
                let held = count CatalogRole.Validation
                let validation = if held = 0 then "" else $" + {held}"
                $"{training}{validation} + {count CatalogRole.Test}, {sizeOf entry}"

        printColumns
            [ [ "name"; "datapoints"; "unpacked"; "state"; "licence" ]
              [ DataSets.Glyphs; "any number, 28x28"; "-"; "generated"; "none needed" ]
              [ DataSets.Shapes; "any number, 32x32x3"; "-"; "generated"; "none needed" ]
              [ DataSets.Documents
                $"any number, {SyntheticDocuments.VocabularySize} words"
                "-"
                "generated"
                "none needed" ]
              [ DataSets.Oracle
                $"any number, {OracleOptions().VocabularySize} words"
                "-"
                "generated"
                "none needed" ]
              for entry in catalog.Entries do
                  let bytes = entry.Files |> Seq.sumBy _.Bytes
                  let size = if bytes = 0L then "-" else megabytes bytes
                  [ entry.Name; datapoints entry; size; state folders entry; entry.Licence ] ]

        0

    /// The entries of the names; none of them stands for all.
    let private entriesOf (names: string list) =
        for name in names do
            if Seq.contains name DataSets.Generated then
                Cli.fail $"'{name}' is generated and needs no files; every script takes it as it is."

        if List.contains "all" names || names.IsEmpty then
            List.ofSeq catalog.Entries
        else
            names |> List.distinct |> List.map catalog.Find

    let private fetchFile (downloader: Downloader) (entry: CatalogEntry) (file: CatalogFile) target =
        let title = $"{entry.Name}: {file.Name} ({megabytes file.Bytes} unpacked)"

        let fetched =
            Progress.run title (fun report ->
                downloader.FetchAsync(entry, file, target, Action<_> report).GetAwaiter().GetResult())

        for complaint in fetched.Complaints do
            eprintfn "%s." complaint

    let private fetch (options: ParseResults<FetchArguments>) =
        let names = options.TryGetResult FetchArguments.Names |> Option.defaultValue []

        if names.IsEmpty then
            Cli.fail $"Say which data sets to fetch: all, or some of {known}."

        let entries = entriesOf names
        let named = options.TryGetResult FetchArguments.Data
        let target = defaultArg named DataFolders.Cache

        if File.Exists target then
            Cli.fail $"'{target}' is a file, and --data needs a folder."

        // Without --data, files that are in any of the usual folders need not be fetched.
        let folders =
            match named with
            | Some folder -> DataFolders [ folder ]
            | None -> DataFolders.Default()

        let mirrors = options.GetResults FetchArguments.Mirror
        let fetching = FetchOptions.FromEnvironment mirrors
        use downloader = new Downloader(fetching)

        // A progress bar hides the cursor.
        Console.CancelKeyPress.Add(fun _ ->
            if Terminal.hasErrors () then
                Console.Error.Write "\u001b[?25h"

            Console.Error.WriteLine "\nInterrupted; the same command continues where it stopped.")

        let byHand (entry: CatalogEntry) =
            let isPublished = entry.Files |> Seq.forall _.HasChecksum
            List.contains "all" names && (not isPublished || entry.Instructions <> "" && fetching.Mirrors.Count = 0)

        for entry in entries |> List.filter byHand do
            printfn "%s is left out: it cannot be fetched. %s" entry.Name entry.Instructions

        for entry in entries |> List.filter (byHand >> not) do
            let own = Downloader.FolderOf(entry, target)

            for file in entry.Files do
                match folders.Find(entry.Name, file.Name, catalog.Names) with
                | null -> fetchFile downloader entry file target
                | path when List.contains (FileCheck.Of(path, file)) [ FileState.Genuine; FileState.Unpublished ] -> ()
                | path when Path.GetDirectoryName path = own -> fetchFile downloader entry file target
                | path ->
                    Cli.fail
                        $"'{path}' is not the published file and would be read instead of a fetched one; delete it and run this again."

            printfn "%s: %s. Licence: %s Cite: %s" entry.Name (state folders entry) entry.Licence entry.Citation

        0

    let private verify (options: ParseResults<VerifyArguments>) =
        let names = options.TryGetResult VerifyArguments.Names |> Option.defaultValue []
        let folders = DataFolders.Default(options.TryGetResult VerifyArguments.Data |> Option.toObj)
        let mutable bad = 0

        let complain (sentence: string) =
            bad <- bad + 1
            eprintfn "%s" sentence

        for entry in entriesOf names do
            let found = present folders entry
            let badBefore = bad

            for file, path in found do
                match FileCheck.Of(path, file) with
                | FileState.Genuine -> printfn "%s: genuine" path
                | FileState.Unpublished -> printfn "%s: your own; there is no published file to compare it with" path
                | FileState.Incomplete ->
                    complain
                        $"{path}: cut off or damaged; run 'dotnet fsi {script} fetch {entry.Name}' or copy it again."
                | _ ->
                    complain
                        $"{path}: ALTERED, its unpacked bytes do not have the sha256 {file.Sha256}; delete it and run 'dotnet fsi {script} fetch {entry.Name}'."

            if List.contains entry.Name names && found.IsEmpty then
                complain $"{entry.Name}: not here; run 'dotnet fsi {script} fetch {entry.Name}'."
            elif bad = badBefore then
                printfn "%s: %s" entry.Name (state folders entry)

        if bad > 0 then 1 else 0

    let private parse (arguments: string array) =
        let parser = ArgumentParser.Create<DatasetsArguments>(programName = "dotnet fsi " + script)

        match arguments with
        | _ when arguments |> Array.exists (fun argument -> List.contains argument [ "help"; "--help"; "-h" ]) ->
            printfn "%s" (parser.PrintUsage())

            for below in
                [ parser.GetSubCommandParser(DatasetsArguments.Fetch).PrintUsage()
                  parser.GetSubCommandParser(DatasetsArguments.Verify).PrintUsage() ] do
                printfn "%s" below

            None
        | [||] -> Cli.fail $"Say what to do: list, fetch NAME... or verify; see 'dotnet fsi {script} help'."
        | _ ->
            try
                Some(parser.Parse(arguments, raiseOnUsage = true).GetSubCommand())
            with :? ArguParseException as e ->
                let problem = e.Message.Split('\n').[0].Trim().TrimEnd('.')
                let problem = problem.Substring(problem.IndexOf(':') + 1).Trim()
                Cli.fail $"{Char.ToUpperInvariant problem[0]}{problem.Substring 1}; see 'dotnet fsi {script} help'."

    /// Runs the script with its `fsi.CommandLineArgs`; returns its exit code, 1 after an error of one sentence.
    let run (commandLine: string array) : int =
        try
            match parse (commandLine[1..] |> Array.filter ((<>) "--")) with
            | None -> 0
            | Some(DatasetsArguments.List options) -> list options
            | Some(DatasetsArguments.Fetch options) -> fetch options
            | Some(DatasetsArguments.Verify options) -> verify options
        with
        | :? GapLabException
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            eprintfn "%s" e.Message
            1
