module GapLab.Tests.Optimization.PlateauDecayTests

open NUnit.Framework
open GapLab.Optimization
open GapLab.Tests.Checks

let private decay = PlateauDecay(FirstEpoch = 3)

[<Test>]
let ``the rate halves after every epoch from the first failure that counts, also when the bound rises again`` () =
    let factors bounds =
        [ for count in 0 .. List.length bounds -> decay.After(List.truncate count bounds) ]

    equal [ 1.0; 1.0; 1.0; 1.0; 1.0 ] (factors [ -4.0; -3.0; -2.0; -1.0 ])
    // Early failures do not count; neither does one that was made good.
    equal [ 1.0; 1.0; 1.0; 1.0; 1.0 ] (factors [ -4.0; -5.0; -3.0; -2.0 ])
    equal [ 1.0; 1.0; 1.0; 0.5; 0.25; 0.125 ] (factors [ -4.0; -3.0; -3.0; -2.0; -1.0 ])
    equal [ 1.0; 1.0; 1.0; 0.5 ] (factors [ -4.0; -6.0; -5.0 ])

[<Test>]
let ``no number is worse than any`` () =
    equal 1.0 (decay.After [ nan; -3.0; -2.0 ])
    equal 0.5 (decay.After [ -3.0; -2.0; nan ])
    equal 0.5 (decay.After [ nan; nan; nan ])
