module GapLab.Tests.Bounds.MarginalCheckTests

open System
open NUnit.Framework
open GapLab.Tensors
open GapLab.Bounds
open GapLab.Tests.Checks

let private lower (values: float[]) (errors: float[]) =
    BoundEstimate("some bound", BoundDirection.Lower, values, errors)

let private disagreements (bounds: (string * BoundEstimate) list) =
    let named = [| for name, bound in bounds -> struct (name, bound) |]
    MarginalCheck.Disagreements(ReadOnlySpan named) |> List.ofSeq

let private acceptance (rates: float list) =
    MarginalCheck.Acceptance("AIS", ReadOnlySpan(List.toArray rates)) |> List.ofSeq

[<Test>]
let ``the score is the difference of the averages over its standard error`` () =
    // Means -10 and -9.5; errors √(0.3² + 0.4²) / 2 = 0.25 and 0: a score of -2.
    let a, b = lower [| -9.0; -11.0 |] [| 0.3; 0.4 |], lower [| -8.5; -10.5 |] [| 0.0; 0.0 |]
    near 1e-12 -2.0 (MarginalCheck.Score(a, b))
    near 1e-12 2.0 (MarginalCheck.Score(b, a))
    // How much datapoints differ from each other does not matter.
    near
        1e-12
        -2.0
        (MarginalCheck.Score(lower [| 91.0; -111.0 |] [| 0.3; 0.4 |], lower [| 91.5; -110.5 |] [| 0.0; 0.0 |]))

    equal 0.0 (MarginalCheck.Score(b, b))

[<Test>]
let ``bounds that agree within their errors, and rates within the range, give no findings`` () =
    let a, b = lower [| -90.0; -92.0 |] [| 0.1; 0.1 |], lower [| -89.9; -91.9 |] [| 0.1; 0.1 |]
    equal [] (disagreements [ "IWAE of q*", a; "AIS", b ])
    equal [] (acceptance [ 0.4; 0.7; 0.9 ])
    equal [] (acceptance [])

[<Test>]
let ``a bound that lies several errors below another is named, whichever comes first`` () =
    let a, b = lower [| -90.0; -92.0 |] [| 0.1; 0.1 |], lower [| -91.0; -93.0 |] [| 0.1; 0.1 |]

    for bounds in [ [ "IWAE of q*", a; "AIS", b ]; [ "AIS", b; "IWAE of q*", a ] ] do
        // 1 nat over √2 · 0.1 / √2 = 10 standard errors.
        equal
            [ "AIS lies 1 nats below IWAE of q*, 10 standard errors: it has not converged, and the higher one may be too low as well." ]
            (disagreements bounds)
    // Each pair is compared.
    equal 2 (disagreements [ "IWAE of q*", a; "AIS", b; "own", a ]).Length

[<Test>]
let ``bounds that cannot be compared are told`` () =
    let a = lower [| -90.0; -92.0 |] [| 0.1; 0.1 |]

    for b in
        [ lower [| -90.0; -infinity |] [| 0.1; nan |]
          lower [| -90.0; -93.0 |] [| 0.1; nan |]
          lower [| -90.0; -93.0 |] [||] ] do
        match disagreements [ "a", a; "b", b ] with
        | [ finding ] -> holds finding (finding.Contains "cannot be compared")
        | other -> Assert.Fail $"{other}"

[<Test>]
let ``rates out of range are counted on each side`` () =
    let findings = acceptance [ 0.31; 0.95; 0.6; 0.2; 0.4 ]
    equal 2 findings.Length
    holds findings[0] (findings[0].Contains "less than 40 % of the moves of 2 of 5 points (20 % at least)")
    holds findings[1] (findings[1].Contains "more than 90 % of the moves of 1 of 5 points (95 % at most)")

[<Test>]
let ``bounds of different datapoints and upper bounds are refused`` () =
    let a = lower [| -90.0; -92.0 |] [| 0.1; 0.1 |]

    let at (indices: int[]) =
        BoundEstimate("at", BoundDirection.Lower, a.Values, a.StandardErrors, Datapoints = ReadOnlyMemory indices)

    for first, second in
        [ a, lower [| -90.0 |] [| 0.1 |]; at [| 0; 1 |], at [| 0; 2 |]; lower [||] [||], lower [||] [||] ] do
        throws<GapLabException> [ "same datapoints" ] (fun () -> MarginalCheck.Score(first, second) |> ignore)

    let upper = BoundEstimate("reverse", BoundDirection.Upper, a.Values, a.StandardErrors)
    throws<GapLabException> [ "BDMC is an upper bound" ] (fun () -> disagreements [ "AIS", a; "BDMC", upper ] |> ignore)
