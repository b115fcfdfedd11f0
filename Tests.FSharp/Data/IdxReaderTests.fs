module GapLab.Tests.Data.IdxReaderTests

open System
open System.IO
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private small = idx [ 3; 2; 2 ] [| 1uy .. 12uy |]

let private refused (name: string) (bytes: byte[]) (fragments: string list) =
    withFolder (fun folder ->
        let path = write folder name bytes
        refuses (path :: fragments) (fun () -> IdxReader.Read path |> ignore))

[<Property(MaxTest = 60)>]
let ``what was written is read back, plain and packed`` (sizes: NonNegativeInt list) (seed: int) (packed: bool) =
    let sizes = sizes |> List.truncate 3 |> List.map (fun (NonNegativeInt n) -> n % 40)
    let sizes = if sizes.IsEmpty then [ 7 ] else sizes
    let values = randomBytes seed (List.reduce (*) sizes)
    let bytes = idx sizes values

    withFolder (fun folder ->
        let path = write folder (if packed then "x.gz" else "x") (if packed then gzip bytes else bytes)
        let array = IdxReader.Read path

        Seq.toList array.Dimensions = sizes
        && array.Values.ToArray() = values
        && array.File = LoadedFile(path, sha256 bytes, int64 bytes.Length))

[<Test>]
let ``a packed file larger than the reader's first block is read back`` () =
    let values = randomBytes 1 (3 * 1000 * 1001)

    withFolder (fun folder ->
        let array = IdxReader.Read(write folder "x.gz" (gzip (idx [ 3; 1000; 1001 ] values)))
        Assert.That(array.Values.Span.SequenceEqual(ReadOnlySpan values), Is.True))

[<Test>]
let ``images have the sizes of the header`` () =
    withFolder (fun folder ->
        let set = IdxReader.ReadImages(write folder "x" small)
        Assert.That((set.Count, set.Height, set.Width), equalTo ((3, 2, 2)))
        Assert.That(set.Pixels(2).ToArray(), equalTo [| 9uy .. 12uy |]))

[<Test>]
let ``labels are not taken for images`` () =
    withFolder (fun folder ->
        let path = write folder "labels" (idx [ 3 ] [| 1uy; 2uy; 3uy |])
        refuses [ path; "not images" ] (fun () -> IdxReader.ReadImages path |> ignore))

[<Test>]
let ``a missing file and a folder are refused`` () =
    withFolder (fun folder ->
        refuses [ "nowhere"; "does not exist" ] (fun () -> IdxReader.Read(Path.Combine(folder, "nowhere")) |> ignore)
        refuses [ folder; "is a folder" ] (fun () -> IdxReader.Read folder |> ignore))

[<Test>]
let ``a header that is cut off, foreign or of another type is refused`` () =
    refused "x" [||] [ "signature" ]
    refused "x" small[..2] [ "signature" ]
    refused "x" small[..9] [ "dimension 1" ]
    refused "x" (Array.updateAt 0 0x89uy small) [ "89 00"; "no idx file" ]
    refused "x" (Array.updateAt 2 0x0Duy small) [ "type 0d" ]
    refused "x" (Array.updateAt 3 0uy small) [ "0 dimensions" ]
    refused "x" (Array.updateAt 3 4uy small) [ "4 dimensions" ]

[<Test>]
let ``missing and surplus values are refused with their offset`` () =
    refused "x" small[.. small.Length - 2] [ "cut off"; "byte 27" ]
    refused "x.gz" (gzip small[.. small.Length - 2]) [ "cut off"; "byte 27" ]
    refused "x" (Array.append small [| 0uy |]) [ "goes on"; "byte 28" ]
    refused "x.gz" (gzip (Array.append small [| 0uy |])) [ "goes on"; "byte 28" ]

[<Test>]
let ``a header that claims a trillion bytes costs no memory`` () =
    // 10^12, 2^31-ish cubed (which overflows 64 bits), one dimension above 2^31, and 2 GB just below the limit of an array.
    for sizes in
        [ [ 10000u; 10000u; 10000u ]; [ 2147000000u; 2147000000u; 2147000000u ]; [ 4000000000u ]; [ 2147000000u ] ] do
        for name in [ "x"; "x.gz" ] do
            let bytes = Array.append (idxHeader sizes) (randomBytes 2 100)
            let before = GC.GetAllocatedBytesForCurrentThread()
            refused name (if name = "x" then bytes else gzip bytes) []
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan 8_000_000L)

[<Test>]
let ``a damaged or mislabelled gzip file is refused`` () =
    let packed = gzip small
    refused "x.gz" small [ "gzip signature" ]
    refused "x.gz" packed[.. packed.Length / 2] []
    refused "x.gz" (Array.updateAt (packed.Length - 6) (packed[packed.Length - 6] ^^^ 1uy) packed) [ "gzip" ]

[<Test>]
let ``a packed file without the name of one is unpacked all the same`` () =
    withFolder (fun folder -> Assert.That((IdxReader.Read(write folder "x" (gzip small))).Values.Length, equalTo 12))

[<Test>]
let ``another checksum is refused and both are named`` () =
    withFolder (fun folder ->
        let path = write folder "x" small
        let expected = sha256 [| 1uy |]
        Assert.That((IdxReader.Read(path, sha256 small)).File.Sha256, equalTo (sha256 small))
        refuses [ path; expected; sha256 small ] (fun () -> IdxReader.Read(path, expected) |> ignore))

[<Test>]
let ``other sizes than expected are refused`` () =
    withFolder (fun folder ->
        let path = write folder "x" small
        refuses [ path; "3x2x2"; "3x4" ] (fun () -> IdxReader.Read(path, null, [| 3; 4 |]) |> ignore))

[<Test>]
let ``damaged files load or are refused`` () =
    let bytes = idx [ 5; 4; 3 ] (randomBytes 3 60)
    survivesDamage "x" bytes (fun path -> IdxReader.Read path |> ignore)
    survivesDamage "x.gz" (gzip bytes) (fun path -> IdxReader.Read path |> ignore)
