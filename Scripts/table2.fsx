// Table 2 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): how far a VAE's approximate posterior is from
// the best one, and which part of that is the encoder's fault; for a factorised Gaussian (FFG) and a flow.
//
//   dotnet fsi Scripts/table2.fsx --dataset binarized-mnist --preset small
//   dotnet fsi Scripts/table2.fsx --dataset cifar-10 --preset small          # the convolutional model of colour images
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

/// log p̂, L[Flow*], L[FFG*], L[q]; approximation, amortization and inference gap: of the FFG model, then of the Flow model.
let published =
    [ "binarized-mnist",
      ([ -89.80; -90.80; -91.23; -92.57; 1.43; 1.34; 2.77 ], [ -88.94; -90.38; -113.54; -91.79; 1.44; 1.41; 2.85 ])
      "fashion-mnist",
      ([ -97.47; -98.92; -100.53; -104.75; 3.06; 4.22; 7.28 ], [ -97.41; -99.10; -132.46; -103.76; 1.69; 4.66; 6.35 ])
      "cifar-10",
      ([ -14913.15; -14914.22; -14915.40; -14976.57; 2.25; 61.17; 63.42 ],
       [ -14914.45; -14915.57; -14919.08; -14975.12; 1.12; 59.55; 60.67 ]) ]

exit (
    GapTable.script
        fsi.CommandLineArgs
        "Inference gaps of VAEs with a factorised Gaussian and with a flow as posterior."
        "Table 2: inference gaps"
        (fun settings -> GapTable.ffgAndFlow settings published)
)
