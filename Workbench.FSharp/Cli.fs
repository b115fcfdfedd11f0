namespace GapLab.Workbench

open System
open System.IO
open Argu
open FSharp.Reflection
open Spectre.Console
open GapLab.Tensors

/// Which stored results are computed anew.
type Recompute =
    /// Those that another revision of a component gave.
    | Stale
    /// All that the script shows; trained models are kept.
    | All

/// How the inverse temperatures of AIS are spaced between 0 and 1.
[<RequireQualifiedAccess>]
type AisSchedule =
    | Linear
    /// Densely at both ends.
    | Sigmoid

/// Where the path of AIS starts.
[<RequireQualifiedAccess>]
type AisStart =
    | Prior
    /// At the encoder's q.
    | Posterior

/// Where results are computed.
[<RequireQualifiedAccess>]
type Executor =
    /// On this computer.
    | Local
    /// By job arrays on a cluster that is managed by Slurm.
    | Slurm

/// The options that every experiment script understands.
[<RequireQualifiedAccess>]
type CommandLine =
    | [<MainCommand; Unique>] Weights of weights: string
    | [<Unique>] Spec of file: string
    | [<Unique>] Dataset of names: string
    | [<Unique>] Preset of name: string
    | [<Unique>] Seed of numbers: string
    | [<Unique>] Samples of numbers: string
    | [<Unique>] Steps of numbers: string
    | [<Unique>] Iterations of numbers: string
    | [<Unique>] Ais_Schedule of AisSchedule
    | [<Unique>] Ais_Start of AisStart
    | [<Unique>] Simulated of points: int
    | [<Unique>] Model of names: string
    | [<Unique>] Family of names: string
    | [<Unique>] Method of names: string
    | [<Unique>] Hidden of size: int
    | [<Unique>] Vocabulary of words: int
    | [<Unique>] Text of sentence: string
    | [<Unique>] Out of file: string
    | [<Unique>] Results of folder: string
    | [<Unique>] Recompute of Recompute
    | [<Unique>] Estimate
    | [<Unique>] Jobs of number: int
    | [<Unique>] Executor of Executor
    | [<Unique>] Slurm of options: string
    | [<Unique>] Retries of number: int
    | [<Unique>] Threads of number: int
    | [<Unique>] Checkpoint_Minutes of minutes: float
    | [<Unique>] Data of folder: string
    | [<Unique>] Trace of file: string
    | [<Unique>] Verbose

    interface IArgParserTemplate with
        member option.Usage =
            match option with
            | CommandLine.Weights _ -> "a safetensors file with the weights of a model that was trained elsewhere"
            | CommandLine.Spec _ ->
                "a JSON file that describes that model's layers, likelihood and sizes; see docs/external-models.md"
            | CommandLine.Dataset _ ->
                "the data set, or several separated by commas; 'glyphs' is generated, the others are read from files"
            | CommandLine.Preset _ ->
                "smoke (seconds, generated data), small (minutes; some settings differ from the paper's and are listed) or paper (the paper's settings, hours)"
            | CommandLine.Seed _ ->
                "the seed of everything random (default 1); several, such as 1,2,5 or 1..5, give averages with standard errors"
            | CommandLine.Samples _ -> "numbers of importance samples, to sweep: 50,500,5000"
            | CommandLine.Steps _ -> "numbers of AIS distributions, to sweep: 100,500"
            | CommandLine.Iterations _ -> "limits on the steps of local optimisation, to sweep: 100,1000,10000"
            | CommandLine.Ais_Schedule _ ->
                "how the inverse temperatures of AIS are spaced (default linear); sigmoid is dense at both ends"
            | CommandLine.Ais_Start _ -> "where the path of AIS starts: at the prior (default) or at the encoder's q"
            | CommandLine.Simulated _ ->
                "how many datapoints to simulate from each model, on which AIS and reverse AIS bound log p(x) from both sides; 0 for none"
            | CommandLine.Model _ ->
                "decoders, to sweep: the sizes of the hidden layers, such as 200-200, or 'linear'; with ':gaussian' for Gaussian instead of Bernoulli outputs"
            | CommandLine.Family _ ->
                "families of approximate posteriors: ffg, ladder, full-covariance, flow, iaf; those to sweep, or of a table's models those to train and show"
            | CommandLine.Method _ ->
                "inference methods, to sweep: amortized, iterative, iterative-errors, variational-em"
            | CommandLine.Hidden _ ->
                "the size of the states of language models and of encoders of text; embeddings get half of it"
            | CommandLine.Vocabulary _ -> "how many words the vocabulary of a text has at most; others become <unk>"
            | CommandLine.Text _ -> "a sentence of your own, words separated by blanks as in the training text"
            | CommandLine.Out _ ->
                "write the result to a file: tables as .csv (all digits), .md, .tex, .html or .png, pages as .html or .png; an existing one is replaced"
            | CommandLine.Results _ ->
                "the folder of stored results (default .gaplab/results): what it holds is not computed again"
            | CommandLine.Recompute _ ->
                "compute anew what another revision of the code gave (stale), or all that the script shows"
            | CommandLine.Estimate -> "print what is missing and the time it will take on this machine, and end"
            | CommandLine.Jobs _ ->
                "processes that share the work and the processors (default 1); on a cluster, the most tasks of a job array (default 1000)"
            | CommandLine.Executor _ ->
                "where results are computed: here (local, the default), or by job arrays on a Slurm cluster; see docs/clusters.md"
            | CommandLine.Slurm _ ->
                "options for sbatch, in quotes: \"--partition=cpu --cpus-per-task=4 --time=02:00:00\""
            | CommandLine.Retries _ ->
                "how often a result whose task failed on the cluster is submitted again (default 2)"
            | CommandLine.Threads _ ->
                "worker threads of all processes together, at most one a processor (the default); the numbers do not depend on it"
            | CommandLine.Checkpoint_Minutes _ -> "minutes between two checkpoints of a training (default 2)"
            | CommandLine.Data _ -> "a folder with the data files, looked at before those that GAPLAB_DATA names"
            | CommandLine.Trace _ ->
                "write where time and memory went to a .json file for chrome://tracing or Perfetto, and print a summary"
            | CommandLine.Verbose -> "print a stack trace when something fails"

/// Ends a script early, with an exit code and nothing more to say.
exception ScriptEnd of exitCode: int

/// Command lines: parsing, help, and errors as one sentence.
module Cli =
    /// Exit code of a script that failed.
    let failed = 1

    /// An error that ends a script: one sentence, exit code 1.
    let fail sentence : 'a = raise (GapLabException sentence)

    /// What a name stands for; a name that is not known ends the script with a list of those that are.
    let find kind (known: (string * 'T) list) name =
        match List.tryFind (fst >> (=) name) known with
        | Some(_, value) -> value
        | None ->
            let names = known |> List.map fst |> String.concat ", "
            fail $"There is no {kind} '{name}'; use one of {names}."

    let private isHelp argument = List.contains argument [ "help"; "--help"; "-h" ]

    /// The items of a list such as "mnist,glyphs".
    let items (text: string) =
        text.Split(',', StringSplitOptions.RemoveEmptyEntries ||| StringSplitOptions.TrimEntries) |> List.ofArray

    /// The whole numbers of a list such as "1,2,5..8".
    let numbers (option: string) (text: string) : uint64 list =
        let parse (part: string) =
            match UInt64.TryParse part with
            | true, value -> value
            | false, _ -> fail $"--{option} takes whole numbers such as 1,2,5 or 1..5, not '{text}'."

        [ for item in items text do
              match item.Split ".." with
              | [| first; last |] when parse last >= parse first && parse last - parse first < 100_000UL ->
                  yield! [ parse first .. parse last ]
              | [| one |] -> parse one
              | _ -> fail $"--{option} takes whole numbers such as 1,2,5 or 1..5, not '{text}'." ]
        |> List.distinct
        |> function
            | [] -> fail $"--{option} takes at least one whole number."
            | some -> some

    /// The options of measurements, by name: how they are made and remade.
    let measuring = [ "recompute"; "estimate"; "jobs"; "executor"; "slurm"; "retries" ]

    /// The options of annealed importance sampling, by name.
    let annealing = [ "ais-schedule"; "ais-start"; "simulated" ]

    /// The name of the one argument that is no option.
    let private weights = "weights"

    /// The options that not every script understands, by name: what is measured, `annealing`, and `measuring`.
    let private subjects =
        [ "dataset"; "preset"; "seed"; "samples"; "steps"; "iterations"; "model"; "family"; "method" ]
        @ [ weights; "spec" ]
        @ annealing
        @ measuring

    let private isUnderstood uses name = not (List.contains name subjects) || List.contains name uses

    let private nameOf (case: UnionCaseInfo) = case.Name.ToLowerInvariant().Replace('_', '-')

    let private optionName (option: CommandLine) =
        let case, _ = FSharpValue.GetUnionFields(option, typeof<CommandLine>)
        nameOf case

    let private printHelp (parser: ArgumentParser<CommandLine>) script summary uses =
        let arguments = if List.contains weights uses then $"<{weights}> [OPTIONS]" else "[OPTIONS]"
        printfn "%s\n\nUsage: dotnet fsi %s %s\n" summary script arguments

        let grid = Grid()
        grid.AddColumn(GridColumn(NoWrap = true)).AddColumn() |> ignore

        for case in parser.GetArgumentCases() do
            if isUnderstood uses (nameOf case.UnionCaseInfo) then
                let name = List.tryHead case.CommandLineNames.Value |> Option.defaultValue ""

                let values =
                    match case.UnionCaseInfo.GetFields() with
                    | [| field |] when FSharpType.IsUnion field.PropertyType ->
                        let names = FSharpType.GetUnionCases field.PropertyType |> Array.map _.Name.ToLowerInvariant()
                        " " + String.concat "|" names
                    | [| field |] -> $" <{field.Name}>"
                    | _ -> ""

                grid.AddRow($"  {Markup.Escape((name + values).Trim())}", Markup.Escape case.Description.Value)
                |> ignore

        AnsiConsole.Write grid

        printfn
            "\n`dotnet fsi` keeps a plain --help for itself: write `dotnet fsi %s help`, or put `--` before --help."
            script

    /// A script as it is started from the current folder: Scripts/gaps.fsx, Scripts/Iterative/table1.fsx.
    let private scriptName (path: string) =
        Path.GetRelativePath(Directory.GetCurrentDirectory(), path).Replace(Path.DirectorySeparatorChar, '/')

    /// The options of a command line, as long as it has only those that `uses` and all scripts understand. `program` is who takes them, `help` where they are explained.
    let internal parse program help uses (arguments: string array) =
        let parser = ArgumentParser.Create<CommandLine>(programName = program)
        let fail problem = fail $"{problem}; see {help}."

        // The one argument that is no option takes whatever else is there, so that Argu does not see these.
        let known = parser.GetArgumentCases() |> Seq.collect _.CommandLineNames.Value |> set

        let isUnknown (argument: string) =
            argument.StartsWith "--" && not (isHelp argument || known.Contains(argument.Split('=')[0]))

        match Array.tryFind isUnknown arguments with
        | Some unknown -> fail $"Unrecognized argument: '{unknown}'"
        | None -> ()

        let options =
            try
                parser.Parse(arguments, raiseOnUsage = false)
            with :? ArguParseException as e ->
                let problem = e.Message.Split('\n').[0].Trim().TrimEnd('.')
                let problem = problem.Substring(problem.IndexOf(':') + 1).Trim()
                fail $"{Char.ToUpperInvariant problem[0]}{problem.Substring 1}"

        for name in options.GetAllResults() |> List.map optionName do
            if not (isUnderstood uses name) then
                let what =
                    if name = weights then
                        $"takes options only, not '{options.GetResult CommandLine.Weights}'"
                    else
                        $"has no option --{name}"

                fail $"{program} {what}"

        options

    /// Runs a script with its `fsi.CommandLineArgs`: parses the options, hands them over, and turns errors into one sentence on stderr and
    /// exit code 1. `uses` names the options that the script understands beside those that all do. `dotnet fsi` keeps a plain --help for itself, so help is
    /// also `help` or `-- --help`.
    let run
        (commandLine: string array)
        (summary: string)
        (uses: string list)
        (main: ParseResults<CommandLine> -> unit)
        : int =
        let script = scriptName commandLine[0]
        let arguments = commandLine[1..] |> Array.filter (fun argument -> argument <> "--")

        let start () =
            try
                main (parse (Path.GetFileName script) $"'dotnet fsi {script} help'" uses arguments)
                0
            with ScriptEnd exitCode ->
                exitCode

        if arguments |> Array.tryHead |> Option.exists isHelp then
            printHelp (ArgumentParser.Create<CommandLine>()) script summary uses
            0
        elif Array.contains "--verbose" arguments then
            start ()
        else
            try
                start ()
            with
            | :? GapLabException
            | :? IOException
            | :? UnauthorizedAccessException as e ->
                eprintfn "%s" e.Message
                failed
