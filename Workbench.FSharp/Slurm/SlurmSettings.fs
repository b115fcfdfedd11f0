namespace GapLab.Workbench

open System
open System.Text.RegularExpressions
open Argu

/// How results are computed on a cluster.
type SlurmSettings =
    {
        /// Options for sbatch, as in a line of a job script: "--partition=cpu --time=02:00:00".
        Options: string
        /// The most tasks of one array.
        MostTasks: int
        /// How often a result whose task has failed is submitted again.
        Retries: int
        /// The time between two looks at the queue, at first; it grows by a fifth each time.
        FirstPause: TimeSpan
        /// What it grows to.
        LongestPause: TimeSpan
        /// How long what a task has stored may take to be seen from here, on a file system that computers share.
        Settling: TimeSpan
    }

    /// At most 1000 tasks, as Slurm's usual limit for arrays is; two retries.
    static member Usual =
        { Options = ""
          MostTasks = 1000
          Retries = 2
          FirstPause = TimeSpan.FromSeconds 1.
          LongestPause = TimeSpan.FromSeconds 30.
          Settling = TimeSpan.FromSeconds 60. }

    /// What the options of a command line say; None where results are computed here.
    static member Of(options: ParseResults<CommandLine>) : SlurmSettings option =
        let usual = SlurmSettings.Usual

        let settings =
            { usual with
                Options = options.GetResult(CommandLine.Slurm, "").Trim()
                MostTasks = options.GetResult(CommandLine.Jobs, usual.MostTasks)
                Retries = options.GetResult(CommandLine.Retries, usual.Retries) }

        match options.GetResult(CommandLine.Executor, Executor.Local) with
        | Executor.Local ->
            if options.Contains CommandLine.Slurm || options.Contains CommandLine.Retries then
                Cli.fail
                    "--slurm and --retries are for --executor slurm; results are computed on this computer without it."

            None
        | Executor.Slurm ->
            let taken =
                Regex.Match(
                    settings.Options,
                    @"(?<!\S)(--(array|job-name|output|dependency|open-mode|wrap)\b|-[aJod]\b)"
                )

            if settings.Options.Contains '\n' then
                Cli.fail "--slurm takes options for sbatch in one line."

            if taken.Success then
                Cli.fail $"--slurm cannot take {taken.Value}, which GapLab sets itself."

            if settings.MostTasks < 1 then
                Cli.fail $"--jobs must be at least 1, not {settings.MostTasks}."

            if settings.Retries < 0 then
                Cli.fail $"--retries must be at least 0, not {settings.Retries}."

            Some settings
