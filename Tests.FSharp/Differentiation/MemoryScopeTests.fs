module GapLab.Tests.Differentiation.MemoryScopeTests

open System
open System.Runtime.CompilerServices
open System.Threading
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tests.Checks
open GapLab.Tests.Differentiation.DerivativeChecks

let private vector (values: float[]) = Tensor.Create(device, Shape values.Length, values)

let private ended () =
    use scope = MemoryScope.Enter()
    Tensor.Filled(device, Shape(2, 2), 1.0)

[<Test>]
let ``use after the scope has ended is refused, naming the operation`` () =
    let stale = ended ()
    let live = Tensor.Filled(device, Shape(2, 2), 1.0)
    let mask = vector [| 1.0; 0.0 |]

    let operations: (string * (unit -> Tensor)) list =
        [ "Add", fun () -> stale + live
          "Subtract", fun () -> live - stale
          "Multiply", fun () -> stale * stale
          "Divide", fun () -> live / stale
          "Negate", fun () -> -stale
          "Exp", fun () -> stale.Exp()
          "Tanh", fun () -> stale.Tanh()
          "Affine", fun () -> 2.0 * stale
          "Sum", fun () -> stale.Sum()
          "Sum", fun () -> stale.Sum 0
          "SumTo", fun () -> stale.SumTo(Shape 2)
          "Max", fun () -> stale.Max 0
          "Reshape", fun () -> stale.Reshape(Shape 4)
          "BroadcastTo", fun () -> stale.BroadcastTo(Shape(3, 2, 2))
          "To", fun () -> stale.To ElementType.Float32
          "MatMul", fun () -> live.MatMul stale
          "Linear", fun () -> live.Linear(stale, mask)
          "Linear", fun () -> live.Linear(live, stale)
          "BernoulliLogLikelihood", fun () -> stale.BernoulliLogLikelihood live
          "SelectRows", fun () -> Tensor.SelectRows(mask, stale, live)
          "SelectRows", fun () -> Tensor.SelectRows(stale, live, live)
          "GatherRows", fun () -> stale.GatherRows(ReadOnlySpan [| 0 |])
          "Copy", fun () -> stale.ToOwned() ]

    let others =
        [ "ToArray", fun () -> stale.ToArray() |> ignore
          "ToDouble", fun () -> stale.ToDouble() |> ignore
          "Assign", fun () -> live.Assign stale
          "Assign", fun () -> stale.Assign live
          "Shape", fun () -> stale.Shape |> ignore ]

    for name, action in (operations |> List.map (fun (name, action) -> name, action >> ignore)) @ others do
        throws<ScopeException> [ $"{name}:"; "ended" ] action
        // The same when the scope's memory is in use again.
        use scope = MemoryScope.Enter()
        vector [| 1.0; 2.0; 3.0; 4.0 |] |> ignore
        throws<ScopeException> [ $"{name}:"; "ended" ] action

[<Test>]
let ``an undefined tensor is refused, naming the operation`` () =
    let nothing = Tensor()
    equal false nothing.IsDefined
    throws<ScopeException> [ "Exp:"; "undefined" ] (fun () -> nothing.Exp() |> ignore)
    throws<ScopeException> [ "Add:"; "undefined" ] (fun () -> nothing + vector [| 1.0 |] |> ignore)
    equal "undefined tensor" (nothing.ToString())

[<Test>]
let ``kept tensors move to the scope around, or to the garbage collector`` () =
    let owned =
        use outer = MemoryScope.Enter()

        let inOuter =
            use inner = MemoryScope.Enter()
            let x = vector [| 1.0; 2.0 |]
            inner.Keep(x * 3.0)

        equal [| 3.0; 6.0 |] (inOuter.ToArray())
        // It is a leaf of the outer scope's tape.
        let y = inOuter.Square().Sum()
        equal [| 6.0; 12.0 |] (Gradient.Of(y, inOuter).ToArray())
        let kept = outer.Keep inOuter
        kept

    equal [| 3.0; 6.0 |] (owned.ToArray())

    // The memory of both scopes is used again: what was kept stays.
    use scope = MemoryScope.Enter()
    Tensor.Filled(device, Shape 1000, -1.0) |> ignore
    equal [| 3.0; 6.0 |] (owned.ToArray())

[<Test>]
let ``owned copies outlive every scope`` () =
    let owned =
        use scope = MemoryScope.Enter()
        (vector [| 4.0 |]).ToOwned()

    use scope = MemoryScope.Enter()
    vector [| 5.0 |] |> ignore
    equal 4.0 (owned.ToDouble())

[<Test>]
let ``a copy in a scope is a leaf of its own`` () =
    let parameter = vector [| 1.0; 2.0 |]
    use scope = MemoryScope.Enter()
    let copy = scope.Copy parameter
    copy.Assign(vector [| 8.0; 9.0 |])
    equal [| 1.0; 2.0 |] (parameter.ToArray())
    equal [| 8.0; 9.0 |] (copy.ToArray())
    equal [| 0.0; 0.0 |] (Gradient.Of(copy.Exp(), parameter).ToArray())

[<Test>]
let ``scopes are left once, inner ones first`` () =
    let outer = MemoryScope.Enter()
    let inner = MemoryScope.Enter()
    throws<ScopeException> [ "MemoryScope"; "inner" ] (fun () -> outer.Dispose())
    throws<ScopeException> [ "Keep"; "innermost" ] (fun () -> outer.Keep(vector [| 1.0 |]) |> ignore)
    let x = vector [| 2.0 |]
    equal 2.0 (x.ToDouble())
    inner.Dispose()
    throws<ScopeException> [ "MemoryScope" ] (fun () -> inner.Dispose())
    outer.Dispose()
    throws<ScopeException> [ "MemoryScope" ] (fun () -> outer.Dispose())

[<Test>]
let ``a scope belongs to its thread`` () =
    use scope = MemoryScope.Enter()
    let x = vector [| 2.0 |]
    let mutable failure: exn = null
    let mutable elsewhere = Tensor()

    let thread =
        Thread(fun () ->
            try
                scope.Dispose()
            with e ->
                failure <- e
            // Without a scope on that thread the result belongs to the garbage collector.
            elsewhere <- x * 3.0)

    thread.Start()
    thread.Join()
    holds "leaving it elsewhere is refused" (failure :? ScopeException)
    equal 6.0 (elsewhere.ToDouble())
    throws<ScopeException> [ "Gradient" ] (fun () -> Gradient.Of(elsewhere, x) |> ignore)
    equal [| 4.0 |] (Gradient.Of(x.Square(), x).ToArray())

[<Test>]
let ``scopes of several threads do not disturb each other`` () =
    let results = Array.zeroCreate<float[]> 4

    let threads =
        results
        |> Array.mapi (fun t _ ->
            Thread(fun () ->
                for _ in 1..50 do
                    use scope = MemoryScope.Enter()
                    let x = vector (Array.init 100 (fun i -> float (i + t)))
                    results[t] <- Gradient.Of(x.Square().Sum(), x).ToArray()))

    for thread in threads do
        thread.Start()

    for thread in threads do
        thread.Join()

    for t in 0..3 do
        equal (Array.init 100 (fun i -> 2.0 * float (i + t))) results[t]

[<MethodImpl(MethodImplOptions.NoInlining)>]
let private garbage count =
    for i in 1..count do
        Tensor.Filled(CpuDevice.Instance, Shape 10000, float i).Exp() |> ignore

let private collect () =
    GC.Collect()
    GC.WaitForPendingFinalizers()
    GC.Collect()

[<Test>]
let ``tensors outside scopes survive collections while they are held, and are freed after`` () =
    let cpu = CpuDevice.Instance
    collect ()
    let before = cpu.AllocatedBytes
    let held = [| for i in 1..50 -> Tensor.Filled(cpu, Shape 1000, float i) |]
    // A view holds what it looks at.
    let view = Tensor.Filled(cpu, Shape(10, 10), 7.0).Reshape(Shape 100)
    garbage 100
    collect ()
    garbage 10

    for i in 1..50 do
        equal (Array.create 1000 (float i)) (held[i - 1].ToArray())

    equal (Array.create 100 7.0) (view.ToArray())
    collect ()
    let needed = 50L * 4000L
    let kept = cpu.AllocatedBytes - before
    // Each is rounded up to 64 bytes; the 110 pairs of 40,000 bytes are gone, but for a few that stack slots may still name.
    holds $"{kept} bytes are at least the tensors held" (kept >= needed)
    holds $"{kept} bytes are little more than the tensors held" (kept < needed + 10L * 40_000L)
    GC.KeepAlive held

[<Test; NonParallelizable>]
let ``a large scope holds little more than its tensors need`` () =
    let cpu = CpuDevice.Instance
    let mutable first, later = 0L, 0L

    // A new thread has no scopes to use again.
    let thread =
        Thread(fun () ->
            collect ()
            let before = cpu.AllocatedBytes

            let round () =
                cpu.ResetPeak()
                use _ = MemoryScope.Enter()

                for _ in 1..57 do
                    Tensor.Filled(cpu, Shape 1_000_000, 1.0) |> ignore

                cpu.PeakBytes - before

            first <- round ()
            round () |> ignore
            later <- round ())

    thread.Start()
    thread.Join()
    let needed = 57L * 4_000_000L
    holds $"{first} bytes of the first round are not twice {needed}" (first < needed * 3L / 2L)

    holds
        $"{later} bytes of a later one are at most an eighth more than {needed}"
        (later >= needed && later < needed * 9L / 8L)

[<Test>]
let ``repeating a scope allocates nothing after the first rounds`` () =
    for device: Device in [ CpuDevice.Instance :> Device; device ] do
        let weight, bias = Tensor.Filled(device, Shape(64, 50), 0.01), Tensor.Filled(device, Shape 64, 0.1)
        let x = Tensor.Filled(device, Shape(40, 50), 0.5)

        let round () =
            use outer = MemoryScope.Enter()
            let hidden = x.Linear(weight, bias, Activation.Elu)

            let kept =
                use inner = MemoryScope.Enter()
                let y = hidden.Square().Sum()
                inner.Keep(Gradient.Of(y, weight))

            Gradient.Of((hidden * 2.0).Sum(), bias) |> ignore
            (kept * 1.0).Sum().ToDouble()

        let first = round ()
        round () |> ignore
        collect ()
        let before = device.AllocatedBytes
        device.ResetPeak()

        for _ in 1..100 do
            equal first (round ())

        holds $"{device.Name}: no more is held after than before" (device.AllocatedBytes <= before)
        holds $"{device.Name}: nor was more in between" (device.PeakBytes <= before)

[<Test>]
let ``after the first round a scope's memory is in one piece, little more than it needs`` () =
    let cpu = CpuDevice.Instance
    let mutable held, adjacent = 0L, false

    // A thread of its own has no scopes to reuse.
    let thread =
        Thread(fun () ->
            collect ()
            let before = cpu.AllocatedBytes

            for _ in 1..3 do
                use scope = MemoryScope.Enter()

                let addresses =
                    [ for i in 1..20 -> (Tensor.Filled(cpu, Shape 100_000, float i).StorageOf "test").Address ]

                adjacent <- addresses |> List.pairwise |> List.forall (fun (a, b) -> int64 (b - a) = 400_000L)

            held <- cpu.AllocatedBytes - before)

    thread.Start()
    thread.Join()
    holds "tensors lie next to each other" adjacent
    holds $"{held} bytes are enough" (held >= 8_000_000L)
    // The first round's blocks double in size.
    holds $"{held} bytes are not three times what is needed" (held < 24_000_000L)

[<Test>]
let ``a repeated scope hands out the same memory`` () =
    let address () =
        use scope = MemoryScope.Enter()
        let x = Tensor.Filled(device, Shape 100, 1.0)
        ((x + 1.0).Exp().StorageOf "test").Address

    address () |> ignore
    equal (address ()) (address ())

[<Test>]
let ``tensors print their type, shape and few numbers`` () =
    equal "Float64 [2] { 1, 2.5 }" ((vector [| 1.0; 2.5 |]).ToString())
    equal "Float64 [100]" (Tensor.Filled(device, Shape 100, 1.0).ToString())

[<Test>]
let ``gathered rows come in the order asked for`` () =
    let x = Tensor.Create(device, Shape(3, 2), [| 1.0; 2.0; 3.0; 4.0; 5.0; 6.0 |])
    equal [| 5.0; 6.0; 1.0; 2.0; 5.0; 6.0 |] (x.GatherRows(ReadOnlySpan [| 2; 0; 2 |]).ToArray())

[<Test>]
let ``normals are those of the stream`` () =
    let stream = RandomStream(3UL, RandomPurpose.Test)
    let x = Tensor.Normal(device, stream, ReadOnlySpan [| 4; 2 |], 5, 1, Shape(3, 2), 2L)
    equal (Shape(2, 3, 2)) x.Shape

    let row datapoint =
        (let values = Array.zeroCreate<float32> 8 in
         stream.At(datapoint, 5, 1).FillNormal(Span values)
         Array.map float values[2..])

    equal (Array.append (row 4) (row 2)) (x.ToArray())

[<Test>]
let ``without a tape there are no gradients, and asking for them is refused`` () =
    use _ = MemoryScope.Enter(record = false)
    let x = vector [| 1.0; 2.0 |]
    let y = x.Square()
    throws<ScopeException> [ "without a tape" ] (fun () -> Gradient.Of(y, x) |> ignore)
    // A scope inside may keep one; but then not for what is computed outside of it.
    use _ = MemoryScope.Enter()
    equal [| 2.0; 4.0 |] (Gradient.Of(x.Square(), x).ToArray())
    equal [| 2.0; 4.0 |] (Gradient.Of(x.Square(), x, createGraph = true).ToArray())

[<Test>]
let ``a gradient that shall be differentiated needs a tape in the innermost scope`` () =
    use _ = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0 |]
    let y = x.Square()
    use _ = MemoryScope.Enter(record = false)
    equal [| 2.0; 4.0 |] (Gradient.Of(y, x).ToArray())
    throws<ScopeException> [ "without a tape" ] (fun () -> Gradient.Of(y, x, createGraph = true) |> ignore)

[<Test>]
let ``a detached tensor has the numbers but lets no gradient through`` () =
    use _ = MemoryScope.Enter()
    let x = vector [| 1.0; 2.0 |]
    let y = x.Square()
    equal (y.ToArray()) (y.Detach().ToArray())
    equal [| 1.0; 4.0 |] (Gradient.Of(x * y.Detach(), x).ToArray())

[<Test>]
let ``a tensor without elements can be owned, copied, picked and collected like any other`` () =
    for device in [ CpuDevice.Instance :> Device; Reference.ReferenceDevice.Instance ] do
        let make () =
            let empty = Tensor.Filled(device, Shape(0, 3), 1.0)
            let picked = (Tensor.Filled(device, Shape(2, 3), 1.0)).GatherRows(ReadOnlySpan [||])
            equal (Shape(0, 3)) picked.Shape
            equal [||] (empty.ToOwned().ToArray())
            equal 0.0 ((empty + empty).Sum().ToDouble())

        make ()
        // Their memory is given back by finalizers, where an exception would end the process.
        collect ()
