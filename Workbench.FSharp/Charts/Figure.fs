namespace GapLab.Workbench

open System
open System.Globalization
open System.Text.Json.Nodes
open GapLab.Tensors

/// The JSON that plotly.js draws. Numbers that are not finite are null, which leaves a gap, and texts show as they are written.
module internal Figure =
    /// Told apart by most readers with colour-vision deficiency (Okabe and Ito), the darker ones first.
    let palette = [| "#0072b2"; "#d55e00"; "#009e73"; "#cc79a7"; "#e69f00"; "#56b4e9"; "#8c6d31"; "#7f7f7f" |]

    /// Text as plotly.js shows it literally; it would take tags for formats.
    let text (text: string) =
        text.Replace("&", "&amp;").Replace("<", "&lt;").Replace(">", "&gt;").Replace("\n", "<br>")

    let number (value: float) : JsonNode = if Double.IsFinite value then JsonValue.Create value else null

    /// A coordinate: a number, or the name of a category.
    let coordinate (value: #IConvertible) : JsonNode =
        match box value with
        | null -> null
        | :? string as name -> JsonValue.Create(text name)
        | :? DateTime as time -> JsonValue.Create(time.ToString("s", CultureInfo.InvariantCulture))
        | :? bool
        | :? char
        | :? Enum -> JsonValue.Create(text (string value))
        | _ -> number (value.ToDouble CultureInfo.InvariantCulture)

    let isCategory (value: #IConvertible) =
        match box value with
        | :? string
        | :? bool
        | :? char
        | :? Enum -> true
        | _ -> false

    let array (nodes: JsonNode seq) : JsonNode = JsonArray(Seq.toArray nodes)
    let numbers (values: float seq) = values |> Seq.map number |> array

    let texts (values: string seq) =
        values |> Seq.map (fun value -> JsonValue.Create(text value) :> JsonNode) |> array

    let string (value: string) : JsonNode = JsonValue.Create value
    let flag (value: bool) : JsonNode = JsonValue.Create value
    let integer (value: int) : JsonNode = JsonValue.Create value

    let object (members: (string * JsonNode) seq) =
        let result = JsonObject()

        for name, value in members do
            result[name] <- value

        result

    let copy (node: JsonObject) = node.DeepClone() :?> JsonObject

    /// Sets a member given by its path, such as [ "xaxis"; "title" ]; objects on the way are made.
    let rec set (path: string list) (value: JsonNode) (target: JsonObject) =
        match path with
        | [] -> ()
        | [ name ] -> target[name] <- value
        | name :: rest ->
            if isNull target[name] then
                target[name] <- JsonObject()

            set rest value (target[name].AsObject())

    let has (path: string list) (target: JsonObject) =
        let step (node: JsonNode) (name: string) = if isNull node then null else node[name]
        not (isNull (List.fold step (target :> JsonNode) path))

    /// Adds the members of another object that are not there yet.
    let rec fill (target: JsonObject) (other: JsonObject) =
        for entry in other do
            match target[entry.Key], entry.Value with
            | null, null -> ()
            | null, value -> target[entry.Key] <- value.DeepClone()
            | (:? JsonObject as inner), (:? JsonObject as more) -> fill inner more
            | _ -> ()

    /// Refuses lists that do not belong together.
    let sameLength what (expected: int) (actual: int) =
        if actual <> expected then
            raise (GapLabException $"A chart of {expected} points got {actual} {what}; each point needs its own.")

    /// The rows of a grid of numbers, all of the same length.
    let grid (z: #seq<float> seq) =
        let rows = z |> Seq.map Seq.toArray |> Seq.toArray

        rows
        |> Array.iteri (fun i row ->
            if row.Length <> rows[0].Length then
                raise (
                    GapLabException
                        $"The rows of a grid are equally long, but row 1 has {rows[0].Length} numbers and row {i + 1} {row.Length}."
                ))

        rows

    /// Error bars: how far they reach down and up.
    let errorBars (errors: (float * float) option array) =
        let side pick = errors |> Seq.map (Option.map pick >> Option.defaultValue nan) |> numbers

        object
            [ "type", string "data"
              "symmetric", flag false
              "array", side snd
              "arrayminus", side fst
              "thickness", JsonValue.Create 1.4
              "width", integer 4 ]

    /// The area between low and high as closed outlines, one for each run of points where both are known.
    let outlines (points: (JsonNode * float * float) array) =
        let runs = ResizeArray<ResizeArray<JsonNode * float * float>>()
        let mutable inside = false

        for x, low, high in points do
            if Double.IsFinite low && Double.IsFinite high then
                if not inside then
                    runs.Add(ResizeArray())

                runs[runs.Count - 1].Add((x, low, high))
                inside <- true
            else
                inside <- false

        let corners =
            [ for run in runs do
                  for x, _, high in run do
                      yield x, number high

                  for x, low, _ in Seq.rev run do
                      yield x, number low

                  yield null, null ]

        let clone (node: JsonNode) = if isNull node then null else node.DeepClone()

        object
            [ "type", string "scatter"
              "x", corners |> Seq.map (fst >> clone) |> array
              "y", corners |> Seq.map snd |> array
              "mode", string "lines"
              "fill", string "toself"
              "line", object [ "width", integer 0 ]
              "hoverinfo", string "skip"
              "showlegend", flag false ]

    /// A colour of the palette that lets through what lies under it.
    let private translucent (color: string) =
        let part start = Convert.ToInt32(color.Substring(start, 2), 16)
        $"rgba({part 1},{part 3},{part 5},0.2)"

    /// Gives a trace the colour of its series.
    let paint (color: string) (trace: JsonObject) =
        let set path value = set path value trace

        match trace["type"].GetValue<string>() with
        | "scatter" when has [ "fill" ] trace -> set [ "fillcolor" ] (string (translucent color))
        | "scatter" ->
            set [ "line"; "color" ] (string color)
            set [ "marker"; "color" ] (string color)

            if has [ "error_y" ] trace then
                set [ "error_y"; "color" ] (string color)
        | "bar"
        | "histogram"
        | "box" -> set [ "marker"; "color" ] (string color)
        | "contour" -> set [ "line"; "color" ] (string color)
        | _ -> ()
