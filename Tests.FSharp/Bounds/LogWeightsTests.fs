module GapLab.Tests.Bounds.LogWeightsTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors
open GapLab.Bounds
open GapLab.Tests.Models.ModelFixtures

/// Between 2 and 40 log-weights around any size that a likelihood may have.
let private weights (seed: uint64) =
    let s = stream seed
    let shift, spread = 2000.0 * (s.Uniform 0 - 0.5), exp (4.0 * s.Uniform 1)
    Array.init (2 + s.Below(39, 2)) (fun i -> shift + spread * s.Normal(int64 i))

let private lme (w: float[]) = LogWeights.LogMeanExp(ReadOnlySpan w)

[<Property(MaxTest = 500)>]
let ``the mean of log-weights is never above the log of the mean weight`` (seed: uint64) =
    let w = weights seed
    // Both are rounded: some units in the last place of the largest weight.
    Array.average w <= lme w + 1e-12 * (Array.maxBy abs w |> abs)

[<Property(MaxTest = 500)>]
let ``the log of the mean weight lies between the mean and the largest log-weight, and shifts with the weights``
    (seed: uint64)
    (shift: NormalFloat)
    =
    let w = weights seed
    let value = lme w
    let tolerance = 1e-10 * (1.0 + abs shift.Get + abs value)

    value <= Array.max w + tolerance
    && value >= Array.max w - log (float w.Length) - tolerance
    && abs (lme (Array.map ((+) shift.Get) w) - value - shift.Get) <= tolerance

[<Property(MaxTest = 500)>]
let ``the effective sample size is between one and the number of weights`` (seed: uint64) =
    let w = weights seed
    let effective = LogWeights.EffectiveSampleSize(ReadOnlySpan w)
    effective >= 1.0 - 1e-12 && effective <= float w.Length * (1.0 + 1e-12)

[<Test>]
let ``values that can be computed by hand`` () =
    let w = [| log 1.0; log 3.0; log 8.0 |]
    Assert.That(lme w, within 1e-15 (log 4.0))
    Assert.That(LogWeights.EffectiveSampleSize(ReadOnlySpan w), within 1e-14 (144.0 / 74.0))
    // Deviations -3, -1, 4 from the mean 4: sqrt(26 / 2 / 3) / 4.
    Assert.That(LogWeights.StandardError(ReadOnlySpan w), within 1e-15 (sqrt (26.0 / 6.0) / 4.0))

[<Test>]
let ``nothing overflows, and weights of zero count`` () =
    Assert.That(lme [| 1e5; 1e5 |], equalTo 1e5)
    Assert.That(lme [| -1e5; -1e5 |], equalTo -1e5)
    Assert.That(lme [| -infinity; 0.0 |], within 1e-15 (-(log 2.0)))
    Assert.That(lme [| -infinity; -infinity |], equalTo -infinity)
    Assert.That(LogWeights.StandardError(ReadOnlySpan [| -infinity; -infinity |]), Is.NaN)
    Assert.That(LogWeights.EffectiveSampleSize(ReadOnlySpan [| 1e5; 1e5; -infinity |]), within 1e-12 2.0)

[<Test>]
let ``a weight that is not a number makes the estimate not a number`` () = Assert.That(lme [| 0.0; nan; 1.0 |], Is.NaN)
