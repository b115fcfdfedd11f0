// Table 10 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): a VAE trained with a full-covariance Gaussian.
//
//   dotnet fsi Scripts/table10.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

/// The paper's rows; it prints no gaps.
let published =
    let rows = [ "log p̂"; GapTable.optimum "flow"; GapTable.optimum "ffg"; "L[q]" ]

    [ "binarized-mnist", List.zip rows [ -89.28; -90.69; -101.84; -92.05 ]
      "fashion-mnist", List.zip rows [ -96.46; -98.19; -107.89; -102.93 ] ]

let variants settings =
    [ { Name = "full covariance"
        Family = "full-covariance"
        Settings = { settings with OtherFamilies = [ "flow"; "ffg" ] }
        Published = published } ]

exit (
    GapTable.script
        fsi.CommandLineArgs
        "Inference gaps of a VAE with a full-covariance Gaussian posterior."
        "Table 10: inference gaps"
        variants
)
