/// Writers of small data files, folders that vanish, and the checks that the tests of GapLab.Data share.
module GapLab.Tests.Data.DataFixtures

open System
open System.Buffers.Binary
open System.IO
open System.IO.Compression
open System.Security.Cryptography
open System.Text
open NUnit.Framework
open GapLab.Data
open GapLab.Tests

/// Runs the body with a new empty folder and deletes it afterwards.
let withFolder (body: string -> 'T) : 'T =
    let folder = Directory.CreateTempSubdirectory("gaplab-data-").FullName

    try
        body folder
    finally
        Directory.Delete(folder, true)

/// Runs the body with an environment variable set (null: unset) and restores it.
let withVariable (name: string) (value: string) (body: unit -> 'T) : 'T =
    let before = Environment.GetEnvironmentVariable name
    Environment.SetEnvironmentVariable(name, value)

    try
        body ()
    finally
        Environment.SetEnvironmentVariable(name, before)

let write (folder: string) (name: string) (bytes: byte[]) =
    let path = Path.Combine(folder, name)
    Directory.CreateDirectory(Path.GetDirectoryName path) |> ignore
    File.WriteAllBytes(path, bytes)
    path

let gzipAt (level: CompressionLevel) (bytes: byte[]) =
    use target = new MemoryStream()

    do
        use packer = new GZipStream(target, level, true)
        packer.Write(bytes, 0, bytes.Length)

    target.ToArray()

let gzip = gzipAt CompressionLevel.Fastest

let sha256 (bytes: byte[]) = Convert.ToHexStringLower(SHA256.HashData bytes)

/// An idx header for unsigned bytes: 00 00 08 rank, then each size as a big-endian 32-bit word.
let idxHeader (sizes: uint32 list) =
    let header = Array.zeroCreate<byte>(4 + 4 * sizes.Length)
    header[2] <- 8uy
    header[3] <- byte sizes.Length
    sizes |> List.iteri (fun d size -> BinaryPrimitives.WriteUInt32BigEndian(header.AsSpan(4 + 4 * d), size))
    header

let idx (sizes: int list) (values: byte[]) = Array.append (idxHeader (sizes |> List.map uint32)) values

/// One line per image, one blank between pixels; anything but 0 is written as 1.
let amat (size: int) (pixels: byte[]) =
    let lines =
        pixels
        |> Array.chunkBySize size
        |> Array.map (fun row -> String.Join(' ', row |> Array.map (fun p -> if p = 0uy then '0' else '1')) + "\n")

    Encoding.ASCII.GetBytes(String.Concat lines)

let randomBytes (seed: int) (count: int) =
    let bytes = Array.zeroCreate<byte> count
    Random(seed).NextBytes bytes
    bytes

let randomBits (seed: int) (count: int) =
    randomBytes seed count |> Array.map (fun b -> if b < 100uy then 255uy else 0uy)

let images (height: int) (width: int) (pixels: byte[]) = ImageSet("test", height, width, ReadOnlyMemory pixels)

let bits (binarization: Binarization) (set: ImageSet) (index: int) (epoch: int) =
    let row = Array.create set.PixelCount -1f
    binarization.Fill(set, index, epoch, row.AsSpan())
    row

/// Equality of values, arrays and lists alike: spares the choice between NUnit's overloads.
let equalTo (expected: obj) = Is.EqualTo(expected)

/// The load must fail with a DataException of one sentence that contains every given fragment.
let refuses (fragments: string list) (load: unit -> unit) =
    let error = Assert.Throws<DataException>(Action load)
    Assert.That(error.Message.EndsWith '.' && not (error.Message.Contains '\n'), error.Message)

    for fragment in fragments do
        Assert.That(error.Message.Contains fragment, $"'{fragment}' is not in: {error.Message}")

/// Loads damaged copies of a file: each gives data or a DataException, and none allocates more than a few buffers.
let survivesDamage (name: string) (original: byte[]) (load: string -> unit) =
    withFolder (fun folder -> Mutations.check Mutations.count 1 original (fun bytes -> load (write folder name bytes)))
