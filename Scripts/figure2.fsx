// Figure 2 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): posteriors over a plane of latent variables beside what the encoder,
// the best factorised Gaussian and the best flow make of them, for four training points.
//
//   dotnet fsi Scripts/figure2.fsx --dataset binarized-mnist --preset small --out figure2.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Posteriors over two latent variables, and their approximations.",
        (fun session -> session.Save(PosteriorFigure.page session, "figure2.html")),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
