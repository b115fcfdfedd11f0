// Figure 4 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): output and input saliency by word class, position, frequency and log-likelihood.
//
//   dotnet fsi Scripts/SemiAmortized/figure4.fsx --preset small --out figure4.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Saliency of words in a SA-VAE by class, position, frequency and log-likelihood.",
        (fun session ->
            session.Save(
                SaliencyPages.aggregates
                    session
                    "Figure 4: saliency by kind of word"
                    SemiAmortizedSettings.text
                    (RefinedModels.textSettings session)
                    (RefinedModels.textDataset session),
                "figure4.html"
            )),
        Uses = [ "dataset"; "preset"; "seed"; "hidden"; "vocabulary" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
