namespace GapLab.Notebooks

open System
open System.Security.Cryptography
open System.Text
open System.Text.Json.Nodes

/// A message of the Jupyter protocol.
type internal Message =
    {
        /// Whom a reply goes to, as the router of the socket wrote it.
        Identities: byte array list
        Kind: string
        Header: JsonObject
        /// The header of the message that this one answers; empty if it answers none.
        Parent: JsonObject
        Content: JsonObject
    }

/// Messages as frames: identities, a delimiter, the signature, header, parent header, metadata, content, and buffers, which are not used here.
/// See "Messaging in Jupyter", version 5.3, "The Wire Protocol".
module internal Message =
    /// The version of the protocol.
    let protocol = "5.3"

    let private delimiter = "<IDS|MSG>"B

    /// The session of this process, which its messages name.
    let private session = Guid.NewGuid().ToString "N"

    let private user =
        match Environment.UserName with
        | "" -> "kernel"
        | name -> name

    /// HMAC-SHA256 of the four dictionaries in hexadecimal; empty without a key.
    let sign (key: byte array) (parts: byte array list) =
        if key.Length = 0 then
            [||]
        else
            use hash = IncrementalHash.CreateHMAC(HashAlgorithmName.SHA256, key)

            for part in parts do
                hash.AppendData part

            Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset()))

    /// A message from its frames; None if they are no message, or its signature is wrong.
    let tryParse (key: byte array) (frames: byte array list) : Message option =
        let isDelimiter (frame: byte array) = frame.AsSpan().SequenceEqual delimiter

        match List.tryFindIndex isDelimiter frames with
        | None -> None
        | Some index ->
            let identities, rest = List.splitAt index frames

            match rest with
            | _ :: signature :: header :: parent :: metadata :: content :: _ ->
                let signedParts = [ header; parent; metadata; content ]
                let expected = sign key signedParts

                // In a time that does not tell how much of a signature was right.
                if key.Length > 0 && not (CryptographicOperations.FixedTimeEquals(expected, signature)) then
                    None
                else
                    match List.map Json.tryParse signedParts with
                    | [ Some header; Some parent; Some _; Some content ] ->
                        match Json.tryString "msg_type" header, Json.tryString "msg_id" header with
                        | Some kind, Some _ ->
                            Some
                                { Identities = identities
                                  Kind = kind
                                  Header = header
                                  Parent = parent
                                  Content = content }
                        | _ -> None
                    | _ -> None
            | _ -> None

    /// The frames of a message.
    let toFrames (key: byte array) (message: Message) : byte array list =
        let parts = [ message.Header; message.Parent; JsonObject(); message.Content ] |> List.map Json.toUtf8
        message.Identities @ [ delimiter; sign key parts ] @ parts

    /// A new message: its own header, and that of the message it answers.
    let create (identities: byte array list) (kind: string) (parent: JsonObject) (content: JsonObject) : Message =
        let header =
            Json.object
                [ "msg_id", Json.string (Guid.NewGuid().ToString "N")
                  "session", Json.string session
                  "username", Json.string user
                  "date", Json.string (DateTime.UtcNow.ToString "yyyy-MM-ddTHH:mm:ss.ffffffZ")
                  "msg_type", Json.string kind
                  "version", Json.string protocol ]

        { Identities = identities
          Kind = kind
          Header = header
          Parent = parent.DeepClone().AsObject()
          Content = content }

    /// The reply to a request.
    let reply (request: Message) (kind: string) (content: JsonObject) =
        create request.Identities kind request.Header content
