"""Errors in units in the last place: the spacing of a type's numbers at the exact result."""

import math

import numpy as np


def inverse_unit(exact, dtype, out=None):
    """1 / (unit in the last place of dtype at each number of a wider array): exact powers of two, in the array's type."""
    info = np.finfo(dtype)
    if exact.dtype != np.float64:
        exponent = np.where(exact == 0, info.minexp, np.clip(np.frexp(exact)[1] - 1, info.minexp, info.maxexp - 1))
        return np.ldexp(exact.dtype.type(1), info.nmant - exponent, out=out)
    out = np.empty_like(exact) if out is None else out
    bits = out.view(np.uint64)  # of an exponent: 1023 + e; of the inverse: 1023 + nmant − e
    np.bitwise_and(exact.view(np.uint64), 0x7FF << 52, out=bits)
    np.clip(bits, (1023 + int(info.minexp)) << 52, (1022 + int(info.maxexp)) << 52, out=bits)
    np.subtract((2046 + info.nmant) << 52, bits, out=bits)
    return out


def ulp_error(result, exact, dtype, size=None):
    """|result − exact| by element, as float64, in units in the last place: the spacing of dtype's numbers at the exact one.

    exact is a list of mpf, or an array of a wider type than dtype. Below the normal numbers the unit is the subnormal spacing.
    size, a list of mpf like exact, takes the unit where the exact number is the rest of larger terms: at that size.
    ±inf is right where the exact number rounds to it; any other result that is not finite has the error inf.
    """
    info = np.finfo(dtype)
    r = np.asarray(result, dtype)
    if not (isinstance(exact, np.ndarray) and exact.dtype.kind == "f"):
        units = np.asarray(exact if size is None else size, object).ravel()
        triples = zip(r.ravel().tolist(), np.asarray(exact, object).ravel(), units, strict=True)
        return np.array([_ulp_error(a, b, unit, info) for a, b, unit in triples]).reshape(r.shape)
    with np.errstate(all="ignore"):
        error = np.abs(r - exact) * inverse_unit(exact, dtype)
        right = (r == exact.astype(dtype)) & ~np.isfinite(r) | np.isnan(r) & np.isnan(exact)
        return np.where(right, 0.0, np.where(np.isfinite(error), error, np.inf)).astype(np.float64)


def _ulp_error(r, exact, size, info):
    import mpmath

    if exact != exact or mpmath.isinf(exact) or not math.isfinite(r):
        return 0.0 if r == nearest(exact, info.dtype) or (r != r and exact != exact) else math.inf
    return float(abs(r - exact) * mpmath.ldexp(1, _digits_behind(size, info)))


def nearest(exact, dtype):
    """The number of the type that is nearest to an mpf, ties to even; ±inf from half a unit beyond the largest on."""
    import mpmath

    info = np.finfo(dtype)
    if not mpmath.isfinite(exact):
        return info.dtype.type(float(exact))
    places = _digits_behind(exact, info)
    with np.errstate(over="ignore"):
        return info.dtype.type(np.ldexp(float(mpmath.nint(mpmath.ldexp(exact, places))), -places))


def _digits_behind(exact, info):
    """n for a unit in the last place of 2^-n."""
    import mpmath

    exponent = info.minexp if exact == 0 else min(max(mpmath.frexp(exact)[1] - 1, info.minexp), info.maxexp - 1)
    return int(info.nmant - exponent)
