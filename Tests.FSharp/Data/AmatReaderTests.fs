module GapLab.Tests.Data.AmatReaderTests

open System
open System.Text
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private read (path: string) height width =
    let struct (set, file) = AmatReader.Read(path, height, width)
    set, file

let private readText (text: string) height width =
    withFolder (fun folder -> fst (read (write folder "x.amat" (Encoding.ASCII.GetBytes text)) height width))

let private refused (text: string) (fragments: string list) =
    withFolder (fun folder ->
        let path = write folder "x.amat" (Encoding.ASCII.GetBytes text)
        refuses (path :: fragments) (fun () -> read path 1 4 |> ignore))

[<Property(MaxTest = 60)>]
let ``what was written is read back, plain and packed``
    (PositiveInt height)
    (PositiveInt width)
    (NonNegativeInt count)
    (seed: int)
    (packed: bool)
    =
    let height, width, count = height % 30 + 1, width % 30 + 1, count % 40 + 1
    let pixels = randomBits seed (count * height * width)
    let bytes = amat (height * width) pixels

    withFolder (fun folder ->
        let path = write folder (if packed then "x.amat.gz" else "x.amat") (if packed then gzip bytes else bytes)
        let set, file = read path height width

        set.Count = count
        && set.IsBinary
        && set.AllPixels.ToArray() = pixels
        && file = LoadedFile(path, sha256 bytes, int64 bytes.Length))

[<Test>]
let ``lines that cross the reader's buffer are read back`` () =
    let pixels = randomBits 1 (1000 * 784)

    withFolder (fun folder ->
        let set, _ = read (write folder "x.amat" (amat 784 pixels)) 28 28
        Assert.That(set.AllPixels.SequenceEqual(ReadOnlySpan pixels), Is.True))

[<Test>]
let ``blanks may be repeated, be tabs, lead and trail, and lines may end in either way or not at all`` () =
    let expected = [| 0uy; 255uy; 255uy; 0uy |]

    for text in [ "0 1 1 0\n"; "0 1 1 0"; "0 1 1 0\r\n"; "0 1 1 0 \n"; "  0\t1  1 0 \t\r\n" ] do
        let set = readText text 2 2
        Assert.That(set.AllPixels.ToArray(), equalTo expected, text)

    Assert.That(
        (readText "0 1 1 0\r\n1  1 0 0\n0 0 0 1" 1 4).AllPixels.ToArray(),
        equalTo [| 0uy; 255uy; 255uy; 0uy; 255uy; 255uy; 0uy; 0uy; 0uy; 0uy; 0uy; 255uy |]
    )

[<Test>]
let ``single pixels and empty files are read`` () =
    Assert.That((readText "1\n0\n1" 1 1).AllPixels.ToArray(), equalTo [| 255uy; 0uy; 255uy |])
    Assert.That((readText "" 1 1).Count, Is.Zero)

[<Test>]
let ``a line of another length is refused with its number`` () =
    refused "0 1 1 0\n0 1 1\n" [ "Line 2"; "3 pixels"; "4 were expected" ]
    refused "0 1 1 0 1\n" [ "Line 1"; "5 pixels" ]
    refused "0 1 1 0\n\n" [ "Line 2"; "0 pixels" ]
    refused "0 1 1 0\n0 1" [ "Line 2"; "2 pixels" ]

[<Test>]
let ``anything but 0, 1 and blanks is refused with its place`` () =
    refused "0 1 1 0\n0 2 1 0\n" [ "Line 2"; "'2'"; "column 3" ]
    refused "0 1,1 0\n" [ "Line 1"; "','"; "column 4" ]
    refused "0 1 1 \000\n" [ "byte 00"; "column 7" ]
    refused "0 \r 1 1 0\n" [ "byte 0d" ]
    refused "01 1 0\n" [ "without a blank"; "column 2" ]
    refused "0 1 1 0.0\n" [ "'.'" ]

[<Test>]
let ``a file without line ends is refused before it is held in memory`` () =
    refused (String('0', 2_000_000)) [ "Line 1"; "longer than" ]

[<Test>]
let ``more or fewer lines than expected are refused`` () =
    withFolder (fun folder ->
        let path = write folder "x.amat" (Encoding.ASCII.GetBytes "0 1\n1 0\n")
        let load (count: int) () = AmatReader.Read(path, 1, 2, null, Nullable count) |> ignore
        refuses [ path; "more than the 1 lines" ] (load 1)
        refuses [ path; "2 lines"; "3 were expected" ] (load 3)
        refuses [ path; "-1" ] (load -1)
        load 2 ())

[<Test>]
let ``sizes that no image has are refused`` () =
    refuses [ "0x4" ] (fun () -> read "x.amat" 0 4 |> ignore)
    refuses [ "100000x100000" ] (fun () -> read "x.amat" 100_000 100_000 |> ignore)

[<Test>]
let ``another checksum is refused and both are named`` () =
    withFolder (fun folder ->
        let bytes = Encoding.ASCII.GetBytes "0 1\n1 0\n"
        let path = write folder "x.amat" bytes
        let expected = sha256 [||]
        refuses [ path; expected; sha256 bytes ] (fun () -> AmatReader.Read(path, 1, 2, expected) |> ignore))

[<Test>]
let ``damaged files load or are refused`` () =
    let bytes = amat 12 (randomBits 4 (6 * 12))
    survivesDamage "x.amat" bytes (fun path -> read path 3 4 |> ignore)
    survivesDamage "x.amat.gz" (gzip bytes) (fun path -> read path 3 4 |> ignore)
