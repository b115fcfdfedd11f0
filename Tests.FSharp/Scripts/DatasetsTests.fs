module GapLab.Tests.Scripts.DatasetsTests

open System
open System.IO
open NUnit.Framework
open GapLab.Data
open GapLab.Tests.Checks
open GapLab.Tests.Data
open GapLab.Tests.Data.LoopbackServer
open GapLab.Tests.Scripts.ScriptRunner

let private datasets = run "Scripts/datasets.fsx"

let private prints (parts: string list) (outcome: Outcome) =
    equalFor outcome.Error 0 outcome.ExitCode

    for part in parts do
        Assert.That(outcome.Output, Does.Contain part)

[<Test>]
let ``help names every sub-command and option`` () =
    datasets [ "help" ] |> prints [ "list"; "fetch"; "verify"; "--mirror"; "--data" ]

[<Test>]
let ``what makes no sense is refused`` () =
    datasets [] |> refuses [ "list, fetch NAME"; "datasets.fsx help" ]
    datasets [ "remove" ] |> refuses [ "'remove'"; "datasets.fsx help" ]
    datasets [ "fetch" ] |> refuses [ "mnist, binarized-mnist, fashion-mnist" ]
    datasets [ "fetch"; "cifar" ] |> refuses [ "'cifar'"; "mnist" ]
    datasets [ "fetch"; "glyphs" ] |> refuses [ "'glyphs' is generated" ]
    datasets [ "fetch"; "mnist"; "--mirror"; "ftp://x" ] |> refuses [ "'ftp://x'" ]

[<Test>]
let ``list tells what is here`` () =
    withFolder (fun folder ->
        for name in
            [ "mnist/train-images-idx3-ubyte.gz"
              "fashion-mnist/train-images-idx3-ubyte"
              "fashion-mnist/t10k-images-idx3-ubyte" ] do
            DataFixtures.write folder name [| 1uy |] |> ignore

        datasets [ "list"; "--data"; folder ]
        |> prints
            [ "generated"
              "incomplete, 1 of 4 files in " + Path.Combine(folder, "mnist")
              "complete, without labels, in " + Path.Combine(folder, "fashion-mnist")
              "MIT, copyright 2017 Zalando SE" ])

[<Test>]
let ``verify tells what is altered`` () =
    withFolder (fun folder ->
        let file = Catalog.Default.Find("mnist").Files |> Seq.find (fun f -> f.Role = CatalogRole.TestLabels)
        let altered = DataFixtures.write folder "mnist/t10k-labels-idx1-ubyte" (Array.zeroCreate (int file.Bytes))
        let outcome = datasets [ "verify"; "--data"; folder ]
        equal 1 outcome.ExitCode

        Assert.That(
            outcome.Error,
            Does.Contain(altered).And.Contains("ALTERED").And.Contains(file.Sha256).And.Contains "fetch mnist"
        )

        DataFixtures.write folder "mnist/t10k-labels-idx1-ubyte" [| 1uy |] |> ignore
        datasets [ "verify"; "mnist"; "--data"; folder ] |> refuses [ altered; "cut off or damaged" ]

        datasets [ "verify"; "fashion-mnist"; "--data"; folder ]
        |> refuses [ "fashion-mnist"; "not here"; "fetch fashion-mnist" ])

[<Test>]
let ``a mirror that serves something else is named and nothing is kept`` () =
    use server = new Server(whole (DataFixtures.gzip (DataFixtures.randomBytes 1 5000)))

    withFolder (fun folder ->
        datasets [ "fetch"; "mnist"; "--data"; folder; "--mirror"; server.Address ]
        |> refuses [ "train-images-idx3-ubyte of 'mnist'"; server.Address; "other bytes" ]

        equal [||] (Directory.GetFiles(Path.Combine(folder, "mnist"), "*ubyte*")))

[<Test>]
let ``a data set is fetched from a mirror, found again, and then verified`` () =
    match Environment.GetEnvironmentVariable "GAPLAB_DATA" with
    | null
    | "" -> Assert.Ignore "GAPLAB_DATA is not set: no real files to serve."
    | data ->
        let serve (request: Request) stream =
            let file = Path.Combine(data, request.Path.TrimStart '/')

            if File.Exists file then
                ranged "v1" (File.ReadAllBytes file) request stream
            else
                status 404 request stream

        use server = new Server(serve)

        withFolder (fun folder ->
            let fetch = [ "fetch"; "mnist"; "--data"; folder; "--mirror"; server.Address ]
            datasets fetch |> prints [ "mnist: complete in " + Path.Combine(folder, "mnist"); "Cite: Y. LeCun" ]
            let requests = server.Requests.Length
            datasets fetch |> prints [ "mnist: complete" ]
            equal requests server.Requests.Length

            datasets [ "verify"; "mnist"; "--data"; folder ]
            |> prints [ "train-images-idx3-ubyte.gz: genuine"; "mnist: complete" ])
