/// Short assertions on F# values; NUnit's own take their arguments as objects.
module GapLab.Tests.Checks

open System
open NUnit.Framework

/// Structural equality, in arrays too; every NaN equals every other.
let private same (expected: 'a) (actual: 'a) =
    LanguagePrimitives.GenericEqualityERComparer.Equals(box expected, box actual)

/// Fails, naming what was checked, unless the two are equal.
let equalFor (what: string) (expected: 'a) (actual: 'a) =
    if not (same expected actual) then
        Assert.Fail $"%s{what}: expected %A{expected}, but got %A{actual}."

/// Fails unless the two are equal.
let equal (expected: 'a) (actual: 'a) = equalFor "result" expected actual

/// Fails unless the condition holds.
let holds (what: string) (condition: bool) =
    if not condition then
        Assert.Fail $"Not so: %s{what}."

/// Fails unless |actual - expected| is at most the tolerance.
let near (tolerance: float) (expected: float) (actual: float) =
    if not (abs (actual - expected) <= tolerance) then
        Assert.Fail
            $"Expected {expected:R}, but got {actual:R}: off by {abs (actual - expected):G3}, allowed {tolerance:G3}."

/// Fails unless all numbers agree within the tolerance times the larger of 1 and the largest expected magnitude.
let close (what: string) (tolerance: float) (expected: float[]) (actual: float[]) =
    equalFor $"{what}, length" expected.Length actual.Length
    let scale = Array.fold (fun largest v -> max largest (abs v)) 1.0 expected

    Array.iteri2
        (fun i e a ->
            if not (abs (a - e) <= tolerance * scale) then
                Assert.Fail
                    $"%s{what}, element {i}: {a:R} instead of {e:R}, off by {abs (a - e):G3}, allowed {tolerance * scale:G3}.")
        expected
        actual

/// Fails unless the action throws the exception and its message contains all of the words.
let throws<'e when 'e :> exn> (words: string list) (action: unit -> unit) =
    match
        (try
            action ()
            None
         with e ->
             Some e)
    with
    | Some(:? 'e as e) ->
        for word in words do
            if not (e.Message.Contains(word, StringComparison.Ordinal)) then
                Assert.Fail $"The message \"{e.Message}\" does not contain \"{word}\"."
    | Some e -> Assert.Fail $"Expected {typeof<'e>.Name}, but got {e}."
    | None -> Assert.Fail $"Expected {typeof<'e>.Name}, but nothing was thrown."
