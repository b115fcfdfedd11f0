module GapLab.Tests.Data.CifarReaderTests

open System
open System.IO.Compression
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private recordBytes = 3073

/// Records of random bytes with labels 0, 1, ..., 9, 0, ...
let private records seed count =
    let bytes = randomBytes seed (count * recordBytes)

    for i in 0 .. count - 1 do
        bytes[i * recordBytes] <- byte (i % 10)

    bytes

let private read (path: string) count =
    let struct (images, file) = CifarReader.Read(path, count)
    images, file

[<Property(MaxTest = 20)>]
let ``pixels are interleaved, whether the file is packed or not`` (PositiveInt count) (seed: int) (packed: bool) =
    let count = count % 5 + 1
    let bytes = records seed count

    withFolder (fun folder ->
        let path = write folder "x.bin" (if packed then gzip bytes else bytes)
        let images, file = read path count

        (images.Count, images.Height, images.Width, images.Channels, images.PixelCount) = (count, 32, 32, 3, 3072)
        && file = LoadedFile(path, sha256 bytes, int64 bytes.Length)
        && List.forall
            (fun i ->
                let pixels = images.Pixels(i).ToArray()

                Seq.forall
                    (fun (position, channel) ->
                        pixels[3 * position + channel] = bytes[i * recordBytes + 1 + 1024 * channel + position])
                    (Seq.allPairs [ 0..1023 ] [ 0..2 ]))
            [ 0 .. count - 1 ])

[<Test>]
let ``more images than the reader's first block are read back`` () =
    let bytes = records 1 2500

    withFolder (fun folder ->
        let images, _ = read (write folder "x.bin" (gzip bytes)) 2500
        Assert.That(images.Count, equalTo 2500)
        Assert.That(images.Pixels(2499)[3071], equalTo bytes[bytes.Length - 1]))

[<Test>]
let ``a file that is cut off or goes on is refused with the place`` () =
    let bytes = records 2 3

    withFolder (fun folder ->
        for pack in [ id; gzip ] do
            let short = write folder "short.bin" (pack bytes[.. 2 * recordBytes + 99])
            refuses [ short; "cut off"; "byte 6246"; "image 2" ] (fun () -> read short 3 |> ignore)
            let long = write folder "long.bin" (pack (Array.append bytes [| 0uy |]))
            refuses [ long; "goes on"; "byte 9219" ] (fun () -> read long 3 |> ignore)
            let empty = write folder "empty.bin" [||]
            refuses [ empty; "cut off"; "byte 0" ] (fun () -> read empty 1 |> ignore))

[<Test>]
let ``labels that CIFAR-10 does not have tell a wrong file`` () =
    withFolder (fun folder ->
        // CIFAR-100 has a coarse and a fine label, so that its records of 3,074 bytes soon bring another byte where a label should be.
        let path = write folder "x.bin" (records 3 2 |> Array.updateAt recordBytes 10uy)
        refuses [ path; "image 1"; "label 10" ] (fun () -> read path 2 |> ignore))

[<Test>]
let ``altered bytes are refused with both checksums`` () =
    let bytes = records 4 2
    let altered = bytes |> Array.updateAt 100 (bytes[100] ^^^ 1uy)

    withFolder (fun folder ->
        let path = write folder "x.bin" altered

        refuses [ path; sha256 bytes; sha256 altered ] (fun () -> CifarReader.Read(path, 2, sha256 bytes) |> ignore))

[<Test>]
let ``impossible counts are refused before anything is opened`` () =
    for count in [ -1; Int32.MaxValue ] do
        refuses [ string count ] (fun () -> read "no-such-file" count |> ignore)

[<Test>]
let ``damaged files are read or refused`` () =
    let bytes = records 5 2
    survivesDamage "x.bin" bytes (fun path -> read path 2 |> ignore)
    survivesDamage "x.bin.gz" (gzipAt CompressionLevel.Optimal bytes) (fun path -> read path 2 |> ignore)
