// Figure 5b of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): what an iterative inference network is shown, and how many iterations it is trained with, beside
// a standard encoder for the same decoder.
//
//   dotnet fsi Scripts/Iterative/figure5b.fsx --preset small --out figure5b.html
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let iterations preset = if preset = "smoke" then [ 1; 2 ] else [ 2; 5; 10; 16 ]

/// One standard encoder, and a network for each encoding and number of iterations.
let cases (session: Session) =
    let preset = IterativeModels.preset session.Preset

    // Seventeen models.
    let images = if session.Preset = "small" then Some 5000 else preset.Gaps.TrainingImages
    let settings = { preset with Gaps = { preset.Gaps with TrainingImages = images } }

    [ for dataset in IterativeModels.datasets session do
          let labels encoding iterations = [ "data", Text dataset; "encoding", Text encoding; "iterations", iterations ]

          let standard = labels "standard encoder" Missing

          { Labels = standard
            Settings = settings
            Runs = IterativeModels.trainSpecs session settings (IterativeModels.standard settings) dataset
            Published = None
            Baseline = None }

          for encoding in Encoding.all do
              for iterations in iterations session.Preset do
                  let settings = { settings with Iterations = iterations }

                  { Labels = labels encoding.Name (Integer iterations)
                    Settings = settings
                    Runs =
                      IterativeModels.trainSpecs session settings (IterativeModels.iterative settings encoding) dataset
                    Published = None
                    Baseline = Some standard } ]

/// A line for each encoding, and the standard encoder as a level line.
let charts (frame: Frame) =
    let isStandard (row: Row) = (Cell.number row["iterations"]).IsNone
    let trained = frame |> Frame.filterRows (isStandard >> not)
    let ends = Frame.col<float> "iterations" trained |> fun all -> [ Array.min all; Array.max all ]

    let standard =
        frame
        |> Frame.filterRows isStandard
        |> fun rows ->
            Chart.Line([ for x in ends -> x, (Frame.col<float> BoundTable.elbo rows)[0] ], Name = "standard encoder")

    [ Chart.Combine [ trained |> Chart.lineBy "iterations" BoundTable.elbo "encoding"; standard ]
      |> Chart.WithTitle "L, test points"
      |> Chart.WithYTitle "nats" ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds of iterative inference by encoding and number of iterations.",
        (fun session ->
            session.Show(
                BoundTable.report
                    session
                    "Figure 5b: encodings and iterations"
                    (fun _ -> IterativeModels.paper)
                    charts
                    (cases session)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
