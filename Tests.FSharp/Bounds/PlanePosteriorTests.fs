/// Posteriors over the plane where they are known: linear-Gaussian models with two latent variables.
module GapLab.Tests.Bounds.PlanePosteriorTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests.Families.FamilyFixtures
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

/// A model of two latent variables and three outputs, and a datapoint.
let private planar (seed: uint64) =
    let s = stream seed

    { Weight = Array2D.init 3 2 (fun i j -> 1.5 * s.At(1).Normal(int64 (2 * i + j)))
      Bias = Array.init 3 (fun i -> s.At(2).Normal(int64 i))
      Noise = 0.1 + s.Uniform 0
      X = Array.init 3 (fun i -> 2. * s.At(3).Normal(int64 i)) }

let private ffg mean (variance: float[]) device = sameLambda device 1 mean variance

[<Property(MaxTest = 15)>]
let ``log p(x), posterior and divergences are the exact ones`` (seed: uint64) =
    for device, tolerance in [ reference, 1e-6; cpu, 1e-4 ] do
        use _scope = MemoryScope.Enter(record = false)
        let random = planar seed
        let model = random.On device
        let x = observe device [| random.X |]
        let posterior = PlanePosterior.Of(model, x)
        near tolerance (model.LogMarginal random.X) posterior.LogIntegral
        let mean, covariance = model.PosteriorMean random.X, model.PosteriorCovariance()
        close "mean" tolerance mean [| posterior.MeanX; posterior.MeanY |]

        close
            "covariance"
            tolerance
            [| covariance[0, 0]; covariance[0, 1]; covariance[1, 1] |]
            [| posterior.VarianceX; posterior.Covariance; posterior.VarianceY |]

        let family = FactorizedGaussian(device, 2)
        let other = Array.map2 (+) mean [| 0.3; -0.4 |], [| 0.5; 0.02 |]

        for mean, variance in [ mean, model.OptimalFactorizedVariance(); other ] do
            let q = PlanePosterior.Of(model, family, x, ffg mean variance device, stream 1UL)
            near tolerance 0. q.LogIntegral
            let expected = model.LogMarginal random.X - model.ExactElbo(random.X, mean, variance)
            near (tolerance * max 1. expected) expected (PlanePosterior.Divergence(model, x, posterior, q))

[<Test>]
let ``the marginal density of a flow integrates to 1, and its divergence lies below what its bound lacks`` () =
    use _scope = MemoryScope.Enter(record = false)
    let random = planar 3UL
    let model = random.On reference
    let x = observe reference [| random.X |]
    let posterior = PlanePosterior.Of(model, x)
    let scale = FlowScale.CentredSigmoid()

    let flow = AuxiliaryFlow(reference, 2, stream 3UL, hidden = [| 6 |], scale = scale) |> perturbed (stream 8UL) 0.1

    let lambda = ffg (model.PosteriorMean random.X) (model.OptimalFactorizedVariance()) reference
    let q = PlanePosterior.Of(model, flow, x, lambda, stream 4UL)
    near 5e-3 0. q.LogIntegral
    let divergence = PlanePosterior.Divergence(model, x, posterior, q)
    let elbo = ImportanceSampler(4000).Estimate(model, flow, x, lambda, stream 5UL).Elbo
    let lacking = posterior.LogIntegral - elbo.Mean
    holds "the auxiliary variable costs something" (lacking - divergence > 4. * elbo.MonteCarloError)
    holds "a divergence" (divergence > 0.)

[<Test>]
let ``a flow that is the identity has the divergence of its Gaussian`` () =
    use _scope = MemoryScope.Enter(record = false)
    let random = planar 4UL
    let model = random.On reference
    let x = observe reference [| random.X |]
    let posterior = PlanePosterior.Of(model, x)
    let scale = FlowScale.CentredSigmoid()
    let flow = AuxiliaryFlow(reference, 2, stream 3UL, hidden = [| 5 |], scale = scale, startsAtIdentity = true)
    let lambda = ffg (model.PosteriorMean random.X) [| 0.3; 0.2 |] reference

    let divergence (family: VariationalFamily) =
        PlanePosterior.Divergence(model, x, posterior, PlanePosterior.Of(model, family, x, lambda, stream 4UL, 2))

    near 1e-9 (divergence (FactorizedGaussian(reference, 2))) (divergence flow)

[<Test>]
let ``a search can start at the moments of the posteriors`` () =
    use _scope = MemoryScope.Enter(record = false)
    let random = planar 6UL
    let model = random.On reference
    let rows = [| random.X; Array.map (fun v -> v + 1.) random.X |]
    let posteriors = rows |> Array.map (fun row -> PlanePosterior.Of(model, observe reference [| row |]))
    let covariance = model.PosteriorCovariance()
    let logVariances = [| log covariance[0, 0]; log covariance[1, 1] |]

    for family, part in [ FactorizedGaussian(reference, 2) :> VariationalFamily, 1.; FullCovariance(reference, 2), 0.5 ] do
        let start = PlanePosterior.MomentsAsStart(family, posteriors)
        close "means" 1e-6 (Array.collect model.PosteriorMean rows) (start[0].ToArray())
        // log σ² or log σ.
        let expected = Array.append logVariances logVariances |> Array.map ((*) part)
        close "variances" 1e-6 expected (start[1].ToArray())
        let usual = family.InitialLocalParameters 2
        equal [ for block in usual.Blocks -> block.Shape ] [ for block in start.Blocks -> block.Shape ]

        for i in 2 .. usual.Blocks.Count - 1 do
            equal (usual[i].ToArray()) (start[i].ToArray())

[<Test>]
let ``other models, several datapoints and families of unknown density are refused`` () =
    use _scope = MemoryScope.Enter(record = false)
    let three = correlated reference
    let x = observe reference [| Array.zeroCreate 4 |]
    throws<ShapeException> [ "2 latent variables"; "3" ] (fun () -> PlanePosterior.Of(three, x) |> ignore)
    let random = planar 5UL
    let model = random.On reference

    throws<ShapeException> [ "one datapoint"; "2" ] (fun () ->
        PlanePosterior.Of(model, repeated reference 2 random.X) |> ignore)

    let unknown = Undescribed(FactorizedGaussian(reference, 2), reference)

    throws<GapLabException> [ "undescribed"; "log q(z | x)" ] (fun () ->
        PlanePosterior.Of(
            model,
            unknown,
            observe reference [| random.X |],
            ffg [| 0.; 0. |] [| 1.; 1. |] reference,
            stream 1UL
        )
        |> ignore)
