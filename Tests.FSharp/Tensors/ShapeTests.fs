module GapLab.Tests.Tensors.ShapeTests

open NUnit.Framework
open FsCheck
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Tests.Checks

let private refuses words (action: unit -> 'a) = throws<ShapeException> words (fun () -> action () |> ignore)

let private sizes (shape: Shape) = shape.Span.ToArray()

[<Test>]
let ``a scalar has no axes and one element`` () =
    equal 0 (Shape.Scalar.Rank)
    equal 1 (Shape.Scalar.Count)
    equal "[]" (Shape.Scalar.ToString())
    equal true (Shape.Scalar = Shape(Array.empty<int>))

[<Test>]
let ``axes are found from either end`` () =
    let shape = Shape(2, 3, 5)
    equal [ 2; 3; 5 ] [ shape[0]; shape[1]; shape[2] ]
    equal [ 5; 3; 2 ] [ shape[-1]; shape[-2]; shape[-3] ]
    refuses [ "Axis 3"; "[2, 3, 5]" ] (fun () -> shape[3])
    refuses [ "Axis -4" ] (fun () -> shape[-4])

[<Test>]
let ``axes are added, replaced and removed`` () =
    let shape = Shape(2, 3, 5)
    equal [| 2; 3; 5; 7 |] (sizes (shape.Append 7))
    equal [| 2; 1; 5 |] (sizes (shape.With(-2, 1)))
    equal [| 3; 5 |] (sizes (shape.Without 0))
    equal [| 2; 3 |] (sizes (shape.Without -1))
    equal [| 2; 3 |] (sizes shape.Leading)

[<Test>]
let ``impossible shapes are refused with a sentence`` () =
    refuses [ "-3"; "axis 1" ] (fun () -> Shape(2, -3))
    refuses [ "6 axes" ] (fun () -> Shape(1, 1, 1, 1, 1, 1, 1))
    refuses [ "2147483647" ] (fun () -> Shape(65536, 65536))
    refuses [ "6 axes" ] (fun () -> Shape(1, 1, 1, 1, 1, 1).Append 2)

[<Test>]
let ``equality is that of the sizes`` () =
    equal true (Shape(2, 3) = Shape([| 2; 3 |]))
    equal (Shape([| 2; 3 |]).GetHashCode()) (Shape(2, 3).GetHashCode())
    equal false (Shape(2, 3) = Shape(3, 2))
    equal false (Shape(2) = Shape(2, 1))

[<Test>]
let ``shapes that do not broadcast are named with the operation`` () =
    refuses [ "Add:"; "[4, 3]"; "[4, 2]" ] (fun () -> Shape.Broadcast("Add", Shape(4, 3), Shape(4, 2)))

[<TestCase([| 0 |], [| 1 |], [| 0 |])>]
[<TestCase([| 3; 1 |], [| 4 |], [| 3; 4 |])>]
[<TestCase([| 5; 1; 7 |], [| 6; 1 |], [| 5; 6; 7 |])>]
[<TestCase([| 1; 1 |], [| 1 |], [| 1; 1 |])>]
let ``known shapes broadcast`` (a: int[]) (b: int[]) (result: int[]) =
    equal result (sizes (Shape.Broadcast("Add", Shape a, Shape b)))
    equal result (sizes (Shape.Broadcast("Add", Shape b, Shape a)))

let private someShape =
    gen {
        let! rank = Gen.choose (0, 5)
        let! sizes = Gen.arrayOfLength rank (Gen.elements [ 0; 1; 1; 2; 3 ])
        return sizes
    }

/// The rule on lists, innermost size first.
let rec private rule a b =
    match a, b with
    | [], rest
    | rest, [] -> Some rest
    | m :: a, n :: b when m = n || m = 1 || n = 1 ->
        rule a b |> Option.map (fun rest -> (if m = 1 then n else m) :: rest)
    | _ -> None

[<Property(MaxTest = 500)>]
let ``broadcasting follows the rule axis by axis`` () =
    Prop.forAll (Arb.fromGen (Gen.zip someShape someShape)) (fun (a, b) ->
        match rule (List.rev (List.ofArray a)) (List.rev (List.ofArray b)) with
        | Some result -> equal (Array.rev (Array.ofList result)) (sizes (Shape.Broadcast("Add", Shape a, Shape b)))
        | None -> refuses [ "Add:" ] (fun () -> Shape.Broadcast("Add", Shape a, Shape b)))
