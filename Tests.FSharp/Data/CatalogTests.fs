[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Data.CatalogTests

open System
open System.IO
open System.Text
open NUnit.Framework
open GapLab.Data
open GapLab.Tests.Data.DataFixtures

let private trainBytes = idx [ 6; 2; 2 ] (randomBytes 1 24)
let private testBytes = idx [ 3; 2; 2 ] (randomBytes 2 12)
let private labelBytes = idx [ 6 ] (randomBytes 3 6)
let private fixedTrain = randomBits 4 20
let private fixedValid = randomBits 5 8
let private fixedTest = randomBits 6 12

let private file name role format count bytes =
    $"""{{"name":"{name}","role":"{role}","format":"{format}","count":{count},"bytes":{Array.length bytes},"sha256":"{sha256 bytes}","published":"{name}"}}"""

let private entry name binarization validation (files: string list) =
    let files = String.Join(",", files)
    $"""{{"name":"{name}","title":"t","height":2,"width":2,"binarization":"{binarization}","validation":{validation},"citation":"c","licence":"l","sources":[],"files":[{files}]}}"""

let private document (entries: string list) =
    let entries = String.Join(",", entries)
    $"""{{"datasets":[{entries}]}}"""

let private grey =
    entry
        "grey"
        "threshold"
        2
        [ file "train" "training" "idx" 6 trainBytes
          file "test" "test" "idx" 3 testBytes
          file "labels" "training-labels" "idx" 6 labelBytes ]

let private bitwise =
    entry
        "bitwise"
        "fixed"
        2
        [ file "train" "training" "amat" 5 (amat 4 fixedTrain)
          file "valid" "training" "amat" 2 (amat 4 fixedValid)
          file "test" "test" "amat" 3 (amat 4 fixedTest) ]

let private catalog = Catalog.Parse(document [ grey; bitwise ], "the test")

let private fill folder =
    write folder "grey/train.gz" (gzip trainBytes) |> ignore
    write folder "grey/test" testBytes |> ignore
    write folder "grey/labels" labelBytes |> ignore
    write folder "bitwise/train" (amat 4 fixedTrain) |> ignore
    write folder "bitwise/valid.gz" (gzip (amat 4 fixedValid)) |> ignore
    write folder "bitwise/test" (amat 4 fixedTest) |> ignore

let private ranges (set: DataSet) = set.Splits.Ranges |> Seq.map string |> Seq.toList

[<Test>]
let ``the last training images are the validation part`` () =
    withFolder (fun folder ->
        fill folder
        let set = catalog.Load("grey", DataFolders [ folder ])
        Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((4, 2, 3)))
        Assert.That(set.Validation.Pixels(0).ToArray(), equalTo trainBytes[16 + 16 .. 16 + 19])
        Assert.That(set.Test.AllPixels.ToArray(), equalTo testBytes[16..])
        Assert.That(ranges set, equalTo [ "train = train[0..4)"; "validation = train[4..6)"; "test = test[0..3)" ])
        Assert.That(set.DefaultBinarization, equalTo (Binarization.Threshold())))

[<Test>]
let ``ids are unique over the parts`` () =
    withFolder (fun folder ->
        fill folder
        let set = catalog.Load("bitwise", DataFolders [ folder ])

        let ids =
            [ for part in [ set.Train; set.Validation; set.Test ] do
                  for i in 0 .. part.Count - 1 -> part.Id i ]

        Assert.That(ids, equalTo [ 0..9 ]))

[<Test>]
let ``files of training images are joined, and split at any place`` () =
    withFolder (fun folder ->
        fill folder
        let load (count: int) = catalog.Load("bitwise", DataFolders [ folder ], Nullable count)
        let published = catalog.Load("bitwise", DataFolders [ folder ])
        Assert.That(published.Train.AllPixels.ToArray(), equalTo fixedTrain)
        Assert.That(published.Validation.AllPixels.ToArray(), equalTo fixedValid)

        Assert.That(
            ranges published,
            equalTo [ "train = train[0..5)"; "validation = valid[0..2)"; "test = test[0..3)" ]
        )

        let whole = load 0
        Assert.That(whole.Train.AllPixels.ToArray(), equalTo (Array.append fixedTrain fixedValid))
        Assert.That(whole.Validation.Count, Is.Zero)
        Assert.That(ranges whole, equalTo [ "train = train[0..5)"; "train = valid[0..2)"; "test = test[0..3)" ])

        Assert.That(
            ranges (load 3),
            equalTo
                [ "train = train[0..4)"; "validation = train[4..5)"; "validation = valid[0..2)"; "test = test[0..3)" ]
        ))

[<Test>]
let ``more validation images than there are training images are refused`` () =
    for count in [ 6; -1; Int32.MaxValue ] do
        refuses [ "'grey'"; "6 training images"; string count ] (fun () ->
            catalog.Load("grey", DataFolders [], Nullable count) |> ignore)

[<Test>]
let ``what was read is recorded with its checksums`` () =
    withFolder (fun folder ->
        fill folder
        let set = catalog.Load("grey", DataFolders [ folder ])

        Assert.That(
            set.Files,
            equalTo
                [ LoadedFile(Path.Combine(folder, "grey", "train.gz"), sha256 trainBytes, 40L)
                  LoadedFile(Path.Combine(folder, "grey", "test"), sha256 testBytes, 28L) ]
        )

        Assert.That((catalog.Verify("grey", DataFolders [ folder ])).Count, equalTo 3))

[<Test>]
let ``pixel means are those of the training part under the default binarization`` () =
    withFolder (fun folder ->
        fill folder
        let set = catalog.Load("grey", DataFolders [ folder ])

        let expected =
            Array.init 4 (fun p ->
                List.averageBy (fun i -> if trainBytes[16 + 4 * i + p] >= 128uy then 1.0 else 0.0) [ 0..3 ])

        Assert.That(set.PixelMeans.ToArray(), (equalTo expected).Within 1e-15))

[<Test>]
let ``an unknown name is refused with the known ones`` () =
    refuses [ "'gray'"; "grey, bitwise" ] (fun () -> catalog.Find "gray" |> ignore)

    refuses
        [ "'cifar'"; "glyphs, shapes, documents, oracle, mnist, binarized-mnist, fashion-mnist, cifar-10, omniglot" ]
        (fun () -> DataSets.Load "cifar" |> ignore)

[<Test>]
let ``a missing data set is refused with the places looked at and what to do`` () =
    withFolder (fun folder ->
        let first, second = Path.Combine(folder, "a"), Path.Combine(folder, "b")

        refuses [ "'grey'"; first; second; "train"; "GAPLAB_DATA"; "--data"; "grey/train.gz" ] (fun () ->
            catalog.Load("grey", DataFolders [ first; second ]) |> ignore)

        refuses
            [ "dotnet fsi Scripts/datasets.fsx fetch grey'"; $"'{first}' does not hold train or train.gz" ]
            (fun () -> catalog.Load("grey", DataFolders [ first ]) |> ignore)

        // The training file alone is not enough, and its absence from the second folder does not hide the first.
        write first "grey/train" trainBytes |> ignore
        refuses [ "'grey'"; "test" ] (fun () -> catalog.Load("grey", DataFolders [ first; second ]) |> ignore)
        write second "test" testBytes |> ignore
        Assert.That((catalog.Load("grey", DataFolders [ first; second ])).Test.Count, equalTo 3))

[<Test>]
let ``files may lie in the folder itself unless it is another data set's`` () =
    withFolder (fun folder ->
        let own, other = Path.Combine(folder, "grey"), Path.Combine(folder, "bitwise")
        write own "train" trainBytes |> ignore
        write other "train" (amat 4 fixedTrain) |> ignore
        let folders = DataFolders [ other; own ]
        Assert.That(folders.Find("grey", "train", catalog.Names), equalTo (Path.Combine(own, "train")))
        Assert.That((DataFolders [ other ]).Find("grey", "train", catalog.Names), Is.Null)

        refuses [ $"'{other}' bears another data set's name"; "passed over" ] (fun () ->
            catalog.Load("grey", DataFolders [ other ]) |> ignore))

[<Test>]
let ``the named folder comes first, then GAPLAB_DATA, then the cache`` () =
    withFolder (fun folder ->
        let list = String.Join(Path.PathSeparator, [ "/one"; ""; "/two" ])

        withVariable DataFolders.Variable list (fun () ->
            Assert.That((DataFolders.Default folder).Folders, equalTo [ folder; "/one"; "/two"; DataFolders.Cache ])
            Assert.That(DataFolders.Default().Folders, equalTo [ "/one"; "/two"; DataFolders.Cache ]))

        withVariable DataFolders.Variable null (fun () ->
            Assert.That(DataFolders.Default().Folders, equalTo [ DataFolders.Cache ])))

    Assert.That(DataFolders.Cache, Does.EndWith(Path.Combine("Datasets", "cache")))

    withFolder (fun folder ->
        let file = write folder "train" trainBytes
        refuses [ file; "is a file"; "--dataset" ] (fun () -> DataFolders.Default file |> ignore))

    refuses [ "/no/such/folder"; "does not exist" ] (fun () -> DataFolders.Default "/no/such/folder" |> ignore)

[<Test>]
let ``an altered file is refused with both checksums`` () =
    withFolder (fun folder ->
        fill folder
        let altered = testBytes |> Array.updateAt 20 (testBytes[20] ^^^ 1uy)
        let path = write folder "grey/test" altered

        refuses [ path; sha256 testBytes; sha256 altered ] (fun () ->
            catalog.Load("grey", DataFolders [ folder ]) |> ignore)

        let labels = labelBytes |> Array.updateAt 9 (labelBytes[9] ^^^ 1uy)
        write folder "grey/test" testBytes |> ignore
        let path = write folder "grey/labels" labels
        refuses [ path; sha256 labelBytes ] (fun () -> catalog.Verify("grey", DataFolders [ folder ]) |> ignore))

[<Test>]
let ``colour images keep their 256 levels, and what must be known of them is part of the provenance`` () =
    let records count seed =
        Array.concat [ for i in 1..count -> Array.append [| 7uy |] (randomBytes (seed + i) 3072) ]

    let train, test = records 4 1, records 2 10

    let json =
        (entry "colour" "none" 1 [ file "train.bin" "training" "cifar" 4 train; file "test.bin" "test" "cifar" 2 test ])
            .Replace("\"height\":2,\"width\":2", "\"height\":32,\"width\":32,\"channels\":3,\"note\":\"a part of it\"")

    withFolder (fun folder ->
        write folder "colour/train.bin.gz" (gzip train) |> ignore
        write folder "colour/test.bin" test |> ignore
        let set = (Catalog.Parse(document [ json ], "the test")).Load("colour", DataFolders [ folder ])
        Assert.That((set.Train.Count, set.Validation.Count, set.Test.Count), equalTo ((3, 1, 2)))
        Assert.That((set.PixelCount, set.Validation.Channels, set.Train.Size), equalTo ((3072, 3, "32x32x3")))
        Assert.That((set.HasLevels, set.SuitsBernoulli), equalTo ((true, false)))
        Assert.That(set.Provenance, Does.EndWith "binarization none; a part of it")
        let row = bits set.DefaultBinarization set.Validation 0 0
        // The second pixel's green: record 3, after its label the second byte of the second plane.
        Assert.That(row[4], equalTo (float32 train[3 * 3073 + 1 + 1024 + 1] / 255f)))

[<Test>]
let ``a catalog that cannot be is refused`` () =
    let parse json () = Catalog.Parse(json, "here.json") |> ignore
    let replaced (was: string) (becomes: string) = parse ((document [ grey ]).Replace(was, becomes))
    parse (document [ grey ]) ()
    refuses [ "'here.json'"; "line 2" ] (parse "{\n]")
    refuses [ "'here.json'" ] (parse "null")
    refuses [ "'here.json'" ] (parse "{}")
    refuses [ "'here.json'"; "'grey' twice" ] (parse (document [ grey; grey ]))
    refuses [ "$.datasets[0]" ] (replaced "\"height\":2," "")
    refuses [ "$.datasets[0]" ] (replaced "\"title\":\"t\"" "\"title\":null")
    refuses [ "$.datasets[0].unknown" ] (replaced "\"title\"" "\"unknown\"")
    refuses [ "role" ] (replaced "training-labels" "training-sounds")
    refuses [ "2x0" ] (replaced "\"width\":2" "\"width\":0")
    refuses [ "'random'" ] (replaced "threshold" "random")
    refuses [ "lacks" ] (replaced "test" "test-labels")
    refuses [ "holds out 6 of 6" ] (replaced "\"validation\":2" "\"validation\":6")
    refuses [ "'../test'" ] (replaced "\"name\":\"test\"" "\"name\":\"../test\"")
    refuses [ "test has 0 images" ] (replaced "\"count\":3" "\"count\":0")
    refuses [ "sha256 of test" ] (replaced (sha256 testBytes) "abc")
    refuses [ "2x2x0" ] (replaced "\"width\":2" "\"width\":2,\"channels\":0")
    refuses [ "train cannot hold images of 2x2x3" ] (replaced "\"width\":2" "\"width\":2,\"channels\":3")
    refuses [ "train cannot hold images of 2x2" ] (replaced "\"idx\"" "\"cifar\"")

[<Test>]
let ``the built-in catalog is the file in Datasets`` () =
    Assert.That(
        Catalog.Default.Names,
        equalTo
            [ "mnist"
              "binarized-mnist"
              "fashion-mnist"
              "cifar-10"
              "omniglot"
              "omniglot-burda"
              "svhn"
              "20news-nvdm"
              "rcv1"
              "ptb"
              "yahoo" ]
    )

    let source = Path.Combine(Path.GetDirectoryName DataFolders.Cache, "catalog.json")

    if not (File.Exists source) then
        Assert.Ignore "The tests run outside the repository, so Datasets/catalog.json cannot be compared."

    let fromFile = Catalog.Parse(File.ReadAllText(source, Encoding.UTF8), source)

    let flat (c: Catalog) =
        [ for e in c.Entries do
              for f in e.Files -> e.Name, e.Height, e.Width, e.Validation, f ]

    Assert.That(flat Catalog.Default, equalTo (flat fromFile))
