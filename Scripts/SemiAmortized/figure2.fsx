// Figure 2 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): perplexities of language models after more and fewer steps at test time, from N(0, I) and from the encoder.
//
//   dotnet fsi Scripts/SemiAmortized/figure2.fsx --preset small --out figure2.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Perplexities of language models by the number of steps at test time.",
        (fun session ->
            session.Show(
                StepSweep.report
                    session
                    "Figure 2: steps at test time"
                    SemiAmortizedSettings.text
                    (RefinedModels.textSettings session)
                    (RefinedModels.textDataset session)
            )),
        Uses = [ "dataset"; "preset"; "seed"; "hidden"; "vocabulary" ] @ Cli.measuring
    )
)
