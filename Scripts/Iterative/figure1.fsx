// Figure 1 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): the surface log p(x, z) of test images over two latent variables, its maximum, the estimate of a
// standard encoder, and the way of gradient ascent.
//
//   dotnet fsi Scripts/Iterative/figure1.fsx --preset small --out figure1.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let epochs = 80

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Surfaces over two latent variables, with an encoder's estimate and gradient ascent.",
        (fun session ->
            let settings = MapTrajectories.settings session epochs
            let parts = MapTrajectories.withPoint (IterativeModels.standard settings)

            let models =
                [ for dataset in IterativeModels.datasets session do
                      for run in IterativeModels.trainSpecs session settings parts dataset ->
                          { Name = "standard"; Run = run; Iterates = false }: MapTrajectories.Model ]

            session.Save(
                MapTrajectories.page
                    session
                    "Figure 1: inference as a walk on a surface"
                    "q(z | x) is a point, so that the best one is the most probable z. The paper finds the estimate of a standard encoder near the maximum but not at it, and gradient ascent from the origin nearer, after many steps."
                    (MapTrajectories.paper epochs)
                    settings
                    models,
                "figure1.html"
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
