/// Several runners on one store.
[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Experiments.SharingTests

open System
open System.Collections.Concurrent
open System.Diagnostics
open System.IO
open System.Threading
open System.Threading.Tasks
open NUnit.Framework
open GapLab.Experiments
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

let private measure name before = CountingMeasure(name, 1, before)

[<Test>]
let ``two runners on one store compute every result once, and find the same bits`` () =
    withFolder (fun folder ->
        let alone, _ = runnerOn (Path.Combine(folder, "alone"))
        let counts = ConcurrentDictionary<string, int>()
        let count name _ = counts.AddOrUpdate(name, 1, (fun _ n -> n + 1)) |> ignore

        let wanted (note: string -> int -> unit) =
            [| for seed in 1UL .. 3UL do
                   let artifact = trainSpec folder seed (ruleOf (fun step -> note $"training {seed}, step {step}" 0))

                   for i in 1..3 -> evaluation artifact (measure $"measure {i}" (note $"measure {i} of {seed}")) 8 |]

        alone.Ensure(wanted (fun _ _ -> ()))
        let store = Path.Combine(folder, "store")

        let work =
            [| for _ in 1..2 ->
                   Task.Factory.StartNew(
                       (fun () ->
                           let runner, _ = runnerOn store
                           let wanted = wanted count
                           runner.Ensure wanted
                           [ for spec in wanted -> cellBits (runner.Find spec) ]),
                       TaskCreationOptions.LongRunning
                   ) |]

        let results = [ for task in work -> task.Result ]
        let expected = [ for spec in wanted (fun _ _ -> ()) -> cellBits (alone.Find spec) ]
        equal [ expected; expected ] results
        // Three trainings of six steps, nine evaluations of one block.
        equal 27 counts.Count
        holds "once each" (counts.Values |> Seq.forall ((=) 1))
        equal 0 (Directory.GetFiles(Path.Combine(store, "locks"))).Length)

[<Test>]
let ``a runner waits for another one's training, and says so once`` () =
    withFolder (fun folder ->
        use started = new ManualResetEventSlim()
        use goOn = new ManualResetEventSlim()
        let mutable steps = 0

        let rule =
            ruleOf (fun _ ->
                Interlocked.Increment &steps |> ignore
                started.Set()
                goOn.Wait())

        let store = Path.Combine(folder, "store")
        let spec = evaluation (trainSpec folder 1UL rule) (measure "m" ignore) 5
        let first = Task.Run(fun () -> (fst (runnerOn store)).Ensure [| spec |])
        started.Wait()
        let runner, told = runnerOn store
        let second = Task.Run(fun () -> runner.Ensure [| spec |])
        SpinWait.SpinUntil((fun () -> not told.Notes.IsEmpty), 20_000) |> ignore
        Assert.That(Seq.exactlyOne told.Notes, Does.Contain "Another process is computing 2 of the results")
        holds "it waits" (not second.IsCompleted)
        goOn.Set()
        Task.WaitAll(first, second)
        equal 6 steps
        equal 1 told.Notes.Count)

[<Test>]
let ``a lock keeps others out, and a process that dies gives it back`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let mine, other = ResultStore.Open store, ResultStore.Open store

        using (mine.TryLock "key") (fun held ->
            holds "got it" (not (isNull held))
            holds "taken" (isNull (other.TryLock "key"))
            other.TryLock("another").Dispose())

        other.TryLock("key").Dispose()

        let running =
            try
                // The same lock as .NET takes on Unix.
                Process.Start(ProcessStartInfo("flock", [ Path.Combine(store, "locks", "key"); "sleep"; "60" ]))
            with _ ->
                null

        if isNull running then
            Assert.Ignore "There is no program to hold a lock."

        let isTaken () =
            use lock = mine.TryLock "key"
            isNull lock

        holds "held by the process" (SpinWait.SpinUntil(isTaken, 20_000))
        running.Kill(entireProcessTree = true)
        holds "given back" (SpinWait.SpinUntil((fun () -> not (isTaken ())), 20_000))
        running.Dispose())

[<Test>]
let ``a lock that is not renewed is taken over, one that is renewed is not`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let mine, other = ResultStore.Open store, ResultStore.Open store
        let told = ResizeArray<string>()
        other.add_Warned (fun sentence -> told.Add sentence)
        let path = Path.Combine(store, "locks", "key")

        // As if the computer of its holder had been gone for that long, and the server of the files did not know.
        let silentFor (time: TimeSpan) = File.SetLastWriteTimeUtc(path, DateTime.UtcNow - time)

        use held = mine.TryLock "key"
        silentFor (StoreLock.Expiry - TimeSpan.FromMinutes 1.)
        holds "not yet" (isNull (other.TryLock "key"))
        silentFor (StoreLock.Expiry + TimeSpan.FromMinutes 1.)
        held.Renew()
        holds "renewed" (isNull (other.TryLock "key"))
        equal 0 told.Count
        silentFor (StoreLock.Expiry + TimeSpan.FromMinutes 1.)

        using (other.TryLock "key") (fun taken ->
            holds "taken over" (not (isNull taken))
            holds "and held" (isNull (mine.TryLock "key")))

        Assert.That(Seq.exactlyOne told, Does.Contain "15 minutes"))

[<Test>]
let ``a lock that a dead process left behind long ago is fresh when it is taken`` () =
    withFolder (fun folder ->
        let store = Path.Combine(folder, "store")
        let mine, other = ResultStore.Open store, ResultStore.Open store
        mine.TryLock("key").Dispose()
        File.SetLastWriteTimeUtc(Path.Combine(store, "locks", "key"), DateTime.UtcNow - 2. * StoreLock.Expiry)
        use held = mine.TryLock "key"
        holds "got it" (not (isNull held))
        holds "taken" (isNull (other.TryLock "key")))
