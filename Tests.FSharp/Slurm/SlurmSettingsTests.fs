/// What command lines say of clusters.
module GapLab.Tests.Slurm.SlurmSettingsTests

open Argu
open NUnit.Framework
open GapLab.Tensors
open GapLab.Workbench
open GapLab.Tests.Checks

let private settings (arguments: string list) =
    let parser = ArgumentParser.Create<CommandLine>()
    SlurmSettings.Of(parser.Parse(Array.ofList arguments, raiseOnUsage = false))

[<Test>]
let ``without the executor nothing goes to a cluster, and its options are refused`` () =
    equal None (settings [ "--jobs"; "2" ])
    equal None (settings [ "--executor"; "local" ])
    throws<GapLabException> [ "--executor slurm" ] (fun () -> settings [ "--retries"; "1" ] |> ignore)
    throws<GapLabException> [ "--executor slurm" ] (fun () -> settings [ "--slurm"; "--mem=1G" ] |> ignore)

[<Test>]
let ``options for sbatch are passed on as they are`` () =
    let usual = settings [ "--executor"; "slurm" ]
    equal (Some SlurmSettings.Usual) usual

    let given =
        settings
            [ "--executor"
              "slurm"
              "--jobs"
              "50"
              "--retries"
              "0"
              "--slurm"
              "--partition=cpu --time=02:00:00 -c 4" ]

    equal
        (Some("--partition=cpu --time=02:00:00 -c 4", 50, 0))
        (given |> Option.map (fun s -> s.Options, s.MostTasks, s.Retries))
    // A word within a value is no option.
    holds "a value" (settings [ "--executor"; "slurm"; "--slurm"; "--comment=x--array=1" ]).IsSome

[<TestCase("--slurm", "--mem=1G --array=0-3", "--array")>]
[<TestCase("--slurm", "-J name", "-J")>]
[<TestCase("--slurm", "--dependency=afterok:1", "--dependency")>]
[<TestCase("--slurm", "--mem=1G\n--time=1", "one line")>]
[<TestCase("--jobs", "0", "--jobs")>]
[<TestCase("--retries", "-1", "--retries")>]
let ``what cannot be is refused`` (option: string) (value: string) (named: string) =
    throws<GapLabException> [ named ] (fun () -> settings [ "--executor"; "slurm"; option; value ] |> ignore)
