using GapLab.Tensors;

namespace GapLab.Data.Text;

/// <summary>Data sets of sentences: catalogued files of their own for training, validation and testing, or one file of the user's.</summary>
internal static class TextData
{
    private static readonly string[] Endings = [".txt", ".txt.gz"];

    /// <summary>Whether a data set's name is the path of a text file, judged by its ending.</summary>
    public static bool IsPath(string name) => Endings.Any(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase));

    /// <summary>Reads a catalogued data set. The vocabulary is that of the training sentences.</summary>
    /// <param name="entry">The data set; its width is the usual size of the vocabulary.</param>
    /// <param name="read">Reads one of its files.</param>
    /// <param name="validationCount">0 for no validation part; null or the number of sentences of the validation file for that file.</param>
    /// <param name="vocabularySize">V at most; null for the usual one.</param>
    /// <exception cref="DataException">Another number of validation sentences.</exception>
    public static DataSet Load(CatalogEntry entry, Func<CatalogFile, SentenceFile> read, int? validationCount, int? vocabularySize)
    {
        CatalogRole[] roles = [CatalogRole.Training, CatalogRole.Validation, CatalogRole.Test];
        SentenceFile[] files = [.. roles.Select(role => read(entry.Files.First(file => file.Role == role)))];
        int validation = files[1].Sentences.Count;
        if (validationCount is { } count && count != 0 && count != validation)
            throw new DataException($"'{entry.Name}' has a file of {validation} validation sentences, of which {count} cannot be made; leave the number out, or give 0 for none.");
        Vocabulary vocabulary = Vocabulary.OfFrequencies(files[0].Frequencies(), vocabularySize ?? entry.Width);
        int first = 0;
        var sets = new DataPart[3];
        var ranges = new List<SplitRange>();
        string[] parts = ["train", "validation", "test"];
        for (int i = 0; i < 3; i++)
        {
            SentenceSet set = files[i].Encode($"{entry.Name}/{parts[i]}", vocabulary, first);
            first += set.Count;
            sets[i] = i == 1 && validationCount == 0 ? set.Range(0, 0, set.Name) : set;
            ranges.Add(new SplitRange(parts[i], Path.GetFileName(files[i].File.Path), 0, sets[i].Count));
        }
        string[] notes = [entry.Note, Note(vocabulary, files)];
        return new DataSet(
            entry.Name, new DataSplits(sets[0], sets[1], sets[2], ranges), new Binarization.None(), [.. files.Select(file => file.File)], entry.Citation, entry.Licence,
            string.Join("; ", notes.Where(note => note.Length > 0)), vocabulary.Words);
    }

    /// <summary>Reads a text file of the user's own, of which a tenth, drawn at random, is held out for testing and another, or as many as asked for, for validation.</summary>
    /// <param name="path">The file.</param>
    /// <param name="validationCount">How many sentences are held out for validation; null for a tenth.</param>
    /// <param name="vocabularySize">V at most; null for <see cref="UsualVocabulary"/>.</param>
    /// <exception cref="DataException">The file cannot be used, or has too few sentences.</exception>
    public static DataSet LoadFile(string path, int? validationCount, int? vocabularySize)
    {
        SentenceFile file = SentenceReader.Read(path);
        string name = Path.GetFileName(file.File.Path);
        int all = file.Sentences.Count, tested = Math.Max(1, all / 10), held = validationCount ?? (all / 10), trained = all - tested - held;
        if (held < 0 || trained < 1)
            throw new DataException($"'{name}' has {all} sentences, so {held} cannot be held out for validation and {tested} for testing; ask for 0 to {Math.Max(0, all - tested - 1)} or add sentences.");
        int[] order = [.. Enumerable.Range(0, all)];
        new RandomStream(0, RandomPurpose.Split).Fork(1).Shuffle(order);
        // The words of what is held out must not enter the vocabulary.
        SentenceFile training = file with { Sentences = [.. order.Take(trained).Select(i => file.Sentences[i])] };
        Vocabulary vocabulary = Vocabulary.OfFrequencies(training.Frequencies(), vocabularySize ?? UsualVocabulary);
        DataPart pool = file.Encode($"{name}/train", vocabulary, 0);
        var ranges = new List<SplitRange>();
        DataPart Take(string part, int first, int count)
        {
            ranges.Add(new SplitRange(part, $"{name} in random order", first, count));
            return pool.Choose(order.AsSpan(first, count), $"{name}/{part}");
        }

        DataPart train = Take("train", 0, trained), validation = Take("validation", trained, held), test = Take("test", trained + held, tested);
        return new DataSet(name, new DataSplits(train, validation, test, ranges), new Binarization.None(), [file.File], note: Note(vocabulary, file), vocabulary: vocabulary.Words);
    }

    /// <summary>V at most for text of the user's own (Kim et al. 2018).</summary>
    public const int UsualVocabulary = 20_000;

    private static string Note(Vocabulary vocabulary, params SentenceFile[] files)
    {
        int empty = files.Sum(file => file.Empty), tooLong = files.Sum(file => file.TooLong);
        string leftOut = empty + tooLong == 0 ? "" : $"; {empty} empty lines and {tooLong} sentences of more than {SentenceReader.LongestSentence} words are left out";
        return $"vocabulary of {vocabulary.Size} words, '{Vocabulary.UnknownWord}' and '{Vocabulary.EndWord}' among them{leftOut}";
    }
}
