namespace GapLab.Workbench

open System.IO
open GapLab.Tensors

/// The plotly.js that draws the charts. The build fetches it into a folder beside the sources; see build.fsx.
module internal Plotly =
    let private relative = Path.Combine(".gaplab", "plotly", "plotly.min.js")

    /// The file in a folder or one above it; None if the build could not fetch it.
    let find (folder: string) =
        let rec search (folder: DirectoryInfo) =
            if isNull folder then
                None
            else
                let file = Path.Combine(folder.FullName, relative)
                if File.Exists file then Some file else search folder.Parent

        search (DirectoryInfo folder)

    /// The script, with its licence in its first lines, found above a folder.
    let read (folder: string) =
        match find folder with
        | Some file -> File.ReadAllText file
        | None ->
            raise (
                GapLabException
                    "Charts cannot be saved, because plotly.js is not there: install npm (part of Node.js), then run 'dotnet fsi build.fsx build', which fetches it."
            )

    /// Where the built library lies, below the folder that the build fetches into.
    let home = Path.GetDirectoryName typeof<Cell>.Assembly.Location
