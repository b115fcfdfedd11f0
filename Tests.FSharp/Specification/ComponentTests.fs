module GapLab.Tests.Specification.ComponentTests

open System.IO
open NUnit.Framework
open GapLab.Specification
open GapLab.Tensors
open GapLab.Tests.Checks

[<Test>]
let ``a component is described by name, revision and settings`` () =
    let json = Component("dense", 2, {| size = 3 |}).ToJson().ToJsonString()
    equal """{"name":"dense","revision":2,"settings":{"size":3}}""" json
    equal """{"name":"none","revision":1}""" (Component("none", 1).ToJson().ToJsonString())

[<Test>]
let ``a script's component changes with the script's text, whether or not revisions count`` () =
    let script = Path.GetTempFileName()

    try
        let describe (text: string) =
            File.WriteAllText(script, text)
            Component.FromScript("mine", script, {| size = 3 |}).ToJson()

        let first, second, again = describe "let f x = x", describe "let f x = 2 * x", describe "let f x = x"
        equal (CanonicalJson.Hash first) (CanonicalJson.Hash again)
        holds "another key" (CanonicalJson.Hash first <> CanonicalJson.Hash second)
        let identity node = CanonicalJson.Hash(CanonicalJson.WithoutRevisions node)
        holds "another identity" (identity first <> identity second)
        let built = Component<int, int>.FromScript("mine", script, {| size = 3 |}, fun x -> x + 1)
        equal (CanonicalJson.Hash first) (CanonicalJson.Hash(built.ToJson()))
        equal 3 (built.Build 2)
    finally
        File.Delete script

[<Test>]
let ``a script that cannot be read is named`` () =
    throws<GapLabException> [ "no-such.fsx"; "cannot be read"; "script" ] (fun () ->
        Component.FromScript("mine", "no-such.fsx") |> ignore)
