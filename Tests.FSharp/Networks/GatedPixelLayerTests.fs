/// A layer of the gated PixelCNN against its definition, pixel by pixel.
module GapLab.Tests.Networks.GatedPixelLayerTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Networks
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

let private stream = RandomStream(1UL, RandomPurpose.Test)

let private make (device: Device) inputs channels kernel isFirst skipsRow =
    let parameters = ParameterSet device
    parameters, GatedPixelLayer(parameters, "layer", inputs, channels, kernel, isFirst, stream, skipsRow)

let private numbers seed (sizes: int[]) = (operand (Random(seed: int)) sizes).Values

let private images (device: Device) (sizes: int[]) (values: float[]) =
    Tensor.Create(device, Shape sizes, ReadOnlySpan values)

/// v' and h' of one image by loops over a square kernel that is centred on the pixel, with the weights that the published code masks by moving its outputs left out.
let private byDefinition
    (parameters: ParameterSet)
    isFirst
    skipsRow
    kernel
    (height, width, inputs, channels)
    (v: float[])
    (h: float[])
    =
    let part (name: string) = parameters[parameters.Names |> Seq.findIndex ((=) $"layer.{name}")].ToArray()

    let reach = kernel / 2
    let at (x: float[]) i j c = if i < 0 || j < 0 || j >= width then 0.0 else x[(i * width + j) * inputs + c]
    let sigmoid x = 1.0 / (1.0 + exp -x)
    let gate (a: float[]) = Array.init channels (fun o -> tanh a[o] * sigmoid a[channels + o])

    let linear name (x: float[]) =
        let weight, bias = part $"{name}.weight", part $"{name}.bias"
        bias |> Array.mapi (fun o b -> b + Seq.sum (Seq.mapi (fun c xc -> weight[o * x.Length + c] * xc) x))

    let vertical, verticalBias = part "vertical.weight", part "vertical.bias"
    let horizontal, horizontalBias = part "horizontal.weight", part "horizontal.bias"
    let lastRow = if isFirst || skipsRow then -1 else 0
    let lastColumn = if isFirst then -1 else 0

    [| for i in 0 .. height - 1 do
           for j in 0 .. width - 1 do
               let above =
                   Array.init (2 * channels) (fun o ->
                       verticalBias[o]
                       + Seq.sum (
                           seq {
                               for r in 0..reach do
                                   for s in -reach .. reach do
                                       for c in 0 .. inputs - 1 do
                                           vertical[((o * (reach + 1) + r) * kernel + s + reach) * inputs + c]
                                           * at v (i - reach + r + lastRow) (j + s) c
                           }
                       ))

               let left =
                   Array.init (2 * channels) (fun o ->
                       horizontalBias[o]
                       + Seq.sum (
                           seq {
                               for s in 0..reach do
                                   for c in 0 .. inputs - 1 do
                                       horizontal[(o * (reach + 1) + s) * inputs + c]
                                       * at h i (j - reach + s + lastColumn) c
                           }
                       ))

               let output = linear "output" (gate (Array.map2 (+) left (linear "across" above)))

               let carried = if isFirst then output else Array.mapi (fun c y -> y + at h i j c) output

               yield gate above, carried |]
    |> fun pixels -> Array.collect fst pixels, Array.collect snd pixels

[<TestCase(1)>]
[<TestCase(3)>]
[<TestCase(5)>]
[<TestCase(7)>]
let ``both stacks are those of the definition`` (kernel: int) =
    for height, width in [ 4, 5; 1, 6; 3, 1 ] do
        for isFirst, skipsRow in [ true, true; false, true; false, false ] do
            let inputs, channels = (if isFirst then 2 else 3), 3

            for device, tolerance in [ device :> Device, 1e-13; CpuDevice.Instance, 2e-6 ] do
                let parameters, layer = make device inputs channels kernel isFirst skipsRow
                let sizes = [| 2; height; width; inputs |]
                let v = numbers 1 sizes
                let h = if isFirst then v else numbers 2 sizes
                let struct (v', h') = layer.Forward(parameters, images device sizes v, images device sizes h)
                let half = v.Length / 2

                let expected =
                    [ for image in 0..1 ->
                          let of' (x: float[]) = x[image * half .. (image + 1) * half - 1]

                          byDefinition
                              parameters
                              isFirst
                              skipsRow
                              kernel
                              (height, width, inputs, channels)
                              (of' v)
                              (of' h) ]

                close $"vertical {height} x {width}" tolerance (Array.concat (List.map fst expected)) (v'.ToArray())
                close $"horizontal {height} x {width}" tolerance (Array.concat (List.map snd expected)) (h'.ToArray())

[<Test>]
let ``a first layer can see channels that the samples share and others that they do not`` () =
    let parameters, layer = make device 3 2 5 true true
    let image = images device [| 2; 3; 4; 1 |] (numbers 1 [| 24 |])
    let maps = images device [| 6; 3; 4; 2 |] (numbers 2 [| 144 |])
    let unmasked = images device [| 6; 3; 4; 4 |] (numbers 3 [| 288 |])
    let copied = image.Reshape(Shape(2, 12)).GatherRows(ReadOnlySpan [| 0; 0; 0; 1; 1; 1 |])
    let together = Tensor.Concatenate(copied.Reshape(Shape(6, 3, 4, 1)), maps)
    let struct (v, h) = layer.Forward(parameters, together, together)
    let struct (v', h') = layer.ForwardFirst(parameters, image, maps, Tensor(), false)
    close "vertical" 1e-14 (v.ToArray()) (v'.ToArray())
    close "horizontal" 1e-14 (h.ToArray()) (h'.ToArray())
    let struct (_, moved) = layer.ForwardFirst(parameters, image, maps, unmasked, false)
    // Whatever is unmasked acts on its own pixel alone.
    let only = Array.init 288 (fun i -> if i / 4 = 17 then 1.0 else 0.0)

    let struct (_, single) =
        layer.ForwardFirst(parameters, image, maps, unmasked * images device [| 6; 3; 4; 4 |] only, false)

    let changed = Array.map2 (<>) (h'.ToArray()) (single.ToArray())
    equal [| for i in 0 .. changed.Length - 1 -> i / 2 = 17 |] changed
    equal (moved.ToArray()[34..35]) (single.ToArray()[34..35])

[<Test>]
let ``layers can be differentiated twice`` () =
    for isFirst, skipsRow in [ true, true; false, true; false, false ] do
        let inputs = if isFirst then 1 else 2
        let parameters, layer = make device inputs 2 3 isFirst skipsRow
        let random = Random 7
        let sizes = [| 2; 3; 2; inputs |]

        let operands =
            [| operand random sizes
               operand random sizes
               for p in parameters do
                   operand random (p.Shape.Span.ToArray()) |]

        let output (t: Tensor[]) =
            let struct (v, h) = layer.Forward(parameters.With(ReadOnlySpan t[2..]), t[0], t[1])
            Tensor.Concatenate(v, h)

        checkGradients $"first: {isFirst}, skips a row: {skipsRow}" output operands
        checkSecondDerivatives $"first: {isFirst}, skips a row: {skipsRow}" output operands

[<Test>]
let ``sizes that make no layer are refused`` () =
    for kernel in [ 0; 2; -3 ] do
        throws<ShapeException> [ "GatedPixelLayer"; $"size {kernel}"; "odd" ] (fun () ->
            make device 1 2 kernel true true |> ignore)

    throws<ShapeException> [ "GatedPixelLayer"; "3 channels"; "2" ] (fun () -> make device 3 2 3 false true |> ignore)
