/// What Slurm's commands print, and what they are asked.
module GapLab.Tests.Slurm.SlurmQueueTests

open System
open System.Diagnostics
open System.IO
open NUnit.Framework
open GapLab.Experiments
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures

[<Test>]
let ``the queue is read: tasks with their states and reasons, nothing else`` () =
    // As squeue of Slurm 22.05 prints two arrays and a job that is none.
    let tasks =
        SlurmQueue.parse
            "2|1|gaplab-x|RUNNING|None\n2|0|gaplab-x|PENDING|Nodes required for job are DOWN, DRAINED or reserved\n5|N/A|gaplab-u|PENDING|None\n4|3|gaplab-z|PENDING|a|b\n"

    equal
        [ "2", 1, "gaplab-x", "RUNNING", "None"
          "2", 0, "gaplab-x", "PENDING", "Nodes required for job are DOWN, DRAINED or reserved"
          "4", 3, "gaplab-z", "PENDING", "a|b" ]
        [ for task in tasks -> task.Job, task.Index, task.Name, task.State, task.Reason ]

    equal [ false; true; true ] [ for task in tasks -> task.IsPending ]
    equal [] (SlurmQueue.parse "\n")

[<TestCase("12\n", "12")>]
[<TestCase("12;cluster\n", "12")>]
[<TestCase("a message of the site\n12\n", "12")>]
let ``the number of a job is read`` (output: string) (expected: string) = equal expected (SlurmQueue.jobNumber output)

[<TestCase("sbatch: error: invalid partition specified: nope\nsbatch: error: Batch job submission failed: Invalid partition name specified\n",
           "Batch job submission failed: Invalid partition name specified")>]
[<TestCase("sbatch: unrecognized option '--bad'\nTry \"sbatch --help\" for more information\n",
           "unrecognized option '--bad'")>]
[<TestCase("slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
           "Unable to contact slurm controller (connect failure)")>]
[<TestCase("", "it gave no reason")>]
let ``of what a command complains of the reason is kept`` (error: string) (expected: string) =
    equal expected (SlurmQueue.problem error)

/// Three evaluations of one model, as tasks.
let private tasksIn folder =
    let runner, _ = runnerOn (Path.Combine(folder, "store"))

    let wanted =
        [| for name in [ "a"; "b"; "c" ] -> evaluation (plainSpec folder 1UL) (CountingMeasure(name, 1, ignore)) 5 |]

    runner.Store, List.ofSeq (runner.Plan wanted)

[<Test>]
let ``a job script starts the command with the words it was given, and notes how each task ends`` () =
    withFolder (fun folder ->
        let store, tasks = tasksIn folder
        let told = Path.Combine(folder, "told")
        let words = [ "it's"; "$HOME \"quoted\""; "a\\b" ]

        let program =
            $"printf '%%s|' \"$@\" \"$DOTNET_PROCESSOR_COUNT\" >>{SlurmArray.Quote told}; exit $SLURM_ARRAY_TASK_ID"

        let array =
            SlurmArray.Create(
                store,
                [ [ tasks[0] ]; tasks[1..] ],
                "--partition=cpu --time=1",
                [ "sh"; "-c"; program; "sh" ] @ words
            )

        equal [ 1; 3 ] [ for task in array.Tasks -> task.Length ]

        for number in [ 0; 7 ] do
            let start = ProcessStartInfo("bash", [ array.Script ], UseShellExecute = false)
            start.Environment["SLURM_ARRAY_TASK_ID"] <- string number
            start.Environment["SLURM_CPUS_ON_NODE"] <- "3"
            use running = Process.Start start
            running.WaitForExit()
            equal number running.ExitCode

        equal [ Some 0; Some 7; None ] [ for number in [ 0; 7; 1 ] -> array.ExitCode number ]
        let line = String.Join("|", words @ [ "3" ]) + "|"
        equal (line + line) (File.ReadAllText told)
        let script = File.ReadAllLines array.Script
        holds "options of the user's" (Array.contains "#SBATCH --partition=cpu --time=1" script)

        equal
            [ $"--job-name={array.Name}"
              "--array=0-1"
              $"--output={array.Folder}/log-%%a.txt"
              "--open-mode=append"
              "--dependency=afterany:4:5"
              array.Script ]
            (array.Arguments [ "4"; "5" ]))

[<Test>]
let ``an array is found again as it was described, until it is settled`` () =
    withFolder (fun folder ->
        let store, tasks = tasksIn folder
        equal [] (SlurmArray.All store |> List.map _.Name)
        let array = SlurmArray.Create(store, [ [ tasks[0] ]; tasks[1..] ], "", [ "true" ])
        // What was being described when a process was killed is none.
        Directory.CreateDirectory(Path.Combine(store.Folder, "slurm", "unfinished")) |> ignore
        let found = List.exactlyOne (SlurmArray.Expected store)
        equal array.Name found.Name
        equal [| [ tasks[0].Key ]; [ for task in tasks[1..] -> task.Key ] |] found.Tasks
        equal None found.Job
        array.Job <- Some "17"
        equal (Some "17") found.Job
        array.IsSettled <- true
        equal [] (SlurmArray.Expected store |> List.map _.Name)
        File.WriteAllText(Path.Combine(array.Folder, "tasks.jsonl"), "{\"task\":0,\"ke")

        throws<GapLabException> [ "tasks.jsonl' is damaged"; array.Name ] (fun () ->
            (List.exactlyOne (SlurmArray.All store)).Tasks |> ignore))
