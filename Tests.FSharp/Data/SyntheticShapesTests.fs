module GapLab.Tests.Data.SyntheticShapesTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private draw seed index =
    let pixels = Array.create 3072 77uy
    SyntheticShapes.Draw(seed, index, pixels.AsSpan())
    pixels

[<Property(MaxTest = 50)>]
let ``an image is a function of seed and index`` (seed: uint64) (NonNegativeInt first) (PositiveInt count) =
    let count = count % 10 + 1
    let set = SyntheticShapes.Images(seed, first, count)

    (set.Height, set.Width, set.Channels) = (32, 32, 3)
    && List.forall (fun i -> set.Id i = first + i && set.Pixels(i).ToArray() = draw seed (first + i)) [ 0 .. count - 1 ]

[<Test>]
let ``the pixels of revision 1 are what they were`` () =
    // SHA-256 over images 0..499 of seed 1, computed when revision 1 was fixed; if it changes, raise SyntheticShapes.Revision.
    let expected = "aa9841f41b9ca5a31fb8653888728b2e290112c9246241628c68a3902533a943"
    Assert.That(SyntheticShapes.Revision, equalTo 1)
    Assert.That(sha256 ((SyntheticShapes.Images(1UL, 0, 500)).AllPixels.ToArray()), equalTo expected)

[<Test>]
let ``images have colours of all levels, and neighbouring pixels are alike`` () =
    let set = SyntheticShapes.Images(3UL, 0, 200)
    let pixels = set.AllPixels.ToArray() |> Array.map float
    let mean = Array.average pixels
    let spread (values: float[]) = values |> Array.averageBy (fun v -> v * v)
    Assert.That(mean, Is.EqualTo(127.5).Within 20.0)

    let right =
        [| for i in 0 .. pixels.Length - 4 do
               if i / 3 % 32 < 31 then
                   pixels[i + 3] - pixels[i] |]

    Assert.That(spread right, Is.LessThan(spread (Array.map (fun v -> v - mean) pixels) / 5.0))
    Assert.That(set.AllPixels.ToArray() |> Array.distinct |> Array.length, Is.GreaterThan 250)

    let grey =
        Seq.forall
            (fun i -> set.Pixels(i).ToArray() |> Array.chunkBySize 3 |> Array.forall (fun p -> p[0] = p[1]))
            [ 0..199 ]

    Assert.That(grey, Is.False)

[<Test>]
let ``the data set has disjoint parts of the sizes asked for, with pixels of 256 levels`` () =
    let small = SyntheticShapes.Load(5UL, 6, 2, 3)
    let large = SyntheticShapes.Load(5UL, 9, 4, 3)
    Assert.That(large.Train.Take(6).AllPixels.ToArray(), equalTo (small.Train.AllPixels.ToArray()))
    Assert.That(large.Validation.Take(2).AllPixels.ToArray(), equalTo (small.Validation.AllPixels.ToArray()))
    Assert.That(large.Test.AllPixels.ToArray(), equalTo (small.Test.AllPixels.ToArray()))

    let rows =
        [ for part in [ large.Train; large.Validation; large.Test ] do
              for i in 0 .. part.Count - 1 -> part.Pixels(i).ToArray() ]

    Assert.That(List.length (List.distinct rows), equalTo 16)
    Assert.That((large.HasLevels, large.SuitsBernoulli), equalTo ((true, false)))
    let row = bits large.DefaultBinarization large.Train 0 0
    Assert.That(row, equalTo (large.Train.Pixels(0).ToArray() |> Array.map (fun p -> float32 p / 255f)))

    let byName =
        DataSets.Load(
            "shapes",
            DataOptions(SyntheticSeed = 5UL, SyntheticTrainCount = 6, SyntheticTestCount = 3, ValidationCount = 2)
        )

    Assert.That(byName.Train.AllPixels.ToArray(), equalTo (small.Train.AllPixels.ToArray()))
    Assert.That(byName.Provenance, Does.Contain("seed=5").And.Contains("revision=1").And.Contains("none"))
    Assert.That((DataSets.ChannelsOf "shapes", DataSets.ChannelsOf "glyphs"), equalTo ((3, 1)))

[<Test>]
let ``impossible sizes are refused`` () =
    refuses [ "-1 images" ] (fun () -> SyntheticShapes.Load(1UL, -1, 0, 0) |> ignore)
    refuses [ "2000000000 images" ] (fun () -> SyntheticShapes.Images(1UL, 0, 2_000_000_000) |> ignore)
    refuses [ "Image -1" ] (fun () -> draw 1UL -1 |> ignore)
    refuses [ "783 bytes" ] (fun () -> SyntheticShapes.Draw(1UL, 0, (Array.zeroCreate<byte> 783).AsSpan()) |> ignore)
