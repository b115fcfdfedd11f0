namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Differentiation
open GapLab.Experiments

/// The page of the paper's Figure 2.
module PosteriorFigure =
    /// Points along each axis of a drawn density.
    let private drawnSize = 81

    /// How many standard deviations of each density are drawn.
    let private reach = 3.5

    /// A square that shows all densities of a column.
    let private frameOf (picture: PlanePicture) =
        let densities =
            [ picture.Posterior; picture.Amortized.Density; picture.OptimalFfg.Density; picture.OptimalFlow.Density ]

        let extent mean variance =
            let ends sign = [ for d in densities -> mean d + sign * reach * sqrt (variance d) ]
            List.min (ends -1.), List.max (ends 1.)

        let left, right = extent (fun (d: PlaneDensity) -> d.MeanX) _.VarianceX
        let bottom, top = extent (fun (d: PlaneDensity) -> d.MeanY) _.VarianceY
        let half = max (right - left) (top - bottom) / 2.
        let x, y = (left + right) / 2., (bottom + top) / 2.
        PlaneGrid(x - half, x + half, y - half, y + half, drawnSize)

    /// The panels of one datapoint, from the posterior down.
    let private column (picture: PlanePicture) =
        let grid = frameOf picture
        let rounded (digits: int) (value: float) = Math.Round(value, digits)
        let xs = [ for j in 0 .. grid.Size - 1 -> rounded 5 (grid.X j) ]
        let ys = [ for i in 0 .. grid.Size - 1 -> rounded 5 (grid.Y i) ]
        let rows (values: float array) = values |> Array.chunkBySize grid.Size
        let posterior = picture.LogPosterior grid

        // Lines of the log-density, rather than of the density: any two are equally far apart.
        let outline () =
            let levels = [ picture.Posterior.LogLevel 0.95; picture.Posterior.LogLevel 0.5 ]

            Chart.Contour(
                posterior |> Array.map (max (levels.Head - 20.) >> rounded 3) |> rows,
                X = xs,
                Y = ys,
                Lines = true,
                Levels = levels
            )

        let panel (logDensity: float array) =
            let highest = logDensity |> Array.filter Double.IsFinite |> Array.max
            // Where the flow's inverse overflows there is nothing of it.
            let relative =
                logDensity
                |> Array.map (fun value -> if Double.IsFinite value then rounded 4 (exp (value - highest)) else 0.)

            let filled = Chart.Contour(rows relative, X = xs, Y = ys, Levels = [ for i in 1..9 -> float i / 10. ])
            Chart.Combine [ filled; outline () ]

        [ panel posterior
          for approximation in [ picture.Amortized; picture.OptimalFfg; picture.OptimalFlow ] do
              panel (approximation.LogDensity grid) ]

    let private rowNames = [ "p(z | x)"; "q, encoder"; "q*, FFG"; "q*, flow" ]

    /// The panels of all datapoints: a row for each density, a column for each datapoint.
    let chart (pictures: PlanePicture list) =
        let columns =
            [ for picture in pictures ->
                  match column picture with
                  | top :: rest -> Chart.WithTitle picture.Chosen.Kind.Label top :: rest
                  | none -> none ]

        Chart.Grid(
            [ for name, row in List.zip rowNames (List.transpose columns) -> Chart.WithYTitle name row.Head :: row.Tail ],
            CellWidth = 220,
            CellHeight = 212
        )

    /// The datapoints, and log p(x) of each by quadrature beside two lower bounds from samples.
    let pointFrame (pictures: PlanePicture list) =
        let column (value: PlanePicture -> 'a) = [ for picture in pictures -> value picture ]

        Frame.ofColumns
            [ "" => column _.Chosen.Kind.Label
              "shows" => column _.Chosen.Kind.Shows
              "datapoint" => column _.Chosen.Datapoint
              "correlation" => column _.Chosen.Correlation
              "bimodality" => column _.Chosen.Bimodality
              "log p(x)" => column _.Posterior.LogIntegral
              "IWAE of q*" => column _.OptimalFfg.Iwae
              "AIS" => column _.Ais ]

    /// The gaps of every datapoint, for the best q* of either family.
    let gapFrame (pictures: PlanePicture list) =
        Frame.ofRows
            [ ""; "family"; "L[q*]"; "approximation gap"; "amortization gap"; "inference gap" ]
            [ for picture in pictures do
                  for family, optimum in [ "FFG", picture.OptimalFfg; "flow", picture.OptimalFlow ] do
                      [ Text picture.Chosen.Kind.Label
                        Text family
                        optimum.Elbo
                        Value optimum.Divergence
                        Value(picture.Amortized.Divergence - optimum.Divergence)
                        Value picture.Amortized.Divergence ] ]

    /// What a reader must know of the settings: every one that differs from the paper's.
    let notes (settings: SuboptimalitySettings) =
        let differences =
            [ for (name, own), (_, published) in
                  List.zip (Suboptimality.describe settings) (Suboptimality.describe PlanePictures.paper) do
                  // The paper does not say from how many datapoints its four were taken.
                  if own <> published && not (name.StartsWith "evaluated points") then
                      $"differs from the paper: {name} {own} (paper: {published})" ]

        if differences.IsEmpty then
            [ "Settings: those of the paper's section 6.1.1." ]
        else
            differences

    /// Measures the pool, chooses four of it, and puts the figure on a page, for every data set and seed of the command line.
    let page (session: Session) : Page =
        let settings = PlanePictures.preset session.Preset

        let specs =
            [ for dataset in Suboptimality.datasets session do
                  for seed in session.Seeds -> PlanePictures.trainSpec session settings dataset seed ]

        let cells =
            session.Evaluate
                [ for spec in specs ->
                      EvaluationSpec(
                          Artifact = spec,
                          Measure = PosteriorShape(Suboptimality.localOptions settings spec.Family),
                          Split = DataSplit.Train,
                          Points = settings.Points,
                          Seed = spec.Seed
                      ) ]

        if Workers.isWorker then
            raise (ScriptEnd 0)

        let add page (spec: TrainSpec, cell: MeasuredCell) =
            use _ = MemoryScope.Enter(record = false)
            let chosen = PlanePictures.choose cell
            let found = PlanePictures.pictures session settings spec chosen
            let points, gaps = pointFrame found, gapFrame found
            Frame.print points
            Frame.print gaps

            page
            |> Page.addHeading $"{spec.Data.Name}, seed {spec.Seed}"
            |> Page.addChart (chart found)
            |> Page.addFrame
                $"Chosen from {cell.Datapoints.Length} random training points: log p(x) by quadrature beside lower bounds from samples, in nats; ± is the Monte-Carlo standard error."
                points
            |> Page.addFrame "Gaps by quadrature and L[q*] from samples, in nats." gaps

        let opening =
            Page.create "Figure 2: posteriors and their approximations"
            |> Page.addText
                "Columns: training points of a model with two latent variables. Rows: the true posterior, the encoder's q, the best factorised Gaussian q*, and the marginal density over z of the best flow. Colours are densities relative to the highest of each panel, with lines at every tenth of it; the orange lines are the same in each column and enclose 50 % and 95 % of the true posterior."

        let explained =
            List.fold add opening (List.zip specs cells)
            |> Page.addHeading "Notes"
            |> Page.addText (
                String.concat
                    "\n"
                    [ for kind in PlanePictures.kinds do
                          yield $"{kind.Label}, {kind.Shows}: the {kind.Criterion}."
                      yield
                          "log p(x) and all gaps are by quadrature over the plane: approximation gap KL(q* ‖ p), inference gap KL(q ‖ p), amortization gap their difference. IWAE and AIS are lower bounds from samples, to compare log p(x) with."
                      for spec, cell in List.zip specs cells do
                          let lost = Array.map2 (-) (cell.Values "klFromStandard") (cell.Values "klOptimal")

                          yield
                              $"Of the {lost.Length} points of the pool of {spec.Data.Name}, seed {spec.Seed}, the search for FFG's q* that starts at N(0, I), as the paper's, ended more than a nat below the one that starts at the posterior's moments for {lost |> Seq.filter (fun nats -> nats > 1.) |> Seq.length}, and {Cell.nats (Array.average lost)} nats on average; the best of both is shown, and so for the flow."
                      yield
                          "L[q*] is the ELBO that the search raises, from samples. log p(x) - L[q*] is the approximation gap for FFG; for the flow it is larger, by what its auxiliary variable costs."
                      yield
                          "Bimodality: the smaller weight of two parts times 1 - e^-d, where d is the depth in nats of the saddle between them; from 0 to 0.5."
                      yield $"Preset {session.Preset}."
                      yield! Origin.ofCells session specs cells
                      yield! notes settings ]
            )

        explained
