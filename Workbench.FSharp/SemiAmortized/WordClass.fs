namespace GapLab.Workbench

/// Classes of English words, as far as a short list tells them: what is on no list is called a content word.
module WordClass =
    let private words (text: string) = Set.ofArray (text.Split ' ')

    let private classes =
        [ "end of sentence", words "</s>"
          "unknown", words "<unk>"
          "determiner", words "the a an this that these those each every some any no all both another"
          "conjunction", words "and or but nor yet so"
          "to", words "to"
          "preposition",
          words
              "of in for on with at by from as about into through after over between out against during without before under around among because while if than since until although whether"
          "pronoun",
          words
              "i you he she it we they me him her us them his its their our your my who which what himself itself themselves"
          "modal or auxiliary",
          words
              "is are was were be been being am has have had having do does did will would can could may might must shall should 's 're 've 'll 'd n't not"
          "number", words "N one two three four five six seven eight nine ten hundred million billion"
          "punctuation", words ", . ; : ? ! ( ) -lrb- -rrb- '' `` $ % # & '" ]

    /// The class of a word.
    let ofWord (word: string) =
        classes
        |> List.tryFind (fun (_, members) -> members.Contains word || members.Contains(word.ToLowerInvariant()))
        |> Option.map fst
        |> Option.defaultValue "content word"
