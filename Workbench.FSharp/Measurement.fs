namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Experiments

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
