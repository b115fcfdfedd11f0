// Table 3 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): bounds of pixel-by-pixel models of Omniglot that were trained in different ways.
//
//   dotnet fsi Scripts/SemiAmortized/table3.fsx --preset small --dataset omniglot
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let bound value kl = Some { NegativeBound = value; Kl = kl; Perplexity = None }

/// Omniglot of Burda et al.: -L and the KL term in it.
let published =
    [ Autoregressive, bound 90.59 None
      EncoderOnly, bound 90.43 (Some 0.98)
      Svi 10, bound 90.65 (Some 0.02)
      Svi 20, bound 90.51 (Some 0.06)
      Svi 40, bound 90.44 (Some 0.27)
      Svi 80, bound 90.27 (Some 1.65)
      VaeSvi 10, bound 90.26 (Some 1.69)
      VaeSvi 20, bound 90.19 (Some 2.40)
      VaeSviKl 10, bound 90.24 (Some 2.42)
      VaeSviKl 20, bound 90.21 (Some 2.83)
      SaVae 10, bound 90.20 (Some 1.83)
      SaVae 20, bound 90.05 (Some 2.78) ]

let cases (session: Session) (settings: SemiAmortizedSettings) dataset =
    let steps = settings.Steps

    let refinements =
        if session.Preset = "paper" then
            List.map fst published
        else
            [ Autoregressive; EncoderOnly; Svi steps; VaeSvi steps; VaeSviKl steps; SaVae steps ]

    [ for refinement in refinements ->
          { Refinement = refinement
            Runs = RefinedModels.trainSpecs session settings refinement dataset
            Published =
              if session.Preset = "smoke" then
                  None
              else
                  List.tryFind (fst >> (=) refinement) published |> Option.bind snd } ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds of pixel-by-pixel models of images, with VAEs, SVI and SA-VAEs.",
        (fun session ->
            let settings = RefinedModels.imageSettings session
            let dataset = RefinedModels.imageDataset session

            session.Show(
                RefinementTable.report
                    session
                    $"Table 3: images, {dataset}"
                    SemiAmortizedSettings.images
                    settings
                    (cases session settings dataset)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
