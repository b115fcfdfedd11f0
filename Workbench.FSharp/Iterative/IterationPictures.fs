namespace GapLab.Workbench

open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Inference
open GapLab.Tensors

/// Images as a model decodes them from the estimates of iterative inference, iteration by iteration.
module IterationPictures =
    let private images = 10

    /// The iterations that are shown: dense at the beginning, up to the trained number, and twice as many.
    let private shown (settings: IterativeSettings) =
        [ 0; 1; 2; 3; 4; 6; 8; 12; 16; 24; 32 ] |> List.filter (fun t -> t <= 2 * settings.Iterations)

    /// A grid with a row for each test image: the image, and E[x | z] at the mean of q after some of the iterations.
    let private grid (session: Session) (settings: IterativeSettings) (run: TrainSpec) =
        let scale = Pictures.scaleOf (session.Data run.Data)
        let vae = session.Load run
        use _ = MemoryScope.Enter(record = false)
        let x = (session.Data run.Data).Test.Subset images
        let iterations = shown settings
        let method = (box vae.Inference :?> IIterated).WithIterations(List.last iterations)
        let trace = method.Infer(vae.Model, vae.Family, x, RandomStream(run.Seed, RandomPurpose.Evaluation), 0)

        let columns =
            Pictures.valuesOf x
            :: [ for t in iterations ->
                     let q =
                         vae.Family.Sample(
                             trace.Points[t],
                             vae.Model,
                             Noise(x, RandomStream(run.Seed, RandomPurpose.Evaluation), 1)
                         )

                     vae.Model.Output(Latents [| for level in q.Conditionals -> level.Mean |], x).Mean.ToArray() ]

        let size = Pictures.sizeOf scale

        // The grid is filled row by row.
        let ordered =
            [| for row in 0 .. images - 1 do
                   for column in columns -> Array.sub column (row * size) size |]

        Chart.ImageGrid(
            Pictures.levels scale (Array.concat ordered),
            Columns = columns.Length,
            ColumnLabels = "x" :: List.map string iterations
        )

    let private evaluation (settings: IterativeSettings) (run: TrainSpec) =
        EvaluationSpec(
            Artifact = run,
            Measure = IterationBounds(List.toArray (shown settings), 100),
            Split = DataSplit.Test,
            Points = settings.Gaps.Points,
            Seed = run.Seed
        )

    /// The ELBO after the iterations that are shown.
    let private elbos (session: Session) (settings: IterativeSettings) (run: TrainSpec) =
        let iterations = shown settings
        let cell = session.Evaluate [ evaluation settings run ] |> List.head

        cell,
        Frame.ofColumns
            [ "iterations" => iterations
              "L" => [ for t in iterations -> Comparison.bound [ cell.Bound(IterationBounds.Elbo t) ] ]
              "|∂L/∂μ|" => [ for t in iterations -> Array.average (cell.Values(IterationBounds.GradientMagnitude t)) ] ]

    /// The page for models that were trained with iterative inference, one run for each data set and seed, with the settings of each and those of the paper.
    let page (session: Session) title (models: (IterativeSettings * IterativeSettings * TrainSpec) list) : Page =
        session.Foresee [ for settings, _, run in models -> evaluation settings run ]
        let measured = [ for settings, _, run in models -> settings, run, elbos session settings run ]

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let add page (settings: IterativeSettings, run: TrainSpec, (_, frame)) =
            Frame.print frame

            page
            |> Page.addHeading $"{run.Data.Name}, seed {run.Seed}"
            |> Page.addText $"Trained with {settings.Iterations} iterations."
            |> Page.addChart (grid session settings run)
            |> Page.addFrame
                $"ELBO, in nats, and the average magnitude of its gradient with respect to the means: {settings.Gaps.Points} random test points."
                frame

        let opening =
            Page.create title
            |> Page.addText
                "Test images x, and E[x | z] at the mean of q after 0, 1, 2, ... iterations from N(0, I). The networks see gradients, or for CIFAR-10 errors, and the present estimate, but not x. They were never trained for what is shown beyond their own number of iterations."

        List.fold add opening measured
        |> Page.addHeading "Notes"
        |> Page.addText (
            String.concat
                "\n"
                [ yield
                      $"Preset {session.Preset}. Magnitudes of gradients are those of averages over 10 samples, whose noise keeps them from zero."
                  yield!
                      Origin.ofCells
                          session
                          [ for _, _, run in models -> run ]
                          [ for _, _, (cell, _) in measured -> cell ]
                  for settings, paper, run in models do
                      for note in IterativeModels.settingNotes paper settings do
                          yield $"{run.Data.Name}: {note}" ]
        )
