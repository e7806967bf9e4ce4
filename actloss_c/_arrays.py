"""What both classes of objects need from arrays: the dtype rule, conversion with errors that say what to do, overlap."""

import sys

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

FLOAT16, FLOAT32, FLOAT64 = np.dtype(np.float16), np.dtype(np.float32), np.dtype(np.float64)
REFUSALS = (TypeError, ValueError, RuntimeError, BufferError, AttributeError)  # of libraries by DLPack: no standard names one
READABLE = (1, 3, 11, 13)  # devices in dlpack.h: the CPU, and what the CPU reads of CUDA's and ROCm's: pinned and managed memory
DEVICES = {2: "a CUDA device", 7: "a Vulkan device", 8: "a Metal device", 10: "a ROCm device", 14: "a oneAPI device"}
QUIET = {"all": "ignore"}  # for np.errstate around NumPy's own casts, which may overflow or underflow


def is_bfloat16(dtype):
    """Whether it is that of ml_dtypes, which whoever has such an array has imported."""
    return dtype.kind == "V" and dtype.itemsize == 2 and dtype == getattr(sys.modules.get("ml_dtypes"), "bfloat16", None)


def compute_dtype(given, dtype, what, *, narrow=False):
    """float32 or float64 for an input of dtype `given`; `dtype` overrides. TypeError that names `what` for anything else.

    narrow: float16 and bfloat16 stay as they are, and may be chosen.
    """
    if dtype is not None:
        choices = "float16, bfloat16, float32 or float64" if narrow else "float32 or float64"
        try:
            chosen = np.dtype(dtype)
        except TypeError as error:
            raise TypeError(f"{what}: dtype={dtype!r} is not a dtype ({error}); choose {choices}") from None
        if chosen not in (FLOAT32, FLOAT64) and not (narrow and (chosen == FLOAT16 or is_bfloat16(chosen))):
            raise TypeError(f"{what}: dtype={chosen} is not supported; choose {choices}")
        if given.kind not in "fiub" and not (narrow and is_bfloat16(given)):
            raise TypeError(_unusable(given, what))
        return chosen
    if narrow and given.itemsize == 2:
        if given.kind == "f":
            return FLOAT16
        if is_bfloat16(given):
            return given
    if given.kind == "f" and given.itemsize <= 8:
        return FLOAT64 if given.itemsize == 8 else FLOAT32
    if given.kind in "iub":
        return FLOAT32 if given.itemsize <= 2 else FLOAT64
    raise TypeError(_unusable(given, what))


def _unusable(given, what):
    return f"{what} has dtype {given}; it must be real: float32, float64, float16, integers or bool (convert it with .astype)"


def as_array(x, what, *, may_be_masked=False):
    """x as an array (subclasses pass). TypeError for what is not numeric, ragged lists included, or whose mask would be lost."""
    try:
        array = from_dlpack(x, what) if is_exchangeable(x) else np.asanyarray(x)
    except ValueError as error:
        raise TypeError(f"{what} is not an array of numbers: {error}") from None
    if not may_be_masked and type(array) is not np.ndarray and isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array):
        raise TypeError(
            f"{what} has masked entries, which would count: fill them (.filled) and give them a weight of 0, or drop them"
        )
    return array


def is_exchangeable(x):
    """Whether x is another library's array that speaks DLPack."""
    return not isinstance(x, (np.ndarray, np.generic)) and hasattr(type(x), "__dlpack__")


def from_dlpack(x, what):
    """The memory of another library's array, without a copy. TypeError that names `what` for one that the CPU cannot read."""
    try:
        device, number = x.__dlpack_device__()
        if device in READABLE:
            return np.from_dlpack(x)
    except REFUSALS as error:
        return _from_array(x, what, error)
    name = DEVICES.get(int(device), "another device than the CPU")
    remedy = "copy it to the CPU first, in PyTorch x.cpu(), in CuPy x.get(), in JAX jax.device_get(x)"
    raise TypeError(f"{what} is a {type(x).__name__} on {name} (DLPack device {int(device)}, number {number}): {remedy}")


def _from_array(x, what, error):
    """The same by __array__, for what DLPack or NumPy's side of it lacks, as JAX's bfloat16; TypeError with the last refusal."""
    try:
        if hasattr(type(x), "__array__"):
            return np.asanyarray(x)
    except REFUSALS as again:
        error = again
    raise TypeError(f"{what} is a {type(x).__name__} that cannot be read as an array: {error}") from None


def axis_of(axis, ndim, name, what):
    """The axis counted from the first; TypeError or AxisError that names the function and the array."""
    try:
        return normalize_axis_index(axis, ndim)
    except TypeError:
        raise TypeError(f"{name}: axis={axis!r} is not an integer") from None
    except (np.exceptions.AxisError, OverflowError):
        raise np.exceptions.AxisError(f"{name}: axis={axis} is out of range; {what} has {ndim} axes") from None


def is_foreign(x):
    """Whether x brings its own array protocol (dask, pandas, …): then the ufunc is called and x decides.

    CuPy's arrays know no ufunc but their own; they speak DLPack, too, which says where they are.
    """
    if isinstance(x, (np.ndarray, np.generic)) or is_exchangeable(x):
        return False
    return getattr(type(x), "__array_ufunc__", None) is not None


def is_usable(x, dtype):
    """Whether compiled code may walk x itself: native, aligned, of this dtype."""
    return x.dtype == dtype and x.dtype.isnative and x.flags.aligned


def usable(x, dtype):
    """x itself if compiled code may walk it, else a copy."""
    if is_usable(x, dtype):
        return x
    with np.errstate(**QUIET):
        return np.array(x, dtype=dtype.newbyteorder("="), order="K")


def check_out(out, what, *, narrow=False):
    """TypeError or ValueError unless `out` is an array of floats that can be written; narrow: of bfloat16, too."""
    check_writable(out, what)
    if out.dtype.kind != "f" and not (narrow and is_bfloat16(out.dtype)):
        raise TypeError(f"{what} has dtype {out.dtype}; results are floating-point")


def check_writable(out, what):
    """TypeError or ValueError unless `out` is an array that can be written, without a step of 0 that makes one element many."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"{what} must be an array, not {type(out).__name__}")
    if not out.flags.writeable:
        raise ValueError(f"{what} is read-only; give a writable array")
    if 0 in out.strides and out.size and any(s == 0 and n > 1 for s, n in zip(out.strides, out.shape, strict=True)):
        raise ValueError(f"{what} repeats its own elements (a step of 0); give an array with memory for each")


def check_shape(out, shape, what):
    if out.shape != shape:
        raise ValueError(f"{what} has shape {out.shape}; the result has shape {shape}")


def overlap(a, b):
    """Whether two arrays share an element. Where the exact answer would take too long, yes."""
    try:
        return np.shares_memory(a, b, max_work=100_000)
    except np.exceptions.TooHardError:
        return True


def meets(out, given):
    """Whether `out` shares an element with an argument, already known to be good, which may be any array-like."""
    if given is None or isinstance(given, list | tuple | bool | int | float):  # these are copied
        return False
    return overlap(out, given if isinstance(given, np.ndarray) else as_array(given, "an argument"))


def same_memory(a, b):
    """Whether two arrays are the same elements in the same places."""
    return a.ctypes.data == b.ctypes.data and a.shape == b.shape and a.strides == b.strides and a.dtype == b.dtype


def has_own_elements(a):
    """Whether no two elements share memory, as in sliding windows: each axis steps over all that the nearer ones reach."""
    reach = a.itemsize
    for step, n in sorted((abs(step), n) for step, n in zip(a.strides, a.shape, strict=True) if n > 1):
        if step < reach:
            return False
        reach += (n - 1) * step
    return True


def may_replace(out, a):
    """Whether `out` is all of `a`, in the same places, and each element is written where it was read and nowhere else."""
    return same_memory(a, out) and has_own_elements(out)


def partly_over(a, out):
    """Whether writing to `out` in order would change elements of `a` that are still to be read."""
    return isinstance(a, np.ndarray) and not may_replace(out, a) and overlap(a, out)


def check_distinct(a, b, what):
    if overlap(a, b):
        raise ValueError(f"{what} overlap each other; give two arrays that share no memory")
