/// Two small models that were trained with PyTorch, with what PyTorch says of them; made by Fixtures/external-models.py.
module GapLab.Tests.Experiments.ExternalModelFixtures

open System
open System.IO
open System.Text.Json.Nodes
open GapLab.Data
open GapLab.Experiments

/// A file of a model, "binary" or "real".
let file (model: string) (ending: string) =
    Path.Combine(AppContext.BaseDirectory, "Fixtures", $"external-{model}{ending}")

let read (model: string) = ExternalModel.Read(file model ".safetensors", file model ".json")

/// A model as an artifact on its own test data.
let artifact (model: string) = (read model).On(file model ".npz")

/// What PyTorch says.
let expected (model: string) = JsonNode.Parse(File.ReadAllText(file model "-expected.json"))

/// All numbers of nested lists, in order.
let rec numbers (node: JsonNode) : float[] =
    match node with
    | :? JsonArray as items -> items |> Seq.collect numbers |> Seq.toArray
    | value -> [| value.GetValue<float>() |]

let entries (model: string) = (SafetensorsFile.Read(file model ".safetensors")).Entries |> List.ofSeq

/// Reads a model from other weights and another description than those of a file.
let parse (weights: SafetensorsEntry list) (description: string) =
    let bytes = SafetensorsFile.ToBytes(List.toArray weights, null)

    ExternalModel.Parse(
        ReadOnlyMemory bytes,
        "model.safetensors",
        ReadOnlyMemory(Text.Encoding.UTF8.GetBytes description),
        "model.json"
    )
