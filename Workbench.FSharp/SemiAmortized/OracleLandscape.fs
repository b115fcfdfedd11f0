namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Families
open GapLab.Inference
open GapLab.Objectives
open GapLab.Tensors

/// The ELBO of single sentences of a known generator over the two means of q, and where inference ends up on it.
module OracleLandscape =
    /// Half the side of the square that is searched and drawn.
    let private radius = 4.

    /// Points of the grid along each side, and samples of every ELBO.
    let private resolution preset = if preset = "smoke" then 9, 20 else 41, 200

    let private pictures = 4

    /// The noise that all points of the surface have in common.
    let private surfaceNoise = 11UL

    /// L at the points of a grid of means, of one sentence, with q's variances those of `lambda`.
    let private surface (vae: Vae) (x: Observations) (lambda: LocalParameters) (grid: PlaneGrid) samples seed =
        use _ = MemoryScope.Enter(record = false)
        let count = grid.Size * grid.Size

        let means =
            [| for j in 0 .. grid.Size - 1 do
                   for i in 0 .. grid.Size - 1 do
                       yield! [ grid.X i; grid.Y j ] |]

        let variances = lambda[1].ToArray()

        [| for first in 0 .. grid.Size .. count - 1 do
               use _ = MemoryScope.Enter(record = false)
               let rows = grid.Size
               // The same sentence under the same index: the same noise.
               let repeated = x.Select(ReadOnlySpan(Array.zeroCreate<int> rows))
               let shape = Shape(rows, 2)

               let points =
                   LocalParameters
                       [| Tensor.Create(x.Device, shape, means[2 * first .. 2 * (first + rows) - 1])
                          Tensor.Create(x.Device, shape, Array.concat (Array.replicate rows variances)) |]

               let noise = Noise(repeated, RandomStream(seed, RandomPurpose.Importance).Fork surfaceNoise, samples)

               yield!
                   ElboObjective(vae.Model, vae.Family, repeated, noise, ObjectiveWeights.Elbo, KlForm.Analytic)
                       .Value(points)
                       .ToArray() |]

    let private meanOf (lambda: LocalParameters) =
        let mean = lambda[0].ToArray()
        mean[0], mean[1]

    let private distance (a, b) (c, d) = sqrt ((a - c) ** 2. + (b - d) ** 2.)

    /// The page.
    let page (session: Session) title (paper: SemiAmortizedSettings) (settings: SemiAmortizedSettings) : Page =
        let options =
            match settings.Data with
            | OfOracle options when options.LatentSize = 2 -> options
            | _ -> Cli.fail "The surfaces of this figure are of the oracle's sentences, with two latent variables."

        let seed = session.Seeds.Head

        let runs =
            [ for refinement in [ EncoderOnly; Svi settings.Steps; SaVae settings.Steps ] ->
                  refinement, RefinedModels.withOracle settings options refinement DataSets.Oracle seed ]

        session.Foresee([], [ for _, run in runs -> run ])
        let trained = [ for refinement, run in runs -> refinement, session.Load run ]

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let size, samples = resolution session.Preset
        let grid = PlaneGrid.Square(radius, size)
        let points = min settings.Points (if session.Preset = "smoke" then 4 else 50)
        let all = (session.Data (snd runs.Head).Data).Test.Subset points

        let walk (vae: Vae) (x: Observations) =
            let trace = vae.Inference.Infer(vae.Model, vae.Family, x, RandomStream(seed, RandomPurpose.Evaluation), 0)
            List.ofSeq trace.Points

        let measured =
            [ for row in 0 .. points - 1 ->
                  use _ = MemoryScope.Enter(record = false)
                  let x = all.Select(ReadOnlySpan [| row |])
                  let traces = [ for refinement, vae in trained -> refinement, walk vae x ]
                  let _, last = List.last traces
                  let heights = surface (snd trained.Head) x (List.last last) grid samples seed
                  let best = Array.IndexOf(heights, Array.max heights)
                  let place = grid.X(best % size), grid.Y(best / size)
                  let ways = [ for refinement, trace in traces -> refinement, List.map meanOf trace ]
                  x.Indices.Span[0], heights, place, ways ]

        let chart (index: int, heights: float[], place, ways: (Refinement * (float * float) list) list) =
            let highest = Array.max heights
            let axis (value: int -> float) = [ for i in 0 .. size - 1 -> Math.Round(value i, 4) ]

            let contours =
                Chart.Contour(
                    Array.chunkBySize size [| for height in heights -> Math.Round(max height (highest - 30.), 2) |],
                    X = axis grid.X,
                    Y = axis grid.Y,
                    Name = "L",
                    Lines = true,
                    Levels = [ for i in 0..15 -> highest - 30. + 2. * float i ]
                )

            let drawn (refinement, way: (float * float) list) =
                match refinement, way with
                | SaVae _, _ -> Chart.Line(way, Name = "SA-VAE, step by step")
                | other, _ -> Chart.Scatter([ List.last way ], Name = RefinedModels.name other)

            Chart.Combine(contours :: List.map drawn ways @ [ Chart.Scatter([ place ], Name = "best of the grid") ])
            |> Chart.WithXRange(-radius, radius)
            |> Chart.WithYRange(-radius, radius)
            |> Chart.WithXTitle "μ₁"
            |> Chart.WithYTitle "μ₂"
            |> Chart.WithSize(460, 340)
            |> Chart.WithTitle $"test sentence {index}"

        let frame =
            Frame.ofRows
                [ "inference"; "distance of its mean from the best of the grid"; "of where it starts" ]
                [ for refinement, _ in trained ->
                      let distances choose =
                          [ for _, _, place, ways in measured ->
                                ways |> List.find (fst >> (=) refinement) |> snd |> choose |> distance place ]

                      [ Text(RefinedModels.name refinement)
                        Comparison.interval (distances List.last)
                        Comparison.interval (distances List.head) ] ]

        Frame.print frame

        Page.create title
        |> Page.addText
            "The ELBO of a sentence over the two means of q, with the variances that the SA-VAE finds, under the generator that made the sentences. The paper shows one such surface, on which the SA-VAE ends closest to the maximum."
        |> Page.addCharts (measured |> List.truncate pictures |> List.map chart)
        |> Page.addFrame $"Distances in the plane, averages over {points} test sentences with 95 %% intervals." frame
        |> Page.addHeading "Notes"
        |> Page.addText (
            String.concat
                "\n"
                [ $"Surfaces: {size} x {size} means on [-{radius}, {radius}]², {samples} samples, the same for every point; contours down to 30 nats below the maximum."
                  $"Preset {session.Preset}, seed {seed}."
                  yield!
                      Origin.notes
                          session
                          (List.map snd runs)
                          [ for _, run in runs -> (session.Store.FindArtifact run).Provenance, false ]
                  yield! SemiAmortizedSettings.notes paper settings ]
        )
