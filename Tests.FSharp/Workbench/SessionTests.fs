/// Sessions that stay open from cell to cell of a notebook.
module GapLab.Tests.Workbench.SessionTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

let private opened folder options = Session.Open("--results" :: folder :: options)

[<Test>]
let ``a session has the options of a script, and refuses what makes no sense in a notebook`` () =
    withFolder (fun folder ->
        let session = opened folder [ "--preset"; "small"; "--seed"; "2..4"; "--samples"; "5,50" ]
        equal "small" session.Preset
        equal [ 2UL; 3UL; 4UL ] session.Seeds
        equal [ 5; 50 ] (session.Samples 1)

        let refused words options = throws<GapLabException> words (fun () -> opened folder options |> ignore)

        refused [ "--nonsense" ] [ "--nonsense" ]
        refused [ "trace" ] [ "--trace"; "trace.json" ]
        refused [ "jobs" ] [ "--jobs"; "2" ]
        refused [ "estimate" ] [ "--estimate" ]
        refused [ "executor" ] [ "--executor"; "slurm" ])

[<Test>]
let ``an interrupted session keeps what it has, and goes on when it is asked again`` () =
    withFolder (fun folder ->
        let session = opened folder []
        let mutable stops = 0

        let measure name before = evaluation (plainSpec folder 1UL) (CountingMeasure(name, 1, before)) 10

        let first = measure "first" ignore

        let second =
            measure "second" (fun _ ->
                stops <- stops + 1

                if stops = 1 then
                    holds "a session is told" (Interruption.StopAll()))

        throws<OperationCanceledException> [] (fun () -> session.Evaluate [ first; second ] |> ignore)
        holds "what was done is stored" (not (isNull ((fst (runnerOn folder)).Find first)))
        equal 2 (session.Evaluate [ first; second ]).Length
        // An earlier interrupt stops no later cell.
        equal false session.Cancellation.IsCancellationRequested)
