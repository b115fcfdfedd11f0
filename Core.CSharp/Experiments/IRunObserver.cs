namespace GapLab.Experiments;

/// <summary>Who is told how a run gets on.</summary>
public interface IRunObserver
{
    /// <summary>Does a piece of long work.</summary>
    /// <param name="kind">What is done: the same words for the same kind of work.</param>
    /// <param name="details">To what, and how many pieces of work there are.</param>
    /// <param name="work">The work; it reports the fraction that is done, from any thread.</param>
    void Phase(string kind, string details, Action<Action<double>> work);

    /// <summary>Something worth a line: a damaged file, a wait.</summary>
    /// <param name="sentence">The line.</param>
    void Note(string sentence);

    /// <summary>An epoch of a training has ended.</summary>
    /// <param name="report">Its numbers.</param>
    void Epoch(Training.EpochReport report);
}
