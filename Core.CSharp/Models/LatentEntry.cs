namespace GapLab.Models;

/// <summary>Where the latent variables of a sentence enter its model.</summary>
public enum LatentEntry
{
    /// <summary>At every input beside the embedding of the word before, and through a linear map in the LSTM's first state (Kim et al. 2018, section 4.2).</summary>
    InputsAndState,

    /// <summary>Beside the LSTM's state in what the words are predicted from (Kim et al. 2018, section 4.1).</summary>
    Output,
}
