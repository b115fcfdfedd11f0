// What the latent variables of trained models say about the data: KL of q to the prior, mutual information, active units.
//
//   dotnet fsi Scripts/diagnostics.fsx --dataset binarized-mnist --preset small --model 200-200,linear --out diagnostics.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

/// Test points at most; the time grows with their square.
let points = 1000

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "KL, mutual information and active units of the latent variables of trained models.",
        (fun session ->
            let models = Sweep.models session (Suboptimality.preset session.Preset)
            session.Show(DiagnosticsSweep.report session points models)),
        Uses = Sweep.modelOptions @ Cli.measuring
    )
)
