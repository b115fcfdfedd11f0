module GapLab.Tests.Workbench.FrameTests

open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks

type private Kind =
    | Amortized
    | Svi

type private Run =
    { Method: Kind
      Samples: int
      Seed: uint64
      Bound: float
      Published: float option
      Converged: bool }

let private runs =
    [ for method in [ Amortized; Svi ] do
          for samples in [ 1; 10 ] do
              for seed in 1UL .. 4UL do
                  { Method = method
                    Samples = samples
                    Seed = seed
                    Bound = float samples * (if method = Svi then 10. else 1.) + float seed
                    Published = (if seed = 1UL then Some -89.5 else None)
                    Converged = seed <> 3UL } ]
    |> Frame.ofRecords

[<Test>]
let ``records become columns, and None a missing entry`` () =
    equal [ "Method"; "Samples"; "Seed"; "Bound"; "Published"; "Converged" ] (Frame.columnKeys runs)
    equal 16 (Frame.rowCount runs)

    equal
        [| Text "Amortized"; Integer 1L; Integer 1L; Value 2.; Value -89.5; Text "true" |]
        [| for name in runs.ColumnKeys -> (Frame.getColumn name runs)[0] |]

    equal Missing (Frame.getColumn "Published" runs).[1]
    equal [| Some -89.5; None |] (Frame.col<float option> "Published" runs).[..1]
    equal [| 1UL; 2UL; 3UL; 4UL |] (Frame.col<uint64> "Seed" runs).[..3]
    equal [| true; true; false |] (Frame.col<bool> "Converged" runs).[..2]

[<Test>]
let ``anonymous records, bounds and gaps become cells`` () =
    let bound = BoundEstimate("IWAE", BoundDirection.Lower, [| -90.; -92. |], [| 3.; 4. |])
    let gap = Gap("amortization", 1.5, 1.25, 1.75, GapBias.Underestimate)

    let frame =
        Frame.ofRecords
            [ {| Bound = bound
                 Gap = Some gap
                 Left = ValueSome 3
                 Right = (ValueNone: int voption) |} ]

    equal [| Estimate(-91., 2.5) |] (Frame.getColumn "Bound" frame)
    equal [| Interval(1.5, 1.25, 1.75) |] (Frame.getColumn "Gap" frame)
    equal [| Integer 3L |] (Frame.getColumn "Left" frame)
    equal [| Missing |] (Frame.getColumn "Right" frame)

[<Test>]
let ``a seed beyond the signed numbers keeps its digits`` () =
    let frame = Frame.ofColumns [ "seed" => [ 18446744073709551615UL; 7UL ] ]
    equal [| 18446744073709551615UL; 7UL |] (Frame.col<uint64> "seed" frame)

[<Test>]
let ``what no cell can hold is refused with its field`` () =
    throws<GapLabException> [ "'Inner'"; "Version" ] (fun () ->
        Frame.ofRecords [ {| Inner = System.Version(1, 2) |} ] |> ignore)

    throws<GapLabException> [ "Int32" ] (fun () -> Frame.ofRecords [ 1 ] |> ignore)

[<Test>]
let ``a missing column is named with those that exist`` () =
    let words = [ "'Bnd'"; "'Method'"; "'Bound'" ]
    throws<GapLabException> words (fun () -> Frame.getColumn "Bnd" runs |> ignore)
    throws<GapLabException> words (fun () -> Frame.sortBy "Bnd" runs |> ignore)
    throws<GapLabException> words (fun () -> Frame.meanBy [ "Method" ] [ "Bnd" ] runs |> ignore)
    throws<GapLabException> words (fun () -> Frame.filterRows (fun row -> row["Bnd"] = Missing) runs |> ignore)

[<Test>]
let ``an entry of another type is named with its column and row`` () =
    throws<GapLabException> [ "'Method'"; "'Amortized'"; "row 1"; "Double" ] (fun () ->
        Frame.col<float> "Method" runs |> ignore)

    throws<GapLabException> [ "'Published'"; "row 2"; "option" ] (fun () -> Frame.col<float> "Published" runs |> ignore)
    throws<GapLabException> [ "DateTime" ] (fun () -> Frame.col<System.DateTime> "Bound" runs |> ignore)

[<Test>]
let ``columns of different lengths or the same name are refused`` () =
    throws<GapLabException> [ "'a'"; "'b'" ] (fun () -> Frame.ofColumns [ "a" => [ 1 ]; "b" => [ 1; 2 ] ] |> ignore)
    throws<GapLabException> [ "'a'" ] (fun () -> Frame.ofColumns [ "a" => [ 1 ]; "a" => [ 2 ] ] |> ignore)
    throws<GapLabException> [ "Row 2" ] (fun () -> Frame.ofRows [ "a" ] [ [ Value 1. ]; [] ] |> ignore)

[<Test>]
let ``columns are computed, replaced, renamed and chosen`` () =
    let frame =
        Frame.ofColumns [ "a" => [ 1; 2 ]; "b" => [ "x"; "y" ] ]
        |> Frame.addCol "c" (fun row -> 10. * row.GetAs<float> "a")
        |> Frame.mapCol "a" (fun (a: int) -> -a)
        |> Frame.renameCol "b" "name"
        |> Frame.sliceCols [ "c"; "name"; "a" ]

    equal (Frame.ofColumns [ "c" => [ 10.; 20. ]; "name" => [ "x"; "y" ]; "a" => [ -1; -2 ] ]) frame

[<Test>]
let ``rows sort as numbers, then NaN, texts and missing entries, and otherwise keep their order`` () =
    let frame =
        Frame.ofColumns
            [ "x" => [ Text "b"; Missing; Value nan; Integer 10L; Value 9.5; Text "a"; Integer 10L ]; "i" => [ 0..6 ] ]

    equal [| 4; 3; 6; 2; 5; 0; 1 |] (frame |> Frame.sortBy "x" |> Frame.col<int> "i")

[<Test>]
let ``appended frames keep all columns`` () =
    let first = Frame.ofColumns [ "a" => [ 1 ]; "b" => [ 2 ] ]
    let second = Frame.ofColumns [ "c" => [ 3 ]; "a" => [ 4 ] ]

    equal
        (Frame.ofColumns [ "a" => [ 1; 4 ]; "b" => [ Some 2; None ]; "c" => [ None; Some 3 ] ])
        (Frame.append first second)

[<Test>]
let ``means over seeds have the standard error sd / sqrt n`` () =
    let means = runs |> Frame.meanBy [ "Method"; "Samples" ] [ "Bound"; "Published" ]
    equal [ "Method"; "Samples"; "Bound"; "Published" ] means.ColumnKeys
    equal [| "Amortized"; "Amortized"; "Svi"; "Svi" |] (Frame.col<string> "Method" means)
    let bounds = Frame.col<Estimate> "Bound" means
    // The seeds 1 to 4 have the mean 2.5 and the variance 5/3.
    equal [| 3.5; 12.5; 12.5; 102.5 |] (bounds |> Array.map _.Mean)

    for bound in bounds do
        equal 4 bound.Count
        near 1e-15 (sqrt (5. / 12.)) bound.StandardError.Value

    // Missing entries do not count, and one number has no error.
    equal { Mean = -89.5; StandardError = None; Count = 1 } (Frame.col<Estimate> "Published" means).[0]

[<Test>]
let ``a diverged run shows in the mean`` () =
    let estimate = Estimate.ofValues [ 1.; nan ]
    holds "the mean is NaN" (System.Double.IsNaN estimate.Mean)
    equal 2 estimate.Count
    throws<GapLabException> [ "at least one" ] (fun () -> Estimate.ofValues [] |> ignore)

[<Test>]
let ``groups keep their order and are aggregated`` () =
    let groups = runs |> Frame.groupBy [ "Samples" ]
    equal [ [ Integer 1L ]; [ Integer 10L ] ] (List.map fst groups)
    equal [ 8; 8 ] (groups |> List.map (snd >> Frame.rowCount))

    let worst = runs |> Frame.aggregate [ "Samples" ] [ "worst", Frame.col<float> "Bound" >> Array.min >> Value ]
    equal (Frame.ofColumns [ "Samples" => [ 1; 10 ]; "worst" => [ 2.; 11. ] ]) worst

[<Test>]
let ``rows without a key, and those with NaN, are groups too`` () =
    let frame = Frame.ofColumns [ "x" => [ Some nan; None; Some nan; None; Some 1. ] ]
    equal [ 2; 2; 1 ] (frame |> Frame.groupBy [ "x" ] |> List.map (snd >> Frame.rowCount))

[<Test>]
let ``a pivot has a row and a column for each key`` () =
    let table =
        Frame.ofColumns [ "method" => [ "VAE"; "VAE"; "SVI" ]; "samples" => [ 10; 1; 10 ]; "bound" => [ 1.; 2.; 3. ] ]
        |> Frame.pivot "method" "samples" "bound"

    equal (Frame.ofColumns [ "method" => [ "VAE"; "SVI" ]; "10" => [ 1.; 3. ]; "1" => [ Some 2.; None ] ]) table

[<Test>]
let ``a pivot with two entries in one place is refused`` () =
    throws<GapLabException> [ "Method = Amortized"; "Samples = 1"; "meanBy" ] (fun () ->
        Frame.pivot "Method" "Samples" "Bound" runs |> ignore)

/// Frames with a key column of few values, so that keys meet, and a column of row numbers.
let private keyed name value (keys: int list) = Frame.ofColumns [ name => keys; value => [ 0 .. keys.Length - 1 ] ]

let private small = List.map (fun (NonNegativeInt n) -> n % 5)

[<Property>]
let ``a pivot holds every entry and nothing else`` (entries: (int * int * int) list) =
    let entries = entries |> List.distinctBy (fun (row, column, _) -> row, column)

    let frame =
        Frame.ofColumns
            [ "row" => [ for row, _, _ in entries -> row ]
              "column" => [ for _, column, _ in entries -> column ]
              "value" => [ for _, _, value in entries -> value ] ]

    let table = Frame.pivot "row" "column" "value" frame
    let rows = Frame.col<int> "row" table

    for row, column, value in entries do
        let cells = Frame.getColumn (string column) table
        equal (Integer(int64 value)) cells[Array.findIndex ((=) row) rows]

    let present =
        table.ColumnKeys.Tail
        |> List.sumBy (fun key -> Frame.getColumn key table |> Array.filter ((<>) Missing) |> Array.length)

    equal entries.Length present

[<Property>]
let ``joins give the pairs of rows with equal keys, and those without a partner where asked``
    (left: NonNegativeInt list)
    (right: NonNegativeInt list)
    =
    let left, right = small left, small right
    let leftFrame, rightFrame = keyed "key" "l" left, keyed "key" "r" right

    let joined kind =
        let frame = Frame.join kind [ "key" ] leftFrame rightFrame

        Array.zip3 (Frame.col<int> "key" frame) (Frame.col<int option> "l" frame) (Frame.col<int option> "r" frame)
        |> List.ofArray

    let pairs =
        [ for l, leftKey in List.indexed left do
              match
                  [ for r, key in List.indexed right do
                        if key = leftKey then
                            r ]
              with
              | [] -> leftKey, Some l, None
              | partners ->
                  for r in partners do
                      leftKey, Some l, Some r ]

    let lonely =
        [ for r, key in List.indexed right do
              if not (List.contains key left) then
                  key, None, Some r ]

    equal (pairs |> List.filter (fun (_, _, r) -> r.IsSome)) (joined JoinKind.Inner)
    equal pairs (joined JoinKind.Left)
    equal (pairs @ lonely) (joined JoinKind.Outer)

[<Test>]
let ``a number is the same key as an integer and as a decimal`` () =
    let left = Frame.ofColumns [ "samples" => [ 1; 2 ]; "a" => [ "x"; "y" ] ]
    let right = Frame.ofColumns [ "samples" => [ 2.; 2.5 ]; "b" => [ "u"; "v" ] ]
    let joined = Frame.join JoinKind.Inner [ "samples" ] left right
    equal (Frame.ofColumns [ "samples" => [ 2 ]; "a" => [ "y" ]; "b" => [ "u" ] ]) joined

[<Test>]
let ``frames to join must not share other columns`` () =
    let frame = Frame.ofColumns [ "key" => [ 1 ]; "bound" => [ 2. ] ]

    throws<GapLabException> [ "'bound'"; "renameCol" ] (fun () ->
        Frame.join JoinKind.Left [ "key" ] frame frame |> ignore)

    throws<GapLabException> [ "key" ] (fun () -> Frame.join JoinKind.Left [] frame frame |> ignore)

[<Test>]
let ``frames without rows pass through everything`` () =
    let none = runs |> Frame.filterRows (fun _ -> false)
    equal 0 (Frame.rowCount (Frame.sortBy "Bound" none))
    equal [ "Method"; "Bound" ] (Frame.meanBy [ "Method" ] [ "Bound" ] none).ColumnKeys
    equal [ "Method" ] (Frame.pivot "Method" "Samples" "Bound" none).ColumnKeys
    equal 16 (Frame.rowCount (Frame.append none runs))
