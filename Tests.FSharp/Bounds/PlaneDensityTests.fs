/// Densities over the plane of which everything is known: Gaussians and mixtures of them.
module GapLab.Tests.Bounds.PlaneDensityTests

open System
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Bounds
open GapLab.Tensors
open GapLab.Tests.Models.ModelFixtures
open GapLab.Tests.Checks

/// N((mx, my), covariance of standard deviations sx, sy and correlation r).
type private Normal = { Mx: float; My: float; Sx: float; Sy: float; R: float }

let private logNormal n (x: float) (y: float) =
    let u, v = (x - n.Mx) / n.Sx, (y - n.My) / n.Sy
    let rest = 1. - n.R * n.R

    -(u * u - 2. * n.R * u * v + v * v) / (2. * rest) - log (2. * Math.PI * n.Sx * n.Sy * sqrt rest)

/// KL(a ‖ b) in closed form.
let private divergence a b =
    let rest = 1. - b.R * b.R
    // Σ_b⁻¹ = [[p, q], [q, s]].
    let p, s, q = 1. / (b.Sx * b.Sx * rest), 1. / (b.Sy * b.Sy * rest), -b.R / (b.Sx * b.Sy * rest)
    let dx, dy = a.Mx - b.Mx, a.My - b.My
    let trace = p * a.Sx * a.Sx + s * a.Sy * a.Sy + 2. * q * a.R * a.Sx * a.Sy
    let quadratic = p * dx * dx + s * dy * dy + 2. * q * dx * dy
    let logDeterminant n = 2. * log (n.Sx * n.Sy) + log (1. - n.R * n.R)
    0.5 * (trace + quadratic - 2. + logDeterminant b - logDeterminant a)

/// The values of a function at the points of a grid.
let private valuesOn (f: float -> float -> float) (grid: PlaneGrid) =
    [| for row in 0 .. grid.Size - 1 do
           for column in 0 .. grid.Size - 1 -> f (grid.X column) (grid.Y row) |]

let private find f = PlaneDensity.Find(valuesOn f)

/// A function of the seed: somewhere within 3 of the origin, standard deviations of 0.05 to 1, correlations of -0.95 to 0.95.
let private randomNormal (s: RandomStream) =
    let between low high at = low + (high - low) * s.Uniform at

    { Mx = between -3. 3. 0
      My = between -3. 3. 1
      Sx = exp (between (log 0.05) 0. 2)
      Sy = exp (between (log 0.05) 0. 3)
      R = between -0.95 0.95 4 }

[<Property(MaxTest = 30)>]
let ``integral, moments and divergences of Gaussians are those in closed form`` (seed: uint64) =
    let a, b = randomNormal ((stream seed).At 1), randomNormal ((stream seed).At 2)
    let density = find (fun x y -> logNormal a x y - 123.)
    near 1e-6 -123. density.LogIntegral
    holds "the error is told" (density.QuadratureError <= 1e-6)
    near 1e-6 a.Mx density.MeanX
    near 1e-6 a.My density.MeanY
    near (1e-6 * a.Sx * a.Sx) (a.Sx * a.Sx) density.VarianceX
    near (1e-6 * a.Sy * a.Sy) (a.Sy * a.Sy) density.VarianceY
    near 1e-6 a.R density.Correlation
    let expected = divergence a b
    near (1e-6 * max 1. expected) expected (density.DivergenceFrom(valuesOn (logNormal b) density.Grid))
    near 1e-12 0. (density.DivergenceFrom(density.LogDensities()))
    near 1e-9 (a.Mx * a.Mx + a.Sx * a.Sx) (density.Expectation(valuesOn (fun x _ -> x * x) density.Grid))

    let mode = Seq.exactlyOne (density.Modes())
    near 1e-9 1. mode.Weight
    equal infinity mode.Depth

    holds
        "the mode is near the mean"
        (abs (mode.X - a.Mx) <= density.Grid.StepX && abs (mode.Y - a.My) <= density.Grid.StepY)

    equal 0. (density.Bimodality())

[<Test>]
let ``a region of probability P of a Gaussian ends where the density is 1 - P of the highest`` () =
    let density = find (logNormal { Mx = 1.; My = -1.; Sx = 0.5; Sy = 0.2; R = 0.7 })
    let highest = Array.max (density.LogDensities())

    for probability in [ 0.1; 0.5; 0.95; 0.999 ] do
        near 0.02 (log (1. - probability)) (density.LogLevel probability - highest)

    for wrong in [ 0.; 1.; nan ] do
        throws<GapLabException> [ "between 0 and 1" ] (fun () -> density.LogLevel wrong |> ignore)

let private at x y sd = { Mx = x; My = y; Sx = sd; Sy = sd; R = 0. }

let private mixture (parts: (float * Normal) list) x y =
    let terms = [ for weight, part in parts -> log weight + logNormal part x y ]
    let most = List.max terms
    most + log (terms |> List.sumBy (fun term -> exp (term - most)))

[<Test>]
let ``separate modes have the weights of their parts, and the depth of the saddle between them`` () =
    let parts = [ 0.5, at -1. 0. 0.1; 0.3, at 0. 0. 0.1; 0.2, at 0. 2. 0.1 ]
    let f = mixture parts
    let density = find f
    let modes = density.Modes() |> List.ofSeq
    equal [ infinity ] [ for mode in modes.[..0] -> mode.Depth ]

    for (weight, part), mode in List.zip parts modes do
        near 1e-3 weight mode.Weight
        near density.Grid.StepX part.Mx mode.X
        near density.Grid.StepY part.My mode.Y
        near 0.1 (f part.Mx part.My) mode.LogDensity
    // Between equal widths the saddle lies on the straight way; from the third mode that is the way to the second.
    let saddle (x0, y0) (x1, y1) =
        Seq.min (seq { for t in 0. .. 0.001 .. 1. -> f (x0 + t * (x1 - x0)) (y0 + t * (y1 - y0)) })

    near 0.1 (f 0. 0. - saddle (0., 0.) (-1., 0.)) modes[1].Depth
    near 0.2 (f 0. 2. - saddle (0., 2.) (0., 0.)) modes[2].Depth
    near 1e-3 0.3 (density.Bimodality())

[<Test>]
let ``a maximum from which the density hardly falls is a ripple, and counts with its neighbour`` () =
    let density = find (mixture [ 0.4, at -0.25 0. 0.2; 0.4, at 0.25 0. 0.2; 0.2, at 0. 3. 0.2 ])
    let all = density.Modes 1e-6
    equal 3 all.Count
    let lesser = all |> Seq.map _.Depth |> Seq.min
    holds "two parts run into each other" (lesser > 0.01 && lesser < 0.5)
    let clear = density.Modes 0.5
    equal 2 clear.Count
    near 1e-3 0.8 clear[0].Weight
    near 1e-3 0.2 clear[1].Weight
    near 1e-3 0.2 (density.Bimodality())

[<Property(MaxTest = 30)>]
let ``the basins of any rugged surface make up all of it`` (seed: uint64) =
    // Independent values, some equal: islands meet by twos, threes and fours.
    let noise = stream seed
    let grid = PlaneGrid.Square(1., 31)
    let heights = [| for i in 0 .. grid.Count - 1 -> float (noise.Below(200, i)) / 20. |]
    let density = PlaneDensity(grid, heights)

    for depth in [ 1e-9; 0.1; 1.; 5.; 100. ] do
        let modes = density.Modes depth
        near 1e-9 1. (modes |> Seq.sumBy _.Weight)
        equal infinity modes[0].Depth
        near 1e-9 (Array.max (density.LogDensities())) modes[0].LogDensity
        holds "deep enough" (modes |> Seq.forall (fun mode -> mode.Depth >= depth))
        holds "falling" (modes |> Seq.pairwise |> Seq.forall (fun (a, b) -> a.LogDensity >= b.LogDensity))

    equal 1 (density.Modes(100.).Count)

[<Test>]
let ``bimodality falls with the saddle's depth and the smaller part's weight`` () =
    let bimodality weight distance =
        (find (mixture [ 1. - weight, at 0. 0. 0.2; weight, at distance 0. 0.2 ])).Bimodality()

    near 1e-3 0.5 (bimodality 0.5 2.)
    near 1e-3 0.1 (bimodality 0.1 2.)
    near 1e-3 0.1 (bimodality 0.9 2.)
    holds "a shallow saddle" (bimodality 0.5 0.6 < 0.4 && bimodality 0.5 0.6 > 0.05)
    equal 0. (bimodality 0.5 0.3)

[<Test>]
let ``narrow, remote and separate masses are found`` () =
    for part in [ at 3.1 -2.7 0.01; at 30. -12. 0.5; at 0. 0. 0.003; at 0.01 0.02 5. ] do
        near 1e-6 0. (find (logNormal part)).LogIntegral
    // The mass between them is nothing: the grid is refined until it serves both.
    let far = find (mixture [ 0.5, at -5. -5. 0.05; 0.5, at 5. 5. 0.05 ])
    near 1e-6 0. far.LogIntegral
    near 1e-6 0. far.MeanX
    equal 2 (far.Modes().Count)

[<Test>]
let ``densities that cannot be integrated are refused`` () =
    throws<GapLabException> [ "512"; "normalised" ] (fun () -> find (fun _ _ -> 0.) |> ignore)
    throws<GapLabException> [ "-Infinity" ] (fun () -> find (fun _ _ -> nan) |> ignore)
    throws<GapLabException> [ "Infinity" ] (fun () -> find (fun _ _ -> infinity) |> ignore)
    let grid = PlaneGrid.Square(1., 5)
    throws<ShapeException> [ "25 points"; "3 values" ] (fun () -> PlaneDensity(grid, Array.zeroCreate 3) |> ignore)
    let density = PlaneDensity(grid, Array.zeroCreate 25)
    throws<ShapeException> [ "25 points"; "3 values" ] (fun () -> density.Expectation(Array.zeroCreate 3) |> ignore)
    throws<ShapeException> [ "25 points"; "3 values" ] (fun () -> density.DivergenceFrom(Array.zeroCreate 3) |> ignore)

    for wrong in
        [ (fun () -> PlaneGrid(1., 1., 0., 1., 5))
          (fun () -> PlaneGrid(0., infinity, 0., 1., 5))
          (fun () -> PlaneGrid.Square(nan, 5)) ] do
        throws<GapLabException> [ "width and height" ] (wrong >> ignore)

    for size in [ 3; 6 ] do
        throws<GapLabException> [ "odd"; string size ] (fun () -> PlaneGrid.Square(1., size) |> ignore)

[<Test>]
let ``where a density vanishes it adds nothing, and where only the other one does the divergence is infinite`` () =
    let grid = PlaneGrid.Square(1., 5)
    let half = valuesOn (fun x _ -> if x > 0. then 0. else -infinity) grid
    let density = PlaneDensity(grid, half)
    near 1e-12 0. (density.DivergenceFrom(density.LogDensities()))
    equal infinity (PlaneDensity(grid, Array.zeroCreate 25).DivergenceFrom(density.LogDensities()))
    holds "the rest of the plane" (density.Expectation(Array.map (fun v -> if v = 0. then 1. else nan) half) = 1.)
