/// The notebooks' kernel, and running the notebooks without a browser.
module GapLab.Build.NotebookTargets

#load "processes.fsx"

open System
open System.Diagnostics
open System.IO
open GapLab.Build.Processes

let private kernelProgram =
    Path.Combine(root, "Notebooks", "Kernel.FSharp", "bin", "Release", "net10.0", "GapLab.Kernel.dll")

/// Makes the built kernel known to Jupyter, for the current user.
let installKernel () = openlyIn root [ kernelProgram; "install" ]

/// Runs a program of Python and lets it use this terminal; its exit code, None if there is no such Python.
let private python (program: string) (environment: (string * string) list) silent (arguments: string list) =
    let start = ProcessStartInfo(program, arguments, WorkingDirectory = root, UseShellExecute = false)
    start.RedirectStandardError <- silent

    for name, value in environment do
        start.Environment[name] <- value

    try
        use running = Process.Start start

        if silent then
            running.StandardError.ReadToEnd() |> ignore

        running.WaitForExit()
        Some running.ExitCode
    with :? ComponentModel.Win32Exception ->
        None

/// A Python that has what executes and checks notebooks.
let private findJupyter () =
    [ "/usr/bin/python3"; "python3"; "python" ]
    |> List.tryFind (fun program ->
        python program [] true [ "-c"; "import nbconvert, nbclient, nbformat, jupyter_client" ] = Some 0)

/// Executes every notebook from the top, with the built kernel, and checks what comes of it; `keep` replaces the notebooks by their executed selves.
let executeNotebooks keep =
    match findJupyter () with
    | None ->
        printfn
            "The notebooks are not executed, because Jupyter's nbconvert is not installed (Debian: apt-get install python3-nbconvert python3-nbclient)."
    | Some program ->
        let work = Directory.CreateTempSubdirectory "gaplab-notebooks-"

        let run environment arguments =
            match python program environment false arguments with
            | Some 0 -> ()
            | _ -> raise (StepFailed 1)

        try
            quietly [] [ kernelProgram; "install"; work.FullName ]
            let files = Directory.GetFiles(Path.Combine(root, "Notebooks"), "*.ipynb") |> Array.sort |> Array.toList
            let executed = files |> List.map (fun file -> Path.Combine(work.FullName, Path.GetFileName file))

            for file in files do
                step (Path.GetFileNameWithoutExtension file) (fun () ->
                    [ "-m"; "nbconvert"; "--log-level=WARN"; "--to=notebook"; "--execute" ]
                    @ [ "--ExecutePreprocessor.timeout=600"; "--ExecutePreprocessor.record_timing=False" ]
                    @ [ "--output-dir"; work.FullName; file ]
                    |> run [ ("JUPYTER_PATH", work.FullName) ])

            let check = "import nbformat, sys\nfor f in sys.argv[1:]: nbformat.validate(nbformat.read(f, 4))"
            run [] ("-c" :: check :: files @ executed)

            if keep then
                for file, result in List.zip files executed do
                    File.Copy(result, file, true)

            printfn "%d notebooks run and are valid." files.Length
        finally
            work.Delete true
