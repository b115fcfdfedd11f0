// Figures 6 and 10 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): the ELBO of test images while a trained iterative inference network improves q, beside
// gradient ascent on the same model by four optimisers (variational EM), by iteration and by time.
//
//   dotnet fsi Scripts/Iterative/figure6.fsx --preset small --seed 1..3 --out figure6.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Iterative inference against variational EM, by iteration and by time.",
        (fun session ->
            let settings = IterativeModels.longer session.Preset (IterativeModels.preset session.Preset)

            for dataset in IterativeModels.datasets session do
                let parts = IterativeModels.iterative settings Encoding.gradients
                let runs = IterativeModels.trainSpecs session settings parts dataset

                session.Show(
                    IterationCurves.report
                        session
                        $"Figure 6: iterative inference and variational EM on {dataset}"
                        settings
                        runs
                )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
