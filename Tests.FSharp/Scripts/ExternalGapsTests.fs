/// gaps-of.fsx on small models that were trained with PyTorch, as a user would run it.
module GapLab.Tests.Scripts.ExternalGapsTests

open System
open System.IO
open System.Text.Json.Nodes
open NUnit.Framework
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private fixture (name: string) = Path.Combine(AppContext.BaseDirectory, "Fixtures", name)

let private data model = [ "--dataset"; fixture $"external-{model}.npz"; "--simulated"; "8" ]

let private scripts = ScriptFolder ""

[<OneTimeTearDown>]
let ``delete the store`` () = scripts.Delete()

let private weights model = fixture $"external-{model}.safetensors"

let private values (frame: Frame) =
    [ for row in Frame.rows frame -> row.GetAs<string> "nats", Cell.number row["test points"] ] |> Map.ofList

[<Test>]
let ``gaps of a model with an encoder add up, and are found again`` () =
    let arguments = [ weights "binary"; "--spec"; fixture "external-binary.json" ] @ data "binary"
    let frame = scripts.Table "gaps-of" (arguments @ [ "--jobs"; "2" ])
    let values = values frame
    let value name = (Map.find name values).Value
    near 1e-9 (value "inference gap") (value "approximation gap" + value "amortization gap")
    near 1e-9 (value "log p̂") (value "L[q]" + value "inference gap")
    // PyTorch's ELBO of all 32 test points is -31.7 and IWAE -28.7, of which the table has 10.
    let marginal = value "log p̂"
    holds $"log p̂ is {marginal}" (marginal > -33.0 && marginal < -24.0)
    holds "AIS reversed" (values.ContainsKey "AIS reversed - AIS")
    let output = scripts.Runs "gaps-of" arguments
    holds output (output.Contains "everything was stored already")

[<Test>]
let ``a decoder alone has local optima and bounds, and no amortization gap; sweeps have a row each`` () =
    withFolder (fun folder ->
        let spec = JsonNode.Parse(File.ReadAllText(fixture "external-real.json"))
        spec.AsObject().Remove "encoder" |> ignore
        spec["ignore"] <- JsonArray("classifier.", "net.", "fc_")
        let path = Path.Combine(folder, "decoder.json")
        File.WriteAllText(path, spec.ToJsonString())

        let arguments = [ weights "real"; "--spec"; path ] @ data "real" @ [ "--steps"; "20,40"; "--seed"; "1,2" ]

        let frame = scripts.Table "gaps-of" arguments
        equal [ "Steps"; "nats"; "test points"; "simulated points" ] (List.ofSeq frame.ColumnKeys)
        equal [| 20; 40 |] (Frame.col<int> "Steps" frame |> Array.distinct)
        let rows = Frame.col<string> "nats" frame |> Set.ofArray
        holds $"%A{rows}" (Set.isSubset (set [ "log p̂"; "L[FFG*]"; "approximation gap"; "AIS" ]) rows)

        for name in [ "L[q]"; "amortization gap"; "inference gap"; "IWAE of q" ] do
            holds name (not (rows.Contains name)))

[<Test>]
let ``what does not fit is said in a sentence`` () =
    let binary = [ weights "binary"; "--spec"; fixture "external-binary.json" ]
    scripts.Refuses "gaps-of" [ "--spec"; fixture "external-binary.json" ] [ "safetensors"; "before the options" ]
    scripts.Refuses "gaps-of" [ weights "binary" ] [ "--spec"; "external-models.md" ]
    scripts.Refuses "gaps-of" binary [ "'glyphs'"; "784"; "64" ]

    scripts.Refuses
        "gaps-of"
        [ weights "real"; "--spec"; fixture "external-binary.json" ]
        [ "'decoder.0.weight'"; "[24, 4]" ]

    scripts.Refuses "gaps-of" (binary @ data "binary" @ [ "--family"; "cauchy" ]) [ "'cauchy'"; "ffg" ]
    scripts.Refuses "gaps" [ weights "binary" ] [ "gaps.fsx takes options only" ]
