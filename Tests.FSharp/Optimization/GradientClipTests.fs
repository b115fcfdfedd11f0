module GapLab.Tests.Optimization.GradientClipTests

open System
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Differentiation
open GapLab.Optimization
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private devices: Device list = [ ReferenceDevice.Instance; CpuDevice.Instance ]

let private matrices device (seed: int) =
    let random = Random seed
    let rows = random.Next(1, 5)

    [| for _ in 0 .. random.Next 3 ->
           let columns = random.Next(1, 20)

           Tensor.Create(
               device,
               Shape(rows, columns),
               Array.init (rows * columns) (fun _ -> 4.0 * random.NextDouble() - 2.0)
           ) |]

let private norm (values: float seq) = values |> Seq.sumBy (fun v -> v * v) |> sqrt
let private numbers (tensors: Tensor[]) = tensors |> Array.collect _.ToArray()

[<Property(MaxTest = 30)>]
let ``tensors that are clipped together keep their direction and get the threshold's norm`` (seed: int) =
    for device in devices do
        let given = matrices device seed
        let before = numbers given
        near (1e-5 * norm before) (norm before) (GradientClip.Norm given)

        for part in [ 0.5; 0.01 ] do
            let clipped = Array.copy given
            let threshold = part * norm before
            GradientClip.Jointly(Span clipped, threshold)
            let factor = threshold / (norm before + 1e-6)
            close "clipped" 1e-6 (before |> Array.map (fun v -> factor * v)) (numbers clipped)

        let kept = Array.copy given
        GradientClip.Jointly(Span kept, norm before + 1.0)
        equalFor "untouched below the threshold" before (numbers kept)

[<Property(MaxTest = 30)>]
let ``rows are clipped by themselves`` (seed: int) =
    for device in devices do
        let given = matrices device seed
        let rows = given[0].Shape[0]
        let rowOf i (tensors: Tensor[]) = tensors |> Array.map _.GatherRows(ReadOnlySpan [| i |])
        let threshold = 0.7 * norm (numbers (rowOf 0 given))
        let clipped = Array.copy given
        GradientClip.ByRow(Span clipped, threshold)

        for i in 0 .. rows - 1 do
            let alone = rowOf i given
            let expected = norm (numbers alone)
            GradientClip.ByRow(Span alone, threshold)
            equalFor "a row does not depend on the others" (numbers alone) (numbers (rowOf i clipped))
            near 1e-5 (min threshold expected) (norm (numbers alone))

            if expected < threshold then
                equalFor "untouched below the threshold" (numbers (rowOf i given)) (numbers alone)

[<Test>]
let ``squares that are too large for single precision do not hide the gradient`` () =
    let tensor = [| Tensor.Create(CpuDevice.Instance, Shape 2, [| 3e30; 4e30 |]) |]
    near 1e24 5e30 (GradientClip.Norm tensor)
    GradientClip.Jointly(Span tensor, 5.0)
    close "clipped" 1e-6 [| 3.0; 4.0 |] (tensor[0].ToArray())

[<Test>]
let ``the factor of clipping is 1 below the threshold, and no number where the norm is none`` () =
    let tensor value = [| Tensor.Create(ReferenceDevice.Instance, Shape 2, [| value; 4.0 |]) |]
    equal 1.0 (GradientClip.Factor(tensor 3.0, 5.1))
    near 1e-6 0.5 (GradientClip.Factor(tensor 3.0, 2.5))
    holds "no number" (Double.IsNaN(GradientClip.Factor(tensor nan, 2.5)))
