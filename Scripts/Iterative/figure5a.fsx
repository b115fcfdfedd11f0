// Figure 5a of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): models trained with more samples of q for each ELBO. The paper finds that
// iterative inference, which sees gradients averaged over the samples, gains more from them than a standard encoder.
//
//   dotnet fsi Scripts/Iterative/figure5a.fsx --preset small --out figure5a.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let samples preset = if preset = "smoke" then [ 1; 5 ] else [ 1; 5; 10; 20 ]

/// Trains a model for each number of samples and each kind of inference.
let cases (session: Session) =
    let preset = IterativeModels.preset session.Preset

    // Eight models, two of them with a hundred evaluations of the decoder for each image and step.
    let images = if session.Preset = "small" then Some 5000 else preset.Gaps.TrainingImages

    [ for dataset in IterativeModels.datasets session do
          for samples in samples session.Preset do
              let settings =
                  { preset with
                      Samples = samples
                      Gaps = { preset.Gaps with TrainingImages = images } }

              let labels inference =
                  [ "data", Text dataset; "samples", Integer samples; "inference", Text inference ]

              for inference, parts in
                  [ "standard", IterativeModels.standard settings
                    "iterative", IterativeModels.iterative settings Encoding.dataAndGradients ] do
                  { Labels = labels inference
                    Settings = settings
                    Runs = IterativeModels.trainSpecs session settings parts dataset
                    Published = None
                    Baseline = if inference = "standard" then None else Some(labels "standard") } ]

let charts (frame: Frame) =
    [ for bound in [ BoundTable.elbo; BoundTable.marginal ] ->
          frame
          |> Chart.lineBy "samples" bound "inference"
          |> Chart.WithTitle $"{bound}, test points"
          |> Chart.WithYTitle "nats" ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds of models that were trained with one or more samples, with standard and with iterative inference.",
        (fun session ->
            session.Show(
                BoundTable.report
                    session
                    "Figure 5a: samples in training"
                    (fun _ -> IterativeModels.paper)
                    charts
                    (cases session)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
