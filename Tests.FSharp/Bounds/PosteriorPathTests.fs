/// Annealing from an approximate posterior.
module GapLab.Tests.Bounds.PosteriorPathTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Bounds
open GapLab.Families
open GapLab.Models
open GapLab.Networks
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

let private x3 = [| 1.2; 0.4; -0.9; 0.7 |]

let private options distributions chains mode =
    AisOptions(
        Betas = AnnealingSchedule.Linear distributions,
        Chains = chains,
        LeapfrogSteps = 4,
        StepSizes = mode,
        InitialStepSize = 0.3,
        Start = AnnealingStart.Posterior
    )

[<Test>]
let ``from the exact posterior every weight is p(x)`` () =
    // p(z) = N(0, 1), p(x | z) = N(1.3 z, 0.5), x = 0.8: log N(0.8; 0, 2.19), mean 1.3 · 0.8 / 2.19, variance 0.5 / 2.19.
    let logMarginal, mean, variance = -1.4570080265800647, 0.4748858447488584, 0.22831050228310498

    for device, tolerance in [ reference, 1e-12; cpu, 1e-5 ] do
        for mode in [ StepSizeMode.Adaptive; StepSizeMode.Frozen ] do
            let lambda = sameLambda device 1 [| mean |] [| variance |]

            let run =
                Ais(options 7 25 mode)
                    .Run(
                        golden device,
                        FactorizedGaussian(device, 1),
                        observe device [| [| 0.8 |] |],
                        lambda,
                        stream 1UL
                    )

            near tolerance logMarginal run.LogMarginal.Values[0]
            near tolerance 0.0 run.LogMarginal.StandardErrors[0]
            near tolerance 25.0 run.EffectiveSampleSizes[0]

/// q with the means shrunk and the variances scaled, for a datapoint repeated.
let private poor (model: LinearGaussian) count scale =
    let mean = Array.map ((*) 0.6) (model.PosteriorMean x3)
    sameLambda cpu count mean (Array.map ((*) scale) (model.OptimalFactorizedVariance()))

[<TestCase(0.3)>]
[<TestCase(4.0)>]
let ``from a poor q the mean weight is p(x), and more distributions tighten the bound`` (scale: float) =
    let model, family, count = correlated cpu, FactorizedGaussian(cpu, 3), repetitions 300 3000
    let exact, x, lambda = model.LogMarginal x3, repeated cpu count x3, poor model count scale

    let values distributions =
        (Ais(options distributions 4 StepSizeMode.Frozen).Run(model, family, x, lambda, stream 3UL)).LogMarginal.Values

    let few, many = values 2, values 60

    for estimates in [ few; many ] do
        let mean, error = meanAndError estimates
        Assert.That(mean, Is.LessThan(exact + 4.0 * error))

    agrees "mean weight / p(x)" 1.0 (meanAndError (Array.map (fun v -> exp (v - exact)) many))
    let rise, error = meanAndError (Array.map2 (-) many few)
    Assert.That(rise, Is.GreaterThan(4.0 * error))
    Assert.That(fst (meanAndError many), within 0.15 exact)

[<Test>]
let ``two distributions are importance sampling from q`` () =
    let model, family, x = correlated reference, FactorizedGaussian(reference, 3), observe reference [| x3 |]
    let lambda = sameLambda reference 1 [| 0.2; 0.1; -0.4 |] [| 0.5; 0.7; 0.9 |]
    let run = Ais(options 2 40 StepSizeMode.Adaptive).Run(model, family, x, lambda, stream 5UL)
    let iwae = ImportanceSampler(40).Estimate(model, family, x, lambda, stream 5UL)
    close "log-mean-exp" 1e-12 iwae.Iwae.Values run.LogMarginal.Values

[<Test>]
let ``the forces inside trajectories are the gradients of the densities, along both paths`` () =
    let model = DenseModel(reference, 3, [| 9 |], 11, Activation.Elu, OutputKind.Bernoulli, stream 2UL)
    let x = observe reference [| Array.init 11 (fun j -> float (j % 2)) |]
    let lambda = sameLambda reference 1 [| 0.2; 0.1; -0.4 |] [| 0.5; 0.7; 0.9 |]

    let paths: AnnealingPath list =
        [ PriorPath(model, x); PosteriorPath(model, FactorizedGaussian(reference, 3), x, lambda) ]

    for path in paths do
        use _scope = MemoryScope.Enter(record = false)
        let z = [| Tensor.Normal(reference, stream 4UL, ReadOnlySpan [| 0 |], 0, 0, Shape(6, 3)) |]
        let state = HmcState.At(path, z)

        for beta in [ 0.0; 0.3; 1.0 ] do
            close
                $"force at {beta}"
                1e-12
                (state.Force(0, beta).ToArray())
                ((Seq.head (HmcState.ForcesAt(path, z, beta))).ToArray())

[<Test>]
let ``both ends of the path are q and the joint density`` () =
    use _scope = MemoryScope.Enter()
    let model, family, x = correlated reference, FactorizedGaussian(reference, 3), observe reference [| x3 |]
    let lambda = sameLambda reference 1 [| 0.2; 0.1; -0.4 |] [| 0.5; 0.7; 0.9 |]
    let q = family.Sample(lambda, model, Noise(x, stream 6UL, 8))
    let struct (start, slope) = PosteriorPath(model, family, x, lambda).Evaluate q.Latents
    close "log q" 1e-12 (q.LogDensity.ToArray()) (start.ToArray())
    close "log p(x, z)" 1e-12 (model.LogJoint(x, q.Latents).ToArray()) ((start + slope).ToArray())

[<Test>]
let ``an estimate from q depends on no other datapoint, their order or the number of threads`` () =
    let model = DenseModel(cpu, 3, [| 17 |], 21, Activation.Elu, OutputKind.Bernoulli, stream 2UL)
    let family = FactorizedGaussian(cpu, 3)
    let images = Array.init 4 (fun i -> Array.init 21 (fun j -> float ((stream 6UL).At(i).Below(2, int64 j))))
    let means = [| for i in 0..3 -> [| 0.1 * float i; -0.2; 0.3 |] |]

    let run threads (rows: int[]) =
        withThreads threads (fun () ->
            let lambda =
                LocalParameters
                    [| matrixOf cpu [| for r in rows -> means[r] |]; Tensor.Filled(cpu, Shape(rows.Length, 3), -0.5) |]

            let x = observeAs cpu (Array.map ((+) 7) rows) [| for r in rows -> images[r] |]
            (Ais(options 6 9 StepSizeMode.Frozen).Run(model, family, x, lambda, stream 1UL)).LogMarginal.Values)

    let all = run 1 [| 0..3 |]
    equal 4 (Array.distinct all).Length

    for threads, rows in [ 2, [| 0..3 |]; 2, [| 3; 1; 0; 2 |]; 1, [| 2 |] ] do
        equal (bits [| for r in rows -> all[r] |]) (bits (run threads rows))

/// A family that tells log q of its own samples only.
type private Silent(device: Device) =
    inherit VariationalFamily(ParameterSet device)
    let inner = FactorizedGaussian(device, 3)
    override _.Name = "silent"
    override _.LocalBlocks = inner.LocalBlocks
    override _.Sample(lambda, model, noise) = inner.Sample(lambda, model, noise)
    override _.InitialLocalParameters count = inner.InitialLocalParameters count

[<Test>]
let ``a start at q without q, or without its density, is refused`` () =
    let model, family, x = correlated cpu, FactorizedGaussian(cpu, 3), observe cpu [| x3; x3 |]
    let ais = Ais(options 5 3 StepSizeMode.Adaptive)
    let lambda = family.InitialLocalParameters 2

    for missing in
        [ fun () -> ais.Run(model, x, stream 1UL) |> ignore
          fun () -> ais.Run(model, family, x, null, stream 1UL) |> ignore
          fun () -> ais.Run(model, null, x, lambda, stream 1UL) |> ignore
          fun () ->
              let mutable rate = 0.0
              ais.LogWeightsOf(model, x, 0, stream 1UL, &rate) |> ignore ] do
        throws<GapLabException> [ "needs the family of q"; "start at the prior" ] missing

    throws<ShapeException> [ "2 datapoints"; "local parameters of 1" ] (fun () ->
        ais.Run(model, family, x, family.InitialLocalParameters 1, stream 1UL) |> ignore)

    throws<GapLabException> [ "silent"; "start AIS at the prior" ] (fun () ->
        ais.Run(model, Silent cpu, x, lambda, stream 1UL) |> ignore)
    // The prior needs no density of q.
    let fromPrior = Ais(AisOptions(Betas = AnnealingSchedule.Linear 3, Chains = 2))
    equal 2 (fromPrior.Run(model, Silent cpu, x, lambda, stream 1UL)).LogMarginal.Values.Length
