namespace GapLab.Notebooks

open System
open FSharp.Compiler.Syntax
open FSharp.Compiler.Text
open GapLab.Tensors

/// What loops of cells ask before every round.
module CellLoop =
    /// True; throws OperationCanceledException where the cell is to stop.
    let goesOn () =
        if WorkerPool.IsStopping then
            raise (OperationCanceledException "The cell was stopped.")

        true

/// Makes `while` loops of cells end in good order when the cell is to stop. The runtime could only stop them wherever they are, which it cannot always do, and which may end the process.
module internal CellLoops =
    let private before, after = "(GapLab.Notebooks.CellLoop.goesOn () && (", "))"

    let private isQuoted (path: SyntaxNode list) =
        path
        |> List.exists (fun node ->
            match node with
            | SyntaxNode.SynExpr(SynExpr.Quote _) -> true
            | _ -> false)

    let private conditions (cell: ParsedInput) =
        ([], cell)
        ||> ParsedInput.fold (fun found path node ->
            match node with
            | SyntaxNode.SynExpr(SynExpr.While(whileExpr = condition)) when
                condition.Range.StartLine = condition.Range.EndLine && not (isQuoted path)
                ->
                condition.Range :: found
            | _ -> found)

    /// The cell with such loops, on the same lines; None if it has none, or where it would no longer mean the same.
    /// `parse` gives None for what is not well-formed.
    let tryInstrument (parse: string -> ParsedInput option) (code: string) : string option =
        let insert (lines: string array) (condition: range) =
            let line = lines[condition.StartLine - 1]
            let stop = line.Insert(condition.EndColumn, after)
            Array.updateAt (condition.StartLine - 1) (stop.Insert(condition.StartColumn, before)) lines

        match parse code |> Option.map conditions with
        | None
        | Some [] -> None
        | Some found ->
            // From the last to the first, so that the places of those to come remain.
            let instrumented =
                (code.Split '\n', found |> List.sortByDescending (fun range -> range.StartLine, range.StartColumn))
                ||> List.fold insert
                |> String.concat "\n"

            // What stood behind a condition has moved to the right; where the layout of later lines depends on it, the cell is left as it is.
            parse instrumented |> Option.map (fun _ -> instrumented)
