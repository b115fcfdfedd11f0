namespace GapLab.Workbench

open GapLab.Bounds
open GapLab.Data
open GapLab.Distributions
open GapLab.Experiments
open GapLab.Specification

/// A kind of model in a table of gaps.
type GapVariant =
    {
        /// What the table calls it, such as FFG.
        Name: string
        Settings: SuboptimalitySettings
        /// The name of the family that it is trained with.
        Family: string
        /// What the paper's table says of it: data set, row, value.
        Published: (string * (string * float) list) list
    }

/// The tables of the paper: data sets x kinds of models, obtained beside published.
module GapTable =
    /// The rows of the gaps.
    let gapRows = [ "approximation gap"; "amortization gap"; "inference gap" ]

    /// The points that a table shows, in the order of its columns.
    let splits = [ DataSplit.Train; DataSplit.Test ]

    /// L[q*] of a family, as tables call it.
    let optimum (family: string) =
        let name =
            match family with
            | "ffg" -> "FFG"
            | "flow" -> "Flow"
            | "full-covariance" -> "FullCov"
            | "iaf" -> "IAF"
            | other -> other

        $"L[{name}*]"

    /// log p̂ as bits for each number of an image, for data of 256 levels.
    let private bitsRow = "log p̂ in bits/dim"

    /// The rows of one model: names, the cells of its splits, and the cell of the data simulated from it. Several seeds are averaged. Data of 256 levels
    /// have `levels` numbers each.
    let rows (variant: GapVariant) (levels: int option) (bySplit: Measurement list list) =
        let cell (one: 'T -> Cell) (value: 'T -> float) (ofSeeds: 'T list) =
            match ofSeeds with
            | [ single ] -> one single
            | several -> Averaged(Estimate.ofValues (List.map value several))

        let row name one value = name, List.map (cell one value) bySplit @ [ Missing ]

        let estimated (bound: BoundEstimate) = Cell.Estimate(bound.Mean, bound.MonteCarloError)

        let bound name (estimate: Measurement -> BoundEstimate) =
            row name (estimate >> estimated) (fun m -> (estimate m).Mean)

        let gap name (gap: Gaps -> Gap) =
            row name (fun m -> Interval((gap m.Gaps).Value, (gap m.Gaps).Low, (gap m.Gaps).High)) (fun m ->
                (gap m.Gaps).Value)

        let text name (text: Measurement list -> string) =
            name, [ for ofSeeds in bySplit -> Text(text ofSeeds) ] @ [ Missing ]

        /// What the simulated data show, which is the same whatever the split.
        let simulated name (others: Cell list) one value =
            let brackets = bySplit.Head |> List.choose _.Bracket

            name, others @ [ (if brackets.IsEmpty then Missing else cell one value brackets) ]

        [ bound "log p̂" _.Gaps.LogMarginal
          bound (optimum variant.Family) _.Optimal
          for i, family in List.indexed variant.Settings.OtherFamilies do
              let other (m: Measurement) = let _, bound, _ = m.OtherOptima[i] in bound
              let own (m: Measurement) = let _, _, bound = m.OtherOptima[i] in bound
              let points = (other bySplit.Head.Head).Values.Length

              if points = bySplit.Head.Head.Points then
                  bound (optimum family) other
              else
                  bound $"{optimum family}, first {points}" other
                  bound $"{optimum variant.Family}, first {points}" own
          bound "L[q]" _.Inferred
          gap "approximation gap" _.Approximation
          gap "amortization gap" _.Amortization
          gap "inference gap" _.Inference
          match levels with
          | Some dimensions ->
              let bits (m: Measurement) = OutputDistribution.BitsPerDimension(m.Gaps.LogMarginal.Mean, dimensions)
              row bitsRow (bits >> Value) bits
          | None -> ()
          bound "IWAE of q*" _.OptimalIwae
          simulated "AIS" (snd (bound "AIS" _.Ais) |> List.take bySplit.Length) (_.Lower >> estimated) _.Lower.Mean
          if variant.Settings.SimulatedPoints > 0 then
              let none = [ for _ in bySplit -> Missing ]
              simulated "AIS reversed" none (_.Upper >> estimated) _.Upper.Mean

              simulated "AIS reversed - AIS" none _.Difference (fun bracket -> Array.average bracket.Differences)
          bound "IWAE of q" _.InferredIwae
          text "AIS acceptance" (fun ms ->
              let rates = ms |> Seq.collect _.AcceptanceRates
              $"{Seq.min rates:F2} to {Seq.max rates:F2}")
          text "local steps" (fun ms ->
              let mean = ms |> Seq.collect _.LocalSteps |> Seq.averageBy float
              $"{mean:F0} ({ms |> Seq.sumBy _.LocallyConverged} of {ms |> Seq.sumBy _.Points})") ]

    /// The two gaps of every model, side by side.
    let private charts (frame: Frame) =
        let models =
            frame
            |> Frame.filterRows (fun row -> List.contains (row.GetAs<string> "nats") gapRows)
            |> Frame.addCol "case" (fun row -> $"""{Cell.format row["data"]}, {Cell.format row["model"]}""")

        [ for split in [ "training points"; "test points" ] ->
              models |> Chart.barBy "nats" split "case" |> Chart.WithTitle split |> Chart.WithYTitle "nats" ]

    /// What a table's reader must know: what the numbers mean, the models, where they come from, and how the settings differ from the paper's.
    let private notes
        (session: Session)
        (settings: SuboptimalitySettings list)
        (specs: TrainSpec list)
        (measurements: Measurement list)
        =
        let describeModel (spec: TrainSpec) =
            match session.Store.FindArtifact spec with
            | null -> "a model that is no longer stored"
            | artifact -> artifact.Description

        let level = 100. * measurements.Head.Gaps.Level
        let seeds = session.Seeds |> List.map string |> String.concat ", "
        let several = session.Seeds.Length > 1
        let numbers values = values |> List.distinct |> List.map string |> String.concat " or "
        let points = settings |> List.map _.Points |> numbers
        let simulated = settings |> List.map _.SimulatedPoints |> List.filter ((<) 0)

        let searchesFlows =
            [ for spec in specs -> spec.Family :> Component
              for used in settings do
                  for name in used.OtherFamilies -> Suboptimality.family used name ]
            |> List.exists Parts.hasNetworks

        [ $"""Preset {session.Preset}, {(if several then "seeds" else "seed")} {seeds}. {points} random training and test points, the same for every seed."""
          if searchesFlows then
              $"Where q* is searched among flows, which takes long, the first {settings |> List.map _.FlowPoints |> numbers} of them are evaluated. A flow's q* starts at the trained networks where the model was trained with flows, and at fresh ones elsewhere."
          if not simulated.IsEmpty then
              $"Simulated points: {numbers simulated} datapoints that the model itself makes. On them AIS with frozen steps is a certified lower bound on log p(x) and reverse AIS an upper one (BDMC): their difference bounds the error of AIS on such data, and says nothing of data that the model explains badly."
          (if several then
               $"Averages over {session.Seeds.Length} seeds, each with its own model; ± is the standard error over seeds."
           else
               $"± is the Monte-Carlo standard error for these points, [ ] the {level:F0} %% bootstrap interval over points.")
          "q is the encoder's posterior, q* the best of a family for each point, in the gaps that of the family the model was trained with. log p̂ is the larger of the averages of IWAE (of that q*) and AIS, both lower bounds on log p(x) in expectation. Approximation gap: log p̂ - L[q*]; amortization gap: L[q*] - L[q]; inference gap: their sum."
          "The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side. Local steps: mean, and how many points met the stopping rule."
          "The published numbers are the paper's, of its training points."
          if settings |> List.exists _.Convolutions.IsSome then
              "Bits/dim: nats divided by the numbers of an image and log 2; uniform pixels have 8. The values published for CIFAR-10 amount to 7.00. They are of all 50,000 training images, and the paper's code has pixels of two levels instead of 256: what was measured is not certain, and no agreement with them is claimed."
          for description in specs |> List.map describeModel |> List.distinct do
              $"Model: {description}."
          for ais in settings |> List.map Suboptimality.aisNote |> List.distinct do
              $"Training and local optimisation evaluate the KL analytically where the family allows it. AIS: {ais}." ]
        @ Origin.notes
            session
            specs
            [ for m in measurements do
                  for provenance in m.Provenance -> provenance, m.IsStale ]
        @ Suboptimality.settingNotes settings

    /// The table of what was measured: of each kind of model on each data set its training runs, one a seed, and what was measured of them, at training points
    /// and at test points. Remarks go before the other notes.
    let table
        (session: Session)
        (title: string)
        (remarks: string list)
        (models: (string * GapVariant * TrainSpec list * Measurement list list) list)
        : Report =
        let datasets = models |> List.map (fun (dataset, _, _, _) -> dataset) |> List.distinct

        let findings =
            [ for dataset, variant, _, measured in models do
                  for measurement in List.concat measured do
                      for finding in measurement.Findings -> $"{dataset}, {variant.Name}: {finding}" ]

        let notes =
            notes
                session
                [ for _, variant, _, _ in models -> variant.Settings ]
                [ for _, _, specs, _ in models do
                      yield! specs ]
                [ for _, _, _, measured in models do
                      yield! List.concat measured ]

        let frame =
            Frame.ofRows
                [ "data"; "model"; "nats"; "training points"; "test points"; "simulated points"; "published" ]
                [ for dataset, variant, specs, measured in models do
                      let data = (session.Data specs.Head.Data).Set
                      let levels = if data.HasLevels then Some data.PixelCount else None

                      let published =
                          variant.Published
                          |> List.tryFind (fst >> (=) dataset)
                          |> Option.map snd
                          |> Option.defaultValue []

                      for name, cells in rows variant levels measured do
                          let paper =
                              // A row of the first points only has the published number of all of them beside it.
                              let isFirst row = row <> optimum variant.Family && name.StartsWith $"{row}, first"

                              match List.tryFind (fun (row, _) -> row = name || isFirst row) published with
                              | Some(_, value) -> Value value
                              | None -> Missing

                          [ Text dataset; Text variant.Name; Text name ] @ cells @ [ paper ] ]

        let names = models |> List.map (fun (_, variant, _, _) -> variant.Name) |> List.distinct

        // What does not vary goes into the title.
        let shown =
            [ if datasets.Length > 1 then
                  "data"
              if names.Length > 1 then
                  "model"
              "nats"
              "training points"
              "test points"
              if models |> List.exists (fun (_, variant, _, _) -> variant.Settings.SimulatedPoints > 0) then
                  "simulated points"
              "published" ]

        { Title =
            title
            + (if datasets.Length = 1 then $" on {datasets.Head}" else "")
            + (if names.Length = 1 then $", {names.Head}" else "")
            + ", in nats"
          Notes = findings @ remarks @ notes
          Frame = Frame.sliceCols shown frame
          Charts = charts frame
          Summaries = [] }

    /// Trains and measures every kind of model on every data set. Everything is asked for at once, so that several processes can share the work.
    let report
        (session: Session)
        (title: string)
        (variants: string -> GapVariant list)
        (datasets: string list)
        : Report =
        let models =
            [ for dataset in datasets do
                  for variant in variants dataset do
                      let parts =
                          { Suboptimality.parts variant.Settings with
                              Family = Suboptimality.family variant.Settings variant.Family }

                      dataset, variant, Suboptimality.trainSpecs session parts variant.Settings dataset ]

        Suboptimality.measure
            session
            [ for _, variant, specs in models do
                  for split in splits do
                      for spec in specs -> variant.Settings, spec, split ]
        |> List.chunkBySize session.Seeds.Length
        |> List.chunkBySize splits.Length
        |> List.map2 (fun (dataset, variant, specs) measured -> dataset, variant, specs, measured) models
        |> table session title []

    /// The kinds of models of a table whose rows are log p̂, L[Flow*], L[FFG*], L[q] and the three gaps, as published for FFG and Flow.
    let ffgAndFlow
        (settings: SuboptimalitySettings)
        (published: (string * (float list * float list)) list)
        : GapVariant list =
        let rows = [ "log p̂"; optimum "flow"; optimum "ffg"; "L[q]" ] @ gapRows

        let variant name family other column =
            { Name = name
              Family = family
              Settings = { settings with OtherFamilies = [ other ] }
              Published = [ for dataset, both in published -> dataset, List.zip rows (column both) ] }

        [ variant "FFG" "ffg" "flow" fst; variant "Flow" "flow" "ffg" snd ]

    /// Those of a table's kinds of models whose family the command line asks for; all of them unless it does.
    let private asked (session: Session) (variants: GapVariant list) =
        let families = variants |> List.map _.Family |> List.distinct

        let wanted =
            session.Families families
            |> List.map (Cli.find "family in this table" [ for name in families -> name, name ])

        variants |> List.filter (fun variant -> List.contains variant.Family wanted)

    /// A whole script: the table of the kinds of models that the preset's settings for a data set give, on the data sets of the command line.
    let script (commandLine: string array) summary title (variants: SuboptimalitySettings -> GapVariant list) : int =
        Session.Run(
            commandLine,
            summary,
            (fun session ->
                let variants dataset = Suboptimality.settingsFor session dataset |> variants |> asked session
                session.Show(report session title variants (Suboptimality.datasets session))),
            Uses = [ "dataset"; "preset"; "seed"; "family" ] @ Cli.annealing @ Cli.measuring
        )
