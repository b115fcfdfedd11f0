// Figure 3 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): ELBO, IWAE and AIS of training and test points while VAEs with
// a factorised Gaussian (FFG) and with a flow are trained, on all images and on 1,000 of them. AIS does not see the encoder: what IWAE loses against it on
// test points is the encoder's overfitting, and where AIS itself falls on test points the decoder overfits.
//
//   dotnet fsi Scripts/figure3.fsx --dataset binarized-mnist --preset small --out figure3.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Optimization
open GapLab.Workbench

/// The training gaps that the paper prints, for all images of MNIST.
let published = [ "FFG", 3.01; "Flow", 2.71 ]

/// Training on few images. The short presets have fewer epochs on all images than it takes to overfit few: here they have more.
let few (session: Session) settings =
    let images, epochs, annealing =
        match session.Preset with
        | "smoke" -> 300, 20, 2
        | "small" -> 1000, 500, 50
        | _ -> 1000, settings.Schedule.Epochs, settings.AnnealingEpochs

    { settings with
        TrainingImages = Some images
        Schedule =
            if epochs = settings.Schedule.Epochs then
                settings.Schedule
            else
                LearningRateSchedule.Constant(epochs, 1e-3)
        AnnealingEpochs = annealing }

let trainings (session: Session) =
    [ for dataset in Suboptimality.datasets session do
          let usual = Suboptimality.settingsFor session dataset

          let all =
              if session.Preset = "smoke" then
                  { usual with Points = 5; Distributions = 50 }
              else
                  usual

          for settings in [ all; few session all ] do
              for name, family in [ "FFG", "ffg"; "Flow", "flow" ] do
                  let parts = { Suboptimality.parts settings with Family = Parts.family family }

                  { Dataset = dataset
                    Family = name
                    Settings = settings
                    Runs = Suboptimality.trainSpecs session parts settings dataset
                    PublishedGap =
                      if dataset = "binarized-mnist" && settings = all then
                          published |> List.tryFind (fst >> (=) name) |> Option.map snd
                      else
                          None } ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds of training and test points from epoch to epoch.",
        (fun session ->
            session.Show(TrainingCurves.report session "Figure 3: bounds while training" (trainings session))),
        Uses = [ "dataset"; "preset"; "seed"; "ais-schedule"; "ais-start" ] @ Cli.measuring
    )
)
