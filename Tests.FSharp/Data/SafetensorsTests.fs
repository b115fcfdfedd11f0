module GapLab.Tests.Data.SafetensorsTests

open System
open System.Buffers.Binary
open System.Collections.Generic
open System.IO
open System.Text
open NUnit.Framework
open FsCheck
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures

/// A file from the text of its header and its data, right or wrong.
let private file (header: string) (data: byte[]) =
    let text = Encoding.UTF8.GetBytes header
    let length = Array.zeroCreate<byte> 8
    BinaryPrimitives.WriteInt64LittleEndian(length.AsSpan(), int64 text.Length)
    Array.concat [ length; text; data ]

let private parse (bytes: byte[]) = SafetensorsFile.Parse(ReadOnlyMemory bytes, "model.safetensors")

let private refused (fragments: string list) (bytes: byte[]) =
    refuses ("'model.safetensors'" :: fragments) (fun () -> parse bytes |> ignore)

let private entry name ``type`` (shape: int64 list) (data: byte[]) =
    SafetensorsEntry(name, ``type``, List.toArray shape, ReadOnlyMemory data)

let private content (entry: SafetensorsEntry) = entry.Name, entry.Type, Seq.toList entry.Shape, entry.Data.ToArray()

let private sizes =
    [ "BOOL", 1
      "U8", 1
      "I8", 1
      "F8_E5M2", 1
      "F8_E4M3", 1
      "F8_E8M0", 1
      "I16", 2
      "U16", 2
      "F16", 2
      "BF16", 2
      "I32", 4
      "U32", 4
      "F32", 4
      "I64", 8
      "U64", 8
      "F64", 8
      "C64", 8 ]

/// Text with quotes, backslashes, control characters, accents, an astral character.
let private text =
    Gen.elements [ 'a'; 'b'; '.'; '"'; '\\'; '\n'; 'é'; '<'; '\u0000' ]
    |> Gen.listOf
    |> Gen.map (List.toArray >> String)

let private files =
    gen {
        let! names = Gen.listOf text
        let names = names |> List.truncate 6 |> List.mapi (fun i name -> $"{name}{i}𝔷")

        let! entries =
            names
            |> List.map (fun name ->
                gen {
                    let! kind, size = Gen.elements sizes
                    let! shape = Gen.choose (0, 4) |> Gen.listOf |> Gen.map (List.truncate 3)
                    let! seed = Gen.choose (0, 1000)
                    return entry name kind (List.map int64 shape) (randomBytes seed (size * List.fold (*) 1 shape))
                })
            |> Gen.sequenceToList

        let! metadata = Gen.zip text text |> Gen.listOf
        return entries, readOnlyDict (List.distinctBy fst metadata)
    }

[<Property(MaxTest = 200)>]
let ``what was written is read back`` () =
    Prop.forAll (Arb.fromGen files) (fun (entries, metadata) ->
        let bytes = SafetensorsFile.ToBytes(List.toArray entries, metadata)
        let back = parse bytes
        equal (List.map content entries) (back.Entries |> Seq.map content |> Seq.toList)
        equal (Map.ofSeq (metadata |> Seq.map (|KeyValue|))) (Map.ofSeq (back.Metadata |> Seq.map (|KeyValue|)))
        use stream = new MemoryStream()
        SafetensorsFile.Write(stream, List.toArray entries, metadata)
        equal bytes (stream.ToArray())
        // What is read and written again is the same file, and its data begin at a multiple of 8.
        equal bytes (SafetensorsFile.ToBytes(back.Entries, back.Metadata))
        equal 0L (BinaryPrimitives.ReadInt64LittleEndian(ReadOnlySpan bytes) % 8L))

[<Test>]
let ``a file has the bytes that the format's description gives`` () =
    let a = SafetensorsEntry.FromFloats("a", [| 2L |], ReadOnlySpan [| 1f; -2f |])
    let b = SafetensorsEntry.FromInt64("b", [||], ReadOnlySpan [| 258L |])

    let header =
        """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"I64","shape":[],"data_offsets":[8,16]}}"""

    let padded = header.PadRight((header.Length + 7) / 8 * 8)
    let data = [| 0uy; 0uy; 0x80uy; 0x3Fuy; 0uy; 0uy; 0uy; 0xC0uy; 2uy; 1uy; 0uy; 0uy; 0uy; 0uy; 0uy; 0uy |]
    equal (file padded data) (SafetensorsFile.ToBytes([| a; b |], readOnlyDict [ "format", "pt" ]))

[<Test>]
let ``no entries and no metadata make the smallest file`` () =
    equal (file "{}      " [||]) (SafetensorsFile.ToBytes([||], null))
    let back = parse (file "{}" [||])
    equal 0 back.Entries.Count
    equal 0 back.Metadata.Count

[<Test>]
let ``metadata are stored in the order of their names`` () =
    let bytes (pairs: (string * string) list) = SafetensorsFile.ToBytes([||], dict pairs |> Dictionary)
    equal (bytes [ "a", "1"; "b", "2" ]) (bytes [ "b", "2"; "a", "1" ])

[<Test>]
let ``entries come in the order of their data, whatever the header's, and fields that are not known are passed over``
    ()
    =
    let header =
        """{"late":{"data_offsets":[2,3],"note":{"x":[1,{}]},"shape":[1],"dtype":"U8"},"empty":{"dtype":"F32","shape":[0,7],"data_offsets":[2,2]},"early":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}  """

    let back = parse (file header [| 7uy; 8uy; 9uy |])
    equal [ "early"; "empty"; "late" ] (back.Entries |> Seq.map _.Name |> Seq.toList)
    equal [| 7L; 8L |] (back["early"].ToInt64())
    equal [||] (back["empty"].ToFloats())
    equal [| 9L |] (back["late"].ToInt64())

[<Test>]
let ``numbers of every type are read exactly`` () =
    // 1, -2, the smallest positive number, the largest, infinity, as their bit patterns.
    let halves = entry "h" "F16" [ 5L ] [| 0uy; 0x3Cuy; 0uy; 0xC0uy; 1uy; 0uy; 0xFFuy; 0x7Buy; 0uy; 0x7Cuy |]
    equal [| 1f; -2f; 5.9604645e-8f; 65504f; infinityf |] (halves.ToFloats())
    equal [| 1.0; -2.0; 2.0 ** -24.0; 65504.0; infinity |] (halves.ToDoubles())
    let brains = entry "b" "BF16" [ 3L ] [| 0x80uy; 0x3Fuy; 1uy; 0uy; 0x7Fuy; 0x7Fuy |]
    equal [| 1f; 9.1835496e-41f; 3.3895314e38f |] (brains.ToFloats())
    equal [| 1.0; 2.0 ** -133.0; 255.0 * 2.0 ** 120.0 |] (brains.ToDoubles())
    let odd = [| 0.1f; -0f; nanf; Single.Epsilon; Single.MaxValue |]
    let bits = Array.map BitConverter.SingleToUInt32Bits
    equal (bits odd) (SafetensorsEntry.FromFloats("f", [| 5L |], ReadOnlySpan odd).ToFloats() |> bits)
    equal (Array.map float odd) (SafetensorsEntry.FromFloats("f", [| 5L |], ReadOnlySpan odd).ToDoubles())
    let doubles = [| 0.1; nan; Double.MaxValue |]
    equal doubles (SafetensorsEntry.FromDoubles("d", [| 3L |], ReadOnlySpan doubles).ToDoubles())
    equal [| 0.5f; nanf |] (SafetensorsEntry.FromDoubles("d", [| 2L |], ReadOnlySpan [| 0.5; nan |]).ToFloats())
    let longs = [| Int64.MinValue; -1L; Int64.MaxValue |]
    equal longs (SafetensorsEntry.FromInt64("i", [| 3L |], ReadOnlySpan longs).ToInt64())
    let minusOne = Array.create 4 255uy
    equal [| -1L; -1L; -1L; -1L |] ((entry "i" "I8" [ 4L ] minusOne).ToInt64())
    equal [| 255L; 255L; 255L; 255L |] ((entry "i" "U8" [ 4L ] minusOne).ToInt64())
    equal [| -1L; -1L |] ((entry "i" "I16" [ 2L ] minusOne).ToInt64())
    equal [| 65535L; 65535L |] ((entry "i" "U16" [ 2L ] minusOne).ToInt64())
    equal [| -1L |] ((entry "i" "I32" [ 1L ] minusOne).ToInt64())
    equal [| 4294967295L |] ((entry "i" "U32" [ 1L ] minusOne).ToInt64())

[<Test>]
let ``numbers that cannot be read exactly are refused`` () =
    let longs = SafetensorsEntry.FromInt64("n", [| 1L |], ReadOnlySpan [| 1L |])
    refuses [ "'n'"; "I64"; "BF16" ] (fun () -> longs.ToFloats() |> ignore)
    refuses [ "'n'"; "I64"; "F64" ] (fun () -> longs.ToDoubles() |> ignore)
    let doubles = SafetensorsEntry.FromDoubles("d", [| 2L |], ReadOnlySpan [| 1.0; 0.1 |])
    refuses [ "'d'"; "element 1"; "0.1" ] (fun () -> doubles.ToFloats() |> ignore)
    refuses [ "'d'"; "F64" ] (fun () -> doubles.ToInt64() |> ignore)
    refuses [ "'u'"; "U64" ] (fun () -> (entry "u" "U64" [ 1L ] (Array.create 8 255uy)).ToInt64() |> ignore)

    refuses [ "'s'"; "[2, 3]"; "24" ] (fun () ->
        SafetensorsEntry.FromFloats("s", [| 2L; 3L |], ReadOnlySpan [| 1f |]) |> ignore)

[<Test>]
let ``a name that is absent is answered with the nearest ones`` () =
    let u8 name = entry name "U8" [] [| 0uy |]
    let names = [ "decoder.0.weight"; "decoder.0.bias"; "encoder.0.weight"; "encoder.1.weight"; "step" ]
    let some = parse (SafetensorsFile.ToBytes([| for name in names -> u8 name |], null))

    refuses [ "'model.safetensors'"; "'encodr.0.weight'"; "5 names are 'encoder.0.weight'" ] (fun () ->
        some["encodr.0.weight"] |> ignore)

    let found, absent = some.TryGet "nothing"
    equal (false, null) (found, absent)
    let none = parse (SafetensorsFile.ToBytes([||], null))
    refuses [ "'w'"; "none at all" ] (fun () -> none["w"] |> ignore)

let private one fields = sprintf """{"w":{%s}}""" fields

[<Test>]
let ``each violation of the format is refused`` () =
    let good = one """ "dtype":"U8","shape":[2],"data_offsets":[0,2] """
    let two = [| 1uy; 2uy |]
    equal 1 (parse (file good two)).Entries.Count
    // The header's length.
    refused [ "7 bytes" ] (Array.zeroCreate 7)
    refused [ "100000001"; "100000000" ] (Array.append (BitConverter.GetBytes 100_000_001L) (Array.create 20 32uy))
    refused [ "18446744073709551615" ] (Array.append (Array.create 8 255uy) two)
    refused [ "header of 21 bytes"; "20" ] (Array.append (BitConverter.GetBytes 21L) (Array.create 20 32uy))
    // The header's text.
    refused [ "begin with '{'" ] (file "" two)
    refused [ "begin with '{'" ] (file (" " + good) two)
    refused [ "begin with '{'" ] (file "[]" [||])
    refused [ "UTF-8" ] (Array.concat [ BitConverter.GetBytes 3L; [| 0x7Buy; 0xFFuy; 0x7Duy |] ])
    refused [ "JSON" ] (file "{" [||])
    refused [ "JSON" ] (file (good + "x") two)
    refused [ "JSON" ] (file (good + "{}") two)
    refused [ "JSON" ] (file (good.Replace("}}", "},}")) two)
    refused [ "JSON" ] (file """{"\ud800":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}""" two)
    refused [ "JSON" ] (file (one ("\"x\":" + String('[', 100_000))) two)
    // Entries.
    refused [ "'w'"; "object" ] (file """{"w":1}""" two)
    refused [ "two entries 'w'" ] (file ("{" + good.Trim('{', '}') + "}," + good[1..]) two)

    refused
        [ "two entries 'w'" ]
        (file
            """{"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"\u0077":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}}"""
            two)

    refused [ "'w'"; "no 'dtype'" ] (file (one """ "shape":[2],"data_offsets":[0,2] """) two)
    refused [ "'w'"; "no 'shape'" ] (file (one """ "dtype":"U8","data_offsets":[0,2] """) two)
    refused [ "'w'"; "no 'data_offsets'" ] (file (one """ "dtype":"U8","shape":[2] """) two)

    refused
        [ "'w'"; "'shape' twice" ]
        (file (one """ "dtype":"U8","shape":[2],"shape":[2],"data_offsets":[0,2] """) two)

    refused [ "'w'"; "'dtype'" ] (file (good.Replace("\"U8\"", "8")) two)
    refused [ "'w'"; "'U9'"; "BF16" ] (file (good.Replace("U8", "U9")) two)
    refused [ "'w'"; "'F4'" ] (file (good.Replace("U8", "F4")) two)
    // Metadata.
    refused [ "__metadata__"; "object" ] (file """{"__metadata__":[]}""" [||])
    refused [ "__metadata__"; "'a'" ] (file """{"__metadata__":{"a":1}}""" [||])
    refused [ "__metadata__"; "twice" ] (file """{"__metadata__":{"a":"1","a":"2"}}""" [||])
    refused [ "two entries '__metadata__'" ] (file """{"__metadata__":{},"__metadata__":{}}""" [||])

[<Test>]
let ``shapes and ranges that do not fit are refused`` () =
    let sized kind shape offsets =
        one (sprintf "\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":%s" kind shape offsets)

    for fragment, header in
        [ "'shape'", sized "U8" "2" "[0,2]"
          "'shape'", sized "U8" "[-1]" "[0,2]"
          "'shape'", sized "U8" "[2.0]" "[0,2]"
          "'shape'", sized "U8" "[\"2\"]" "[0,2]"
          "'shape'", sized "U8" "[[2]]" "[0,2]"
          "'shape'", sized "U8" "[9223372036854775808]" "[0,2]"
          "64 numbers", sized "U8" ("[" + String.replicate 64 "1," + "2]") "[0,2]"
          "larger than any file", sized "U8" "[4294967296,4294967296]" "[0,2]"
          "larger than any file", sized "U8" "[4294967296,4294967296,0]" "[0,0]"
          "larger than any file", sized "F64" "[2305843009213693952]" "[0,2]"
          "2 bytes where U8 [3] takes 3", sized "U8" "[3]" "[0,2]"
          "2 bytes where F32 [] takes 4", sized "F32" "[]" "[0,2]"
          "'data_offsets'", sized "U8" "[2]" "[0,-2]"
          "[0]", sized "U8" "[2]" "[0]"
          "[0, 2, 2]", sized "U8" "[2]" "[0,2,2]"
          "[2, 0]", sized "U8" "[2]" "[2,0]"
          "[0, 3]", sized "U8" "[3]" "[0,3]"
          "[0, 9223372036854775807]", sized "U8" "[9223372036854775807]" "[0,9223372036854775807]"
          "after a hole", sized "U8" "[1]" "[1,2]" ] do
        refused [ "'w'"; fragment ] (file header [| 1uy; 2uy |])

    refused [ "1 bytes after its last entry" ] (file (sized "U8" "[1]" "[0,1]") [| 1uy; 2uy |])
    refused [ "2 bytes after its last entry" ] (file "{}" [| 1uy; 2uy |])

    let pair first second =
        sprintf
            """{"a":{"dtype":"U8","shape":[2],"data_offsets":%s},"b":{"dtype":"U8","shape":[2],"data_offsets":%s}}"""
            first
            second

    refused [ "'b'"; "inside another" ] (file (pair "[0,2]" "[1,3]") (randomBytes 1 4))
    refused [ "inside another" ] (file (pair "[0,2]" "[0,2]") (randomBytes 1 2))
    refused [ "'a'"; "after a hole" ] (file (pair "[3,5]" "[0,2]") (randomBytes 1 5))

[<Test>]
let ``a hostile name does not spoil the message`` () =
    let name = String('x', 1000) + "\\n"

    let error =
        Assert.Throws<DataException>(Action(fun () -> parse (file (sprintf "{\"\\n%s\":1}" name) [||]) |> ignore))

    holds "one short line" (error.Message.Length < 300 && not (error.Message.Contains '\n'))

[<Test>]
let ``entries that make no file are not written`` () =
    let bytes entries metadata = SafetensorsFile.ToBytes(List.toArray entries, metadata) |> ignore
    let w = entry "w" "U8" [ 1L ] [| 1uy |]
    refuses [ "'w'"; "taken" ] (fun () -> bytes [ w; w ] null)
    refuses [ "'__metadata__'"; "taken" ] (fun () -> bytes [ entry "__metadata__" "U8" [ 1L ] [| 1uy |] ] null)
    refuses [ "'w'"; "'float'" ] (fun () -> bytes [ entry "w" "float" [ 1L ] [| 1uy |] ] null)
    refuses [ "'w'"; "[-1]" ] (fun () -> bytes [ entry "w" "U8" [ -1L ] [| 1uy |] ] null)
    refuses [ "'w'"; "takes 2" ] (fun () -> bytes [ entry "w" "U8" [ 2L ] [| 1uy |] ] null)
    // Halves of surrogate pairs; the compiler would replace them in a literal.
    let high, low = string (char 0xD800), string (char 0xDFFF)
    refuses [ "Unicode" ] (fun () -> bytes [ entry high "U8" [ 1L ] [| 1uy |] ] null)
    refuses [ "Unicode" ] (fun () -> bytes [] (readOnlyDict [ "a", low ]))

[<Test>]
let ``a file is replaced as a whole, and what cannot be read or written is named`` () =
    withFolder (fun folder ->
        let path = Path.Combine(folder, "m.safetensors")
        let w = entry "w" "U8" [ 1L ] [| 1uy |]
        SafetensorsFile.Write(path, [| w |], null)
        SafetensorsFile.Write(path, [| w |], readOnlyDict [ "a", "b" ])
        equal "b" (SafetensorsFile.Read path).Metadata["a"]
        equal [| path |] (Directory.GetFiles folder)
        let before = File.ReadAllBytes path
        refuses [ path; "taken" ] (fun () -> SafetensorsFile.Write(path, [| w; w |], null))
        equal before (File.ReadAllBytes path)
        let nowhere = Path.Combine(folder, "no", "m.safetensors")
        refuses [ nowhere; "written" ] (fun () -> SafetensorsFile.Write(nowhere, [| w |], null))
        refuses [ nowhere; "read" ] (fun () -> SafetensorsFile.Read nowhere |> ignore)
        refuses [ folder; "read" ] (fun () -> SafetensorsFile.Read folder |> ignore)
        refuses [ folder; "written" ] (fun () -> SafetensorsFile.Write(folder, [| w |], null))
        refuses [ "'w2'"; path ] (fun () -> (SafetensorsFile.Read path)["w2"] |> ignore))

[<Test>]
let ``damaged files load or are refused, and cost no more memory than their size`` () =
    let entries =
        [| SafetensorsEntry.FromFloats("encoder.weight", [| 3L; 2L |], ReadOnlySpan(Array.init 6 float32))
           SafetensorsEntry.FromDoubles("encoder.bias", [| 3L |], ReadOnlySpan [| 1.0; 2.0; 3.0 |])
           SafetensorsEntry.FromInt64("step", [||], ReadOnlySpan [| 7L |]) |]

    let valid = SafetensorsFile.ToBytes(entries, readOnlyDict [ "format", "gaplab" ])
    let allowed (length: int) = 200_000L + 64L * int64 length

    let read bytes =
        for entry in (parse bytes).Entries do
            holds "entries lie in the file" (entry.Data.Length <= bytes.Length)

    let tally = Mutations.checkWithin allowed Mutations.count 1 valid read
    holds "most damage is noticed" (4 * tally.Refused > Mutations.count)
