namespace GapLab.Workbench

open System
open GapLab.Bounds
open GapLab.Data
open GapLab.Experiments
open GapLab.Tensors

/// AIS on datapoints that the model made itself, where reverse AIS bounds log p(x) from above: bidirectional Monte Carlo.
type Bracket =
    {
        Lower: BoundEstimate
        Upper: BoundEstimate
        /// Upper - lower of every datapoint.
        Differences: float array
    }

    /// Upper - lower on average, with the standard error over datapoints.
    member bracket.Difference = Averaged(Estimate.ofValues bracket.Differences)

/// What is measured of one model on one set of datapoints, in nats.
type Measurement =
    {
        Points: int
        /// L[q] and its importance-weighted bound.
        Inferred: BoundEstimate
        InferredIwae: BoundEstimate
        /// L[q*] and its importance-weighted bound, for the family that the model was trained with.
        Optimal: BoundEstimate
        OptimalIwae: BoundEstimate
        /// L[q*] for the other families of the settings, each beside that of the model's own family at the same points, which may be fewer.
        OtherOptima: (string * BoundEstimate * BoundEstimate) list
        Ais: BoundEstimate
        /// The further bounds of the settings.
        Others: (string * BoundEstimate) list
        AcceptanceRates: float array
        /// AIS on data simulated from the model.
        Bracket: Bracket option
        Gaps: Gaps
        LocalSteps: int array
        LocallyConverged: int
        /// Reasons not to trust the bounds on log p(x), as sentences that name the datapoints; none if none were found.
        Findings: string list
        /// Where the numbers come from, one for each measure.
        Provenance: Provenance list
        /// Whether another revision of the code gave some of the numbers.
        IsStale: bool
    }

/// Measurements from what a store holds.
module Measurement =
    /// Reasons not to trust bounds on log p(x), from their disagreement and from how AIS moved.
    let private findings seed (ais: MeasuredCell) (bounds: (string * BoundEstimate) list) =
        let points =
            // A description in a store may lack it.
            match string ais.Spec["split"] with
            | "train" -> "training points"
            | "" -> "points"
            | split -> $"{split} points"

        let named = [| for name, bound in bounds -> struct (name, bound) |]

        [ yield! MarginalCheck.Disagreements(ReadOnlySpan named)
          yield! MarginalCheck.Acceptance("AIS", ReadOnlySpan(ais.Values "acceptance")) ]
        |> List.map (fun finding -> $"Caution, {points} of seed {seed}: {finding}")

    /// The gaps from the results of `Suboptimality.evaluations`, in its order.
    let ofCells (settings: SuboptimalitySettings) seed (cells: MeasuredCell list) =
        match cells with
        | inferred :: optimal :: ais :: others ->
            let optima, others = List.splitAt settings.OtherFamilies.Length others
            let bounds, bracket = List.splitAt settings.Bounds.Length others
            let best = optimal.Bound "elbo"

            let optima =
                [ for name, cell in List.zip settings.OtherFamilies optima do
                      let bound = cell.Bound "elbo"
                      name, bound, best.At bound.Datapoints.Span ]

            let others =
                List.map2 (fun (name, _) (cell: MeasuredCell) -> name, cell.Bound "bound") settings.Bounds bounds

            let bounds = [| optimal.Bound "iwae"; ais.Bound "ais"; yield! List.map snd others |]

            { Points = ais.Datapoints.Length
              Inferred = inferred.Bound "elbo"
              InferredIwae = inferred.Bound "iwae"
              Optimal = best
              OptimalIwae = bounds[0]
              OtherOptima = optima
              Ais = bounds[1]
              Others = others
              AcceptanceRates = ais.Values "acceptance"
              Bracket =
                bracket
                |> List.tryHead
                |> Option.map (fun cell ->
                    { Lower = cell.Bound "lower"
                      Upper = cell.Bound "upper"
                      Differences = cell.Values "difference" })
              Gaps = Gaps.Compute(bounds, best, inferred.Bound "elbo", RandomStream(seed, RandomPurpose.Bootstrap))
              LocalSteps = optimal.Values "steps" |> Array.map int
              LocallyConverged = optimal.Values "converged" |> Array.sumBy int
              Findings = findings seed ais (("IWAE of q*", bounds[0]) :: ("AIS", bounds[1]) :: others)
              Provenance = cells |> List.map _.Provenance
              IsStale = cells |> List.exists _.IsStale }
        | _ -> invalidArg (nameof cells) "Three results at least are expected."
