/// Experiments of milliseconds on a small file of data, and measures and rules that write down what they are asked for.
module GapLab.Tests.Experiments.ExperimentFixtures

open System
open System.Collections.Concurrent
open System.IO
open System.Threading
open NUnit.Framework
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Optimization
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures

/// A new empty folder, deleted at the end.
let withFolder (action: string -> unit) =
    let folder = Directory.CreateTempSubdirectory("gaplab-").FullName

    try
        action folder
    finally
        Directory.Delete(folder, true)

/// 60 datapoints of 6 zeros and ones, in a file of the folder.
let dataFile (folder: string) =
    let path = Path.Combine(folder, "data.csv")

    if not (File.Exists path) then
        let random = Random 1
        let rows = [ for _ in 1..60 -> String.Join(',', [ for _ in 1..6 -> random.Next 2 ]) ]
        File.WriteAllLines(path, rows)

    path

/// A rule that calls back before every step, and then gives what the joint gradient gives.
type CountingRule(before: int -> unit) =
    inherit TrainingRule()
    let rule = JointGradient()
    override _.Name = "counting"

    override _.Gradients(vae, x, stream, step, weights, gradients) =
        before step
        rule.Gradients(vae, x, stream, step, weights, gradients)

let ruleOf (before: int -> unit) : Component<Vae, TrainingRule> =
    Component<Vae, TrainingRule>("counting", 1, null, (fun _ -> CountingRule before :> TrainingRule))

/// Two epochs of three batches, in milliseconds.
let trainSpec folder (seed: uint64) (rule: Component<Vae, TrainingRule>) =
    TrainSpec(
        Data = DataSpec(Name = dataFile folder, ValidationCount = Nullable 10),
        Model = DenseModel.Choice(2, [| 4 |], Activation.Elu, OutputKind.Bernoulli),
        Family = FactorizedGaussian.Choice(),
        Inference = Amortized.Choice([| 4 |], Activation.Elu),
        Schedule = LearningRateSchedule.Constant(2, 1e-2),
        BatchSize = 15,
        ValidationSamples = 2,
        Rule = rule,
        Seed = seed
    )

let plainSpec folder seed = trainSpec folder seed (JointGradient.Choice())

/// A measure that gives L[q] with one sample, and calls back before every block with the number of datapoints.
type CountingMeasure(name: string, revision: int, before: int -> unit) =
    inherit Measure(Component(name, revision))
    let bounds = InferredBounds 3
    override _.Title = name

    override _.Run(vae, x, seed, progress, cancellation) =
        before x.Count
        bounds.Run(vae, x, seed, progress, cancellation)

let evaluation (artifact: ArtifactSpec) (measure: Measure) points =
    EvaluationSpec(Artifact = artifact, Measure = measure, Split = DataSplit.Train, Points = points)

/// Writes down notes and damages.
type Told() =
    member val Notes = ConcurrentQueue<string>()

    interface IRunObserver with
        member _.Phase(_, _, work) = work.Invoke ignore
        member told.Note sentence = told.Notes.Enqueue sentence
        member _.Epoch _ = ()

/// Checkpoints after every step and blocks as small as they get.
let eager = RunnerOptions(Device = cpu, CheckpointInterval = TimeSpan.Zero, BlockInterval = TimeSpan.Zero)

/// A runner on the store in a folder, and what it tells.
let runnerWith (options: RunnerOptions) (folder: string) =
    let told = Told()
    let store = ResultStore.Open folder
    store.add_Warned (fun sentence -> told.Notes.Enqueue sentence)
    Runner(store, options, told), told

let runnerOn folder = runnerWith (RunnerOptions(Device = cpu)) folder

/// The only file below a folder whose path ends so.
let fileIn (folder: string) (ending: string) =
    Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
    |> Array.filter (fun path -> path.EndsWith(ending, StringComparison.Ordinal))
    |> Array.exactlyOne

/// Numbers of single datapoints as bits.
let cellBits (cell: MeasuredCell) = [| for column in cell.Columns -> bits (cell.Values column.Name) |]

/// Runs work until it is cancelled, which it must be.
let cancelled (work: CancellationTokenSource -> unit) =
    use source = new CancellationTokenSource()
    Assert.Catch<OperationCanceledException>(Action(fun () -> work source)) |> ignore
