module GapLab.Tests.Tensors.WorkerPoolTests

open System
open System.Threading
open System.Threading.Tasks
open NUnit.Framework
open GapLab.Tensors

let private withThreads threads work =
    let before = WorkerPool.Threads

    try
        WorkerPool.Threads <- threads
        work ()
    finally
        WorkerPool.Threads <- before

let private thrown<'e when 'e :> exn> (work: unit -> unit) = Assert.Throws<'e>(Action work)

[<TestFixture; NonParallelizable>]
type ``Worker pool``() =

    [<Test>]
    member _.``calls every item exactly once, many times in a row``() =
        for threads in [ 1; 2; 3; 8 ] do
            withThreads threads (fun () ->
                for round in 0..2000 do
                    let items = round % 23
                    let calls = Array.zeroCreate<int> items
                    WorkerPool.ForEach(items, (fun i -> Interlocked.Increment(&calls[i]) |> ignore))
                    Assert.That(calls, Is.All.EqualTo(1)))

    [<Test>]
    member _.``wakes workers that have gone to sleep``() =
        withThreads 4 (fun () ->
            for _ in 1..20 do
                // Far longer than a worker spins.
                Thread.Sleep 3
                use all = new Barrier(4)
                // Four items that wait for each other end only if four threads take one each.
                let met = Array.zeroCreate<bool> 4
                WorkerPool.ForEach(4, (fun i -> met[i] <- all.SignalAndWait(TimeSpan.FromSeconds 30.0)))
                Assert.That(met, Is.All.True))

    [<Test>]
    member _.``one thread keeps everything on the caller``() =
        withThreads 1 (fun () ->
            let caller = Environment.CurrentManagedThreadId
            let ids = Array.zeroCreate<int> 50
            WorkerPool.ForEach(50, (fun i -> ids[i] <- Environment.CurrentManagedThreadId))
            Assert.That(ids, Is.All.EqualTo(caller)))

    [<Test>]
    member _.``a call inside an item runs on the item's thread``() =
        withThreads 3 (fun () ->
            let outer = Array.zeroCreate<int> 20
            let inner = Array2D.zeroCreate<int> 20 10

            WorkerPool.ForEach(
                20,
                (fun i ->
                    outer[i] <- Environment.CurrentManagedThreadId
                    WorkerPool.ForEach(10, (fun j -> inner[i, j] <- Environment.CurrentManagedThreadId)))
            )

            for i in 0..19 do
                for j in 0..9 do
                    Assert.That(inner[i, j], Is.EqualTo(outer[i])))

    [<Test>]
    member _.``threads that use the pool at the same time all finish correctly``() =
        withThreads 3 (fun () ->
            let sums =
                Task
                    .WhenAll(
                        Array.init 4 (fun _ ->
                            Task.Run(fun () ->
                                let mutable total = 0

                                for _ in 1..500 do
                                    let parts = Array.zeroCreate<int> 10
                                    WorkerPool.ForEach(10, (fun i -> parts[i] <- i))
                                    total <- total + Array.sum parts

                                total))
                    )
                    .Result

            Assert.That(sums, Is.All.EqualTo(500 * 45)))

    [<Test>]
    member _.``the exception of the lowest failing item reaches the caller with its stack``() =
        for threads in [ 1; 2; 4 ] do
            withThreads threads (fun () ->
                for _ in 1..100 do
                    let started = ref 0

                    let failing i =
                        Interlocked.Increment started |> ignore

                        if i >= 7 then
                            invalidOp $"item {i}"

                    let e =
                        thrown<InvalidOperationException>(fun () -> WorkerPool.ForEach(10000, Action<int>(failing)))

                    Assert.That(e.Message, Is.EqualTo "item 7")
                    Assert.That(e.StackTrace, Does.Contain "failing")
                    // Each thread can have taken at most one more item than those up to the first failure.
                    Assert.That(started.Value, Is.LessThanOrEqualTo(8 + threads)))

    [<Test>]
    member _.``works again after an exception``() =
        withThreads 2 (fun () ->
            thrown<InvalidOperationException>(fun () -> WorkerPool.ForEach(3, (fun _ -> invalidOp "no"))) |> ignore
            let calls = Array.zeroCreate<int> 30
            WorkerPool.ForEach(30, (fun i -> calls[i] <- calls[i] + 1))
            Assert.That(calls, Is.All.EqualTo(1)))

    [<Test>]
    member _.``cancelling starts no further item``() =
        for threads in [ 1; 3 ] do
            withThreads threads (fun () ->
                use source = new CancellationTokenSource()
                let started = ref 0

                let work _ =
                    Interlocked.Increment started |> ignore
                    source.Cancel()

                thrown<OperationCanceledException>(fun () -> WorkerPool.ForEach(1000, Action<int>(work), source.Token))
                |> ignore

                Assert.That(started.Value, Is.InRange(1, threads)))

    [<Test>]
    member _.``the number of threads is checked``() =
        thrown<ArgumentOutOfRangeException>(fun () -> WorkerPool.Threads <- 0) |> ignore

        withThreads 2 (fun () ->
            thrown<InvalidOperationException>(fun () -> WorkerPool.ForEach(2, (fun _ -> WorkerPool.Threads <- 3)))
            |> ignore)

[<Test>]
let ``every part has ended when a call returns, also with more threads than cores`` () =
    let rounds =
        if Environment.GetEnvironmentVariable "GAPLAB_SOAK" = "1" then
            200_000
        else
            4_000

    withThreads 6 (fun () ->
        let random = Random 3

        for round in 1..rounds do
            let parts = random.Next(2, 12)
            let finished = Array.zeroCreate<int> parts
            let slow = random.Next parts
            // Some calls end before a worker has woken up, some keep the caller waiting asleep.
            let length = if round % 40 = 0 then 20_000 else random.Next 50

            WorkerPool.ForEach(
                parts,
                fun part ->
                    if part = slow then
                        Thread.SpinWait length

                    finished[part] <- round
            )

            if Array.exists ((<>) round) finished then
                Assert.Fail $"Call {round} returned before all of its {parts} parts had ended.")
