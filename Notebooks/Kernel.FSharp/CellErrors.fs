namespace GapLab.Notebooks

open System
open System.Reflection
open System.Text.RegularExpressions
open FSharp.Compiler.Diagnostics
open GapLab.Tensors

/// What went wrong in a cell: the kind of error, one sentence, and all lines to show.
type internal CellError = { Name: string; Sentence: string; Lines: string list }

/// Errors as readers of a notebook need them: where in which cell, and nothing of how cells are run.
module internal CellErrors =
    /// The name of a cell's source.
    let sourceName (count: int) = $"In[{count}]"

    let private severity (diagnostic: FSharpDiagnostic) =
        match diagnostic.Severity with
        | FSharpDiagnosticSeverity.Error -> "error"
        | FSharpDiagnosticSeverity.Warning -> "warning"
        | _ -> "note"

    let private place (diagnostic: FSharpDiagnostic) =
        let where = $"line {diagnostic.StartLine}, column {diagnostic.StartColumn + 1}"

        match Regex.Match(diagnostic.FileName, @"In\[(\d+)\]$") with
        | found when found.Success -> $"Cell {found.Groups[1].Value}, {where}"
        // What is only checked has this name, whichever cell it is of.
        | _ when IO.Path.GetFileName diagnostic.FileName = "stdin.fsx" -> where
        | _ -> $"{diagnostic.FileName}, {where}"

    /// What the compiler says, with the line of the cell that it means.
    let ofDiagnostic (code: string) (diagnostic: FSharpDiagnostic) : string list =
        let message = diagnostic.Message.Replace("\r", "").Split '\n' |> Array.toList
        let first = $"{place diagnostic}: {severity diagnostic} {diagnostic.ErrorNumberText}: {message.Head}"
        let lines = code.Split '\n'

        let marked =
            if diagnostic.StartLine >= 1 && diagnostic.StartLine <= lines.Length then
                let line = lines[diagnostic.StartLine - 1].TrimEnd '\r'
                let start = min diagnostic.StartColumn line.Length

                let stop =
                    if diagnostic.EndLine = diagnostic.StartLine then
                        diagnostic.EndColumn
                    else
                        line.Length

                [ "    " + line; "    " + String(' ', start) + String('^', max 1 (min stop line.Length - start)) ]
            else
                []

        first :: message.Tail @ marked

    /// The errors that the compiler found.
    let ofDiagnostics (code: string) (diagnostics: FSharpDiagnostic array) : CellError =
        let errors = diagnostics |> Array.filter (fun one -> one.Severity = FSharpDiagnosticSeverity.Error)

        let sentence =
            match Array.tryHead errors with
            | Some error ->
                place error
                + ": "
                + String.Join(' ', error.Message.Split([| '\r'; '\n' |], StringSplitOptions.RemoveEmptyEntries))
            | None -> "The cell cannot be compiled."

        { Name = "Compiler error"
          Sentence = sentence
          Lines =
            match errors with
            | [||] -> [ sentence ]
            | _ -> errors |> Array.toList |> List.collect (ofDiagnostic code) }

    let rec private cause (error: exn) =
        match error with
        | :? TargetInvocationException
        | :? TypeInitializationException when not (isNull error.InnerException) -> cause error.InnerException
        | :? AggregateException as several when several.InnerExceptions.Count = 1 -> cause several.InnerException
        | _ -> error

    /// One line of a stack as a place in a cell or in a library; None for the machinery between.
    let private frame (line: string) =
        let found = Regex.Match(line.TrimEnd(), @"^\s+at (?<what>.*?)(?: in (?<file>.*):line (?<line>\d+))?$")
        let what = found.Groups["what"].Value

        let isMachinery =
            what.StartsWith "System.Reflection."
            || what.StartsWith "FSharp.Compiler."
            || what.StartsWith "Microsoft.FSharp.Core.PrintfModule"
            || what.StartsWith "Microsoft.FSharp.Core.Operators.Raise"
            || what.StartsWith "GapLab.Notebooks."
            || what.StartsWith "System.Runtime.ControlledExecution"

        if not found.Success || isMachinery then
            None
        else
            let cell = Regex.Match(found.Groups["file"].Value, @"In\[(\d+)\]$")

            if cell.Success then
                let name = Regex.Replace(what, @"^FSI_\d+\.", "")

                let inside =
                    if what.Contains "main@" || what.Contains "StartupCode" || what.Contains ".cctor" then
                        ""
                    else
                        $", in {name}"

                let number, line = cell.Groups[1].Value, found.Groups["line"].Value
                Some(true, $"   cell {number}, line {line}{inside}")
            else
                Some(false, $"   at {what}")

    let private mostFrames = 20

    /// An exception that a cell threw. Mistakes that GapLab explains in a sentence come with the cell's own lines only.
    let ofException (error: exn) : CellError =
        let error = cause error
        let name = error.GetType().Name
        let frames = (string error.StackTrace).Split '\n' |> Array.toList |> List.choose frame

        // Below the cell's first line there is only what called the cell.
        let frames =
            match List.tryFindIndexBack fst frames with
            | Some last -> List.truncate (last + 1) frames
            | None -> frames

        let frames = if error :? GapLabException then List.filter fst frames else frames
        let hidden = frames.Length - mostFrames
        let shown = frames |> List.truncate mostFrames |> List.map snd
        let shown = if hidden > 0 then shown @ [ $"   ... {hidden} more" ] else shown

        { Name = name
          Sentence = error.Message
          Lines = $"{name}: {error.Message}" :: List.distinct shown }

    /// A cell that was stopped.
    let interrupted kind : CellError =
        let sentence =
            match kind with
            | InOrder -> "The cell was stopped."
            | ByForce ->
                "The cell was stopped where it was; should something be in disorder after this, restart the kernel."
            | LeftBehind ->
                "The cell cannot be stopped and was left behind, where it may still use a processor: restart the kernel to end it."

        { Name = "Interrupted"
          Sentence = sentence
          Lines = [ "Interrupted: " + sentence ] }
