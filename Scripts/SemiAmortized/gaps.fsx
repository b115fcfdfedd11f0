// Approximation and amortization gaps of a VAE, SVI, VAE+SVI and a SA-VAE (Kim et al. 2018) for one decoder: beyond the paper.
//
//   dotnet fsi Scripts/SemiAmortized/gaps.fsx --preset small --dataset binarized-mnist --seed 1..3
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Data
open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Gaps of inference by an encoder, by steps and by both, for one decoder.",
        (fun session ->
            let usual = if session.Preset = "smoke" then DataSets.Glyphs else "binarized-mnist"
            let dataset = session.Dataset usual

            session.Show(
                RefinementGaps.report
                    session
                    "Gaps of semi-amortized inference"
                    (Suboptimality.settingsFor session dataset)
                    dataset
            )),
        Uses = [ "dataset"; "preset"; "seed"; "ais-schedule"; "ais-start" ] @ Cli.measuring
    )
)
