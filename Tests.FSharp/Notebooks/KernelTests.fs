namespace GapLab.Tests.Notebooks

open System
open System.Diagnostics
open System.Text.Json.Nodes
open NUnit.Framework
open GapLab.Notebooks
open GapLab.Tests.Checks

/// One kernel for all of them: each leaves it able to run the next cell.
[<TestFixture>]
type KernelTests() =
    let mutable started: KernelClient option = None

    let kernel () = started.Value

    let contains (part: string) (text: string) = Assert.That(text, Does.Contain part)

    [<OneTimeSetUp>]
    member _.Start() =
        KernelClient.Need()
        started <- Some(new KernelClient())

    [<OneTimeTearDown>]
    member _.End() = started |> Option.iter (fun client -> (client :> IDisposable).Dispose())

    [<Test>]
    member _.``the value of a cell's last expression is its result``() =
        let kernel = kernel ()
        let reply = kernel.Execute "let answer = 41\nanswer + 1"
        equal "ok" reply.Status
        equal "42" (reply.Result "text/plain")
        let count = reply.Content["execution_count"].GetValue<int>()
        equal count ((List.exactlyOne (reply.Of "execute_input")).["execution_count"].GetValue<int>())
        let reply = kernel.Execute "let again = answer"
        equal (count + 1) (reply.Content["execution_count"].GetValue<int>())
        equal [] (reply.Of "execute_result")
        equal "2" ((kernel.Execute "let b = 1;;\nb + 1").Result "text/plain")

    [<Test>]
    member _.``output arrives while the cell runs, and a megabyte of it arrives whole``() =
        let kernel = kernel ()
        // The second line waits for what only this test can say: the cell ends because its first line arrived.
        let request =
            kernel.Send
                "printfn \"first\"\nwhile true do (System.Threading.Thread.Sleep 10; System.Console.Out.Write \"\")"

        let mutable asked = false

        let stopAtOutput kind (content: JsonObject) =
            if kind = "stream" && not asked then
                equal "first\n" (content["text"].GetValue<string>())
                asked <- true
                kernel.Control("interrupt_request", JsonObject()) |> ignore

        equal "error" (kernel.Finish(request, stopAtOutput)).Status
        let line = String('x', 49)
        let reply = kernel.Execute "for i in 1..20_000 do printfn \"%s\" (System.String('x', 49))\neprintfn \"done\""
        equal (String.replicate 20_000 (line + "\n")) (reply.Stream "stdout")
        equal "done\n" (reply.Stream "stderr")
        holds "in pieces" ((reply.Of "stream").Length > 10)

    [<Test>]
    member _.``errors name the line of the cell, and the next cell runs``() =
        let kernel = kernel ()
        let reply = kernel.Execute "let fine = 1\n\nlet b = 1 + nowhere"
        equal "error" reply.Status
        contains "line 3, column 13: error FS0039" reply.Traceback
        contains "    let b = 1 + nowhere\n                ^^^^^^^" reply.Traceback
        let reply = kernel.Execute "let fails (x: int) : int =\n    failwithf \"no %d\" x\n\nfails 7"
        equal "no 7" (reply.Content["evalue"].GetValue<string>())
        contains "Exception: no 7" reply.Traceback
        contains "line 4" reply.Traceback
        holds "nothing of how cells run is shown" (not (reply.Traceback.Contains "Reflection"))
        let reply = kernel.Execute "GapLab.Workbench.Frame.readCsv \"no-such-file.csv\""
        equal "GapLabException" (reply.Content["ename"].GetValue<string>())
        contains "no-such-file.csv" reply.Traceback
        let reply = kernel.Execute "match Some 2 with Some x -> x"
        equal "2" (reply.Result "text/plain")
        contains "warning FS0025" (reply.Stream "stderr")

    [<Test>]
    member _.``cells that were sent behind one that fails are not run``() =
        let kernel = kernel ()
        let requests = [ for text in [ "failwith \"first\""; "printfn \"second\""; "3" ] -> kernel.Send text ]
        let replies = [ for request in requests -> kernel.Finish request ]
        equal [ "error"; "aborted"; "aborted" ] (replies |> List.map _.Status)
        equal "" (replies[1].Stream "stdout")
        equal "4" ((kernel.Execute "4").Result "text/plain")

    [<TestCase "while true do ()">]
    [<TestCase "let mutable kept = []\nwhile true do kept <- [ Array.zeroCreate<float> 1000 ]">]
    [<TestCase "let rec again n = if n < 0 then 0 else again ((n + 1) % 7)\nagain 1">]
    [<TestCase "System.Threading.Thread.Sleep -1">]
    [<TestCase "while true do printf \"x\"">]
    [<TestCase "while true do GapLab.Tensors.WorkerPool.ForEach(4, ignore)">]
    member _.``an endless cell is interrupted, again and again, and what was defined before remains``(cell: string) =
        // What force leaves behind is no other test's affair.
        use kernel = new KernelClient()
        kernel.Execute "let five = 5" |> ignore

        for _ in 1..2 do
            let request = kernel.Send("printfn \"begun\"\n" + cell)
            let mutable asked = false

            let interrupt kind (_: JsonObject) =
                if kind = "stream" && not asked then
                    asked <- true
                    kernel.Control("interrupt_request", JsonObject()) |> ignore

            let reply = kernel.Finish(request, interrupt)
            equal "error" reply.Status
            equal "Interrupted" (reply.Content["ename"].GetValue<string>())
            holds "the cell does not run on" (not (reply.Traceback.Contains "left behind"))
            equal "6" ((kernel.Execute "five + 1").Result "text/plain")

    [<Test>]
    member _.``loops mean what they say, and their errors are where they are written``() =
        let kernel = kernel ()
        let reply = kernel.Execute "let mutable j = 0\nwhile j < 3 do j <- j + 1\n               j <- j + 1\nj"
        equal "4" (reply.Result "text/plain")
        let reply = kernel.Execute "while j < 9 do j <- j + nothing"
        contains "line 1, column 25: error FS0039" reply.Traceback
        let reply = kernel.Execute "while j < 5 do\n    j <- j + 1\n    match 2 with\n    | 2 -> ()"
        contains "line 3, column 11: warning FS0025" (reply.Stream "stderr")
        equal "ok" reply.Status
        contains "WhileLoop (Value (true)" ((kernel.Execute "<@ while true do () @>").Result "text/plain")

    [<Test>]
    member _.``SIGINT interrupts as well``() =
        if OperatingSystem.IsWindows() then
            Assert.Ignore "Windows has no SIGINT that one process sends another."

        // Shells let what they start in the background ignore SIGINT, and all that is started by it, this kernel too.
        let ignored =
            [ if IO.File.Exists "/proc/self/status" then
                  for line in IO.File.ReadAllLines "/proc/self/status" do
                      if line.StartsWith "SigIgn:" then
                          Convert.ToUInt64(line.Substring(7).Trim(), 16) ]

        if ignored |> List.exists (fun signals -> signals &&& 2UL <> 0UL) then
            Assert.Ignore "These tests were started in a way that makes them ignore SIGINT."

        use kernel = new KernelClient()
        let request = kernel.Send "printfn \"in it\"\nwhile true do ()"

        let signal kind (_: JsonObject) =
            if kind = "stream" then
                for _ in 1..2 do
                    use kill = Process.Start("kill", [ "-INT"; string kernel.Process.Id ])
                    kill.WaitForExit()

        equal "error" (kernel.Finish(request, signal)).Status
        equal "1" ((kernel.Execute "1").Result "text/plain")

    [<Test>]
    member _.``frames are tables, charts are figures, and a cell can show several things``() =
        let kernel = kernel ()

        let reply =
            kernel.Execute
                "open GapLab.Workbench\nlet frame = Frame.ofColumns [ \"a\" => [ 1; 2 ]; \"<b>\" => [ 0.5; 1.5 ] ]\ndisplay \"first\"\nprintfn \"between\"\ndisplay (HTML \"<i>x</i>\")\nframe"

        contains "<td style=\"text-align: right\">1.50</td>" (reply.Result "text/html")
        contains "&lt;b&gt;" (reply.Result "text/html")
        contains "│ a │  <b> │" (reply.Result "text/plain")
        let order = reply.Published |> List.map fst |> List.filter ((<>) "status")
        equal [ "execute_input"; "display_data"; "stream"; "display_data"; "execute_result" ] order
        let reply = kernel.Execute "Chart.Line [ 1, 2.; 2, 4. ] |> Chart.WithTitle \"Squares\""
        equal "Chart: Squares" (reply.Result "text/plain")
        let data = (List.exactlyOne (reply.Of "execute_result")).["data"]
        equal "scatter" (data["application/vnd.plotly.v1+json"].["data"].[0].["type"].GetValue<string>())

        match GapLab.Workbench.Browser.find (), GapLab.Workbench.Plotly.find GapLab.Workbench.Plotly.home with
        | Some _, Some _ ->
            // The signature of PNG files.
            contains "iVBORw0KGgo" (data["image/png"].GetValue<string>())
        | _ -> equal null data["image/png"]

    [<Test>]
    member _.``words are completed, explained, and known to be complete``() =
        let kernel = kernel ()
        kernel.Execute "let someText = \"😀\"" |> ignore

        let ask kind (code: string) (cursor: int) =
            kernel.Request(kind, Json.object [ "code", Json.string code; "cursor_pos", Json.integer cursor ]).Content

        // Positions count characters: the one before is a pair in UTF-16.
        let text = "\"😀\" + someText.Leng"
        let reply = ask "complete_request" text 19
        equal [ "Length" ] [ for word in reply["matches"].AsArray() -> word.GetValue<string>() ]
        equal (15, 19) (reply["cursor_start"].GetValue<int>(), reply["cursor_end"].GetValue<int>())
        let reply = ask "inspect_request" "List.map" 6
        equal true (reply["found"].GetValue<bool>())
        contains "mapping" (reply["data"].["text/plain"].GetValue<string>())
        equal false ((ask "inspect_request" "1 + 1" 2).["found"].GetValue<bool>())

        for code, expected in [ "1 + 1", "complete"; "let a =", "incomplete"; "let )", "invalid" ] do
            equal expected ((ask "is_complete_request" code 0).["status"].GetValue<string>())

    [<Test>]
    member _.``the example of the documentation opens a session``() =
        let kernel = kernel ()
        equal "ok" (kernel.Execute(GapLab.Tests.Scripts.DocumentationTests.code "docs/notebooks.md")).Status
        equal "\"smoke\"" ((kernel.Execute "session.Preset").Result "text/plain")

    [<Test>]
    member _.``a cell reads lines that the notebook gives, or is told that none come``() =
        let kernel = kernel ()
        let reply = kernel.ExecuteWithInput("System.Console.ReadLine().ToUpper()", "a line")
        equal "\"A LINE\"" (reply.Result "text/plain")
        let reply = kernel.Execute "System.Console.ReadLine()"
        equal "error" reply.Status
        contains "takes none" reply.Traceback

    [<Test>]
    member _.``messages that are forged or malformed change nothing``() =
        let kernel = kernel ()
        kernel.Execute "let mutable touched = 0" |> ignore
        let frames = kernel.Frames "touched <- touched + 1"
        let delimiter = 0

        for hostile in
            [ []
              [ [||] ]
              [ for _ in 1..1000 -> "x"B ]
              List.updateAt (delimiter + 1) (Array.create 64 (byte '0')) frames
              List.updateAt (delimiter + 5) """{"code":"touched <- 2"}"""B frames
              List.truncate 3 frames
              [ Array.zeroCreate 5_000_000 ] ] do
            if not hostile.IsEmpty then
                kernel.SendRaw hostile

        // A request whose signature is right, but which lacks what it needs, is answered.
        equal "error" (kernel.Request("execute_request", Json.object [ "code", Json.integer 1 ])).Status
        equal "error" (kernel.Request("complete_request", JsonObject())).Status
        equal "0" ((kernel.Execute "touched").Result "text/plain")
        holds "the heart beats" (kernel.Beats())

    [<Test>]
    member _.``a kernel says what it is, and ends when it is asked to``() =
        use other = new KernelClient()
        let info = other.Control("kernel_info_request", JsonObject())
        equal "5.3" (info["protocol_version"].GetValue<string>())
        equal "text/x-fsharp" (info["language_info"].["mimetype"].GetValue<string>())
        equal 0 (other.ShutDown())

    [<Test>]
    member _.``a kernel ends even while a cell runs``() =
        use other = new KernelClient()
        let request = other.Send "printfn \"in it\"\nwhile true do ()"
        let mutable exitCode = None

        let shutDown kind (_: JsonObject) =
            if kind = "stream" && exitCode.IsNone then
                exitCode <- Some(other.ShutDown())

        // Nothing more may come of the cell.
        try
            other.Finish(request, shutDown) |> ignore
        with Failure _ ->
            ()

        equal (Some 0) exitCode

    [<Test>]
    member _.``a stack overflow ends the process, by which Jupyter knows``() =
        use other = new KernelClient()
        let request = other.Send "let rec deep n = 1 + deep (n + 1)\ndeep 0"

        throws<Exception> [ "The kernel ended with code" ] (fun () -> other.Finish request |> ignore)
        holds "the code says that it failed" (other.Process.ExitCode <> 0)
