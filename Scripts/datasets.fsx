// The data sets: what there is and where, fetching it from its publishers, checking it.
//
//   dotnet fsi Scripts/datasets.fsx list
//   dotnet fsi Scripts/datasets.fsx fetch mnist
//   dotnet fsi Scripts/datasets.fsx verify
#load "built.fsx"
#load "gaplab.fsx"

exit (GapLab.Workbench.DatasetsCommand.run fsi.CommandLineArgs)
