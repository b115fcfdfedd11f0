module GapLab.Tests.Families.PointMassTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private model =
    LinearGaussian(reference, array2D [ [ 1.0; 0.4 ]; [ 0.3; 0.8 ]; [ -0.5; 0.9 ] ], [| 0.1; -0.2; 0.3 |], 0.5)

let private rows = [| [| 0.3; -1.0; 0.8 |]; [| 1.2; 0.4; -0.7 |] |]

[<Test>]
let ``what is raised is the log-density of data and latent variables at the point, however many samples`` () =
    use _ = MemoryScope.Enter()
    let x = observe reference rows
    let mu = Tensor.Create(reference, Shape(2, 2), 0.5, -1.0, 0.25, 2.0)

    for samples in [ 1; 3 ] do
        let objective =
            ElboObjective(
                model,
                PointMass(reference, 2),
                x,
                Noise(x, stream 1UL, samples),
                ObjectiveWeights.Elbo,
                KlForm.Analytic
            )

        let joint = model.LogJoint(x, Latents [| mu.Reshape(2, 1, 2) |])
        close $"{samples} samples" 1e-12 (joint.ToArray()) (objective.Value(LocalParameters mu).ToArray())

[<Test>]
let ``its best point is the posterior's mode, which for a Gaussian is its mean`` () =
    let search =
        LocalOptimizer(LocalOptimizerOptions(Samples = 1, Adam = AdamOptions(LearningRate = 0.02), MaximumSteps = 2000))

    let found = search.Optimize(model, PointMass(reference, 2), observe reference rows, stream 2UL)

    for i, row in Array.indexed rows do
        close $"point {i}" 1e-3 (model.PosteriorMean row) (found.Lambda[0].ToArray().[2 * i .. 2 * i + 1])

[<Test>]
let ``it is for one latent level`` () =
    let family = PointMass.Choice().Build(FamilyContext(model, stream 3UL))
    equal "point mass" family.Name
    equal [ LocalBlock("mean", 2) ] (List.ofSeq family.LocalBlocks)
