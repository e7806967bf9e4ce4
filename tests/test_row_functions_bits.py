"""The functions of rows: a row's bits wherever it stands and however it lies, masked, in place, beside NaN."""

import numpy as np
import pytest
from helpers_row_functions import along, masks, results, rows_and_slopes
from helpers_rows import CLASSES, LONG

KINDS = ("value", "backward")


def layouts(z):
    """(name, axis, array): the same rows in the same order in other places of memory, classes along `axis`."""
    n = z.ndim
    yield "C order", -1, z.copy()
    yield "F order", -1, z.copy(order="F")
    for axis in range(n - 1):
        yield f"classes along axis {axis}", axis, np.moveaxis(z, -1, axis).copy()
        yield f"classes along axis {axis} of F order", axis, np.moveaxis(z, -1, axis).copy(order="F")
        yield f"stored with classes along axis {axis}", -1, np.moveaxis(np.moveaxis(z, -1, axis).copy(), axis, -1)
    for step, what in ((2, "every other element"), (-1, "backwards"), (-3, "every third one backwards")):
        wide = np.full([abs(step) * length for length in z.shape], 7, z.dtype)[(slice(None, None, step),) * n]
        wide[...] = z
        yield what, -1, wide
        yield f"{what}, classes along axis 0", 0, np.moveaxis(wide, -1, 0)
    gaps = np.full((*z.shape[:-1], z.shape[-1] + 5), 7, z.dtype)[..., 2:-3]
    gaps[...] = z
    yield "rows with gaps", -1, gaps


def alike(a, like):
    """A copy of a in the memory order and with the strides' signs of `like`, if it has its shape."""
    if a.shape != like.shape:
        return a.copy()
    order = np.argsort([-abs(step) for step in like.strides], kind="stable")
    buffer = np.full([2 * like.shape[d] for d in order], 9, a.dtype).transpose(np.argsort(order))
    made = buffer[tuple(slice(None, None, 2 if step >= 0 else -2) for step in like.strides)]
    made[...] = a
    return made


@pytest.mark.parametrize("masked", (False, True), ids=("all", "masked"))
@pytest.mark.parametrize("classes", (*CLASSES, *LONG))
def test_any_layout(row_case, classes, masked, assert_same_bits):
    """The class axis anywhere, any memory order and strides of z, g, out and the mask, in place or not."""
    f, entry = row_case.function, row_case.entry
    for shape in ((2, 3, 4), (5, 17)) if classes < 1000 else ((2, 3),):
        z, g = rows_and_slopes(entry, classes, row_case.dtype, shape, seed=1, special=True)
        mask = masks(z.shape) if masked else None
        want = results(f, g, z, **({"where": mask} if masked else {}))
        for what, axis, there in layouts(z):
            options = {"axis": axis} | ({"where": alike(np.moveaxis(mask, -1, axis), there)} if masked else {})
            slope = alike(along(entry, g, axis), there)
            value_out = alike(np.zeros(f(there, **options).shape, z.dtype), there)
            found = {
                ("value", "fresh"): f(there, **options),
                ("value", "out"): f(there, **options, out=value_out),
                ("backward", "fresh"): f.backward(slope, there, **options),
                ("backward", "out"): f.backward(slope, there, **options, out=alike(np.zeros_like(there), there)),
            }
            in_place = [there.copy(order="K") for _ in range(2)]
            found["backward", "in place of z"] = f.backward(slope, in_place[0], **options, out=in_place[0])
            if not entry.reduces:
                found["value", "in place"] = f(in_place[1], **options, out=in_place[1])
                found["backward", "in place of g"] = f.backward(slope, there, **options, out=slope)
            for (kind, how), got in found.items():
                got = got if kind == "value" and entry.reduces else np.moveaxis(got, axis, -1)
                assert_same_bits(got, want[kind], f"{row_case} {kind}, {classes} classes, {what}, {how}")
            assert found["value", "out"] is value_out


@pytest.mark.parametrize("masked", (False, True), ids=("all", "masked"))
@pytest.mark.parametrize("classes", (1, 3, 10, 33, 47, 48, 130))
def test_any_batch(row_case, classes, masked, assert_same_bits):
    """Batches of 1…130 rows and any order of rows keep each row's bits; none are of no rows."""
    f, entry = row_case.function, row_case.entry
    z, g = rows_and_slopes(entry, classes, row_case.dtype, (200,), seed=3, special=True)
    mask = masks(z.shape) if masked else np.ones(z.shape, bool)

    def found(rows, axis=-1):
        options = {"axis": axis, "where": np.moveaxis(mask[rows], -1, axis)} if masked else {"axis": axis}
        there = np.ascontiguousarray(np.moveaxis(z[rows], -1, axis))
        made = results(f, along(entry, g[rows], axis), there, **options)
        return {k: r if k == "value" and entry.reduces else np.moveaxis(r, axis, -1) for k, r in made.items()}

    want = found(slice(None))
    order = np.random.default_rng(4).permutation(200)
    for kind, got in found(order).items():
        assert_same_bits(got, want[kind][order], f"{row_case} {kind}, {classes} classes, permuted")
    for n in range(1, 131):
        rows = slice(n // 3, n // 3 + n)
        for axis in (-1, 0):
            for kind, got in found(rows, axis).items():
                assert_same_bits(got, want[kind][rows], f"{row_case} {kind}, {classes} classes, {n} rows, axis {axis}")
    for kind in KINDS:
        assert_same_bits(found(0)[kind], want[kind][0], f"{row_case} {kind}: one row without an axis of rows")
    for shape in ((0,), (3, 0), (0, 2)):
        z, g = np.empty((*shape, classes), row_case.dtype), np.empty((*shape, classes)[: -1 if entry.reduces else None])
        assert f(z).shape == (shape if entry.reduces else z.shape) and f.backward(g, z).shape == z.shape


@pytest.mark.parametrize("classes", CLASSES)
def test_nan_stays_in_its_row(row_case, classes, assert_same_bits):
    """A NaN in z or g makes its row NaN, wherever it stands, and touches no other row; a masked one not even its own."""
    f, entry = row_case.function, row_case.entry
    z, g = rows_and_slopes(entry, classes, row_case.dtype, (70,), seed=12)
    mask = np.ones(z.shape, bool)
    for place in sorted({0, 1, classes // 2, classes - 2, classes - 1} & set(range(classes))):
        rows = (0, 15, 16, 63, 64, 69)
        spoilt, slope = z.copy(), g.copy()
        spoilt[rows, place] = np.nan
        if not entry.reduces:
            slope[rows, place] = np.nan
        mask[...] = True
        mask[rows, place] = False
        for axis in (-1, 0):
            for k, (there, its_g) in enumerate(((spoilt, g), (z, slope))):
                there, its_g = np.ascontiguousarray(np.moveaxis(there, -1, axis)), along(entry, its_g, axis)
                options = {"axis": axis, "where": np.moveaxis(mask, -1, axis)}
                want = results(f, along(entry, g, axis), np.moveaxis(z, -1, axis), axis=axis)
                hidden = results(f, along(entry, g, axis), np.moveaxis(z, -1, axis), **options)
                for kind, got in results(f, its_g, there, axis=axis).items():
                    if k == 0 or (kind == "backward" and not entry.reduces):
                        where = (list(rows),) if axis else ((Ellipsis, list(rows)) if want[kind].ndim > 1 else (list(rows),))
                        want[kind][where] = np.nan
                    assert_same_bits(got, want[kind], f"{row_case} {kind}, NaN at {place}")
                for kind, got in results(f, its_g, there, **options).items():
                    assert_same_bits(got, hidden[kind], f"{row_case} {kind}, masked NaN at {place}")


@pytest.mark.parametrize("classes", CLASSES)
def test_masks(row_case, classes, assert_same_bits):
    """A mask of True is none; where it is False z counts as −inf and g as 0; masks are broadcast."""
    f, entry, dtype = row_case.function, row_case.entry, row_case.dtype
    z, g = rows_and_slopes(entry, classes, dtype, (6, 21), seed=9)
    plain = results(f, g, z)
    for mask in (np.ones(z.shape, bool), np.True_, [True], np.ones((21, 1), bool)):
        for kind, got in results(f, g, z, where=mask).items():
            assert_same_bits(got, plain[kind], f"{row_case} {kind}, a mask of True")
    random = np.random.default_rng(classes)
    for shape in (z.shape, (classes,), (21, 1), (6, 1, classes), (1, 1, 1)):
        mask = random.random(shape) < 0.7
        whole = np.broadcast_to(mask, z.shape)
        got = results(f, g, z, where=mask)
        alive = whole & (z > -np.inf)
        rows = np.any(alive, axis=-1)
        like = results(f, g if entry.reduces else np.where(whole, g, 0).astype(dtype), np.where(whole, z, dtype.type(-np.inf)))
        for kind, want in like.items():
            reduced = kind == "value" and entry.reduces
            of = rows if reduced else alive & rows[..., np.newaxis]
            assert_same_bits(got[kind][of], want[of], f"{row_case} {kind}, mask of shape {shape}")
        for kind, result in results(f, g, z, where=whole.copy()).items():
            assert_same_bits(result, got[kind], f"{row_case} {kind}, mask of shape {shape}, spread out")
