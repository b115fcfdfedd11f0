// Figure 1 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): the ELBO of sentences of a known generator over the two means of q, and where a VAE, SVI and a SA-VAE end up.
//
//   dotnet fsi Scripts/SemiAmortized/figure1.fsx --preset small --out figure1.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "ELBOs of sentences of a known generator over two means, with the ends of three kinds of inference.",
        (fun session ->
            session.Save(
                OracleLandscape.page
                    session
                    "Figure 1: where inference ends up"
                    SemiAmortizedSettings.oracle
                    (RefinedModels.oracleSettings session),
                "figure1.html"
            )),
        Uses = [ "preset"; "seed" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
