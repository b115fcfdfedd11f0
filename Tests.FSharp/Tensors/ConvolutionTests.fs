/// Convolutions, their transposes and their adjoints in the kernels: CpuDevice against ReferenceDevice.
module GapLab.Tests.Tensors.ConvolutionTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Tensors.DeviceChecks

/// One of the three primitives: the lengths of its operands and of its result, and the call.
type private Primitive =
    { Name: string
      Left: ConvolutionSize -> int
      Right: ConvolutionSize -> int
      Bias: ConvolutionSize -> int
      Result: ConvolutionSize -> int
      Terms: ConvolutionSize -> int
      Call: Activation -> ConvolutionSize -> Device -> Storage list -> unit }

let private input (s: ConvolutionSize) = s.Batch * s.Height * s.Width * s.Channels
let private output (s: ConvolutionSize) = s.Pixels * s.OutChannels
let private kernel (s: ConvolutionSize) = s.OutChannels * s.Depth

let private primitives =
    [ { Name = "Convolution"
        Left = input
        Right = kernel
        Bias = _.OutChannels
        Result = output
        Terms = _.Depth
        Call = fun f size device s -> device.Convolution(s[0], s[1], s[2], f, s[3], &size) }
      { Name = "TransposedConvolution"
        Left = output
        Right = kernel
        Bias = _.Channels
        Result = input
        Terms = fun s -> s.KernelHeight * s.KernelWidth * s.OutChannels
        Call = fun f size device s -> device.TransposedConvolution(s[0], s[1], s[2], f, s[3], &size) }
      { Name = "ConvolutionWeightAdjoint"
        Left = input
        Right = output
        Bias = fun _ -> 0
        Result = kernel
        Terms = _.Pixels
        Call = fun _ size device s -> device.ConvolutionWeightAdjoint(s[0], s[1], s[3], &size) } ]

let private size batch (height, width) channels (tall, wide) outChannels stride (top, bottom, left, right) =
    let outputs length kernel before after = (length + before + after - kernel) / stride + 1

    ConvolutionSize(
        batch,
        height,
        width,
        channels,
        tall,
        wide,
        outputs height tall top bottom,
        outputs width wide left right,
        outChannels,
        stride,
        top,
        left
    )

/// Images, kernels, strides and paddings at random, channels around the widths of vectors and tiles.
let private randomSizes count (seed: int) =
    let random = Random seed
    let pick (choices: 'a[]) = choices[random.Next choices.Length]

    seq {
        while true do
            let channels () = pick [| 1; 2; 3; 4; 7; 8; 12; 13; 15; 16; 17; 24; 31; 32; 33; 48; 65 |]
            let length () = random.Next(1, 20)
            let extent () = pick [| 1; 2; 3; 4; 5; 7 |]
            let side () = random.Next 4
            let height, width, tall, wide = length (), length (), extent (), extent ()
            let top, bottom, left, right = side (), side (), side (), side ()

            if height + top + bottom >= tall && width + left + right >= wide then
                let size =
                    size
                        (random.Next(1, 6))
                        (height, width)
                        (channels ())
                        (tall, wide)
                        (channels ())
                        (random.Next(1, 4))
                        (top, bottom, left, right)

                if int64 size.Pixels * int64 (kernel size) < 200_000L then
                    size
    }
    |> Seq.truncate count
    |> Seq.toList

/// Sizes that reach every path: patches in place with and without padding, copied patches, several parts and blocks of pixels.
let private chosen =
    [ size 2 (10, 28) 32 (3, 3) 33 1 (1, 1, 1, 1)
      size 3 (9, 30) 16 (5, 5) 17 1 (0, 0, 0, 0)
      size 1 (24, 40) 16 (4, 4) 8 2 (1, 1, 1, 1)
      size 5 (6, 6) 20 (4, 4) 40 2 (0, 0, 0, 0)
      size 40 (2, 2) 24 (1, 1) 36 1 (0, 0, 0, 0)
      // The stacks of a gated PixelCNN: padding above and beside only.
      size 2 (11, 13) 12 (4, 7) 24 1 (3, 0, 3, 3)
      size 2 (11, 13) 16 (1, 4) 16 1 (0, 0, 3, 0)
      // Cut images, a stride beyond the kernel, and rows of the input that no output reads.
      size 2 (12, 14) 70 (3, 3) 9 1 (-1, -2, -2, -1)
      size 2 (16, 23) 64 (1, 1) 70 3 (0, 0, 0, 0)
      size 2 (9, 9) 64 (1, 2) 5 3 (0, 0, 1, 1)
      size 1 (100, 8) 3 (2, 3) 2 1 (0, 1, 1, 1)
      size 1 (5, 5) 1500 (3, 3) 3 1 (1, 1, 1, 1)
      // Kernels beyond the image above, below and beside it.
      size 2 (3, 9) 32 (7, 9) 9 1 (5, 5, 4, 4)
      // Adjoints in the kernels read in place, with images cut and kernels that only see zeros.
      size 3 (12, 11) 32 (3, 5) 13 1 (1, 2, 2, 0)
      size 2 (30, 25) 64 (4, 4) 20 3 (2, 1, 0, 3)
      size 2 (14, 13) 32 (3, 2) 7 1 (-2, -1, -1, -2)
      size 2 (9, 9) 32 (5, 5) 4 1 (12, 0, 0, 0)
      // Nothing at all.
      size 0 (5, 5) 3 (3, 3) 4 1 (0, 0, 0, 0)
      size 2 (5, 5) 0 (3, 3) 4 1 (0, 0, 0, 0)
      size 2 (5, 5) 3 (3, 3) 0 1 (1, 1, 1, 1) ]

let private compareOn sizes =
    for size: ConvolutionSize in sizes do
        for p in primitives do
            let activation = enum<Activation>(size.GetHashCode() &&& 3)
            let activation = if p.Bias size = 0 then Activation.Identity else activation

            for withBias in [ true; false ] do
                let left, right = ordinary 1 (p.Left size), ordinary 2 (p.Right size)
                let bias = if withBias then ordinary 3 (p.Bias size) else [||]

                let exact, obtained =
                    compare [ F32, left; F32, right; F32, bias ] (F32, p.Result size) (p.Call activation size)

                let absolute = Array.map abs
                let terms = [ F64, absolute left; F64, absolute right; F64, absolute bias ]
                let scale = run reference terms (F64, p.Result size) (p.Call Activation.Identity size reference)
                let factor = float (p.Terms size + 2) * epsilon

                requireWithin
                    $"{p.Name} with {activation} and {bias.Length} biases, {size}"
                    (Array.map2 (fun s e -> factor * s + 8.0 * epsilon * abs e) scale exact)
                    exact
                    obtained

[<Test>]
let ``convolutions of random sizes`` () = compareOn (randomSizes (if soak then 3000 else 60) 1)

[<Test>]
let ``convolutions of chosen sizes`` () = compareOn chosen

/// All three primitives on CPU, for comparing bits.
let private results (size: ConvolutionSize) =
    [ for p in primitives do
          let left, right, bias = ordinary 1 (p.Left size), ordinary 2 (p.Right size), ordinary 3 (p.Bias size)
          p.Name, run cpu [ F32, left; F32, right; F32, bias ] (F32, p.Result size) (p.Call Activation.Tanh size cpu) ]

let private requireSameBits what expected actual =
    for (name, one), (_, other) in List.zip expected actual do
        equalFor $"{name} {what}" (bits one) (bits other)

let private someSizes = chosen @ randomSizes 10 2

[<Test>]
let ``convolutions have the same bits with one, two and three threads`` () =
    for size in someSizes do
        let one = withThreads 1 (fun () -> results size)

        for threads in [ 2; 3 ] do
            requireSameBits $"with {threads} threads, {size}" one (withThreads threads (fun () -> results size))

[<Test>]
let ``convolutions have the same bits on every SIMD path`` () =
    let withKernels kernels work =
        let before = MicroKernelSet.Current
        MicroKernelSet.Current <- kernels

        try
            work ()
        finally
            MicroKernelSet.Current <- before

    for size in someSizes do
        let portable = withKernels MicroKernelSet.Width128 (fun () -> results size)

        for kernels in [ MicroKernelSet.Width256; MicroKernelSet.Width512 ] do
            requireSameBits $"with {kernels.Width} bits, {size}" portable (withKernels kernels (fun () -> results size))

[<Test>]
let ``an image convolved alone or in a batch has the same bits`` () =
    for whole in randomSizes 20 3 |> List.filter (fun s -> s.Batch > 1) do
        let alone =
            ConvolutionSize(
                1,
                whole.Height,
                whole.Width,
                whole.Channels,
                whole.KernelHeight,
                whole.KernelWidth,
                whole.OutHeight,
                whole.OutWidth,
                whole.OutChannels,
                whole.Stride,
                whole.Top,
                whole.Left
            )

        for p in primitives |> List.truncate 2 do
            let images, w, bias = ordinary 1 (p.Left whole), ordinary 2 (p.Right whole), ordinary 3 (p.Bias whole)

            let apply size images =
                run cpu [ F32, images; F32, w; F32, bias ] (F32, p.Result size) (p.Call Activation.Elu size cpu)

            let last (values: float[]) = Array.skip (values.Length / whole.Batch * (whole.Batch - 1)) values
            equalFor $"{p.Name}, {whole}" (bits (last (apply whole images))) (bits (apply alone (last images)))

[<Test>]
let ``an infinity or NaN reaches the outputs that see it`` () =
    for size in
        [ size 2 (9, 10) 33 (3, 3) 17 1 (1, 1, 1, 1)
          size 2 (5, 5) 4 (4, 3) 33 2 (1, 1, 2, 0)
          size 2 (20, 20) 32 (5, 5) 8 2 (2, 2, 2, 2) ] do
        for bad in [ nan; infinity; -infinity ] do
            for p in primitives do
                for inImages in [ true; false ] do
                    let operands = [ ordinary 1 (p.Left size); ordinary 2 (p.Right size); ordinary 3 (p.Bias size) ]
                    let operand = operands[if inImages then 0 else 1]
                    operand[2 * operand.Length / 3] <- bad
                    let inputs = operands |> List.map (fun values -> F32, values)
                    let exact, obtained = compare inputs (F32, p.Result size) (p.Call Activation.Identity size)

                    for e, o in Array.zip exact obtained do
                        // Products of a bad kernel or adjoint with the zeros outside an image may count or not.
                        let mayBeBad = not inImages && not (Double.IsFinite o) && Double.IsFinite e

                        if
                            not (
                                mayBeBad
                                || (Double.IsNaN e && Double.IsNaN o)
                                || e = o
                                || abs (e - o) <= 1e-3 * (1.0 + abs e)
                            )
                        then
                            Assert.Fail $"{p.Name}, {bad}, {size}: {o} instead of {e}"

[<Test>]
let ``a convolution and its transpose are adjoint: <conv x, y> = <x, transpose y> = <w, weight adjoint>`` () =
    let dot (a: float[]) (b: float[]) = Array.fold2 (fun sum x y -> sum + x * y) 0.0 a b

    for size in chosen @ randomSizes 30 4 do
        for device, tolerance in [ reference, 1e-12; cpu, 1e-5 ] do
            let x, y, w = ordinary 1 (input size), ordinary 2 (output size), ordinary 3 (kernel size)

            let apply i left right =
                let p = primitives[i]

                run
                    device
                    [ F32, left; F32, right; F32, [||] ]
                    (F32, p.Result size)
                    (p.Call Activation.Identity size device)

            let forward = dot (apply 0 x w) y
            let scale = 1.0 + dot (Array.map abs (apply 0 x w)) (Array.map abs y)
            near (tolerance * scale) forward (dot x (apply 1 y w))
            near (tolerance * scale) forward (dot w (apply 2 x y))

[<Test>]
let ``convolutions in float64 are refused by the CPU device`` () =
    let size = size 1 (3, 3) 1 (1, 1) 1 1 (0, 0, 0, 0)
    use x = new Buffer(cpu, F64, Array.zeroCreate 9)

    for p in primitives do
        throws<ShapeException> [ p.Name; "float32" ] (fun () ->
            p.Call Activation.Identity size cpu [ x.Storage; x.Storage; x.Storage; x.Storage ])

/// Both results of the adjoint's adjoint, one after the other.
let private secondAdjoint rows n (device: Device) (s: Storage list) =
    let all = s[3]
    let ofX = Storage(all.Address, 2 * rows * n, all.Type)
    let ofG = Storage(all.Address + nativeint ofX.Bytes, rows * n, all.Type)
    device.GateSecondAdjoint(s[0], s[1], s[2], ofX, ofG, rows, n)

[<Test>]
let ``gates and their adjoints`` () =
    for rows in [ 0; 1; 3; 200 ] do
        for n in [ 1; 3; 15; 16; 17; 32; 100 ] do
            let x, g = numbers true n (2 * rows * n), ordinary 7 (rows * n)

            let exact, obtained = compare [ F32, x ] (F32, rows * n) (fun device s -> device.Gate(s[0], s[1], rows, n))
            // tanh 3, σ 3 and the product's rounding.
            requireUlps $"gate of {rows} x {n}" 7.0 exact obtained

            let exact, obtained =
                compare [ F32, x; F32, g ] (F32, 2 * rows * n) (fun device s ->
                    device.GateAdjoint(s[0], s[1], s[2], rows, n))

            let bounds = Array.init (2 * rows * n) (fun i -> 16.0 * epsilon * abs g[i / (2 * n) * n + i % n])
            requireWithin $"adjoint of the gate of {rows} x {n}" bounds exact obtained

            let h = ordinary 8 (2 * rows * n)

            let exact, obtained = compare [ F32, x; F32, g; F32, h ] (F32, 3 * rows * n) (secondAdjoint rows n)

            let bounds =
                Array.init (3 * rows * n) (fun i ->
                    let isOfG = i >= 2 * rows * n
                    let r, j = (if isOfG then i - 2 * rows * n else i / (2 * n) * n + i % n) |> fun k -> k / n, k % n
                    let size = abs h[2 * r * n + j] + abs h[(2 * r + 1) * n + j]
                    32.0 * epsilon * size * (if isOfG then 1.0 else abs g[r * n + j]))

            requireWithin $"second adjoint of the gate of {rows} x {n}" bounds exact obtained

[<Test>]
let ``gates have the same bits with one, two and three threads`` () =
    let rows, n = 3000, 17
    let x, g, h = ordinary 1 (2 * rows * n), ordinary 2 (rows * n), ordinary 3 (2 * rows * n)

    let results () =
        [ run cpu [ F32, x ] (F32, rows * n) (fun s -> cpu.Gate(s[0], s[1], rows, n))
          run cpu [ F32, x; F32, g ] (F32, 2 * rows * n) (fun s -> cpu.GateAdjoint(s[0], s[1], s[2], rows, n))
          run cpu [ F32, x; F32, g; F32, h ] (F32, 3 * rows * n) (secondAdjoint rows n cpu) ]
        |> List.map bits

    let one = withThreads 1 results

    for threads in [ 2; 3 ] do
        equal one (withThreads threads results)
