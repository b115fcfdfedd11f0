/// Networks that read sequences of words.
module GapLab.Tests.Networks.LstmTests

open System
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Networks
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tests.Checks

let private reference = ReferenceDevice.Instance :> Device
let private cpu = CpuDevice.Instance :> Device
let private stream = RandomStream(1UL, RandomPurpose.Initialization)

/// 0.8 sin(1.7 i + k) for i = 0, 1, ...
let private waves device k (sizes: int list) =
    let shape = Shape(List.toArray sizes)
    Tensor.Create(device, shape, Array.init shape.Count (fun i -> 0.8 * sin (1.7 * float i + float k)))

let private network device constants =
    let parameters = ParameterSet device
    let lstm = Lstm(parameters, "lstm", 2, 3, stream, constants)
    parameters |> Seq.iteri (fun i p -> p.Assign(waves device (i + 1) (List.ofArray (p.Shape.Span.ToArray()))))
    parameters, lstm

[<Test>]
let ``an LSTM with a softmax gives PyTorch's numbers`` () =
    // torch.nn.LSTM(2, 3) and log_softmax in float64 (PyTorch 1.13, one thread): parameters, inputs, first state and output layer are these waves, the second bias is 0.
    let logProbs =
        [| -0.8997854939245128
           -1.9872230556588695
           -0.9347759913192283
           -2.195617200720064
           -2.4148005356990065
           -2.18692735808319 |]

    // Lengths of the gradients of their sum: input weights and biases, state weights, first state, output weights and biases.
    let lengths =
        [| 0.4068391642972594
           0.5259536177063076
           0.27675906168842557
           0.2692569419726773
           0.5701452381542484
           3.011047097285615 |]

    for device, tolerance in [ reference, 1e-13; cpu, 2e-6 ] do
        use _ = MemoryScope.Enter()
        let parameters, lstm = network device 0
        equal [ "lstm.input.weight"; "lstm.input.bias"; "lstm.state.weight" ] (List.ofSeq parameters.Names)
        equal [ Shape(12, 2); Shape 12; Shape(12, 3) ] [ for p in parameters -> p.Shape ]
        let x, first = waves device 4 [ 6; 2 ], waves device 5 [ 2; 3 ]
        let weight, bias = waves device 6 [ 4; 3 ], waves device 7 [ 4 ]
        let hidden = lstm.Forward(parameters, x, 3, first)
        let l = hidden.LinearCategoricalLogLikelihood(weight, bias, ReadOnlyMemory [| 1; 3; 0; 2; 2; 2 |])
        close "log-probabilities" tolerance logProbs (l.ToArray())
        let wanted = [| parameters[0]; parameters[1]; parameters[2]; first; weight; bias |]
        let gradients = Array.zeroCreate<Tensor> 6
        Gradient.Of(l, ReadOnlySpan wanted, Span gradients)
        close "gradients" (5.0 * tolerance) lengths [| for g in gradients -> sqrt (g.Square().Sum().ToDouble()) |]

[<Test>]
let ``positions one by one give the bits of all at once, with samples that share their inputs`` () =
    for device in [ reference; cpu ] do
        use _ = MemoryScope.Enter()
        let parameters, lstm = network device 2
        equal "lstm.constant.weight" parameters.Names[3]
        let x, z, first = waves device 4 [ 6; 2 ], waves device 5 [ 4; 2 ], waves device 6 [ 4; 3 ]
        let projected = lstm.Project(parameters, z)
        let all = lstm.Forward(parameters, x, 3, first, projected)
        equal (Shape(12, 3)) all.Shape
        let struct (_, zeros) = lstm.InitialState(device, 4)
        let mutable state = struct (first, zeros)

        for t in 0..2 do
            let inputs = x.Embed(ReadOnlyMemory [| 2 * t; 2 * t; 2 * t + 1; 2 * t + 1 |])
            state <- lstm.Step(parameters, inputs, state, projected)
            let struct (hidden, _) = state
            equal (all.ToArray()[12 * t .. 12 * t + 11]) (hidden.ToArray())

[<Test>]
let ``values, gradients and Hessian-vector products do not depend on the number of threads`` () =
    let size, words, rows, positions = 70, 301, 7, 5

    let normal seed (sizes: int list) =
        let shape = Shape(List.toArray sizes)
        let random = Random(seed: int)
        Tensor.Create(cpu, shape, Array.init shape.Count (fun _ -> 0.4 * (random.NextDouble() - 0.5)))

    let work () =
        use _ = MemoryScope.Enter()
        let weight, first = normal 1 [ 4 * size; size ], normal 2 [ rows; size ]
        let table, input = normal 3 [ words; size ], normal 4 [ 4 * size; size ]
        let output, bias = normal 5 [ words; size ], normal 6 [ words ]
        let ids = Array.init (rows * positions) (fun i -> 37 * i % words)
        let x = table.Embed(ReadOnlyMemory ids).MatMul(input, transposeOther = true)
        let h = x.Lstm(weight, first, positions)
        let l = h.LinearCategoricalLogLikelihood(output, bias, ReadOnlyMemory ids)
        let u, v = [| first |], [| normal 7 [ rows; size ] |]
        let wanted = [| weight; first; table; input; output; bias |]
        let gradients, products = Array.zeroCreate<Tensor> 1, Array.zeroCreate<Tensor> wanted.Length

        HessianVectorProduct.Of(l, ReadOnlySpan u, ReadOnlySpan v, ReadOnlySpan wanted, Span gradients, Span products)
        let first = Array.zeroCreate<Tensor> wanted.Length
        Gradient.Of(l, ReadOnlySpan wanted, Span first)

        Array.concat
            [ l.ToArray()
              gradients[0].ToArray()
              products |> Array.collect _.ToArray()
              first |> Array.collect _.ToArray() ]

    let withThreads threads =
        let before = WorkerPool.Threads
        WorkerPool.Threads <- threads

        try
            work ()
        finally
            WorkerPool.Threads <- before

    let one = withThreads 1
    holds "all are finite" (Array.forall Double.IsFinite one)

    for threads in [ 2; 3 ] do
        equal one (withThreads threads)
