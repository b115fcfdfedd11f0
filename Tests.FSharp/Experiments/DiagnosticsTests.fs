/// The measure of posterior diagnostics against the estimator that it wraps.
module GapLab.Tests.Experiments.DiagnosticsTests

open System.IO
open NUnit.Framework
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Experiments.ExperimentFixtures

let private points, private seed = 20, 5UL

/// What the estimator gives at the encoder's λ.
let private direct (vae: Vae) x samples =
    let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, RandomStream(seed, RandomPurpose.Evaluation), 0).Final
    let stream = RandomStream(seed, RandomPurpose.Importance).Fork 3UL
    PosteriorDiagnostics.Compute(vae.Model, vae.Family, x, lambda, samples, stream)

[<Test>]
let ``stored and read back, the diagnostics are those of the whole set`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        // Blocks are as small as they get, but these numbers are of all points together.
        let runner, _ = runnerWith eager (Path.Combine(folder, "store"))

        let wanted =
            EvaluationSpec(
                Artifact = artifact,
                Measure = Diagnostics 4,
                Split = DataSplit.Train,
                Points = points,
                Seed = seed
            )

        runner.Ensure [| wanted |]
        let cell = runner.Find wanted
        let vae = runner.Load artifact
        use _scope = MemoryScope.Enter(record = false)
        let expected = direct vae (runner.Data(artifact.Data).Train.Subset points) 4
        equal (Seq.toArray expected.Kl) (cell.Values "kl")
        equal (Seq.toArray expected.Information) (cell.Values "information")

        let scalars =
            [ "meanKl", expected.MeanKl
              "meanKlError", expected.MeanKlError
              "mutualInformation", expected.MutualInformation.Value
              "mutualInformationError", expected.MutualInformationError
              "marginalKl", expected.MarginalKl.Value
              "activeUnits", float expected.ActiveUnits
              for d, variance in Seq.indexed expected.MeanVariances do
                  $"meanVariance.{d}", variance ]

        equal (List.sort scalars) (List.sort [ for scalar in cell.Scalars -> scalar.Key, scalar.Value ]))

[<Test>]
let ``what cannot be estimated is left out`` () =
    withFolder (fun folder ->
        let artifact = plainSpec folder 1UL
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        let known = runner.Load artifact
        let vae = Vae(known.Model, Undescribed(known.Family, cpu), known.Inference)
        use _scope = MemoryScope.Enter(record = false)
        let x = runner.Data(artifact.Data).Train.Subset points

        let names samples =
            let result = (Diagnostics samples).Run(vae, x, seed, null, Unchecked.defaultof<_>)
            equal [ "kl" ] [ for column in result.Columns -> column.Name ]
            [ for scalar in result.Scalars -> scalar.Key ] |> List.sort

        equal [ "activeUnits"; "meanKl"; "meanKlError"; "meanVariance.0"; "meanVariance.1" ] (names 4)
        // One sample has no spread, hence neither errors nor variances without its noise.
        equal [ "activeUnits"; "meanKl" ] (names 1))
