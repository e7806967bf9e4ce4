"""What the units of a layer do on a batch: saturated, dead, shifted from zero: `al.diagnose`.

Everything is counted and added up by one compiled pass, block by block (src/diagnosis.pxd); here are arguments and shares.
"""

import difflib
import math
import operator

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from . import _build, _dispatch, registry
from ._arrays import QUIET, as_array, compute_dtype, usable
from ._named import Named
from .activation import Activation
from .diagnosis_result import Diagnosis, Histogram, Units

THRESHOLD = 0.05
BINS = 20
LARGEST, EPSILON = np.finfo(float).max, np.finfo(float).eps
LOOPS = _dispatch.load(_dispatch.LEVEL)


def diagnose(z, activation, axis=0, *, threshold=THRESHOLD, bins=BINS, range=None, **params):
    """A layer's state from its pre-activations z: how much is saturated, which units are dead, how far outputs are from zero.

    One pass over z computes y = f(z) and f′(z) block by block and stores neither; the histogram's default range takes a short one
    before it. Of the layer, and of each unit in `units`:

        saturated_left    share of inputs, z ≤ 0 with |f′(z)| < threshold, if f saturates on the left: f′ tends to 0 (soft) or is
                          0 (hard), as f.saturation says; else 0, as for leaky_relu, however small alpha is
        saturated_right   the same for z > 0
        dead              share of units without an input above 0 in the batch. A relu's outputs 0 and learns nothing from it, of
                          other functions it stays on one side
        mean              mean output
        shift             √(mean over units of m²) / √(mean of y²), m a unit's mean output: from 0, every unit balanced around 0,
                          to 1, constant outputs; its square is the part of the outputs' energy that acts as a bias
        mean_abs_grad     mean |f′(z)|: what the layer multiplies gradients with
        nan, infinite     how many inputs are so. NaNs are left out of all else; infinite inputs give the limits of f and f′, and
                          with them infinite or NaN means where f is not bounded
        histogram         counts of z and edges: edges[k] ≤ z < edges[k + 1], the last bin with its upper edge. Of the layer alone

    The threshold bounds |f′|, not its ratio to f's steepest slope, as |f′| is what backpropagation multiplies with: at 0.05,
    sigmoid, whose slope is 1/4 at most, saturates from |z| = 2.89 on and tanh from 2.18. `threshold=0.05 / 4` measures sigmoid
    by its own slope. Sums are in float64, in an order that follows from the shape alone: no memory layout and no number of
    threads changes a bit. A figure over no number is NaN.

    Arguments
        z: pre-activations, any layout. float32 and float64 are read where they lie; float16, bool and 8/16-bit integers become
            float32, larger integers float64
        activation: an elementwise activation of the package, such as al.relu, or its name
        axis: the axis or axes of the batch, None for all; the others are units. 0 for (batch, units), (0, 2, 3) for images
            (batch, channels, height, width)
        threshold: a number above 0
        bins: of the histogram, 1 to 1024
        range: (low, high) of the histogram; default the lowest and highest finite input
        params: the activation's parameters by name, broadcast to z: alpha=0.1, or a slope per unit for prelu

    Returns a Diagnosis: the figures as attributes, str() a table, to_dict(), plot().

    Raises
        TypeError: activation is none, or takes rows or pieces; it has no such parameter; z is not real, axis no integers
        ValueError: an unknown name; z is empty; a bad axis, threshold, bins or range; a parameter that does not fit z's shape

    Source: hard and soft saturation, limits of f′, as in Gulcehre, Moczulski, Denil and Bengio, Noisy activation functions, ICML
    2016, section 2; saturated units in training: Glorot and Bengio, AISTATS 2010, section 3; the bias shift: Clevert, Unterthiner
    and Hochreiter, ICLR 2016, section 2; dead units: Maas, Hannun and Ng, ICML 2013.
    """
    f = activation_of(activation)
    z, arrays, given = _inputs(f, z, params)
    axes = _axes(axis, z)
    threshold, bins = positive(threshold, "diagnose: threshold"), count_of_bins(bins)
    low, high, plain = _range(z, range, bins)
    step = high / bins - low / bins
    is_batch = tuple(d in axes for d in np.arange(z.ndim).tolist())
    uniform = len(arrays) > 1 and all(value.size == 1 for value in given.values())
    sides = (f.saturation["left"] is not None, f.saturation["right"] is not None)
    means, shares, dead, odd, counts, layer = LOOPS.figures(
        f._value_and_grad, arrays, uniform, is_batch, threshold, *sides, low, high, step, bins, plain
    )
    edges = np.append(2 * (np.arange(bins) * (step / 2) + low / 2), high)  # halves: high − low may overflow
    shape = tuple(n for n, batch in zip(z.shape, is_batch, strict=True) if not batch)
    units = Units(*(_fixed(row.reshape(shape)) for row in (*shares, dead, *means, *odd)))
    return Diagnosis(
        activation=f.name,
        params={name: _fixed(value) if value.ndim else value.item() for name, value in given.items()},
        shape=z.shape,
        axis=axes,
        dtype=z.dtype.name,
        threshold=threshold,
        saturation=dict(f.saturation),
        **dict(zip(Units.__dataclass_fields__, layer, strict=True)),
        histogram=Histogram(_fixed(counts), _fixed(edges)),
        units=units,
    )


def _fixed(array):
    array.flags.writeable = False
    return array


# --- arguments --------------------------------------------------------------------------------------------------------------


def activation_of(activation, what="diagnose: activation"):
    """The public object of an elementwise activation, from itself or its name."""
    names = [entry.name for entry in registry.ACTIVATIONS]
    f = activation
    if isinstance(f, str):
        if f not in registry.FUNCTIONS:
            close = difflib.get_close_matches(f, names, 3, 0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(names)}"
            raise ValueError(f"{what}={f!r} is not one of the package's activations; {hint}")
        f = _build.functions()[f]
    if not isinstance(f, Activation):
        shown = f"{f.name}, which takes whole rows, pieces or pairs" if isinstance(f, Named) else repr(f)
        remedy = f"give an elementwise one ({', '.join(names)}), with the pre-activations that went into it"
        raise TypeError(f"{what} is {shown}; {remedy}")
    return f


def _inputs(f, z, params):
    """z as the compiled pass takes it, [z and the parameters in its shape], {name: parameter}."""
    what = "diagnose: z"
    z = as_array(z, what, may_be_masked=True)
    if isinstance(z, np.ma.MaskedArray) and np.ma.is_masked(z):
        raise TypeError(f"{what} has masked entries, which would count; NaNs do not: give z.filled(np.nan)")
    dtype = compute_dtype(z.dtype, None, what)
    if not z.size:
        raise ValueError(f"{what} has shape {z.shape}: there is nothing to diagnose; leave empty batches out")
    given = {}
    with np.errstate(**QUIET):
        z = np.asarray(usable(z, dtype))
        for name, value in f._parameters((), params).items():
            value = as_array(value, f"diagnose: {name}")
            compute_dtype(value.dtype, None, f"diagnose: {name}")
            given[name] = np.array(value, dtype, order="C")
    arrays = [z]
    for name, value in given.items():
        try:
            arrays.append(np.broadcast_to(value, z.shape))
        except ValueError:
            raise ValueError(f"diagnose: {name} of shape {value.shape} does not broadcast to z's shape {z.shape}") from None
    return z, arrays, given


def _axes(axis, z):
    if axis is None:
        return tuple(np.arange(z.ndim).tolist())
    try:
        return tuple(sorted(normalize_axis_tuple(axis, z.ndim)))
    except TypeError:
        raise TypeError(f"diagnose: axis={axis!r}; give an integer, several in a tuple, or None for all") from None
    except (ValueError, OverflowError) as error:
        kind = np.exceptions.AxisError if isinstance(error, np.exceptions.AxisError | OverflowError) else ValueError
        words = "names an axis twice" if kind is ValueError else "is out of range"
        raise kind(f"diagnose: axis={axis!r} {words}; z has {z.ndim} axes") from None


def positive(value, what):
    """A finite number above 0, as a float."""
    try:
        number = float(operator.pos(value)) if not isinstance(value, str) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{what}={value!r}; give one finite number above 0")
    return number


def count_of_bins(bins):
    try:
        number = operator.index(bins)
    except TypeError:
        remedy = "edges of your own are not taken, range=(low, high) is"
        raise TypeError(f"diagnose: bins={bins!r} is not an integer; {remedy}") from None
    if not 1 <= number <= LOOPS.most_bins:
        raise ValueError(f"diagnose: bins={number}; give 1 to {LOOPS.most_bins}")
    return number


def _range(z, given, bins):
    """(low, high) of the histogram, and whether all of z is finite and within."""
    order = sorted(np.arange(z.ndim).tolist(), key=lambda d: -abs(z.strides[d]))
    lowest, highest, all_finite = LOOPS.bounds(z.transpose(order))
    low, high = _default_range(lowest, highest, bins) if given is None else _checked_range(given, bins)
    return low, high, all_finite and low <= lowest and highest <= high


def _checked_range(given, bins):
    """Two floats of which the bins can be made."""
    what = "give two finite numbers, the lower first"
    try:
        low, high = map(float, given if not isinstance(given, str) else ())
    except (TypeError, ValueError):
        raise ValueError(f"diagnose: range={given!r}; {what}") from None
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"diagnose: range={given!r}; {what}")
    if not _holds(low, high, bins):
        raise ValueError(f"diagnose: range={given!r} is too narrow for {bins} bins, whose edges float64 could not tell apart")
    return low, high


def _default_range(low, high, bins):
    """These bounds of all that is finite, wider where they are too close to each other."""
    if low > high:
        return 0.0, 1.0
    low, high = low + 0.0, high + 0.0  # no −0
    if not _holds(low, high, bins):
        half = max(0.5, abs(low) / 2)
        low, high = max(low - half, -LARGEST), min(high + half, LARGEST)
    return low, high


def _holds(low, high, bins):
    """Whether rounding moves no edge by half a bin."""
    step = high / bins - low / bins
    return step > 8 * EPSILON * max(abs(low), abs(high)) and step > 1e-300
