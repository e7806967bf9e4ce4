"""What the tests of activations and of losses need of arrays: every layout, outputs full of a sentinel, the dtype rule."""

import numpy as np

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
DTYPE_RULE = {  # dtype of x or z: dtype of the result
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16", "float16", "float32"), FLOAT32),
    **dict.fromkeys(("int32", "uint32", "int64", "uint64", "float64"), FLOAT64),
}
ACTIVATION_RULE = {**DTYPE_RULE, "float16": np.dtype(np.float16)}  # what activations do with x
UFUNC_RULE = {**ACTIVATION_RULE, **dict.fromkeys(("bool", "int8", "uint8"), np.dtype(np.float16))}  # NumPy's own, as in np.sin


def bits(a):
    """The array as unsigned integers, every NaN as the same one: x86 and arm differ in the default NaN's sign."""
    a = np.array(a, order="C", ndmin=1)
    a[np.isnan(a)] = np.nan
    return a.view(f"u{a.itemsize}")


class Tagged(np.ndarray):
    """A subclass without behaviour."""


def layouts(a):
    """{id: an array equal to `a` in another layout, writable}."""
    wide = np.full([2 * n for n in a.shape], 7, a.dtype)
    swapped = np.empty(a.shape, a.dtype.newbyteorder())
    misaligned = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    packed = np.zeros(a.shape, [("pad", "u1"), ("a", a.dtype)])["a"]
    backwards = (slice(None, None, -1),) * a.ndim
    made = {
        "C": np.empty_like(a, order="C"),
        "F": np.empty_like(a, order="F"),
        "axes swapped": np.empty(np.moveaxis(a, 0, -1).shape, a.dtype).transpose(-1, *range(a.ndim - 1)),
        "every second": wide[(slice(None, None, 2),) * a.ndim],
        "reversed": np.empty_like(a, order="C")[backwards],
        "byte-swapped": swapped,
        "misaligned": misaligned,
        "packed": packed,
    }
    for view in made.values():
        view[...] = a
    assert not misaligned.flags.aligned and not packed.flags.aligned and not swapped.dtype.isnative
    return made


def sentinel(shape, dtype=np.float32):
    """An output full of bytes that no function writes."""
    return np.frombuffer(bytearray(b"\xa5" * (int(np.prod(shape)) * np.dtype(dtype).itemsize)), dtype).reshape(shape)


def as_out(outs):
    """The outputs as out= takes them: a single one bare, several in a tuple."""
    return outs[0] if len(outs) == 1 else tuple(outs)


def out_label(place, count):
    """How messages name one of `count` outputs."""
    return f"out[{place}]" if count > 1 else "out"


def two_sum(a, b):
    """The sum, and its rounding."""
    s = a + b
    t = s - a
    return s, (a - (s - t)) + (b - t)


def block_sum(terms):
    """As src/sums.pxd adds: term k goes to accumulator k mod 16; these are added in pairs, with what the pairs lose."""
    s = np.zeros(16)
    for k in range(0, len(terms), 16):
        s[: len(terms) - k] += terms[k : k + 16]
    a, e = two_sum(*np.split(s[:8] + s[8:], 2))
    b, f = two_sum(*np.split(a, 2))
    total, last = two_sum(*b)
    return total + (((e[0] + e[2]) + (e[1] + e[3])) + ((f[0] + f[1]) + last))
