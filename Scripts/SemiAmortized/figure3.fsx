// Figure 3 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): sentences with the saliency of their words, and sentences sampled from their posteriors.
//
//   dotnet fsi Scripts/SemiAmortized/figure3.fsx --preset small --text "the company said it will buy the bank" --out figure3.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Sentences with the saliency of their words in a SA-VAE.",
        (fun session ->
            session.Save(
                SaliencyPages.examples
                    session
                    "Figure 3: saliency of words"
                    SemiAmortizedSettings.text
                    (RefinedModels.textSettings session)
                    (RefinedModels.textDataset session),
                "figure3.html"
            )),
        Uses = [ "dataset"; "preset"; "seed"; "hidden"; "vocabulary"; "text" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
