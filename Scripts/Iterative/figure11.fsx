// Figure 11 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): how the gradient shrinks and the ELBO of test documents grows, iteration by iteration.
//
//   dotnet fsi Scripts/Iterative/figure11.fsx --preset small --out figure11.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Gradients and improvements of iterative inference on documents.",
        (fun session ->
            let settings = DocumentModels.preset session.Preset

            for dataset in DocumentModels.datasets session do
                let runs = DocumentModels.trainSpecs session settings (DocumentModels.iterative settings) dataset

                session.Show(
                    DocumentIterations.report session $"Figure 11: iterations of inference on {dataset}" settings runs
                )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
