module GapLab.Tests.Models.LinearGaussianTests

open System
open NUnit.Framework
open FsCheck.NUnit
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures

let private close tolerance (a: float) (b: float) = abs (a - b) <= tolerance * max 1.0 (max (abs a) (abs b))

/// W, b, x as MathNet objects and the dense covariance W Wᵀ + s I of p(x).
let private dense (m: RandomModel) =
    let w = Matrix<float>.Build.DenseOfArray m.Weight
    let b, x = Vector<float>.Build.DenseOfArray m.Bias, Vector<float>.Build.DenseOfArray m.X
    w, b, x, w * w.Transpose() + m.Noise * Matrix<float>.Build.DenseIdentity w.RowCount

/// ∫ f over [-12, 12] by the trapezoid rule, whose error for smooth functions that vanish at the ends is below rounding.
let private integrate f =
    let h = 0.005
    h * Seq.sumBy (fun i -> f (-12.0 + h * float i)) [ 0..4800 ]

let private normal m v z = exp (-0.5 * (z - m) ** 2.0 / v) / sqrt (2.0 * Math.PI * v)

[<Test>]
let ``the golden values of one dimension`` () =
    // w = 1.3, s = 0.5, x = 0.8: log N(0.8; 0, 2.19), 1.04 / 2.19, 0.5 / 2.19.
    let model = golden reference
    Assert.That(model.LogMarginal [| 0.8 |], within 1e-14 -1.4570080265800647)
    Assert.That((model.PosteriorMean [| 0.8 |])[0], within 1e-15 0.4748858447488584)
    Assert.That(model.PosteriorCovariance()[0, 0], within 1e-15 0.22831050228310498)
    let atPosterior = model.ExactElbo([| 0.8 |], [| 0.4748858447488584 |], [| 0.22831050228310498 |])
    Assert.That(atPosterior, within 1e-14 -1.4570080265800647)

[<Test>]
let ``the golden derivatives of the ELBO at mean 0.2 and variance 0.6`` () =
    // (x - w μ) w / s - μ = 1.2040 and 1 / (2 σ²) - 1/2 - w² / (2 s) = -1.356666...; central differences, error of order 1e-10.
    let model = golden reference
    let elbo mean variance = model.ExactElbo([| 0.8 |], [| mean |], [| variance |])
    let h = 1e-5
    Assert.That((elbo (0.2 + h) 0.6 - elbo (0.2 - h) 0.6) / (2.0 * h), within 1e-9 1.204)
    Assert.That((elbo 0.2 (0.6 + h) - elbo 0.2 (0.6 - h)) / (2.0 * h), within 1e-9 (-1.0 - 1.07 / 3.0))

[<Test>]
let ``in one dimension evidence, posterior and ELBO are the integrals they stand for`` () =
    let w, b, s, x = -0.7, 0.4, 0.3, 1.1
    let model = LinearGaussian(reference, array2D [ [ w ] ], [| b |], s)
    let joint z = normal 0.0 1.0 z * normal (w * z + b) s x
    let evidence = integrate joint
    let mean = integrate (fun z -> z * joint z) / evidence
    Assert.That(model.LogMarginal [| x |], within 1e-12 (log evidence))
    Assert.That((model.PosteriorMean [| x |])[0], within 1e-12 mean)

    Assert.That(
        model.PosteriorCovariance()[0, 0],
        within 1e-12 (integrate (fun z -> (z - mean) ** 2.0 * joint z) / evidence)
    )

    let logJoint z = -0.5 * (z * z + (x - w * z - b) ** 2.0 / s + log s) - log (2.0 * Math.PI)
    let logQ z = -0.5 * ((z - 0.9) ** 2.0 / 0.4 + log (2.0 * Math.PI * 0.4))
    let elbo = integrate (fun z -> normal 0.9 0.4 z * (logJoint z - logQ z))
    Assert.That(model.ExactElbo([| x |], [| 0.9 |], [| 0.4 |]), within 1e-12 elbo)

[<Test>]
let ``in two dimensions evidence, posterior covariance and ELBO are the integrals they stand for`` () =
    let w, b, s, x =
        array2D [ [ 1.0; 0.8 ]; [ -0.3; 0.6 ]; [ 0.9; 1.1 ] ], [| 0.1; -0.4; 0.2 |], 0.7, [| 0.9; -0.5; 1.4 |]

    let model = LinearGaussian(reference, w, b, s)

    let logJoint z0 z1 =
        let residual i = x[i] - w[i, 0] * z0 - w[i, 1] * z1 - b[i]

        -0.5 * (z0 * z0 + z1 * z1 + Seq.sumBy (fun i -> residual i ** 2.0) [ 0..2 ] / s + 3.0 * log s)
        - 2.5 * log (2.0 * Math.PI)

    // A grid of step 0.05: the trapezoid rule's error for Gaussians of deviation above 0.4 is below 1e-12.
    let h = 0.05
    let grid = [| for i in -160 .. 160 -> h * float i |]
    let integrate2 f = h * h * Array.sumBy (fun a -> Array.sumBy (fun b -> f a b) grid) grid
    let evidence = integrate2 (fun a b -> exp (logJoint a b))
    Assert.That(model.LogMarginal x, within 1e-10 (log evidence))
    let moment f = integrate2 (fun a b -> f a b * exp (logJoint a b)) / evidence
    let mean0, mean1 = moment (fun a _ -> a), moment (fun _ b -> b)
    Assert.That((model.PosteriorMean x)[0], within 1e-10 mean0)
    Assert.That((model.PosteriorMean x)[1], within 1e-10 mean1)
    let covariance = model.PosteriorCovariance()
    Assert.That(covariance[0, 1], within 1e-10 (moment (fun a b -> (a - mean0) * (b - mean1))))
    Assert.That(covariance[1, 1], within 1e-10 (moment (fun _ b -> (b - mean1) ** 2.0)))
    let q a b = normal 0.3 0.5 a * normal -0.2 0.35 b
    let elbo = integrate2 (fun a b -> q a b * (logJoint a b - log (q a b + 1e-300)))
    Assert.That(model.ExactElbo(x, [| 0.3; -0.2 |], [| 0.5; 0.35 |]), within 1e-10 elbo)

[<Property(MaxTest = 200)>]
let ``log p(x) is the dense normal density of covariance W Wᵀ + s I`` (seed: uint64) =
    let m = randomModel seed
    let _, b, x, covariance = dense m
    close 1e-9 ((m.On reference).LogMarginal m.X) (logNormal b covariance x)

[<Property(MaxTest = 200)>]
let ``the posterior is the joint Gaussian conditioned on x`` (seed: uint64) =
    // In the data space: Wᵀ C⁻¹ (x - b) and I - Wᵀ C⁻¹ W; the model works with the precision in the latent space.
    let m = randomModel seed
    let w, b, x, covariance = dense m
    let gain = w.Transpose() * covariance.Inverse()
    let mean, conditional = gain * (x - b), Matrix<float>.Build.DenseIdentity w.ColumnCount - gain * w
    let model = m.On reference
    let obtained = Matrix<float>.Build.DenseOfArray(model.PosteriorCovariance())

    Array.forall2 (close 1e-8) (model.PosteriorMean m.X) (mean.ToArray())
    && (obtained - conditional).L2Norm() < 1e-8

[<Property(MaxTest = 200)>]
let ``the exact ELBO is log p(x) less the divergence of q from the posterior`` (seed: uint64) =
    // KL of Gaussians from the covariance: 1/2 (tr Σ⁻¹D + dᵀ Σ⁻¹ d - n + log det Σ - log det D), with Σ inverted by LU.
    let m = randomModel seed
    let model, n = m.On reference, Array2D.length2 m.Weight
    let s = stream seed
    let mean = Array.init n (fun j -> s.At(7).Normal(int64 j))
    let variance = Array.init n (fun j -> exp (s.At(8).Normal(int64 j)))
    let sigma = Matrix<float>.Build.DenseOfArray(model.PosteriorCovariance())

    let inverse, d =
        sigma.LU().Inverse(),
        Vector<float>.Build.DenseOfArray mean - Vector<float>.Build.DenseOfArray(model.PosteriorMean m.X)

    let diagonal = Matrix<float>.Build.DenseOfDiagonalArray variance

    let kl =
        0.5
        * ((inverse * diagonal).Trace() + d.DotProduct(inverse * d) - float n + log (sigma.LU().Determinant)
           - Array.sumBy log variance)

    close 1e-8 (model.ExactElbo(m.X, mean, variance)) (model.LogMarginal m.X - kl)

[<Property(MaxTest = 200)>]
let ``no factorised Gaussian beats the optimal one, which misses log p(x) by the approximation gap`` (seed: uint64) =
    let m = randomModel seed
    let model = m.On reference
    let mean, variance = model.PosteriorMean m.X, model.OptimalFactorizedVariance()
    let best = model.ExactElbo(m.X, mean, variance)
    let s = stream seed

    let perturbed scale =
        let mean = Array.mapi (fun j v -> v + scale * s.At(7).Normal(int64 j)) mean
        let variance = Array.mapi (fun j v -> v * exp (scale * s.At(8).Normal(int64 j))) variance
        model.ExactElbo(m.X, mean, variance)

    let gap = model.FactorizedApproximationGap()

    close 1e-9 (model.LogMarginal m.X - best) gap
    && gap >= -1e-12
    && List.forall (fun scale -> perturbed scale < best) [ 0.01; 0.1; 1.0 ]

[<Test>]
let ``an uncorrelated posterior has no approximation gap, a correlated one has`` () =
    let orthogonal = LinearGaussian(reference, array2D [ [ 1.0; 0.0 ]; [ 0.0; 2.0 ] ], [| 0.0; 0.0 |], 0.5)
    Assert.That(orthogonal.FactorizedApproximationGap(), within 1e-14 0.0)
    // Λ = [[3, 2], [2, 3]]: 1/2 (2 log 3 - log 5).
    let model = LinearGaussian(reference, array2D [ [ 1.0; 1.0 ] ], [| 0.0 |], 0.5)
    Assert.That(model.FactorizedApproximationGap(), within 1e-14 (0.5 * log (9.0 / 5.0)))

[<Test>]
let ``what cannot be a linear-Gaussian model is refused`` () =
    let shape =
        messageOf<ShapeException>(fun () -> LinearGaussian(cpu, array2D [ [ 1.0 ]; [ 2.0 ] ], [| 0.0 |], 0.5) |> ignore)

    Assert.That(shape, Does.Contain("2 rows").And.Contains("1 numbers"))

    for s in [ 0.0; -1.0; nan ] do
        let message =
            messageOf<GapLabException>(fun () -> LinearGaussian(cpu, array2D [ [ 1.0 ] ], [| 0.0 |], s) |> ignore)

        Assert.That(message, Does.Contain("noise variance must be positive"))
