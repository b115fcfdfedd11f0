/// What is accepted as a model that was trained elsewhere, what is refused and with which words, and under which key it is measured.
module GapLab.Tests.Experiments.ExternalModelTests

open System
open System.IO
open System.Text
open NUnit.Framework
open GapLab.Data
open GapLab.Experiments
open GapLab.Models
open GapLab.Tensors
open GapLab.Tests
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks
open GapLab.Tests.Experiments.ExperimentFixtures
open GapLab.Tests.Experiments.ExternalModelFixtures

let private description =
    """{"latentSize": 4, "dataSize": 64, "likelihood": "bernoulli",
 "decoder": {"modules": ["linear 24", "tanh", "linear 32", "elu", "linear 64", "sigmoid"]},
 "encoder": {"modules": ["linear 32", "relu", "dropout", "linear 8"]}}"""

let private real = lazy (File.ReadAllText(file "real" ".json"))

let private changed (text: string) (from: string, into: string) =
    holds $"'{from}' is in the description" (text.Contains from)
    text.Replace(from, into)

/// One sentence of a DataException that contains all fragments.
let private refuses (fragments: string list) (action: unit -> unit) =
    let error = Assert.Throws<DataException>(Action action)
    holds $"one sentence: {error.Message}" (error.Message.EndsWith '.' && not (error.Message.Contains '\n'))

    for fragment in fragments do
        holds $"'{fragment}' is in: {error.Message}" (error.Message.Contains fragment)

[<Test>]
let ``the fixtures are read as they are described`` () =
    let binary, real = read "binary", read "real"
    equal (4, 64, OutputKind.Bernoulli, true) (binary.LatentSize, binary.DataSize, binary.Output, binary.HasEncoder)
    equal (2, 6, OutputKind.Gaussian, true) (real.LatentSize, real.DataSize, real.Output, real.HasEncoder)
    let vae = (real.On "glyphs").Build(cpu, 6)
    holds "names as in the file" (List.contains "fc_log_sigma.weight" (List.ofSeq vae.ParameterNames))

[<Test>]
let ``a wrong field is named with what it may be`` () =
    let binary = entries "binary"

    for change, fragments in
        [ ("\"latentSize\": 4, ", ""), [ "'latentSize' is missing"; "whole number from 1" ]
          ("\"latentSize\": 4", "\"latentSize\": 0"), [ "'latentSize' is 0"; "whole number from 1" ]
          ("\"latentSize\": 4", "\"latentSize\": 4.5"), [ "'latentSize' is 4.5" ]
          ("\"latentSize\": 4", "\"latentSize\": 99999999999"), [ "'latentSize' is 99999999999" ]
          ("\"latentSize\": 4", "\"latentSize\": \"4\""), [ "'latentSize' is \"4\"" ]
          ("\"dataSize\": 64", "\"dataSize\": null"), [ "'dataSize' is null" ]
          ("bernoulli", "categorical"), [ "'likelihood' is \"categorical\""; "\"bernoulli\" or \"gaussian\"" ]
          ("\"bernoulli\"", "1"), [ "'likelihood' is 1" ]
          ("\"bernoulli\"", "\"gaussian\""), [ "'logVariance' is missing"; "\"outputs\"" ]
          ("\"bernoulli\"", "\"gaussian\", \"logVariance\": \"network\""), [ "'logVariance' is \"network\"" ]
          ("\"bernoulli\"", "\"gaussian\", \"logVariance\": 1e999"), [ "'logVariance' is 1e999" ]
          ("\"bernoulli\"", "\"gaussian\", \"logVariance\": \"outputs\""),
          [ "'decoder.modules'"; "128 outputs"; "not in 64" ]
          ("\"bernoulli\"", "\"bernoulli\", \"logVariance\": 0"), [ "'logVariance' is 0"; "left out" ]
          ("\"likelihood\"", "\"prior\": \"N(0, I)\", \"likelihood\""), [ "no field 'prior'"; "latentSize, dataSize" ]
          ("\"decoder\": {", "\"decoder\": {\"layers\": [], "), [ "no field 'decoder.layers'"; "prefix, modules" ]
          ("\"decoder\": {", "\"decoder\": {\"prefix\": 1, "), [ "'decoder.prefix' is 1" ]
          ("\"decoder\": {", "\"decoder\": {\"prefix\": \"encoder\", "), [ "'encoder'"; "different prefixes" ]
          ("\"tanh\"", "\"gelu\""), [ "'decoder.modules[1]' is \"gelu\""; "'linear N'"; "leaky-relu" ]
          ("\"tanh\"", "{}"), [ "'decoder.modules[1]' is {}" ]
          ("\"linear 24\"", "\"linear\""), [ "'decoder.modules[0]' is \"linear\"" ]
          ("\"sigmoid\"", "\"tanh\""), [ "'decoder.modules'"; "logits" ]
          ("\"linear 64\"", "\"linear 63\""), [ "'decoder.modules'"; "64 outputs"; "not in 63" ]
          ("\"linear 8\"", "\"linear 4\""), [ "'encoder.modules'"; "8 outputs"; "not in 4"; "'heads'" ]
          ("\"encoder\": {", "\"encoder\": {\"heads\": [\"mu\"], "), [ "'encoder.heads'"; "two linear layers" ]
          ("\"encoder\": {", "\"encoder\": {\"spread\": \"variance\", "),
          [ "'encoder.spread' is \"variance\""; "\"log-deviation\"" ]
          ("\"encoder\": {", "\"ignore\": \"x\", \"encoder\": {"), [ "'ignore' is \"x\"" ]
          ("\"encoder\": {", "\"ignore\": [1], \"encoder\": {"), [ "'ignore[0]' is 1" ]
          ("\"encoder\": {", "\"encoder\": {\"spread\": \"\\ud800\", "), [ "no valid" ]
          ("\"encoder\": {", "\"latentSize\": 4, \"encoder\": {"), [ "no valid JSON"; "latentSize" ]
          ("}}", "}"), [ "no valid JSON" ] ] do
        refuses ("'model.json'" :: fragments) (fun () -> parse binary (changed description change) |> ignore)

    for text, fragments in
        [ "[]", [ "no JSON object" ]
          "", [ "no valid JSON" ]
          String.replicate 100 "{\"decoder\":" + "1", [ "no valid JSON" ]
          "{\"decoder\": 1}", [ "'latentSize' is missing" ]
          """{"latentSize": 4, "dataSize": 64, "likelihood": "bernoulli", "decoder": []}""",
          [ "'decoder' is []"; "an object" ]
          """{"latentSize": 4, "dataSize": 64, "likelihood": "bernoulli", "decoder": {"modules": []}}""",
          [ "'decoder.modules' is []"; "one of them linear" ] ] do
        refuses ("'model.json'" :: fragments) (fun () -> parse binary text |> ignore)

[<Test>]
let ``a description that cannot be read is named`` () =
    withFolder (fun folder ->
        let weights = file "binary" ".safetensors"
        let path name = Path.Combine(folder, name)
        refuses [ "none.json"; "check the path" ] (fun () -> ExternalModel.Read(weights, path "none.json") |> ignore)
        File.WriteAllBytes(path "bad.json", Array.append (Encoding.UTF8.GetBytes description) [| 0xFFuy |])
        refuses [ "bad.json"; "UTF-8" ] (fun () -> ExternalModel.Read(weights, path "bad.json") |> ignore)
        File.WriteAllBytes(path "large.json", Array.zeroCreate 1_000_001)
        refuses [ "large.json"; "1000000 bytes" ] (fun () -> ExternalModel.Read(weights, path "large.json") |> ignore)
        // With the mark that some editors begin files with.
        File.WriteAllBytes(
            path "mark.json",
            Array.append [| 0xEFuy; 0xBBuy; 0xBFuy |] (Encoding.UTF8.GetBytes description)
        )

        equal 4 (ExternalModel.Read(weights, path "mark.json")).LatentSize

        refuses [ "none.safetensors" ] (fun () ->
            ExternalModel.Read(path "none.safetensors", path "mark.json") |> ignore))

/// An entry with other content.
let private floats name (shape: int64 list) (values: float32 list) =
    SafetensorsEntry.FromFloats(name, List.toArray shape, ReadOnlySpan(List.toArray values))

let private replaced name (entry: SafetensorsEntry) =
    [ for own in entries "binary" -> if own.Name = name then entry else own ]

let private bias = "decoder.0.bias"

[<Test>]
let ``weights that do not belong to the description are named with both shapes`` () =
    let zeros n = List.replicate n 0.f

    let wide =
        SafetensorsEntry.FromDoubles(
            bias,
            [| 24L |],
            ReadOnlySpan(Array.init 24 (fun i -> if i = 3 then 1e300 else 0.))
        )

    let whole = SafetensorsEntry.FromInt64(bias, [| 24L |], ReadOnlySpan(Array.zeroCreate 24))

    for weights, fragments in
        [ replaced bias (floats bias [ 25L ] (zeros 25)), [ $"'{bias}'"; "[25]"; "[24]" ]
          replaced bias (floats bias [ 24L; 1L ] (zeros 24)), [ $"'{bias}'"; "[24, 1]"; "[24]" ]
          replaced bias (floats "decoder.0.biases" [ 24L ] (zeros 24)),
          [ $"no tensor '{bias}'"; "[24]"; "'decoder.0.biases'" ]
          replaced bias whole, [ $"'{bias}'"; "I64"; "F32" ]
          replaced bias wide, [ $"'{bias}'"; "1E+300 (element 3"; "float32" ]
          replaced bias (floats bias [ 24L ] (Single.NaN :: zeros 23)), [ $"'{bias}'"; "NaN (element 0" ]
          replaced bias (floats bias [ 24L ] (zeros 23 @ [ Single.NegativeInfinity ])), [ $"'{bias}'"; "element 23" ]
          entries "binary" @ [ floats "log_sigma" [ 1L ] [ 0.f ] ], [ "'log_sigma' [1]"; "'ignore'" ]
          [], [ "no tensor 'decoder.0.weight'"; "[24, 4]"; "none at all" ] ] do
        refuses ("'model.safetensors'" :: fragments) (fun () -> parse weights description |> ignore)

    // What is ignored may be there; what is not described may not, an encoder included.
    let spare = entries "binary" @ [ floats "log_sigma" [ 1L ] [ 0.f ] ]

    let ignoring names =
        changed description ("\"likelihood\"", $"\"ignore\": [{names}], \"likelihood\"")

    holds "ignored" (parse spare (ignoring "\"log_\"")).HasEncoder

    let withoutEncoder =
        changed
            (ignoring "\"encoder.\"")
            (",\n \"encoder\": {\"modules\": [\"linear 32\", \"relu\", \"dropout\", \"linear 8\"]}", "")

    equal false (parse (entries "binary") withoutEncoder).HasEncoder

    refuses [ "'encoder.0." ] (fun () ->
        parse (entries "binary") (changed withoutEncoder ("\"encoder.\"", "")) |> ignore)

[<Test>]
let ``a layer of any size is compared with the file before anything is made of it`` () =
    let weights = entries "binary"
    let huge = changed description ("\"linear 24\"", "\"linear 2147483647\"")
    let before = GC.GetAllocatedBytesForCurrentThread()
    refuses [ "[24, 4]"; "[2147483647, 4]" ] (fun () -> parse weights huge |> ignore)
    holds "little memory" (GC.GetAllocatedBytesForCurrentThread() - before < 10_000_000L)

[<Test>]
let ``damaged weights and descriptions are refused or read, and cost no more memory than their size`` () =
    let weights = File.ReadAllBytes(file "real" ".safetensors")
    let text = Encoding.UTF8.GetBytes real.Value

    let read (weights: byte[]) (text: byte[]) =
        ExternalModel.Parse(ReadOnlyMemory weights, "model.safetensors", ReadOnlyMemory text, "model.json") |> ignore

    Mutations.check Mutations.count 1 weights (fun bytes -> read bytes text)
    Mutations.check Mutations.count 2 text (read weights)

[<Test>]
let ``the key is that of the weights' bytes and of what the description says`` () =
    withFolder (fun folder ->
        let write (name: string) (bytes: byte[]) =
            let path = Path.Combine(folder, name)
            File.WriteAllBytes(path, bytes)
            path

        let bytes = File.ReadAllBytes(file "binary" ".safetensors")
        let weights = write "a.safetensors" bytes

        let key weights (text: string) =
            ((ExternalModel.Read(weights, write "m.json" (Encoding.UTF8.GetBytes text))).On "glyphs").Key

        let own = key weights description
        equal own (key (write "b.safetensors" bytes) (description.Replace(" ", "  ")))
        equal own (key weights (changed description ("\"likelihood\"", "\"ignore\": [\"x\"], \"likelihood\"")))
        let other = Array.copy bytes
        other[other.Length - 1] <- other[other.Length - 1] ^^^ 1uy

        let others =
            [ own
              key (write "c.safetensors" other) description
              key weights (changed description ("tanh", "elu"))
              key
                  weights
                  (changed
                      description
                      ("\"modules\": [\"linear 32\"", "\"spread\": \"log-deviation\", \"modules\": [\"linear 32\""))
              ((read "binary").On "mnist").Key ]

        equal others.Length (List.distinct others).Length)

[<Test>]
let ``weights that change after they were named are not measured under the old key`` () =
    withFolder (fun folder ->
        let weights = Path.Combine(folder, "m.safetensors")
        File.Copy(file "binary" ".safetensors", weights)
        let artifact = (ExternalModel.Read(weights, file "binary" ".json")).On(file "binary" ".npz")
        SafetensorsFile.Write(weights, List.toArray (entries "real"), null)
        let runner, _ = runnerOn (Path.Combine(folder, "store"))
        throws<GapLabException> [ "m.safetensors"; "have changed" ] (fun () -> runner.Load artifact |> ignore))

[<Test>]
let ``data of another size or kind are refused`` () =
    let model = read "binary"

    refuses [ "'glyphs'"; "784"; "'dataSize'"; "64" ] (fun () ->
        model.Require(
            DataSets.Load(
                "glyphs",
                DataOptions(SyntheticTrainCount = 10, SyntheticTestCount = 10, ValidationCount = 2)
            )
        ))

    withFolder (fun folder ->
        let path = Path.Combine(folder, "reals.csv")
        File.WriteAllLines(path, [ for i in 0..19 -> String.Join(',', [ for j in 0..63 -> 0.5 + float (i + j) ]) ])
        refuses [ "reals.csv"; "Bernoulli"; "\"gaussian\"" ] (fun () -> model.Require(DataSets.Load path)))

    model.Require(DataSets.Load(file "binary" ".npz"))
