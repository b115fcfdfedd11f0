/// GapLab.Kernel CONNECTION_FILE runs the kernel, as Jupyter starts it; GapLab.Kernel install [FOLDER] makes it known to Jupyter.
module internal GapLab.Notebooks.Program

open System
open System.IO
open GapLab.Tensors

let private install folder =
    // An installation that could not run would fail out of sight.
    ZeroMqLibrary.check ()
    printfn "The kernel '.NET (F#)' is installed in '%s'." (KernelSpec.install folder)

[<EntryPoint>]
let main arguments =
    try
        match arguments with
        | [| "install" |] ->
            install (KernelSpec.userFolder ())
            0
        | [| "install"; folder |] ->
            install (Path.GetFullPath folder)
            0
        | [| file |] ->
            Kernel(Connection.read file).Run()
            // Threads of cells, or one that nothing stops, do not keep the process.
            exit 0
        | _ ->
            eprintfn "Usage: GapLab.Kernel CONNECTION_FILE, or GapLab.Kernel install [FOLDER]"
            1
    with :? GapLabException as e ->
        Console.Error.WriteLine e.Message
        1
