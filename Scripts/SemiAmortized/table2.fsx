// Table 2 of "Semi-Amortized Variational Autoencoders" (Kim et al. 2018): bounds, KL terms and perplexities of language models of text that were trained in different ways.
//
//   dotnet fsi Scripts/SemiAmortized/table2.fsx --preset small --dataset ptb --hidden 128 --vocabulary 2000
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

let bound value kl perplexity = Some { NegativeBound = value; Kl = kl; Perplexity = Some perplexity }

/// Yahoo questions: -L, KL, perplexity.
let published =
    [ Autoregressive, bound 329.1 None 61.6
      EncoderOnly, bound 330.2 (Some 0.01) 62.5
      VaeInit, bound 330.5 (Some 0.37) 62.7
      WordDropout 0.25, bound 334.2 (Some 1.44) 65.6
      WordDropout 0.5, bound 345.0 (Some 5.29) 75.2
      Svi 10, bound 331.4 (Some 0.16) 63.4
      Svi 20, bound 330.8 (Some 0.41) 62.9
      Svi 40, bound 329.8 (Some 1.01) 62.2
      VaeSvi 10, bound 331.2 (Some 7.85) 63.3
      VaeSvi 20, bound 330.5 (Some 7.80) 62.7
      VaeSviKl 10, bound 330.3 (Some 7.95) 62.5
      VaeSviKl 20, bound 330.1 (Some 7.81) 62.3
      SaVae 10, bound 327.6 (Some 5.13) 60.5
      SaVae 20, bound 327.5 (Some 7.19) 60.4 ]

let cases (session: Session) (settings: SemiAmortizedSettings) dataset =
    let steps = settings.Steps

    let refinements =
        if session.Preset = "paper" then
            List.map fst published
        else
            [ Autoregressive
              EncoderOnly
              VaeInit
              WordDropout 0.25
              Svi steps
              VaeSvi steps
              VaeSviKl steps
              SaVae steps ]

    [ for refinement in refinements ->
          { Refinement = refinement
            Runs = RefinedModels.trainSpecs session settings refinement dataset
            Published =
              if session.Preset <> "smoke" then
                  List.tryFind (fst >> (=) refinement) published |> Option.bind snd
              else
                  None } ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Bounds, KL terms and perplexities of language models, with VAEs, SVI and SA-VAEs.",
        (fun session ->
            let settings = RefinedModels.textSettings session
            let dataset = RefinedModels.textDataset session

            session.Show(
                RefinementTable.report
                    session
                    $"Table 2: text, {dataset}"
                    SemiAmortizedSettings.text
                    settings
                    (cases session settings dataset)
            )),
        Uses = [ "dataset"; "preset"; "seed"; "hidden"; "vocabulary" ] @ Cli.measuring
    )
)
