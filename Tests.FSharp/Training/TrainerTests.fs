module GapLab.Tests.Training.TrainerTests

open System
open System.Collections.Generic
open System.Threading
open NUnit.Framework
open GapLab.Tensors
open GapLab.Data
open GapLab.Bounds
open GapLab.Differentiation
open GapLab.Distributions
open GapLab.Families
open GapLab.Inference
open GapLab.Models
open GapLab.Objectives
open GapLab.Optimization
open GapLab.Training
open GapLab.Tests.Models.ModelFixtures

let private glyphs = Synthetic.Glyphs(1UL, 600, 100, 0)
let private sourceOf (images: ImageSet) = ImageSource(cpu, images, Binarization.Threshold())

let private newVae seed =
    let init = RandomStream(seed, RandomPurpose.Initialization)
    let family = FactorizedGaussian(cpu, 10)
    let model = DenseModel(cpu, 10, [| 40 |], 784, Activation.Elu, OutputKind.Bernoulli, init.Fork 1UL)
    Vae(model, family, Amortized(family, cpu, 784, [| 40 |], Activation.Elu, init.Fork 2UL))

/// A rule that writes down what it is asked for and gives every parameter the same gradient, a function of the step.
type private Scripted(gradientAt: int -> float, objectiveAt: int -> float) =
    inherit TrainingRule()
    member val Steps = List<int>()
    member val Weights = List<ObjectiveWeights>()
    member val Batches = List<int[]>()
    override _.Name = "scripted"

    override this.Gradients(vae, x, _, step, weights, gradients) =
        this.Steps.Add step
        this.Weights.Add weights
        this.Batches.Add(x.Indices.ToArray())

        for i in 0 .. gradients.Length - 1 do
            gradients[i] <- Tensor.Filled(cpu, vae.Parameters[i].Shape, gradientAt step)

        Tensor.Filled(cpu, Shape x.Count, objectiveAt step, ElementType.Float64)

/// A model of little cost, and 5 datapoints, for scripted rules.
let private tiny () =
    let family = FactorizedGaussian(cpu, 1)

    Vae(
        DenseModel(cpu, 1, [||], 2, Activation.Elu, OutputKind.Bernoulli, stream 1UL),
        family,
        Amortized(family, cpu, 2, [||], Activation.Elu, stream 2UL)
    )

type private FivePoints() =
    inherit ObservationSource()
    override _.Count = 5
    override _.Description = "five points"

    override _.Batch(indices: ReadOnlySpan<int>, _: int) =
        let indices = indices.ToArray()
        observeAs cpu indices (Array.map (fun i -> [| float (i % 2); float (i / 2 % 2) |]) indices)

let private trainTiny (options: TrainerOptions) =
    let vae = tiny ()
    let bias = vae.Model.Parameters[1]
    let path = List<float>()
    Trainer(options).Train(vae, FivePoints(), null, null, (fun _ -> path.Add((bias.ToArray())[0]))) |> ignore
    path.ToArray()

let private schedule (stages: (int * float) list) =
    LearningRateSchedule [| for epochs, rate in stages -> ScheduleStage(epochs, rate) |]

[<Test>]
let ``a short run on glyphs raises the validation ELBO`` () =
    let vae, reports = newVae 1UL, List<EpochReport>()
    let trainer = Trainer(TrainerOptions(Schedule = LearningRateSchedule.Constant(6, 3e-3), BatchSize = 50))

    trainer.Train(vae, sourceOf glyphs.Train, sourceOf glyphs.Validation, (fun report -> reports.Add report))
    |> ignore

    Assert.That([ for r in reports -> r.Epoch ], equalTo [ 1..6 ])
    Assert.That([ for r in reports -> r.Epochs ], Is.All.EqualTo 6)
    // All logits zero cost 784 log 2 = 543 nats; 72 steps must take off most of it.
    Assert.That(reports[5].Validation.Elbo, Is.GreaterThan(reports[0].Validation.Elbo + 20.0))
    Assert.That(reports[5].Objective, Is.GreaterThan(reports[0].Objective + 20.0))
    Assert.That(reports[5].Validation.Elbo, Is.GreaterThan -300.0)

[<Test>]
let ``the reported validation ELBO is that of the validation data`` () =
    // A rate of zero: the parameters stay, so the ELBO can be computed afterwards, with many samples.
    let vae, reports = newVae 1UL, List<EpochReport>()

    Trainer(TrainerOptions(Schedule = LearningRateSchedule.Constant(1, 0.0)))
        .Train(vae, sourceOf glyphs.Train, sourceOf glyphs.Validation, (fun report -> reports.Add report))
    |> ignore

    use _scope = MemoryScope.Enter()
    let x = (sourceOf glyphs.Validation).Subset 100
    let lambda = vae.Inference.Infer(vae.Model, vae.Family, x, stream 1UL, 0).Final
    let many = ImportanceSampler(200).Estimate(vae.Model, vae.Family, x, lambda, stream 1UL)
    // One sample of every datapoint: its error is √200 times that of the many, and the analytic KL makes it smaller still.
    Assert.That(reports[0].Validation.Elbo, within (4.0 * sqrt 201.0 * many.Elbo.MonteCarloError) many.Elbo.Mean)

[<Test>]
let ``without validation data there is no validation ELBO`` () =
    let reports = List<EpochReport>()

    Trainer(
        TrainerOptions(
            Schedule = LearningRateSchedule.Constant(1, 1e-3),
            Rule = Scripted((fun _ -> 0.0), (fun _ -> -2.5))
        )
    )
        .Train(tiny (), FivePoints(), null, (fun report -> reports.Add report))
    |> ignore

    Assert.That(reports[0].Validation.Elbo, Is.NaN)
    Assert.That(reports[0].Objective, within 1e-12 -2.5)

[<Test>]
let ``every epoch visits every datapoint once, in an order of its own, the last batch smaller`` () =
    let rule = Scripted((fun _ -> 0.0), (fun _ -> 0.0))

    trainTiny (TrainerOptions(Schedule = LearningRateSchedule.Constant(8, 1e-3), BatchSize = 2, Rule = rule))
    |> ignore

    Assert.That(rule.Steps, equalTo [ 0..23 ])
    let epochs = rule.Batches |> Seq.chunkBySize 3 |> Seq.toArray

    for epoch in epochs do
        Assert.That([ for batch in epoch -> batch.Length ], equalTo [ 2; 2; 1 ])
        Assert.That(Array.sort (Array.concat epoch), equalTo [| 0..4 |])

    Assert.That(epochs |> Array.map Array.concat |> Array.distinct |> Array.length, Is.GreaterThan 4)

[<Test>]
let ``the weights of each epoch reach the rule`` () =
    let rule = Scripted((fun _ -> 0.0), (fun _ -> 0.0))
    let weights (position: AnnealingPosition) = ObjectiveWeights.KlAnnealing(float position.Epoch / 4.0)

    trainTiny (
        TrainerOptions(Schedule = LearningRateSchedule.Constant(4, 1e-3), BatchSize = 3, Rule = rule, Weights = weights)
    )
    |> ignore

    Assert.That(
        rule.Weights,
        equalTo [ for step in 0..7 -> ObjectiveWeights(1.0, float (step / 2) / 4.0, float (step / 2) / 4.0) ]
    )

[<Test>]
let ``weights may change from batch to batch`` () =
    let rule = Scripted((fun _ -> 0.0), (fun _ -> 0.0))

    trainTiny (
        TrainerOptions(
            Schedule = LearningRateSchedule.Constant(4, 1e-3),
            BatchSize = 2,
            Rule = rule,
            Weights = (fun position -> Annealing.KlByBatch(2, 0.4).Build position)
        )
    )
    |> ignore

    // Three batches an epoch.
    for step, weights in Seq.indexed rule.Weights do
        Assert.That(weights.Prior, within 1e-15 (min 1.0 (0.4 + 0.1 * float step)))
        Assert.That(weights, equalTo (ObjectiveWeights.KlAnnealing weights.Prior))

[<Test>]
let ``the rule is asked for each epoch's own`` () =
    let asked = List<int * int>()

    let ruleOf epoch =
        { new TrainingRule() with
            member _.Name = "of an epoch"

            member _.Gradients(vae, x, _, step, _, gradients) =
                asked.Add((epoch, step))

                for i in 0 .. gradients.Length - 1 do
                    gradients[i] <- Tensor.Filled(cpu, vae.Parameters[i].Shape, 0.0)

                Tensor.Filled(cpu, Shape x.Count, 0.0, ElementType.Float64) }

    let rule =
        { new TrainingRule() with
            member _.Name = "of epochs"
            member _.At epoch = ruleOf epoch
            member _.Gradients(_, _, _, _, _, _) = failwith "not asked" }

    trainTiny (TrainerOptions(Schedule = LearningRateSchedule.Constant(3, 1e-3), BatchSize = 3, Rule = rule))
    |> ignore

    Assert.That(asked, equalTo [ for step in 0..5 -> step / 2, step ])

[<Test>]
let ``gradient ascent moves by the clipped gradient, with momentum`` () =
    let path sgd norm =
        let rule = Scripted((fun _ -> 2.0), (fun _ -> 0.0))

        trainTiny (
            TrainerOptions(
                Schedule = LearningRateSchedule.Constant(3, 0.5),
                BatchSize = 5,
                Rule = rule,
                Sgd = sgd,
                MaximumGradientNorm = norm
            )
        )

    let free, momentum, clipped =
        path (SgdOptions()) (Nullable()),
        path (SgdOptions(Momentum = 0.9)) (Nullable()),
        path (SgdOptions()) (Nullable 1.0)

    let moves path = path |> Array.pairwise |> Array.map (fun (a, b) -> b - a)

    for expected, found in Array.zip [| 1.0; 1.0 |] (moves free) do
        Assert.That(found, within 1e-6 expected)

    for expected, found in Array.zip [| 1.9; 2.71 |] (moves momentum) do
        Assert.That(found, within 1e-6 expected)

    for found in moves clipped do
        // All gradients are equal: clipped to a norm of 1, each is 1 over the root of their number.
        Assert.That(
            found,
            within 1e-6 (0.5 / sqrt (float (Seq.sumBy (fun (p: Tensor) -> p.Count) (tiny ()).Parameters)))
        )

[<Test>]
let ``settings of gradient ascent that make no sense are refused`` () =
    let refuses words options =
        Assert.That(messageOf<GapLabException>(fun () -> trainTiny options |> ignore), Does.Contain(words: string))

    let schedule = LearningRateSchedule.Constant(1, 0.1)
    refuses "momentum" (TrainerOptions(Schedule = schedule, Sgd = SgdOptions(Momentum = 1.0)))
    refuses "norm" (TrainerOptions(Schedule = schedule, MaximumGradientNorm = Nullable 0.0))
    refuses "factor" (TrainerOptions(Schedule = schedule, Decay = PlateauDecay(Factor = 1.0)))
    refuses "validation data" (TrainerOptions(Schedule = schedule, Decay = PlateauDecay()))

[<Test>]
let ``the weights reach the objective: without KL only the likelihood is reported`` () =
    let objective weights =
        let reports = List<EpochReport>()

        let options =
            TrainerOptions(
                Schedule = LearningRateSchedule.Constant(1, 0.0),
                BatchSize = 600,
                Weights = fun _ -> weights
            )

        Trainer(options).Train(newVae 1UL, sourceOf glyphs.Train, null, (fun report -> reports.Add report)) |> ignore
        reports[0].Objective

    let elbo, likelihood, half =
        objective ObjectiveWeights.Elbo,
        objective (ObjectiveWeights.KlAnnealing 0.0),
        objective (ObjectiveWeights.KlAnnealing 0.5)

    Assert.That(elbo, Is.LessThan(likelihood - 0.01))
    // The objective is linear in the weight, with the same noise in all three runs.
    Assert.That(half, within 1e-6 (0.5 * (elbo + likelihood)))

[<Test>]
let ``each stage of the schedule has its learning rate`` () =
    // A constant gradient: every Adam step has exactly the size of the rate.
    let rule = Scripted((fun _ -> 2.0), (fun _ -> 0.0))

    let path =
        trainTiny (TrainerOptions(Schedule = schedule [ 1, 0.01; 2, 0.1; 1, 0.001 ], BatchSize = 5, Rule = rule))

    let expected = [| 0.01; 0.1; 0.1; 0.001 |] |> Array.scan (+) 0.0 |> Array.tail
    Assert.That(path, near 1e-6 expected)

[<Test>]
let ``moments are reset at the stages of a schedule if that is asked for, and else kept`` () =
    // The gradient turns round at the second stage. A new Adam takes a full step back; an old one still moves on.
    let rule () = Scripted((fun step -> if step < 3 then 1.0 else -1.0), (fun _ -> 0.0))

    let run reset =
        trainTiny (
            TrainerOptions(
                Schedule = schedule [ 3, 0.1; 1, 0.1 ],
                BatchSize = 5,
                Rule = rule (),
                ResetMomentsAtStages = reset
            )
        )

    let reset, kept = run true, run false
    Assert.That(reset[2], within 1e-6 0.3)
    Assert.That(reset[3], within 1e-6 0.2)
    // Moments: m = 0.9 (1 - 0.9³) - 0.1 = 0.1439, divided by 1 - 0.9⁴ = 0.3439; v̂ = 1.
    Assert.That(kept[3], within 1e-6 (0.3 + 0.1 * (0.9 * (1.0 - 0.9 ** 3.0) - 0.1) / (1.0 - 0.9 ** 4.0)))

[<Test>]
let ``what goes wrong in a rule is said to have happened in that epoch and step`` () =
    let rule =
        Scripted((fun _ -> 1.0), (fun step -> if step = 4 then raise (GapLabException "Something broke.") else -1.0))

    let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(9, 0.1), BatchSize = 2, Rule = rule)
    let message = messageOf<GapLabException>(fun () -> Trainer(options).Train(tiny (), FivePoints(), null) |> ignore)
    Assert.That(message, Is.EqualTo "Training stopped at epoch 2, step 5: Something broke.")

[<Test>]
let ``an objective that is not finite stops training with its epoch and step`` () =
    for value in [ nan; infinity; -infinity ] do
        let vae = tiny ()
        let rule = Scripted((fun _ -> 1.0), (fun step -> if step = 4 then value else -1.0))
        let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(9, 0.1), BatchSize = 2, Rule = rule)
        let message = messageOf<GapLabException>(fun () -> Trainer(options).Train(vae, FivePoints(), null) |> ignore)

        Assert.That(
            message,
            Does
                .StartWith("Training stopped at epoch 2, step 5: the objective is")
                .And.Contains("smaller learning rate")
        )
        // Four updates were made, and none with the objective that failed.
        Assert.That((vae.Model.Parameters[1].ToArray())[0], within 1e-6 0.4)

[<Test>]
let ``the seed decides the result, and nothing else does`` () =
    let train seed =
        let vae = newVae 1UL

        Trainer(TrainerOptions(Schedule = LearningRateSchedule.Constant(1, 1e-3), Seed = seed))
            .Train(vae, sourceOf glyphs.Train, null)
        |> ignore

        bitsOf vae.Parameters

    let first = train 1UL
    Assert.That(train 1UL, equalTo first)
    Assert.That(train 2UL, Is.Not.EqualTo first)

[<Test>]
let ``validation and reports do not change what is trained`` () =
    let train (validation: ObservationSource) =
        let vae = newVae 1UL

        Trainer(TrainerOptions(Schedule = LearningRateSchedule.Constant(2, 1e-3), BatchSize = 200))
            .Train(vae, sourceOf glyphs.Train, validation)
        |> ignore

        bitsOf vae.Parameters

    Assert.That(train (sourceOf glyphs.Validation), equalTo (train null))

[<Test>]
let ``progress reaches one, and cancellation stops between two steps`` () =
    let told = List<float>()
    let rule = Scripted((fun _ -> 0.0), (fun _ -> 0.0))
    let options = TrainerOptions(Schedule = LearningRateSchedule.Constant(2, 0.1), BatchSize = 2, Rule = rule)
    Trainer(options).Train(tiny (), FivePoints(), null, null, (fun fraction -> told.Add fraction)) |> ignore
    Assert.That(told, near 1e-12 [| for step in 1..6 -> float step / 6.0 |])
    rule.Steps.Clear()
    use stop = new CancellationTokenSource()

    Assert.Catch<OperationCanceledException>(
        Action(fun () ->
            Trainer(options)
                .Train(
                    tiny (),
                    FivePoints(),
                    null,
                    null,
                    (fun done' ->
                        if done' > 0.3 then
                            stop.Cancel()),
                    cancellation = stop.Token
                )
            |> ignore)
    )
    |> ignore

    Assert.That(rule.Steps, equalTo [ 0; 1 ])
