[<NUnit.Framework.NonParallelizable>]
module GapLab.Tests.Data.DownloaderTests

open System
open System.IO
open System.Threading
open System.Threading.Tasks
open NUnit.Framework
open GapLab.Data
open GapLab.Data.Fetching
open GapLab.Tests.Checks
open GapLab.Tests.Data.DataFixtures
open GapLab.Tests.Data.LoopbackServer

let private content = randomBytes 1 300_000

let private file =
    CatalogFile("images", CatalogRole.Training, CatalogFormat.Idx, 1, int64 content.Length, sha256 content, "images.gz")

let private packed = gzip content

let private entry (sources: string list) =
    CatalogEntry("grey", "t", 1, 1, "threshold", 0, "c", "l", sources, [| file |])

let private options = FetchOptions(Attempts = 3, BackOff = TimeSpan.Zero, StallTimeout = TimeSpan.FromSeconds 20.)

let private mirrored (mirrors: string list) = FetchOptions(Attempts = 3, BackOff = TimeSpan.Zero, Mirrors = mirrors)

let private fetchWith (options: FetchOptions) (sources: string list) folder =
    use downloader = new Downloader(options)
    downloader.FetchAsync(entry sources, file, folder).GetAwaiter().GetResult()

let private fetch = fetchWith options

let private serving answer test =
    use server = new Server(answer)
    withFolder (fun folder -> test server folder)

let private filesIn folder =
    let grey = Path.Combine(folder, "grey")

    if Directory.Exists grey then
        [ for path in Directory.GetFiles grey -> Path.GetFileName path ] |> List.except [ ".fetching" ] |> List.sort
    else
        []

/// The published file, packed, and nothing else.
let private isThere folder =
    equal [ "images.gz" ] (filesIn folder)
    let path = Path.Combine(folder, "grey", "images.gz")
    equal FileState.Genuine (FileCheck.Of(path, file))

let private refusesFetch fragments (server: Server) folder =
    refuses fragments (fun () -> fetch [ server.Address ] folder |> ignore)

[<Test>]
let ``a packed file is stored as it comes and an unpacked one under its plain name`` () =
    serving (whole packed) (fun server folder ->
        let fetched = fetch [ server.Address ] folder
        isThere folder
        equal (Path.Combine(folder, "grey", "images.gz")) fetched.Path
        equal [ "/images.gz" ] (server.Requests |> List.map _.Path)
        equal 0 fetched.Complaints.Count)

    serving (whole content) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        equal [ "images" ] (filesIn folder))

[<Test>]
let ``what is there is not fetched, and what is altered is replaced`` () =
    serving (whole packed) (fun server folder ->
        write folder "grey/images" content |> ignore
        let fetched = fetch [ server.Address ] folder
        equal null fetched.Source
        equal [] server.Requests
        write folder "grey/images" (Array.updateAt 5 (content[5] ^^^ 1uy) content) |> ignore
        let fetched = fetch [ server.Address ] folder
        isThere folder
        Assert.That(fetched.Complaints[0], Does.Contain("grey/images").And.Contains "replaced"))

[<Test>]
let ``a folder that bears the data set's name takes the files itself`` () =
    serving (whole packed) (fun server folder ->
        fetch [ server.Address ] (Path.Combine(folder, "grey")) |> ignore
        isThere folder)

[<Test>]
let ``the progress goes up to one`` () =
    serving (whole packed) (fun server folder ->
        let told = ResizeArray<float>()
        use downloader = new Downloader(options)

        downloader.FetchAsync(entry [ server.Address ], file, folder, Action<float> told.Add).GetAwaiter().GetResult()
        |> ignore

        let told = List.ofSeq told
        equal (List.sort told) told
        equal 1.0 (List.last told))

[<TestCase(404)>]
[<TestCase(403)>]
let ``a server without the file is asked once and the next one is taken`` code =
    use lacking = new Server(status code)

    serving (whole packed) (fun server folder ->
        let fetched = fetch [ lacking.Address; server.Address ] folder
        isThere folder
        equal 1 lacking.Requests.Length
        Assert.That(fetched.Complaints[0], Does.Contain(lacking.Address).And.Contains(string code)))

[<TestCase(500)>]
[<TestCase(503)>]
[<TestCase(429)>]
let ``a server in trouble is asked again`` code =
    serving (inTurn [ status code; status code; whole packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal 3 server.Requests.Length)

    serving (status code) (fun server folder ->
        refusesFetch [ "images of 'grey'"; server.Address; string code; "3 attempts"; "--mirror" ] server folder
        equal 3 server.Requests.Length)

[<Test>]
let ``redirections are followed, but not in circles`` () =
    let moved (request: Request) stream =
        if request.Path = "/elsewhere" then
            whole packed request stream
        else
            head 302 [ "Location", "/elsewhere"; "Content-Length", "0" ] stream

    serving moved (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

    serving (fun _ -> head 302 [ "Location", "/images.gz"; "Content-Length", "0" ]) (fun server folder ->
        refusesFetch [ server.Address; "302" ] server folder)

[<Test>]
let ``a broken connection is continued where it broke, if the file is still the same`` () =
    serving (inTurn [ breaksOff 1000 "v1" packed; ranged "v1" packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal [ None; Some 1000 ] (server.Requests |> List.map _.From)
        equal (Some "\"v1\"") server.Requests[1].IfRange)

    // Another version: the server sends it whole.
    serving (inTurn [ breaksOff 1000 "v0" (randomBytes 9 5000); ranged "v1" packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal 2 server.Requests.Length)

[<Test>]
let ``a later run continues too`` () =
    serving (inTurn [ breaksOff 1000 "v1" packed; status 403; ranged "v1" packed ]) (fun server folder ->
        refusesFetch [ "403" ] server folder
        equal [ "images.part"; "images.part.from" ] (filesIn folder)
        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal (Some 1000) server.Requests[2].From)

[<Test>]
let ``a server that ignores ranges, or sends other ones, costs only time`` () =
    serving (inTurn [ breaksOff 1000 "v1" packed; whole packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

    let wrong _ stream =
        head
            206
            [ "Content-Range", $"bytes 7-{packed.Length - 1}/{packed.Length}"
              "Content-Length", string (packed.Length - 7) ]
            stream

        body packed[7..] stream

    serving (inTurn [ breaksOff 1000 "v1" packed; wrong; whole packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

[<Test>]
let ``two versions spliced together are noticed and fetched anew`` () =
    // No ETag, so the server continues whatever the client has.
    let unmarked (request: Request) = ranged "v1" packed { request with IfRange = None }

    let first _ stream =
        head 200 [ "Content-Length", string packed.Length ] stream
        body (randomBytes 3 1000) stream

    serving (inTurn [ first; unmarked ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal [ None; Some 1000; None ] (server.Requests |> List.map _.From))

[<Test>]
let ``a complete part is recognised, a longer one dropped`` () =
    let withPart (bytes: byte[]) =
        serving (ranged "v1" packed) (fun server folder ->
            write folder "grey/images.part" bytes |> ignore
            File.WriteAllText(Path.Combine(folder, "grey", "images.part.from"), $"{server.Address}images.gz\n\"v1\"\n")
            fetch [ server.Address ] folder |> ignore
            isThere folder
            server.Requests |> List.map _.From)

    equal [ Some packed.Length ] (withPart packed)
    equal [ Some(packed.Length + 9); None ] (withPart (Array.append packed (randomBytes 5 9)))

[<Test>]
let ``silence ends an attempt, and what has come is kept`` () =
    use over = new ManualResetEventSlim()

    let stalls _ (stream: Stream) =
        head 200 [ "Content-Length", string packed.Length; "ETag", "\"v1\"" ] stream
        body packed[..999] stream
        over.Wait()

    // Long enough for a busy machine to bring what the server does send within it.
    let impatient = FetchOptions(Attempts = 1, BackOff = TimeSpan.Zero, StallTimeout = TimeSpan.FromSeconds 4.)

    serving (inTurn [ stalls; ranged "v1" packed ]) (fun server folder ->
        refuses [ server.Address; "sent nothing for 4 seconds" ] (fun () ->
            fetchWith impatient [ server.Address ] folder |> ignore)

        fetch [ server.Address ] folder |> ignore
        isThere folder
        equal (Some 1000) server.Requests[1].From
        over.Set())

[<Test>]
let ``a server that accepts and says nothing is given up`` () =
    let impatient = FetchOptions(Attempts = 1, BackOff = TimeSpan.Zero, StallTimeout = TimeSpan.FromSeconds 0.5)
    use over = new ManualResetEventSlim()

    serving (fun _ _ -> over.Wait()) (fun server folder ->
        refuses [ "sent nothing" ] (fun () -> fetchWith impatient [ server.Address ] folder |> ignore)
        over.Set())

[<Test>]
let ``altered bytes are deleted, the liar is named, and the next server asked`` () =
    let altered = gzip (Array.updateAt 100 (content[100] ^^^ 1uy) content)
    use liar = new Server(whole altered)

    serving (whole packed) (fun server folder ->
        let fetched = fetch [ liar.Address; server.Address ] folder
        isThere folder
        Assert.That(fetched.Complaints[0], Does.Contain(liar.Address).And.Contains "other bytes")
        equal 1 liar.Requests.Length)

    withFolder (fun folder ->
        refusesFetch [ liar.Address; "other bytes"; "deleted" ] liar folder
        equal [] (filesIn folder))

[<Test>]
let ``what is no gzip file, or a damaged one, is refused`` () =
    for bytes in
        [ "<html>Not here, but with status 200</html>"B
          [||]
          Array.updateAt 5000 (packed[5000] ^^^ 255uy) packed
          packed[..5000] ] do
        serving (whole bytes) (fun server folder ->
            refusesFetch [ server.Address; "other bytes" ] server folder
            equal [] (filesIn folder))

[<Test>]
let ``a length that is not true is noticed`` () =
    let claims (length: int) _ stream =
        head 200 [ "Content-Length", string length ] stream
        body packed stream

    // More than comes: everything is there all the same. Less: the rest is missing.
    serving (claims (packed.Length + 100)) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

    serving (claims (packed.Length - 100)) (fun server folder ->
        refusesFetch [ server.Address; "other bytes" ] server folder)

    serving (claims 2_000_000_000) (fun server folder ->
        refusesFetch [ server.Address; "2000000000 bytes"; "more than" ] server folder)

[<Test>]
let ``without a length, the end of the connection counts`` () =
    let unknown (bytes: byte[]) _ stream =
        head 200 [] stream
        body bytes stream

    serving (unknown packed) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

    serving (inTurn [ unknown packed[..999]; unknown packed ]) (fun server folder ->
        fetch [ server.Address ] folder |> ignore
        isThere folder)

[<Test>]
let ``an endless answer is cut short`` () =
    let mutable sent = 0L

    let endless _ (stream: Stream) =
        head 200 [] stream

        while true do
            body content stream
            sent <- sent + int64 content.Length

    serving endless (fun server folder ->
        refusesFetch [ server.Address; "sent more than" ] server folder
        equal [] (filesIn folder))

[<Test>]
let ``a gzip bomb is unpacked no further than the published size`` () =
    let bomb = gzipAt Compression.CompressionLevel.SmallestSize (Array.zeroCreate 200_000_000)

    serving (whole bomb) (fun server folder ->
        let before = GC.GetTotalAllocatedBytes()
        refusesFetch [ server.Address; "other bytes" ] server folder
        Assert.That(GC.GetTotalAllocatedBytes() - before, Is.LessThan 50_000_000L)
        equal [] (filesIn folder))

[<Test>]
let ``what does not speak HTTP, and nobody at all, are one sentence`` () =
    serving (fun _ -> body (randomBytes 8 500)) (fun server folder ->
        refusesFetch [ server.Address; "3 attempts" ] server folder)

    let gone = (use server = new Server(status 200) in server.Address)
    withFolder (fun folder -> refuses [ gone; "failed" ] (fun () -> fetch [ gone ] folder |> ignore))
    withFolder (fun folder -> refuses [ "no address is known" ] (fun () -> fetch [] folder |> ignore))

[<Test>]
let ``a data set that is not published file by file says what to do`` () =
    let entry = Catalog.Default.Find "cifar-10"
    use downloader = new Downloader(mirrored [])

    withFolder (fun folder ->
        refuses [ "'cifar-10'"; "cifar-10-binary.tar.gz"; "test_batch_first1000.bin" ] (fun () ->
            downloader.FetchAsync(entry, entry.Files[0], folder).GetAwaiter().GetResult() |> ignore))

[<Test>]
let ``a mirror is asked instead of the publisher, under each usual name`` () =
    use publisher = new Server(whole packed)

    let only (path: string) (request: Request) stream =
        if request.Path = path then
            whole packed request stream
        else
            status 404 request stream

    for path in [ "/data/grey/images.gz"; "/data/images.gz"; "/data/grey/images"; "/data/images" ] do
        serving (only path) (fun server folder ->
            let options = mirrored [ server.Address + "data" ]
            fetchWith options [ publisher.Address ] folder |> ignore
            isThere folder)

    serving (status 404) (fun server folder ->
        refuses [ server.Address; "404" ] (fun () ->
            fetchWith (mirrored [ server.Address ]) [ publisher.Address ] folder |> ignore))

    equal [] publisher.Requests
    refuses [ "'ftp://here'"; "--mirror" ] (fun () -> fetchWith (mirrored [ "ftp://here" ]) [] "x" |> ignore)

    withVariable FetchOptions.MirrorsVariable " http://a/  http://b/ " (fun () ->
        equal
            [ "http://c/"; "http://a/"; "http://b/" ]
            (List.ofSeq (FetchOptions.FromEnvironment [ "http://c/" ]).Mirrors))

[<Test>]
let ``two at once do not disturb each other`` () =
    use begun = new ManualResetEventSlim()
    use goOn = new ManualResetEventSlim()

    let slow _ (stream: Stream) =
        head 200 [ "Content-Length", string packed.Length ] stream
        body packed[..999] stream
        begun.Set()
        goOn.Wait()
        body packed[1000..] stream

    serving slow (fun server folder ->
        let first = Task.Run(fun () -> fetch [ server.Address ] folder)
        begun.Wait()
        refusesFetch [ folder; "Another process" ] server folder
        goOn.Set()
        first.GetAwaiter().GetResult() |> ignore
        isThere folder
        equal 1 server.Requests.Length)

[<Test>]
let ``a folder that cannot be written is one sentence`` () =
    serving (whole packed) (fun server folder ->
        let notAFolder = write folder "plain" [| 1uy |]
        refuses [ notAFolder; "--data" ] (fun () -> fetch [ server.Address ] notAFolder |> ignore)
        equal [] server.Requests)

[<Test>]
let ``a full disk is one sentence and is not blamed on the server`` () =
    if not (File.Exists "/dev/full") then
        Assert.Ignore "This system has no /dev/full to write to."

    serving (whole packed) (fun server folder ->
        Directory.CreateDirectory(Path.Combine(folder, "grey")) |> ignore
        File.CreateSymbolicLink(Path.Combine(folder, "grey", "images.part"), "/dev/full") |> ignore
        refusesFetch [ "images.part"; "cannot be written"; "free some space" ] server folder
        equal 1 server.Requests.Length)
