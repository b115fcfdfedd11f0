// Beyond the tables of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018), whose appendix C varies them: a VAE and a SA-VAE by the number of training datapoints and the capacity of the decoder.
//
//   dotnet fsi Scripts/SemiAmortized/capacity.fsx --preset small --dataset omniglot
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "A VAE and a SA-VAE by training-set size and model capacity.",
        (fun session ->
            session.Show(
                CapacityTable.report
                    session
                    "Training-set size and capacity"
                    SemiAmortizedSettings.images
                    (RefinedModels.imageSettings session)
                    (RefinedModels.imageDataset session)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
