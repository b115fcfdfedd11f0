namespace GapLab.Workbench

open GapLab.Differentiation
open GapLab.Tensors

/// Derivatives of functions of tensors, in DiffSharp's names and order of arguments: the function first, then the point, then the direction.
/// They nest: inside an open memory scope results stay on its tape, so that a derivative can itself be differentiated. Outside any, a call
/// opens a scope of its own and its result belongs to the garbage collector.
module Differentiation =
    let private inScope (compute: unit -> Tensor) =
        if MemoryScope.IsRecording then
            compute ()
        else
            use scope = MemoryScope.Enter()
            scope.Keep(compute ())

    let private inScope2 (compute: unit -> Tensor * Tensor) =
        if MemoryScope.IsRecording then
            compute ()
        else
            use scope = MemoryScope.Enter()
            let first, second = compute ()
            scope.Keep first, scope.Keep second

    let private gradient (y: Tensor) (x: Tensor) = Gradient.Of(y, x, createGraph = true)

    let private scalar (y: Tensor) =
        if y.Count <> 1 then
            raise (
                ShapeException
                    $"A gradient is that of a single number, but the function's result has shape {y.Shape}; use jacobianTv."
            )

        y

    let private dot (a: Tensor) (b: Tensor) = (a * b).Sum()

    // A function is differentiated at an alias of the point, so that what it captures of the point itself is a constant to it.

    /// The value and the gradient of a scalar function.
    let fgrad (f: Tensor -> Tensor) (x: Tensor) =
        inScope2 (fun () ->
            let point = x.Alias()
            let y = scalar (f point)
            y, gradient y point)

    /// The gradient of a scalar function: the shape of x.
    let grad f x = snd (fgrad f x)

    /// The directional derivative of a scalar function along v.
    let gradv (f: Tensor -> Tensor) (x: Tensor) (v: Tensor) =
        inScope (fun () ->
            let point = x.Alias()
            dot (gradient (scalar (f point)) point) v)

    /// The transposed Jacobian times v: the derivative of v · f at x.
    let jacobianTv (f: Tensor -> Tensor) (x: Tensor) (v: Tensor) =
        inScope (fun () ->
            let point = x.Alias()
            Gradient.Of(f point, point, seed = v, createGraph = true))

    /// The Jacobian times v, by differentiating the transposed product (which is linear in its seed).
    let jacobianv (f: Tensor -> Tensor) (x: Tensor) (v: Tensor) =
        inScope (fun () ->
            let point = x.Alias()
            let y = f point
            let seed = Tensor.Filled(y.Device, y.Shape, 0., y.Type)
            let transposed = Gradient.Of(y, point, seed = seed, createGraph = true)
            Gradient.Of(transposed, seed, seed = v, createGraph = true))

    /// The Hessian of a scalar function times v: the shape of x.
    let hessianv (f: Tensor -> Tensor) (x: Tensor) (v: Tensor) =
        inScope (fun () ->
            let point = x.Alias()
            gradient (dot (gradient (scalar (f point)) point) v) point)

    /// Row i of a matrix is g applied to the i-th unit vector of the shape of x; each row's tape is dropped before the next.
    let private rows (device: Device) (count: int) (shape: Shape) (g: Tensor -> Tensor) =
        let row i =
            use _ = MemoryScope.Enter()
            let unit = Array.init count (fun j -> if i = j then 1. else 0.)
            (g (Tensor.Create(device, shape, unit))).ToArray()

        Array.init count row |> array2D

    /// The Jacobian of a function from a vector to a vector, [outputs, inputs].
    let jacobian (f: Tensor -> Tensor) (x: Tensor) =
        let shape =
            use _ = MemoryScope.Enter()
            (f x).Shape

        rows x.Device shape.Count shape (jacobianTv f x)

    /// The Hessian of a scalar function of a vector.
    let hessian (f: Tensor -> Tensor) (x: Tensor) = rows x.Device x.Count x.Shape (hessianv f x)

    /// The gradient of a scalar function by central differences with a relative step, for checking others.
    let numericalGrad (step: float) (f: Tensor -> Tensor) (x: Tensor) =
        Tensor.Create(x.Device, x.Shape, FiniteDifference.Gradient(f, x, step))
