namespace GapLab.Workbench

open System
open System.IO
open Argu
open GapLab.Tensors

/// The options that every experiment script understands.
type CommandLine =
    | [<Unique>] Dataset of name: string
    | [<Unique>] Preset of name: string
    | [<Unique>] Seed of number: uint64
    | [<Unique>] Data of folder: string
    | [<Unique>] Out of file: string
    | [<Unique>] Threads of number: int
    | [<Unique>] Verbose

    interface IArgParserTemplate with
        member option.Usage =
            match option with
            | Dataset _ -> "the data set; 'glyphs' is generated, the others are read from files"
            | Preset _ ->
                "smoke (seconds, generated data), small (minutes; some settings differ from the paper's and are listed) or paper (the paper's settings, hours)"
            | Seed _ -> "the seed of everything random (default 1)"
            | Data _ -> "a folder with the data files, looked at before those that GAPLAB_DATA names"
            | Out _ -> "also write the table to a file, as .csv (all digits) or .md; an existing one is replaced"
            | Threads _ -> "worker threads, at most one a processor (the default); the numbers do not depend on it"
            | Verbose -> "print a stack trace when something fails"

/// Command lines: parsing, help, and errors as one sentence.
module Cli =
    /// An error that ends a script: one sentence, exit code 1.
    let fail sentence : 'a = raise (GapLabException sentence)

    let private isHelp argument = List.contains argument [ "help"; "--help"; "-h" ]

    /// Runs a script with its `fsi.CommandLineArgs`: parses the options, hands them over, and turns errors into one sentence on stderr and
    /// exit code 1. `dotnet fsi` keeps a plain --help for itself, so help is also `help` or `-- --help`.
    let run (commandLine: string array) (summary: string) (main: ParseResults<CommandLine> -> unit) : int =
        let script = $"Scripts/{Path.GetFileName(commandLine[0])}"
        let arguments = commandLine[1..] |> Array.filter (fun argument -> argument <> "--")
        let parser = ArgumentParser.Create<CommandLine>(programName = "dotnet fsi " + script, helpTextMessage = summary)

        let parse () =
            try
                parser.Parse(arguments, raiseOnUsage = false)
            with :? ArguParseException as e ->
                let problem = e.Message.Split('\n').[0].Trim().TrimEnd('.')
                let problem = problem.Substring(problem.IndexOf(':') + 1).Trim()
                fail $"{Char.ToUpperInvariant problem[0]}{problem.Substring 1}; see 'dotnet fsi {script} help'."

        // A progress bar hides the cursor.
        Console.CancelKeyPress.Add(fun _ ->
            if not Console.IsErrorRedirected then
                Console.Error.Write "\u001b[?25h"

            Console.Error.WriteLine "\nInterrupted; no table was written.")

        let start () =
            let options = parse ()

            match options.TryGetResult Threads with
            | Some threads when threads < 1 || threads > Environment.ProcessorCount ->
                fail
                    $"--threads must lie between 1 and the {Environment.ProcessorCount} processors of this machine, not {threads}."
            | Some threads -> WorkerPool.Threads <- threads
            | None -> ()

            main options

        if arguments |> Array.tryHead |> Option.exists isHelp then
            printfn "%s" (parser.PrintUsage())

            printfn
                "`dotnet fsi` keeps a plain --help for itself: write `dotnet fsi %s help`, or put `--` before --help."
                script

            0
        elif Array.contains "--verbose" arguments then
            start ()
            0
        else
            try
                start ()
                0
            with
            | :? GapLabException
            | :? IOException
            | :? UnauthorizedAccessException as e ->
                eprintfn "%s" e.Message
                1
