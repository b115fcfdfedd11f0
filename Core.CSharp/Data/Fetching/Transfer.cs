using System.Net;
using System.Net.Http.Headers;

namespace GapLab.Data.Fetching;

/// <summary>One request for a file, or for the rest of it, into its <see cref="PartFile"/>.</summary>
/// <param name="client">Sends the request; must not unpack what comes.</param>
/// <param name="stallTimeout">How long the server may send nothing.</param>
/// <param name="largest">More bytes than this are refused.</param>
/// <param name="report">Told how many bytes there are, and how many there will be if the server said so.</param>
internal sealed class Transfer(HttpClient client, TimeSpan stallTimeout, long largest, Action<long, long?> report)
{
    private const int BufferBytes = 1 << 16;

    /// <summary>Fetches what is missing.</summary>
    /// <returns>Whether the server's own count of bytes says that this was everything.</returns>
    /// <exception cref="TransferException">The server or the connection failed; what had come is kept.</exception>
    /// <exception cref="DataException">The disk failed.</exception>
    public async Task<bool> RunAsync(Uri source, PartFile part, CancellationToken cancellation)
    {
        using var stall = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        stall.CancelAfter(stallTimeout);
        try
        {
            return await RunAsync(source, part, stall).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new TransferException($"sent nothing for {stallTimeout.TotalSeconds:0.#} seconds");
        }
        catch (Exception e) when (e is HttpRequestException or IOException)
        {
            throw new TransferException($"failed ({e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')})");
        }
        finally
        {
            part.Close();
        }
    }

    private async Task<bool> RunAsync(Uri source, PartFile part, CancellationTokenSource stall)
    {
        long start = part.Source == source.ToString() ? part.Length : 0;
        using HttpRequestMessage request = new(HttpMethod.Get, source);
        if (start > 0)
        {
            request.Headers.Range = new RangeHeaderValue(start, null);
            if (part.Mark is { } mark)
                request.Headers.TryAddWithoutValidation("If-Range", mark);
        }

        using HttpResponseMessage response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, stall.Token).ConfigureAwait(false);
        long? total = Accept(response, source, part, start);
        if (total == part.Length)
            return true;
        if (total > largest)
            throw new TransferException($"offers {total} bytes, more than the published file can have", isFinal: true);

        using Stream body = await response.Content.ReadAsStreamAsync(stall.Token).ConfigureAwait(false);
        byte[] buffer = new byte[BufferBytes];
        while (true)
        {
            stall.CancelAfter(stallTimeout);
            int count = await body.ReadAsync(buffer, stall.Token).ConfigureAwait(false);
            if (count == 0)
                return total == part.Length;
            if (part.Length + count > largest)
            {
                part.Delete();
                throw new TransferException($"sent more than {largest} bytes, more than the published file can have", isFinal: true);
            }

            part.Write(buffer.AsMemory(0, count));
            report(part.Length, total);
        }
    }

    // Prepares the part for what the response brings; returns how many bytes there will be in all, if the server says so.
    private static long? Accept(HttpResponseMessage response, Uri source, PartFile part, long start)
    {
        HttpStatusCode status = response.StatusCode;
        ContentRangeHeaderValue? range = response.Content.Headers.ContentRange;
        if (status == HttpStatusCode.RequestedRangeNotSatisfiable && start > 0)
        {
            if (range?.Length == start)
                return start;
            part.Delete();
            throw new TransferException("has another version than the one that was begun, which is fetched anew");
        }

        if (status == HttpStatusCode.PartialContent)
        {
            if (start == 0 || range?.From != start)
            {
                part.Delete();
                throw new TransferException("sent another part of the file than was asked for");
            }

            part.Continue();
            return range.Length ?? start + response.Content.Headers.ContentLength;
        }

        if (status != HttpStatusCode.OK)
        {
            bool mayPass = status is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests || (int)status >= 500;
            throw new TransferException($"answers {(int)status} ({response.ReasonPhrase})", isFinal: !mayPass);
        }

        // The whole file: the server knows no ranges, or has another version than the one that was begun.
        part.Begin(source, MarkOf(response));
        return response.Content.Headers.ContentLength;
    }

    // Weak marks do not promise the same bytes.
    private static string? MarkOf(HttpResponseMessage response) =>
        response.Headers.ETag is { IsWeak: false } tag ? tag.Tag : response.Content.Headers.LastModified?.ToString("r");
}
