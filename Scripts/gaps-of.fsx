// Bounds and inference gaps of a model that was trained elsewhere: weights from a safetensors file, with the names that PyTorch gives those of an nn.Sequential, layers and likelihood from a
// JSON file (docs/external-models.md). Nothing is trained; without an encoder only what does not need one is measured.
//
//   dotnet fsi Scripts/gaps-of.fsx model.safetensors --spec model.json --dataset binarized-mnist --preset small
//   dotnet fsi Scripts/gaps-of.fsx model.safetensors --spec model.json --dataset test.npy --family flow --samples 500,5000 --out gaps.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds and inference gaps of a model that was trained elsewhere.",
        (fun session -> session.Show(ExternalGaps.report session)),
        Uses = ExternalGaps.options
    )
)
