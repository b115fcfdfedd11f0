namespace GapLab.Notebooks

open System
open System.IO
open System.Text
open GapLab.Tensors

/// Where a kernel's sockets are and what signs its messages: the connection file that Jupyter writes.
type internal Connection =
    {
        Transport: string
        Ip: string
        ShellPort: int
        ControlPort: int
        IoPubPort: int
        StdinPort: int
        HeartbeatPort: int
        /// The key of HMAC-SHA256; empty for messages that are not signed.
        Key: byte array
    }

    /// The address of one of the ports.
    member connection.Address(port: int) =
        if connection.Transport = "ipc" then
            $"ipc://{connection.Ip}-{port}"
        else
            $"tcp://{connection.Ip}:{port}"

module internal Connection =
    /// A connection file is a few hundred bytes.
    let private largest = 65_536L

    /// Reads a connection file; a GapLabException says what is wrong with it.
    let read (path: string) : Connection =
        let refuse problem : 'a =
            raise (
                GapLabException $"The connection file '{path}' {problem}; Jupyter writes it when it starts a kernel."
            )

        let bytes =
            try
                if FileInfo(path).Length > largest then
                    refuse "is too large"

                File.ReadAllBytes path
            with
            | :? IOException
            | :? UnauthorizedAccessException as e -> refuse $"cannot be read ({e.Message.TrimEnd '.'})"

        let fields =
            match Json.tryParse bytes with
            | Some fields -> fields
            | None -> refuse "is no JSON object"

        let text name =
            match Json.tryString name fields with
            | Some text -> text
            | None -> refuse $"lacks the text '{name}'"

        let port name =
            match Json.tryInteger name fields with
            | Some port when port > 0 && port < 65_536 -> port
            | _ -> refuse $"lacks the port '{name}'"

        let transport = text "transport"

        if transport <> "tcp" && transport <> "ipc" then
            refuse $"asks for the transport '{transport}', but only tcp and ipc are known"

        let scheme = Json.tryString "signature_scheme" fields |> Option.defaultValue "hmac-sha256"

        if scheme <> "hmac-sha256" then
            refuse $"asks for signatures by '{scheme}', but only hmac-sha256 is known"

        { Transport = transport
          Ip = text "ip"
          ShellPort = port "shell_port"
          ControlPort = port "control_port"
          IoPubPort = port "iopub_port"
          StdinPort = port "stdin_port"
          HeartbeatPort = port "hb_port"
          Key = Encoding.UTF8.GetBytes(text "key") }
