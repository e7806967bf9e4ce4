"""Bad input to the losses over pairs: an error that names function, argument, place and value, before a byte is written."""

import numpy as np
import pytest
from helpers_pairs import pairs

OUTSIDE = {
    "unit": (-1e-7, 1.0000001, 2, np.nan, -np.inf),
    "nonnegative": (-1e-30, np.nan, np.inf),
    "positive": (0.0, -1.0, np.nan, np.inf),
    "binary": (0.5, 2, -1, np.nan),
    "sign": (0, 0.5, 2, np.nan),
    "open unit": (0.0, 1.0, np.nan, -0.5),
}


def arrays(case, shape=(20, 30)):
    z, target = pairs(case.entry, case.dtype, 600)
    return z.reshape(shape), target.reshape(shape)


def refused(case, error, words, z, target, **given):
    """Every method refuses the call, with these words, and writes nothing."""
    before = z.copy(), target.copy()
    for method in ("__call__", "grad", "value_and_grad", "grad_and_hess", "value_grad_and_hess"):
        out = {}
        if "out" not in given and method in ("grad", "value_and_grad"):
            out = {"out": np.full(z.shape, 7, case.dtype)}
        with pytest.raises(error) as raised:
            getattr(case.function, method)(z, target, **given, **out)
        assert case.entry.name in str(raised.value)
        assert not [w for w in words if w not in str(raised.value)], str(raised.value)
        if out:
            assert (out["out"] == 7).all()
    for array, old in zip((z, target), before, strict=True):
        assert np.array_equal(array, old, equal_nan=True)


@pytest.mark.parametrize("order", "CF")
def test_targets_outside_their_domain(pair_case, order):
    for bad in OUTSIDE.get(pair_case.entry.target, ()):
        z, target = arrays(pair_case)
        target = np.array(target, order=order)
        target[3, 17] = target[11, 2] = bad
        refused(pair_case, ValueError, ("target[3, 17]", str(target[3, 17]), "must"), z, target)


def test_predictions_outside_their_domain(pair_case):
    for bad in OUTSIDE.get(pair_case.entry.prediction, ()):
        if np.isnan(bad):
            continue
        z, target = arrays(pair_case)
        z[2, 4] = bad
        refused(pair_case, ValueError, ("z[2, 4]", str(z[2, 4]), "prediction"), z, target)


@pytest.mark.parametrize("kind", ("int8", "uint8", "int64", "uint64"))
def test_integer_targets_outside_their_domain(pair_case, kind):
    if pair_case.entry.target in ("unit", "binary", "sign"):
        z, _ = arrays(pair_case)
        target = np.ones(z.shape, kind)
        target[19, 29] = 100
        refused(pair_case, ValueError, ("target[19, 29]", "100"), z, target)


def test_parameters_outside_their_domain(pair_case):
    z, target = arrays(pair_case)
    for p in pair_case.entry.params:
        for bad in OUTSIDE.get(p.domain, ()):
            refused(pair_case, ValueError, (p.name, "must"), z, target, **{p.name: bad})
        if p.choices:
            for bad in ("no such word", 1.0, None):
                refused(pair_case, ValueError, (p.name, *p.choices), z, target, **{p.name: bad})
        else:
            refused(pair_case, ValueError, (p.name, "(7,)"), z, target, **{p.name: np.full(7, 0.5)})
            refused(pair_case, TypeError, (p.name,), z, target, **{p.name: 1j})


def test_shapes_are_not_broadcast(pair_case):
    z, target = arrays(pair_case)
    for other in (target[0], target[:, :1], target.ravel(), target[..., None], target[0, 0]):
        refused(pair_case, ValueError, ("target", str(other.shape), str(z.shape)), z, other)
    refused(pair_case, ValueError, ("sample_weight", "(30,)"), z, target, sample_weight=np.ones(30))


def test_wrong_kinds(pair_case):
    z, target = arrays(pair_case)
    refused(pair_case, TypeError, ("target", "complex"), z, target.astype(complex))
    refused(pair_case, TypeError, ("z", "complex"), z.astype(complex), target)
    refused(pair_case, TypeError, ("no_such_option",), z, target, no_such_option=1)
    refused(pair_case, ValueError, ("reduction", "mean, sum, none"), z, target, reduction="average")
    refused(
        pair_case,
        ValueError,
        ("sample_weight[3, 4]", "nan"),
        z,
        target,
        sample_weight=np.where(np.arange(600).reshape(20, 30) == 94, np.nan, 1),
    )


def test_outs(pair_case):
    z, target = arrays(pair_case)
    f = pair_case.function
    read_only = np.zeros(z.shape, z.dtype)
    read_only.flags.writeable = False
    for out, error in (
        (read_only, ValueError),
        (np.zeros((30, 20), z.dtype), ValueError),
        (np.zeros(z.shape, np.int32), TypeError),
        (np.broadcast_to(np.zeros(1, z.dtype), z.shape), ValueError),
        ([1.0], TypeError),
    ):
        for call in (f.grad, f.value_and_grad):
            with pytest.raises(error, match=f"{pair_case.entry.name}: out"):
                call(z, target, out=out)
        with pytest.raises(error, match=r"out\[1\]"):
            f.grad_and_hess(z, target, out=(None, out))
        with pytest.raises(error, match="out"):
            f(z, target, reduction="none", out=out)
    both = np.zeros(z.shape, z.dtype)
    with pytest.raises(ValueError, match="overlap"):
        f.grad_and_hess(z, target, out=(both, both))
    with pytest.raises(ValueError, match="reduction='none'"):
        f(z, target, out=both)
    with pytest.raises(TypeError, match="tuple"):
        f.grad_and_hess(z, target, out=both)
