// Test images beside what trained models make of them: decoded from the encoder's q, and from q*, the best q of the family for each image.
//
//   dotnet fsi Scripts/reconstruct.fsx --dataset binarized-mnist --preset small --out reconstructions.html
#load "built.fsx"
#load "gaplab.fsx"

open GapLab.Differentiation
open GapLab.Workbench

let count = 10

exit (
    Session.Run(
        fsi.CommandLineArgs,
        "Test images and their reconstructions by trained models.",
        (fun session ->
            let settings = Suboptimality.preset session.Preset
            let models = Sweep.models session settings
            let scales = [ for _, spec in models -> Pictures.scaleOf (session.Data spec.Data) ]

            let add page ((label, (name, spec)), scale) =
                let vae = session.Load spec
                use _ = MemoryScope.Enter(record = false)
                let x = (session.Data spec.Data).Test.Subset count

                let found =
                    Progress.run $"local optimisation, {label}" (fun report ->
                        Pictures.reconstruct
                            (Suboptimality.localOptions settings spec.Family)
                            settings.ImportanceSamples
                            vae
                            x
                            name.Seed
                            (Progress.ofCount count report)
                            session.Cancellation)

                let numbers = [ 1..count ]

                let images =
                    Chart.ImageGrid(
                        Pictures.levels scale (Array.concat [ found.Originals; found.Inferred; found.Optimal ]),
                        RowLabels = [ "x"; "q"; "q*" ],
                        ColumnLabels = List.map string numbers
                    )

                let elbo (bound: GapLab.Bounds.BoundEstimate) =
                    [ for value, error in Seq.zip bound.Values bound.StandardErrors -> Estimate(value, error) ]

                let difference = Array.map2 (-) found.OptimalElbo.Values found.InferredElbo.Values

                let elbos =
                    Frame.ofColumns
                        [ "image" => numbers
                          "datapoint" => found.Datapoints
                          "L[q]" => elbo found.InferredElbo
                          "L[q*]" => elbo found.OptimalElbo
                          "amortization gap" => difference ]

                page
                |> Page.addHeading label
                |> Page.addText $"{vae.Model.Name}.{Pictures.scaleNote scale}"
                |> Page.addChart images
                |> Page.addFrame "ELBO of each image, in nats; ± is the Monte-Carlo standard error." elbos

            let page =
                Page.create "Reconstructions"
                |> Page.addText
                    $"Preset {session.Preset}. {count} random test points x, the same for every model and seed. Below each the mean image E[x | z] at the mean of q(z | x): that of the encoder's q, and that of q*, optimised for this x alone."

            let labels = Sweep.labels (List.map fst models)
            session.Save(List.fold add page (List.zip (List.zip labels models) scales), "reconstructions.html")),
        Uses = Sweep.modelOptions,
        Formats = Report.pageFormats
    )
)
