module GapLab.Tests.Workbench.ComparisonTests

open System
open NUnit.Framework
open GapLab.Bounds
open GapLab.Workbench
open GapLab.Tests.Checks

let private bound (values: float list) =
    BoundEstimate("ELBO", BoundDirection.Lower, List.toArray values, Array.create values.Length 0.2)

[<Test>]
let ``an interval is Student's`` () =
    // Mean 2, standard error 1/√3, the 97.5 % quantile of t with 2 degrees of freedom 4.302653 (Student's tables).
    match Comparison.interval [ 1.0; 2.0; 3.0 ] with
    | Interval(mean, low, high) ->
        near 1e-12 2.0 mean
        near 1e-5 (2.0 - 4.302653 / sqrt 3.0) low
        near 1e-5 (2.0 + 4.302653 / sqrt 3.0) high
    | other -> Assert.Fail $"{other}"

    equal Missing (Comparison.interval [ 1.0 ])

[<Test>]
let ``differences are paired by datapoint for one seed, and by seed for several`` () =
    let a, b = bound [ 1.0; 5.0; 9.0 ], bound [ 0.0; 3.0; 6.0 ]
    equal (Comparison.interval [ 1.0; 2.0; 3.0 ]) (Comparison.difference [ a ] [ b ])

    let c, d = bound [ 4.0; 4.0; 4.0 ], bound [ 3.0; 3.0; 3.0 ]
    equal (Comparison.interval [ 2.0; 1.0 ]) (Comparison.difference [ a; c ] [ b; d ])

[<Test>]
let ``a bound has its Monte-Carlo error for one seed, and the error over seeds for several`` () =
    match Comparison.bound [ bound [ 1.0; 5.0; 9.0 ] ] with
    | Cell.Estimate(mean, error) ->
        near 1e-12 5.0 mean
        near 1e-12 (0.2 / sqrt 3.0) error
    | other -> Assert.Fail $"{other}"

    match Comparison.bound [ bound [ 1.0 ]; bound [ 3.0 ] ] with
    | Averaged estimate ->
        near 1e-12 2.0 estimate.Mean
        near 1e-12 1.0 estimate.StandardError.Value
    | other -> Assert.Fail $"{other}"
