/// Bounds of log p(x) of hierarchies, where it is known exactly.
module GapLab.Tests.Bounds.HierarchyBoundsTests

open System
open NUnit.Framework
open MathNet.Numerics.LinearAlgebra
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Families
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Models.HierarchyFixtures
open GapLab.Tests.Checks

/// λ with the moments of the exact posteriors.
let private moments (rows: float[][]) =
    let posteriors = [| for row in rows -> chain.Posterior row |]

    let block first count (value: _ -> int -> float) =
        matrixOf cpu [| for posterior in posteriors -> Array.init count (fun j -> value posterior (first + j)) |]

    let mean (m: Vector<float>, _) j = m[j]
    let logVariance (_, c: Matrix<float>) j = log c[j, j]
    LocalParameters [| block 0 2 mean; block 0 2 logVariance; block 2 1 mean; block 2 1 logVariance |]

[<Test>]
let ``the ELBO lies below IWAE, and IWAE approaches the exact log p(x) of a chain`` () =
    let model = chain.On cpu
    let x = observe cpu chainData

    for family in levelFamilies model do
        let estimate = ImportanceSampler(5000).Estimate(model, family, x, moments chainData, stream 2UL)

        for i in 0..2 do
            let exact = chain.LogMarginal chainData[i]
            holds "ELBO ≤ IWAE" (estimate.Elbo.Values[i] <= estimate.Iwae.Values[i])
            holds "ELBO < log p(x)" (estimate.Elbo.Values[i] < exact)
            let error = 4.0 * estimate.Iwae.StandardErrors[i]
            holds "an error that says something" (error < 0.3)
            holds $"{family.Name}: IWAE is log p(x)" (abs (estimate.Iwae.Values[i] - exact) < error)

[<Test>]
let ``annealed importance sampling moves all levels: with frozen steps its mean weight is p(x), from the prior and from q``
    ()
    =
    let model = chain.On cpu
    let x = observe cpu chainData[..1]

    for family in levelFamilies model do
        for start in [ AnnealingStart.Prior; AnnealingStart.Posterior ] do
            let options =
                AisOptions(
                    Chains = 400,
                    Betas = AnnealingSchedule.Linear 30,
                    Start = start,
                    StepSizes = StepSizeMode.Frozen
                )

            let estimate = Ais(options).Run(model, family, x, family.InitialLocalParameters 2, stream 5UL)

            for i in 0..1 do
                let exact = chain.LogMarginal chainData[i]
                let error = 4.0 * estimate.LogMarginal.StandardErrors[i]
                holds "an error that says something" (error < 0.4)
                holds $"{family.Name} from {start}" (abs (estimate.LogMarginal.Values[i] - exact) < error)

[<Test>]
let ``bidirectional Monte Carlo encloses log p(x) of data that a hierarchy made`` () =
    let model = scalarChain.On cpu
    let data = SimulatedData.Draw(model, repeated cpu 30 [| 0.0; 0.0 |], stream 3UL)

    let estimate =
        Bdmc(AisOptions(Chains = 10, Betas = AnnealingSchedule.Linear 40, StepSizes = StepSizeMode.Frozen))
            .Run(model, data, stream 4UL)

    let rows = (data.Observations :?> GapLab.Distributions.DenseObservations).Values.ToArray() |> Array.chunkBySize 2
    let exact = rows |> Array.map scalarChain.LogMarginal

    for name, (bound: BoundEstimate), sign in [ "lower", estimate.Lower, 1.0; "upper", estimate.Upper, -1.0 ] do
        let mean, error = meanAndError (Array.map2 (fun e v -> sign * (e - v)) exact (Seq.toArray bound.Values))
        holds $"{name}: {mean} is not below zero" (mean > -4.0 * error)
        holds $"{name}: {mean} is small" (mean < 0.1 + 4.0 * error)
