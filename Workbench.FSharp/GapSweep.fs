namespace GapLab.Workbench

open GapLab.Data
open GapLab.Experiments

/// Gaps over the points of a sweep, as a frame, a report and charts.
module GapSweep =
    /// The columns that are always measured, in nats.
    let private values = [ "log p̂"; "L[q*]"; "L[q]"; "approximation gap"; "amortization gap"; "inference gap" ]

    let private bracket = "BDMC difference"

    let private hasBracket (wanted: ('Key * SuboptimalitySettings * TrainSpec) list) =
        wanted |> List.exists (fun (_, settings, _) -> settings.SimulatedPoints > 0)

    /// The names of the further bounds.
    let private bounds (wanted: ('Key * SuboptimalitySettings * TrainSpec) list) =
        [ for _, settings, _ in wanted do
              yield! List.map fst settings.Bounds ]
        |> List.distinct

    let private others wanted =
        [ if hasBracket wanted then
              bracket
          yield! bounds wanted ]

    let private measureAll (session: Session) (wanted: ('Key * SuboptimalitySettings * TrainSpec) list) =
        Suboptimality.measure session [ for _, settings, spec in wanted -> settings, spec, DataSplit.Test ]

    let private frameOf wanted (measured: Measurement list) =
        Sweep.beside
            (Frame.ofRecords [ for key, _, _ in wanted -> key ])
            (Frame.ofColumns
                [ yield "log p̂" => [ for m in measured -> m.Gaps.LogMarginal ]
                  yield "L[q*]" => [ for m in measured -> m.Optimal ]
                  yield "L[q]" => [ for m in measured -> m.Inferred ]
                  yield "approximation gap" => [ for m in measured -> m.Gaps.Approximation ]
                  yield "amortization gap" => [ for m in measured -> m.Gaps.Amortization ]
                  yield "inference gap" => [ for m in measured -> m.Gaps.Inference ]
                  if hasBracket wanted then
                      yield bracket => [ for m in measured -> m.Bracket |> Option.map _.Difference ]
                  for name in bounds wanted do
                      yield
                          name => [ for m in measured -> m.Others |> List.tryFind (fst >> (=) name) |> Option.map snd ] ])

    /// Measures the test points of models: one row a model, with the fields of its key and the measured columns.
    let measure session wanted = frameOf wanted (measureAll session wanted)

    /// What was found wrong with the bounds on log p(x): of how many rows, and the first finding.
    let private cautions (measured: Measurement list) =
        match measured |> List.filter (fun m -> not m.Findings.IsEmpty) with
        | [] -> []
        | some ->
            [ $"In {some.Length} of {measured.Length} measurements log p̂ deserves caution. The first: {some.Head.Findings.Head}" ]

    /// The gaps along the numeric keys that vary, or side by side where none does.
    let private charts (frame: Frame) (varying: string list) =
        let isNumber column =
            Frame.getColumn column frame |> Array.forall (fun cell -> (Cell.number cell).IsSome)

        // All keys that vary but the one on the axis make up the name of a line.
        let labelled axis =
            let others = varying |> List.filter ((<>) axis)

            frame
            |> Frame.addCol "case" (fun row ->
                match others with
                | [] -> "all"
                | some -> some |> List.map (fun key -> $"{key} {Cell.format row[key]}") |> String.concat ", ")

        let gaps = values |> List.filter _.EndsWith(" gap")

        match List.tryFind isNumber varying, varying with
        | Some axis, _ ->
            [ for gap in gaps ->
                  labelled axis
                  |> Chart.lineBy axis gap "case"
                  |> Chart.WithTitle gap
                  |> Chart.WithXTitle axis
                  |> Chart.WithYTitle "nats"
                  |> Chart.WithLogX
                  |> Chart.WithXTicks(Frame.col<float> axis frame |> Array.distinct) ]
        | None, [] -> []
        | None, _ ->
            [ for gap in gaps ->
                  labelled ""
                  |> Chart.barBy "case" gap "case"
                  |> Chart.WithTitle gap
                  |> Chart.WithYTitle "nats"
                  |> Chart.WithLegend false ]

    /// The report of a sweep: keys that do not vary go into the notes, seeds are averaged, and charts show the gaps along what varies.
    let report (session: Session) (wanted: ('Key * SuboptimalitySettings * TrainSpec) list) : Report =
        let measured = measureAll session wanted
        let table = Sweep.table session (values @ others wanted) (frameOf wanted measured)

        { Title = "Inference gaps, in nats"
          Notes =
            [ yield! table.Notes
              if session.Seeds.Length = 1 then
                  yield
                      "± is the Monte-Carlo standard error for these points, [ ] the 95 % bootstrap interval over points."
              yield
                  "Test points. The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side."
              yield! cautions measured
              yield! Suboptimality.settingNotes [ for _, settings, _ in wanted -> settings ] ]
          Frame = table.Frame
          Charts = charts table.Frame table.Varying
          Summaries = [] }
