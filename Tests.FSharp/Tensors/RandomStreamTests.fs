module GapLab.Tests.Tensors.RandomStreamTests

#nowarn "9" // native pointers: the vectorised generator takes one

open System
open FSharp.NativeInterop
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors

let private stream seed = RandomStream(seed, RandomPurpose.Test)

let private normals (s: RandomStream) offset n =
    let x = Array.zeroCreate<float32> n
    s.FillNormal(x.AsSpan(), offset)
    x

let private uniforms (s: RandomStream) offset n =
    let x = Array.zeroCreate<float32> n
    s.FillUniform(x.AsSpan(), offset)
    x

let private key (k0: uint32) (k1: uint32) = uint64 k0 ||| (uint64 k1 <<< 32)

// The philox4x32 10 lines of Random123's known-answer file (kat_vectors).
[<Test>]
let ``Philox gives the known answers of Random123`` () =
    let f = UInt32.MaxValue

    Assert.That(
        Philox.Block(0UL, 0u, 0u, 0u, 0u).ToTuple(),
        Is.EqualTo((0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u))
    )

    Assert.That(
        Philox.Block(key f f, f, f, f, f).ToTuple(),
        Is.EqualTo((0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu))
    )

    Assert.That(
        Philox.Block(key 0xa4093822u 0x299f31d0u, 0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u).ToTuple(),
        Is.EqualTo((0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u))
    )

[<Property>]
let ``the vectorised Philox has the bits of the scalar one``
    (k: uint64)
    (first: uint16)
    (c1: uint32)
    (c2: uint32)
    (c3: uint32)
    =
    let c0 = 0xFFFF0000u + 16u * (uint32 first % 4000u)
    let groups = 3
    let words = Array.zeroCreate<uint32>(64 * groups)
    use p = fixed words
    Philox.FillGroups(k, c0, c1, c2, c3, p, nativeint groups)

    Seq.forall
        (fun i ->
            let block = 16 * (i / 64) + i % 16
            let struct (w0, w1, w2, w3) = Philox.Block(k, c0 + uint32 block, c1, c2, c3)
            words[i] = [| w0; w1; w2; w3 |][i / 16 % 4])
        (seq { 0 .. words.Length - 1 })

[<Property>]
let ``a number depends on its index only, not on the span's length or offset``
    (seed: uint64)
    (NonNegativeInt skip)
    (NonNegativeInt n)
    =
    let s = (stream seed).At(3, 4, 5)
    let skip, n = skip % 300, n % 300
    let whole, uniform = normals s 0L 2000, uniforms s 0L 2000

    normals s (int64 skip) n = whole[skip .. skip + n - 1]
    && uniforms s (int64 skip) n = uniform[skip .. skip + n - 1]

let private outOfRange (action: unit -> unit) = Assert.Throws<ArgumentOutOfRangeException>(Action action) |> ignore

[<Test>]
let ``rows reach to 2^34 numbers and no further`` () =
    let s = stream 1UL
    let last = (1L <<< 34) - 100L
    Assert.That(normals s last 100, Is.EqualTo<float32[]>((normals s (last - 7L) 107)[7..]))
    Assert.That(normals s last 100, Is.Not.EqualTo<float32[]>(normals s 0L 100))
    outOfRange (fun () -> normals s last 101 |> ignore)
    outOfRange (fun () -> normals s -1L 1 |> ignore)
    outOfRange (fun () -> s.At(-1) |> ignore)
    outOfRange (fun () -> s.Below(0, 0L) |> ignore)
    outOfRange (fun () -> s.Uniform -1L |> ignore)
    outOfRange (fun () -> s.Normal(1L <<< 33) |> ignore)

/// Abramowitz and Stegun 26.2.17: the normal distribution function with an error below 7.5e-8.
let private normalCdf (z: float) =
    let t = 1.0 / (1.0 + 0.2316419 * abs z)
    let b = [| 0.319381530; -0.356563782; 1.781477937; -1.821255978; 1.330274429 |]

    let tail =
        Math.Exp(-z * z / 2.0) / sqrt (2.0 * Math.PI) * t * (b |> Array.rev |> Array.fold (fun s c -> s * t + c) 0.0)

    if z >= 0.0 then 1.0 - tail else tail

let private kolmogorov cdf (x: float[]) =
    let n = float x.Length

    Array.sort x
    |> Array.mapi (fun i v -> let p = cdf v in max (p - float i / n) (float (i + 1) / n - p))
    |> Array.max

/// z-scores of the means of x, x^2, x^4 and x^3 under the standard normal distribution (variances 1, 2, 96 and 15), and
/// sqrt(n) times the Kolmogorov-Smirnov distance.
let private normalScores (x: float[]) =
    let n = float x.Length
    let score power mean variance = (Array.averageBy (fun v -> Math.Pow(v, power)) x - mean) * sqrt (n / variance)
    [ score 1.0 0.0 1.0; score 2.0 1.0 2.0; score 4.0 3.0 96.0; score 3.0 0.0 15.0 ], sqrt n * kolmogorov normalCdf x

// The stream is fixed, so a pass is a pass for ever. 4 standard errors; a Kolmogorov-Smirnov distance beyond 1.95 has
// probability 0.001.
let private checkNormal (name: string) (x: float[]) =
    let scores, distance = normalScores x
    TestContext.Out.WriteLine $"{name}: moments {scores}, Kolmogorov-Smirnov {distance:F3}"

    for z in scores do
        Assert.That(abs z, Is.LessThan 4.0, name)

    Assert.That(distance, Is.LessThan 1.95, name)

[<Test>]
let ``a million normals of one row, and one of each of 200,000 rows, are standard normal`` () =
    checkNormal "one row" (normals (stream 11UL) 0L 1000000 |> Array.map float)
    let s = stream 12UL
    checkNormal "rows" (Array.init 200000 (fun i -> float (Array.head (normals (s.At(i, 2, 1)) (int64 (i % 3)) 1))))
    checkNormal "float64" (Array.init 200000 (fun i -> s.Normal(int64 i)))

[<Test>]
let ``normals are finite, below the stated limit, and pairs from one block are uncorrelated`` () =
    let x = normals (stream 13UL) 0L 6400000
    Assert.That(x |> Array.forall (fun z -> abs z <= 6.67f), "limit")
    Assert.That(Array.max (Array.map abs x), Is.GreaterThan 4.5f)
    let n = float (x.Length / 2)

    let partner i =
        x[64 * (i / 32) + 32 * (i % 32 / 16) + i % 16], x[64 * (i / 32) + 32 * (i % 32 / 16) + i % 16 + 16]

    let mean f =
        Array.init (x.Length / 2) partner |> Array.averageBy (fun (a, b) -> f (float a) (float b))
    // z0 z1 has variance 1; (z0^2 - 1)(z1^2 - 1) has variance 4: the squares of a pair share their radius and must
    // still be uncorrelated.
    Assert.That(abs (mean (fun a b -> a * b)) * sqrt n, Is.LessThan 4.0)
    Assert.That(abs (mean (fun a b -> (a * a - 1.0) * (b * b - 1.0))) * sqrt (n / 4.0), Is.LessThan 4.0)

[<Test>]
let ``uniforms lie in [0, 1) and are uniform`` () =
    let s = stream 14UL

    for name, x in
        [ "float32", uniforms s 0L 1000000 |> Array.map float
          "float64", Array.init 200000 (fun i -> s.Uniform(int64 i)) ] do
        Assert.That(x |> Array.forall (fun u -> u >= 0.0 && u < 1.0), name)
        Assert.That(sqrt (float x.Length) * kolmogorov id x, Is.LessThan 1.95, name)

[<Test>]
let ``streams of another seed, purpose, datapoint, step, lane or fork are uncorrelated`` () =
    let n = 100000
    let s = RandomStream(5UL, RandomPurpose.Evaluation)

    let streams =
        [ s
          RandomStream(6UL, RandomPurpose.Evaluation)
          RandomStream(5UL, RandomPurpose.Momentum)
          RandomStream(0UL, RandomPurpose.Evaluation)
          s.At(1)
          s.At(0, 1)
          s.At(0, 0, 1)
          s.At(1, 1)
          s.At(1, 0, 1)
          s.Fork 0UL
          s.Fork 1UL
          (s.Fork 0UL).Fork 1UL
          (s.Fork 1UL).Fork 0UL
          (s.At 1).Fork 0UL ]

    let rows = streams |> List.map (fun r -> normals r 0L n |> Array.map float)

    for i in 0 .. rows.Length - 1 do
        for j in 0 .. i - 1 do
            let correlation = Array.map2 (*) rows[i] rows[j] |> Array.average
            // 91 pairs at 4.5 standard errors: a false alarm would have had probability 6e-4.
            Assert.That(abs correlation * sqrt (float n), Is.LessThan 4.5, $"{i} and {j}")

[<Property>]
let ``single draws depend on every coordinate of the stream`` (seed: uint64) (index: uint16) =
    let s = stream seed
    let places = [ s; s.At(datapoint = 1); s.At(step = 1); s.At(lane = 1); s.Fork 1UL; stream (seed + 1UL) ]
    let distinct draw = (places |> List.map draw |> List.distinct |> List.length) = places.Length

    distinct (fun p -> p.Uniform(int64 index))
    && distinct (fun p -> p.Normal(int64 index))
    && (s.Uniform(int64 index) <> s.Uniform(int64 index + 1L))

[<Test>]
let ``kinds of draws share no bits`` () =
    let s = stream 15UL
    let n = 50000
    let normal = Array.init n (fun i -> s.Normal(int64 i))
    let uniform = Array.init n (fun i -> s.Uniform(int64 i) - 0.5)
    let row = normals s 0L n |> Array.map float
    let single = uniforms s 0L n |> Array.map (fun u -> float u - 0.5)
    let below = Array.init n (fun i -> float (s.Below(1 <<< 20, int64 i)) / float (1 <<< 20) - 0.5)
    let kinds = [ normal; row; uniform; single; below ]

    for a in 0..4 do
        for b in 0 .. a - 1 do
            let deviation k = if k < 2 then 1.0 else sqrt (1.0 / 12.0)
            let z = (Array.map2 (*) kinds[a] kinds[b] |> Array.average) * sqrt (float n) / (deviation a * deviation b)
            Assert.That(abs z, Is.LessThan 4.0, $"{a} and {b}")

[<Property>]
let ``a stream is a value: copies and repetitions give the same numbers``
    (seed: uint64)
    (NonNegativeInt datapoint)
    (NonNegativeInt step)
    =
    let a = (stream seed).At(datapoint, step, 7)
    let b = (stream seed).At(1, 2, 3).At(datapoint, step, 7)

    a = b
    && a.Datapoint = datapoint
    && a.Step = step
    && a.Lane = 7
    && normals a 0L 70 = normals b 0L 70
    && a.Uniform 9L = b.Uniform 9L
    && a.Normal 9L = b.Normal 9L
    && a.Below(1000, 9L) = b.Below(1000, 9L)
    && a <> a.Fork 0UL

[<Property>]
let ``a shuffle is a permutation and depends on the stream`` (seed: uint64) (NonNegativeInt n) =
    let n = n % 500

    let shuffled seed =
        let x = [| 0 .. n - 1 |] in
        (stream seed).Shuffle(x.AsSpan())
        x

    Array.sort (shuffled seed) = [| 0 .. n - 1 |]
    && shuffled seed = shuffled seed
    && (n < 30 || shuffled seed <> shuffled (seed + 1UL))

/// Chi-square statistic minus its mean, in standard deviations; equal expected counts.
let private chiSquare (counts: int[]) =
    let expected = float (Array.sum counts) / float counts.Length
    let freedom = float (counts.Length - 1)
    (Array.sumBy (fun c -> (float c - expected) ** 2.0 / expected) counts - freedom) / sqrt (2.0 * freedom)

[<Test>]
let ``all orders of four elements are equally frequent`` () =
    let counts = Collections.Generic.Dictionary<string, int>()

    for i in 0..23999 do
        let x = [| 0..3 |]
        (stream 16UL).At(i).Shuffle(x.AsSpan())
        let k = String.Join(",", x)

        counts[k] <-
            (match counts.TryGetValue k with
             | true, c -> c + 1
             | _ -> 1)

    Assert.That(counts.Count, Is.EqualTo 24)
    Assert.That(abs (chiSquare (Seq.toArray counts.Values)), Is.LessThan 4.0)

[<Test>]
let ``bounded integers cover their range evenly`` () =
    let s = stream 17UL

    for n in [ 1; 2; 7; 100 ] do
        let counts = Array.zeroCreate n

        for i in 0L .. 49999L do
            let k = s.Below(n, i)
            counts[k] <- counts[k] + 1

        Assert.That(n = 1 || abs (chiSquare counts) < 4.0, $"n = {n}")

    let large = Array.init 1000 (fun i -> s.Below(Int32.MaxValue, int64 i))
    Assert.That(Array.min large, Is.GreaterThanOrEqualTo 0)
    Assert.That(Array.max large, Is.GreaterThan 2000000000)

// The values were obtained on the 512-bit path; every path must give the same bits, and no later version may change
// them, because stored results name their streams only by seed and purpose.
[<Test>]
let ``the numbers of a stream never change`` () =
    let s = RandomStream(42UL, RandomPurpose.Evaluation).At(7, 8, 9)

    let hash (x: float32[]) =
        (14695981039346656037UL, x)
        ||> Array.fold (fun h v -> (h ^^^ uint64 (BitConverter.SingleToUInt32Bits v)) * 1099511628211UL)

    let order = [| 0..9 |]
    s.Shuffle(order.AsSpan())

    let obtained =
        [| $"{hash (normals s 3L 5000):x16}"
           $"{hash (uniforms s 3L 5000):x16}"
           $"{s.Uniform 5L:R}"
           $"{s.Below(1000000, 5L)}"
           String.Join(" ", order)
           $"{hash (normals (s.Fork 3UL) 0L 100):x16}" |]

    let expected =
        [| "6e4e312a3467204a"
           "cc457f35cd98b5a2"
           "0.04320213168600995"
           "77863"
           "2 0 4 7 8 1 3 5 9 6"
           "3dc22e092f3f76c3" |]

    Assert.That(obtained, Is.EqualTo<string[]> expected, String.Join("\n", obtained))
