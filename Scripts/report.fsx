// All that a folder of results holds, as one HTML page: models, training curves, gaps, every evaluation. Nothing is trained or measured.
//
//   dotnet fsi Scripts/report.fsx --results .gaplab/results --out report.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "One page of all that a folder of results (--results) holds.",
        (fun session ->
            let page = Progress.run "reading the results" (StoreReport.page session.Store)
            session.Save(page, "report.html")),
        Uses = [],
        Formats = [ ".html" ]
    )
)
