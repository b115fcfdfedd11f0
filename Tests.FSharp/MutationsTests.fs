module GapLab.Tests.MutationsTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Tests.Checks

let private valid = Array.init 300 byte

let private fails (words: string list) (read: byte[] -> unit) =
    use _ = new NUnit.Framework.Internal.TestExecutionContext.IsolatedContext()
    throws<AssertionException> words (fun () -> Mutations.check 200 1 valid read)

let private refuse () = raise (GapLabException "no")

[<Test>]
let ``a damage is a function of its seed and changes the bytes`` () =
    for seed in 1..500 do
        equal (Mutations.damage seed valid) (Mutations.damage seed valid)

    let unchanged =
        Seq.init 500 id |> Seq.filter (fun seed -> (Mutations.damage seed valid).Bytes = valid) |> Seq.length

    holds "few damages leave everything as it was" (unchanged < 50)

[<Test>]
let ``empty files are damaged too`` () =
    for seed in 1..500 do
        Mutations.damage seed [||] |> ignore

[<Test>]
let ``a reader that refuses all damage passes`` () =
    Mutations.check 200 1 valid (fun bytes ->
        if bytes <> valid then
            refuse ())

[<Test>]
let ``a foreign exception is reported with its seed and offset`` () =
    fails [ "Seed"; "at offset"; "IndexOutOfRange" ] (fun bytes ->
        if bytes <> valid then
            raise (IndexOutOfRangeException()))

[<Test>]
let ``an allocation beyond the allowance is reported`` () =
    fails [ "Seed"; "allocated" ] (fun bytes ->
        if bytes <> valid then
            GC.KeepAlive(Array.zeroCreate<byte> 30_000_000))

[<Test>]
let ``a reader that accepts everything does not pass`` () = fails [ "Only 0 of 200" ] ignore

[<Test>]
let ``the valid bytes must be read`` () =
    throws<GapLabException> [ "no" ] (fun () -> Mutations.check 1 1 valid (fun _ -> refuse ()))
