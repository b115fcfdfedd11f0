module GapLab.Tests.Data.BinarizationTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private ramp = Array.init 256 byte

/// Copies of one image that holds every pixel value once.
let private ramps count = images 16 16 (Array.init count (fun _ -> ramp) |> Array.concat)

let private random: (uint64 -> Binarization) list =
    [ (fun s -> Binarization.SampledOnce s); (fun s -> Binarization.Resampled s) ]

let private checkFrequencies (draws: int) (sample: int -> float32[]) =
    let counts = Array.zeroCreate<int> 256

    for i in 0 .. draws - 1 do
        sample i |> Array.iteri (fun p bit -> counts[p] <- counts[p] + int bit)

    for p in 0..255 do
        let expected = float p / 255.0
        let sigma = sqrt (expected * (1.0 - expected) / float draws)
        // Four standard errors; with fixed seeds the outcome never changes. Pixels 0 and 255 have no spread and must be exact.
        Assert.That(float counts[p] / float draws, Is.EqualTo(expected).Within(4.0 * sigma + 1e-12), $"pixel {p}")

[<Test>]
let ``sampled pixels are set with probability pixel/255 over the images`` () =
    let set = ramps 4000

    for make in random do
        checkFrequencies set.Count (fun i -> bits (make 11UL) set i 0)

[<Test>]
let ``resampled pixels are set with probability pixel/255 over the epochs`` () =
    let set = ramps 1
    checkFrequencies 4000 (fun epoch -> bits (Binarization.Resampled 12UL) set 0 epoch)

[<Test>]
let ``dequantized pixels lie anywhere within their level, anew in every epoch`` () =
    let set = ramps 400
    let binarization = Binarization.Dequantized 11UL

    for epoch in [ 0; 1 ] do
        let rows = Array.init set.Count (fun i -> bits binarization set i epoch)

        for row in rows do
            row |> Array.iteri (fun p y -> Assert.That(int (256f * y), equalTo p))

        let noise = rows |> Array.collect (Array.mapi (fun p y -> 256. * float y - float p))
        // Four standard errors of a uniform number.
        Assert.That(Array.average noise, Is.EqualTo(0.5).Within(4.0 * sqrt (1.0 / 12.0 / float noise.Length)))
        let variance = noise |> Array.averageBy (fun u -> (u - 0.5) ** 2.0)
        Assert.That(variance, Is.EqualTo(1.0 / 12.0).Within 1e-3)

    Assert.That(bits binarization set 0 0, Is.Not.EqualTo(bits binarization set 0 1))
    Assert.That(bits binarization set 0 0, Is.Not.EqualTo(bits binarization set 1 0))
    Assert.That(bits binarization set 0 0, Is.Not.EqualTo(bits (Binarization.Dequantized 12UL) set 0 0))

    let means = binarization.Means set
    means |> Array.iteri (fun p mean -> Assert.That(mean, Is.EqualTo((float p + 0.5) / 256.0).Within 1e-12))
    let reals = ArraySet("reals", 1, 2, ReadOnlyMemory [| 0.5f; 1f |])

    refuses [ "'reals'"; "256 levels" ] (fun () ->
        binarization.Fill(reals, 0, 0, (Array.zeroCreate<float32> 2).AsSpan()))

[<Property(MaxTest = 50)>]
let ``bits depend on no other image, batch or order``
    (seed: uint64)
    (order: NonNegativeInt list)
    (NonNegativeInt epoch)
    =
    let set = images 5 7 (randomBytes 5 (30 * 35))
    let order = order |> List.map (fun (NonNegativeInt i) -> i % 30) |> List.toArray
    let subset = set.Select(ReadOnlySpan order)

    (fun s -> Binarization.Dequantized s :> Binarization) :: random
    |> List.forall (fun make ->
        let binarization = make seed
        let batch = Array.zeroCreate<float32>(order.Length * 35)
        binarization.Fill(set, ReadOnlySpan order, epoch, batch.AsSpan())
        let alone = order |> Array.map (fun i -> bits binarization set i epoch) |> Array.concat
        let selected = Array.init order.Length (fun i -> bits binarization subset i epoch) |> Array.concat
        batch = alone && selected = alone)

[<Property(MaxTest = 50)>]
let ``every kind gives exactly 0 or 1`` (seed: uint64) =
    let grey = images 4 8 (randomBytes (int seed) 32)
    let binary = images 4 8 (randomBits (int seed) 32)

    [ Binarization.FixedFile() :> Binarization, binary
      Binarization.Threshold(), grey
      Binarization.SampledOnce seed, grey
      Binarization.Resampled seed, grey ]
    |> List.forall (fun (kind, set) -> bits kind set 0 3 |> Array.forall (fun v -> v = 0f || v = 1f))

[<Test>]
let ``images, seeds and, when resampled, epochs have different bits`` () =
    let set = images 28 28 (Array.create (2 * 784) 128uy)
    let differ a b = Assert.That((a: float32[]), Is.Not.EqualTo(box b))
    let once, again = Binarization.SampledOnce 1UL, Binarization.Resampled 1UL
    differ (bits once set 0 0) (bits once set 1 0)
    differ (bits once set 0 0) (bits (Binarization.SampledOnce 2UL) set 0 0)
    differ (bits again set 0 0) (bits again set 0 1)
    differ (bits again set 0 0) (bits again set 1 0)
    differ (bits again set 0 0) (bits once set 0 0)
    Assert.That(bits once set 0 0, equalTo (bits once set 0 9))

[<Test>]
let ``a threshold of 128 is a probability of at least one half`` () =
    let expected = Array.init 256 (fun p -> if float p / 255.0 >= 0.5 then 1f else 0f)
    Assert.That(bits (Binarization.Threshold()) (ramps 1) 0 0, equalTo expected)
    Assert.That(Array.sum (bits (Binarization.Threshold 255uy) (ramps 1) 0 0), equalTo 1f)
    Assert.That(Array.sum (bits (Binarization.Threshold 0uy) (ramps 1) 0 0), equalTo 256f)

[<Test>]
let ``a fixed file is copied and grey pixels are not taken for one`` () =
    let set = images 1 4 [| 0uy; 255uy; 255uy; 0uy |]
    Assert.That(bits (Binarization.FixedFile()) set 0 0, equalTo [| 0f; 1f; 1f; 0f |])
    refuses [ "'test'"; "grey" ] (fun () -> bits (Binarization.FixedFile()) (ramps 1) 0 0 |> ignore)
    refuses [ "'test'"; "grey" ] (fun () -> (Binarization.FixedFile()).Means(ramps 1) |> ignore)

[<Test>]
let ``means are the expected values of the pixels`` () =
    // By hand: images (0, 51, 255) and (0, 204, 0).
    let set = images 1 3 [| 0uy; 51uy; 255uy; 0uy; 204uy; 0uy |]
    Assert.That((Binarization.SampledOnce 1UL).Means set, (equalTo [| 0.0; 0.5; 0.5 |]).Within 1e-15)
    Assert.That((Binarization.Threshold()).Means set, (equalTo [| 0.0; 0.5; 0.5 |]).Within 1e-15)
    Assert.That((Binarization.Threshold 40uy).Means set, (equalTo [| 0.0; 1.0; 0.5 |]).Within 1e-15)
    refuses [ "no images" ] (fun () -> (Binarization.Threshold()).Means(set.Take 0) |> ignore)

[<Test>]
let ``wrong rows, images and epochs are refused`` () =
    let set = ramps 2
    let kind = Binarization.Threshold()
    refuses [ "256 pixels"; "row of 255" ] (fun () -> kind.Fill(set, 0, 0, (Array.zeroCreate<float32> 255).AsSpan()))
    refuses [ "no number 2" ] (fun () -> bits kind set 2 0 |> ignore)
    refuses [ "epoch -1" ] (fun () -> bits kind set 0 -1 |> ignore)
    refuses [ "512" ] (fun () -> kind.Fill(set, ReadOnlySpan [| 0; 1 |], 0, (Array.zeroCreate<float32> 511).AsSpan()))

[<Test>]
let ``descriptions tell the kinds apart`` () =
    let kinds: Binarization list =
        [ Binarization.FixedFile()
          Binarization.Threshold()
          Binarization.Threshold 1uy
          Binarization.SampledOnce 1UL
          Binarization.Resampled 1UL
          Binarization.Resampled 2UL ]

    Assert.That(
        kinds |> List.map _.Description,
        equalTo
            [ "fixed"
              "threshold(128)"
              "threshold(1)"
              "sampled-once(seed=1)"
              "resampled(seed=1)"
              "resampled(seed=2)" ]
    )
