namespace GapLab.Workbench

open System.IO
open GapLab.Experiments

/// Where the numbers of a table or figure come from.
module Origin =
    /// Which versions computed them, from which training data and files, and whether the present code would give others.
    let notes (session: Session) (specs: TrainSpec list) (cells: (Provenance * bool) list) =
        [ for version in
              [ for p, _ in cells -> $"GapLab {p.Version}, {p.Runtime}, {p.SimdBits}-bit vectors." ] |> List.distinct do
              version
          for data in specs |> List.map _.Data |> List.distinct do
              let loaded = session.Data data

              let anew =
                  if
                      data.ResamplesTraining && loaded.Set.DefaultBinarization :? GapLab.Data.Binarization.SampledOnce
                  then
                      "; that of training images anew in every epoch"
                  else
                      ""

              $"Trained on {loaded.Train.Count} datapoints of {loaded.Set.Provenance}{anew}"

              for file in loaded.Set.Files do
                  $"{Path.GetFileName file.Path}: sha256 of the unpacked bytes {file.Sha256}"
          if cells |> List.exists snd then
              "Some numbers were computed by another revision of the code; --recompute stale computes them anew." ]
        |> List.distinct

    /// The same for results as they are stored.
    let ofCells session specs (cells: MeasuredCell list) =
        notes session specs [ for cell in cells -> cell.Provenance, cell.IsStale ]
