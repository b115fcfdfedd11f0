// The built library, for scripts. A script starts with two lines, in this order:
//     #load "built.fsx"
//     #load "gaplab.fsx"
// In one line, or nested, F# would resolve the references below before the check in built.fsx could run.
#I "../Workbench.FSharp/bin/Release/net10.0"
#r "Argu.dll"
#r "CsvHelper.dll"
#r "Spectre.Console.dll"
#r "GapLab.Core.dll"
#r "GapLab.Workbench.dll"
