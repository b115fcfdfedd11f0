namespace GapLab.Workbench

open System.IO
open GapLab.Tensors

/// The plotly.js that draws the charts. The build fetches it into a folder beside the sources; see build.fsx.
module internal Plotly =
    let private relative = Path.Combine(".gaplab", "plotly", "plotly.min.js")

    /// The file, in a folder above the built library; None if the build could not fetch it.
    let find () =
        let rec search (folder: DirectoryInfo) =
            if isNull folder then
                None
            else
                let file = Path.Combine(folder.FullName, relative)
                if File.Exists file then Some file else search folder.Parent

        typeof<Cell>.Assembly.Location |> Path.GetDirectoryName |> DirectoryInfo |> search

    /// The script, with its licence in its first lines.
    let script () =
        match find () with
        | Some file -> File.ReadAllText file
        | None ->
            raise (
                GapLabException
                    "Charts cannot be saved, because plotly.js is not there: install npm (part of Node.js), then run 'dotnet fsi build.fsx build', which fetches it."
            )
