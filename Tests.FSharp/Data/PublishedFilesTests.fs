/// Tests with the published files themselves; they need GAPLAB_DATA to name a folder that holds them.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Data.PublishedFilesTests

open System
open System.IO
open System.IO.Compression
open NUnit.Framework
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private requireFiles () =
    if String.IsNullOrEmpty(Environment.GetEnvironmentVariable DataFolders.Variable) then
        Assert.Ignore "GAPLAB_DATA is not set, so the published data files are not tested."

let private ink (set: ImageSet) =
    let mutable sum = 0L

    for pixel in set.AllPixels do
        sum <- sum + int64 pixel

    float sum / 255.0 / float set.AllPixels.Length

// Sizes, and mean pixels rounded to five decimals, as known for the published files; computed from them independently of this reader.
[<TestCase("mnist", 0, 60000, 0.13066, 0, 0.0, 0.13251)>]
[<TestCase("binarized-mnist", 10000, 50000, 0.13056, 10000, 0.13113, 0.13251)>]
[<TestCase("fashion-mnist", 0, 60000, 0.28604, 0, 0.0, 0.28685)>]
let ``counts, mean pixels and checksums are the known ones``
    (
        name: string,
        held: int,
        trainCount: int,
        trainMean: float,
        validationCount: int,
        validationMean: float,
        testMean: float
    ) =
    requireFiles ()
    let set = DataSets.Load(name, DataOptions(ValidationCount = held))
    Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((trainCount, validationCount, 10000)))
    Assert.That((set.Train.Height, set.Train.Width), equalTo ((28, 28)))
    Assert.That(ink set.Train, Is.EqualTo(trainMean).Within 5e-6)
    Assert.That(ink set.Test, Is.EqualTo(testMean).Within 5e-6)

    if held > 0 then
        Assert.That(ink set.Validation, Is.EqualTo(validationMean).Within 5e-6)

    Assert.That(set.Train.IsBinary, equalTo ((name = "binarized-mnist")))
    let known = Catalog.Default.Find(name).Files |> Seq.map _.Sha256 |> Set.ofSeq
    Assert.That(set.Files |> Seq.forall (fun f -> known.Contains f.Sha256), Is.True)

[<Test>]
let ``all catalogued files, labels too, have their checksums and sizes`` () =
    requireFiles ()

    // Of the others no file is published, or nobody has it here.
    let absent = [ "omniglot-burda"; "rcv1"; "svhn"; "yahoo" ]

    for entry in Catalog.Default.Entries |> Seq.filter (fun entry -> not (List.contains entry.Name absent)) do
        let files = Catalog.Default.Verify(entry.Name, DataFolders.Default())
        Assert.That(files |> Seq.map _.Bytes, equalTo (entry.Files |> Seq.map _.Bytes))

[<Test>]
let ``ten thousand training images are held out by default`` () =
    requireFiles ()

    for name in [ "mnist"; "binarized-mnist"; "fashion-mnist" ] do
        let set = DataSets.Load name
        Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((50000, 10000, 10000)))

// Means and single pixels computed from the files independently of this reader.
[<Test>]
let ``CIFAR-10 has the images that are known`` () =
    requireFiles ()
    let set = DataSets.Load "cifar-10"
    Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((25000, 5000, 1000)))
    Assert.That((set.Train.Size, DataSets.ChannelsOf "cifar-10"), equalTo (("32x32x3", 3)))

    for part, mean in [ set.Train, 0.473610; set.Validation, 0.471117; set.Test, 0.478146 ] do
        Assert.That(ink part, Is.EqualTo(mean).Within 5e-7)

    let first = set.Train.Pixels(0).ToArray()

    Assert.That(
        (first[0..5], first[3069..]),
        equalTo (([| 59uy; 62uy; 63uy; 43uy; 46uy; 45uy |], [| 123uy; 92uy; 72uy |]))
    )

    let start = 3 * (5 * 32 + 7)
    Assert.That((set.Test.Pixels(999).ToArray())[start .. start + 2], equalTo [| 197uy; 198uy; 193uy |])
    Assert.That(set.Provenance, Does.Contain "30,000 of the 50,000")

// Means as the files' description says; sizes of the parts as the catalog says.
[<Test>]
let ``Omniglot has the images that are known, and characters of all alphabets are held out`` () =
    requireFiles ()
    let set = DataSets.Load "omniglot"
    Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((18000, 1280, 13180)))
    let whole = DataSets.Load("omniglot", DataOptions(ValidationCount = 0))
    Assert.That(ink whole.Train, Is.EqualTo(0.0779).Within 5e-5)
    Assert.That(ink set.Test, Is.EqualTo(0.0843).Within 5e-5)
    let held = [ for i in 0..1279 -> set.Validation.Id i ]
    Assert.That(held |> List.countBy (fun id -> id / 1928) |> List.length, equalTo 10)
    Assert.That(set.Provenance, Does.Contain("in random order").And.Contains "not the images or the split of Burda")

[<Test>]
let ``an altered copy of a published file is refused`` () =
    requireFiles ()
    let name = "t10k-images-idx3-ubyte"
    let original = DataFolders.Default().Find("mnist", name, Catalog.Default.Names)
    Assert.That(original, Is.Not.Null)

    let bytes =
        use stored = File.OpenRead original

        use unpacked: Stream =
            if original.EndsWith ".gz" then
                new GZipStream(stored, CompressionMode.Decompress)
            else
                stored

        use target = new MemoryStream()
        unpacked.CopyTo target
        target.ToArray()

    bytes[bytes.Length / 2] <- bytes[bytes.Length / 2] ^^^ 1uy
    let expected = (Catalog.Default.Find("mnist").Files |> Seq.find (fun f -> f.Name = name)).Sha256

    withFolder (fun folder ->
        for stored in [ $"mnist/{name}", bytes; $"mnist/{name}.gz", gzip bytes ] do
            let path = write folder (fst stored) (snd stored)

            refuses [ path; expected; sha256 bytes ] (fun () ->
                DataSets.Load("mnist", DataOptions(Folder = folder)) |> ignore)

            File.Delete path)
