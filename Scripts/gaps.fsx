// The inference gaps of any data set x decoder x family x inference method x seed, and how their estimates depend on the numbers of importance samples, AIS
// distributions and local optimisation steps. What is no setting of training never trains again.
//
//   dotnet fsi Scripts/gaps.fsx --dataset mnist,fashion-mnist --preset small --model 200-200,linear --seed 1..3 --out gaps.html
//   dotnet fsi Scripts/gaps.fsx --samples 50,500,5000 --steps 50,100,200
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

let sweep (session: Session) =
    // Bounds on simulated data are one more measurement of every row; they are asked for by --simulated.
    let settings = { Suboptimality.settings session with SimulatedPoints = session.Simulated 0 }

    [ for name, spec in Sweep.models session settings do
          for samples in session.Samples settings.ImportanceSamples do
              for steps in session.Steps settings.Distributions do
                  for iterations in session.Iterations settings.LocalSteps do
                      {| name with Samples = samples; Steps = steps; Iterations = iterations |},
                      { settings with
                          ImportanceSamples = samples
                          Distributions = steps
                          LocalSteps = iterations },
                      spec ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Inference gaps of any data set, decoder, family and inference method, as a frame.",
        (fun session -> session.Show(GapSweep.report session (sweep session))),
        Uses = Sweep.modelOptions @ Cli.annealing @ Cli.measuring @ [ "samples"; "steps"; "iterations" ]
    )
)
