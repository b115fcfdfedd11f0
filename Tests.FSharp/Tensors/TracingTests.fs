/// Traces: their files, nesting, limits and sums. A recording is of the whole process, so these tests run alone.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Tensors.TracingTests

open System
open System.Collections.Generic
open System.IO
open System.Text.Json
open System.Threading
open NUnit.Framework
open GapLab.Differentiation
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Tensors.Reference
open GapLab.Tensors.Tracing
open GapLab.Tests.Checks

let private traced = TracingDevice CpuDevice.Instance

let private withFolder (body: string -> 'T) =
    let folder = Directory.CreateTempSubdirectory("gaplab-trace-").FullName

    try
        body folder
    finally
        Directory.Delete(folder, true)

/// Records some work and stops, whatever happens.
let private record limit (work: unit -> unit) =
    let recording = Trace.Start(traced, limit)

    try
        work ()
    finally
        recording.Stop()

    recording

/// The file of a recording, parsed.
let private fileOf (recording: TraceRecording) metadata =
    withFolder (fun folder ->
        let path = Path.Combine(folder, "trace.json")
        recording.Write(path, metadata)
        equal [| path |] (Directory.GetFiles folder)
        JsonDocument.Parse(File.ReadAllText path).RootElement)

let private events (file: JsonElement) = file.GetProperty("traceEvents").EnumerateArray() |> Seq.toList
let private text (name: string) (event: JsonElement) = event.GetProperty(name).GetString()
let private ofKind kind = List.filter (fun event -> text "ph" event = kind)
let private ofCategory category = ofKind "X" >> List.filter (fun event -> text "cat" event = category)
let private number (name: string) (event: JsonElement) = event.GetProperty(name).GetDecimal()
let private argument (name: string) (event: JsonElement) = event.GetProperty("args").GetProperty name
let private thread (event: JsonElement) = event.GetProperty("tid").GetInt32()
let private span event = number "ts" event, number "ts" event + number "dur" event

let private tensor (rows: int) (columns: int) = Tensor.Filled(traced, Shape(rows, columns), 1.0)

/// A product [3, 5] · [5, 2] and its exponential.
let private kernels () =
    use _ = MemoryScope.Enter(false)
    (tensor 3 5).MatMul(tensor 5 2).Exp() |> ignore

let private phase name (work: unit -> unit) =
    use _ = Trace.Phase name
    work ()

[<Test>]
let ``a file has the fields that viewers need`` () =
    let recording =
        record 100 (fun () ->
            use _ =
                Trace.Phase(
                    "outer",
                    struct ("epoch", box 3),
                    struct ("rate", box 0.5),
                    struct ("why", box "a \"test\"")
                )

            phase "inner" kernels)

    let file = fileOf recording (readOnlyDict [ "command", "table2" ])
    equal "table2" (file.GetProperty("otherData").GetProperty("run").GetProperty("command").GetString())
    equal "cpu, traced" (file.GetProperty("otherData").GetProperty("device").GetString())

    for event in events file do
        holds "pid and tid" (event.GetProperty("pid").GetInt32() = 1 && thread event >= 0)
        holds "a time" (number "ts" event >= 0m)

        match text "ph" event with
        | "X" -> holds "a duration" (number "dur" event >= 0m)
        | "C" ->
            holds
                "a value"
                (Seq.forall
                    (fun (series: JsonProperty) -> series.Value.GetDouble() >= 0.0)
                    (event.GetProperty("args").EnumerateObject()))
        | kind -> equal "M" kind

    let outer = events file |> ofCategory "phase" |> List.find (fun event -> text "name" event = "outer")
    equal 3 ((argument "epoch" outer).GetInt32())
    equal 0.5 ((argument "rate" outer).GetDouble())
    equal "a \"test\"" ((argument "why" outer).GetString())
    let product = events file |> ofCategory "kernel" |> List.find (fun event -> text "name" event = "MatrixProduct")
    equal [ 3; 2; 5 ] [ for size in [ "m"; "n"; "k" ] -> (argument size product).GetInt32() ]

    let names =
        events file |> ofKind "M" |> List.map (fun event -> text "name" event, (argument "name" event).GetString())

    holds "the process" (List.contains ("process_name", "GapLab") names)
    let counters = events file |> ofKind "C" |> List.map (text "name") |> List.distinct
    equal [ "tensor memory, MB"; "managed heap, MB"; "garbage collections" ] counters

[<Test>]
let ``what happens inside a phase lies inside it`` () =
    let recording =
        record 10000 (fun () ->
            for _ in 1..20 do
                phase "outer" (fun () ->
                    kernels ()
                    phase "first" kernels
                    phase "second" (fun () -> phase "third" kernels)))

    let spans category name =
        events (fileOf recording null)
        |> ofCategory category
        |> List.filter (fun event -> text "name" event = name)
        |> List.map span

    let inside inner outer =
        for from, until in inner do
            let around = outer |> List.filter (fun (first, last) -> first <= from && until <= last)
            equalFor "phases around" 1 around.Length

    let outer, second, third = spans "phase" "outer", spans "phase" "second", spans "phase" "third"
    equal (20, 20, 20) (outer.Length, second.Length, third.Length)
    inside second outer
    inside third second
    inside (spans "phase" "first") outer
    let products = spans "kernel" "MatrixProduct"
    equal 60 products.Length
    inside products outer

[<Test>]
let ``threads of the pool have rows of their own and count to the phase of their caller`` () =
    let before = WorkerPool.Threads
    WorkerPool.Threads <- 2

    try
        let recording =
            record 10000 (fun () ->
                phase "work" (fun () ->
                    // Each of the two items waits for the other, so both threads get one.
                    use barrier = new Barrier(2)

                    WorkerPool.ForEach(
                        2,
                        fun _ ->
                            barrier.SignalAndWait()
                            phase "item" kernels
                    ))

                kernels ())

        let rows = recording.Summary() |> Seq.map (fun row -> (row.Phase, row.Kernel), row.Calls) |> Map.ofSeq
        equal (Some 2L) (rows.TryFind(("work / item", "MatrixProduct")))
        equal (Some 2L) (rows.TryFind(("work / item", "")))
        equal (Some 1L) (rows.TryFind(("", "MatrixProduct")))
        let file = fileOf recording null
        let items = events file |> ofCategory "phase" |> List.filter (fun event -> text "name" event = "item")
        let threads = items |> List.map thread |> List.distinct
        equal 2 threads.Length

        let names =
            events file
            |> ofKind "M"
            |> List.filter (fun event -> List.contains (thread event) threads)
            |> List.map (fun event -> (argument "name" event).GetString())

        holds "the worker is named" (names |> List.exists (fun name -> name.StartsWith "GapLab worker"))
    finally
        WorkerPool.Threads <- before

[<Test>]
let ``kernels beyond the limit are summed and phases are kept`` () =
    let work () =
        for _ in 1..50 do
            phase "early" kernels

        for _ in 1..50 do
            phase "late" kernels

    let sums (recording: TraceRecording) =
        recording.Summary() |> Seq.map (fun row -> row.Phase, row.Kernel, row.Calls, row.Operations) |> Set.ofSeq

    let all = record 100_000 work

    equal
        (Some 50L)
        (all.Summary()
         |> Seq.tryFind (fun row -> row.Phase = "early" && row.Kernel = "MatrixProduct")
         |> Option.map _.Calls)

    for limit, early, late in [ 0, 0, 0; 7, 1, 1; 1000, 100, 100; 100_000, 200, 200 ] do
        let recording = record limit work
        let file = fileOf recording null

        let kept name =
            let phases =
                events file
                |> ofCategory "phase"
                |> List.filter (fun event -> text "name" event = name)
                |> List.map span

            equalFor "phases" 50 phases.Length

            events file
            |> ofCategory "kernel"
            |> List.filter (fun event ->
                phases |> List.exists (fun (first, last) -> first <= fst (span event) && snd (span event) <= last))
            |> List.length

        equalFor $"kernels kept of {limit}" (early, late) (kept "early", kept "late")
        equal (sums all) (sums recording)
        let other = file.GetProperty "otherData"
        equal 400 (other.GetProperty("kernels").GetInt32())
        equal (early + late) (other.GetProperty("kernelsShown").GetInt32())
        equal limit (other.GetProperty("kernelLimit").GetInt32())

[<Test>]
let ``the summary counts calls and operations by phase and kernel, in the order of the phases`` () =
    let recording =
        record 0 (fun () ->
            phase "a" (fun () ->
                kernels ()
                phase "b" kernels)

            phase "a" ignore
            phase "b" kernels)

    let rows = recording.Summary()

    let phases =
        rows
        |> Seq.filter (fun row -> row.Kernel = "")
        |> Seq.map (fun row -> row.Phase, row.Calls, row.Operations)
        |> Seq.toList
    // A product takes 2 · 3 · 2 · 5 operations; a phase counts those of its inner ones.
    equal [ "a", 2L, 120.0; "a / b", 1L, 60.0; "b", 1L, 60.0 ] phases

    let inB =
        rows
        |> Seq.filter (fun row -> row.Phase = "b" && row.Kernel <> "")
        |> Seq.map (fun row -> row.Kernel, row.Calls)
        |> Set.ofSeq

    equal (Set [ "Fill", 2L; "MatrixProduct", 1L; "Unary Exp", 1L ]) inB

    let seconds =
        rows |> Seq.filter (fun row -> row.Phase = "b") |> Seq.map (fun row -> row.Kernel, row.Seconds) |> Map.ofSeq

    holds "kernels take no longer than their phase" (Seq.sum seconds.Values <= 2.0 * seconds[""])
    let table = recording.Table()
    equal (rows.Count + 1) table.Count
    holds "the header" (table[0].EndsWith "GFLOP/s")

    let summary =
        (fileOf recording null).GetProperty("otherData").GetProperty("summary").EnumerateArray() |> Seq.toList

    equal rows.Count summary.Length
    equal "a" (text "phase" summary[0])
    equal 2L (summary[0].GetProperty("calls").GetInt64())

[<Test>]
let ``work that fails leaves a complete file`` () =
    let recording = Trace.Start(traced, 100)

    throws<InvalidOperationException> [ "half-way" ] (fun () ->
        phase "outer" (fun () ->
            kernels ()
            raise (InvalidOperationException "half-way")))

    let left = Trace.Phase "left open"
    recording.Stop()
    let phases = events (fileOf recording null) |> ofCategory "phase"
    equal (Set [ "outer"; "left open" ]) (phases |> List.map (text "name") |> Set)
    let isOpen (event: JsonElement) = fst (event.GetProperty("args").TryGetProperty "unfinished")
    equal [ "left open" ] (phases |> List.filter isOpen |> List.map (text "name"))
    left.Dispose()

[<Test>]
let ``phases that are closed late, twice or not at all do not disturb others`` () =
    let recording =
        record 0 (fun () ->
            let outer = Trace.Phase "outer"
            let forgotten = Trace.Phase "forgotten"
            outer.Dispose()
            outer.Dispose()
            forgotten.Dispose()
            phase "next" kernels)

    let phases =
        recording.Summary()
        |> Seq.filter (fun row -> row.Kernel = "")
        |> Seq.map (fun row -> row.Phase, row.Calls)
        |> Seq.toList

    equal [ "outer", 1L; "outer / forgotten", 1L; "next", 1L ] phases

[<Test>]
let ``nothing is recorded before the start and after the stop`` () =
    holds "no recording" (not Trace.IsRecording)
    phase "before" kernels
    let recording = record 100 (fun () -> holds "a recording" Trace.IsRecording)
    phase "after" kernels
    equal 0 (recording.Summary().Count)
    equal [] (events (fileOf recording null) |> ofKind "X")

[<Test>]
let ``a second recording at once and a negative limit are refused`` () =
    let recording =
        record 100 (fun () ->
            throws<GapLabException> [ "already"; "stop it" ] (fun () -> Trace.Start traced |> ignore)
            phase "still there" kernels)

    equal "still there" (recording.Summary()[0]).Phase
    throws<GapLabException> [ "-1" ] (fun () -> Trace.Start(traced, -1) |> ignore)
    holds "no recording" (not Trace.IsRecording)

[<Test>]
let ``a path that cannot be written is refused in one sentence, before the work and after it`` () =
    withFolder (fun folder ->
        let recording = record 10 kernels
        let nowhere = Path.Combine(folder, "no", "trace.json")

        for path in [ nowhere; folder; "" ] do
            for attempt in [ (fun () -> TraceRecording.CheckWritable path); (fun () -> recording.Write path) ] do
                throws<GapLabException> [ $"'{path}'"; "." ] attempt

        let path = Path.Combine(folder, "trace.json")
        TraceRecording.CheckWritable path
        equal [||] (Directory.GetFiles folder)
        recording.Write path
        TraceRecording.CheckWritable path
        recording.Write path
        equal [| path |] (Directory.GetFiles folder))

[<Test>]
let ``recording kernels allocates nothing in steady state`` () =
    let device = TracingDevice CpuDevice.Instance
    use _ = MemoryScope.Enter(false)
    let x = Tensor.Filled(device, Shape 8, 1.0)

    let allocated () =
        let before = GC.GetAllocatedBytesForCurrentThread()

        for i in 1..5000 do
            x.Assign x

        GC.GetAllocatedBytesForCurrentThread() - before

    let recording =
        record 100_000 (fun () ->
            phase "work" (fun () ->
                allocated () |> ignore
                // Less than one byte a kernel: reaching a chunk's end allocates nothing either.
                Assert.That(allocated (), Is.LessThan 5000L)))

    equal 10_000L (recording.Summary() |> Seq.find (fun row -> row.Kernel = "Copy")).Calls

[<Test>]
let ``memory is accounted on both devices`` () =
    let inner = ReferenceDevice.Instance
    let device = TracingDevice inner
    let before = inner.AllocatedBytes

    let thread =
        Thread(fun () ->
            use _ = MemoryScope.Enter()
            Tensor.Filled(device, Shape(1000, 1000), 1.0) |> ignore
            holds "the traced device counts" (device.AllocatedBytes >= 8_000_000L)
            // Meanwhile small tensors of other tests may be freed there.
            holds "the inner device counts" (inner.AllocatedBytes - before >= 7_000_000L)
            holds "the peak" (device.PeakBytes >= 8_000_000L && inner.PeakBytes >= 7_000_000L))

    thread.Start()
    thread.Join()
    let mutable tries = 0

    // The thread's scopes are returned by their finalizers.
    while device.AllocatedBytes > 0L && tries < 50 do
        GC.Collect()
        GC.WaitForPendingFinalizers()
        tries <- tries + 1

    equal 0L device.AllocatedBytes

[<Test>]
let ``tensors of the two devices do not mix, and the message tells them apart`` () =
    use _ = MemoryScope.Enter()
    let plain = Tensor.Filled(CpuDevice.Instance, Shape 2, 1.0)

    throws<DeviceMismatchException> [ "'cpu'"; "'cpu, traced'" ] (fun () ->
        plain + Tensor.Filled(traced, Shape 2, 1.0) |> ignore)

    equal "cpu" traced.Name
    equal ElementType.Float32 traced.Real

[<Test>]
let ``every primitive is forwarded, those with a default too`` () =
    let primitives =
        [ for method in typeof<Device>.GetMethods() do
              if method.DeclaringType = typeof<Device> && method.IsVirtual then
                  method ]

    holds "primitives" (primitives.Length > 20)

    for primitive in primitives do
        let types = primitive.GetParameters() |> Array.map _.ParameterType
        let own = typeof<TracingDevice>.GetMethod(primitive.Name, types)
        equalFor $"the type that declares {primitive}" typeof<TracingDevice> own.DeclaringType
