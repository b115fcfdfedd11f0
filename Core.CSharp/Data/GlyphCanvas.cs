namespace GapLab.Data;

/// <summary>Draws strokes of one thickness with soft edges: keeps, for every pixel, the squared distance to the nearest stroke.</summary>
/// <param name="distances">[size, size], overwritten: squared distances in pixels.</param>
/// <param name="size">Rows and columns.</param>
/// <param name="reach">Distance in pixels beyond which a stroke leaves no ink.</param>
internal readonly ref struct GlyphCanvas(Span<float> distances, int size, float reach)
{
    // Straight pieces per curve: at 28x28 more would not change a pixel by more than a few units.
    private const int Pieces = 8;

    private readonly Span<float> _distances = distances;

    /// <summary>Takes away all ink.</summary>
    public void Clear() => _distances.Fill(float.MaxValue);

    /// <summary>Draws a cubic Bézier curve, given as x, y pairs in pixels: start, two control points, end.</summary>
    public void Curve(ReadOnlySpan<float> p)
    {
        float x = p[0];
        float y = p[1];
        for (int i = 1; i <= Pieces; i++)
        {
            float t = (float)i / Pieces;
            float s = 1 - t;
            float a = s * s * s;
            float b = 3 * s * s * t;
            float c = 3 * s * t * t;
            float d = t * t * t;
            float nextX = (a * p[0]) + (b * p[2]) + (c * p[4]) + (d * p[6]);
            float nextY = (a * p[1]) + (b * p[3]) + (c * p[5]) + (d * p[7]);
            Line(x, y, nextX, nextY);
            x = nextX;
            y = nextY;
        }
    }

    /// <summary>Turns distances into pixels: 255 inside the stroke, falling smoothly to 0 at its reach.</summary>
    /// <param name="pixels">[size, size], overwritten.</param>
    /// <param name="radius">Half the stroke's thickness in pixels; full ink up to half a pixel less than it.</param>
    public void Ink(Span<byte> pixels, float radius)
    {
        float inner = Math.Max(0, radius - 0.5f);
        float scale = 1 / (reach - inner);
        for (int i = 0; i < pixels.Length; i++)
        {
            float t = Math.Clamp((reach - MathF.Sqrt(_distances[i])) * scale, 0, 1);
            pixels[i] = (byte)((255 * t * t * (3 - (2 * t))) + 0.5f);
        }
    }

    private void Line(float fromX, float fromY, float toX, float toY)
    {
        int left = Math.Max(0, (int)(Math.Min(fromX, toX) - reach));
        int right = Math.Min(size - 1, (int)(Math.Max(fromX, toX) + reach));
        int top = Math.Max(0, (int)(Math.Min(fromY, toY) - reach));
        int bottom = Math.Min(size - 1, (int)(Math.Max(fromY, toY) + reach));
        float dx = toX - fromX;
        float dy = toY - fromY;
        float inverse = 1 / Math.Max((dx * dx) + (dy * dy), 1e-12f);
        for (int row = top; row <= bottom; row++)
        {
            float py = row + 0.5f - fromY;
            Span<float> line = _distances.Slice(row * size, size);
            for (int column = left; column <= right; column++)
            {
                float px = column + 0.5f - fromX;
                float t = Math.Clamp(((px * dx) + (py * dy)) * inverse, 0, 1);
                float ox = px - (t * dx);
                float oy = py - (t * dy);
                line[column] = Math.Min(line[column], (ox * ox) + (oy * oy));
            }
        }
    }
}
