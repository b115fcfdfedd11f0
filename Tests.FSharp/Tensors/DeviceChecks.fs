/// What the tests of CpuDevice share: guarded buffers, numbers with edge values, tolerances, the comparison with ReferenceDevice.
module GapLab.Tests.Tensors.DeviceChecks

#nowarn "9" // Storages are raw addresses.

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

// Every primitive of CpuDevice against ReferenceDevice. The reference works on float64 copies of the very same numbers, so all
// differences are the CPU device's. Tolerances are units in the last place of the float32 nearest to the exact result ("ulps"), or,
// for sums, multiples of 2^-24 times the sum of the absolute values of the terms:
//
//   moving, comparing, Negate, Square, Add, Subtract, Multiply, Max         0 ulps
//   Sqrt, Reciprocal, Divide                                                0 ulps; 1 where the result is denormal
//   Affine                                                                  1 ulp (one fused rounding)
//   Exp 1, Log 2, Sigmoid 3, Softplus 4, Tanh 3, Elu 2                      ulps, as SimdMath states
//   Sum                                                                     float64: 1e-14 Σ|x|; stored as float32: 1 ulp more
//   MatrixProduct, Linear                                                   (k + 2) 2^-24 (Σ|x w| + |b|), after the activation 4 ulps more
//   ActivationAdjoint                                                       4 · 2^-24 |g|
//   BernoulliLogLikelihood                                                  6 · 2^-24 Σ (|x a| + softplus a)
//   BernoulliLogLikelihoodAdjoint                                           6 · 2^-24 |g|
//   FillNormal                                                              0 ulps
//   Adam                                                                    m, v: 4 · 2^-24 of their terms; p: 2^-23 |p| + 16 · 2^-24 |step|

let cpu: Device = CpuDevice.Instance
let reference: Device = ReferenceDevice.Instance
let epsilon = Math.Pow(2.0, -24.0)
let soak = Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1"

/// Device memory with guards of 64 bytes on both sides, to see writes out of bounds.
type Buffer(device: Device, elementType: ElementType, values: float[]) =
    let size = int64 (Storage.SizeOf elementType)
    let guard = int (64L / size)
    let bytes = int64 (values.Length + 2 * guard) * size
    let address = device.Allocate bytes
    let all = Storage(address, values.Length + 2 * guard, elementType)
    let inner = Storage(address + 64n, values.Length, elementType)

    do
        device.Fill(all, 12345.0)
        device.Write(ReadOnlySpan<float> values, inner)

    member _.Storage = inner

    member _.Values =
        let content = Array.zeroCreate<float> all.Length
        device.Read(all, Span content)
        let isGuard = Array.forall ((=) 12345.0)

        if not (isGuard content[.. guard - 1] && isGuard content[content.Length - guard ..]) then
            Assert.Fail $"{device.Name} wrote outside a storage of {values.Length} numbers."

        Array.sub content guard values.Length

    interface IDisposable with
        member _.Dispose() = device.Free(address, bytes)

/// What a primitive leaves in its last buffer, which starts as NaNs. The other buffers hold the given numbers.
let run
    (device: Device)
    (inputs: (ElementType * float[]) list)
    (outputType, outputLength)
    (action: Storage list -> unit)
    =
    let typeOn elementType = if device.Real = ElementType.Float64 then ElementType.Float64 else elementType
    let buffers = inputs |> List.map (fun (t, values) -> new Buffer(device, typeOn t, values))
    use output = new Buffer(device, typeOn outputType, Array.create outputLength nan)

    try
        action ((buffers |> List.map _.Storage) @ [ output.Storage ])
        // Inputs stay as they are, and so do their guards.
        for buffer, (_, values) in List.zip buffers inputs do
            equal values buffer.Values

        output.Values
    finally
        for buffer in buffers do
            (buffer :> IDisposable).Dispose()

let edges =
    [| 0.0
       -0.0
       1.0
       -1.0
       1e-3
       -1e-3
       100.0
       -100.0
       30.0
       -30.0
       0.5
       -0.5
       infinity
       -infinity
       nan
       float Single.Epsilon
       -(float Single.Epsilon)
       1e-40
       -1e-40
       float Single.MaxValue
       float Single.MinValue
       88.0
       -88.0
       1e-7
       -1e-7 |]
    |> Array.map (float32 >> float)

/// Normal numbers rounded to float32; every tenth one is an edge value where asked for.
let numbers withEdges (seed: int) length =
    let random = Random seed

    Array.init length (fun i ->
        if withEdges && (i + seed) % 10 = 3 then
            edges[random.Next edges.Length]
        else
            float (float32 (2.0 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5))))

let ordinary = numbers false

/// Distance from the exact result in ulps of the float32 nearest to it.
let ulps (exact: float) (obtained: float) =
    let nearest = float32 exact

    if Double.IsNaN exact then
        (if Double.IsNaN obtained then 0.0 else infinity)
    elif float nearest = obtained then
        0.0
    elif not (Single.IsFinite nearest && Double.IsFinite obtained) then
        infinity
    else
        abs (obtained - exact) / (float (MathF.BitIncrement(abs nearest)) - float (abs nearest))

let requireUlps what limit (exact: float[]) (obtained: float[]) =
    Array.iteri2
        (fun i e o ->
            if not (ulps e o <= limit) then
                Assert.Fail $"{what}, element {i}: {o:R} instead of {e:R}, {ulps e o} ulps")
        exact
        obtained

/// |obtained - exact| at most bound; both NaN or the same infinity otherwise.
let requireWithin what (bounds: float[]) (exact: float[]) (obtained: float[]) =
    for i in 0 .. exact.Length - 1 do
        let agree =
            exact[i] = obtained[i]
            || (Double.IsNaN exact[i] && Double.IsNaN obtained[i])
            || abs (exact[i] - obtained[i]) <= bounds[i] + 1e-44

        if not agree then
            Assert.Fail $"{what}, element {i}: {obtained[i]:R} instead of {exact[i]:R}, allowed {bounds[i]:R}"

    equal exact.Length obtained.Length

let compare inputs output action =
    run reference inputs output (action reference), run cpu inputs output (action cpu)

let F32, F64 = ElementType.Float32, ElementType.Float64
let lengths = [ 0; 1; 2; 3; 7; 8; 15; 16; 17; 31; 32; 33; 63; 64; 65; 100; 1000 ]

let withThreads threads (work: unit -> 'a) =
    let before = WorkerPool.Threads
    WorkerPool.Threads <- threads

    try
        work ()
    finally
        WorkerPool.Threads <- before

let bits (values: float[]) = values |> Array.map BitConverter.DoubleToInt64Bits

let pixels seed length =
    let random = Random(seed: int)
    Array.init length (fun _ -> [| 0.0; 1.0; 0.25 |][random.Next 3])

/// Logits of the usual size, with 100, -100, zeros and denormals among them; infinities and NaN only where asked for.
let logits extreme seed length =
    numbers true seed length |> Array.map (fun a -> if extreme || abs a <= 100.0 then a else 0.0)
