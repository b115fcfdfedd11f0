module GapLab.Tests.Data.ImageSetTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private pixels (set: ImageSet) index = set.Pixels(index).ToArray()

[<Property>]
let ``pixels of image i are the i-th block of the memory and its id counts on from the first``
    (PositiveInt height)
    (PositiveInt width)
    (NonNegativeInt count)
    (seed: int)
    =
    let height, width, count = height % 9 + 1, width % 9 + 1, count % 12
    let data = randomBytes seed (count * height * width)
    let set = ImageSet("test", height, width, ReadOnlyMemory data, 40)

    set.Count = count
    && set.PixelCount = height * width
    && List.forall
        (fun i -> pixels set i = Array.sub data (i * height * width) (height * width) && set.Id i = 40 + i)
        [ 0 .. count - 1 ]

[<Property>]
let ``a slice of a selection keeps pixels and ids`` (indices: NonNegativeInt list) (NonNegativeInt first) (seed: int) =
    let set = images 2 3 (randomBytes seed (20 * 6))
    let indices = indices |> List.map (fun (NonNegativeInt i) -> i % 20) |> List.toArray
    let first = first % (indices.Length + 1)
    let slice = set.Select(ReadOnlySpan indices).Slice(first, indices.Length - first)

    slice.Count = indices.Length - first
    && List.forall
        (fun i -> pixels slice i = pixels set indices[first + i] && slice.Id i = indices[first + i])
        [ 0 .. slice.Count - 1 ]

[<Test>]
let ``a slice and Take number their images as the whole does`` () =
    let set = ImageSet("test", 1, 1, ReadOnlyMemory [| 10uy .. 19uy |], 5)
    let slice = set.Slice(3, 4)
    Assert.That(slice.Count, equalTo 4)
    Assert.That(pixels slice 0, equalTo [| 13uy |])
    Assert.That(slice.Id 0, equalTo 8)
    Assert.That(set.Take(2).Id 1, equalTo 6)

[<Test>]
let ``joined sets follow each other and are numbered afresh`` () =
    let joined =
        ImageSet.Concatenate("joined", [| images 1 2 [| 1uy; 2uy |]; images 1 2 [| 3uy; 4uy; 5uy; 6uy |] |], 7)

    Assert.That(joined.AllPixels.ToArray(), equalTo [| 1uy .. 6uy |])
    Assert.That(joined.Id 2, equalTo 9)

[<Test>]
let ``channels belong to a pixel, and to every part of a set`` () =
    let set = ImageSet("test", 2, 1, ReadOnlyMemory [| 1uy .. 18uy |], channels = 3)
    Assert.That((set.Count, set.PixelCount, set.Size, string set), equalTo ((3, 6, "2x1x3", "test: 3 images of 2x1x3")))

    for part, expected in
        [ set.Slice(1, 2), [| 7uy .. 12uy |]; set.Select(ReadOnlySpan [| 2; 0 |]), [| 13uy .. 18uy |] ] do
        Assert.That((part.Channels, pixels part 0), equalTo ((3, expected)))

    let joined = ImageSet.Concatenate("joined", [| set; set |])
    Assert.That((joined.Count, joined.Channels), equalTo ((6, 3)))
    let grey = images 2 3 [| 1uy .. 6uy |]
    refuses [ "2x1x3"; "2x3" ] (fun () -> ImageSet.Concatenate("joined", [| set; grey |]) |> ignore)
    refuses [ "2x1x3"; "2x3" ] (fun () -> DataSplits(set, grey, set, [||]) |> ignore)
    refuses [ "1x1x0" ] (fun () -> ImageSet("test", 1, 1, ReadOnlyMemory [| 1uy |], channels = 0) |> ignore)

[<Test>]
let ``only sets of 0 and 255 are binary`` () =
    Assert.That((images 1 3 [| 0uy; 255uy; 0uy |]).IsBinary, Is.True)
    Assert.That((images 1 3 [| 0uy; 254uy; 0uy |]).IsBinary, Is.False)
    Assert.That((images 1 3 [| 0uy; 1uy; 255uy |]).IsBinary, Is.False)

[<Test>]
let ``impossible sets and requests are refused`` () =
    let set = images 1 2 [| 1uy .. 6uy |]
    refuses [ "'test'"; "0x2" ] (fun () -> images 0 2 [||] |> ignore)
    refuses [ "5 pixels"; "1x2" ] (fun () -> images 1 2 [| 1uy .. 5uy |] |> ignore)
    refuses [ "no number 3" ] (fun () -> set.Id 3 |> ignore)
    refuses [ "no number -1" ] (fun () -> pixels set -1 |> ignore)
    refuses [ "3 images" ] (fun () -> set.Slice(2, 2) |> ignore)
    refuses [ "3 images" ] (fun () -> set.Slice(Int32.MaxValue, Int32.MaxValue) |> ignore)
    refuses [ "3 images" ] (fun () -> set.Take 4 |> ignore)
    refuses [ "no number 9" ] (fun () -> set.Select(ReadOnlySpan [| 0; 9 |]) |> ignore)
    refuses [ "1x2"; "2x1" ] (fun () -> ImageSet.Concatenate("joined", [| set; images 2 1 [| 1uy; 2uy |] |]) |> ignore)
    refuses [ "at least one" ] (fun () -> ImageSet.Concatenate("joined", [||]) |> ignore)
