/// Documents as bags of words: their files, their sets and batches, and those that are generated.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Data.WordCountReaderTests

open System
open System.Text
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Tensors.Reference
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures

let private read (path: string) words =
    let struct (set, file) = WordCountReader.Read(path, words)
    set, file

let private readText (text: string) words =
    withFolder (fun folder -> fst (read (write folder "x.feat" (Encoding.UTF8.GetBytes text)) words))

/// The documents as lists of words and counts.
let private contents (set: CountSet) =
    [ for i in 0 .. set.Count - 1 ->
          List.zip (List.ofArray (set.Words(i).ToArray())) (List.ofArray (set.Counts(i).ToArray())) ]

/// Random documents of different words.
let private documents (seed: int) count words =
    let random = Random seed

    [ for _ in 1..count ->
          [ for word in
                [ 0 .. words - 1 ] |> List.sortBy (fun _ -> random.Next()) |> List.take (random.Next(1, words + 1)) ->
                word, 1 + random.Next 1000 ] ]

let private text (documents: (int * int) list list) =
    String.concat
        ""
        [ for i, entries in List.indexed documents ->
              let entries = entries |> List.map (fun (word, count) -> $" {word + 1}:{count}") |> String.concat ""
              $"{i % 20}{entries}\n" ]

[<Property(MaxTest = 60)>]
let ``what was written is read back, plain and packed``
    (PositiveInt count)
    (PositiveInt words)
    (seed: int)
    (packed: bool)
    =
    let words = words % 30 + 1
    let documents = documents seed (count % 20 + 1) words
    let bytes = Encoding.ASCII.GetBytes(text documents)

    withFolder (fun folder ->
        let path = write folder (if packed then "x.feat.gz" else "x.feat") (if packed then gzip bytes else bytes)
        let set, file = read path words
        equal documents (contents set)
        equal (LoadedFile(path, sha256 bytes, int64 bytes.Length)) file
        equal words set.VocabularySize
        equal (int64 (List.sumBy (List.sumBy snd) documents)) set.TotalLength)

[<Test>]
let ``lines that cross the reader's buffer are read back`` () =
    let documents = documents 1 3000 50
    equal documents (contents (readText (text documents) 50))

[<Test>]
let ``blanks may be repeated, be tabs and trail, labels be any text, and lines end in either way or not at all`` () =
    let expected = [ [ 2, 4; 0, 1 ]; [ 1, 7 ] ]

    for text in [ "1 3:4 1:1\n2 2:7\n"; "C15,C152  3:4\t1:1 \r\n-1 2:7"; " x 3:4 1:1\n\t2 2:7\t\n" ] do
        equalFor text expected (contents (readText text 3))

[<Test>]
let ``a malformed line is refused with its number and what is wrong`` () =
    let refused (line: string) (fragments: string list) =
        refuses ("Line 2" :: "x.feat" :: fragments) (fun () -> readText $"1 1:1\n{line}\n1 2:1\n" 5 |> ignore)

    refused "1 6:1" [ "word 6"; "5" ]
    refused "1 2:1 3:1 2:4" [ "word 2 twice" ]
    refused "1" [ "no words" ]
    refused "" [ "no words" ]
    refused "2:1 3:1" [ "'2:1'"; "label" ]

    for entry in
        [ "0:1"; "2:0"; "-1:1"; "2:-1"; "2:1.5"; "2"; "2:"; ":2"; "a:1"; "2:3:1"; "+2:1"; "2:99999999999"; "2:1e3" ] do
        refused $"1 {entry}" [ $"'{entry}'"; "colon" ]

    refused $"1 2:{String('9', 300)}" [ "..." ]
    refused $"1 {String(' ', 400_000)}" [ "longer" ]
    refuses [ "no documents" ] (fun () -> readText "" 5 |> ignore)
    refuses [ "0 words" ] (fun () -> readText "1 1:1" 0 |> ignore)

[<Test>]
let ``a file of another length or with other bytes is refused`` () =
    withFolder (fun folder ->
        let bytes = Encoding.ASCII.GetBytes "1 1:1\n1 2:1\n"
        let path = write folder "x.feat" bytes
        let read (sha: string) (count: int) () = WordCountReader.Read(path, 5, sha, Nullable count) |> ignore
        read (sha256 bytes) 2 ()
        refuses [ "cut off"; "2 lines where 3" ] (read null 3)
        refuses [ "more than the 1 lines" ] (read null 1)
        refuses [ "not the published file" ] (read (sha256 [||]) 2))

[<Test>]
let ``damaged files are refused or read, and cost no more than their size`` () =
    survivesDamage "x.feat" (Encoding.ASCII.GetBytes(text (documents 2 30 40))) (fun path -> read path 40 |> ignore)

    survivesDamage "x.feat.gz" (gzip (Encoding.ASCII.GetBytes(text (documents 3 30 40)))) (fun path ->
        read path 40 |> ignore)

[<Test>]
let ``inverse document frequencies are smoothed`` () =
    let set = readText "1 1:5 2:1\n1 1:1\n1 1:2 3:1\n" 4
    // ln((1 + 3) / (1 + df)) + 1 with df = 3, 1, 1, 0.
    close "idf" 1e-15 [| 1.; 1. + log 2.; 1. + log 2.; 1. + log 4. |] (set.InverseDocumentFrequencies())

[<Test>]
let ``batches hold the counts of their documents and the weights of the training part`` () =
    let train, test = readText "1 1:5 2:1\n1 1:1\n1 1:2 3:1\n" 4, readText "1 2:3\n1 1:2 4:1\n" 4
    let ranges = [ SplitRange("train", "x", 0, 3) ]

    let set =
        DataSet(
            "texts",
            DataSplits(train, train.Select(ReadOnlySpan<int>()), test, List.toArray ranges),
            Binarization.None(),
            [||]
        )

    equal (true, false, false) (set.HasCounts, set.SuitsBernoulli, set.HasLevels)
    holds set.Provenance (set.Provenance.EndsWith "; counts of words")
    let source = set.Source(DataSplit.Test, ReferenceDevice.Instance)
    let x = source.Batch(ReadOnlySpan [| 1; 0 |])
    equal [| 2.; 0.; 0.; 1.; 0.; 3.; 0.; 0. |] (x.Values.ToArray())
    let one, four = 2., 1. + log 4.
    let norm = sqrt (one * one + four * four)
    close "TF-IDF" 1e-12 [| one / norm; 0.; 0.; four / norm; 0.; 1.; 0.; 0. |] (x.Features.ToArray())
    equal [| 1; 0 |] (x.Indices.ToArray())
    refuses [ "holds documents" ] (fun () -> set.PixelMeans.ToArray() |> ignore)

[<Test>]
let ``documents that cannot be are refused`` () =
    let make starts words counts () = CountSet("texts", 3, starts, words, counts) |> ignore
    make [| 0; 2 |] [| 0; 2 |] [| 1; 1 |] ()
    refuses [ "do not fill" ] (make [| 0; 1 |] [| 0; 2 |] [| 1; 1 |])
    refuses [ "do not fill" ] (make [||] [||] [||])
    refuses [ "word 3" ] (make [| 0; 1 |] [| 3 |] [| 1 |])
    refuses [ "word 2 0 times" ] (make [| 0; 1 |] [| 2 |] [| 0 |])
    refuses [ "or again" ] (make [| 0; 2 |] [| 2; 2 |] [| 1; 1 |])
    refuses [ "ends before" ] (make [| 0; 2; 1; 2 |] [| 0; 1 |] [| 1; 1 |])

[<Property(MaxTest = 20)>]
let ``a generated document is a function of seed and index`` (seed: uint64) (NonNegativeInt first) (PositiveInt count) =
    let count = count % 10 + 1
    let set = SyntheticDocuments.Counts(seed, first, count)
    let one i = contents (SyntheticDocuments.Counts(seed, first + i, 1))
    equal (contents set) (List.collect one [ 0 .. count - 1 ])
    equal [ first .. first + count - 1 ] [ for i in 0 .. count - 1 -> set.Id i ]

[<Test>]
let ``the documents of revision 1 are what they were`` () =
    // Of documents 0..499 of seed 1, computed when revision 1 was fixed; if it changes, raise SyntheticDocuments.Revision.
    equal 1 SyntheticDocuments.Revision
    let set = SyntheticDocuments.Counts(1UL, 0, 500)

    equal
        "2ee43b2d6d31d9fbeea698269914d77a6bb62d18dea251ba5500e667c2eb95d7"
        (sha256 (Encoding.ASCII.GetBytes(text (contents set))))

[<Test>]
let ``generated words follow Zipf's law roughly, and documents have topics and ragged lengths`` () =
    let set = SyntheticDocuments.Load(3UL, 2000, 10, 10)
    let documents = contents (set.Splits.Train :?> CountSet)
    let lengths = documents |> List.map (List.sumBy snd) |> List.sort
    equal 20 lengths.Head
    holds "a median of about 60" (abs (lengths[1000] - 60) < 8)
    holds "long documents" (List.last lengths > 1000)
    let frequency = Array.zeroCreate<float> SyntheticDocuments.VocabularySize

    for word, count in List.concat documents do
        frequency[word] <- frequency[word] + float count

    let share first last = Array.sum frequency[first..last] / Array.sum frequency
    holds "frequent words" (share 0 9 > 0.1)
    holds "rare words" (share 500 999 > 0.02 && share 500 999 < 0.2)
    // Two halves of a vocabulary without topics would have equal shares in all documents, up to chance.
    let dispersion =
        documents
        |> List.averageBy (fun document ->
            let n = float (List.sumBy snd document)
            let own = float (document |> List.sumBy (fun (word, count) -> if word % 2 = 0 then count else 0)) / n
            let p = 0.5
            (own - p) ** 2. * n / (p * (1. - p)))

    holds $"topics (dispersion {dispersion})" (dispersion > 2.)
    equal (2000, 10, 10) (set.Splits.Train.Count, set.Splits.Validation.Count, set.Splits.Test.Count)

    let byName =
        DataSets.Load("documents", DataOptions(SyntheticSeed = 3UL, SyntheticTrainCount = 5, SyntheticTestCount = 10))

    equal (contents (set.Splits.Test :?> CountSet)) (contents (byName.Splits.Test :?> CountSet))
    equal (List.take 5 documents) (contents (byName.Splits.Train :?> CountSet))
    refuses [ "-1 documents" ] (fun () -> SyntheticDocuments.Counts(1UL, 0, -1) |> ignore)

let private file name role format count bytes sha =
    $"""{{"name":"{name}","role":"{role}","format":"{format}","count":{count},"bytes":{Array.length bytes},"sha256":"{sha}","published":"{name}"}}"""

let private catalogOf (sorted: string) (files: string list) =
    let files = String.Join(",", files)

    Catalog.Parse(
        $"""{{"datasets":[{{"name":"texts","title":"t","height":1,"width":3,"binarization":"none","validation":4,{sorted}"citation":"c","licence":"l","sources":[],"files":[{files}]}}]}}""",
        "the test"
    )

[<Test>]
let ``of sorted documents the validation part is drawn at random, and nothing of it is trained on`` () =
    // Document i has word 1 (i + 1) times.
    let train = [ for i in 1..20 -> $"1 1:{i}\n" ] |> String.concat "" |> Encoding.ASCII.GetBytes
    let test, words = Encoding.ASCII.GetBytes "1 2:1\n", Encoding.UTF8.GetBytes "the 7\nof\t3\r\nGröße\n"

    withFolder (fun folder ->
        write folder "texts/train.gz" (gzip train) |> ignore
        write folder "texts/test" test |> ignore

        let files (sha: byte[] -> string) =
            [ file "train" "training" "word-counts" (if sha train = "" then 0 else 20) train (sha train)
              file "test" "test" "word-counts" 1 test (sha test)
              file "words" "vocabulary" "vocabulary" 3 words (sha words) ]

        let load (catalog: Catalog) (held: int) = catalog.Load("texts", DataFolders [ folder ], Nullable held)

        for sha in [ sha256; (fun _ -> "") ] do
            let sorted = catalogOf "\"sorted\":true," (files sha)
            let set = load sorted 4
            let counts part = contents (set.Splits[part] :?> CountSet) |> List.map (List.head >> snd)
            let held = counts DataSplit.Validation
            equal 4 held.Length
            holds "not the last ones" (List.sort held <> [ 17..20 ])
            equal [ 1..20 ] (List.sort (held @ counts DataSplit.Train))

            equal
                held
                (load sorted 4
                 |> fun set -> contents (set.Splits.Validation :?> CountSet) |> List.map (List.head >> snd))

            let ids = [ for i in 0..3 -> set.Splits.Validation.Id i + 1 ]
            equal held ids
            equal 20 (set.Splits.Test.Id 0)
            holds set.Provenance (set.Provenance.Contains "validation = train in random order[16..20)")
            equal 0 set.Vocabulary.Count
            let whole = load sorted 0
            equal [ 1..20 ] (contents (whole.Splits.Train :?> CountSet) |> List.map (List.head >> snd))

            let last = load (catalogOf "" (files sha)) 4
            equal [ 17..20 ] (contents (last.Splits.Validation :?> CountSet) |> List.map (List.head >> snd))
            refuses [ "20 training documents"; "20 of them" ] (fun () -> load sorted 20 |> ignore)

        write folder "texts/words" words |> ignore
        let set = load (catalogOf "" (files sha256)) 4
        equal [ "the"; "of"; "Größe" ] (List.ofSeq set.Vocabulary)
        equal 3 set.Files.Count
        write folder "texts/words" (Encoding.ASCII.GetBytes "the\nof\n") |> ignore
        refuses [ "2 words where 3" ] (fun () -> load (catalogOf "" (files (fun _ -> ""))) 4 |> ignore)
        write folder "texts/words" (Encoding.ASCII.GetBytes "the\n\nof\n") |> ignore
        refuses [ "Line 2"; "no word" ] (fun () -> load (catalogOf "" (files (fun _ -> ""))) 4 |> ignore))

[<Test>]
let ``20 Newsgroups has the documents that are known`` () =
    if String.IsNullOrEmpty(Environment.GetEnvironmentVariable DataFolders.Variable) then
        Assert.Ignore "GAPLAB_DATA is not set, so the published data files are not tested."

    let set = DataSets.Load "20news-nvdm"
    let total part = (set.Splits[part] :?> CountSet).TotalLength
    equal (10268, 1000, 7505) (set.Splits.Train.Count, set.Splits.Validation.Count, set.Splits.Test.Count)
    // Words in all documents, counted independently of this reader.
    equal (1128881L, 720898L) (total DataSplit.Train + total DataSplit.Validation, total DataSplit.Test)
    equal (2000, "who", "out") (set.Vocabulary.Count, set.Vocabulary[0], set.Vocabulary[1])
