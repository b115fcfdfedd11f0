// Table 2 of "Iterative Amortized Inference" (Marino, Yue and Mandt 2018): the perplexity of test documents for models of the same decoder that were trained with a standard encoder
// and with iterative inference.
//
//   dotnet fsi Scripts/Iterative/table2.fsx --preset small --seed 1..3
#load "../built.fsx"
#load "../gaplab.fsx"

open GapLab.Workbench

/// Per document, for all test documents of RCV1.
let published = [ "standard", 385.; "iterative", 382. ]

let cases (session: Session) =
    let settings = DocumentModels.preset session.Preset

    [ for dataset in DocumentModels.datasets session do
          for inference, parts in
              [ "standard", DocumentModels.standard settings; "iterative", DocumentModels.iterative settings ] do
              { Dataset = dataset
                Inference = inference
                Settings = settings
                Runs = DocumentModels.trainSpecs session settings parts dataset
                Published =
                  if dataset = "rcv1" then
                      List.tryFind (fst >> (=) inference) published |> Option.map snd
                  else
                      None } ]

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Perplexities of models of documents with standard and with iterative inference.",
        (fun session ->
            session.Show(
                PerplexityTable.report
                    session
                    "Table 2: perplexity with standard and iterative inference"
                    (cases session)
            )),
        Uses = [ "dataset"; "preset"; "seed" ] @ Cli.measuring
    )
)
