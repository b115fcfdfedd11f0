namespace GapLab.Experiments;

/// <summary>Which parameters a model that is trained takes over from its parent as the initial ones.</summary>
public enum Inheritance
{
    /// <summary>All that the two have under the same name and with the same shape, in whichever part.</summary>
    All,

    /// <summary>Those of the generative model, every one of them; family and encoder start anew, even where names and shapes agree.</summary>
    Model,

    /// <summary>
    /// Those of the encoder, from the parts of the parent's generative model that are made alike: "encoder.x" from "decoder.x" where the shapes agree, as an encoder of sentences starts as a language
    /// model (Yang et al. 2017).
    /// </summary>
    EncoderFromModel,
}
