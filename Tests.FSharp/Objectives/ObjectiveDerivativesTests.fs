module GapLab.Tests.Objectives.ObjectiveDerivativesTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Families
open GapLab.Models
open GapLab.Objectives
open GapLab.Tensors
open GapLab.Tests.Checks
open GapLab.Tests.Objectives.RandomModels

let private objective problem form =
    ElboObjective(problem.Model, problem.Family, problem.X, problem.Noise, ObjectiveWeights.KlAnnealing 0.8, form)

let private gradient (objective: IObjective) lambda =
    let gradients = Array.zeroCreate<Tensor> 2
    ObjectiveDerivatives.Gradient(objective, lambda, gradients), gradients

let private configurations seed =
    [ for kind in Enum.GetValues<OutputKind>() do
          for form in [ KlForm.Sampled; KlForm.Analytic ] do
              // Smooth activations: ELU's second derivative jumps.
              problem kind [ Activation.Tanh; Activation.Sigmoid ] seed, form ]

[<Property(MaxTest = 15)>]
let ``gradients with respect to the local parameters are central differences`` (seed: int) =
    for problem, form in configurations seed do
        use scope = MemoryScope.Enter()
        let objective = objective problem form
        let value, gradients = gradient objective problem.Lambda
        equal (Shape problem.X.Count) value.Shape

        for i in 0..1 do
            let f x =
                let blocks = Array.ofSeq problem.Lambda.Blocks
                blocks[i] <- x
                (objective.Value(LocalParameters blocks)).Sum()

            close $"block {i}" 1e-6 (FiniteDifference.Gradient(f, problem.Lambda[i])) (gradients[i].ToArray())

[<Property(MaxTest = 15)>]
let ``Hessian-vector products are central differences of gradients`` (seed: int) =
    for problem, form in configurations seed do
        use scope = MemoryScope.Enter()
        let objective = objective problem form
        let random = Random seed

        let direction =
            problem.Lambda.Blocks
            |> Seq.map (fun block -> normals random 1.0 (block.Shape.Span.ToArray()))
            |> Array.ofSeq

        let parameters = Array.ofSeq objective.Parameters
        let ofLambda, ofParameters = Array.zeroCreate<Tensor> 2, Array.zeroCreate<Tensor> parameters.Length
        ObjectiveDerivatives.HessianVectorProduct(objective, problem.Lambda, direction, ofLambda, ofParameters)
        let h = 1e-5

        let at sign =
            let moved =
                Seq.map2 (fun (block: Tensor) (v: Tensor) -> block + sign * h * v) problem.Lambda.Blocks direction
                |> Array.ofSeq

            let wanted = Array.append moved parameters
            let found = Array.zeroCreate<Tensor> wanted.Length
            Gradient.Of(objective.Value(LocalParameters moved), wanted, found)
            found |> Array.map _.ToArray()

        let above, below = at 1.0, at -1.0

        for i, product in Array.indexed (Array.append ofLambda ofParameters) do
            let differences = Array.map2 (fun a b -> (a - b) / (2.0 * h)) above[i] below[i]
            close $"product {i} of {form}" 1e-6 differences (product.ToArray())

[<Test>]
let ``a frozen decoder's gradients are not computed`` () =
    use scope = MemoryScope.Enter()
    let problem = problem OutputKind.Bernoulli [ Activation.Tanh ] 3

    let weights =
        problem.Model.Parameters |> Seq.map _.Shape |> Seq.filter (fun shape -> shape.Rank = 2) |> List.ofSeq

    let before = scope.Count
    let value, _ = gradient (objective problem KlForm.Sampled) problem.Lambda
    let shapes () = [ for i in before .. scope.Count - 1 -> scope.TensorAt(i).Shape ]
    holds "no tensor has a weight's shape" (not (List.exists (fun shape -> List.contains shape weights) (shapes ())))
    // The check itself can see one.
    Gradient.Of(value, problem.Model.Parameters[0]) |> ignore
    holds "a weight's gradient has its shape" (List.contains weights[0] (shapes ()))

[<Test>]
let ``an objective names θ first, then the family's shared parameters`` () =
    let problem = problem OutputKind.Gaussian [ Activation.Tanh ] 5
    let parameters = (objective problem KlForm.Sampled).Parameters
    equal (List.ofSeq problem.Model.Parameters) (List.ofSeq parameters)
    equal 0 problem.Family.Shared.Count

[<Test>]
let ``a model with other parameter values gives another objective, the family's name stays`` () =
    use scope = MemoryScope.Enter()
    let problem = problem OutputKind.Bernoulli [ Activation.Tanh ] 6
    let doubled = problem.Model.Parameters |> Seq.map (fun p -> p * 2.0) |> Array.ofSeq
    let other = problem.Model.With(problem.Model.Parameters.With(ReadOnlySpan doubled))

    let value model =
        ((objective { problem with Model = model } KlForm.Sampled).Value problem.Lambda).ToArray()

    holds "the values differ" (value other <> value problem.Model)
    // And the gradient reaches the values that the copies were computed from: doubling is differentiated through.
    let y = ((objective { problem with Model = other } KlForm.Sampled).Value problem.Lambda).Sum()

    let ofDoubled, ofOriginal =
        Gradient.Of(y, doubled[0]).ToArray(), Gradient.Of(y, problem.Model.Parameters[0]).ToArray()

    close "chain rule" 1e-12 (ofDoubled |> Array.map (fun g -> 2.0 * g)) ofOriginal
