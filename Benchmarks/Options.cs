using System.Globalization;
using GapLab.Tensors;

namespace GapLab.Benchmarks;

/// <summary>The command line.</summary>
internal sealed record Options
{
    /// <summary>How to call the program.</summary>
    public const string Usage =
        """
        Usage: GapLab.Benchmarks [OPTIONS]
          --filter TEXT   only measurements whose name contains TEXT
          --seconds S     time for each side and round of a measurement (default 0.5); there are 3 rounds, more if disturbed
          --no-peer       do not measure PyTorch
          --products      the full list of matrix products
          --scaling       also tables over batch size, samples, threads and hidden width
          --floors        also the fractions and ratios that are required
          --json FILE     also write everything as JSON
          --help          this text
        """;

    public string Filter { get; private init; } = "";

    public double Seconds { get; private init; } = 0.5;

    public bool Peer { get; private init; } = true;

    public bool AllProducts { get; private init; }

    public bool Scaling { get; private init; }

    public bool Floors { get; private init; }

    public string? Json { get; private init; }

    public bool Help { get; private init; }

    /// <summary>Whether a measurement of this name is asked for.</summary>
    public bool Wants(string name) => name.Contains(Filter, StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads the command line.</summary>
    /// <exception cref="GapLabException">It has an unknown option, or an option without its value.</exception>
    public static Options Parse(string[] arguments)
    {
        var options = new Options();
        for (var i = 0; i < arguments.Length; i++)
        {
            var name = arguments[i];
            string Value() => ++i < arguments.Length
                ? arguments[i]
                : throw new GapLabException($"The option {name} needs a value; --help shows all options.");
            options = name switch
            {
                "--filter" => options with { Filter = Value() },
                "--seconds" => options with { Seconds = Positive(name, Value()) },
                "--no-peer" => options with { Peer = false },
                "--products" => options with { AllProducts = true },
                "--scaling" => options with { Scaling = true },
                "--floors" => options with { Floors = true },
                "--json" => options with { Json = Value() },
                "--help" or "-h" => options with { Help = true },
                _ => throw new GapLabException($"There is no option '{name}'; --help shows all options."),
            };
        }

        return options;
    }

    private static double Positive(string name, string text) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && value is > 0 and <= 600
            ? value
            : throw new GapLabException($"The option {name} needs a number of seconds above 0 and at most 600, not '{text}'.");
}
