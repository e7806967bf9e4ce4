"""Docstrings from the registry: formula, arguments with shapes and dtypes, what it raises, bound, source."""

from .entries import DOMAINS


def _bounds(entry, names):
    rows = []
    for dtype, bounds in entry.ulp.items():
        rows.append(f"    {dtype}: " + ", ".join(f"{name} ≤ {bound} ULP" for name, bound in zip(names, bounds, strict=True)))
    return "\n".join(rows)


def _narrow_bounds(entry, digits):
    """Half a unit, and what float32 is off by: 2^-digits of its own bound."""
    value, derivative = (f"{0.5 + bound * 2.0**-digits:.5f}" for bound in entry.ulp["float32"])
    return f"value ≤ {value} ULP, derivative ≤ {derivative} ULP"


def _number(value):
    return {float("inf"): "∞", float("-inf"): "−∞"}.get(value, f"{value:g}")


def activation(entry):
    """The docstring of an activation."""
    low, high = (_number(v) for v in entry.range)
    params = "".join(
        f"    {p.name}: {p.meaning}; scalar or array that broadcasts against x, cast to x's dtype; default {p.default}\n"
        for p in entry.params
    )
    kinks = ", ".join(_number(x) for x in entry.kinks)
    sides = [f"{kind} on the {side}" for kind, side in zip(entry.saturation, ("left", "right"), strict=True) if kind]
    facts = [
        f"range {low} … {high}",
        "monotone" if entry.monotone else "not monotone",
        f"derivative jumps at {kinks}" + (f" unless {entry.smooth_if}" if entry.smooth_if else "") if kinks else "smooth",
        f"saturates ({', '.join(sides)})" if sides else "does not saturate",
        "zero-centred" if entry.odd else "not zero-centred",
    ]
    remark = f"Limits: {entry.remark}.\n" if entry.remark else ""
    learned = [p.name for p in entry.params if p.learned]
    backward = f"(g·f'(x), gradient for {learned[0]} summed to its shape)" if learned else "g·f'(x)"
    return f"""{entry.name}(x) = {entry.formula}

Methods: {entry.name}.grad(x) → f'(x), {entry.name}.value_and_grad(x) → both in one pass,
    {entry.name}.backward(g, x) → {backward}.

Arguments
    x: array-like of real numbers, any shape, strides and order. float32 and float64 keep their dtype, as do float16 and the
        bfloat16 of ml_dtypes, which are computed in float32 and rounded once; bool and integers up to 16 bits are computed and
        returned in float32, wider integers in float64; no units.
{params}    out: array of the result's shape for the result (value_and_grad: a tuple of two); may be x itself
    where: bool mask that broadcasts with x; elsewhere `out` is left alone, a fresh result is 0
    dtype: float16, bfloat16, float32 or float64, overrides x's

Raises
    TypeError: x or a parameter is complex, text or object; out is not a floating-point array
    ValueError: shapes do not broadcast; out has another shape, is read-only, or two outputs overlap

Properties: {"; ".join(facts)}.
{remark}Error bound against the exact value and derivative (all levels with FMA):
{_bounds(entry, ("value", "derivative"))}
    float16: {_narrow_bounds(entry, 13)}
    bfloat16: {_narrow_bounds(entry, 16)}
Source: {entry.paper}.
"""


def ufunc(entry, kind):
    """The docstring of one of the ufuncs below an activation."""
    inputs = ", ".join(["x", *(p.name for p in entry.params)])
    text = {
        "value": f"f({inputs})",
        "grad": f"f'({inputs})",
        "value_and_grad": f"(f, f')({inputs}) in one pass",
        "backward": f"g·f'({inputs}), first argument g",
    }[kind]
    return (
        f"{text} with f = {entry.formula}, elementwise, float16, float32 and float64. A numpy.ufunc; see actloss_c.{entry.name}."
    )


def loss(entry):
    """The docstring of a loss over rows."""
    z = entry.variable
    given = {"z": "logits", "a": "probabilities in [0, 1]; NaN passes"}[z]
    options = "".join(f"    {o.name}: {o.meaning}; default {o.default!r}\n" for o in entry.options)
    remarks = "\n".join(entry.remarks)
    outside = "    ValueError: a prediction lies outside [0, 1]\n" if z == "a" else ""
    labels = "labels or a distribution, told apart by shape. Labels" if entry.soft else "labels"
    distribution = f". Distribution: shape of {z}, entries ≥ 0, cast to {z}'s dtype" if entry.soft else ""
    return f"""{entry.name}({z}, target) = {entry.formula}, per row, reduced over the batch

Gradient {entry.gradient}; Hessian {entry.hessian}; both are those of the reduced loss ("sum", "none": unscaled).
Methods: .grad → g, .value_and_grad → (loss, g), .grad_and_hess → (g, h), .value_grad_and_hess → (loss, g, h), each in one pass;
    .objective(target, X) → what scipy.optimize.minimize takes.

Arguments
    z: {given}, array-like of real numbers with at least one axis; float32 and float64 keep their dtype
    target: {labels}: shape of {z} without `axis`, whole numbers in [0, classes) of any integer
        width or as floats, bool for up to two classes{distribution}
    axis: the axis of the classes, default −1; no copy is made for any other
    reduction: "mean" (Σ wᵢ lossᵢ / Σ wᵢ), "sum" or "none" (one loss per row); sums are in float64, in an order that
        depends on the shape alone
    sample_weight: one real weight per row, multiplies its loss, gradient and Hessian
    out: for value_and_grad the gradient's array, which may be {z} itself; for (g, h) a tuple of two; for the value with
        reduction="none" the losses' array
{options}
{remarks}

Returns the loss as a float, or as an array of {z}'s dtype for reduction="none".

Raises, before anything is written
    IndexError: a label lies outside [0, classes); the first such row and its value are named
    ValueError: a label is NaN or not whole; an entry of a distribution is negative or not finite; an option is out of range;
        shapes differ; out is read-only or overlaps anything but {z} itself exactly
    TypeError: {z} or target is not real; bool labels for more than two classes; an unknown option
{outside}
Error bound of one row's results with a label against the exact ones (all levels with FMA):
{_bounds(entry, ("loss", "gradient", "Hessian"))}
Source: {entry.paper}.
"""


def pair_loss(entry):
    """The docstring of a loss over pairs."""
    terms = "".join(f"    {name} = {term}\n" for name, term in entry.terms.items())
    params = "".join(f"    {p.name}: {p.meaning}; default {p.default}{_may_be(p)}\n" for p in entry.params)
    remark = f"Conventions: {entry.remark}.\n" if entry.remark else ""
    cancels = ", where terms cancel in units of the largest one" if any(entry.scale) else ""
    return f"""{entry.name}({entry.variable}, target) = {entry.formula}, per element, reduced over all of them

Gradient {entry.gradient};
Hessian {entry.hessian}; both by {entry.variable}, of the reduced loss ("sum", "none": unscaled){", with" if terms else "."}
{terms}Methods: .grad → g, .value_and_grad → (loss, g), .grad_and_hess → (g, h), .value_grad_and_hess → (loss, g, h), each in one
    pass; .objective(target, X) → what scipy.optimize.minimize takes.

Arguments
    z: predictions, {entry.variable} in the formula{_domain(entry.prediction)}; array-like of real numbers, any shape, strides and
        order. float32 and float64 keep their dtype, as do the results; float16, bool and integers up to 16 bits are
        computed in float32, wider integers in float64; no units
    target: of z's shape, any real dtype and strides, cast to z's{_domain(entry.target)}; nothing is broadcast
{params}    reduction: "mean" (Σ wᵢ lossᵢ / Σ wᵢ over all elements), "sum" or "none" (one loss per element); sums are in float64,
        in an order that depends on the shape alone. The mean of nothing is 0. (PyTorch's binary losses divide by the number of
        elements whatever their weight.)
    sample_weight: one real weight per element (shape of z), multiplies its loss, gradient and Hessian
    out: for value_and_grad the gradient's array, which may be z itself; for (g, h) a tuple of two; for the value with
        reduction="none" the losses' array. float32 or float64, any order: results are rounded to it

Returns the loss as a float, or as an array of z's dtype for reduction="none".

Raises, before anything is written
    ValueError: a number lies outside its domain (the first one and its value are named); shapes differ; reduction is none of the
        three; out is read-only, has another shape, or its two arrays overlap
    TypeError: z or target is not real, or has masked entries; an unknown option; out is not a floating-point array, or no tuple

{remark}Error bound against the exact results for reduction="none" (all levels with FMA){cancels}:
{_bounds(entry, ("loss", "gradient", "Hessian"))}
Source: {entry.paper}.
"""


def _domain(name):
    return f", which must {DOMAINS[name][0]}" if name else ""


def _may_be(parameter):
    if parameter.choices:
        return f"; one of {', '.join(map(repr, parameter.choices))}"
    none = ", or None for neither" if parameter.none is not None else ""
    return f"; scalar or array that broadcasts to z{_domain(parameter.domain)}{none}"


def rows(entry):
    """The docstring of a function of rows."""
    if entry.reduces:
        value, masked, replaced = "z's shape without `axis`", "where all are, the value is", "z"
        alone = "gives −inf, with a gradient of NaN"
        keepdims = "    keepdims: the axis stays in the value, and in g, with length 1\n"
    else:
        value, masked, replaced, keepdims = "z's shape", "its value is", "z or g", ""
        alone = "has no limit: NaN"
    return f"""{entry.name}(z) = {entry.written}, of rows along an axis of classes

At +inf p = softmax(z) is 1, shared between several, at −inf 0. A row of −inf alone {alone}. NaN makes its row NaN.
Method: .backward(g, z) → {entry.backward}: the gradient for z from g, that for the value, in one pass.

Arguments
    z: array-like of real numbers with at least one axis, any shape, strides and order. float32 and float64 keep their dtype;
        float16, bool and integers up to 16 bits are computed and returned in float32, wider integers in float64
    axis: the axis of the classes, default −1; no copy is made for any other
    where: bool mask that broadcasts to z's shape; a masked entry counts as not there: {masked} {_number(entry.hidden)},
        its gradient 0
{keepdims}    out: array of the result's shape; may be {"z itself, for backward" if entry.reduces else "z itself, or g"}
    dtype: float32 or float64, overrides z's
    g: real, broadcasts to the value's shape, cast to z's dtype

Returns an array of {value}; backward one of z's shape.

Raises, before anything is written
    ValueError: z has no axis or no classes; where or g does not broadcast; out has another shape, is read-only or overlaps
        anything but {replaced} itself exactly
    TypeError: z or g is not real, where not bool, axis not an integer; out is not a floating-point array

Error bound of one row's results against the exact ones (all levels with FMA), for |g| ≤ 2^32 (float64: 2^256):
{_bounds(entry, ("value", "backward"))}
Here {entry.units}.
Source: {entry.paper}.
"""


def maxout(entry):
    """The docstring of a maximum over pieces."""
    return f"""{entry.name}(z) = {entry.formula}, per row, the pieces along one axis

Ties go to the first piece; NaN wins, the first one if there are several. The result is a copy of that piece, bit for bit.
Methods: .value_and_argmax(z) → (y, which) in one pass,
    .backward(g, which, pieces) → dz in one pass: g at the piece that was the maximum, 0 at the others.

Arguments
    z: array-like of real numbers with at least one axis, any shape, strides and order. float32 and float64 keep their dtype;
        float16, bool and integers up to 16 bits are computed and returned in float32, wider integers in float64
    axis: the axis of the pieces in z and dz, default −1; it is not there in y, which and g
    out: array of the result's shape (value_and_argmax: a tuple of two, of which the second may have any integer dtype that
        holds the last piece's index; fresh it is intp); may not overlap an input
    dtype: float32 or float64, overrides z's
    g: real, broadcasts to the shape of which; its dtype decides dz's as z's decides y's
    which: integers in [0, pieces), of any width
    pieces: the length of dz along axis

Raises, before anything is written
    IndexError: a number in which lies outside [0, pieces); the first such row and its value are named
    ValueError: there are no pieces; shapes differ; out is read-only, overlaps an input or the other output, or is too narrow
    TypeError: z or g is not real, which not an integer; out has the wrong kind of dtype

Error bound against the exact maximum and gradient (every level):
{_bounds(entry, ("value", "gradient"))}
Source: {entry.paper}.
"""


def maxout_linear(entry):
    """The docstring of a maximum over linear maps."""
    return f"""{entry.name}(x, W, b) = {entry.formula}, unit by unit

Products are NumPy's (BLAS), some rows at a time; ties go to the first map, NaN wins. With k = 2, W[1] = 0 and b[1] = 0 it is
ReLU of the first map.
Methods: .value_and_argmax(x, W, b) → (y, which),
    .backward(g, x, W, which) → (dx, dW, db), the gradients of Σ g·y.

Arguments
    x: array-like of real numbers, shape (…, d). float32 and float64 keep their dtype, and W and b are cast to it; float16, bool
        and integers up to 16 bits are computed and returned in float32, wider integers in float64
    W: real, shape (k, d, u): k maps from d numbers to u units
    b: real, shape (k, u), or None for none
    out: array of shape (…, u) for y (value_and_argmax: a tuple of two, of which the second may have any integer dtype that holds
        k − 1; backward: a tuple of three, of which the first may be x itself)
    g: real, broadcasts to the shape (…, u)
    which: integers in [0, k), shape (…, u)

Raises, before anything is written
    IndexError: a number in which lies outside [0, k); the first such place and its value are named
    ValueError: shapes do not fit; out is read-only, overlaps an input or another output, or is too narrow
    TypeError: an input is not real, which not an integer; out has the wrong kind of dtype

No bound in ULP, as products cancel: y is off by at most (d + 1) ε / (1 − (d + 1) ε) · max_k (|x| |W_k| + |b_k|), where ε is
2^-24 for float32 and 2^-53 for float64; db is summed in float64.
Source: {entry.paper}.
"""


def linear_loss(entry, chunk_bytes):
    """The docstring of a loss over the logits x @ W + b."""
    options = "".join(f"    {o.name}: {o.meaning}; default {o.default!r}\n" for o in entry.options)
    return f"""{entry.name}(x, W, target) = {entry.formula}, per row, reduced over the batch

The logits, n × classes numbers, are never held as a whole: some rows at a time are multiplied by W with NumPy's BLAS, turned
into their gradients in place, and multiplied back.
Gradients {entry.gradient};
all are those of the reduced loss ("sum", "none": unscaled).
Methods: .grad → (dx, dW), .value_and_grad → (loss, dx, dW), each in one pass; with b given, db comes last.

Arguments
    x: array-like of real numbers, shape (…, d), one row per sample; float32 and float64 keep their dtype, float16, bool and
        integers up to 16 bits are computed and returned in float32, wider integers in float64; no units
    W: shape (d, classes), cast to x's dtype; any strides: V.T for weights V of shape (classes, d), and dW lies alike
    target: labels or a distribution, as for {entry.loss}. Labels: x's shape without its last axis, whole numbers in
        [0, classes) of any integer width or as floats. Distribution: the logits' shape
    b: shape (classes,), cast to x's dtype; default None, for no bias and no db
    reduction: "mean" (Σ wᵢ lossᵢ / Σ wᵢ), "sum" or "none" (one loss per row)
    sample_weight: one real weight per row, multiplies its loss and its part of the gradients
    chunk_bytes: memory to work in, default {chunk_bytes:,}. It takes as many rows as fit, at least one: the more, the fewer times
        all of dW is read and written. Nothing is copied as a whole, whatever its layout and dtype; with an out for dW of another
        dtype than x's, of which less than an eighth of this fits W, the logits are computed more than once
    out: a tuple of arrays for (dx, dW), with b given for (dx, dW, db), or None in a place; dx may be x itself. For the value
        with reduction="none" the losses' array
{options}
Rows that are ignored take no part in the products either: NaN among their x goes nowhere, and they cost nothing.

Returns the loss as a float, or as an array of x's dtype for reduction="none".

Raises, before anything is written
    IndexError: a label lies outside [0, classes); the first such row of the whole batch and its value are named
    ValueError: a label is NaN or not whole; an entry of a distribution is negative or not finite; an option is out of range;
        shapes differ; out is read-only or overlaps anything but x itself exactly, by dx
    TypeError: x, W, b or target is not real; an unknown option

Error: that of the products, and on top that of {entry.loss} for the logits as computed (float32, float64: 4 ULP of a
row's loss or gradient). A logit is off by up to (d + 1) ε (Σ_k |x_k| |W_kc| + |b_c|), with ε = 2^-24 or 2^-53, and a row's loss,
without options, by up to twice the largest such error in its logits. The losses of the rows are added in float64, in an order
that the shapes and chunk_bytes decide; db likewise. The last bits of the products are BLAS's: they may differ between machines,
between numbers of BLAS's threads and between values of chunk_bytes.
Source: {entry.paper}.
"""
