/// Text: reading, vocabularies, parts, and batches of equally long sentences.
module GapLab.Tests.Data.SentenceTests

open System
open System.IO
open System.Text
open NUnit.Framework
open FsCheck
open FsCheck.FSharp
open FsCheck.NUnit
open GapLab.Data
open GapLab.Data.Text
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Tensors.Reference
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures

let private device: Device = ReferenceDevice.Instance

let private writeText folder name (lines: string list) =
    write folder name (Encoding.UTF8.GetBytes(String.concat "\n" lines + "\n"))

let private refusesText fragments (bytes: byte[]) =
    withFolder (fun folder ->
        let path = write folder "text.txt" bytes
        refuses fragments (fun () -> SentenceReader.Read path |> ignore))

let private words (observations: Observations) =
    let tokens = observations :?> TokenObservations
    [ for row in 0 .. tokens.Count - 1 -> tokens.Sentence(row).ToArray() |> Array.toList ]

[<Test>]
let ``a line is a sentence; empty and too long ones are left out and counted`` () =
    withFolder (fun folder ->
        let tooLong = String.replicate (SentenceReader.LongestSentence + 1) "a "
        let longest = String.replicate SentenceReader.LongestSentence "a "
        let path = writeText folder "text.txt" [ "the  cat\tsat"; ""; tooLong; " \t "; longest; "ünï 日本" ]

        for file in [ path; write folder "text.txt.gz" (gzip (File.ReadAllBytes path)) ] do
            let read = SentenceReader.Read file
            equal (2, 1) (read.Empty, read.TooLong)
            equal [ 3; SentenceReader.LongestSentence; 2 ] [ for sentence in read.Sentences -> sentence.Length ]
            equal [ "the"; "cat"; "sat" ] (List.ofArray read.Sentences[0])
            equal [ "ünï"; "日本" ] (List.ofArray read.Sentences[2]))

[<Test>]
let ``files that are no text are refused`` () =
    refusesText [ "not UTF-8 text"; "byte 3" ] [| 65uy; 66uy; 32uy; 0xffuy; 0xfeuy; 10uy |]
    refusesText [ "no sentence of 1 to 200 words" ] [||]
    refusesText [ "no sentence of 1 to 200 words" ] (Encoding.UTF8.GetBytes "\n  \n\n")

    withFolder (fun folder ->
        let path = writeText folder "text.txt" [ "a"; "b"; "c" ]
        equal 3 (SentenceReader.Read(path, null, 3).Sentences.Count)
        refuses [ "3 lines where 4 were expected" ] (fun () -> SentenceReader.Read(path, null, 4) |> ignore)
        refuses [ "not the published file" ] (fun () -> SentenceReader.Read(path, String('0', 64)) |> ignore))

[<Test>]
let ``a vocabulary keeps the commonest words, and the unknown word stands for others`` () =
    let frequencies = dict [ "rare", 1; "b", 3; "a", 3; "often", 9; Vocabulary.UnknownWord, 5; Vocabulary.EndWord, 7 ]

    let vocabulary = Vocabulary.OfFrequencies(frequencies, 5)
    equal [ "<unk>"; "</s>"; "often"; "a"; "b" ] (List.ofSeq vocabulary.Words)
    equal (Nullable 0, Nullable 1) (vocabulary.Unknown, vocabulary.End)
    equal [ 3; 0; 2; 1 ] (List.ofArray (vocabulary.Encode " a rare  often "))
    equal "a <unk> often" (vocabulary.Decode(ReadOnlySpan [| 3; 0; 2; 1 |]))
    refuses [ "no words" ] (fun () -> vocabulary.Encode " \t" |> ignore)
    refuses [ "3 or more" ] (fun () -> Vocabulary.OfFrequencies(frequencies, 2) |> ignore)
    refuses [ "'x' twice" ] (fun () -> Vocabulary [| "x"; "y"; "x" |] |> ignore)

    let closed = Vocabulary [| "x"; "y" |]
    equal [ 1; 0 ] (List.ofArray (closed.Encode "y x"))
    refuses [ "'z' is not in the vocabulary"; "no '<unk>'" ] (fun () -> closed.Encode "x z" |> ignore)

[<Property(MaxTest = 50)>]
let ``encoding undoes decoding`` (choices: int list) =
    let vocabulary = Vocabulary [| "<unk>"; "</s>"; "a"; "b"; "c" |]
    let sentence = [| for choice in 1 :: choices -> 2 + abs (choice % 3) |]
    List.ofArray (vocabulary.Encode(vocabulary.Decode(ReadOnlySpan sentence))) = List.ofArray sentence @ [ 1 ]

[<Test>]
let ``a text of one's own is split at random, with the vocabulary of what is trained on`` () =
    withFolder (fun folder ->
        let path = writeText folder "own.txt" [ for i in 0..99 -> $"common word{i}" ]
        let set = DataSets.Load(path, DataOptions(ValidationCount = 20))
        equal (70, 20, 10) (set.Splits.Train.Count, set.Splits.Validation.Count, set.Splits.Test.Count)
        equal (true, false, false) (set.HasSentences, set.HasCounts, set.SuitsBernoulli)

        // The word of a training sentence is in the vocabulary, those of others are not.
        equal (2 + 1 + 70) set.PixelCount

        let unknown (part: DataPart) =
            [ for i in 0 .. part.Count - 1 -> (part :?> SentenceSet).Words(i).ToArray() |> Array.contains 0 ]

        equal [ false ] (List.distinct (unknown set.Splits.Train))
        equal [ true ] (List.distinct (unknown set.Splits.Validation @ unknown set.Splits.Test))
        let ids (part: DataPart) = [ for i in 0 .. part.Count - 1 -> part.Id i ]

        equal [ 0..99 ] (List.sort (List.collect ids [ set.Splits.Train; set.Splits.Validation; set.Splits.Test ]))
        Assert.That(set.Provenance, Does.Contain "vocabulary of 73 words")
        equal 12 (DataSets.Load(path, DataOptions(VocabularySize = 12)).PixelCount)

        refuses [ "100 sentences"; "90 cannot be held out" ] (fun () ->
            DataSets.Load(path, DataOptions(ValidationCount = 90)) |> ignore)

        // What a text holds is part of the key of what is computed from it.
        let key () = DataSpec(Name = path).ToJson().ToJsonString()
        let before = key ()
        equal before (key ())
        Assert.That(DataSpec(Name = path, VocabularySize = 12).ToJson().ToJsonString(), Is.Not.EqualTo before)
        writeText folder "own.txt" [ "another text" ] |> ignore
        Assert.That(key (), Is.Not.EqualTo before))

/// Sentences of 1 to 7 words.
let private sentences count =
    let starts = ResizeArray [ 0 ]
    let words = ResizeArray()

    for i in 0 .. count - 1 do
        let length = 1 + i % 7
        words.AddRange [ for t in 1..length -> (i * 7 + t) % 11 ]
        starts.Add words.Count

    SentenceSet("some", 11, starts.ToArray(), words.ToArray(), 100)

[<Property(MaxTest = 30)>]
let ``an epoch's batches hold every sentence once, equally long ones together`` (PositiveInt count) (PositiveInt size) =
    let set = sentences count
    let source = SentenceSource(device, set)
    let stream = RandomStream(1UL, RandomPurpose.Shuffling)
    let batches = source.Batches(size, stream)

    equal [ 0 .. count - 1 ] (batches |> Seq.collect id |> Seq.sort |> List.ofSeq)
    equal batches.Count (source.Batches(size, stream.At(step = 1)).Count)

    for batch in batches do
        Assert.That(batch.Length, Is.LessThanOrEqualTo size)
        let x = source.Batch(ReadOnlySpan batch) :?> TokenObservations
        equal true x.IsEven
        equal [ for i in batch -> 100 + i ] (List.ofArray (x.Indices.ToArray()))
        equal [ for i in batch -> set.Words(i).ToArray() |> Array.toList ] (words x)
        equal (Array.sum x.Lengths) (float (source.SizeOf(ReadOnlySpan batch)))

[<Test>]
let ``epochs differ in their order`` () =
    let source = SentenceSource(device, sentences 60)
    let stream = RandomStream(1UL, RandomPurpose.Shuffling)

    let order step =
        [ for batch in source.Batches(4, stream.At(step = step)) -> List.ofArray batch ]

    equal (order 1) (order 1)
    Assert.That((order 1 = order 2), Is.False)

[<Test>]
let ``ragged batches are padded, and what a model reads is shifted by one`` () =
    let sentences: ReadOnlyMemory<int> list =
        [ for sentence in [ [| 4; 5; 6 |]; [| 7 |] ] -> ReadOnlyMemory sentence ]

    let x = TokenObservations(device, List.toArray sentences, ReadOnlyMemory [| 8; 3 |])
    equal (2, 3, false) (x.Count, x.Longest, x.IsEven)
    equal [ 3.; 1. ] (List.ofArray x.Lengths)
    equal [ 4; 7; 5; 0; 6; 0 ] (List.ofArray (x.ByPosition()))
    equal [ 9; 9; 4; 9; 5; 9 ] (List.ofArray (x.InputsByPosition 9))
    equal [ 1.; 1.; 1.; 0.; 1.; 0. ] (List.ofArray (x.Presence()))
    let second = x.Select(ReadOnlySpan [| 1; 1 |]) :?> TokenObservations
    equal (2, 1, true) (second.Count, second.Longest, second.IsEven)
    equal [ 3; 3 ] (List.ofArray (second.Indices.ToArray()))
    x.RequireBelow 8
    throws<ShapeException> [ "Word 0 (from 0) of sentence 1 is 7"; "words 0 to 6" ] (fun () -> x.RequireBelow 7)

[<Test>]
let ``impossible sentences are refused`` () =
    let make (sentences: int array list) () =
        TokenObservations(device, [| for sentence in sentences -> ReadOnlyMemory sentence |]) |> ignore

    throws<ShapeException> [ "0 sentences" ] (make [])
    throws<ShapeException> [ "sentence 1 (from 0) has no words" ] (make [ [| 1 |]; [||] ])
    throws<ShapeException> [ "word 1 (from 0) of sentence 0 is -2" ] (make [ [| 1; -2 |] ])
    let set starts words () = SentenceSet("s", 3, starts, words) |> ignore
    refuses [ "where each sentence begins" ] (set [| 0; 1 |] [| 0; 1 |])
    refuses [ "Sentence 1 (from 0) of 's' has no words" ] (set [| 0; 2; 2 |] [| 0; 1 |])
    refuses [ "Word 1 (from 0) of 's' is 3" ] (set [| 0; 2 |] [| 0; 3 |])

[<Test>]
let ``Penn Treebank has its known size`` () =
    if String.IsNullOrEmpty(Environment.GetEnvironmentVariable DataFolders.Variable) then
        Assert.Ignore "GAPLAB_DATA is not set, so the published text is not tested."

    let set = DataSets.Load "ptb"
    let parts = [ for part in [ set.Splits.Train; set.Splits.Validation; set.Splits.Test ] -> part :?> SentenceSet ]
    // Sentences and words with one end a sentence, as usually stated for this text.
    equal [ 42068; 3370; 3761 ] [ for part in parts -> part.Count ]
    equal [ 929589; 73760; 82430 ] [ for part in parts -> part.TotalLength ]
    equal 10000 (set.PixelCount)
