namespace GapLab.Notebooks

open System
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
open System.Text.Json.Nodes

/// JSON objects as messages hold them. What comes from outside may hold anything: fields are read as options.
module internal Json =
    let private options = JsonDocumentOptions(MaxDepth = 64, AllowDuplicateProperties = false)

    let private writing = JsonSerializerOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = 256)

    /// An object from UTF-8; None for anything else.
    let tryParse (utf8: byte array) : JsonObject option =
        try
            // A node reads its names later, when nobody expects them to be wrong.
            match
                if Unicode.Utf8.IsValid(ReadOnlySpan utf8) then
                    JsonNode.Parse(ReadOnlySpan utf8, Nullable(), options)
                else
                    null
            with
            | :? JsonObject as parsed -> Some parsed
            | _ -> None
        with :? JsonException ->
            None

    /// An object as UTF-8.
    let toUtf8 (value: JsonObject) = Encoding.UTF8.GetBytes(value.ToJsonString writing)

    /// A new object.
    let object (fields: (string * JsonNode) list) =
        let made = JsonObject()

        for name, value in fields do
            made[name] <- value

        made

    /// Half a pair of surrogates is no text; it becomes the sign for what cannot be shown.
    let private wellFormed (text: string) = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes text)

    let string (text: string) : JsonNode = JsonValue.Create(wellFormed text)
    let integer (value: int) : JsonNode = JsonValue.Create value
    let flag (value: bool) : JsonNode = JsonValue.Create value

    let array (items: JsonNode seq) : JsonNode = JsonArray(Seq.toArray items)

    let private tryField<'T> (name: string) (from: JsonObject) : 'T option =
        match from[name] with
        | :? JsonValue as value ->
            try
                match value.TryGetValue<'T>() with
                | true, found -> Some found
                | _ -> None
            with :? InvalidOperationException ->
                // A text that is no valid UTF-16.
                None
        | _ -> None

    /// The text of a field; None if there is none.
    let tryString name from = tryField<string> name from

    /// The whole number of a field.
    let tryInteger name from = tryField<int> name from

    /// A field that is true or false, or what it is unless said.
    let flagOr usual name from = tryField<bool> name from |> Option.defaultValue usual

    /// An object in a field.
    let tryObject (name: string) (from: JsonObject) =
        match from[name] with
        | :? JsonObject as found -> Some found
        | _ -> None
