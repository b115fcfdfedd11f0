using System.Globalization;
using System.Text;
using CsvHelper;

namespace GapLab.Data.Arrays;

/// <summary>
/// Reads tables of numbers, one datapoint a row, separated by commas (or semicolons, tabs, bars), with or without a header. If all numbers are
/// written as whole numbers from 0 to 255 they are bytes. A table with a column of labels or row numbers is refused where its header gives it
/// away, since it would be modelled like a pixel.
/// </summary>
internal static class CsvTable
{
    private static readonly string[] Labels = ["label", "labels", "class", "classes", "target", "y", "id", "index"];

    // A quotation mark that is never closed would otherwise swallow the rest of the file.
    private static readonly CsvReaderOptions Options = new()
    {
        HasHeader = false,
        TrimWhitespace = true,
        TrackLineNumbers = true,
        AllowLineBreaksInQuotes = false,
        MalformedData = CsvMalformedDataHandling.Throw,
    };

    /// <summary>Reads a table that is in memory.</summary>
    /// <param name="name">What it is called, for messages.</param>
    /// <param name="file">The whole file, UTF-8.</param>
    /// <exception cref="DataException">A field is no number, a row has another length, or a column holds labels.</exception>
    public static NumberArray Read(string name, byte[] file)
    {
        using CsvReader rows = CsvReader.Create(file, Options);
        try
        {
            return Read(name, rows);
        }
        catch (CsvFormatException e)
        {
            throw new DataException($"'{name}' is not a well-formed table near line {e.LineNumber} (stray quotation marks?); write one datapoint a row, numbers separated by commas.", e);
        }
    }

    private static NumberArray Read(string name, CsvReader rows)
    {
        List<float> values = [];
        bool areBytes = true;
        int width = 0;
        for (bool isFirst = true; rows.Read(); isFirst = false)
        {
            if (isFirst)
            {
                width = rows.FieldCount;
                if (IsHeader(name, rows))
                    continue;
            }

            if (rows.FieldCount != width)
                throw new DataException($"Line {rows.LineNumber} of '{name}' has {rows.FieldCount} fields where the first has {width}; give every row the same number.");
            for (int column = 0; column < width; column++)
                values.Add(Number(name, rows, column, ref areBytes));
        }

        if (values.Count == 0)
            throw new DataException($"'{name}' holds no rows of numbers; write one datapoint a row, numbers separated by commas.");
        return areBytes
            ? NumberArray.Of(1, width, [.. values.Select(value => (byte)value)])
            : NumberArray.Of(1, width, [.. values]);
    }

    private static float Number(string name, CsvReader rows, int column, ref bool areBytes)
    {
        ReadOnlySpan<byte> field = rows.GetSpan(column);
        if (byte.TryParse(field, NumberStyles.None, CultureInfo.InvariantCulture, out byte whole))
            return whole;
        areBytes = false;
        if (!float.TryParse(field, NumberStyles.Float, CultureInfo.InvariantCulture, out float value))
            throw new DataException($"Line {rows.LineNumber} of '{name}' has '{Shown(field)}' in column {column + 1} where a number should stand; leave out columns of labels or text.");
        return float.IsFinite(value)
            ? value
            : throw new DataException($"Line {rows.LineNumber} of '{name}' has '{Shown(field)}' in column {column + 1}, and only finite numbers can be used; replace it.");
    }

    // A header is a first row of names, or of the numbers 0, 1, 2, ... that pandas gives columns without names.
    private static bool IsHeader(string name, CsvReader rows)
    {
        int named = 0;
        int counted = 0;
        for (int column = 0; column < rows.FieldCount; column++)
        {
            ReadOnlySpan<byte> field = rows.GetSpan(column);
            if (!float.TryParse(field, NumberStyles.Float, CultureInfo.InvariantCulture, out float value))
                named++;
            else if (value == column)
                counted++;
            if (field.Length < 10 && Labels.Contains(Encoding.UTF8.GetString(field), StringComparer.OrdinalIgnoreCase))
                throw new DataException($"Column {column + 1} of '{name}' is called '{Shown(field)}' and would be modelled like a pixel; leave it out.");
        }

        if (rows.FieldCount > 1 && rows.GetSpan(0).IsEmpty)
            throw new DataException($"Column 1 of '{name}' has no name and seems to number the rows; leave it out (pandas: to_csv(..., index=False)).");
        return named == rows.FieldCount || (rows.FieldCount > 2 && counted == rows.FieldCount);
    }

    // Short, in one line.
    private static string Shown(ReadOnlySpan<byte> field)
    {
        string text = Encoding.UTF8.GetString(field.Length > 20 ? field[..20] : field);
        return string.Concat(text.Select(c => char.IsControl(c) ? '?' : c)) + (field.Length > 20 ? "..." : "");
    }
}
