// Table 2 of "Inference Suboptimality in Variational Autoencoders" (Cremer, Li and Duvenaud 2018), FFG column:
// how far a VAE's approximate posterior is from the best one, and which part of that is the encoder's fault.
//
//   dotnet fsi Scripts/table2.fsx --dataset binarized-mnist --preset small
#load "built.fsx"
#load "gaplab.fsx"

open System
open System.Diagnostics
open System.Runtime.InteropServices
open System.Runtime.Intrinsics
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Tensors.Cpu
open GapLab.Workbench
open GapLab.Workbench.Tables

/// The paper's FFG column: log p̂, L[q*], L[q]; approximation, amortization and inference gap.
let published =
    Map
        [ "binarized-mnist", [ -89.80; -91.23; -92.57; 1.43; 1.34; 2.77 ]
          "fashion-mnist", [ -97.47; -100.53; -104.75; 3.06; 4.22; 7.28 ] ]

let simdBits =
    if Vector512.IsHardwareAccelerated then 512
    elif Vector256.IsHardwareAccelerated then 256
    else 128

let exitCode =
    Cli.run fsi.CommandLineArgs "Inference gaps of a VAE with a factorised Gaussian posterior." (fun options ->
        let watch = Stopwatch.StartNew()
        let presetName = options.GetResult(Preset, "smoke")
        let settings = Suboptimality.preset presetName
        let dataset = options.GetResult(Dataset, (if presetName = "smoke" then "glyphs" else "binarized-mnist"))
        let seed = options.GetResult(Seed, 1UL)
        options.TryGetResult Out |> Option.iter checkOutput

        let data = Suboptimality.load dataset (options.TryGetResult Data) settings
        let vae = Suboptimality.build settings data.Set.Train.PixelCount seed

        Suboptimality.train settings seed data vae (fun epoch ->
            if epoch.Epoch = epoch.Epochs && not (Double.IsNaN epoch.ValidationElbo) then
                eprintfn "epoch %d: validation ELBO %s" epoch.Epoch (nats epoch.ValidationElbo))

        let train = Suboptimality.measure settings seed vae "training points" data.Train
        let test = Suboptimality.measure settings seed vae "test points" data.Test

        let bound name (value: Suboptimality.Measurement -> BoundEstimate) =
            let cell measurement =
                let estimate = value measurement
                Estimate(estimate.Mean, estimate.MonteCarloError)

            name, [ cell train; cell test ]

        let gap name (value: Gaps -> Gap) =
            let cell (measurement: Suboptimality.Measurement) =
                let gap = value measurement.Gaps
                Interval(gap.Value, gap.Low, gap.High)

            name, [ cell train; cell test ]

        let rates (measurement: Suboptimality.Measurement) =
            let rates = measurement.Ais.AcceptanceRates
            Text(sprintf "%.2f to %.2f" (Array.min rates) (Array.max rates))

        let steps (measurement: Suboptimality.Measurement) =
            let mean = measurement.LocalSteps |> Array.averageBy float
            Text(sprintf "%.0f (%d of %d)" mean measurement.LocallyConverged measurement.Points)

        let rows =
            [ bound "log p̂ (larger average)" (fun m -> m.Gaps.LogMarginal)
              bound "L[q*]" (fun m -> m.Optimal.Elbo)
              bound "L[q]" (fun m -> m.Inferred.Elbo)
              gap "approximation gap  log p̂ - L[q*]" (fun g -> g.Approximation)
              gap "amortization gap  L[q*] - L[q]" (fun g -> g.Amortization)
              gap "inference gap  log p̂ - L[q]" (fun g -> g.Inference) ]

        let paper =
            match Map.tryFind dataset published with
            | Some values -> List.map Value values
            | None -> rows |> List.map (fun _ -> Missing)

        let diagnostics =
            [ bound "IWAE of q*" (fun m -> m.Optimal.Iwae)
              bound "AIS" (fun m -> m.Ais.LogMarginal)
              bound "IWAE of q" (fun m -> m.Inferred.Iwae)
              "AIS acceptance rates", [ rates train; rates test ]
              "local steps, mean (converged)", [ steps train; steps test ] ]

        let table =
            { Title = $"Inference gaps of a VAE on {dataset}, factorised Gaussian (FFG), in nats"
              Notes =
                [ $"Preset {presetName}, seed {seed}; {vae.Model.Name}, encoder {vae.Inference.Name}; trained on {data.Train.Count} images of {data.Train.Description}."
                  $"{settings.Points} random training and test points, the same for every seed. ± is the Monte-Carlo standard error for these points, [ ] the {100. * train.Gaps.Level:F0} %% bootstrap interval over points."
                  "q is the encoder's posterior, q* the best factorised Gaussian of each point. log p̂ is the larger of the averages of IWAE (of q*) and AIS, both lower bounds on log p(x) in expectation."
                  "The amortization and inference gaps tend to be underestimates; the approximation gap errs to an unknown side."
                  $"Training and local optimisation evaluate the KL analytically. AIS: {Suboptimality.aisNote settings}. SIMD: {simdBits} bits. GapLab {Suboptimality.version}, {RuntimeInformation.FrameworkDescription}."
                  data.Set.Provenance
                  for file in data.Set.Files do
                      $"{IO.Path.GetFileName file.Path}: sha256 of the unpacked bytes {file.Sha256}" ]
                @ Suboptimality.settingNotes settings
              Columns = [ "training points"; "test points"; "published (paper's training points)" ]
              Rows =
                List.map2 (fun (name, cells) paper -> name, cells @ [ paper ]) rows paper
                @ [ for name, cells in diagnostics -> name, cells @ [ Missing ] ] }

        print table
        options.TryGetResult Out |> Option.iter (fun file -> write file table)

        printfn
            "%s; peak memory %d MB, of tensors %d MB."
            (watch.Elapsed.ToString @"h\:mm\:ss")
            (Process.GetCurrentProcess().PeakWorkingSet64 >>> 20)
            (CpuDevice.Instance.PeakBytes >>> 20))

exit exitCode
