/// Models of documents, from training to perplexity.
module GapLab.Tests.Experiments.DocumentTests

open System
open System.IO
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private model = DenseModel.Choice(4, [| 16 |], Activation.Elu, OutputKind.Multinomial)

let private specOf inference rule epochs =
    TrainSpec(
        Data = DataSpec(Name = "documents", TrainCount = Nullable 300, ValidationCount = Nullable 20),
        Model = model,
        Family = FactorizedGaussian.Choice(),
        Inference = inference,
        Rule = rule,
        Schedule = LearningRateSchedule.Constant(epochs, 1e-2),
        BatchSize = 50
    )

let private amortized epochs =
    specOf (Amortized.Choice([| 16 |], Activation.Elu)) (JointGradient.Choice()) epochs

let private iterative data errors epochs =
    let options =
        IterativeOptions(
            Iterations = 3,
            Hidden = [| 16; 16 |],
            Data = data,
            Gradients = GradientEncoding.Raw,
            BottomUpErrors = errors
        )

    specOf (Iterative.Choice options) (IterativeGradient.Choice()) epochs

let private perplexity (runner: Runner) (artifact: ArtifactSpec) =
    let wanted = EvaluationSpec(Artifact = artifact, Measure = InferredBounds 20, Points = 30)
    runner.Ensure [| wanted |]
    let cell = runner.Find wanted
    let lengths = cell.Values "words"
    let documents = runner.Data(artifact.Data).Set.Splits.Test :?> CountSet
    let order = runner.Data(artifact.Data).Test.SubsetOrder 30
    equal [| for i in order -> float (Seq.sum (documents.Counts(i).ToArray())) |] lengths
    Perplexity.Of(cell.Values "iwae", lengths)

[<Test>]
let ``training lowers the perplexity of encoders and of iterative inference, whatever the network sees`` () =
    GapLab.Tests.Experiments.ExperimentFixtures.withFolder (fun folder ->
        let runner, _ = runnerOn folder

        for spec in [ amortized; iterative false ErrorEncoding.None; iterative true ErrorEncoding.Plain ] do
            let first, last = perplexity runner (spec 1), perplexity runner (spec 12)
            // A uniform model has 1000.
            holds $"{last} below {first}" (last.PerDocument < first.PerDocument && last.Corpus < first.Corpus)
            holds $"{last} below 700" (last.PerDocument < 700.))

[<Test>]
let ``documents are simulated with the lengths of others and read like them`` () =
    let vae = (amortized 1).Build(cpu, SyntheticDocuments.VocabularySize)
    let source = (DataSpec(Name = "documents", TrainCount = Nullable 30)).Load(cpu).Test
    let like = source.Batch(ReadOnlySpan [| 3; 5 |])
    let simulated = (SimulatedData.Draw(vae.Model, like, stream 1UL)).Observations
    equal like.Lengths simulated.Lengths
    equal (like.Indices.ToArray()) (simulated.Indices.ToArray())
    close "normalised" 1e-6 [| 1.; 1. |] ((simulated.Features.Square().Sum 1).ToArray())
    holds "TF-IDF, no counts" (simulated.Features.ToArray() <> simulated.Values.ToArray())

[<Test>]
let ``files of one's own enter keys by their bytes`` () =
    withFolder (fun folder ->
        let text documents = [ for i in 1..documents -> $"1 {i}:2 17:1\n" ] |> String.concat ""

        let put documents =
            write folder "rcv1/train.feat" (Text.Encoding.ASCII.GetBytes(text documents)) |> ignore
            write folder "rcv1/test.feat" (Text.Encoding.ASCII.GetBytes "1 1:1\n") |> ignore

        withVariable DataFolders.Variable folder (fun () ->
            put 9
            let nine = DataSpec(Name = "rcv1", ValidationCount = Nullable 3)
            let key (spec: DataSpec) = spec.ToJson().ToJsonString()
            let data = nine.Load cpu
            equal (6, 10000) (data.Train.Count, data.DataSize)
            put 10
            throws<DataException> [ "'rcv1'"; "has changed" ] (fun () -> nine.Load cpu |> ignore)
            holds "another key" (key nine <> key (DataSpec(Name = "rcv1", ValidationCount = Nullable 3)))

            throws<DataException> [ "10 training documents" ] (fun () -> DataSpec(Name = "rcv1").Load cpu |> ignore))

        withVariable DataFolders.Variable null (fun () ->
            throws<DataException> [ "'rcv1' was not found" ] (fun () -> DataSpec(Name = "rcv1") |> ignore)
            DataFolders.Named <- folder

            try
                equal 1 ((DataSpec(Name = "rcv1", ValidationCount = Nullable 3)).Load cpu).Test.Count
            finally
                DataFolders.Named <- null))
