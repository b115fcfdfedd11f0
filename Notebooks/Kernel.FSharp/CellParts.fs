namespace GapLab.Notebooks

open FSharp.Compiler.Tokenization

/// Cells as F# Interactive takes them.
module internal CellParts =
    /// The positions (line, column) of all `;;` that end something, not those in texts and comments.
    let private ends (lines: string array) =
        let tokenizer = FSharpSourceTokenizer([], None, None, None)

        let rec scan (line: FSharpLineTokenizer) number state found =
            match line.ScanToken state with
            | Some token, state when token.TokenName = "SEMICOLON_SEMICOLON" ->
                scan line number state ((number, token.LeftColumn) :: found)
            | Some _, state -> scan line number state found
            | None, state -> state, found

        ((FSharpTokenizerLexState.Initial, []), Array.indexed lines)
        ||> Array.fold (fun (state, found) (number, line) ->
            scan (tokenizer.CreateLineTokenizer line) number state found)
        |> snd
        |> List.rev

    /// The parts of a cell between `;;`, each behind as many empty lines as make its line numbers those of the cell. Lines such as #!fsharp, by which other notebooks name the language
    /// of a cell, become empty.
    let split (code: string) : string list =
        let lines =
            code.Replace("\r\n", "\n").Split '\n' |> Array.map (fun line -> if line.StartsWith "#!" then "" else line)

        let blank (line: string) (from: int) (until: int) =
            // Spaces keep the columns.
            String.replicate from " " + line.Substring(from, until - from)

        let part (fromLine, fromColumn) (untilLine, untilColumn) =
            [ for number in 0..untilLine do
                  if number < fromLine then
                      ""
                  else
                      let start = if number = fromLine then fromColumn else 0
                      let stop = if number = untilLine then untilColumn else lines[number].Length
                      blank lines[number] start stop ]
            |> String.concat "\n"

        let last = lines.Length - 1, lines[lines.Length - 1].Length
        let stops = ends lines
        let starts = (0, 0) :: [ for line, column in stops -> line, column + 2 ]

        List.map2 part starts (stops @ [ last ]) |> List.filter (fun part -> part.Trim() <> "")
