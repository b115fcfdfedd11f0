module GapLab.Tests.Tensors.MatrixProductTests

#nowarn "9" // The product works on raw addresses.

open System
open System.Threading.Tasks
open FSharp.NativeInterop
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tensors.Cpu

type Case =
    {
        M: int
        N: int
        K: int
        TransA: bool
        TransB: bool
        Accumulate: bool
        /// Unused numbers at the end of every row of A, B and C.
        Gap: int
        Bias: bool
        Activation: Activation
    }

let plain m n k =
    { M = m
      N = n
      K = k
      TransA = false
      TransB = false
      Accumulate = false
      Gap = 0
      Bias = false
      Activation = Activation.Identity }

type Operands =
    { A: float32[]
      Lda: int
      B: float32[]
      Ldb: int
      C: float32[]
      Ldc: int
      Shift: float32[] }

let private fill (random: Random) length = Array.init length (fun _ -> float32 (random.NextDouble() * 2.0 - 1.0))

let operands seed case =
    let random = Random(seed)
    let rowsA, lengthA = if case.TransA then case.K, case.M else case.M, case.K
    let rowsB, lengthB = if case.TransB then case.N, case.K else case.K, case.N

    { Lda = lengthA + case.Gap
      A = fill random (rowsA * (lengthA + case.Gap) + 1)
      Ldb = lengthB + case.Gap
      B = fill random (rowsB * (lengthB + case.Gap) + 1)
      Ldc = case.N + case.Gap
      C = fill random (case.M * (case.N + case.Gap) + 1)
      Shift = fill random (case.N + 1) }

/// The definition: one chain of fused multiply-adds per output, k ascending, then the bias. No activation.
let expected case o =
    let c = Array.copy o.C

    for i in 0 .. case.M - 1 do
        for j in 0 .. case.N - 1 do
            let mutable sum = if case.Accumulate then c[i * o.Ldc + j] else 0.0f

            for k in 0 .. case.K - 1 do
                let a = if case.TransA then o.A[k * o.Lda + i] else o.A[i * o.Lda + k]
                let b = if case.TransB then o.B[j * o.Ldb + k] else o.B[k * o.Ldb + j]
                sum <- MathF.FusedMultiplyAdd(a, b, sum)

            c[i * o.Ldc + j] <- if case.Bias then sum + o.Shift[j] else sum

    c

/// C by MatrixProduct, with B packed beforehand when `packed` is set; numbers between rows are part of the result.
let computed packed case o =
    let c = Array.copy o.C
    use a = fixed o.A
    use b = fixed o.B
    use p = fixed c
    use shift = fixed o.Shift
    let bias = if case.Bias then shift else NativePtr.nullPtr
    let epilogue = Epilogue(bias, case.Activation)

    if packed then
        use matrix = new PackedMatrix(case.K, case.N, b, nativeint o.Ldb, case.TransB)

        MatrixProduct.Multiply(
            a,
            nativeint o.Lda,
            case.TransA,
            matrix,
            p,
            nativeint o.Ldc,
            case.M,
            case.Accumulate,
            epilogue
        )
    else
        MatrixProduct.Multiply(
            a,
            nativeint o.Lda,
            case.TransA,
            b,
            nativeint o.Ldb,
            case.TransB,
            p,
            nativeint o.Ldc,
            case.M,
            case.N,
            case.K,
            case.Accumulate,
            epilogue
        )

    c

let private sets =
    // 512-bit code runs everywhere, in software where the hardware is missing, but only slowly.
    [ 512, MicroKernelSet.Width512; 256, MicroKernelSet.Width256; 128, MicroKernelSet.Width128 ]
    |> List.filter (fun (width, _) -> width <= max 128 MicroKernelSet.Widest.Width)

/// Runs the work with given kernels, threads and lengths of a block, and puts the defaults back.
let private configured (kernels: MicroKernelSet) threads depth rows work =
    let before = MicroKernelSet.Current, WorkerPool.Threads, MatrixProduct.MaxDepth, MatrixProduct.MaxRows

    try
        MicroKernelSet.Current <- kernels
        WorkerPool.Threads <- threads
        MatrixProduct.MaxDepth <- depth
        MatrixProduct.MaxRows <- rows
        work ()
    finally
        let set, count, maxDepth, maxRows = before
        MicroKernelSet.Current <- set
        WorkerPool.Threads <- count
        MatrixProduct.MaxDepth <- maxDepth
        MatrixProduct.MaxRows <- maxRows

let bits (x: float32[]) = Array.map BitConverter.SingleToInt32Bits x

let private check packed case =
    let o = operands (case.M + 100 * case.N + 10000 * case.K) case
    let actual = computed packed case o

    if bits actual <> bits (expected case o) then
        Assert.Fail(
            $"packed = %b{packed}, threads = {WorkerPool.Threads}, width = {MicroKernelSet.Current.Width}: %A{case}"
        )

let private equal (expected: 'a[]) (actual: 'a[]) = Assert.That<'a[]>(actual, Is.EqualTo(box expected))

let private transpositions = [ false, false; false, true; true, false; true, true ]

[<TestFixture; NonParallelizable>]
type ``Matrix product``() =

    [<Test>]
    member _.``equals the scalar chain bit for bit on every size up to 70 in one dimension``() =
        let shapes =
            [ for s in 1..70 do
                  s, 1 + (s * 37) % 70, 1 + (s * 23) % 70
                  1 + (s * 23) % 70, s, 1 + (s * 37) % 70
                  1 + (s * 37) % 70, 1 + (s * 23) % 70, s ]

        for _, kernels in sets do
            configured kernels 1 288 192 (fun () ->
                for m, n, k in shapes do
                    for transA, transB in transpositions do
                        for packed in [ false; true ] do
                            check
                                packed
                                { plain m n k with
                                    TransA = transA
                                    TransB = transB
                                    Accumulate = (m + n + k) % 2 = 0
                                    Gap = (m + n) % 3
                                    Bias = k % 2 = 0 })

    [<Test>]
    member _.``equals the scalar chain where tiles, panels and blocks of k end``() =
        for _, kernels in sets do
            for threads in [ 1; 2; 3 ] do
                // Short blocks of k and few rows to a part put many boundaries into small matrices.
                configured kernels threads 17 20 (fun () ->
                    for m in [ 1; 11; 12; 13; 24; 25; 61 ] do
                        for n in [ 1; 15; 16; 17; 31; 32; 33; 97 ] do
                            for k in [ 1; 16; 17; 18; 34; 35 ] do
                                let transA, transB = transpositions[(m + n + k) % 4]

                                for accumulate in [ false; true ] do
                                    check
                                        (k % 3 = 0)
                                        { plain m n k with
                                            TransA = transA
                                            TransB = transB
                                            Accumulate = accumulate
                                            Gap = n % 2
                                            Bias = m % 2 = 0 })

    [<Test>]
    member _.``equals the scalar chain on sizes that are split over threads``() =
        for _, kernels in sets do
            for threads in [ 1; 2; 5 ] do
                configured kernels threads 288 192 (fun () ->
                    for m, n, k in [ 100, 200, 300; 9, 700, 100; 300, 65, 64; 201, 33, 289; 260, 96, 40 ] do
                        for transA, transB in transpositions do
                            for packed in [ false; true ] do
                                check packed { plain m n k with TransA = transA; TransB = transB; Bias = true })

    [<Test>]
    member _.``equals the scalar chain when rows are a power of two apart``() =
        for _, kernels in sets do
            for threads in [ 1; 2 ] do
                configured kernels threads 288 192 (fun () ->
                    for transA, transB in transpositions do
                        // Leading dimensions of 1024 select the packed paths.
                        let gap (case: Case) = { case with Gap = 1024 - (if case.TransA then case.M else case.K) }
                        check false (gap { plain 64 64 64 with TransA = transA; TransB = transB; Accumulate = true }))

    [<Test>]
    member _.``equals the scalar chain when op(B) is packed in slices``() =
        let before = MatrixProduct.MaxPacked

        try
            for _, kernels in sets do
                for threads in [ 1; 2 ] do
                    configured kernels threads 288 192 (fun () ->
                        // Slices of two panels; more than 256 rows select packing whatever the layout.
                        MatrixProduct.MaxPacked <- 2 * kernels.Columns * 40

                        for n in [ 2 * kernels.Columns; 2 * kernels.Columns + 1; 7 * kernels.Columns + 5 ] do
                            for transA, transB in transpositions do
                                check false { plain 260 n 40 with TransA = transA; TransB = transB; Bias = true })
        finally
            MatrixProduct.MaxPacked <- before

    [<Test>]
    member _.``a row does not depend on the other rows of its batch``() =
        let case = { plain 53 77 300 with Bias = true; Activation = Activation.Elu }
        let o = operands 5 case
        let all = computed false case o

        for i in 0 .. case.M - 1 do
            let one =
                computed false { case with M = 1 } { o with A = o.A[i * o.Lda ..]; C = Array.zeroCreate (case.N + 1) }

            equal (bits all[i * o.Ldc .. i * o.Ldc + case.N - 1]) (bits one[.. case.N - 1])

    [<Test>]
    member _.``activations are applied once, after the bias and the last block of k``() =
        // Computed in float64; the float32 functions are good to a few units in the last place.
        let exact activation (x: float32) =
            let x = float x

            match activation with
            | Activation.Elu -> if x > 0.0 then x else Math.Exp x - 1.0
            | Activation.Tanh -> Math.Tanh x
            | Activation.Sigmoid -> 1.0 / (1.0 + Math.Exp(-x))
            | Activation.Relu -> max x 0.0
            | _ -> x

        for _, kernels in sets do
            for activation in Enum.GetValues<Activation>() do
                for bias in [ false; true ] do
                    for n in [ 16; 50; 64 ] do
                        configured kernels 2 17 20 (fun () ->
                            let case = { plain 23 n 40 with Bias = bias; Activation = activation; Gap = 1 }
                            let o = operands n case
                            let sums = expected case o
                            let actual = computed false case o

                            for i in 0 .. case.M - 1 do
                                for j in 0 .. n - 1 do
                                    let y = exact activation sums[i * o.Ldc + j]
                                    Assert.That(float actual[i * o.Ldc + j], Is.EqualTo(y).Within(1e-6))

                                Assert.That(
                                    actual[i * o.Ldc + n],
                                    Is.EqualTo(o.C[i * o.Ldc + n]),
                                    "a number between rows"
                                ))

    [<Test>]
    member _.``infinities, NaN and denormal numbers behave as IEEE 754 says``() =
        let special =
            [| 0.0f; -0.0f; Single.Epsilon; 1e-40f; -1e-40f; 1e38f; -1e38f; infinityf; -infinityf; nanf; 1.0f; 1e-30f |]

        for _, kernels in sets do
            for transA, transB in transpositions do
                configured kernels 1 288 192 (fun () ->
                    let case = { plain 14 35 3 with TransA = transA; TransB = transB }
                    let o = operands 1 case

                    let o =
                        { o with
                            A = Array.mapi (fun i _ -> special[(i * 7 + i / 12) % 12]) o.A
                            B = Array.mapi (fun i _ -> special[(i * 5 + i / 12) % 12]) o.B }

                    for actual, definition in Array.zip (computed false case o) (expected case o) do
                        // The sign and payload of a NaN are not specified.
                        if Single.IsNaN definition then
                            Assert.That(Single.IsNaN actual)
                        else
                            Assert.That(
                                BitConverter.SingleToInt32Bits actual,
                                Is.EqualTo(BitConverter.SingleToInt32Bits definition)
                            ))

    [<Test>]
    member _.``without any k, C is zero or stays, and the epilogue still applies``() =
        let case = { plain 3 5 0 with Bias = true }

        for accumulate in [ false; true ] do
            for packed in [ false; true ] do
                check packed { case with Accumulate = accumulate }

    [<Test>]
    member _.``empty results leave memory alone``() =
        for case in [ plain 0 5 4; plain 5 0 4 ] do
            let o = operands 3 case
            equal o.C (computed false case o)

    [<Test>]
    member _.``a packed matrix is shared by concurrent products``() =
        let case = plain 40 100 130
        let o = operands 9 case
        let definition = bits (expected case o)
        use b = fixed o.B
        use matrix = new PackedMatrix(case.K, case.N, b, nativeint o.Ldb, false)

        let work _ =
            let c = Array.copy o.C
            use a = fixed o.A
            use p = fixed c
            MatrixProduct.Multiply(a, nativeint o.Lda, false, matrix, p, nativeint o.Ldc, case.M, false, Epilogue())
            bits c

        let results = Task.WhenAll(Array.init 8 (fun i -> Task.Run(fun () -> work i))).Result

        for result in results do
            equal definition result

    [<Test>]
    member _.``a disposed packed matrix is refused``() =
        let case = plain 4 4 4
        let o = operands 2 case
        use a = fixed o.A
        use b = fixed o.B
        use p = fixed o.C
        let matrix = new PackedMatrix(4, 4, b, 4n, false)
        matrix.Dispose()
        let mutable refused = false

        try
            MatrixProduct.Multiply(a, 4n, false, matrix, p, 4n, 4, false, Epilogue())
        with :? ObjectDisposedException ->
            refused <- true

        Assert.That(refused)

    [<Test>]
    member _.``products allocate no managed memory once warm``() =
        let case = { plain 100 200 300 with TransB = true; Bias = true }
        let o = operands 4 case
        use a = fixed o.A
        use b = fixed o.B
        use p = fixed o.C
        use shift = fixed o.Shift

        configured MicroKernelSet.Current 2 288 192 (fun () ->
            let run () =
                MatrixProduct.Multiply(
                    a,
                    300n,
                    false,
                    b,
                    300n,
                    true,
                    p,
                    200n,
                    100,
                    200,
                    300,
                    false,
                    Epilogue(shift, Activation.Elu)
                )

            for _ in 1..50 do
                run ()

            let before = GC.GetAllocatedBytesForCurrentThread()

            for _ in 1..50 do
                run ()

            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.EqualTo(0L)))
