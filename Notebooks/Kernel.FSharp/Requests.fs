namespace GapLab.Notebooks

open System
open System.Reflection
open System.Text.Json.Nodes
open System.Threading
open GapLab.Tensors

/// What the kernel answers to each request of the shell channel. All of it runs on one thread.
[<Sealed>]
type internal Requests
    (publisher: Publisher, evaluator: Lazy<Evaluator>, stop: CellStop, ask: Message -> string -> string) =
    let mutable count = 0
    let mutable request: Message option = None

    /// The header of the request that what is written now belongs to; that of the last cell for threads that write later.
    let mutable parent = JsonObject()

    let publishText name (text: string) =
        publisher.Send("stream", parent, Json.object [ "name", Json.string name; "text", Json.string text ])

    let output = new CellOutput(publishText "stdout", stop.ThrowIfStopping)
    let errors = new CellOutput(publishText "stderr", stop.ThrowIfStopping)

    let flush () =
        output.Flush()
        errors.Flush()

    let readLine () =
        match request with
        | Some asked when Json.flagOr false "allow_stdin" asked.Content ->
            flush ()
            ask asked ""
        | _ -> raise (GapLabException "The cell reads a line of input, but whoever runs this notebook takes none.")

    let format kind (value: obj) = evaluator.Value.Format(value, kind)

    let show (bundles: MimeBundle list) =
        for bundle in bundles do
            // What was written before stands above.
            flush ()
            publisher.Send("display_data", parent, MimeBundle.toContent bundle)

    let ok (fields: (string * JsonNode) list) = Json.object (("status", Json.string "ok") :: fields)

    let errorFields (error: CellError) =
        [ "ename", Json.string error.Name
          "evalue", Json.string error.Sentence
          "traceback", Json.array (List.map Json.string error.Lines) ]

    let version = Assembly.GetExecutingAssembly().GetName().Version.ToString 3

    let kernelInfo () =
        ok
            [ "protocol_version", Json.string Message.protocol
              "implementation", Json.string "gaplab"
              "implementation_version", Json.string version
              "banner", Json.string $"F# with GapLab {version}"
              "language_info",
              Json.object
                  [ "name", Json.string "polyglot-notebook"
                    "version", Json.string "10.0"
                    "mimetype", Json.string "text/x-fsharp"
                    "file_extension", Json.string ".fsx"
                    "pygments_lexer", Json.string "fsharp"
                    "codemirror_mode", Json.string "text/x-fsharp" ] ]

    /// The outcome of a cell: values, or what went wrong.
    let run code =
        // Not in what can be stopped: a lazy value keeps the exception of its first attempt.
        let evaluator = evaluator.Value

        let evaluate () =
            evaluator.Evaluate(code, count)
            |> Result.bind (fun value ->
                try
                    value
                    |> Option.map (fun (value, kind) -> MimeBundle.ofValue (format kind) value)
                    |> Option.defaultValue []
                    |> Ok
                with
                | :? OperationCanceledException -> reraise ()
                | e -> Error(CellErrors.ofException e))

        try
            match stop.Run evaluate with
            | Completed outcome -> outcome
            | Stopped kind -> Error(CellErrors.interrupted kind)
        with e ->
            Error(CellErrors.ofException e)

    /// Runs a cell; the content of the reply.
    let execute (message: Message) code =
        let silent = Json.flagOr false "silent" message.Content

        if not silent && Json.flagOr true "store_history" message.Content then
            count <- count + 1

        if not silent then
            let input = Json.object [ "code", Json.string code; "execution_count", Json.integer count ]
            publisher.Send("execute_input", parent, input)

        let outcome = run code
        flush ()

        match outcome with
        | Ok bundles when silent || bundles.IsEmpty -> ()
        | Ok bundles ->
            let before, last = List.splitAt (bundles.Length - 1) bundles
            show before
            let content = MimeBundle.toContent last.Head
            content["execution_count"] <- Json.integer count
            publisher.Send("execute_result", parent, content)
        | Error error when silent -> ignore error
        | Error error -> publisher.Send("error", parent, Json.object (errorFields error))

        match outcome with
        | Ok _ ->
            ok [ "execution_count", Json.integer count; "payload", Json.array []; "user_expressions", JsonObject() ]
        | Error error ->
            Json.object ([ "status", Json.string "error"; "execution_count", Json.integer count ] @ errorFields error)

    let complete code cursor =
        let words, start, stop = evaluator.Value.Complete(code, cursor)

        ok
            [ "matches", Json.array (List.map Json.string words)
              "cursor_start", Json.integer start
              "cursor_end", Json.integer stop
              "metadata", JsonObject() ]

    let inspect code cursor =
        match evaluator.Value.Inspect(code, cursor) with
        | Some text ->
            ok
                [ "found", Json.flag true
                  "data", Json.object [ "text/plain", Json.string text ]
                  "metadata", JsonObject() ]
        | None -> ok [ "found", Json.flag false; "data", JsonObject(); "metadata", JsonObject() ]

    let isComplete code =
        match evaluator.Value.Completeness code with
        | Complete -> Json.object [ "status", Json.string "complete" ]
        | Incomplete -> Json.object [ "status", Json.string "incomplete"; "indent", Json.string "    " ]
        | Invalid -> Json.object [ "status", Json.string "invalid" ]

    do
        Console.SetOut output
        Console.SetError errors
        Console.SetIn(new CellInput(readLine))

        Display.sink <-
            fun value ->
                let kind = if isNull value then typeof<obj> else value.GetType()
                show (MimeBundle.ofValue (format kind) value)

    /// What the kernel is; may be asked from any thread.
    member _.KernelInfo = "kernel_info_reply", kernelInfo ()

    /// The reply to a request: its kind and content; None for messages that want none.
    member requests.Answer(message: Message) : (string * JsonObject) option =
        request <- Some message
        parent <- message.Header
        let text name = Json.tryString name message.Content

        let cursor (code: string) = Json.tryInteger "cursor_pos" message.Content |> Option.defaultValue code.Length

        let withCode action : JsonObject =
            match text "code" with
            | Some code -> action code
            | None ->
                let error =
                    { Name = "Malformed request"
                      Sentence = $"A {message.Kind} lacks the text 'code'."
                      Lines = [] }

                Json.object (("status", Json.string "error") :: errorFields error)

        match message.Kind with
        | "kernel_info_request" -> Some requests.KernelInfo
        | "execute_request" -> Some("execute_reply", withCode (execute message))
        | "complete_request" -> Some("complete_reply", withCode (fun code -> complete code (cursor code)))
        | "inspect_request" -> Some("inspect_reply", withCode (fun code -> inspect code (cursor code)))
        | "is_complete_request" -> Some("is_complete_reply", withCode isComplete)
        | "history_request" -> Some("history_reply", ok [ "history", Json.array [] ])
        | "comm_info_request" -> Some("comm_info_reply", ok [ "comms", JsonObject() ])
        | _ -> None

    /// The reply to a cell that is not run, because one before it failed.
    member _.Aborted() =
        "execute_reply", Json.object [ "status", Json.string "aborted"; "execution_count", Json.integer count ]

    /// The reply to any request whose handling itself went wrong.
    member _.Failed(message: Message, error: exn) =
        let kind = message.Kind.Replace("_request", "_reply")
        kind, Json.object (("status", Json.string "error") :: errorFields (CellErrors.ofException error))

    /// Hands on what is still held back.
    member _.Finish() = flush ()
