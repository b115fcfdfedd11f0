namespace GapLab.Workbench

open System
open System.Globalization
open FSharp.Reflection
open GapLab.Bounds
open GapLab.Tensors

/// An average over repetitions, such as seeds, and how well it is known.
type Estimate =
    {
        Mean: float
        /// sd / sqrt n with the sample's standard deviation sd; None for a single repetition.
        StandardError: float option
        /// The number of repetitions n.
        Count: int
    }

/// Averages over repetitions.
module Estimate =
    /// The mean of some numbers with its standard error sd / sqrt n, where sd² = Σ (x - mean)² / (n - 1). A NaN among them makes both NaN;
    /// no numbers at all have no mean, which is an error.
    let ofValues (values: float seq) =
        let values = Seq.toArray values

        if Array.isEmpty values then
            raise (GapLabException "An estimate needs at least one number, but there is none to average.")

        let mean = Array.average values
        let n = float values.Length

        let standardError =
            if values.Length = 1 then
                None
            else
                let variance = (values |> Array.sumBy (fun x -> (x - mean) * (x - mean))) / (n - 1.)
                Some(sqrt (variance / n))

        { Mean = mean; StandardError = standardError; Count = values.Length }

/// One entry of a table.
type Cell =
    /// Nothing to show.
    | Missing
    /// Words, or numbers that need no column of their own.
    | Text of string
    /// A whole number, such as a seed or a count.
    | Integer of int64
    /// A number without a known error, such as a published one.
    | Value of float
    /// A number and its standard error.
    | Estimate of value: float * standardError: float
    /// An average over repetitions.
    | Averaged of Estimate
    /// A number and an interval.
    | Interval of value: float * low: float * high: float

/// What a cell shows, and its passage from and to values of F#.
module Cell =
    let private invariant = CultureInfo.InvariantCulture

    /// Nats with two decimals.
    let nats (value: float) = value.ToString("F2", invariant)

    /// A plain number may be a step size as well as nats: what two decimals would show as zero gets two digits.
    let private plain (value: float) =
        if value <> 0. && abs value < 0.005 then
            value.ToString("G2", invariant)
        else
            nats value

    /// A cell as it is read: -89.80 ± 0.12, or 1.43 [1.31, 1.56].
    let format cell =
        match cell with
        | Missing -> "-"
        | Text text -> text
        | Integer value -> value.ToString invariant
        | Value value -> plain value
        | Estimate(value, error)
        | Averaged { Mean = value; StandardError = Some error } -> $"{nats value} ± {nats error}"
        | Averaged { Mean = value; StandardError = None } -> nats value
        | Interval(value, low, high) -> $"{nats value} [{nats low}, {nats high}]"

    /// A number with all its digits; one that is whole keeps a decimal point, so that it is not read back as an integer.
    let internal digits (value: float) =
        let text = value.ToString("R", invariant)

        if Double.IsFinite value && text.IndexOfAny [| '.'; 'E' |] < 0 then
            text + ".0"
        else
            text

    /// A cell's number without its error or interval, where it has one.
    let number cell =
        match cell with
        | Missing
        | Text _ -> None
        | Integer value -> Some(float value)
        | Value value
        | Estimate(value, _)
        | Averaged { Mean = value }
        | Interval(value, _, _) -> Some value

    /// How far the error bar of a cell reaches below and above its number: one standard error, or the interval. None where nothing is known.
    let error cell =
        match cell with
        | Estimate(_, error)
        | Averaged { StandardError = Some error } -> Some(error, error)
        | Interval(value, low, high) -> Some(value - low, high - value)
        | _ -> None

    /// The text that names a cell: that of `format`, but a number has all its digits.
    let name cell =
        match cell with
        | Value value -> value.ToString("R", invariant)
        | _ -> format cell

    /// What cells are compared by where they are keys: 1.0 is the same key as 1, and NaN the same as NaN.
    let internal key cell =
        match cell with
        | Value value when Double.IsNaN value -> Text "NaN"
        | Value value when value = Math.Floor value && abs value < 9007199254740992. -> Integer(int64 value)
        | _ -> cell

    let private isOption (kind: Type) =
        kind.IsGenericType
        && (kind.GetGenericTypeDefinition() = typedefof<_ option>
            || kind.GetGenericTypeDefinition() = typedefof<_ voption>)

    /// The cell of a value: a number, text, bool, enumeration, case without fields, cell, estimate, gap or bound (with its Monte-Carlo
    /// error), or an option of these. `where` says in an error what the value is.
    let rec internal ofObject (where: string) (value: obj) =
        match value with
        | null -> Missing
        | :? Cell as cell -> cell
        | :? Estimate as estimate -> Averaged estimate
        | :? BoundEstimate as bound -> Estimate(bound.Mean, bound.MonteCarloError)
        | :? Gap as gap -> Interval(gap.Value, gap.Low, gap.High)
        | :? string as text -> Text text
        | :? bool as flag -> Text(if flag then "true" else "false")
        | :? float as value -> Value value
        | :? float32 as value -> Value(float value)
        | :? decimal as value -> Value(float value)
        | :? uint64 as value when value > uint64 Int64.MaxValue -> Text(value.ToString invariant)
        | :? Enum
        | :? char -> Text(string value)
        | :? IConvertible as value when value.GetType().IsPrimitive -> Integer(value.ToInt64 invariant)
        | _ ->
            let kind = value.GetType()

            if FSharpType.IsUnion(kind, true) then
                match FSharpValue.GetUnionFields(value, kind, true) with
                | case, [||] -> if isOption kind then Missing else Text case.Name
                | _, [| inner |] when isOption kind -> ofObject where inner
                | _ -> raise (GapLabException $"{where} is a {kind.Name} with fields, which no cell can hold.")
            else
                raise (
                    GapLabException
                        $"{where} is a {kind.Name}, which no cell can hold: give a number, a text, a bool, an estimate or an option of these."
                )

    let private whole least most (convert: int64 -> obj) cell =
        match key cell with
        | Integer value when value >= least && value <= most -> ValueSome(convert value)
        | _ -> ValueNone

    let private flag cell =
        match cell with
        | Text text ->
            match Boolean.TryParse text with
            | true, flag -> ValueSome(box flag)
            | _ -> ValueNone
        | _ -> ValueNone

    let private unsigned cell =
        match cell with
        | Text text ->
            match UInt64.TryParse(text, NumberStyles.None, invariant) with
            | true, value -> ValueSome(box value)
            | _ -> ValueNone
        | _ -> whole 0L Int64.MaxValue (uint64 >> box) cell

    /// How a cell becomes a value of the wanted type; ValueNone for a cell that cannot.
    let rec private readerOf (wanted: Type) : Cell -> obj voption =
        let numeric convert cell =
            match number cell with
            | Some value -> ValueSome(convert value)
            | None -> ValueNone

        if wanted = typeof<Cell> then
            box >> ValueSome
        elif isOption wanted then
            let inner = readerOf (wanted.GetGenericArguments()[0])
            let cases = FSharpType.GetUnionCases wanted
            let none = FSharpValue.MakeUnion(cases[0], [||])

            fun cell ->
                match cell with
                | Missing -> ValueSome none
                | _ -> inner cell |> ValueOption.map (fun value -> FSharpValue.MakeUnion(cases[1], [| value |]))
        elif wanted = typeof<float> then
            numeric box
        elif wanted = typeof<float32> then
            numeric (float32 >> box)
        elif wanted = typeof<int> then
            whole (int64 Int32.MinValue) (int64 Int32.MaxValue) (int >> box)
        elif wanted = typeof<int64> then
            whole Int64.MinValue Int64.MaxValue box
        elif wanted = typeof<uint64> then
            unsigned
        elif wanted = typeof<bool> then
            flag
        elif wanted = typeof<string> then
            fun cell -> if cell = Missing then ValueNone else ValueSome(box (name cell))
        elif wanted = typeof<Estimate> then
            function
            | Averaged estimate -> ValueSome(box estimate)
            | _ -> ValueNone
        else
            raise (
                GapLabException
                    $"A column cannot be read as {wanted.Name}: use float, float32, int, int64, uint64, bool, string, Estimate, Cell or an option of these."
            )

    /// How cells become values of a type; ValueNone for a cell that cannot.
    let internal reader<'T> () : Cell -> 'T voption =
        let read = readerOf typeof<'T>
        read >> ValueOption.map unbox<'T>
