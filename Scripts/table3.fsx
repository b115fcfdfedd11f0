// Table 3 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): the gaps with a larger encoder, of 500 instead of
// 200 hidden units; compare the amortization gaps with those of table2.fsx.
//
//   dotnet fsi Scripts/table3.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

/// log p̂, L[Flow*], L[FFG*], L[q]; approximation, amortization and inference gap: of the FFG model, then of the Flow model.
let published =
    [ "binarized-mnist",
      ([ -89.61; -90.65; -91.07; -92.18; 1.46; 1.11; 2.56 ], [ -88.99; -90.44; -108.71; -91.19; 1.45; 0.75; 2.20 ])
      "fashion-mnist",
      ([ -95.99; -97.40; -99.64; -102.73; 3.65; 3.09; 6.74 ], [ -96.18; -97.91; -129.7; -101.67; 1.73; 3.76; 5.49 ]) ]

exit (
    GapTable.script
        fsi.CommandLineArgs
        "Inference gaps with a larger encoder."
        "Table 3: inference gaps with a larger encoder"
        (fun settings ->
            GapTable.ffgAndFlow { Suboptimality.dense settings with EncoderHidden = [ 500; 500 ] } published)
)
