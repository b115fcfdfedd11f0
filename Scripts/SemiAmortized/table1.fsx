// Table 1 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): bounds on -log p(x) of sentences that a known generator makes, with that generator and with learned ones.
//
//   dotnet fsi Scripts/SemiAmortized/table1.fsx --preset small --seed 1..3
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds on -log p(x) of sentences of a known generator, with a VAE, SVI and a SA-VAE.",
        (fun session ->
            session.Show(
                OracleTable.report
                    session
                    "Table 1: sentences of an oracle"
                    SemiAmortizedSettings.oracle
                    (RefinedModels.oracleSettings session)
            )),
        Uses = [ "preset"; "seed" ] @ Cli.measuring
    )
)
