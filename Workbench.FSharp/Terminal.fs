namespace GapLab.Workbench

open System

/// Whether output appears on a terminal, where lines have an end and can be written over.
module internal Terminal =
    /// Set by a program that shows stdout and stderr elsewhere, as a notebook does.
    let mutable isElsewhere = false

    let hasOutput () = not (isElsewhere || Console.IsOutputRedirected)

    let hasErrors () = not (isElsewhere || Console.IsErrorRedirected)
