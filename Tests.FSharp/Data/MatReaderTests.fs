module GapLab.Tests.Data.MatReaderTests

open System
open System.IO
open System.IO.Compression
open System.Text
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures

// What follows writes level 5 MAT-files as MathWorks' "MAT-File Format" describes them, independently of the reader.

let private little (numbers: int list) = numbers |> List.map BitConverter.GetBytes |> Array.concat

let private padded (bytes: byte[]) = Array.append bytes (Array.zeroCreate ((8 - bytes.Length % 8) % 8))

/// An element with its tag; of four bytes or fewer, as MATLAB writes it, with the content in the tag.
let private element kind (content: byte[]) =
    if content.Length > 0 && content.Length <= 4 then
        padded (Array.append (little [ (content.Length <<< 16) ||| kind ]) content)
    else
        Array.append (little [ kind; content.Length ]) (padded content)

/// A variable of a class (6 double, 7 single, 9 uint8, 4 text) whose numbers are stored in a type (1 int8, 2 uint8, 7 single, 9 double, ...).
let private variableOf flags (name: string) (matlabClass: int) (kind: int) (sizes: int list) (content: byte[]) =
    Array.concat
        [ element 6 (little [ flags ||| matlabClass; 0 ])
          element 5 (little sizes)
          element 1 (Encoding.ASCII.GetBytes name)
          element kind content ]
    |> fun body -> Array.append (little [ 14; body.Length ]) body

let private variable = variableOf 0

let private compressed (element: byte[]) =
    use target = new MemoryStream()

    do
        use packer = new ZLibStream(target, CompressionLevel.Fastest, true)
        packer.Write(element, 0, element.Length)

    let bytes = target.ToArray()
    Array.append (little [ 15; bytes.Length ]) bytes

let private headerOf (text: string) (version: byte[]) =
    Array.concat [ Encoding.ASCII.GetBytes(text.PadRight 116); Array.zeroCreate 8; version ]

let private header = headerOf "MATLAB 5.0 MAT-file, Platform: test" [| 0uy; 1uy; byte 'I'; byte 'M' |]

let private matFile (variables: byte[] list) = Array.concat (header :: variables)

let private doubles (values: float[]) = values |> Array.map BitConverter.GetBytes |> Array.concat

let private read (bytes: byte[]) name = withFolder (fun folder -> MatReader.Read(write folder "x.mat" bytes, name))

let private refused (bytes: byte[]) name (fragments: string list) =
    refuses ("x.mat" :: fragments) (fun () -> read bytes name |> ignore)

[<Property(MaxTest = 40)>]
let ``bytes and real numbers are read back, compressed or not, among other variables``
    (PositiveInt rows)
    (PositiveInt columns)
    (seed: int)
    (packs: bool)
    =
    let rows, columns = rows % 20 + 1, columns % 20 + 1
    let pixels = randomBytes seed (rows * columns * 3)
    let reals = Array.init (rows * columns) (fun i -> float (i * 7 % 11) / 8.)
    let form = if packs then compressed else id

    let file =
        matFile
            [ form (variable "text" 4 16 [ 1; 5 ] "hello"B)
              form (variable "pixels" 9 2 [ rows; columns; 3 ] pixels)
              // Whole numbers of class double are stored in bytes.
              form (variable "target" 6 2 [ rows; columns ] pixels[.. rows * columns - 1])
              form (variable "reals" 6 9 [ rows; columns ] (doubles reals)) ]

    let found = read file "pixels"
    equal [ rows; columns; 3 ] (List.ofSeq found.Dimensions)
    equal pixels found.Bytes
    equal (sha256 file) found.File.Sha256
    equal (Array.map float32 reals) (read file "reals").Reals
    equal (Array.map float32 pixels[.. rows * columns - 1]) (read file "target").Reals

[<Test>]
let ``every type in which numbers are stored is read`` () =
    let expected = [| 1f; 100f; 3f |]

    let cases: (int * (int -> byte[])) list =
        [ 1, (fun v -> [| byte v |])
          2, (fun v -> [| byte v |])
          3, (int16 >> BitConverter.GetBytes)
          4, (uint16 >> BitConverter.GetBytes)
          5, BitConverter.GetBytes
          6, (uint32 >> BitConverter.GetBytes)
          7, (float32 >> BitConverter.GetBytes)
          9, (float >> BitConverter.GetBytes)
          12, (int64 >> BitConverter.GetBytes)
          13, (uint64 >> BitConverter.GetBytes) ]

    for kind, bytes in cases do
        let content = expected |> Array.map (int >> bytes) |> Array.concat
        equalFor $"type {kind}" expected (read (matFile [ variable "x" 6 kind [ 1; 3 ] content ]) "x").Reals

    // Logical values are bytes of another class.
    equal [| 0uy; 1uy |] (read (matFile [ variableOf 0x200 "x" 9 2 [ 1; 2 ] [| 0uy; 1uy |] ]) "x").Bytes
    equal 0 (read (matFile [ variable "x" 6 9 [ 0; 0 ] [||] ]) "x").Reals.Length

[<Test>]
let ``images come row by row with channels innermost`` () =
    let height, width, channels, count = 2, 3, 3, 4
    let value row column channel image = byte (row + 10 * column + 50 * channel + image)

    let stored =
        [| for image in 0 .. count - 1 do
               for channel in 0 .. channels - 1 do
                   for column in 0 .. width - 1 do
                       for row in 0 .. height - 1 -> value row column channel image |]

    let expected =
        [| for image in 0 .. count - 1 do
               for row in 0 .. height - 1 do
                   for column in 0 .. width - 1 do
                       for channel in 0 .. channels - 1 -> value row column channel image |]

    let grey = Array.init (height * width * count) (fun i -> float i / 100.)

    withFolder (fun folder ->
        let file =
            matFile
                [ compressed (variable "X" 9 2 [ height; width; channels; count ] stored)
                  variable "data" 6 9 [ height * width; count ] (doubles grey) ]

        let path = write folder "x.mat" file

        let images variable channels count =
            let struct (part, _) = MatReader.ReadImages(path, variable, height, width, channels, count, sha256 file)
            part

        equal expected ((images "X" channels count :?> ImageSet).AllPixels.ToArray())
        let second = (images "data" 1 count :?> ArraySet).Values(1).ToArray()
        // Columns of two, below each other.
        equal [| 0.06f; 0.08f; 0.10f; 0.07f; 0.09f; 0.11f |] second
        refuses [ "'X'"; "2x3x3x4"; "2x3x3x5" ] (fun () -> images "X" channels 5 |> ignore)
        refuses [ "real numbers" ] (fun () -> MatReader.ReadImages(path, "data", 1, 2, 3, count) |> ignore))

[<Test>]
let ``what is no such file is refused`` () =
    let good = matFile [ variable "x" 6 9 [ 1; 2 ] (doubles [| 1.; 2. |]) ]
    refused good "y" [ "no variable 'y' but x" ]
    refused header "y" [ "none at all" ]
    refused [||] "x" [ "no MATLAB file" ]
    refused (randomBytes 1 500) "x" [ "no MATLAB file" ]
    refused (headerOf "MATLAB 7.3 MAT-file" [| 0uy; 2uy; byte 'I'; byte 'M' |]) "x" [ "HDF5"; "-v7" ]
    refused (headerOf "MATLAB 5.0 MAT-file" [| 1uy; 0uy; byte 'M'; byte 'I' |]) "x" [ "byte order" ]
    refused (matFile [ variable "x" 4 16 [ 1; 5 ] "hello"B ]) "x" [ "class 4" ]
    refused (matFile [ variableOf 0x800 "x" 6 9 [ 1; 1 ] (doubles [| 1. |]) ]) "x" [ "complex" ]
    refused (matFile [ variable "x" 6 9 [ 1; 3 ] (doubles [| 1.; 2. |]) ]) "x" [ "damaged"; "16 bytes"; "1x3" ]
    refused (matFile [ variable "x" 9 2 [ 1 <<< 20; 1 <<< 20 ] [| 1uy |] ]) "x" [ "cannot be" ]
    refused (matFile [ variable "x" 9 2 [ -1; 1 ] [| 1uy |] ]) "x" [ "cannot be" ]
    let stated = sha256 [||]

    withFolder (fun folder ->
        refuses [ "not the published file" ] (fun () ->
            MatReader.Read(write folder "x.mat" good, "x", stated) |> ignore))

[<Test>]
let ``a file that is cut off anywhere gives one sentence`` () =
    let numbers = Array.init 300 float

    let plain =
        matFile [ variable "a" 6 9 [ 1; 300 ] (doubles numbers); variable "x" 6 9 [ 1; 300 ] (doubles numbers) ]

    let packed =
        matFile
            [ compressed (variable "a" 6 9 [ 1; 300 ] (doubles numbers))
              compressed (variable "x" 6 9 [ 1; 300 ] (doubles numbers)) ]

    for file in [ plain; packed ] do
        for length in 0..37 .. file.Length - 1 do
            refused file[.. length - 1] "x" []

[<Test>]
let ``damaged files are refused or read, and cost no more than their size`` () =
    let content = doubles (Array.init 60 float)

    for form in [ id; compressed ] do
        let file =
            matFile [ form (variable "a" 9 2 [ 5; 5 ] (randomBytes 2 25)); form (variable "x" 6 9 [ 6; 10 ] content) ]

        survivesDamage "x.mat" file (fun path -> MatReader.Read(path, "x") |> ignore)

[<Test>]
let ``one file may hold training and test images`` () =
    let file =
        matFile
            [ variable "data" 6 9 [ 4; 3 ] (doubles (Array.init 12 (fun i -> float i / 16.)))
              variable "testdata" 6 9 [ 4; 2 ] (doubles (Array.zeroCreate 8)) ]

    let entry variable role count =
        $"""{{"name":"x.mat","role":"{role}","format":"mat","count":{count},"bytes":0,"sha256":"","published":"x.mat","variable":"{variable}"}}"""

    let catalog files =
        Catalog.Parse(
            $"""{{"datasets":[{{"name":"chars","title":"t","height":2,"width":2,"binarization":"sampled-once","validation":1,"sorted":true,"citation":"c","licence":"l","sources":[],"files":[{files}]}}]}}""",
            "the test"
        )

    withFolder (fun folder ->
        write folder "chars/x.mat" file |> ignore
        let train, test = entry "data" "training" 3, entry "testdata" "test" 2
        let set = (catalog $"{train},{test}").Load("chars", DataFolders [ folder ])
        equal (2, 1, 2) (set.Splits.Train.Count, set.Splits.Validation.Count, set.Splits.Test.Count)
        equal 1 set.Files.Count
        equal 3 (set.Splits.Test.Id 0)
        equal true set.SuitsBernoulli
        holds "intensities" (set.Splits.Train.HasIntensities && not set.Splits.Train.IsBinary)
        let unnamed = train.Replace("\"variable\":\"data\"", "\"variable\":\"\"")
        refuses [ "which variable" ] (fun () -> catalog $"{unnamed},{test}" |> ignore))
