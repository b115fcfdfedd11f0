namespace GapLab.Workbench

open System
open System.Diagnostics
open Spectre.Console

/// The progress of long work, on stderr: a bar with the time left on a terminal, a plain line now and then where the output is piped.
module Progress =
    let private console = AnsiConsole.Create(AnsiConsoleSettings(Out = AnsiConsoleOutput Console.Error))

    let private plainInterval = TimeSpan.FromSeconds 10.

    /// A time as it is read: 4:05, 1:02:03, or 2 d 1:02:03.
    let time (span: TimeSpan) =
        if span.TotalDays >= 1. then span.ToString @"d\ \d\ h\:mm\:ss"
        elif span.TotalHours >= 1. then span.ToString @"h\:mm\:ss"
        else span.ToString @"m\:ss"

    let private plain (title: string) (work: (float -> unit) -> 'a) =
        let watch = Stopwatch.StartNew()
        let mutable next = plainInterval
        // What an earlier run had done already says nothing about the time left.
        let mutable first: (TimeSpan * float) option = None
        let gate = obj ()

        let report fraction =
            lock gate (fun () ->
                let began, before = first |> Option.defaultValue (watch.Elapsed, fraction)
                first <- Some(began, before)

                if watch.Elapsed >= next && fraction > before && fraction < 1. then
                    next <- watch.Elapsed + plainInterval
                    let left = (watch.Elapsed - began) * ((1. - fraction) / (fraction - before))
                    Console.Error.WriteLine $"{title}: {100. * fraction:F0} %%, {time left} left")

        let result = work report
        Console.Error.WriteLine $"{title}: done in {time watch.Elapsed}"
        result

    let private bar (title: string) (work: (float -> unit) -> 'a) =
        let columns: ProgressColumn array =
            [| TaskDescriptionColumn(Alignment = Justify.Left)
               ProgressBarColumn()
               PercentageColumn()
               ElapsedTimeColumn()
               RemainingTimeColumn() |]

        console
            .Progress()
            .Columns(columns)
            .Start(fun context ->
                let task = context.AddTask(Markup.Escape title, maxValue = 1.)
                let result = work (fun fraction -> task.Value <- max task.Value fraction)
                task.Value <- 1.
                result)

    /// Does some work, which reports the fraction that is done, from 0 to 1 and from any thread.
    let run (title: string) (work: (float -> unit) -> 'a) : 'a =
        if Terminal.hasErrors () then bar title work else plain title work

    /// For work that counts items: turns "so many are done" into a fraction.
    let ofCount total (report: float -> unit) = Action<int>(fun finished -> report (float finished / float total))
