module GapLab.Tests.Data.ArrayFileTests

open System
open System.IO
open System.IO.Compression
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Data.Arrays
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Data.ArrayFixtures
open GapLab.Tests.Data.DataFixtures

let private load (name: string) (bytes: byte[]) = withFolder (fun folder -> DataSets.Load(write folder name bytes))

/// The numbers of a part as they are, row by row, in the order of their ids.
let private numbers (set: DataSet) =
    [ for split in [ DataSplit.Train; DataSplit.Validation; DataSplit.Test ] do
          let part = set.Splits[split]

          for i in 0 .. part.Count - 1 do
              let row = Array.zeroCreate<float32> part.PixelCount
              Binarization.None().Fill(part, i, 0, row.AsSpan())
              part.Id i, row ]
    |> List.sortBy fst
    |> List.map snd
    |> Array.concat

let private refused (name: string) (bytes: byte[]) (fragments: string list) =
    withFolder (fun folder ->
        let path = write folder name bytes
        refuses (path :: fragments) (fun () -> DataSets.Load path |> ignore))

// ---- .npy

let private types: (string * (float -> byte[])) list =
    [ "f2", (fun v -> BitConverter.GetBytes(Half.op_Explicit (v: float): Half))
      "f4", (float32 >> BitConverter.GetBytes)
      "f8", BitConverter.GetBytes ]

[<Property(MaxTest = 60)>]
let ``real numbers of every width, byte order and version are read back``
    (NonNegativeInt kind)
    (big: bool)
    (values: int16[])
    =
    let name, bytesOf = types[kind % 3]
    let descr = (if big then ">" else "<") + name
    // Quarters up to 512 are exact in all three widths.
    let values = Array.append values (Array.zeroCreate 12) |> Array.map (fun v -> float (v % 2048s) / 4.0)
    let values = values[.. values.Length / 2 * 2 - 1]
    let version = byte (1 + kind % 3)
    let bytes = npyWithHeader version (npyHeader descr [ values.Length / 2; 2 ]) (elements descr bytesOf values)
    numbers (load "x.npy" bytes) = Array.map float32 values

[<Test>]
let ``whole numbers of every type are intensities, or 0 and 1`` () =
    let writers: (string * (int -> byte[])) list =
        [ "u1", (fun v -> [| byte v |])
          "i1", (fun v -> [| byte v |])
          "u2", (uint16 >> BitConverter.GetBytes)
          "i2", (int16 >> BitConverter.GetBytes)
          "u4", (uint32 >> BitConverter.GetBytes)
          "i4", BitConverter.GetBytes
          "u8", (uint64 >> BitConverter.GetBytes)
          "i8", (int64 >> BitConverter.GetBytes) ]

    for name, bytesOf in writers do
        for order in [ "<"; ">" ] do
            let descr = (if name.EndsWith '1' then "|" else order) + name
            let grey = [| 0; 1; 100; 127; 3; 9 |]
            let set = load "x.npy" (npy descr [ 6; 1 ] (elements descr bytesOf grey))
            equalFor descr (grey |> Array.map (fun v -> float32 v / 255f)) (numbers set)
            equalFor descr "sampled-once(seed=0)" set.DefaultBinarization.Description
            let bits = [| 0; 1; 1; 0 |]
            let set = load "x.npy" (npy descr [ 4; 1 ] (elements descr bytesOf bits))
            equalFor descr (Array.map float32 bits) (numbers set)
            equalFor descr "fixed" set.DefaultBinarization.Description

    let set = load "x.npy" (npy "|b1" [ 4; 1 ] [| 1uy; 0uy; 1uy; 1uy |])
    equal [| 1f; 0f; 1f; 1f |] (numbers set)
    holds "images" (set.Train.IsBinary)

[<Test>]
let ``whole numbers that are no bytes are real numbers`` () =
    let set = load "x.npy" (npyOfInts [ 3; 1 ] [| -5; 256; 1000 |])
    equal [| -5f; 256f; 1000f |] (numbers set)
    equal "none" set.DefaultBinarization.Description
    refused "x.npy" (npyOfInts [ 3; 1 ] [| 1; 0; 20_000_000 |]) [ "20000000"; "exact" ]

[<Test>]
let ``images keep their size in each of the usual shapes`` () =
    for shape in [ [ 4; 2; 3 ]; [ 4; 2; 3; 1 ]; [ 4; 1; 2; 3 ] ] do
        let set = load "x.npy" (npy "|u1" shape [| 0uy .. 23uy |])
        equalFor $"{shape}" (2, 3) (set.Train.Height, set.Train.Width)

[<Test>]
let ``real numbers in 0..1 are drawn as bits with their own probability, not rounded to bytes`` () =
    // 0.001 lies below half of 1/255 and would never be set if it were rounded.
    let count = 200_000
    let set = load "x.npy" (npyOfFloats [ count; 1 ] (Array.create count 0.001f))
    equal "sampled-once(seed=0)" set.DefaultBinarization.Description
    let part = set.Splits.Train
    let row = [| 0f |]
    let mutable ones = 0.0

    for i in 0 .. part.Count - 1 do
        set.DefaultBinarization.Fill(part, i, 0, row.AsSpan())
        ones <- ones + float row[0]

    // Four standard errors of a mean of draws with probability 0.001.
    near (4.0 * sqrt (0.001 / float part.Count)) 0.001 (ones / float part.Count)
    near 1e-8 0.001 set.PixelMeans[0]

[<Test>]
let ``a file of bytes gives the bits that the same images have elsewhere`` () =
    let pixels = randomBytes 3 (50 * 6)
    let set = load "x.npy" (npy "|u1" [ 50; 2; 3 ] pixels)
    let whole = images 2 3 pixels

    for i in 0 .. set.Train.Count - 1 do
        equal (bits set.DefaultBinarization whole (set.Train.Id i) 0) (bits set.DefaultBinarization set.Train i 0)

[<Test>]
let ``what is no plain array of images or vectors is refused`` () =
    let zeros n = Array.zeroCreate<byte> n
    refused "x.npy" (npy "|u1" [ 4 ] (zeros 4)) [ "neither vectors" ]
    refused "x.npy" (npy "|u1" [] (zeros 1)) [ "no dimensions" ]
    refused "x.npy" (npy "|u1" [ 2; 2; 2; 3 ] (zeros 24)) [ "2x2x2x3" ]
    refused "x.npy" (npy "|u1" [ 0; 3 ] [||]) [ "empty" ]
    refused "x.npy" (npy "|u1" [ 3; 0 ] [||]) [ "empty" ]
    refused "x.npy" (npy "<c8" [ 1; 1 ] (zeros 8)) [ "'<c8'" ]
    refused "x.npy" (npy "|O" [ 1; 1 ] (zeros 8)) [ "element type" ]

    refused
        "x.npy"
        (npyWithHeader 1uy "{'descr': '|u1', 'fortran_order': True, 'shape': (1, 1), }" (zeros 1))
        [ "column by column" ]

    refused "x.npy" (npyWithHeader 1uy "{'descr': '|u1'}" (zeros 1)) [ "fortran_order" ]
    refused "x.npy" (npyWithHeader 4uy (npyHeader "|u1" [ 1; 1 ]) (zeros 1)) [ "version 4.0" ]
    refused "x.npy" (npy "|u1" [ 20; 2 ] (zeros 39)) [ "cut off"; "40"; "39" ]
    refused "x.npy" (npy "|u1" [ 20; 2 ] (zeros 41)) [ "goes on" ]
    refused "x.npy" (npy "<f8" [ 1 <<< 30; 1 <<< 30 ] (zeros 8)) [ "more than can be held" ]
    refused "x.npy" [| 1uy; 2uy |] [ "signature" ]
    refused "x.npy" [||] [ "signature" ]

    withFolder (fun folder ->
        let nan = write folder "x.npy" (npyOfFloats [ 3; 2 ] [| 0f; 1f; 2f; nanf; 4f; 5f |])
        refuses [ "x.npy"; "NaN"; "datapoint 1, position 1" ] (fun () -> DataSets.Load nan |> ignore))

// ---- .npz

[<TestCase(CompressionLevel.NoCompression)>]
[<TestCase(CompressionLevel.Optimal)>]
let ``named parts of an archive are taken as they are`` level =
    let part first count = npy "|u1" [ count; 2 ] [| for i in 0 .. 2 * count - 1 -> byte (first + i) |]

    for prefix in [ ""; "x_" ] do
        let bytes =
            npz
                level
                [ prefix + "train", part 10 5
                  prefix + "valid", part 50 2
                  "y_train", npy "<i8" [ 5 ] (Array.zeroCreate 40)
                  prefix + "test", part 90 3 ]

        let set = load "own.npz" bytes
        equal (5, 2, 3) (set.Train.Count, set.Validation.Count, set.Test.Count)
        equal [| 10uy .. 19uy |] (set.Train.AllPixels.ToArray())
        equal [| 50uy .. 53uy |] (set.Validation.AllPixels.ToArray())
        equal [| 90uy .. 95uy |] (set.Test.AllPixels.ToArray())

        equal
            [ 0..9 ]
            [ for part in [ set.Train; set.Validation; set.Test ] do
                  for i in 0 .. part.Count - 1 -> part.Id i ]

[<Test>]
let ``an archive of one array is split, and a missing validation part is drawn from the training part`` () =
    let array count = npy "|u1" [ count; 1 ] [| for i in 0 .. count - 1 -> byte i |]
    let one = load "own.npz" (npz CompressionLevel.Optimal [ "arr_0", array 40 ])
    equal (32, 4, 4) (one.Train.Count, one.Validation.Count, one.Test.Count)
    let two = load "own.npz" (npz CompressionLevel.Optimal [ "x_train", array 40; "x_test", array 7 ])
    equal (36, 4, 7) (two.Train.Count, two.Validation.Count, two.Test.Count)

[<Test>]
let ``a validation part of the file's own is taken whole or not at all`` () =
    let array count = npy "|u1" [ count; 1 ] [| for i in 0 .. count - 1 -> byte i |]
    let bytes = npz CompressionLevel.Optimal [ "train", array 40; "valid", array 6; "test", array 7 ]

    withFolder (fun folder ->
        let path = write folder "own.npz" bytes

        for asked, held in [ 0, 0; 1, 6; 20, 6 ] do
            let set = DataSets.Load(path, DataOptions(ValidationCount = asked))
            equal (40, held, 7) (set.Train.Count, set.Validation.Count, set.Test.Count)
            equal 46 (set.Test.Id 0))

[<Test>]
let ``unclear, damaged and mixed archives are refused`` () =
    let bytes = npy "|u1" [ 4; 1 ] [| 1uy .. 4uy |]
    let zip = npz CompressionLevel.Optimal
    refused "x.npz" (zip [ "a", bytes; "b", bytes ]) [ "'a', 'b'"; "x_train" ]
    refused "x.npz" (zip []) [ "no arrays" ]
    refused "x.npz" (zip [ "train", bytes; "x_train", bytes ]) [ "unclear" ]
    refused "x.npz" bytes [ ".npz archive" ]
    refused "x.npz" (zip [ "train", bytes; "test", npyOfFloats [ 1; 1 ] [| 0.5f |] ]) [ "one type" ]

    withFolder (fun folder ->
        let path = write folder "x.npz" (zip [ "train", bytes; "test", npy "|u1" [ 1; 2 ] [| 1uy; 2uy |] ])
        refuses [ "x.npz/test"; "1x2"; "1x1" ] (fun () -> DataSets.Load path |> ignore))

    let stored = npz CompressionLevel.NoCompression [ "train", npy "|u1" [ 4; 1 ] [| 201uy; 250uy; 251uy; 252uy |] ]
    let at = Array.LastIndexOf(stored, 251uy)
    refused "x.npz" (Array.updateAt at 77uy stored) [ "'train'"; "damaged" ]

[<Test>]
let ``a packed bomb is refused before it fills the memory`` () =
    let huge = npy "|u1" [ 100_000; 1000 ] (Array.zeroCreate 100_000_000)
    let bomb = npz CompressionLevel.Optimal [ "train", huge ]
    let packed = gzipAt CompressionLevel.SmallestSize huge
    let before = GC.GetAllocatedBytesForCurrentThread()
    refused "x.npz" bomb [ "out of all proportion" ]
    refused "x.npy.gz" packed [ "out of all proportion" ]
    Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan 500_000_000L)

// ---- .csv

[<Test>]
let ``tables are read with and without a header and with each separator`` () =
    let rows = [ "0,128,255"; "7,8,9"; "1,2,3" ]

    for lines in
        [ rows
          "a,b,c" :: rows
          "0,1,2" :: rows
          rows |> List.map _.Replace(",", ";")
          rows |> List.map _.Replace(",", " , ") ] do
        let set = load "x.csv" (csv lines)

        equal
            [| 0uy; 128uy; 255uy; 7uy; 8uy; 9uy; 1uy; 2uy; 3uy |]
            (numbers set |> Array.map (fun v -> byte (v * 255f + 0.5f)))

    let reals = load "x.csv" (csv [ "0.25,1e-3"; "-7,\"2.5\""; "1,0" ])
    equal [| 0.25f; 1e-3f; -7f; 2.5f; 1f; 0f |] (numbers reals)
    equal "none" reals.DefaultBinarization.Description
    equal "fixed" (load "x.csv" (csv [ "0,1"; "1,1"; "0,0" ])).DefaultBinarization.Description

[<Test>]
let ``labels, text and uneven rows are refused with their place`` () =
    refused "x.csv" (csv [ "label,p0,p1"; "3,0,1" ]) [ "Column 1"; "'label'" ]
    refused "x.csv" (csv [ ",0,1"; "0,5,6" ]) [ "Column 1"; "index=False" ]
    refused "x.csv" (csv [ "1,2,3"; "4,5,six" ]) [ "Line 2"; "'six'"; "column 3" ]
    refused "x.csv" (csv [ "a,b,c"; "4,5" ]) [ "Line 2"; "2 fields"; "3" ]
    refused "x.csv" (csv [ "1,2,"; "4,5,6" ]) [ "column 3" ]
    refused "x.csv" (csv [ "1,2,nan"; "4,5,6" ]) [ "'nan'"; "finite" ]
    refused "x.csv" (csv [ "1,2,1e99" ]) [ "'1e99'" ]
    refused "x.csv" (csv [ "a,b,c" ]) [ "no rows" ]
    refused "x.csv" [||] [ "no rows" ]
    refused "x.csv" (csv [ "1,\"2,3"; "4,5,6" ]) [ "well-formed" ]

// ---- splits and names

[<Test>]
let ``a single array is split at random, the same way every time, into parts that cover it`` () =
    let bytes = npy "|u1" [ 200; 1 ] [| 0uy .. 199uy |]

    withFolder (fun folder ->
        let path = write folder "sorted.npy" bytes
        let set = DataSets.Load path
        equal (160, 20, 20) (set.Train.Count, set.Validation.Count, set.Test.Count)
        let parts = [ set.Train; set.Validation; set.Test ]
        equal [| 0uy .. 199uy |] (parts |> Seq.collect (fun p -> p.AllPixels.ToArray()) |> Seq.sort |> Seq.toArray)
        // The first tenth of a sorted file must not be a part of its own.
        let mean = set.Test.AllPixels.ToArray() |> Array.averageBy float
        Assert.That(mean, Is.GreaterThan(60.0).And.LessThan 140.0)

        for part in parts do
            for i in 0 .. part.Count - 1 do
                equal (byte (part.Id i)) (part.Pixels(i)[0])

        let again = DataSets.Load path
        equal (set.Test.AllPixels.ToArray()) (again.Test.AllPixels.ToArray())
        let fewer = DataSets.Load(path, DataOptions(ValidationCount = 5))
        equal (175, 5, 20) (fewer.Train.Count, fewer.Validation.Count, fewer.Test.Count)
        equal (set.Test.AllPixels.ToArray()) (fewer.Test.AllPixels.ToArray())

        refuses [ "sorted.npy"; "200 datapoints"; "180" ] (fun () ->
            DataSets.Load(path, DataOptions(ValidationCount = 180)) |> ignore)

        refuses [ "sorted.npy" ] (fun () -> DataSets.Load(path, DataOptions(ValidationCount = -1)) |> ignore))

[<Test>]
let ``a file is named and recorded with its checksum`` () =
    withFolder (fun folder ->
        let bytes = npy "|u1" [ 20; 1 ] [| 0uy .. 19uy |]
        let plain, packed = write folder "own.npy" bytes, write folder "own.npy.gz" (gzip bytes)
        let set = DataSets.Load plain
        equal "own.npy" set.Name
        equal [ LoadedFile(plain, sha256 bytes, int64 bytes.Length) ] (List.ofSeq set.Files)
        let unpacked = DataSets.Load packed
        equal (sha256 bytes) unpacked.Files[0].Sha256
        Assert.That(set.Provenance, Does.Contain("own.npy in random order[0..16)").And.Contains "sampled-once")
        refuses [ "missing.npy"; "does not exist" ] (fun () -> DataSets.Load "missing.npy" |> ignore)
        refuses [ ".npy" ] (fun () -> DataSets.Load "own.mat" |> ignore))

[<Test>]
let ``real numbers are served by sources and not as images`` () =
    let set = load "x.npy" (npyOfFloats [ 20; 2 ] (Array.init 40 (fun i -> float32 i / 10f)))
    holds "not for Bernoulli models" (not set.SuitsBernoulli)
    refuses [ "real numbers" ] (fun () -> set.Train |> ignore)
    let source = set.Source(DataSplit.Train, GapLab.Tensors.Reference.ReferenceDevice.Instance, 5)
    equal 5 source.Count
    refuses [ "outside 0..1"; "threshold" ] (fun () -> Binarization.Threshold().Means set.Splits.Train |> ignore)
    refuses [ "grey" ] (fun () -> Binarization.FixedFile().Means set.Splits.Train |> ignore)

// ---- damage

let private parse name (bytes: byte[]) =
    let arrays = ArrayFile.Parse(name, bytes)
    ArrayFile.Split(name, arrays, Nullable(), LoadedFile(name, "", 0L)) |> ignore

[<Test>]
let ``damaged .npy files load or are refused`` () =
    let reals = npyOfFloats [ 8; 2; 3 ] (Array.init 48 (fun i -> float32 i / 48f))
    Mutations.check Mutations.count 1 reals (parse "x.npy")

    let whole =
        npyWithHeader
            3uy
            (npyHeader ">i4" [ 12; 4 ])
            (elements ">i4" (fun (v: int) -> BitConverter.GetBytes v) [| 0..47 |])

    Mutations.check Mutations.count 2 whole (parse "x.npy")

[<Test>]
let ``damaged .npz files load or are refused`` () =
    let part count = npy "|u1" [ count; 3 ] (randomBytes count (3 * count))
    let files = [ "x_train", part 20; "x_valid", part 5; "x_test", part 6 ]
    Mutations.check Mutations.count 3 (npz CompressionLevel.Optimal files) (parse "x.npz")
    Mutations.check Mutations.count 4 (npz CompressionLevel.NoCompression files) (parse "x.npz")

[<Test>]
let ``damaged .csv files load or are refused`` () =
    let rows = [ for i in 0..19 -> $"{i * 7 % 256},{i},0.{i},\"{i}\",-1e-{i % 9}" ]

    Mutations.checkWithin Mutations.allowance Mutations.count 5 (csv ("a,b,c,d,e" :: rows)) (parse "x.csv")
    |> ignore
