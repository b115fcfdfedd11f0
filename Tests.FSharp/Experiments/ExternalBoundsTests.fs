/// Models that were trained with PyTorch: what is measured of them here against what PyTorch gives.
module GapLab.Tests.Experiments.ExternalBoundsTests

open System
open System.Diagnostics
open System.IO
open System.Text.Json.Nodes
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures
open GapLab.Tests.Experiments.ExternalModelFixtures

let private rowsOf (node: JsonNode) = [| for row in node.AsArray() -> numbers row |]

[<TestCase "binary">]
[<TestCase "real">]
let ``encoder and joint density are those of PyTorch, to the precision of float32`` (model: string) =
    withFolder (fun folder ->
        let runner, _ = runnerOn folder
        let vae = runner.Load(artifact model)
        let expected = expected model
        let x = observe cpu (rowsOf expected["x"])
        let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream 1UL, 0).Final
        close "mean" 1e-5 (numbers expected["mean"]) (lambda[0].ToArray())
        close "log-variance" 1e-5 (numbers expected["logVariance"]) (lambda[1].ToArray())
        let z = numbers expected["z"]
        let latents = Tensor.Create(cpu, Shape(x.Count, 3, vae.Model.LatentSizes[0]), z)
        close "log p(x, z)" 1e-5 (numbers expected["logJoint"]) (vae.Model.LogJoint(x, Latents latents).ToArray()))

/// The average over test points of a column, over some seeds, with its standard error.
let private measured (runner: Runner) artifact points column measure =
    let seeds = [ 1UL; 2UL ]

    let specs =
        [| for seed in seeds ->
               EvaluationSpec(
                   Artifact = artifact,
                   Measure = measure,
                   Split = DataSplit.Test,
                   Points = points,
                   Seed = seed
               ) |]

    runner.Ensure specs
    let bounds = specs |> Array.map (fun spec -> (runner.Find spec).Bound column)
    let n = float bounds.Length

    bounds |> Array.averageBy _.Mean, sqrt (bounds |> Array.sumBy (fun bound -> bound.MonteCarloError ** 2.0)) / n

[<TestCase "binary">]
[<TestCase "real">]
let ``ELBO, IWAE and AIS are those of PyTorch within two standard errors`` (model: string) =
    withFolder (fun folder ->
        let runner, _ = runnerOn folder
        let expected = expected model
        let whole (name: string) = expected[name].GetValue<int>()
        let artifact = artifact model

        let ais =
            AnnealedBound(
                AisOptions(
                    Chains = whole "chains",
                    Betas = AnnealingSchedule.Linear(whole "distributions"),
                    LeapfrogSteps = whole "leapfrogSteps"
                )
            )

        for column, measure in
            [ "elbo", InferredBounds(whole "samples") :> Measure; "iwae", InferredBounds(whole "samples"); "ais", ais ] do
            let value, error = measured runner artifact (whole "points") column measure
            let theirs (name: string) = expected[column].[name].GetValue<float>()
            let mean, theirError = theirs "mean", theirs "standardError"
            let off = (value - mean) / sqrt (error ** 2.0 + theirError ** 2.0)

            let words =
                $"{model}, {column}: {value:F4} ± {error:F4}, PyTorch {mean:F4} ± {theirError:F4}, {off:F2} standard errors apart"

            TestContext.Out.WriteLine words
            holds words (abs off <= 2.0))

[<Test>]
let ``intensities reach a Gaussian decoder as they are, and a Bernoulli one as zeros and ones`` () =
    withFolder (fun folder ->
        let path = Path.Combine(folder, "grey.csv")

        File.WriteAllLines(
            path,
            [ for i in 0..39 -> String.Join(',', [ for j in 0..5 -> float ((i + j) % 4) / 4.0 ]) ]
        )

        let values keeps =
            let data = DataSpec(Name = path, KeepsIntensities = keeps).Load cpu
            use _ = MemoryScope.Enter(record = false)
            data.Train.Subset(20).Values.ToArray() |> Array.distinct |> Array.sort

        equal [| 0.0; 0.25; 0.5; 0.75 |] (values true)
        equal [| 0.0; 1.0 |] (values false)
        equal true (artifact "real").Data.KeepsIntensities
        equal false (artifact "binary").Data.KeepsIntensities)

/// Reads a safetensors file with numpy alone and prints name, type, shape and sum of every tensor.
let private pythonReader =
    """import json, struct, sys
import numpy as np
data = open(sys.argv[1], "rb").read()
(length,) = struct.unpack("<Q", data[:8])
header = json.loads(data[8 : 8 + length])
kinds = {"F32": np.float32, "F64": np.float64, "I64": np.int64}
for name, entry in header.items():
    if name != "__metadata__":
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[8 + length + begin : 8 + length + end], kinds[entry["dtype"]]).reshape(entry["shape"])
        print(name, entry["dtype"], json.dumps(entry["shape"]).replace(" ", ""), repr(float(values.astype(np.float64).sum())))
"""

/// What the first Python with numpy prints; None where there is no such Python. Another one than the system's may come first on the path.
let private python (arguments: string list) =
    let run (program: string) =
        let start = ProcessStartInfo(program, arguments, RedirectStandardOutput = true, RedirectStandardError = true)

        try
            use running = Process.Start start
            let error = running.StandardError.ReadToEndAsync()
            let output = running.StandardOutput.ReadToEnd()
            running.WaitForExit()

            if running.ExitCode = 0 then Some(Ok output)
            elif error.Result.Contains "No module named 'numpy'" then None
            else Some(Error error.Result)
        with :? ComponentModel.Win32Exception ->
            None

    List.tryPick run [ "python3"; "/usr/bin/python3" ]

[<Test>]
let ``a stored model opens with numpy`` () =
    withFolder (fun folder ->
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let artifact = artifact "binary"
        let vae = runner.Load artifact
        let script = Path.Combine(folder, "reader.py")
        File.WriteAllText(script, pythonReader)

        match python [ script; runner.Store.WeightsPath artifact ] with
        | None -> Assert.Ignore "There is no python3 with numpy, so that nobody else can read the file."
        | Some(Error problem) -> Assert.Fail problem
        | Some(Ok output) ->
            let lines = output.Split('\n', StringSplitOptions.RemoveEmptyEntries) |> Array.map _.Split(' ')
            equal (Set.ofSeq vae.ParameterNames) (lines |> Seq.map Array.head |> Set.ofSeq)

            for name, value in Seq.zip vae.ParameterNames vae.Parameters do
                let line = lines |> Array.find (fun line -> line[0] = name)
                let shape = String.Join(',', [ for axis in 0 .. value.Shape.Rank - 1 -> value.Shape[axis] ])
                equal [| "F32"; $"[{shape}]" |] line[1..2]
                let sum = value.ToArray() |> Array.sum
                near (1e-9 * (1.0 + abs sum)) sum (float line[3]))
