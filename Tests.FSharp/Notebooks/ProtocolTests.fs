module GapLab.Tests.Notebooks.ProtocolTests

open System
open System.IO
open System.Text
open System.Text.Json.Nodes
open NUnit.Framework
open FsCheck.NUnit
open GapLab.Notebooks
open GapLab.Tensors
open GapLab.Tests
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

let private key = "a key"B

let private frames =
    Message.create [ "someone"B ] "execute_request" (JsonObject()) (Json.object [ "code", Json.string "1 + 1" ])
    |> Message.toFrames key

/// The frames of a message with the right signature for whatever its four dictionaries hold.
let private signed (parts: byte array list) = [ "someone"B; "<IDS|MSG>"B; Message.sign key parts ] @ parts

let private header = """{"msg_id":"1","msg_type":"execute_request"}"""B

[<Test>]
let ``a signature is the HMAC-SHA256 of header, parent, metadata and content`` () =
    // Python: h = hmac.new(b"a key", digestmod="sha256"); h.update of each of the four; h.hexdigest().
    let parts = [ """{"msg_id":"1"}"""B; "{}"B; "{}"B; """{"code":"1"}"""B ]

    equal
        "dc23b375668dea0b58f5c5b7825dd2e1efd653b02704aca314f7e1e248900d44"
        (Encoding.ASCII.GetString(Message.sign key parts))

    equal [||] (Message.sign [||] parts)

[<Property(MaxTest = 100)>]
let ``a message comes back as it was sent`` (texts: string list) =
    // Half a pair of surrogates cannot be sent.
    let wellFormed (text: string) = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(string text))

    let content = Json.object [ for i, text in List.indexed texts -> $"field {i}", Json.string (string text) ]

    let parent = Json.object [ "msg_id", Json.string "parent" ]
    let sent = Message.create [ [| 0uy; 255uy |] ] "stream" parent content

    match Message.tryParse key (Message.toFrames key sent) with
    | None -> Assert.Fail "The message was not taken."
    | Some received ->
        equal sent.Identities received.Identities
        equal "stream" received.Kind
        equal (Some "parent") (Json.tryString "msg_id" received.Parent)

        for i, text in List.indexed texts do
            equal (Some(wellFormed text)) (Json.tryString $"field {i}" received.Content)

[<Test>]
let ``a message of which any byte was changed is dropped`` () =
    holds "the whole message is taken" (Message.tryParse key frames).IsSome

    // Everything but the identity, which is the router's own.
    for i in 1 .. frames.Length - 1 do
        for j in 0 .. frames[i].Length - 1 do
            let changed = frames |> List.map Array.copy
            changed[i].[j] <- changed[i].[j] ^^^ 1uy
            holds $"frame {i}, byte {j}" (Message.tryParse key changed).IsNone

    holds "another key" (Message.tryParse "another"B frames).IsNone
    holds "no signature" (Message.tryParse key (List.updateAt 2 [||] frames)).IsNone

[<Test>]
let ``a message that lacks parts is dropped`` () =
    for count in 0 .. frames.Length - 1 do
        holds $"{count} frames" (Message.tryParse key (List.truncate count frames)).IsNone

    for i in 1 .. frames.Length - 1 do
        holds $"without frame {i}" (Message.tryParse key (List.removeAt i frames)).IsNone

[<Test>]
let ``signed messages that are no objects, or not what they should be, are dropped`` () =
    let deep = String.replicate 100_000 "[" |> Encoding.UTF8.GetBytes
    holds "a good one is taken" (Message.tryParse key (signed [ header; "{}"B; "{}"B; "{}"B ])).IsSome

    for name, bad in
        [ "empty", ""B
          "a list", "[]"B
          "null", "null"B
          "a number", "1"B
          "cut off", "{\"a\":"B
          "no UTF-8", [| byte '{'; byte '"'; 255uy; byte '"'; byte ':'; byte '1'; byte '}' |]
          "a field twice", "{\"a\":1,\"a\":2}"B
          "nested too deeply", Array.concat [ "{\"a\":"B; deep ] ] do
        for i in 0..3 do
            let parts = [ header; "{}"B; "{}"B; "{}"B ] |> List.updateAt i bad
            holds $"{name} in part {i}" (Message.tryParse key (signed parts)).IsNone

    for name, bad in
        [ "no kind", """{"msg_id":"1"}"""B
          "no id", """{"msg_type":"execute_request"}"""B
          "a kind that is no text", """{"msg_id":"1","msg_type":[1]}"""B
          "a kind that is no Unicode", "{\"msg_id\":\"1\",\"msg_type\":\"\\ud800\"}"B ] do
        holds name (Message.tryParse key (signed [ bad; "{}"B; "{}"B; "{}"B ])).IsNone

[<Property(MaxTest = 300)>]
let ``no damage to a signed message makes its reading throw`` (seed: int) =
    let parts = List.skip 3 frames
    let which = abs (seed % 4)
    let damaged = parts |> List.updateAt which (Mutations.damage seed parts[which]).Bytes

    match Message.tryParse key (signed damaged) with
    | Some message ->
        Json.tryString "code" message.Content |> ignore
        Json.flagOr true "stop_on_error" message.Content |> ignore
        Json.tryInteger "cursor_pos" message.Content |> ignore
    | None -> ()

[<Test>]
let ``fields that hold something else are as good as none`` () =
    let fields =
        (Json.tryParse """{"n": 1.5, "big": 99999999999, "text": "t", "list": [], "none": null, "half": "\ud800"}"""B)
            .Value

    for name in [ "n"; "big"; "list"; "none"; "half"; "missing" ] do
        equal None (Json.tryString name fields)
        equal None (Json.tryInteger name fields)
        equal true (Json.flagOr true name fields)

    equal (Some "t") (Json.tryString "text" fields)

[<Test>]
let ``a connection file is read, and refused in one sentence where something is wrong`` () =
    withFolder (fun folder ->
        let path = Path.Combine(folder, "kernel.json")

        let good =
            """{"transport":"tcp","ip":"127.0.0.1","shell_port":1,"control_port":2,"iopub_port":3,"stdin_port":4,"hb_port":5,"key":"k","signature_scheme":"hmac-sha256"}"""

        let read (text: string) =
            File.WriteAllText(path, text)
            Connection.read path

        let connection = read good
        equal "tcp://127.0.0.1:3" (connection.Address connection.IoPubPort)
        equal "k"B connection.Key
        equal "ipc://127.0.0.1-3" ((read (good.Replace("tcp", "ipc"))).Address 3)

        for wrong, words in
            [ good.Replace("hmac-sha256", "hmac-md5"), "hmac-md5"
              good.Replace("\"tcp\"", "\"udp\""), "udp"
              good.Replace("\"shell_port\":1", "\"shell_port\":70000"), "shell_port"
              good.Replace("\"hb_port\":5", "\"hb_port\":\"5\""), "hb_port"
              good.Replace("\"key\":\"k\",", ""), "'key'"
              "[]", "no JSON object"
              good + String(' ', 70_000), "too large" ] do
            throws<GapLabException> [ "connection file"; words ] (fun () -> read wrong |> ignore)

        throws<GapLabException> [ "cannot be read" ] (fun () ->
            Connection.read (Path.Combine(folder, "none")) |> ignore))

[<Test>]
let ``without libzmq a sentence says what to install`` () =
    throws<GapLabException> [ "libzmq"; "apt-get install libzmq5"; "brew install zeromq" ] (fun () ->
        ZeroMqLibrary.load [ "no-such-library" ] |> ignore)

[<Test>]
let ``a cell is divided at ;; outside texts and comments, and its lines keep their numbers`` () =
    equal [ "1" ] (CellParts.split "1")
    equal [] (CellParts.split " \n")
    equal [ "let a = \";;\" // ;;\n(* ;; *) a" ] (CellParts.split "let a = \";;\" // ;;\n(* ;; *) a")
    equal [ "let a = 1"; "           \n\na + 1" ] (CellParts.split "let a = 1;;\n\na + 1")
    equal [ "a"; "   b" ] (CellParts.split "a;;b;;")
    equal [ "\nlet a = 1" ] (CellParts.split "#!fsharp\r\nlet a = 1")

[<Property(MaxTest = 100)>]
let ``output keeps its order and never divides a character`` (texts: string list) =
    let pieces = ResizeArray<string>()
    let whole = String.replicate 3000 "😀" + (texts |> List.map string |> String.concat "") + "é"

    do
        use output = new CellOutput(pieces.Add, ignore)

        for c in whole do
            output.Write c

        output.Write(String.replicate 20_000 "x😀")
        output.WriteLine()

    equal (whole + String.replicate 20_000 "x😀" + "\n") (String.concat "" pieces)

    for piece in pieces do
        holds "a piece has a bounded size" (piece.Length <= 40_000 && piece.Length > 0)
        holds "no pair is divided" (not (Char.IsHighSurrogate piece[piece.Length - 1]) || whole.Contains piece)

[<Test>]
let ``input is asked for line by line`` () =
    let asked = ref 0

    use input =
        new CellInput(fun () ->
            asked.Value <- asked.Value + 1
            $"line {asked.Value}")

    equal "line 1" (input.ReadLine())
    equal (int 'l') (input.Read())
    equal "ine 2" (input.ReadLine())
    equal 2 asked.Value

[<Test>]
let ``the kernel's specification lies where Jupyter looks and has the name of Polyglot's F#`` () =
    withFolder (fun folder ->
        let placed = KernelSpec.install folder
        equal (Path.Combine(folder, "kernels", ".net-fsharp")) placed
        let spec = (Json.tryParse (File.ReadAllBytes(Path.Combine(placed, "kernel.json")))).Value
        equal (Some ".NET (F#)") (Json.tryString "display_name" spec)
        equal (Some "message") (Json.tryString "interrupt_mode" spec)
        equal "{connection_file}" (spec["argv"].[2].GetValue<string>()))
