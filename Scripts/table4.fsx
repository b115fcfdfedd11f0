// Table 4 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018): what a flow is worth to an encoder that cannot do
// much by itself. The decoder is trained with the usual encoder and a factorised Gaussian (FFG), as in table2.fsx, and then fixed; two linear encoders are trained
// for it, one with a FFG and one with a flow.
//
//   dotnet fsi Scripts/table4.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Families
open GapLab.Workbench

/// Two steps from q(v | z) = N(0, I), with networks of 50-50 hidden units for r(v | z).
let flow = AuxiliaryFlow.Choice(standardAuxiliary = true, conditionalHidden = [| 50; 50 |])

/// log p̂, L[q*], L[q]; approximation, amortization and inference gap.
let published optimum values =
    let rows = [ "log p̂"; optimum; "L[q]"; "approximation gap"; "amortization gap"; "inference gap" ]
    [ ("binarized-mnist", List.zip rows values) ]

let encoders =
    [ { Name = "FFG"
        Family = FactorizedGaussian.Choice()
        Inference = Parts.inference [] "amortized"
        Published = published (GapTable.optimum "ffg") [ -84.70; -86.61; -129.83; 1.91; 43.22; 45.13 ] }
      { Name = "Flow"
        Family = flow
        Inference = Parts.inference [] "amortized"
        Published = published (GapTable.optimum "flow") [ -84.70; -85.48; -98.58; 0.78; 13.10; 13.88 ] } ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Inference gaps of linear encoders with a factorised Gaussian and with a flow, for one decoder.",
        fun session ->
            let datasets = Suboptimality.datasets session

            for dataset in datasets do
                Suboptimality.dense (Suboptimality.settingsFor session dataset) |> ignore

            let settings = Suboptimality.settings session
            let title = "Table 4: inference gaps of linear encoders"
            session.Show(FrozenDecoder.report session title settings encoders datasets)
    )
)
