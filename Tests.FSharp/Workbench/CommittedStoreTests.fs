module GapLab.Tests.Workbench.CommittedStoreTests

open System.IO
open NUnit.Framework
open GapLab.Data
open GapLab.Experiments
open GapLab.Workbench
open GapLab.Tests.Checks
open GapLab.Tests.Scripts.ScriptRunner

// A file that git ignores is there where it was computed, and missing in every clone: only a test in a clone can tell.
[<Test>]
let ``the store of the paper's run has the model of its results, and nothing outdated`` () =
    let store = ResultStore.Open(Path.Combine(repository, "Results", "table2-paper"))
    let artifacts, cells = List.ofSeq (store.Artifacts()), List.ofSeq (store.Cells())
    equal false cells.IsEmpty

    for model in StoredModels.ofStore artifacts cells do
        equalFor model.Label false model.IsOutdated
        equalFor model.Label true model.Artifact.IsSome

    for artifact in artifacts do
        let folder =
            Directory.GetDirectories(Path.Combine(store.Folder, "artifacts"), artifact.Key, SearchOption.AllDirectories)

        let weights = SafetensorsFile.Read(Path.Combine(Array.exactlyOne folder, "weights.safetensors"))
        equalFor artifact.Description true (weights.Entries.Count > 0)
