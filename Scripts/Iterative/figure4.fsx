// Figures 4 and 9 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): what a model decodes from the estimates of iterative inference, iteration by iteration.
//
//   dotnet fsi Scripts/Iterative/figure4.fsx --dataset mnist,omniglot,cifar-10 --preset small --out figure4.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

/// The network of CIFAR-10 sees errors, with ten iterations; all others see gradients, with sixteen.
let models (session: Session) =
    [ for dataset in IterativeModels.datasets session do
          let usual = IterativeModels.presetFor dataset session.Preset

          let settings, paper, encoding =
              if dataset = "cifar-10" then
                  let iterations = if session.Preset = "smoke" then usual.Iterations else 10

                  { usual with Iterations = iterations },
                  { IterativeModels.paperColours with Iterations = 10 },
                  Encoding.errors
              else
                  let paper =
                      if usual.GaussianLogVariance.IsSome then
                          IterativeModels.paperColours
                      else
                          IterativeModels.paper

                  IterativeModels.longer session.Preset usual, IterativeModels.longer "paper" paper, Encoding.gradients

          let parts = IterativeModels.iterative settings encoding

          for run in IterativeModels.trainSpecs session settings parts dataset -> settings, paper, run ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Reconstructions of test images over the iterations of inference.",
        (fun session ->
            session.Save(
                IterationPictures.page session "Figure 4: reconstructions over iterations" (models session),
                "figure4.html"
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring,
        Formats = Report.pageFormats
    )
)
