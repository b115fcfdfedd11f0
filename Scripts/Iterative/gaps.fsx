// Where iterative inference loses: approximation and amortization gap after 0, 1, 2, ... iterations, beside those of a standard encoder for the same kind of decoder.
//
//   dotnet fsi Scripts/Iterative/gaps.fsx --preset small --out gaps.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Inference gaps of iterative inference by iteration, beside a standard encoder's.",
        (fun session ->
            let settings = IterativeModels.longer session.Preset (IterativeModels.preset session.Preset)

            for dataset in IterativeModels.datasets session do
                session.Show(IterationGaps.report session $"Inference gaps by iteration on {dataset}" settings dataset)),
        Uses = [ "dataset"; "preset"; "seed"; "ais-schedule"; "ais-start" ] @ Cli.measuring
    )
)
