namespace GapLab.Workbench

open System.Collections.Generic
open GapLab.Experiments

/// Which results go into which task of which job array.
///
/// Models and evaluations are arrays of their own, because a model is wanted by many evaluations: no two tasks train the same one, and evaluations of one model need not wait for each other. The
/// array of evaluations waits for that of the models they need to end. Models that share a missing one, such as the stages of one training, stay in one task.
module SlurmPlan =
    /// Spreads some units over tasks: at most `most`, of almost the same size, each of neighbouring units.
    let spread (most: int) (units: 'T list list) : 'T list list =
        if units.IsEmpty then
            []
        else
            units |> List.splitInto (min most units.Length) |> List.map List.concat

    /// Models that must be trained one after the other, together; in an order in which each comes after those that it needs, as in the plan.
    let families (models: RunTask list) : RunTask list list =
        let place = Dictionary<string, int>()
        let families = SortedDictionary<int, RunTask list>()

        for number, model in List.indexed models do
            let related =
                [ for need in model.Needs do
                      match place.TryGetValue need with
                      | true, family -> family
                      | false, _ -> () ]
                |> List.distinct
                |> List.sort

            let joined =
                [ for family in related do
                      yield! families[family] ]
                @ [ model ]

            let target =
                match related with
                | [] -> number
                | first :: _ -> first

            for family in related do
                families.Remove family |> ignore

            families[target] <- joined

            for relative in joined do
                place[relative.Key] <- target

        List.ofSeq families.Values
