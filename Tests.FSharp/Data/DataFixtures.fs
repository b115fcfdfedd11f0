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

let gzip (bytes: byte[]) =
    use target = new MemoryStream()

    do
        use packer = new GZipStream(target, CompressionLevel.Fastest, true)
        packer.Write(bytes, 0, bytes.Length)

    target.ToArray()

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

/// 1, or 40 in a soak run (GAPLAB_SOAK=1).
let soakFactor = if Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1" then 40 else 1

/// Damages a file in one or more of the ways that disks and downloads do.
let mutate (random: Random) (original: byte[]) =
    let once (bytes: byte[]) =
        let at () = random.Next(bytes.Length)

        if bytes.Length = 0 then
            [| byte (random.Next 256) |]
        else
            match random.Next 7 with
            | 0 -> bytes |> Array.updateAt (at ()) (byte (random.Next 256))
            | 1 ->
                let i = at ()
                bytes |> Array.updateAt i (bytes[i] ^^^ (1uy <<< random.Next 8))
            | 2 -> bytes[.. at () - 1]
            | 3 -> bytes |> Array.insertAt (at ()) (byte (random.Next 256))
            | 4 -> bytes |> Array.removeAt (at ())
            | 5 -> Array.append bytes (randomBytes (random.Next()) (1 + random.Next 20))
            | _ ->
                // Headers are where a wrong byte does the most harm, so they get more than their share.
                let i = random.Next(min 16 bytes.Length)
                bytes |> Array.updateAt i (if random.Next 2 = 0 then 255uy else byte (random.Next 256))

    Seq.init (1 + random.Next 3) ignore |> Seq.fold (fun bytes () -> once bytes) original

/// Loads damaged copies of a file: each load gives data or a DataException, and never allocates more than a few buffers.
let survivesDamage (name: string) (original: byte[]) (load: string -> unit) =
    let mutable refused = 0
    let rounds = 500 * soakFactor

    withFolder (fun folder ->
        let attempt (bytes: byte[]) =
            let path = write folder name bytes

            try
                load path
            with :? DataException ->
                refused <- refused + 1

        attempt original
        Assert.That(refused, Is.Zero, "the undamaged file must load")

        for seed in 1..rounds do
            let damaged = mutate (Random seed) original
            let before = GC.GetAllocatedBytesForCurrentThread()

            try
                attempt damaged
            with e ->
                Assert.Fail $"Damage number {seed} led to {e.GetType().Name}: {e.Message}"

            // The readers' own buffers are below 2 MB; a believed header would ask for far more.
            Assert.That(
                GC.GetAllocatedBytesForCurrentThread() - before,
                Is.LessThan(8_000_000L),
                $"damage number {seed}"
            ))

    Assert.That(refused, Is.GreaterThan(rounds / 4), "most damage must be noticed")
