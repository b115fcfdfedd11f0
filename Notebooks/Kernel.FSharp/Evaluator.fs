namespace GapLab.Notebooks

open System
open System.IO
open System.Runtime.ExceptionServices
open System.Text
open FSharp.Compiler.CodeAnalysis
open FSharp.Compiler.Diagnostics
open FSharp.Compiler.EditorServices
open FSharp.Compiler.Interactive.Shell
open FSharp.Compiler.Symbols
open FSharp.Compiler.Text
open FSharp.Compiler.Tokenization

/// Whether a cell can be run as it stands.
type internal Completeness =
    | Complete
    | Incomplete
    | Invalid

/// F# Interactive, with GapLab's library loaded.
[<Sealed>]
type internal Evaluator() =
    static let libraries =
        [ "Argu"; "CsvHelper"; "Spectre.Console"; "FsCheck"; "GapLab.Core"; "GapLab.Workbench"; "GapLab.Kernel" ]

    let session =
        let references = [ for name in libraries -> "-r:" + Path.Combine(AppContext.BaseDirectory, name + ".dll") ]
        let options = [ "kernel"; "--noninteractive"; "--nologo"; "--debug+"; "--optimize+" ]

        FsiEvaluationSession.Create(
            FsiEvaluationSession.GetDefaultConfiguration(),
            List.toArray (options @ references),
            TextReader.Null,
            TextWriter.Null,
            TextWriter.Null
        )

    do session.EvalInteraction "open GapLab.Notebooks"

    let isError (diagnostic: FSharpDiagnostic) = diagnostic.Severity = FSharpDiagnosticSeverity.Error

    let warn code (diagnostics: FSharpDiagnostic array) =
        for diagnostic in diagnostics do
            if diagnostic.Severity = FSharpDiagnosticSeverity.Warning then
                CellErrors.ofDiagnostic code diagnostic |> List.iter Console.Error.WriteLine

    /// Parses a cell or part of one; None where there is anything to say against it.
    let parse (code: string) =
        let options =
            { FSharpParsingOptions.Default with
                SourceFiles = [| "cell.fsx" |]
                IsInteractive = true }

        let results =
            session.InteractiveChecker.ParseFile("cell.fsx", SourceText.ofString code, options)
            |> Async.RunSynchronously

        if results.Diagnostics.Length = 0 then Some results.ParseTree else None

    /// Runs a part of a cell: its value, and what the compiler says of the part as it was written.
    let evaluate (part: string) (source: string) =
        let asWritten () = session.EvalInteractionNonThrowing(part, source)

        match CellLoops.tryInstrument parse part with
        | None -> asWritten ()
        | Some instrumented ->
            let _, checkedPart, _ = session.ParseAndCheckInteraction part

            if Array.exists isError checkedPart.Diagnostics then
                asWritten ()
            else
                fst (session.EvalInteractionNonThrowing(instrumented, source)), checkedPart.Diagnostics

    /// A place given as a number of characters, as the protocol counts them, as an index, and as line and column.
    let place (code: string) (characters: int) =
        let index = code.EnumerateRunes() |> Seq.truncate (max 0 characters) |> Seq.sumBy _.Utf16SequenceLength

        let before = code.Substring(0, index)
        let line = before |> Seq.filter ((=) '\n') |> Seq.length
        index, line + 1, index - (before.LastIndexOf '\n' + 1)

    /// The same the other way round.
    let characters (code: string) (index: int) = code.Substring(0, index).EnumerateRunes() |> Seq.length

    let lineText (code: string) line = code.Split('\n').[line - 1].TrimEnd '\r'

    /// Runs a cell: the value of its last expression, or None where there is none. Warnings go to stderr.
    member _.Evaluate(code: string, count: int) : Result<(obj * Type) option, CellError> =
        let source = Path.Combine(Directory.GetCurrentDirectory(), CellErrors.sourceName count)

        let rec run parts last =
            match parts with
            | [] -> Ok last
            | part :: rest ->
                let result, diagnostics = evaluate part source
                warn code diagnostics

                match result with
                | _ when Array.exists isError diagnostics -> Error(CellErrors.ofDiagnostics code diagnostics)
                // Whoever stops cells knows whether this one was.
                | Choice2Of2(:? OperationCanceledException as error) -> ExceptionDispatchInfo.Throw error |> unbox
                | Choice2Of2 error -> Error(CellErrors.ofException error)
                | Choice1Of2 None -> run rest None
                | Choice1Of2(Some value) when value.ReflectionType = typeof<unit> -> run rest None
                | Choice1Of2(Some value) -> run rest (Some(value.ReflectionValue, value.ReflectionType))

        run (CellParts.split code) None

    /// A value as F# Interactive writes it.
    member _.Format(value: obj, kind: Type) =
        try
            session.FormatValue(value, kind)
        with :? InvalidOperationException ->
            string value

    /// The words that fit at a place, and the part of the cell, in characters, that they would replace.
    member _.Complete(code: string, cursor: int) : string list * int * int =
        let index, line, column = place code cursor
        let text = lineText code line
        let name = QuickParse.GetPartialLongNameEx(text, column - 1)
        let parsed, checkedCell, _ = session.ParseAndCheckInteraction code
        let items = checkedCell.GetDeclarationListInfo(Some parsed, line, text, name).Items

        let words =
            [ for item in items do
                  if item.NameInList.StartsWith(name.PartialIdent, StringComparison.OrdinalIgnoreCase) then
                      item.NameInCode ]
            |> List.distinct

        words, characters code (index - name.PartialIdent.Length), characters code index

    /// The type and documentation of the name at a place; None if there is none.
    member _.Inspect(code: string, cursor: int) : string option =
        let _, line, column = place code cursor
        let text = lineText code line

        match QuickParse.GetCompleteIdentifierIsland true text (max 0 (min column (text.Length - 1))) with
        | None -> None
        | Some(island, stop, _) ->
            let _, checkedCell, _ = session.ParseAndCheckInteraction code
            let names = island.Split '.' |> Array.toList

            let (ToolTipText.ToolTipText elements) =
                checkedCell.GetToolTip(line, stop, text, names, FSharpTokenTag.Identifier)

            let texts =
                [ for element in elements do
                      match element with
                      | ToolTipElement.Group several ->
                          for one in several do
                              one.MainDescription |> Seq.map _.Text |> String.concat ""

                              match one.XmlDoc with
                              | FSharpXmlDoc.FromXmlText xml ->
                                  xml.UnprocessedLines |> Seq.map _.Trim() |> String.concat "\n"
                              | _ -> ()
                      | _ -> () ]

            if texts.IsEmpty then None else Some(String.concat "\n" texts)

    /// Whether a console should run a cell or wait for more of it.
    member _.Completeness(code: string) : Completeness =
        let parsed, _, _ = session.ParseAndCheckInteraction code
        let errors = parsed.Diagnostics |> Array.filter isError
        let last = code.TrimEnd().Split('\n').Length

        let waits (error: FSharpDiagnostic) =
            error.EndLine >= last
            && [ "ncomplete structured construct"; "End of file"; "Expecting expression" ]
               |> List.exists error.Message.Contains

        if errors.Length = 0 then Complete
        elif Array.exists waits errors then Incomplete
        else Invalid
