/// Small hierarchies of latent Gaussians: random ones, and chains of linear-Gaussian steps, about which everything is known.
module GapLab.Tests.Models.HierarchyFixtures

open System
open MathNet.Numerics.LinearAlgebra
open GapLab.Tensors
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Models
open GapLab.Networks
open GapLab.Tests.Models.ModelFixtures

/// Moves all parameters by random numbers: biases and constant log-variances start at zero, and nothing should be special.
let perturb (s: RandomStream) scale (parameters: ParameterSet) =
    use _scope = MemoryScope.Enter(record = false)

    parameters
    |> Seq.iteri (fun i p ->
        // Running averages of variances stay positive.
        if not (parameters.Names[i].EndsWith ".variance") then
            let noise =
                Tensor.Create(p.Device, p.Shape, Array.init p.Count (fun j -> scale * (s.At(i)).Normal(int64 j)))

            p.Assign(p + noise))

type Hierarchy =
    { Sizes: int[]
      Layers: LevelLayers[]
      DataSize: int
      Activation: Activation
      Output: OutputKind
      Highway: bool
      BatchNormalization: bool
      ConstantVariances: bool }

    member h.On device =
        HierarchicalModel(
            device,
            h.Sizes,
            h.Layers,
            h.DataSize,
            h.Activation,
            h.Output,
            stream 31UL,
            highway = h.Highway,
            batchNormalization = h.BatchNormalization,
            constantPriorVariances = h.ConstantVariances
        )

/// A hierarchy of 2 to 4 levels of any kind, a function of the seed.
let randomHierarchy (seed: uint64) =
    let s = stream seed
    let choose index count = s.Below(count, int64 index)
    let levels = 2 + choose 0 3

    { Sizes = Array.init levels (fun level -> 1 + choose (10 + level) 3)
      Layers =
        Array.init levels (fun level ->
            LevelLayers(
                Array.init (choose (20 + level) 3) (fun i -> 1 + choose (30 + 10 * level + i) 4),
                if level = levels - 1 then 0 else choose (80 + level) 3
            ))
      DataSize = 1 + choose 1 5
      Activation = [| Activation.Tanh; Activation.Elu; Activation.Sigmoid |][choose 2 3]
      Output = [| OutputKind.Bernoulli; OutputKind.Gaussian |][choose 3 2]
      Highway = (choose 4 2 = 0)
      BatchNormalization = (choose 5 2 = 0)
      ConstantVariances = (choose 6 2 = 0) }

/// The same with parameters that are nowhere special.
let randomModelOf device seed (hierarchy: Hierarchy) =
    let model = hierarchy.On device
    perturb (stream (seed + 1UL)) 0.3 model.Parameters
    model

/// Binary or real data, as the output wants them.
let randomData device seed (hierarchy: Hierarchy) count =
    let s = stream (seed + 2UL)

    observe
        device
        (Array.init count (fun i ->
            Array.init hierarchy.DataSize (fun j ->
                match hierarchy.Output with
                | OutputKind.Bernoulli -> float ((s.At i).Below(2, int64 j))
                | _ -> (s.At i).Normal(int64 j))))

/// λ of random numbers for any family.
let randomLambdaOf (family: VariationalFamily) device seed count =
    let s = stream (seed + 3UL)

    LocalParameters
        [| for i, block in Seq.indexed family.LocalBlocks ->
               Tensor.Create(
                   device,
                   Shape(count, block.Size),
                   Array.init (count * block.Size) (fun j -> 0.6 * (s.At i).Normal(int64 j))
               ) |]

/// Both families over the levels of a model.
let levelFamilies (model: GenerativeModel) : VariationalFamily list =
    let sizes = Seq.toArray model.LatentSizes
    [ FactorizedGaussian(model.Device, sizes[0], sizes[1..]); LadderGaussian(model.Device, sizes[0], sizes[1..]) ]

let private matrix, private vector = Matrix<float>.Build, Vector<float>.Build

/// z_L ~ N(0, I), z_l | z_{l+1} ~ N(W_l z_{l+1} + b_l, diag v_l), and x | z_1 likewise: the steps from the data upwards.
type Chain =
    { Steps: (float[,] * float[] * float[]) list }

    /// The joint Gaussian over [x, z_1, ..., z_L]: its mean and covariance, from the top down.
    member chain.Joint =
        let top = Array2D.length2 (let (w, _, _) = List.last chain.Steps in w)

        List.foldBack
            (fun (w: float[,], b: float[], v: float[]) (mean: Vector<float>, covariance: Matrix<float>) ->
                let w = matrix.DenseOfArray w
                // Only the variables right above enter.
                let map = matrix.Dense(w.RowCount, mean.Count)
                map.SetSubMatrix(0, 0, w)
                let cross = map * covariance
                let own = cross * map.Transpose() + matrix.DenseOfDiagonalArray v

                vector.DenseOfEnumerable(Seq.append (map * mean + vector.DenseOfArray b) mean),
                matrix.DenseOfMatrixArray(array2D [ [ own; cross ]; [ cross.Transpose(); covariance ] ]))
            chain.Steps
            (vector.Dense top, matrix.DenseIdentity top)

    member chain.DataSize = let (_, b, _) = chain.Steps.Head in b.Length

    /// log p(x), exactly.
    member chain.LogMarginal(x: float[]) =
        let mean, covariance = chain.Joint
        let d = chain.DataSize
        logNormal (mean.SubVector(0, d)) (covariance.SubMatrix(0, d, 0, d)) (vector.DenseOfArray x)

    /// The mean and the covariance of p(z_1, ..., z_L | x).
    member chain.Posterior(x: float[]) =
        let mean, covariance = chain.Joint
        let d = chain.DataSize
        let n = mean.Count - d
        let gain = covariance.SubMatrix(d, n, 0, d) * covariance.SubMatrix(0, d, 0, d).Inverse()

        mean.SubVector(d, n) + gain * (vector.DenseOfArray x - mean.SubVector(0, d)),
        covariance.SubMatrix(d, n, d, n) - gain * covariance.SubMatrix(0, d, d, n)

    /// How far the best factorised Gaussian stays below log p(x): ½ (Σ log Λ_jj - log det Λ), Λ the posterior's precision.
    member chain.FactorizedGap =
        let _, covariance = chain.Posterior(Array.zeroCreate chain.DataSize)
        let precision = covariance.Inverse()
        0.5 * (precision.Diagonal() |> Seq.sumBy log) - 0.5 * log (precision.Determinant())

    /// The model itself, without hidden layers and with constant variances; all variances of the last step must be equal.
    member chain.On device =
        let sizes = [| for w, _, _ in chain.Steps -> Array2D.length2 w |]

        let model =
            HierarchicalModel(
                device,
                sizes,
                [| for _ in sizes -> LevelLayers [||] |],
                chain.DataSize,
                Activation.Tanh,
                OutputKind.Gaussian,
                stream 1UL,
                constantPriorVariances = true
            )

        let set name (values: float seq) =
            let p = model.Parameters[Seq.findIndex ((=) name) model.Parameters.Names]
            p.Assign(Tensor.Create(device, p.Shape, Seq.toArray values))

        for level, (w, b, v) in List.indexed chain.Steps do
            let layer = if level = 0 then "decoder.output" else $"prior.level{level - 1}.mean"
            set $"{layer}.weight" (Seq.cast<float> w)
            set $"{layer}.bias" b

            if level = 0 then
                set "decoder.logVariance" [ log v[0] ]
            else
                set $"prior.level{level - 1}.logVariance" (Array.map log v)

        model

/// z_2 of 1, z_1 of 2, x of 3 numbers.
let chain =
    { Steps =
        [ array2D [ [ 1.0; 0.4 ]; [ -0.5; 0.9 ]; [ 0.3; 0.2 ] ], [| 0.1; -0.2; 0.3 |], [| 0.5; 0.5; 0.5 |]
          array2D [ [ 0.8 ]; [ -1.1 ] ], [| 0.4; 0.0 |], [| 0.3; 0.7 |] ] }

/// One variable a level: its posterior is a ladder of Gaussians.
let scalarChain =
    { Steps =
        [ array2D [ [ 1.2 ]; [ -0.7 ] ], [| 0.2; 0.1 |], [| 0.4; 0.4 |]
          array2D [ [ 0.9 ] ], [| -0.3 |], [| 0.6 |]
          array2D [ [ 1.5 ] ], [| 0.2 |], [| 0.5 |] ] }

/// Three datapoints of the chain.
let chainData = [| [| 0.9; -0.4; 0.2 |]; [| -1.3; 0.8; 0.1 |]; [| 0.1; 2.0; -0.6 |] |]
