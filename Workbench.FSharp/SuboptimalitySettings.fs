namespace GapLab.Workbench

open GapLab.Experiments
open GapLab.Optimization

/// The layers of the paper's model of colour images.
type ConvolutionalLayers =
    {
        /// Channels after each convolution of the encoder; the decoder's are the same in reverse.
        Channels: int list
        /// Hidden layers of the network of the log-scales.
        ScaleHidden: int list
    }

/// The settings of the experiments of "Inference Suboptimality in Variational Autoencoders" (Cremer et al. 2018).
type SuboptimalitySettings =
    {
        /// Training images; None for all that the data set has.
        TrainingImages: int option
        /// How many of the last training images are held out for validation; None for the data set's own split.
        ValidationImages: int option
        LatentSize: int
        /// Hidden layers of the decoder.
        Hidden: int list
        /// Hidden layers of the encoder.
        EncoderHidden: int list
        /// The convolutional model of colour images instead of hidden layers; None for fully connected models of binary images.
        Convolutions: ConvolutionalLayers option
        Schedule: LearningRateSchedule
        /// Training datapoints in a batch.
        BatchSize: int
        /// Whether training images are made binary anew in every epoch; else once.
        ResamplesTraining: bool
        /// Whether uniform noise turns pixels of 256 levels into real numbers.
        Dequantizes: bool
        /// Early stopping: how many epochs in a row may fail to raise the ELBO of held-out images before the best epoch's model is taken; None for no stopping.
        Patience: int option
        /// Epochs over which the weight of the entropy grows from 0 to 1.
        AnnealingEpochs: int
        /// Evaluated datapoints of each split.
        Points: int
        /// The same where q* is searched in a family with networks, which takes long: the first of them.
        FlowPoints: int
        /// Datapoints simulated from the model, on which AIS is held between two bounds; 0 for none.
        SimulatedPoints: int
        /// Samples for L[q] and the importance-weighted bound.
        ImportanceSamples: int
        Chains: int
        Distributions: int
        /// How the inverse temperatures of AIS are spaced.
        AisSchedule: AisSchedule
        /// Where the path of AIS starts.
        AisStart: AisStart
        LeapfrogSteps: int
        LocalSamples: int
        /// The step size of the search for q* in families without networks.
        LocalStepSize: float
        /// The step size in families with networks, such as flows; with larger ones their variances collapse.
        FlowStepSize: float
        /// Steps of a flow, as family of a model and for q*.
        FlowLength: int
        /// A limit on the steps of local optimisation, which otherwise ends by its own rule.
        LocalSteps: int
        /// The same for families with networks.
        FlowSteps: int
        /// Families, by their names, whose q* is searched beside that of the family a model was trained with.
        OtherFamilies: string list
        /// Further lower bounds on log p(x), each with its name: they are reported, and compete with IWAE and AIS for log p̂.
        Bounds: (string * Measure) list
    }
