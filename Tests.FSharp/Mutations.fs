/// Damages a valid file in many ways and checks how a reader takes each: it reads it, or throws an exception of GapLab. Nothing else may
/// come out, no reader may hang, and none may allocate more than a bound that grows with the file, whatever numbers a damaged header claims.
module GapLab.Tests.Mutations

open System
open System.Buffers.Binary
open System.Text
open System.Threading
open GapLab.Tensors
open NUnit.Framework

/// How many damaged files a test tries: 2,000, or 100,000 in a soak run (GAPLAB_SOAK=1).
let count =
    if Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1" then
        100_000
    else
        2_000

/// What a reader may allocate for a file of so many bytes: its own buffers and some copies of what it reads.
let allowance (length: int) = 4_000_000L + 64L * int64 length

/// A damage: what was done, at which offset, and the bytes that came of it.
type Damage = { What: string; Offset: int; Bytes: byte[] }

/// How many damaged files were read and how many refused.
type Tally = { Accepted: int; Refused: int }

/// Numbers at which computations of sizes and offsets go wrong.
let private extremes =
    [| 0L
       1L
       -1L
       127L
       128L
       255L
       32767L
       32768L
       65535L
       0x7fffffffL
       0x80000000L
       0xffffffffL
       0x100000000L |]
    |> Array.append [| Int64.MaxValue; Int64.MinValue; Int64.MaxValue / 8L; 1_000_000_000_000L |]

/// Texts at which parsers go wrong.
let private texts =
    [| "99999999999999999999999999"; "2147483647"; "4294967296"; "-1"; "1e999"; "-1e-999"; "nan"; "Infinity" |]
    |> Array.append [| "\""; "'"; "("; ")"; "{"; "}"; "["; ","; ";"; "\n"; "\r\n"; "\000"; "\\u0000"; "null"; "0x" |]
    |> Array.append [| String('(', 300); String('[', 300); String('9', 300) |]

let private replace (bytes: byte[]) offset length (by: byte[]) =
    Array.concat [ bytes[.. offset - 1]; by; bytes[min bytes.Length (offset + length) ..] ]

/// One damage of one kind.
let private once (random: Random) (bytes: byte[]) =
    let length = bytes.Length
    // Headers are where a wrong byte does the most harm, so they get half of everything.
    let offset =
        if random.Next 2 = 0 then
            random.Next(min 256 length + 1)
        else
            random.Next(length + 1)

    let block () =
        let start = random.Next(length + 1)
        bytes[start .. min length (start + 1 + random.Next(max 1 (min 4096 (length / 2)))) - 1]

    let randomBlock () =
        let fresh = Array.zeroCreate<byte>(1 + random.Next 64)
        random.NextBytes fresh
        fresh

    let what, changed =
        match random.Next 11 with
        | 0 when offset < length ->
            "bit flipped", replace bytes offset 1 [| bytes[offset] ^^^ (1uy <<< random.Next 8) |]
        | 1 when offset < length -> "byte overwritten", replace bytes offset 1 [| byte (random.Next 256) |]
        | 2 -> "cut off", bytes[.. offset - 1]
        | 3 -> "beginning removed", bytes[offset..]
        | 4 ->
            let inserted = randomBlock ()
            "random bytes inserted", replace bytes offset 0 inserted
        | 5 -> "block removed", replace bytes offset (1 + random.Next 64) [||]
        | 6 ->
            let copy = block ()
            "block spliced in", replace bytes offset 0 copy
        | 7 ->
            let copy = block ()
            "block overwritten by another", replace bytes offset copy.Length copy
        | 8 ->
            "text inserted",
            replace bytes offset (random.Next 8) (Encoding.ASCII.GetBytes texts[random.Next texts.Length])
        | 9 ->
            let again = bytes[offset .. min length (offset + 1 + random.Next 256) - 1]
            "block repeated", replace bytes offset 0 (Array.concat (Seq.replicate (1 + random.Next 4) again))
        | _ ->
            let number = Array.zeroCreate<byte> 8
            let size = [| 1; 2; 4; 8 |][random.Next 4]
            let value = extremes[random.Next extremes.Length]

            if random.Next 2 = 0 then
                BinaryPrimitives.WriteInt64LittleEndian(number, value)
                $"{size} bytes overwritten by {value}, little-endian", replace bytes offset size number[.. size - 1]
            else
                BinaryPrimitives.WriteInt64BigEndian(number, value)
                $"{size} bytes overwritten by {value}, big-endian", replace bytes offset size number[8 - size ..]

    what, offset, changed

/// The damaged file of a seed: one to three damages, one after the other. A function of the seed and the bytes.
let damage (seed: int) (valid: byte[]) : Damage =
    let random = Random seed

    Seq.init (1 + random.Next 3) ignore
    |> Seq.fold
        (fun so () ->
            let what, offset, changed = once random so.Bytes

            { What = (if so.What = "" then what else $"{so.What}, then {what} (at {offset})")
              Offset = (if so.What = "" then offset else so.Offset)
              Bytes = changed })
        { What = ""; Offset = 0; Bytes = valid }

let private describe seed (damage: Damage) =
    $"Seed {seed}, {damage.What}, first at offset {damage.Offset} ({damage.Bytes.Length} bytes)"

/// How long one file may take before the reader counts as hanging: far beyond what any needs.
let private patience = TimeSpan.FromSeconds 60.

/// Runs the loop on a thread of its own and fails if it stays at one seed for too long.
let private watched (current: int ref) (valid: byte[]) (loop: unit -> unit) =
    let mutable failure: exn option = None

    let thread =
        Thread(
            (fun () ->
                try
                    loop ()
                with e ->
                    failure <- Some e),
            IsBackground = true
        )

    thread.Start()
    let mutable last = Int32.MinValue

    while not (thread.Join patience) do
        let now = Volatile.Read &current.contents

        if now = last then
            Assert.Fail $"{describe now (damage now valid)}: the reader hangs."

        last <- now

    failure |> Option.iter raise

/// Reads the valid bytes, which must succeed, and then `count` damaged copies, of the seeds from `seed` on. Fails, naming seed, damage and
/// offset, at the first that ends in another exception than one of GapLab, in a hang, or in more memory than `allowed` says for its length.
let checkWithin (allowed: int -> int64) (count: int) (seed: int) (valid: byte[]) (read: byte[] -> unit) : Tally =
    let mutable accepted = 0
    let current = ref seed

    watched current valid (fun () ->
        read valid

        for seed in seed .. seed + count - 1 do
            Volatile.Write(&current.contents, seed)
            let damage = damage seed valid
            let before = GC.GetAllocatedBytesForCurrentThread()

            try
                read damage.Bytes
                accepted <- accepted + 1
            with
            | :? GapLabException -> ()
            | e -> Assert.Fail $"{describe seed damage}: {e}"

            let allocated = GC.GetAllocatedBytesForCurrentThread() - before

            if allocated > allowed damage.Bytes.Length then
                Assert.Fail $"{describe seed damage}: the reader allocated {allocated} bytes.")

    { Accepted = accepted; Refused = count - accepted }

/// `checkWithin` the usual allowance; also requires that more than a quarter of the damaged files are refused, since a reader that accepts
/// everything would pass otherwise.
let check (count: int) (seed: int) (valid: byte[]) (read: byte[] -> unit) : unit =
    let tally = checkWithin allowance count seed valid read

    if 4 * tally.Refused <= count then
        Assert.Fail $"Only {tally.Refused} of {count} damaged files were refused."
