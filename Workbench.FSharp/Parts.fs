namespace GapLab.Workbench

open System
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Specification
open GapLab.Tensors

/// What an experiment puts together: a decoder, a family of approximate posteriors, a way to find them.
type Parts =
    { Model: Component<ModelContext, GenerativeModel>
      Family: Component<FamilyContext, VariationalFamily>
      Inference: Component<InferenceContext, InferenceMethod> }

/// The parts that command lines can name.
module Parts =
    let private find kind (known: (string * 'T) list) name =
        match List.tryFind (fst >> (=) name) known with
        | Some(_, value) -> value
        | None ->
            let names = known |> List.map fst |> String.concat ", "
            Cli.fail $"There is no {kind} '{name}'; use one of {names}."

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
                        $"'{whole}' is no decoder; give the sizes of its hidden layers, such as 200-200, or linear, followed by :gaussian for Gaussian outputs.")

    /// A dense decoder by its hidden layers, such as 200-200, linear, or 200-200:gaussian.
    let model latentSize (name: string) =
        match name.Split ':' with
        | [| layers |] -> DenseModel.Choice(latentSize, hidden name layers, Activation.Elu, OutputKind.Bernoulli)
        | [| layers; output |] ->
            let output =
                find "kind of outputs" [ "bernoulli", OutputKind.Bernoulli; "gaussian", OutputKind.Gaussian ] output

            DenseModel.Choice(latentSize, hidden name layers, Activation.Elu, output)
        | _ ->
            hidden name name |> ignore
            Cli.fail $"'{name}' is no decoder."

    /// Whether a decoder of that name has Bernoulli outputs.
    let isBernoulli (name: string) = not (name.EndsWith ":gaussian")

    /// The families: factorised Gaussians, Gaussians with full covariances, the paper's flow with an auxiliary variable, inverse autoregressive flow.
    let private families =
        [ "ffg", FactorizedGaussian.Choice()
          "full-covariance", FullCovariance.Choice()
          "flow", AuxiliaryFlow.Choice()
          "iaf", InverseAutoregressiveFlow.Choice() ]

    /// A family by its name.
    let family (name: string) = find "family" families name

    /// Whether a family has networks of its own, whose search for q* takes smaller steps. Families of scripts are taken to have none.
    let hasNetworks (family: Component) =
        List.contains family.Name [ for name in [ "flow"; "iaf" ] -> (find "family" families name).Name ]

    /// An inference method by its name, with an encoder of given hidden layers.
    let inference (encoder: int list) (name: string) =
        find "inference method" [ "amortized", Amortized.Choice(List.toArray encoder, Activation.Elu) ] name
