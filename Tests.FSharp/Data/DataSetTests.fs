module GapLab.Tests.Data.DataSetTests

open System
open NUnit.Framework
open GapLab.Data
open GapLab.Distributions
open GapLab.Tensors
open GapLab.Tensors.Reference
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures

let private device = ReferenceDevice.Instance

let private glyphs = Synthetic.Glyphs(1UL, 40, 5, 7)

let private rows (source: ObservationSource) indices =
    let batch = source.Batch(ReadOnlySpan(List.toArray indices)) :?> DenseObservations
    batch.Indices.ToArray(), batch.Values.ToArray()

[<Test>]
let ``a source serves the part it is asked for with the usual binarization`` () =
    for split, (images: ImageSet) in
        [ DataSplit.Train, glyphs.Train; DataSplit.Validation, glyphs.Validation; DataSplit.Test, glyphs.Test ] do
        let expected = ImageSource(device, images, glyphs.DefaultBinarization)
        let source = glyphs.Source(split, device)
        equal images.Count source.Count
        equal (rows expected [ 0; 4; 2 ]) (rows source [ 0; 4; 2 ])

[<Test>]
let ``fewer datapoints are drawn at random, the same ones every time`` () =
    let few, more = glyphs.Source(DataSplit.Train, device, 10), glyphs.Source(DataSplit.Train, device, 20)
    equal 10 few.Count
    equal (rows more [ 0..9 ]) (rows few [ 0..9 ])
    Assert.That(fst (rows few [ 0..9 ]), Is.Not.EqualTo [| 0..9 |])
    equal 40 (glyphs.Source(DataSplit.Train, device, 1000)).Count
    refuses [ "at least 1" ] (fun () -> glyphs.Source(DataSplit.Train, device, 0) |> ignore)

[<Test>]
let ``a source binarizes as it is told to`` () =
    let source = glyphs.Source(DataSplit.Train, device, binarization = Binarization.Resampled 3UL)
    let expected = ImageSource(device, glyphs.Train, Binarization.Resampled 3UL)
    equal (rows expected [ 1; 2 ]) (rows source [ 1; 2 ])

    let epoch n =
        (source.Batch(ReadOnlySpan [| 0; 1; 2 |], n) :?> DenseObservations).Values.ToArray()

    holds "other bits in another epoch" (epoch 0 <> epoch 1)

[<Test>]
let ``real numbers are binarized as the bytes that they came from`` () =
    let bytes = randomBytes 7 (20 * 6)
    let images = images 2 3 bytes
    let reals = ArraySet("reals", 2, 3, ReadOnlyMemory(bytes |> Array.map (fun b -> float32 b / 255f)))

    let fill (binarization: Binarization) (part: DataPart) (index: int) =
        let row = Array.create 6 -1f
        binarization.Fill(part, index, 3, row.AsSpan())
        row

    let kinds: Binarization list =
        [ Binarization.Threshold()
          Binarization.Threshold 7uy
          Binarization.SampledOnce 5UL
          Binarization.Resampled 5UL
          Binarization.None() ]

    for kind in kinds do
        for index in 0..19 do
            equalFor kind.Description (fill kind images index) (fill kind reals index)

        close kind.Description 1e-6 (kind.Means images) (kind.Means reals)

[<Test>]
let ``real numbers keep their ids when some are chosen`` () =
    let reals = ArraySet("reals", 1, 1, ReadOnlyMemory [| 0.5f; 2f; -1f |], 10)
    let chosen = reals.Select(ReadOnlySpan [| 2; 0 |])
    equal (12, 10) (chosen.Id 0, chosen.Id 1)
    equal [| -1f |] (chosen.Values(0).ToArray())
    holds "neither binary nor intensities" (not reals.IsBinary && not reals.HasIntensities)
    holds "intensities" (reals.Select(ReadOnlySpan [| 0 |]).HasIntensities)
    refuses [ "no number 3" ] (fun () -> (reals.Values 3).ToArray() |> ignore)
    refuses [ "NaN"; "datapoint 1" ] (fun () -> ArraySet("x", 1, 1, ReadOnlyMemory [| 0f; nanf |]) |> ignore)
