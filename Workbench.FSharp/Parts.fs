namespace GapLab.Workbench

open System
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Specification
open GapLab.Tensors

/// What an experiment puts together: a decoder, a family of approximate posteriors, a way to find them.
type Parts =
    {
        Model: Component<ModelContext, GenerativeModel>
        Family: Component<FamilyContext, VariationalFamily>
        Inference: Component<InferenceContext, InferenceMethod>
        /// Which gradients train what.
        Rule: Component<Vae, TrainingRule>
    }

/// The parts that command lines can name.
module Parts =
    /// The sizes of hidden layers from a name such as 200-200 or linear.
    let private hidden (whole: string) (layers: string) =
        if layers = "linear" then
            [||]
        else
            layers.Split '-'
            |> Array.map (fun size ->
                match Int32.TryParse size with
                | true, size when size > 0 -> size
                | _ ->
                    Cli.fail
                        $"'{whole}' is no decoder; give the sizes of its hidden layers, such as 200-200, or linear, followed by :gaussian or :multinomial for such outputs.")

    /// A dense decoder by its hidden layers, such as 200-200, linear, 200-200:gaussian, or, for documents, 200-200:multinomial.
    let model latentSize (name: string) =
        match name.Split ':' with
        | [| layers |] -> DenseModel.Choice(latentSize, hidden name layers, Activation.Elu, OutputKind.Bernoulli)
        | [| layers; output |] ->
            let output =
                Cli.find
                    "kind of outputs"
                    [ "bernoulli", OutputKind.Bernoulli
                      "gaussian", OutputKind.Gaussian
                      "multinomial", OutputKind.Multinomial ]
                    output

            DenseModel.Choice(latentSize, hidden name layers, Activation.Elu, output)
        | _ ->
            hidden name name |> ignore
            Cli.fail $"'{name}' is no decoder."

    /// Whether a decoder of that name has Bernoulli outputs.
    let isBernoulli (name: string) = not (name.EndsWith ":gaussian" || name.EndsWith ":multinomial")

    /// The families: factorised Gaussians, the same on top of the prior, Gaussians with full covariances, the paper's flow with an auxiliary variable, inverse autoregressive flow.
    let private families =
        [ "ffg", FactorizedGaussian.Choice()
          "ladder", LadderGaussian.Choice()
          "full-covariance", FullCovariance.Choice()
          "flow", AuxiliaryFlow.Choice()
          "iaf", InverseAutoregressiveFlow.Choice() ]

    /// A family by its name.
    let family (name: string) = Cli.find "family" families name

    /// Whether a family has networks of its own, whose search for q* takes smaller steps. Families of scripts are taken to have none.
    let hasNetworks (family: Component) =
        List.contains family.Name [ for name in [ "flow"; "iaf" ] -> (Cli.find "family" families name).Name ]

    /// The inference methods, with networks of given hidden layers: an encoder; a network that sees the data and gradients, or the data and errors, again and again; no network,
    /// but gradient ascent from the start for every datapoint.
    let inference (hidden: int list) (name: string) =
        let hidden = List.toArray hidden

        Cli.find
            "inference method"
            [ "amortized", Amortized.Choice(hidden, Activation.Elu)
              "iterative", Iterative.Choice(IterativeOptions(Hidden = hidden))
              "iterative-errors",
              Iterative.Choice(
                  IterativeOptions(
                      Hidden = hidden,
                      Gradients = GradientEncoding.None,
                      BottomUpErrors = ErrorEncoding.Plain,
                      TopDownErrors = ErrorEncoding.Plain
                  )
              )
              "variational-em", VariationalEm.Choice(VariationalEmOptions(Rule = AscentRule.Adam)) ]
            name

    /// The usual rule that trains an inference method.
    let rule (inference: Component) =
        if inference.Name = (Iterative.Choice(IterativeOptions())).Name then
            IterativeGradient.Choice()
        else
            JointGradient.Choice()
