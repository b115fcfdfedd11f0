// Table 5 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): the approximation gap against the capacity of the decoder.
//
//   dotnet fsi Scripts/table5.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

/// The paper's values for decoders of 0, 2 and 4 hidden layers. It prints the rows of the last two exchanged: log p̂ below the bound.
let published = [ 0, [ -100.52; -104.42; 3.90 ]; 2, [ -84.78; -86.61; 1.83 ]; 4, [ -82.19; -83.82; 1.63 ] ]

let variants settings =
    [ for layers, values in published ->
          { Name = $"{layers} hidden layers"
            Family = "ffg"
            Settings = { Suboptimality.dense settings with Hidden = List.replicate layers 200 }
            Published =
              [ ("binarized-mnist", List.zip [ "log p̂"; GapTable.optimum "ffg"; "approximation gap" ] values) ] } ]

exit (
    GapTable.script
        fsi.CommandLineArgs
        "The approximation gap against the capacity of the decoder."
        "Table 5: inference gaps by the decoder's hidden layers"
        variants
)
