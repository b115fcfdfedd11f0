module GapLab.Tests.Data.SyntheticTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private draw seed index =
    let pixels = Array.create 784 77uy
    Synthetic.Glyph(seed, index, pixels.AsSpan()), pixels

[<Property(MaxTest = 100)>]
let ``a glyph is a function of seed and index`` (seed: uint64) (NonNegativeInt first) (PositiveInt count) =
    let count = count % 20 + 1
    let set = Synthetic.GlyphImages(seed, first, count)

    List.forall
        (fun i -> set.Id i = first + i && set.Pixels(i).ToArray() = snd (draw seed (first + i)))
        [ 0 .. count - 1 ]

[<Property(MaxTest = 200)>]
let ``every glyph has ink, mostly paper, and a clear margin in its corners`` (seed: uint64) (NonNegativeInt index) =
    let label, pixels = draw seed index
    let ink = Array.sumBy float pixels / 255.0 / 784.0

    label >= 0
    && label < Synthetic.GlyphClasses
    && ink > 0.02
    && ink < 0.4
    && Array.max pixels > 128uy
    && List.forall (fun p -> pixels[p] = 0uy) [ 0; 27; 756; 783 ]

[<Test>]
let ``the pixels of revision 1 are what they were`` () =
    // SHA-256 over glyphs 0..999 of seed 1, computed when revision 1 was fixed; if it changes, raise Synthetic.Revision.
    let expected = "765cd346f058660dd87be2b5f7827beafca4d07b21da805c18d9892ba379102d"
    Assert.That(Synthetic.Revision, equalTo 1)
    Assert.That(sha256 ((Synthetic.GlyphImages(1UL, 0, 1000)).AllPixels.ToArray()), equalTo expected)

[<Test>]
let ``classes are equally frequent`` () =
    let count = 5000
    let counts = Array.zeroCreate<int> Synthetic.GlyphClasses

    for i in 0 .. count - 1 do
        let label = fst (draw 3UL i)
        counts[label] <- counts[label] + 1

    // Four standard errors of a binomial count with probability 1/10.
    let within = 4.0 * sqrt (float count * 0.1 * 0.9)

    for label in 0 .. Synthetic.GlyphClasses - 1 do
        Assert.That(float counts[label], Is.EqualTo(float count / 10.0).Within within, $"class {label}")

[<Test>]
let ``glyphs of a class resemble each other more than those of other classes`` () =
    // The nearest class mean names the right class far more often than chance (1 in 10): there is structure to learn.
    let train = [| for i in 0..1999 -> draw 4UL i |]
    let mean (rows: byte[][]) = Array.init 784 (fun p -> rows |> Array.averageBy (fun r -> float r[p]))

    let means =
        Array.init Synthetic.GlyphClasses (fun label ->
            train |> Array.filter (fun (l, _) -> l = label) |> Array.map snd |> mean)

    let distance (pixels: byte[]) (mean: float[]) =
        Array.fold2 (fun sum p m -> sum + (float p - m) ** 2.0) 0.0 pixels mean

    let nearest pixels = means |> Array.indexed |> Array.minBy (fun (_, m) -> distance pixels m) |> fst

    let right =
        [ 5000..5499 ]
        |> List.filter (fun i -> let label, pixels = draw 4UL i in nearest pixels = label)
        |> List.length

    Assert.That(right, Is.GreaterThan 300)

[<Test>]
let ``the parts of the data set are disjoint and do not change with each other's size`` () =
    let small = Synthetic.Glyphs(5UL, 10, 4, 6)
    let large = Synthetic.Glyphs(5UL, 30, 8, 6)
    Assert.That(large.Train.Take(10).AllPixels.ToArray(), equalTo (small.Train.AllPixels.ToArray()))
    Assert.That(large.Validation.Take(4).AllPixels.ToArray(), equalTo (small.Validation.AllPixels.ToArray()))
    Assert.That(large.Test.AllPixels.ToArray(), equalTo (small.Test.AllPixels.ToArray()))

    let rows =
        [ for part in [ large.Train; large.Validation; large.Test ] do
              for i in 0 .. part.Count - 1 -> part.Pixels(i).ToArray() ]

    Assert.That(List.length (List.distinct rows), equalTo 44)

[<Test>]
let ``another seed gives other glyphs`` () = Assert.That(snd (draw 1UL 0), Is.Not.EqualTo(box <| snd (draw 2UL 0)))

[<Test>]
let ``binary glyphs are the grey ones at the default threshold`` () =
    let grey, binary = Synthetic.Glyphs(6UL, 20, 0, 1), Synthetic.Glyphs(6UL, 20, 0, 1, true)
    Assert.That(binary.Train.IsBinary, Is.True)
    Assert.That(grey.Train.IsBinary, Is.False)

    for i in 0..19 do
        Assert.That(
            bits binary.DefaultBinarization binary.Train i 0,
            equalTo (bits grey.DefaultBinarization grey.Train i 0)
        )

[<Test>]
let ``the data set is loaded by name with the sizes asked for`` () =
    let set =
        DataSets.Load(
            "glyphs",
            DataOptions(SyntheticSeed = 7UL, SyntheticTrainCount = 12, SyntheticTestCount = 3, ValidationCount = 2)
        )

    Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((12, 2, 3)))
    Assert.That(set.Files, Is.Empty)
    Assert.That(set.Provenance, Does.Contain("seed=7").And.Contains("revision=1").And.Contains("threshold(128)"))
    Assert.That((DataSets.Load "glyphs").Train.Count, equalTo 5000)

[<Test>]
let ``impossible sizes are refused`` () =
    refuses [ "-1 glyphs" ] (fun () -> Synthetic.Glyphs(1UL, -1, 0, 0) |> ignore)
    refuses [ "2000000000 glyphs" ] (fun () -> Synthetic.GlyphImages(1UL, 0, 2_000_000_000) |> ignore)
    refuses [ "Glyph -1" ] (fun () -> draw 1UL -1 |> ignore)
    refuses [ "783 pixels" ] (fun () -> Synthetic.Glyph(1UL, 0, (Array.zeroCreate<byte> 783).AsSpan()) |> ignore)
