module GapLab.Tests.Experiments.KeyTests

open System
open System.IO
open System.Reflection
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

let private train =
    TrainSpec(
        Data = DataSpec(Name = "glyphs", TrainCount = Nullable 100),
        Model = DenseModel.Choice(5, [| 20; 20 |], Activation.Elu, OutputKind.Bernoulli),
        Family = FactorizedGaussian.Choice(),
        Inference = Amortized.Choice([| 20 |], Activation.Tanh),
        Schedule = LearningRateSchedule.Constant(3, 1e-3),
        Weights = Annealing.Entropy 2
    )

let private evaluate (measure: Measure) = EvaluationSpec(Artifact = train, Measure = measure, Points = 10)

/// A copy of a record with another value of one property.
let private withValue (record: 'T) (property: PropertyInfo) (value: obj) =
    let copy = record.GetType().GetMethod("<Clone>$").Invoke(record, [||])
    property.SetValue(copy, value)
    copy :?> 'T

/// Another value of the same type; those of types that this does not know are given by the property's name.
let private another (given: Map<string, obj>) (property: PropertyInfo) (value: obj) : obj =
    match Map.tryFind property.Name given, value with
    | Some other, _ -> other
    | None, (:? bool as flag) -> box (not flag)
    | None, (:? int as number) -> box (number + 1)
    | None, (:? uint64 as number) -> box (number + 1UL)
    | None, (:? float as number) -> box (1.5 * number)
    | None, (:? Enum as choice) ->
        Enum.GetValues(choice.GetType()) |> Seq.cast<obj> |> Seq.find (fun other -> not (other.Equals choice))
    | None, _ ->
        failwith $"Give another value of the new property {property.Name}, so that its place in keys is tested."

/// Checks that each property of a record that can be set changes a key.
let private allChange (given: (string * obj) list) (keyOf: 'T -> string) (record: 'T) =
    let given = Map given
    let settings = record.GetType().GetProperties() |> Array.filter _.CanWrite
    holds "the record has settings" (settings.Length > 0)

    let keys =
        [ keyOf record
          for property in settings do
              keyOf (withValue record property (another given property (property.GetValue record))) ]

    for key, property in List.zip keys.Tail (List.ofArray settings) do
        holds $"{property.Name} changes the key" (key <> keys.Head)

    equal keys.Length (List.distinct keys).Length

/// What is stored is found under its key alone, so a key that changes makes everything stored before invisible, and costs its owners days of computing.
/// If this test fails, undo the change that moved the keys, unless results have become wrong; then raise the revision of the component that gave them.
[<Test>]
let ``keys stay what they were`` () =
    equal "b7bcbbbb96485a9a32900d4741d646038fedc40279bb6e76fe238e5e4a23c9a9" train.Key
    equal "33683886c8dc68ee5d429cd15a6434dc9f554cd7cd2bec8b2ad0c15179641269" (evaluate (InferredBounds 100)).Key

    equal
        "d85aaac1bc0309a1c90ba7e75abc00d33b016be821ea2713e7996c80faa6fb8c"
        (evaluate (AnnealedBound(AisOptions()))).Key

[<Test>]
let ``every setting of a training run changes its key`` () =
    allChange
        [ "Data", DataSpec(Name = "glyphs", TrainCount = Nullable 101)
          "Model", DenseModel.Choice(6, [| 20; 20 |], Activation.Elu, OutputKind.Bernoulli)
          "Family", Component<FamilyContext, VariationalFamily>("other", 1, null, fun _ -> failwith "not built")
          "Inference", Amortized.Choice([| 21 |], Activation.Tanh)
          "Schedule", LearningRateSchedule.Constant(3, 2e-3)
          "Adam", AdamOptions(Epsilon = 1e-4)
          "Sgd", SgdOptions()
          "MaximumGradientNorm", 5.0
          "Decay", PlateauDecay()
          "Rule", JointGradient.Choice(trainsModel = false)
          "Weights", Annealing.Kl 2
          "Patience", 3
          "Parent", withValue train (typeof<TrainSpec>.GetProperty "Seed") 5UL ]
        (fun (spec: TrainSpec) -> spec.Key)
        train

    for adam in [ AdamOptions(Beta1 = 0.8); AdamOptions(Beta2 = 0.99) ] do
        holds "Adam's decays" ((withValue train (typeof<TrainSpec>.GetProperty "Adam") adam).Key <> train.Key)

    let other name value = withValue train (typeof<TrainSpec>.GetProperty name) value
    allChange [] (fun sgd -> (other "Sgd" sgd).Key) (SgdOptions(Momentum = 0.5))
    allChange [] (fun decay -> (other "Decay" decay).Key) (PlateauDecay())
    // Learning rates come from the schedule.
    equal train.Key (withValue train (typeof<TrainSpec>.GetProperty "Adam") (AdamOptions(LearningRate = 7.0))).Key

[<Test>]
let ``every setting of semi-amortized inference changes the key`` () =
    let keyOf name (value: obj) = (withValue train (typeof<TrainSpec>.GetProperty name) value).Key
    let inferenceKey start options = keyOf "Inference" (SemiAmortized.Choice(start, options))

    allChange [ "Clip", 4.0 ] (inferenceKey (FixedStart.Choice())) (SemiAmortizedOptions())

    let rules =
        [ SemiAmortizedGradient.Choice()
          SemiAmortizedGradient.Choice HessianProduct.Central
          SemiAmortizedGradient.Choice(earlier = [| 0.1 |])
          SemiAmortizedGradient.Choice(steps = StepSchedule(20, 5, 10))
          for target in Enum.GetValues<EncoderTarget>() do
              RefinedGradient.Choice target
          RefinedGradient.Choice(EncoderTarget.Elbo, StepSchedule(20, 5, 10)) ]

    let keys =
        [ for start in
              [ FixedStart.Choice()
                FixedStart.Choice 0.1
                Amortized.Choice([| 20 |], Activation.Tanh)
                Amortized.Choice([| 21 |], Activation.Tanh) ] do
              inferenceKey start (SemiAmortizedOptions())
          for rule in rules do
              keyOf "Rule" rule
          for weights in
              [ Annealing.KlByBatch()
                Annealing.KlByBatch 9
                Annealing.KlByBatch(10, 0.2)
                Annealing.KlByBatch(asCoded = true) ] do
              keyOf "Weights" weights ]

    equal keys.Length (List.distinct keys).Length

[<Test>]
let ``every setting of data changes the key`` () =
    allChange
        [ "Name", "mnist"; "ValidationCount", 7; "TrainCount", 8; "VocabularySize", 9; "Oracle", OracleOptions() ]
        (fun (data: DataSpec) -> CanonicalJson.Hash(data.ToJson()))
        train.Data

[<Test>]
let ``every setting of an evaluation changes its key`` () =
    allChange
        [ "Artifact", withValue train (typeof<TrainSpec>.GetProperty "Seed") 9UL; "Measure", InferredBounds 101 ]
        (fun (spec: EvaluationSpec) -> spec.Key)
        (evaluate (InferredBounds 100))

[<Test>]
let ``every setting of a measure changes the key`` () =
    let keyOf (measure: Measure) = (evaluate measure).Key

    allChange
        [ "Adam", AdamOptions(LearningRate = 0.5); "MaximumGradientNorm", 10.0 ]
        (fun options -> keyOf (OptimalBounds(options, 100)))
        (LocalOptimizerOptions())

    allChange [] (fun adam -> keyOf (OptimalBounds(LocalOptimizerOptions(Adam = adam), 100))) (AdamOptions())
    let optimal = OptimalBounds(LocalOptimizerOptions(), 100)
    holds "samples" (keyOf optimal <> keyOf (OptimalBounds(LocalOptimizerOptions(), 101)))

    holds
        "the family"
        (keyOf optimal <> keyOf (OptimalBounds(LocalOptimizerOptions(), 100, FactorizedGaussian.Choice())))

    let annealed: (AisOptions -> Measure) list =
        [ (fun options -> AnnealedBound options); (fun options -> BidirectionalBound options) ]

    for measure in annealed do
        allChange [ "Betas", AnnealingSchedule.Sigmoid 500 ] (measure >> keyOf) (AisOptions())

    holds "the directions" (keyOf (annealed[0](AisOptions())) <> keyOf (annealed[1](AisOptions())))

[<Test>]
let ``optional settings that are not given leave no trace`` () =
    let json = train.ToJson().ToJsonString()

    for name in
        [ "null"
          "patience"
          "parent"
          "inherits"
          "sgd"
          "maximumGradientNorm"
          "decay"
          "trainsModel"
          "validationCount"
          "sha256" ] do
        holds $"no {name}" (not (json.Contains name))

[<Test>]
let ``a raised revision changes the key but not the identity`` () =
    let specs = [ for revision in [ 1; 2 ] -> evaluate (CountingMeasure("counting", revision, ignore)) ]
    holds "other keys" (specs[0].Key <> specs[1].Key)
    equal specs[0].Identity specs[1].Identity
    holds "another measure" (specs[0].Identity <> (evaluate (CountingMeasure("other", 1, ignore))).Identity)

[<Test>]
let ``a file of data enters by what it holds, not by its name`` () =
    withFolder (fun folder ->
        let path = dataFile folder
        let copy = Path.Combine(folder, "copy.csv")
        File.Copy(path, copy)
        let key (path: string) = CanonicalJson.Hash(DataSpec(Name = path).ToJson())
        equal (key path) (key copy)
        holds "the path leaves no trace" (not (DataSpec(Name = path).ToJson().ToJsonString().Contains "data.csv"))
        let named = DataSpec(Name = copy)
        let before = CanonicalJson.Hash(named.ToJson())
        File.AppendAllText(copy, "1,1,1,1,1,1\n")
        holds "other bytes" (key path <> key copy)
        // What was named before keeps its key, and can no longer be loaded.
        equal before (CanonicalJson.Hash(named.ToJson()))

        throws<DataException> [ "copy.csv"; "has changed"; "start again" ] (fun () ->
            named.Load(GapLab.Tests.Models.ModelFixtures.cpu) |> ignore))

    throws<DataException> [ "no-such.npy"; "check the path" ] (fun () -> DataSpec(Name = "no-such.npy") |> ignore)

[<Test>]
let ``weights from a file enter by what they are`` () =
    withFolder (fun folder ->
        let spec (path: string) =
            ImportSpec(
                path,
                Data = train.Data,
                Model = train.Model,
                Family = train.Family,
                Inference = train.Inference
            )

        let path, copy = Path.Combine(folder, "a"), Path.Combine(folder, "b")
        File.WriteAllText(path, "one")
        File.WriteAllText(copy, "one")
        let named = spec copy
        equal (spec path).Key named.Key
        File.WriteAllText(copy, "two")
        holds "other bytes" ((spec path).Key <> (spec copy).Key)
        throws<DataException> [ "have changed"; "start again" ] (fun () -> named.Read() |> ignore)
        throws<DataException> [ "no-such"; "check the path" ] (fun () -> spec "no-such" |> ignore))
