// Table 1 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): -log p(x) of test images for models of the same decoder that were trained with a standard
// encoder and with iterative inference.
//
//   dotnet fsi Scripts/Iterative/table1.fsx --dataset mnist,cifar-10 --preset small --seed 1..3
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

/// Standard and iterative inference: -log p(x) in nats for all of MNIST's test images, in bits for each number of CIFAR-10's.
let published =
    [ ("mnist", "one"), (84.14, 83.84); ("mnist", "two"), (82.63, 82.457); ("cifar-10", "one"), (5.823, 5.71) ]

let cases (session: Session) =
    [ for dataset in IterativeModels.datasets session do
          let oneLevel = IterativeModels.presetFor dataset session.Preset

          let models =
              [ "one", oneLevel
                if oneLevel.GaussianLogVariance.IsNone then
                    "two", IterativeModels.hierarchical session.Preset oneLevel ]

          for levels, settings in models do
              let labels inference =
                  [ "data", Text dataset; "latent levels", Text levels; "inference", Text inference ]

              for inference, parts, value in
                  [ "standard", IterativeModels.standard settings, Some fst
                    // Not in the paper, whose standard encoder of the hierarchy is no ladder.
                    if settings.Levels.IsSome then
                        "ladder", IterativeModels.ladder settings, None
                    "iterative", IterativeModels.iterative settings Encoding.dataAndErrors, Some snd ] do
                  { Labels = labels inference
                    Settings = settings
                    Runs = IterativeModels.trainSpecs session settings parts dataset
                    Published =
                      published
                      |> List.tryFind (fst >> (=) (dataset, levels))
                      |> Option.bind (fun (_, values) -> value |> Option.map ((|>) values))
                    Baseline = if inference = "standard" then None else Some(labels "standard") } ]

/// The paper's settings in place of those that are used.
let paper (used: IterativeSettings) =
    if used.GaussianLogVariance.IsSome then
        IterativeModels.paperColours
    elif used.Levels.IsSome then
        IterativeModels.hierarchical "paper" IterativeModels.paper
    else
        IterativeModels.paper

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds on log p(x) of models with standard and with iterative inference.",
        (fun session ->
            session.Show(
                BoundTable.report
                    session
                    "Table 1: standard and iterative inference"
                    paper
                    (fun _ -> [])
                    (cases session)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
