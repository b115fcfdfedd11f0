namespace GapLab.Workbench

open System
open GapLab.Bounds
open MathNet.Numerics.Distributions

/// Bounds of models that were trained with several seeds, and differences between two kinds of models.
module Comparison =
    /// The level of intervals.
    let level = 0.95

    /// The bound of each seed as one cell: with its Monte-Carlo error for one seed, else the average with its standard error over seeds.
    let bound (seeds: BoundEstimate list) =
        match seeds with
        | [ one ] -> Cell.Estimate(one.Mean, one.MonteCarloError)
        | several -> Averaged(Estimate.ofValues (several |> List.map _.Mean))

    /// A number of each seed as one cell: the number itself for one seed, else the average with its standard error over seeds.
    let average (seeds: float list) =
        match seeds with
        | [ one ] -> Value one
        | several -> Averaged(Estimate.ofValues several)

    /// The same with the other sign: of an ELBO, the bound of -log p(x).
    let negated cell =
        match cell with
        | Cell.Value value -> Cell.Value -value
        | Cell.Estimate(value, error) -> Cell.Estimate(-value, error)
        | Averaged estimate -> Averaged { estimate with Mean = -estimate.Mean }
        | Interval(value, low, high) -> Interval(-value, -high, -low)
        | other -> other

    /// The average of values with an interval that covers it at the usual level, by Student's t; missing for fewer than two values.
    let interval (values: float list) =
        match Estimate.ofValues values with
        | { StandardError = Some error } as estimate ->
            let reach = error * StudentT.InvCDF(0., 1., float (estimate.Count - 1), 1. - (1. - level) / 2.)
            Interval(estimate.Mean, estimate.Mean - reach, estimate.Mean + reach)
        | _ -> Missing

    /// The average of a - b: over seeds, whose models differ, where there are several; else over the datapoints of the one.
    let difference (a: BoundEstimate list) (b: BoundEstimate list) =
        match a, b with
        | [ a ], [ b ] -> interval (List.ofArray (Array.map2 (-) a.Values b.Values))
        | _ -> interval (List.map2 (fun (a: BoundEstimate) (b: BoundEstimate) -> a.Mean - b.Mean) a b)

    /// A gap of each seed as one cell: with its bootstrap interval for one seed, else the average with its standard error over seeds.
    let gap (value: Gaps -> Gap) (seeds: Gaps list) =
        match seeds with
        | [ one ] -> Interval((value one).Value, (value one).Low, (value one).High)
        | several -> Averaged(Estimate.ofValues [ for gaps in several -> (value gaps).Value ])

    /// The preset and the seeds, for a table's first note.
    let opening (session: Session) =
        let seeds = session.Seeds |> List.map string |> String.concat ", "
        $"""Preset {session.Preset}, {(if session.Seeds.Length > 1 then "seeds" else "seed")} {seeds}."""

    /// What ± and [ ] are, for a table's notes.
    let note (session: Session) =
        if session.Seeds.Length = 1 then
            "± is the Monte-Carlo standard error for these points, [ ] the 95 % interval of a difference over points (Student's t)."
        else
            $"Averages over {session.Seeds.Length} seeds, each with its own models; ± is the standard error over seeds, [ ] the 95 %% interval of a difference over seeds (Student's t)."
