using System.Globalization;

namespace GapLab.Data;

/// <summary>
/// The stroke drawings behind the generated glyphs: for each of ten classes a few ways of writing it. A drawing is a list of strokes; a stroke is a chain
/// of cubic Bézier curves, stored as x, y pairs (start, then three points per curve) in a unit box with y downwards.
/// </summary>
internal static class GlyphTemplates
{
    /// <summary>Number of classes.</summary>
    public const int ClassCount = 10;

    /// <summary>Most control points in one drawing.</summary>
    public const int MaxPoints = 32;

    // In hundredths. M starts a stroke, L is a straight line, C a cubic curve (two control points and the end).
    private static readonly string[][] Paths =
    [
        [
            "M50,8 C16,8 14,92 50,92 C86,92 84,8 50,8",
            "M58,10 C24,2 8,52 24,80 C44,108 94,78 80,34 C74,16 62,10 50,14",
        ],
        [
            "M50,8 L50,92",
            "M34,26 L54,8 L54,92",
            "M58,8 C54,36 48,64 42,92",
        ],
        [
            "M22,28 C28,0 82,0 78,32 C74,58 36,70 20,92 L82,90",
            "M20,24 C36,2 84,4 72,38 C62,64 20,102 24,82 C28,66 56,90 84,84",
        ],
        [
            "M24,14 C58,0 92,22 72,38 C64,44 52,46 44,46 C70,46 92,62 74,82 C60,96 34,94 20,82",
            "M22,10 L76,10 L46,42 C94,42 86,98 22,88",
        ],
        [
            "M62,8 L20,62 L84,62 M66,40 L66,92",
            "M26,8 C24,28 22,44 24,52 C42,56 62,52 74,48 M74,10 C72,38 68,66 66,92",
        ],
        [
            "M78,10 L34,10 L28,44 C88,28 96,88 50,92 C38,92 26,88 20,80",
            "M30,12 C30,26 28,36 26,46 C70,34 90,56 74,78 C60,96 34,94 22,84 M30,12 L76,12",
        ],
        [
            "M66,8 C30,24 18,62 28,80 C42,102 80,90 74,64 C68,44 34,50 28,74",
            "M46,8 C32,36 20,92 50,92 C82,92 78,54 54,56 C40,58 32,68 32,78",
        ],
        [
            "M20,14 L80,12 C62,40 50,64 44,92",
            "M20,14 L80,12 C64,40 52,64 46,92 M34,52 L72,50",
            "M18,24 L22,12 C42,16 62,14 80,10 L48,92",
        ],
        [
            "M50,48 C16,38 24,8 50,8 C76,8 84,38 50,48 C10,60 18,92 50,92 C82,92 90,60 50,48",
            "M72,16 C46,-4 14,24 42,44 C66,58 88,70 70,86 C52,100 20,90 30,68 C38,52 74,40 72,16",
        ],
        [
            "M74,30 C66,2 24,8 28,34 C34,58 74,50 74,24 C76,50 72,74 60,92",
            "M76,20 C48,-2 16,24 30,44 C44,56 70,42 76,20 C76,50 76,70 74,92",
        ],
    ];

    /// <summary>[class][way of writing][stroke] = points as x, y pairs.</summary>
    public static readonly float[][][][] Drawings = Array.ConvertAll(Paths, ways => Array.ConvertAll(ways, Parse));

    private static float[][] Parse(string path)
    {
        List<List<float>> strokes = [];
        string[] words = path.Split(' ');
        for (int i = 0; i < words.Length; i++)
        {
            (float x, float y) = Point(words[i].TrimStart('M', 'L', 'C'));
            switch (words[i][0])
            {
                case 'M':
                    strokes.Add([x, y]);
                    break;
                case 'L':
                    List<float> stroke = strokes[^1];
                    (float fromX, float fromY) = (stroke[^2], stroke[^1]);
                    stroke.AddRange([fromX + ((x - fromX) / 3), fromY + ((y - fromY) / 3), x - ((x - fromX) / 3), y - ((y - fromY) / 3), x, y]);
                    break;
                default:
                    strokes[^1].AddRange([x, y]);
                    break;
            }
        }

        return [.. strokes.ConvertAll(s => s.ToArray())];
    }

    private static (float X, float Y) Point(string word)
    {
        string[] parts = word.Split(',');
        return (float.Parse(parts[0], CultureInfo.InvariantCulture) / 100, float.Parse(parts[1], CultureInfo.InvariantCulture) / 100);
    }
}
