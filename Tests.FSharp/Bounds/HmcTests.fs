module GapLab.Tests.Bounds.HmcTests

open System
open NUnit.Framework
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Bounds
open GapLab.Models
open GapLab.Tests.Models.ModelFixtures

let private x3 = [| 1.2; 0.4; -0.9; 0.7 |]
let private posteriorPath device = PriorPath(correlated device, observe device [| x3 |])

/// A decoder whose posterior is not Gaussian.
let private curvedPath device =
    let model = DenseModel(device, 2, [| 6 |], 9, Activation.Tanh, OutputKind.Bernoulli, stream 3UL)

    for p in model.Parameters do
        p.Assign(p * 3.0)

    PriorPath(model, observe device [| Array.init 9 (fun j -> float (j % 2)) |])

/// [1, C, n] from one array a chain.
let private chains device (rows: float[][]) = (matrixOf device rows).Reshape(Shape(1, rows.Length, rows[0].Length))

let private normals device count n (s: RandomStream) =
    Tensor.Normal(device, s, ReadOnlySpan [| 0 |], 0, 0, Shape(count, n))

let private steps count (epsilon: float) = Array.replicate count epsilon

let private energy beta (state: HmcState) (momentum: Tensor[]) =
    Array.map3 (fun b s k -> k - b - beta * s) state.Base state.Slope (Hmc.KineticEnergy momentum)

/// The differences of the energy along trajectories of a given length.
let private energyErrors (path: AnnealingPath) beta n epsilon count =
    use _scope = MemoryScope.Enter()
    let start = HmcState.At(path, [| normals reference 50 n (stream 1UL) |])
    let momentum = [| normals reference 50 n (stream 2UL) |]
    let struct (finish, r) = Hmc.Leapfrog(path, beta, start, momentum, ReadOnlySpan(steps 50 epsilon), count)
    Array.map2 (-) (energy beta finish r) (energy beta start momentum)

[<Test>]
let ``a trajectory is reversible: with the momentum flipped it leads back`` () =
    use _scope = MemoryScope.Enter()

    for path, n in [ posteriorPath reference, 3; curvedPath reference, 2 ] do
        let epsilon = Array.init 8 (fun c -> 0.02 + 0.02 * float c)
        let start = HmcState.At(path, [| normals reference 8 n (stream 1UL) |])
        let momentum = [| normals reference 8 n (stream 2UL) |]
        let struct (there, r) = Hmc.Leapfrog(path, 0.7, start, momentum, ReadOnlySpan epsilon, 10)
        let struct (back, q) = Hmc.Leapfrog(path, 0.7, there, [| -r[0] |], ReadOnlySpan epsilon, 10)
        // Rounding alone: ten steps of float64.
        Assert.That(back.Position[0].ToArray(), near 1e-10 (start.Position[0].ToArray()))
        Assert.That((-q[0]).ToArray(), near 1e-10 (momentum[0].ToArray()))
        Assert.That(there.Position[0].ToArray(), Is.Not.EqualTo(start.Position[0].ToArray()).Within 1e-3)

[<Test>]
let ``the forces inside a trajectory are those of the densities at its ends`` () =
    use _scope = MemoryScope.Enter()

    for device, tolerance in [ reference, 1e-12; cpu, 1e-5 ] do
        for path, n in [ posteriorPath device, 3; curvedPath device, 2 ] do
            let z = [| normals device 8 n (stream 1UL) |]
            let expected = (HmcState.At(path, z)).Force(0, 0.3)
            let forces = HmcState.ForcesAt(path, z, 0.3)
            Assert.That(forces[0].ToArray(), near tolerance (expected.ToArray()))

[<Test>]
let ``a trajectory preserves volume`` () =
    use _scope = MemoryScope.Enter()
    let path, n = curvedPath reference, 2
    let point = [| 0.3; -0.8; 1.1; 0.4 |]

    let map (p: float[]) =
        let start = HmcState.At(path, [| chains reference [| p[..1] |] |])

        let struct (finish, r) =
            Hmc.Leapfrog(path, 0.6, start, [| chains reference [| p[2..] |] |], ReadOnlySpan [| 0.2 |], 7)

        Array.append (finish.Position[0].ToArray()) (r[0].ToArray())

    let h = 1e-5

    let column j =
        let at offset = map (Array.mapi (fun i v -> if i = j then v + offset else v) point)
        Array.map2 (fun a b -> (a - b) / (2.0 * h)) (at h) (at -h)

    let jacobian = Matrix<float>.Build.DenseOfColumnArrays [ for j in 0 .. 2 * n - 1 -> column j ]
    // Central differences: truncation of order h².
    Assert.That(jacobian.Determinant(), within 1e-7 1.0)

[<Test>]
let ``the energy error falls with the square of the step size`` () =
    for path, n in [ posteriorPath reference, 3; curvedPath reference, 2 ] do
        let rms epsilon count =
            energyErrors path 0.9 n epsilon count |> Array.averageBy (fun e -> e * e) |> sqrt

        let coarse, middle, fine = rms 0.04 10, rms 0.02 20, rms 0.01 40
        // Ratios tend to 4; terms of fourth order change them by some ε².
        Assert.That(coarse / middle, within 0.2 4.0)
        Assert.That(middle / fine, within 0.05 4.0)

[<Test>]
let ``the position moves as Hamilton's equations say`` () =
    // A harmonic oscillator (β = 0): z(t) = z cos t + r sin t; leapfrog's phase error over t = 1 is ε²/24.
    use _scope = MemoryScope.Enter()
    let path = posteriorPath reference
    let start = HmcState.At(path, [| normals reference 4 3 (stream 1UL) |])
    let momentum = [| normals reference 4 3 (stream 2UL) |]
    let struct (finish, _) = Hmc.Leapfrog(path, 0.0, start, momentum, ReadOnlySpan(steps 4 0.01), 100)
    let expected = start.Position[0] * cos 1.0 + momentum[0] * sin 1.0
    Assert.That(finish.Position[0].ToArray(), near 3e-5 (expected.ToArray()))

[<Test>]
let ``the gradients that travel with a state are those of the path`` () =
    use _scope = MemoryScope.Enter()
    let path = curvedPath reference
    let z = normals reference 3 2 (stream 1UL)
    let state = HmcState.At(path, [| z |])

    let part choose =
        FiniteDifference.Gradient((fun z -> (choose (path.Evaluate(Latents [| z |])): Tensor).Sum()), z)

    Assert.That(state.BaseGradient[0].ToArray(), near 1e-8 (part (fun struct (b, _) -> b)))
    Assert.That(state.SlopeGradient[0].ToArray(), near 1e-8 (part (fun struct (_, s) -> s)))

    Assert.That(
        state.Force(0, 0.25).ToArray(),
        near 1e-12 ((state.BaseGradient[0] + state.SlopeGradient[0] * 0.25).ToArray())
    )

/// One transition from given positions; the state after it, and who moved.
let private transition path beta (start: HmcState) epsilon count n (s: RandomStream) (device: Device) =
    let c = Array.length epsilon
    let accepted = Array.zeroCreate<bool> c
    let uniforms = Array.init c (fun i -> s.At(1).Uniform(int64 i))

    let next =
        Hmc.Transition(
            path,
            beta,
            start,
            [| normals device c n s |],
            ReadOnlySpan epsilon,
            count,
            ReadOnlySpan uniforms,
            Span accepted
        )

    next, accepted

[<Test>]
let ``acceptance tends to one as the step size tends to zero`` () =
    use _scope = MemoryScope.Enter()
    let path, count = posteriorPath cpu, 4000
    let start = HmcState.At(path, [| normals cpu count 3 (stream 1UL) |])

    let rate epsilon =
        let _, accepted = transition path 1.0 start (steps count epsilon) 5 3 (stream 4UL) cpu
        float (accepted |> Seq.filter id |> Seq.length) / float count

    let rates = [ for epsilon in [ 0.8; 0.4; 0.1; 0.01; 0.001 ] -> rate epsilon ]
    Assert.That(rates, Is.Ordered.Ascending)
    Assert.That(rates[0], Is.LessThan 0.7)
    Assert.That(List.last rates, Is.GreaterThan 0.999)

[<Test>]
let ``the state after a transition is the path evaluated where each chain is, moved or refused`` () =
    use _scope = MemoryScope.Enter()

    for device, path in [ reference, posteriorPath reference; cpu, posteriorPath cpu ] do
        let start = HmcState.At(path, [| normals device 200 3 (stream 1UL) |])
        let next, accepted = transition path 0.8 start (steps 200 0.6) 4 3 (stream 4UL) device
        Assert.That(accepted |> Array.filter id |> Array.length, Is.InRange(20, 180))
        let fresh = HmcState.At(path, next.Position)
        Assert.That(bits next.Base, equalTo (bits fresh.Base))
        Assert.That(bits next.Slope, equalTo (bits fresh.Slope))
        Assert.That(bitsOf next.BaseGradient, equalTo (bitsOf fresh.BaseGradient))
        Assert.That(bitsOf next.SlopeGradient, equalTo (bitsOf fresh.SlopeGradient))
        let before, after = start.Position[0].ToArray(), next.Position[0].ToArray()

        for c in 0..199 do
            Assert.That((before[3 * c .. 3 * c + 2] <> after[3 * c .. 3 * c + 2]), equalTo accepted[c])

let private checkMoments (mean: float[]) (covariance: float[,]) (z: float[]) =
    let n = mean.Length
    let count = z.Length / n
    let at c j = z[c * n + j] - mean[j]

    for j in 0 .. n - 1 do
        agrees $"mean {j}" 0.0 (meanAndError (Array.init count (fun c -> at c j)))

        for k in 0..j do
            agrees $"covariance {j}, {k}" covariance[j, k] (meanAndError (Array.init count (fun c -> at c j * at c k)))

[<TestCase(0.0, 1.2)>]
[<TestCase(1.0, 0.5)>]
let ``transitions leave the standard normal and a correlated Gaussian as they are`` (beta: float, epsilon: float) =
    // At β = 0 the target is N(0, I), at β = 1 the exact posterior. Exact samples must still be exact samples afterwards.
    let model, count = correlated cpu, repetitions 20000 200000
    let path = posteriorPath cpu
    let mean = if beta = 0.0 then Array.zeroCreate 3 else model.PosteriorMean x3

    let covariance =
        if beta = 0.0 then
            Array2D.init 3 3 (fun i j -> if i = j then 1.0 else 0.0)
        else
            model.PosteriorCovariance()

    let factor = (Matrix<float>.Build.DenseOfArray covariance).Cholesky().Factor

    let exact =
        Array.init count (fun c ->
            let e = Vector<float>.Build.Dense(3, fun j -> (stream 8UL).At(c).Normal(int64 j))
            (Vector<float>.Build.DenseOfArray mean + factor * e).ToArray())

    use _scope = MemoryScope.Enter()
    let mutable state = HmcState.At(path, [| chains cpu exact |])
    let mutable moves = 0

    for round in 1..4 do
        let next, accepted = transition path beta state (steps count epsilon) 3 3 ((stream 9UL).Fork(uint64 round)) cpu
        moves <- moves + (accepted |> Seq.filter id |> Seq.length)
        state <- next
    // Many moves are refused: without the correction the moments would be wrong, as the next lines show.
    let rate = float moves / float (4 * count)
    Assert.That(rate, Is.InRange(0.3, 0.95))
    checkMoments mean covariance (state.Position[0].ToArray())
    let start = HmcState.At(path, [| chains cpu exact |])

    let struct (uncorrected, _) =
        Hmc.Leapfrog(path, beta, start, [| normals cpu count 3 (stream 10UL) |], ReadOnlySpan(steps count epsilon), 3)

    let z = uncorrected.Position[0].ToArray()
    let second, error = meanAndError (Array.init count (fun c -> (z[3 * c] - mean[0]) ** 2.0))
    Assert.That(abs (second - covariance[0, 0]), Is.GreaterThan(4.0 * error))

[<Test>]
let ``chains that start elsewhere arrive at the posterior`` () =
    let model, count = correlated cpu, 8000
    use _scope = MemoryScope.Enter()
    let path = posteriorPath cpu
    let mutable state = HmcState.At(path, [| chains cpu (Array.replicate count [| 2.0; -2.0; 2.0 |]) |])

    for round in 1..40 do
        state <- fst (transition path 1.0 state (steps count 0.3) 6 3 ((stream 9UL).Fork(uint64 round)) cpu)

    checkMoments (model.PosteriorMean x3) (model.PosteriorCovariance()) (state.Position[0].ToArray())

/// N(0, 1) with another value of the log-density wherever z is above 0.5.
type private Cliff(value: float) =
    inherit AnnealingPath()
    override _.SampleStart noise = Latents [| noise.Normal 1 |]

    override _.Evaluate z =
        let beyond = (0.5 - z[0]).IsNegative().Sum(-1, ElementType.Float64)
        // 0 · value is NaN for values that are not finite, so the value enters through a selection.
        let shape = beyond.Shape

        let chosen =
            Tensor.SelectRows(
                beyond,
                Tensor.Filled(reference, Shape(shape[0], shape[1], 1), value),
                Tensor.Filled(reference, Shape(shape[0], shape[1], 1), 0.0)
            )

        struct (z[0].Square().Sum(-1, ElementType.Float64) * -0.5, chosen.Sum(-1, ElementType.Float64))

[<TestCase(Double.NaN)>]
[<TestCase(Double.PositiveInfinity)>]
[<TestCase(Double.NegativeInfinity)>]
let ``a trajectory whose energy is not finite is refused`` (value: float) =
    use _scope = MemoryScope.Enter()
    let path = Cliff value
    // Chain 0 walks over the cliff, chain 1 away from it.
    let start = HmcState.At(path, [| chains reference [| [| 0.4 |]; [| -0.4 |] |] |])
    let accepted = [| true; false |]
    let momentum = [| chains reference [| [| 2.0 |]; [| -0.5 |] |] |]

    let next =
        Hmc.Transition(
            path,
            1.0,
            start,
            momentum,
            ReadOnlySpan [| 0.1; 0.1 |],
            5,
            ReadOnlySpan [| 0.0; 0.0 |],
            Span accepted
        )

    Assert.That(accepted, equalTo [| false; true |])
    let z = next.Position[0].ToArray()
    Assert.That(z[0], equalTo 0.4)
    Assert.That(z[1], Is.LessThan -0.4)
    Assert.That(next.Slope, equalTo [| 0.0; 0.0 |])
    Assert.That(next.BaseGradient[0].ToArray()[0], within 1e-15 -0.4)

[<Test>]
let ``every chain moves with its own step size and does not feel the others`` () =
    use _scope = MemoryScope.Enter()

    for device, path in [ reference, posteriorPath reference; cpu, posteriorPath cpu ] do
        let epsilon = [| 0.05; 0.4; 0.01; 0.2 |]
        let z, r = normals device 4 3 (stream 1UL), normals device 4 3 (stream 2UL)

        let struct (together, momentum) =
            Hmc.Leapfrog(path, 1.0, HmcState.At(path, [| z |]), [| r |], ReadOnlySpan epsilon, 4)

        for c in 0..3 do
            let own (t: Tensor) = chains device [| t.ToArray()[3 * c .. 3 * c + 2] |]

            let struct (alone, own') =
                Hmc.Leapfrog(path, 1.0, HmcState.At(path, [| own z |]), [| own r |], ReadOnlySpan [| epsilon[c] |], 4)

            Assert.That(
                bits (alone.Position[0].ToArray()),
                equalTo (bits (together.Position[0].ToArray()[3 * c .. 3 * c + 2]))
            )

            Assert.That(bits (own'[0].ToArray()), equalTo (bits (momentum[0].ToArray()[3 * c .. 3 * c + 2])))
            Assert.That(alone.Slope[0], equalTo together.Slope[c])
