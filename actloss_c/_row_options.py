"""What a loss over rows takes besides its logits: options, target, weights; checked before anything is written."""

import operator

import numpy as np

from ._arrays import FLOAT32, FLOAT64, QUIET, as_array, compute_dtype, usable
from .entries import HESSIANS

FLOAT16, INT64 = np.dtype(np.float16), np.dtype(np.int64)
NEUTRAL = {"label_smoothing": 0.0, "softcap": np.inf, "temperature": 1.0, "z_loss": 0.0}


# --- options -----------------------------------------------------------------------------------------------------------------


def options_of(entry, given, classes, dtype):
    """{name: value} of all options of the loss, its defaults filled in; TypeError or ValueError for any other."""
    chosen = {option.name: option.default for option in entry.options}
    for name, value in given.items():
        if name not in chosen:
            raise TypeError(f"{entry.name}: there is no option {name!r}; the options are {', '.join(chosen)}")
        chosen[name] = _CHECKS[name](f"{entry.name}: {name}", value, classes, dtype)
    return chosen


def _number(what, value, low, high, meaning, dtype):
    """A real number in [low, high] as a float."""
    try:
        if isinstance(value, (str, bytes, bytearray)) or np.iscomplexobj(value):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{what}={value!r} is not a real number") from None
    if not low <= number <= high:
        raise ValueError(f"{what}={value!r}; it must be {meaning}")
    return number


def _smoothing(what, value, classes, dtype):
    return _number(what, value, 0.0, 1.0, "in [0, 1]", dtype)


def _positive(what, value, classes, dtype):
    least = float(np.finfo(dtype).smallest_normal)
    return _number(what, value, least, 1 / least, f"positive, from {least:.3g} to {1 / least:.3g} in {dtype}", dtype)


def _softcap(what, value, classes, dtype):
    return None if value is None else _positive(what, value, classes, dtype)


def _nonnegative(what, value, classes, dtype):
    return _number(what, value, 0.0, float(np.finfo(dtype).max), f"≥ 0 and finite in {dtype}", dtype)


def _hess(what, value, classes, dtype):
    if not isinstance(value, str) or value not in HESSIANS:
        raise ValueError(f"{what}={value!r}; it must be one of {', '.join(HESSIANS)}")
    return value


def _ignore_index(what, value, classes, dtype):
    if value is None:
        return None
    try:
        label = operator.index(value)
    except TypeError:
        raise TypeError(f"{what}={value!r} is not an integer") from None
    if not -(2**63) <= label < 2**63:
        raise ValueError(f"{what}={label}; it must fit int64")
    return label


def _empty(what, value, classes, dtype):
    if not isinstance(value, str) or value not in ("zero", "nan"):
        raise ValueError(f"{what}={value!r}; it must be 'zero' or 'nan'")
    return value


def _class_weight(what, value, classes, dtype):
    """One float64 per class, contiguous."""
    if value is None:
        return None
    weight = as_array(value, what)
    compute_dtype(weight.dtype, None, what)
    if weight.shape != (classes,):
        raise ValueError(f"{what} has shape {weight.shape}; one weight per class is needed, shape ({classes},)")
    weight = np.require(weight, FLOAT64, "CAE")
    good = (weight >= 0) & (weight <= np.finfo(dtype).max)
    if not good.all():
        c = int(np.argmin(good))
        raise ValueError(f"{what}[{c}] is {weight[c]}; class weights must be ≥ 0 and finite in {dtype}")
    return weight


_CHECKS = {
    "class_weight": _class_weight,
    "empty": _empty,
    "gamma": _nonnegative,
    "hess": _hess,
    "ignore_index": _ignore_index,
    "label_smoothing": _smoothing,
    "softcap": _softcap,
    "temperature": _positive,
    "z_loss": _nonnegative,
}


def settings_of(options, distribution):
    """The compiled side's settings; None for labels alone. Class weights go there only if a row has more than one of them."""
    numbers = [options.get(name) for name in NEUTRAL]
    numbers = [neutral if n is None else n for n, neutral in zip(numbers, NEUTRAL.values(), strict=True)]
    general = distribution or numbers != list(NEUTRAL.values())
    weight = options["class_weight"] if general else None
    ignoring = options["ignore_index"] is not None
    focal = (options.get("gamma", 0.0), HESSIANS[options.get("hess", "exact")])
    return (ignoring, weight, *numbers, *focal) if ignoring or general or "gamma" in options else None


# --- targets -----------------------------------------------------------------------------------------------------------------


def classes_of(labels, ignored):
    """How many classes the labels need; those that are no numbers are left to labels_of."""
    counted = labels if ignored is None else labels[labels != ignored]
    return max(int(counted[np.isfinite(counted)].max(initial=0)), 0) + 1


def labels_of(what, labels, shape, classes, ignored, check_labels):
    """The labels as contiguous int64, all known to be good; −1 for those that are ignored."""
    if labels.dtype.kind == "b" and classes > 2:
        raise TypeError(f"{what} is bool, which tells 2 classes apart; there are {classes}: convert it with .astype(int)")
    native = labels.dtype if labels.dtype.isnative else labels.dtype.newbyteorder("=")
    if native == FLOAT16:
        native = FLOAT32
    plain = np.require(labels, native, "CAE").reshape(shape)
    widened = None if native == INT64 and ignored is None else np.empty(shape, INT64)
    if not check_labels(plain, widened, classes, ignored):
        _complain_of_label(what, plain, classes, ignored)
    return plain if widened is None else widened


def _complain_of_label(what, labels, classes, ignored):
    """Names the first bad label."""
    with np.errstate(**QUIET):
        good = (labels >= 0) & (labels < classes) & (labels == np.trunc(labels))
    if ignored is not None:
        alike = float(ignored)
        good |= (labels.astype(np.float64) == alike) & (int(alike) == ignored) if labels.dtype.kind == "f" else labels == ignored
    row = np.unravel_index(np.argmin(good), labels.shape)
    label = labels[row]
    if label != np.trunc(label):
        raise ValueError(
            f"{what}{index_text(row)} is {label}; labels must be whole numbers in [0, {classes}): "
            "correct the label or drop the row; a distribution over the classes has the shape of the predictions"
        )
    also = f" or be ignore_index={ignored}" if ignored is not None else ""
    skip = f" or pass ignore_index={int(label)} to skip it" if ignored is None and -(2.0**63) <= label < 2.0**63 else ""
    raise IndexError(
        f"{what}{index_text(row)} is {label}; labels must lie in [0, {classes}), as there are {classes} classes{also}: "
        f"correct the label, drop the row, check the axis{skip}"
    )


def distribution_of(what, target, dtype, check_entries):
    """The distribution in dtype, its entries known to be finite and ≥ 0."""
    q = np.asarray(usable(target, dtype))
    if not check_entries(in_memory_order(q), float(np.finfo(dtype).max), False):
        with np.errstate(**QUIET):
            place = np.unravel_index(np.argmin((q >= 0) & (q < np.inf)), q.shape)
        raise ValueError(
            f"{what}{index_text(place)} is {target[place]}; the entries of a distribution must be ≥ 0 and finite in {dtype}: "
            "correct it or drop the row"
        )
    return q


def check_predictions(what, a, axis, check_entries):
    """ValueError unless every prediction is NaN or lies in [0, 1]."""
    if not check_entries(in_memory_order(a), 1.0, True):
        with np.errstate(**QUIET):
            place = np.unravel_index(np.argmax((a < 0) | (a > 1)), a.shape)
        row = place[:axis] + place[axis + 1 :]
        raise ValueError(
            f"{what}{index_text(place)} is {a[place]} (row {index_text(row) or '[]'}, class {int(place[axis])}); "
            "predictions must lie in [0, 1]: softmax_cross_entropy takes logits"
        )


def in_memory_order(a):
    """The array with its axes from the longest to the shortest step."""
    return a if a.flags.c_contiguous else a.transpose(sorted(range(a.ndim), key=lambda d: -abs(a.strides[d])))


# --- weights -----------------------------------------------------------------------------------------------------------------


def sample_weights_of(what, given, shape):
    """One float64 per row, contiguous; None for no weights."""
    if given is None:
        return None
    weight = as_array(given, what)
    compute_dtype(weight.dtype, None, what)
    if weight.shape != shape:
        raise ValueError(f"{what} has shape {weight.shape}; the weights' shape must be {shape}")
    return np.require(weight, FLOAT64, "CAE").reshape(shape)


def check_weights(what, weight, dtype, mean):
    """ValueError for weights beyond the range of dtype or, as a mean divides before it rounds, with an infinite sum."""
    range_of = FLOAT64 if mean else dtype
    fitting = abs(weight) <= np.finfo(range_of).max
    if not fitting.all():
        row = np.unravel_index(np.argmin(fitting), weight.shape)
        raise ValueError(f"{what}{index_text(row)} is {weight[row]}; weights must be finite in {range_of}: 0 drops a row")
    with np.errstate(**QUIET):
        total = weight.sum()
    if mean and not np.isfinite(total):
        raise ValueError(f"{what} has the sum {total}; the mean divides by it: scale the weights down")


def index_text(row):
    return "[" + ", ".join(str(int(i)) for i in row) + "]" if row else ""
