namespace GapLab.Notebooks

open System
open System.IO
open System.Text
open System.Text.Json
open GapLab.Tensors

/// The file by which Jupyter knows the kernel.
module internal KernelSpec =
    /// The name of the F# kernel of Polyglot Notebooks, so that the same notebooks open there.
    let name = ".net-fsharp"

    /// What starts this program, given the path of a connection file.
    let content (program: string) =
        Json.object
            [ "argv", Json.array [ for argument in [ "dotnet"; program; "{connection_file}" ] -> Json.string argument ]
              "display_name", Json.string ".NET (F#)"
              "language", Json.string "F#"
              "interrupt_mode", Json.string "message"
              "metadata", Json.object [ "debugger", Json.flag false ] ]

    /// Jupyter's folder for the current user.
    let userFolder () =
        let home = Environment.GetFolderPath Environment.SpecialFolder.UserProfile

        match Environment.GetEnvironmentVariable "JUPYTER_DATA_DIR" with
        | null
        | "" ->
            if OperatingSystem.IsWindows() then
                Path.Combine(Environment.GetFolderPath Environment.SpecialFolder.ApplicationData, "jupyter")
            elif OperatingSystem.IsMacOS() then
                Path.Combine(home, "Library", "Jupyter")
            else
                match Environment.GetEnvironmentVariable "XDG_DATA_HOME" with
                | null
                | "" -> Path.Combine(home, ".local", "share", "jupyter")
                | data -> Path.Combine(data, "jupyter")
        | named -> named

    /// Writes the specification below a folder of Jupyter's; the folder that it lies in.
    let install (jupyter: string) =
        let folder = Path.Combine(jupyter, "kernels", name)
        let program = Path.Combine(AppContext.BaseDirectory, "GapLab.Kernel.dll")

        try
            Directory.CreateDirectory folder |> ignore
            let json = (content program).ToJsonString(JsonSerializerOptions(WriteIndented = true))
            File.WriteAllText(Path.Combine(folder, "kernel.json"), json + "\n", UTF8Encoding false)
            folder
        with
        | :? IOException
        | :? UnauthorizedAccessException as e ->
            raise (GapLabException $"The kernel cannot be installed in '{folder}' ({e.Message.TrimEnd '.'}).")
