module GapLab.Tests.Distributions.DiscretizedLogisticTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private reference = ReferenceDevice.Instance :> Device
let private cpu = CpuDevice.Instance :> Device

let private tensor (device: Device) (sizes: int list) (values: float seq) =
    Tensor.Create(device, Shape(List.toArray sizes), Array.ofSeq values)

let private levels = Array.init 256 (fun k -> float k / 255.0)

/// log p of all 256 levels, each as a datapoint with one pixel, for a location and a log-scale.
let private logProbs device location logScale =
    let output =
        DiscretizedLogistic(tensor device [ 256; 1; 1 ] (Seq.replicate 256 location), tensor device [ 1 ] [ logScale ])

    output.LogProb(DenseObservations(tensor device [ 256; 1 ] levels)).ToArray()

let private locations = [ -1000.0; -3.0; -0.01; 0.0; 1.0 / 512.0; 0.3; 0.5; 0.997; 1.0; 4.0; 1000.0 ]
let private logScales = [ -7.0; -5.0; -3.2; -1.0; 0.0; 2.5; 7.0 ]

[<Test>]
let ``the probabilities of all levels sum to one`` () =
    for location in locations do
        for logScale in logScales do
            let sum device = logProbs device location logScale |> Array.sumBy exp
            near 1e-12 1.0 (sum reference)
            near 2e-4 1.0 (sum cpu)

[<Test>]
let ``probabilities are differences of the logistic distribution function`` () =
    // At moderate arguments the plain formula is exact enough.
    let cumulative z = 1.0 / (1.0 + exp -z)

    for location in [ 0.1; 0.5; 0.8 ] do
        for logScale in [ -3.0; -2.0; 0.0 ] do
            let edge k =
                if k = 0 then 0.0
                elif k = 256 then 1.0
                else cumulative ((float k / 256.0 - location) / exp logScale)

            let expected = Array.init 256 (fun k -> edge (k + 1) - edge k)
            close "p" 1e-14 expected (logProbs reference location logScale |> Array.map exp)

[<Test>]
let ``far from the location and at extreme scales log p and its derivatives are finite and right`` () =
    for device in [ reference; cpu ] do
        for location in locations do
            for logScale in logScales do
                use scope = MemoryScope.Enter()
                let m = tensor device [ 256; 1; 1 ] (Seq.replicate 256 location)
                let v = tensor device [ 256; 1; 1 ] (Seq.replicate 256 logScale)
                let l = DiscretizedLogistic(m, v).LogProb(DenseObservations(tensor device [ 256; 1 ] levels))
                let gradients = Array.zeroCreate<Tensor> 2
                Gradient.Of(l, ReadOnlySpan [| m; v |], Span gradients, createGraph = true)
                let second = Gradient.Of(gradients[0], m)

                for what, t in [ "log p", l; "∂m", gradients[0]; "∂v", gradients[1]; "∂²m", second ] do
                    holds
                        $"{what} is finite at {location}, e^{logScale}, on {device}"
                        (t.ToArray() |> Array.forall Double.IsFinite)

    // In the tail on the left p(k) falls by e^{-δ} a level, and ∂m is 1/s: log p(100) - log p(99) = δ for m = 1000, s = e^-7.
    let tail = logProbs reference 1000.0 -7.0
    near 1e-6 (exp 7.0 / 256.0) (tail[100] - tail[99])

[<Test>]
let ``both devices agree`` () =
    for location in locations do
        for logScale in logScales do
            let exact, obtained = logProbs reference location logScale, logProbs cpu location logScale
            // float32 arguments: (l - m) / s is right to a few 2^-24 of its terms.
            Array.iter2 (fun e o -> near (1e-6 * (10.0 + abs e + abs location * exp -logScale)) e o) exact obtained

[<Test>]
let ``the error is the derivative with respect to the location`` () =
    use scope = MemoryScope.Enter()
    let random = Random 4
    let numbers n = Array.init n (fun _ -> random.NextDouble())
    let m = tensor reference [ 3; 2; 6 ] (numbers 36)

    let x =
        DenseObservations(
            tensor
                reference
                [ 3; 6 ]
                (Array.init 18 (fun i -> if i % 5 = 0 then float (i % 2) else levels[13 * i % 256]))
        )

    for sizes in [ [ 1 ]; [ 6 ]; [ 3; 2; 6 ] ] do
        let v = tensor reference sizes (numbers (List.fold (*) 1 sizes) |> Array.map (fun u -> -4.0 * u))
        let output = DiscretizedLogistic(m, v)
        close "error" 1e-11 (Gradient.Of(output.LogProb x, m).ToArray()) ((output.Error x).ToArray())

        let ofScale v = DiscretizedLogistic(m, v).LogProb(x).Sum()
        close "log-scales" 1e-6 (FiniteDifference.Gradient(ofScale, v)) (Gradient.Of(output.LogProb x, v).ToArray())

[<Test>]
let ``the mean is that of the levels`` () =
    for location in [ -0.2; 0.02; 0.5; 0.9; 2.0 ] do
        for logScale in [ -6.0; -2.0; 1.0 ] do
            let p = logProbs reference location logScale |> Array.map exp

            let output =
                DiscretizedLogistic(tensor reference [ 1; 1; 1 ] [ location ], tensor reference [ 1 ] [ logScale ])

            near 1e-12 (Array.fold2 (fun sum p x -> sum + p * x) 0.0 p levels) (output.Mean.ToDouble())

[<Test>]
let ``the error propagated through the mean is the gradient of the log-likelihood`` () =
    use scope = MemoryScope.Enter()
    let z = tensor reference [ 2; 3; 4 ] (Seq.init 24 (fun i -> sin (float i)))
    let output = DiscretizedLogistic(z.Sigmoid(), tensor reference [ 1 ] [ -2.0 ])
    let x = DenseObservations(tensor reference [ 2; 4 ] (Seq.init 8 (fun i -> levels[36 * i])))
    let direct, throughMean = Gradient.Of(output.LogProb x, z), Gradient.Of(output.Mean, z, output.Error x)
    close "gradient" 1e-12 (direct.ToArray()) (throughMean.ToArray())

[<Test>]
let ``the mean's passes do not pile up in memory`` () =
    let pixels = 10000
    let location = (Tensor.Filled(cpu, Shape(1, 1, pixels), 0.5)).ToOwned()
    let logScale = (Tensor.Filled(cpu, Shape 1, -2.0)).ToOwned()
    cpu.ResetPeak()
    let before = cpu.PeakBytes

    do
        use scope = MemoryScope.Enter()
        DiscretizedLogistic(location, logScale).Mean |> ignore

    // Well below 255 passes; scopes take their memory in blocks.
    holds "memory is bounded" (cpu.PeakBytes - before < 60L * 4L * int64 pixels)

[<Test>]
let ``samples are levels with the frequencies of their probabilities`` () =
    let n = 20000
    let location, logScale = 0.05, -3.0
    let output = DiscretizedLogistic(tensor cpu [ 1; n; 1 ] (Seq.replicate n location), tensor cpu [ 1 ] [ logScale ])
    let sample = output.Sample(RandomStream(3UL, RandomPurpose.Test)).ToArray()
    let counts = Array.zeroCreate<int> 256

    for x in sample do
        let k = int (Math.Round(255.0 * x))
        near 1e-7 levels[k] x
        counts[k] <- counts[k] + 1

    // Each count is binomial; 5 standard deviations for 256 of them.
    let p = logProbs reference location logScale |> Array.map exp
    Array.iter2 (fun p c -> near (5.0 * sqrt (float n * p) + 3.0) (float n * p) (float c)) p counts

[<Test>]
let ``log-scales of channels are repeated over pixels`` () =
    let v = DiscretizedLogistic.OverPixels(tensor reference [ 2; 1; 3 ] [ 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 ], 6)
    equal (Shape(2, 1, 6)) v.Shape
    equal [| 1.0; 2.0; 3.0; 1.0; 2.0; 3.0; 4.0; 5.0; 6.0; 4.0; 5.0; 6.0 |] (v.ToArray())

    throws<ShapeException> [ "DiscretizedLogistic"; "[3]"; "7" ] (fun () ->
        DiscretizedLogistic.OverPixels(tensor reference [ 3 ] [ 1.0; 2.0; 3.0 ], 7) |> ignore)

    throws<ShapeException> [ "DiscretizedLogistic"; "[1, 1, 4]"; "[3]" ] (fun () ->
        DiscretizedLogistic(
            tensor reference [ 1; 1; 4 ] (Seq.replicate 4 0.5),
            tensor reference [ 3 ] [ 1.0; 2.0; 3.0 ]
        )
        |> ignore)

[<Test>]
let ``uniform pixels have eight bits a dimension`` () =
    near 1e-14 8.0 (OutputDistribution.BitsPerDimension(-3072.0 * log 256.0, 3072))
    // The published -14,913 nats on CIFAR-10.
    near 5e-3 7.00 (OutputDistribution.BitsPerDimension(-14913.15, 3072))
