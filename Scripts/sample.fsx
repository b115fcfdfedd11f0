// Images that trained models imagine: samples z of the prior, decoded.
//
//   dotnet fsi Scripts/sample.fsx --dataset binarized-mnist --preset small --out samples.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Workbench

let count = 100

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Images sampled from the prior of trained models.",
        (fun session ->
            let models = Sweep.models session (Suboptimality.preset session.Preset)
            let scales = [ for _, spec in models -> Pictures.scaleOf (session.Data spec.Data) ]

            let add page ((label, (name, spec)), scale) =
                let vae = session.Load spec
                let means, draws = Pictures.samples vae (Pictures.sizeOf scale) count name.Seed
                let grid title images = Chart.ImageGrid(Pictures.levels scale images) |> Chart.WithTitle title

                page
                |> Page.addHeading label
                |> Page.addText $"{vae.Model.Name}.{Pictures.scaleNote scale}"
                |> Page.addCharts [ grid "E[x | z]" means; grid "x drawn from p(x | z)" draws ]

            let page =
                Page.create $"{count} samples of the prior"
                |> Page.addText
                    $"Preset {session.Preset}. Each z is drawn from the prior p(z), the same for every model of the same seed and latent size; first its mean image is shown, then one drawn for it."

            let labels = Sweep.labels (List.map fst models)
            session.Save(List.fold add page (List.zip (List.zip labels models) scales), "samples.html")),
        Uses = Sweep.modelOptions,
        Formats = Report.pageFormats
    )
)
