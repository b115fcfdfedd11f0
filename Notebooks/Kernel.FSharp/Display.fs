namespace GapLab.Notebooks

open GapLab.Workbench

/// A text that a notebook shows as what it means.
type Shown =
    /// HTML, as it is.
    | HTML of string
    | Markdown of string

/// What cells can say beside their last value; open from the start.
[<AutoOpen>]
module Display =
    /// Where values go; the kernel sets it.
    let mutable internal sink: obj -> unit = ignore

    /// Shows a value below the cell at once: a frame as a table, a chart as a picture, anything else as text.
    let display (value: 'T) : unit = sink (box value)
