// Figure 3 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): the way of iterative inference on the surface log p(x, z) of test images over two latent variables.
// The paper says in one place that the network sees the data and gradients, in another that it sees the data and errors: both are trained.
//
//   dotnet fsi Scripts/Iterative/figure3.fsx --preset small --out figure3.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let epochs = 50

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Surfaces over two latent variables, with the ways of iterative inference and of gradient ascent.",
        (fun session ->
            let settings = MapTrajectories.settings session epochs

            let models =
                [ for dataset in IterativeModels.datasets session do
                      for encoding in [ Encoding.dataAndErrors; Encoding.dataAndGradients ] do
                          let parts = MapTrajectories.withPoint (IterativeModels.iterative settings encoding)

                          for run in IterativeModels.trainSpecs session settings parts dataset ->
                              { Name = encoding.Name; Run = run; Iterates = true }: MapTrajectories.Model ]

            session.Save(
                MapTrajectories.page
                    session
                    "Figure 3: iterative inference as a walk on a surface"
                    "q(z | x) is a point, so that the best one is the most probable z. The paper finds that a network which is shown errors or gradients of the present estimate walks from the origin in large steps, then small ones, and stays."
                    (MapTrajectories.paper epochs)
                    settings
                    models,
                "figure3.html"
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
