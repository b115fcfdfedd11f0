module GapLab.Tests.Workbench.FrameFormatTests

open System
open System.IO
open System.Net
open NUnit.Framework
open FsCheck
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks

let private table =
    Frame.ofColumns
        [ "method" => [ "VAE"; "a|b_c"; "50% & $x$" ]
          "n" => [ Some 10; Some 5; None ]
          "nats"
          => [ Averaged { Mean = -89.8; StandardError = Some 0.125; Count = 3 }
               Interval(1.43, 1.305, 1.5551)
               Value 0.001 ] ]

[<Test>]
let ``Markdown aligns numbers to the right and shows texts as they are`` () =
    equal
        [| "| method | n | nats |"
           "| --- | ---: | ---: |"
           "| VAE | 10 | -89.80 ± 0.12 |"
           @"| a\|b\_c | 5 | 1.43 [1.30, 1.56] |"
           "| 50% \\& $x$ | - | 0.001 |" |]
        ((Frame.toMarkdown table).Split '\n')

[<Test>]
let ``LaTeX is a booktabs table with numbers as mathematics`` () =
    equal
        [| @"\begin{tabular}{lrr}"
           @"\toprule"
           @"method & n & nats \\"
           @"\midrule"
           @"VAE & $10$ & $-89.80 \pm 0.12$ \\"
           @"a\textbar{}b\_c & $5$ & $1.43\;[1.30, 1.56]$ \\"
           @"50\% \& \$x\$ & -- & $0.001$ \\"
           @"\bottomrule"
           @"\end{tabular}" |]
        ((Frame.toLatex table).Split '\n')

[<Test>]
let ``HTML marks numbers and escapes texts`` () =
    let html = Frame.toHtml (Frame.ofColumns [ "<b>" => [ "</td><script>" ]; "x" => [ 1.5 ] ])
    holds "the column's name is escaped" (html.Contains "<th>&lt;b&gt;</th>")
    holds "the text is escaped" (html.Contains "<td>&lt;/td&gt;&lt;script&gt;</td>")
    holds "numbers have their class" (html.Contains "<td class=\"number\">1.50</td>")

// ---------------------------------------------------------------------------------------------------------------
// Properties

/// Texts of characters that formats treat in their own way, beside letters, digits and others.
let private awkward =
    Gen.elements (List.ofSeq "ab1 09.,-+eE#\"'\n\r\t;|\\{}[]$&%_^~<>`*±äπNA")
    |> Gen.listOf
    |> Gen.map (List.toArray >> String)

let private number =
    Gen.oneof
        [ ArbMap.defaults |> ArbMap.generate<float>; Gen.elements [ 0.; -0.; 1.; nan; infinity; -infinity; 1e300 ] ]

let private cell =
    let pair = Gen.zip number number

    Gen.oneof
        [ Gen.constant Missing
          awkward |> Gen.map Text
          Gen.elements [ "1"; "1.5"; "NaN"; "NA"; ""; "Infinity"; " x"; "#"; "99999999999999999999"; "-7" ]
          |> Gen.map Text
          ArbMap.defaults |> ArbMap.generate<int64> |> Gen.map Integer
          number |> Gen.map Value
          pair |> Gen.map Estimate
          Gen.zip pair number |> Gen.map (fun ((value, low), high) -> Interval(value, low, high))
          Gen.zip number (Gen.optionOf number)
          |> Gen.map (fun (mean, error) -> Averaged { Mean = mean; StandardError = error; Count = 3 }) ]

let private frame =
    gen {
        let! columns = Gen.choose (1, 5)
        let! rows = Gen.choose (0, 8)
        let! names = Gen.listOfLength columns awkward
        let! cells = Gen.listOfLength columns (Gen.listOfLength rows cell)
        // Made different, and none the part of another.
        return Frame.ofColumns [ for i, (name, cells) in List.indexed (List.zip names cells) -> $"{name}{i}" => cells ]
    }

let private inFile action =
    let file = Path.GetTempFileName()

    try
        action file
    finally
        File.Delete file

/// What a frame holds, numbers to the last bit.
let private content frame =
    let bits (values: float list) = values |> List.map BitConverter.DoubleToInt64Bits

    let identity cell =
        match cell with
        | Missing -> "missing", []
        | Text text -> text, []
        | Integer value -> "integer", [ value ]
        | Value value -> "value", bits [ value ]
        | Estimate(value, error) -> "estimate", bits [ value; error ]
        | Averaged average -> $"of {average.Count}", bits (average.Mean :: Option.toList average.StandardError)
        | Interval(value, low, high) -> "interval", bits [ value; low; high ]

    [ for name in Frame.columnKeys frame -> name, Frame.getColumn name frame |> Array.map identity ]

[<Property(MaxTest = 300)>]
let ``a frame comes back from CSV as it was`` () =
    Prop.forAll (Arb.fromGen frame) (fun frame ->
        inFile (fun file ->
            Frame.saveCsv file frame
            equal (content frame) (content (Frame.readCsv file))))

/// What LaTeX prints for text that has only the commands of the writer.
let private printed (latex: string) =
    let commands =
        [ @"\textbackslash{}", "\\"
          @"\textasciicircum{}", "^"
          @"\textasciitilde{}", "~"
          @"\textless{}", "<"
          @"\textgreater{}", ">"
          @"\textbar{}", "|"
          @"\textquotedbl{}", "\""
          @"\(\pm\)", "±"
          "{[}", "[" ]
        @ [ for c in "{}$&#%_" -> $"\\{c}", string c ]

    let rec read (rest: string) (sofar: string) =
        if rest = "" then
            sofar
        else
            match commands |> List.tryFind (fun (command, _) -> rest.StartsWith(command, StringComparison.Ordinal)) with
            | Some(command, text) -> read (rest.Substring command.Length) (sofar + text)
            | None ->
                holds $"'{rest[0]}' has no meaning of its own in {latex}" (not (@"\{}$&#%_^~<>|""[±".Contains rest[0]))
                read (rest.Substring 1) (sofar + string rest[0])

    read latex ""

[<Property>]
let ``LaTeX prints the text that was given`` () =
    Prop.forAll (Arb.fromGen awkward) (fun text ->
        equal (text.Replace('\n', ' ').Replace('\r', ' ')) (printed (FrameFormats.latexText text)))

[<Property>]
let ``HTML shows the text that was given`` () =
    Prop.forAll (Arb.fromGen awkward) (fun text ->
        let html = FrameFormats.htmlText text
        holds "no tag begins" (not (html.Contains '<'))
        equal text (WebUtility.HtmlDecode html))

// ---------------------------------------------------------------------------------------------------------------
// Files of others

let private read (text: string) =
    inFile (fun file ->
        File.WriteAllText(file, text)
        Frame.readCsv file)

[<Test>]
let ``CSV has all digits, and the parts of an estimate in columns of their own`` () =
    equal
        [ "method,n,nats,nats [standard error],nats [count],nats [low],nats [high]"
          "VAE,10,-89.8,0.125,3,,"
          "a|b_c,5,1.43,,,1.305,1.5551"
          "50% & $x$,,0.001,,,,"
          "" ]
        ((Frame.toCsv table).Split '\n' |> List.ofArray)

[<Test>]
let ``a file of another program is read`` () =
    let frame = read "\uFEFF# a comment\r\nname,x,n\r\n\"a, b\",1.5e-3,7\r\n\r\nc,NA,\r\n"

    equal (Frame.ofColumns [ "name" => [ "a, b"; "c" ]; "x" => [ Some 1.5e-3; None ]; "n" => [ Some 7; None ] ]) frame

[<Test>]
let ``files that are no tables are refused with the line`` () =
    throws<GapLabException> [ "line 3"; "2 fields"; "3 columns" ] (fun () -> read "a,b,c\n1,2,3\n1,2\n" |> ignore)
    throws<GapLabException> [ "line 2"; "quote" ] (fun () -> read "a,b\n\"1,2\n3,4\n" |> ignore)
    throws<GapLabException> [ "line 2"; "quote" ] (fun () -> read "a,b\nx\"y,2\n" |> ignore)
    throws<GapLabException> [ "empty" ] (fun () -> read "" |> ignore)
    throws<GapLabException> [ "'a' twice" ] (fun () -> read "a,b,a\n1,2,3\n" |> ignore)
    throws<GapLabException> [ "no-such-file.csv" ] (fun () -> Frame.readCsv "no-such-file.csv" |> ignore)

[<Test>]
let ``columns that would be read back as parts of another are refused`` () =
    let frame = Frame.ofColumns [ "x" => [ 1. ]; "x [count]" => [ 2 ] ]
    throws<GapLabException> [ "'x [count]'"; "rename" ] (fun () -> Frame.toCsv frame |> ignore)

[<Test>]
let ``the terminal's table does not wrap where it is piped`` () =
    let wide = Frame.ofColumns [ for i in 1..60 -> $"column {i}" => [ $"a rather long entry {i}" ] ]
    let console = Console.Out
    use captured = new StringWriter()

    try
        Console.SetOut captured
        Frame.print wide
    finally
        Console.SetOut console

    let lines = captured.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries)
    equal 5 lines.Length
    holds "the whole row stands in one line" (lines[3].Contains "a rather long entry 60")
