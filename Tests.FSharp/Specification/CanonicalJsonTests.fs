module GapLab.Tests.Specification.CanonicalJsonTests

open System
open System.Text
open System.Text.Json
open System.Text.Json.Nodes
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Specification
open GapLab.Training
open GapLab.Tests.Checks

let private text (node: JsonNode) = Encoding.UTF8.GetString(CanonicalJson.ToBytes node)
let private parse (json: string) = JsonNode.Parse json

/// A document of up to four levels.
let rec private randomDocument (random: Random) depth : JsonNode =
    match random.Next(if depth = 0 then 5 else 7) with
    | 0 -> null
    | 1 -> JsonValue.Create(random.Next 2 = 0)
    | 2 -> JsonValue.Create(random.NextInt64())
    | 3 -> JsonValue.Create(Math.Exp(700. * (random.NextDouble() - 0.5)))
    | 4 -> JsonValue.Create(String(Array.init (random.Next 6) (fun _ -> char (random.Next 0xd000))))
    | 5 -> JsonArray([| for _ in 1 .. random.Next 4 -> randomDocument random (depth - 1) |])
    | _ ->
        let members = JsonObject()

        for _ in 1 .. random.Next 5 do
            members[string (char (random.Next(32, 1000)))] <- randomDocument random (depth - 1)

        members

/// The same document with the members of every object in another order.
let rec private shuffled (random: Random) (node: JsonNode) : JsonNode =
    match node with
    | :? JsonObject as members ->
        let pairs = members |> Seq.toArray
        random.Shuffle pairs
        let copy = JsonObject()

        for pair in pairs do
            copy[pair.Key] <- shuffled random pair.Value

        copy
    | :? JsonArray as items -> JsonArray [| for item in items -> shuffled random item |]
    | null -> null
    | value -> value.DeepClone()

[<Test>]
let ``members are in ordinal order at every depth, and nothing else is moved`` () =
    equal
        """{"B":"x","a":null,"b":{"a":[{"c":2,"d":1},[2,1]],"z":true}}"""
        (text (parse """ { "b": {"z":true, "a":[{"d":1,"c":2}, [2, 1]]}, "a":null, "B":"x" } """))

[<Test>]
let ``numbers have one spelling, whatever text they were read from`` () =
    equal
        "[1,1,1,0.1,0.0005,18446744073709551615,123456789012345678901234567890,-0.5]"
        (text (parse "[1, 1.0, 1e0, 0.10, 5E-4, 18446744073709551615, 123456789012345678901234567890, -0.5]"))
    // Too large for a number, but a document may hold it.
    equal "[1e999]" (text (parse "[1e999]"))

[<Property>]
let ``documents that differ in the order of members alone have equal bytes, and reading them back keeps the bytes``
    (seed: int)
    =
    let random = Random seed
    let document = randomDocument random 4
    let bytes = text document
    equal bytes (text (shuffled random document))
    equal bytes (text (parse bytes))
    equal (CanonicalJson.Hash document) (CanonicalJson.Hash(parse bytes))

[<Property>]
let ``numbers are read back exactly, those that JSON lacks too`` (values: float[]) =
    let values = Array.append [| nan; infinity; -infinity; -0.0; Double.Epsilon; Double.MaxValue; 0.1 |] values
    let back = CanonicalJson.To<float[]>(parse (text (CanonicalJson.From values)))
    equal (Array.map BitConverter.DoubleToInt64Bits values) (Array.map BitConverter.DoubleToInt64Bits back)

[<Test>]
let ``settings are written in camel case, enumerations in words, and null ones leave no trace`` () =
    equal
        """{"kind":"next-door","latentSize":3}"""
        (text (CanonicalJson.From {| LatentSize = 3; Kind = "next-door"; Limit = Nullable<int>() |}))

    equal "\"sampled\"" (text (CanonicalJson.From GapLab.Objectives.KlForm.Sampled))
    holds "null" (isNull (CanonicalJson.From null))

[<Test>]
let ``a copy without revisions lacks those of components, at any depth, and nothing else`` () =
    let inner = Component("inner", 3, {| Revision = 7 |})
    let outer = Component("outer", 2, {| parts = [| inner.ToJson() |]; name = "n"; revision = 1; size = 4 |})

    equal
        """{"name":"outer","settings":{"name":"n","parts":[{"name":"inner","settings":{"revision":7}}],"revision":1,"size":4}}"""
        (text (CanonicalJson.WithoutRevisions(outer.ToJson())))

    holds "null stays null" (isNull (CanonicalJson.WithoutRevisions null))

[<Test>]
let ``what lacks a member, or has null in its place, is refused`` () =
    let scores = ValidationScores(1., 2., 3., nan)
    let json = text (CanonicalJson.From scores)
    equal scores (CanonicalJson.To<ValidationScores>(parse json))

    for damaged in [ json.Replace("\"kl\":2,", ""); json.Replace("2", "null"); "{}"; "[]"; "3"; "null" ] do
        throws<JsonException> [] (fun () -> CanonicalJson.To<ValidationScores>(parse damaged) |> ignore)

    throws<JsonException> [] (fun () ->
        CanonicalJson.To<TrainingOutcome>(parse """{"curve":null,"selectedEpoch":1}""") |> ignore)
