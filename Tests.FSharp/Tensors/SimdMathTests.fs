module GapLab.Tests.Tensors.SimdMathTests

#nowarn "9" // native pointers: the functions under test take them

open System
open System.Runtime.Intrinsics
open FSharp.NativeInterop
open NUnit.Framework
open FsCheck
open FsCheck.NUnit
open GapLab.Tensors.Cpu

/// A function of whole arrays, as the CPU device runs it.
let private over<'operation when 'operation :> IUnaryOperation> (x: float32[]) =
    let y = Array.zeroCreate<float32> x.Length
    use px = fixed x
    use py = fixed y
    SimdMath.Apply<'operation>(px, py, nativeint x.Length)
    y

let private bits (x: float32) = BitConverter.SingleToUInt32Bits x

/// Equal bits, all NaNs being one.
let private same (x: float32) (y: float32) = bits x = bits y || (Single.IsNaN x && Single.IsNaN y)

// float64 references with relative accuracy near 0: log1p by Kahan's correction, expm1 from sinh and a Taylor
// polynomial.
let private expm1 (x: float) =
    if abs x < 1e-5 then x + x * x / 2.0 + x * x * x / 6.0
    elif abs x < 1.0 then 2.0 * Math.Exp(x / 2.0) * Math.Sinh(x / 2.0)
    else Math.Exp x - 1.0

let private log1p (t: float) =
    let u = 1.0 + t

    if u = 1.0 then t
    elif Double.IsInfinity u then u
    else Math.Log u * (t / (u - 1.0))

let private sigmoid (a: float) =
    if a >= 0.0 then 1.0 / (1.0 + Math.Exp(-a)) else Math.Exp a / (1.0 + Math.Exp a)

let private softplus (a: float) = max a 0.0 + log1p (Math.Exp(-(abs a)))

/// Error in units in the last place of the float32 nearest to the exact value (of 2^-149 where that is denormal).
let private ulps (exact: float) (obtained: float32) =
    let nearest = float32 exact

    if Double.IsNaN exact then
        (if Single.IsNaN obtained then 0.0 else infinity)
    elif same nearest obtained then
        0.0
    elif Single.IsInfinity nearest || not (Single.IsFinite obtained) then
        infinity
    else
        abs (float obtained - exact) / float (MathF.BitIncrement(abs nearest) - abs nearest)

/// Float32 numbers at equal steps of their bit patterns: denormals to the largest magnitude, NaNs and infinities.
let private patterns step =
    [| for b in 0u .. step .. UInt32.MaxValue - step -> BitConverter.UInt32BitsToSingle b |]

let private linear (low: float) high count =
    Array.init count (fun i -> float32 (low + (high - low) * float i / float (count - 1)))

let private specials =
    [| 0f
       -0f
       Single.Epsilon
       -Single.Epsilon
       1e-40f
       -1e-40f
       1.17549435e-38f
       -1.17549435e-38f
       1e-20f
       -1e-20f
       1f
       -1f
       100f
       -100f
       87.5f
       -87.5f
       88.72283f
       88.72284f
       -103.9f
       -104f
       -104.1f
       1e30f
       -1e30f
       Single.MaxValue
       -Single.MaxValue
       infinityf
       -infinityf
       nanf
       0.75f
       1.5f
       0.99999994f
       1.0000001f
       16777216f
       1073741824f
       1.0737419e9f |]

/// Name, function, float64 reference, stated bound in ulp.
let private functions: (string * (float32[] -> float32[]) * (float -> float) * float) list =
    [ "Exp", over<ExpOperation>, Math.Exp, 1.0
      "ExpM1", over<ExpM1Operation>, expm1, 2.0
      "Log", over<LogOperation>, Math.Log, 2.0
      "Log1p", Array.map abs >> over<Log1pOperation>, abs >> log1p, 2.0
      "Sigmoid", over<SigmoidOperation>, sigmoid, 3.0
      "Softplus", over<SoftplusOperation>, softplus, 4.0
      "Tanh", over<TanhOperation>, Math.Tanh, 3.0
      "Elu", over<EluOperation>, (fun x -> if x >= 0.0 then x else expm1 x), 2.0
      "Relu", over<ReluOperation>, (fun x -> Math.Max(x, 0.0)), 0.0 ]

/// The bound of each function is the one its documentation states.
[<Test>]
let ``elementary functions stay within their stated number of ulps of float64`` () =
    let grid = Array.concat [ patterns 40009u; linear -110.0 110.0 200001; linear -2.0 2.0 200001; specials ]

    for name, f, exact, bound in functions do
        let errors = Array.map2 (fun (x: float32) y -> ulps (exact (float x)) y) grid (f grid)
        let worst = Array.max errors
        let at = grid[Array.findIndex ((=) worst) errors]
        TestContext.Out.WriteLine $"{name}: at most {worst:F3} ulp, at {at:R}"
        Assert.That(worst, Is.LessThanOrEqualTo bound, $"{name} at {at:R}")

[<Test>]
let ``limits and signed zeros are exact`` () =
    let check (name: string) (pairs: (float32 * float32) list) =
        let f = functions |> List.pick (fun (n, f, _, _) -> if n = name then Some f else None)

        for x, expected in pairs do
            let y = Array.head (f [| x |])
            Assert.That(same y expected, $"{name} {x:R} = {y:R}, not {expected:R}")

    let i = infinityf
    check "Exp" [ 0f, 1f; -0f, 1f; i, i; -i, 0f; nanf, nanf; 100f, i; -104.1f, 0f; -Single.MaxValue, 0f ]
    check "ExpM1" [ 0f, 0f; -0f, -0f; i, i; -i, -1f; nanf, nanf; -100f, -1f; 1e-40f, 1e-40f; 100f, i ]
    check "Log" [ 1f, 0f; 0f, -i; -0f, -i; i, i; -1f, nanf; -i, nanf; -1e-40f, nanf; nanf, nanf ]
    check "Log1p" [ 0f, 0f; i, i; nanf, nanf; 1e-40f, 1e-40f ]
    check "Sigmoid" [ 0f, 0.5f; -0f, 0.5f; i, 1f; -i, 0f; nanf, nanf; 100f, 1f ]
    check "Softplus" [ i, i; -i, 0f; nanf, nanf; 100f, 100f ]
    check "Tanh" [ 0f, 0f; -0f, -0f; i, 1f; -i, -1f; nanf, nanf; 1e-40f, 1e-40f; -1e-40f, -1e-40f; 100f, 1f ]
    check "Elu" [ 0f, 0f; -0f, -0f; i, i; -i, -1f; nanf, nanf; 100f, 100f; -100f, -1f; -1e-40f, -1e-40f ]
    check "Relu" [ 0f, 0f; -0f, 0f; i, i; -i, 0f; nanf, nanf; 1e-40f, 1e-40f; -1e-40f, 0f ]

// e^-100 = 3.7200759760208360e-44 (bc: e(-100)) lies between denormal float32 numbers, 26.5 times 2^-149.
[<Test>]
let ``a logit of -100 underflows gradually`` () =
    for f in [ over<ExpOperation>; over<SigmoidOperation>; over<SoftplusOperation> ] do
        let y = Array.head (f [| -100f |])
        Assert.That(abs (float y - 3.7200759760208360e-44), Is.LessThanOrEqualTo 1.41e-45)

[<Property>]
let ``an element's bits depend on its value only`` (seed: int) (PositiveInt length) (NonNegativeInt skip) =
    let random = Random seed
    let length = 1 + length % 100
    let skip = skip % length

    let x =
        Array.init length (fun _ ->
            if random.Next 4 = 0 then
                specials[random.Next specials.Length]
            else
                float32 (random.NextDouble() * 40.0 - 20.0))

    functions
    |> List.forall (fun (_, f, _, _) ->
        let whole = f x

        Array.forall2 same whole[skip..] (f x[skip..])
        && Array.forall2 same whole (Array.collect (Array.singleton >> f) x))

[<Test>]
let ``functions work in place and write nothing beyond the end`` () =
    for n in [ 0; 1; 15; 16; 17; 33 ] do
        let x = Array.init 64 (fun i -> float32 i / 8f - 3f)
        let expected = Array.append (over<TanhOperation> x[.. n - 1]) x[n..]
        use p = fixed x
        SimdMath.Apply<TanhOperation>(p, p, nativeint n)
        Assert.That(x, Is.EqualTo<float32[]> expected, $"n = {n}")

[<Test>]
let ``the joint function has the bits of sigmoid and softplus`` () =
    for a in Array.concat [ specials; linear -110.0 110.0 10007 ] do
        let mutable softplus = Vector512<float32>.Zero
        let sigmoid = SimdMath.SigmoidAndSoftplus(Vector512.Create a, &softplus)
        Assert.That(same (sigmoid.ToScalar()) (Array.head (over<SigmoidOperation> [| a |])), $"sigmoid {a}")
        Assert.That(same (softplus.ToScalar()) (Array.head (over<SoftplusOperation> [| a |])), $"softplus {a}")

[<Property>]
let ``tanh is odd and sigmoids of opposite logits add to one`` (x: float32) =
    let t = over<TanhOperation> [| x; -x |]
    let s = over<SigmoidOperation> [| x; -x |]
    same t[0] (-t[1]) && (Single.IsNaN x || abs (s[0] + s[1] - 1f) <= 1.2e-7f)

// FNV-1a over the result bits, NaNs as 7fc00000. The constants were obtained on the 512-bit path; the 256-bit and the
// 128-bit path (DOTNET_EnableAVX512=0, DOTNET_EnableAVX2=0) must give the same.
[<Test>]
let ``every SIMD path has the same bits`` () =
    let x = Array.concat [ patterns 1000003u; linear -110.0 110.0 4099; specials ]

    let hash (y: float32[]) =
        (14695981039346656037UL, y)
        ||> Array.fold (fun h v -> (h ^^^ uint64 (if Single.IsNaN v then 0x7FC00000u else bits v)) * 1099511628211UL)

    let obtained = [| for name, f, _, _ in functions -> $"{name} {hash (f x):x16}" |]

    let expected =
        [| "Exp 15bbba4dac14b69b"
           "ExpM1 b39e25b1b4c5693e"
           "Log 16ea41840e128ebc"
           "Log1p a068ea785b234626"
           "Sigmoid 4517fb2f89707cff"
           "Softplus b8732e8617d52ab2"
           "Tanh 46883ae74837f36a"
           "Elu c4cfbf54d7611e05"
           "Relu 4d943ad631768a9f" |]

    Assert.That(obtained, Is.EqualTo<string[]> expected, String.Join("\n", obtained))

[<Test>]
let ``the vectors are as wide as the run is meant to test`` () =
    match Environment.GetEnvironmentVariable "GAPLAB_VECTOR_BITS" with
    | null -> Assert.Pass "Any width will do in this run."
    | bits ->
        let widest =
            if Vector512.IsHardwareAccelerated then 512
            elif Vector256.IsHardwareAccelerated then 256
            else 128

        // A processor may have narrower vectors than the run could use.
        Assert.That(widest, Is.LessThanOrEqualTo(int bits))
