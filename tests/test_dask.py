"""Functions of dask arrays: what NumPy arrays get, bit for bit, however they are cut."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("dask.array")

import pickle

import dask.array as da
from helpers_activations import ACTIVATIONS, KINDS, inputs, is_learned, method_of, parameters, ufunc_name
from helpers_dask import CUTS, EACH_CUT, N, computed, cut
from helpers_process import fails_to_import, python

import actloss_c as al
from actloss_c import dask_functions, registry

ROOT = Path(__file__).resolve().parent.parent
ROWS = pytest.mark.parametrize("name", [e.name for e in registry.ROWS])
OTHERS = [np.dtype(name) for name in ("float16", "int8", "int64")]


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_every_function_is_there_with_its_methods_and_arguments(name):
    ours, numpys = getattr(al.dask, name), getattr(al, name)
    assert pickle.loads(pickle.dumps(ours)).function is numpys
    assert numpys.__doc__ in ours.__doc__ and name in repr(ours)
    methods = [m for m in dir(numpys) if not m.startswith("_") and callable(getattr(numpys, m))]
    methods = ["__call__", *(m for m in methods if m != "objective")]  # which is SciPy's and wants a number at once
    assert methods == ["__call__", *(m for m in dir(ours) if not m.startswith("_") and m not in vars(ours))]
    assert all(getattr(ours, m).__doc__ for m in methods)
    assert "out" not in inspect.signature(ours).parameters
    assert name in al.dask.__all__ and name in dir(al.dask)


@ACTIVATIONS
@EACH_CUT
def test_activations(name, rows, dtype, assert_same_results):
    entry, ours, numpys = registry.FUNCTIONS[name], getattr(al.dask, name), getattr(al, name)
    for kind_of_x, shape in (*((d, ()) for d in (dtype, *OTHERS)), *((dtype, s) for s in ((5,), (N, 1)) if entry.params)):
        x, g = (a.reshape(N, 5).astype(kind_of_x) for a in inputs(dtype, N * 5))
        given = parameters(entry, np.dtype("f4"), shape)
        for kind in KINDS:
            lead, blocks = ((g,), (cut(g, rows),)) if kind == "backward" else ((), ())
            got = method_of(ours, kind)(*blocks, cut(x, rows), *given)
            want = method_of(numpys, kind)(*lead, x, *given)
            exact = 1 + (kind != "backward" or not is_learned(name))
            assert_same_results(computed(got)[:exact], (want if isinstance(want, tuple) else (want,))[:exact], f"{name} {kind}")


@ACTIVATIONS
def test_named_parameters_where_and_dtype(name, assert_same_results):
    entry, ours, numpys = registry.FUNCTIONS[name], getattr(al.dask, name), getattr(al, name)
    x, named = inputs(np.dtype("f4"), (N, 5))[0], {p.name: 0.5 for p in entry.params}
    for more in ({}, {"where": x > 0}, {"dtype": np.float64}):
        got = ours.value_and_grad(cut(x, CUTS[0]), **named, **more)
        assert_same_results(computed(got), numpys.value_and_grad(x, **named, **more), str(more))


@ACTIVATIONS
def test_protocol(name, assert_same_bits):
    """The ufuncs of one result, and the calls of NumPy's objects that use them, give dask arrays."""
    function, defaults = getattr(al, name), [p.default for p in registry.FUNCTIONS[name].params]
    for kind in ("value", "grad"):
        x = inputs(np.dtype("f4"), (N, 5))[0]
        for call in (getattr(al.ufuncs, ufunc_name(name, kind)), method_of(function, kind)):
            (got,) = computed(call(cut(x, CUTS[0]), *map(np.float32, defaults)))
            assert_same_bits(got, method_of(function, kind)(x), f"{name} {kind}")


@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if is_learned(e.name)])
@EACH_CUT
def test_learned_parameters_are_summed_over_blocks(name, rows, dtype):
    x, g = inputs(dtype, (N, 4, 3))
    blocks = [da.from_array(a, chunks=(rows, (1, 3), 2)) for a in (g, x)]
    for shape in ((), (3,), (4, 1), (N, 1, 1), (1, 4, 3), (N, 4, 3)):
        a = np.linspace(0.1, 1, int(np.prod(shape))).reshape(shape).astype(dtype)
        got, want = computed(getattr(al.dask, name).backward(*blocks, a)), getattr(al, name).backward(g, x, a)
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_allclose(got[1], want[1], atol=4 * np.finfo(dtype).eps * abs(g * x).sum())
        assert np.shape(got[1]) == shape


@ROWS
@EACH_CUT
def test_functions_of_rows(name, rows, dtype, assert_same_bits):
    ours, numpys, reduces = getattr(al.dask, name), getattr(al, name), registry.FUNCTIONS[name].reduces
    z = np.random.default_rng(0).normal(scale=4, size=(6, N, 5)).astype(dtype)
    blocks = da.from_array(z, chunks=(4, rows, 5))
    mask = np.random.default_rng(1).random((N, 5)) < 0.7
    keeps = ({}, {"keepdims": True}) if reduces else ({},)
    for axis, x in ((-1, blocks), (2, blocks), (0, blocks.rechunk({0: -1, 2: 2}))):
        for keep in keeps:
            for where in ({}, {"where": mask}):
                (got,) = computed(ours(x, axis, **keep, **where))
                want = numpys(z, axis, **keep, **where)
                assert_same_bits(got, want, f"{axis} {keep} {where}")
                (got,) = computed(ours.backward(want * 2, x, axis, **keep, **where))
                assert_same_bits(got, numpys.backward(want * 2, z, axis, **keep, **where), f"backward, {axis} {keep} {where}")


@pytest.mark.parametrize("name", [e.name for e in registry.MAXOUT if not e.linear])
@EACH_CUT
def test_maxima(name, rows, dtype, assert_same_results):
    ours, numpys = getattr(al.dask, name), getattr(al, name)
    z = np.random.default_rng(0).integers(-4, 4, (4, N, 3)).astype(dtype)
    blocks = da.from_array(z, chunks=(2, rows, 3))
    for axis, x in ((-1, blocks), (0, blocks.rechunk({0: -1}))):
        y, which = ours.value_and_argmax(x, axis)
        want = numpys.value_and_argmax(z, axis)
        np.testing.assert_array_equal(which, want[1])
        assert_same_results(computed(y), want[:1], f"axis {axis}")
        assert_same_results(computed(ours(x, axis)), want[:1], f"axis {axis}")
        assert_same_results(
            computed(ours.backward(y, which, z.shape[axis], axis)), (numpys.backward(*want, z.shape[axis], axis),)
        )


@pytest.mark.parametrize("name", [e.name for e in registry.MAXOUT if e.linear])
@EACH_CUT
def test_maxima_of_linear_maps(name, rows, dtype):
    ours, numpys, random = getattr(al.dask, name), getattr(al, name), np.random.default_rng(0)
    x, w, b = random.normal(size=(N, 2, 6)), random.normal(size=(3, 6, 4)), random.normal(size=(3, 4))
    blocks = da.from_array(x, chunks=(rows, 1, 6))
    y, which = ours.value_and_argmax(blocks, w, b)
    want = numpys.value_and_argmax(x, w, b)
    np.testing.assert_allclose(y, want[0], rtol=1e-12, err_msg="float64, as x is")
    np.testing.assert_array_equal(computed(ours(blocks, w, b))[0], y)
    np.testing.assert_array_equal(which, want[1])
    wanted = numpys.backward(want[0], x, w, want[1])
    for got, exact in zip(computed(ours.backward(y, blocks, w, which)), wanted, strict=True):
        np.testing.assert_allclose(got, exact, rtol=1e-11, atol=1e-11)


def test_several_results_are_one_task_per_block(monkeypatch):
    """Value and derivative together: NumPy's method is called once for each block."""
    calls, plain = [], dask_functions._call
    monkeypatch.setattr(dask_functions, "_call", lambda *given: calls.append(given) or plain(*given))
    x = da.zeros((8, 3), chunks=(2, 3), dtype="f4")
    for entry in registry.ACTIVATIONS:
        calls.clear()
        results = getattr(al.dask, entry.name).value_and_grad(x)
        assert not calls, "results are lazy"
        computed(results)
        assert len(calls) == 4


def test_unknown_lengths(assert_same_bits):
    x = np.random.default_rng(0).normal(size=(N, 5)).astype("f4")
    some = cut(x, CUTS[0])[cut(x[:, 0], CUTS[1]) > 0]
    for entry in (*registry.ACTIVATIONS, *registry.ROWS):
        got = getattr(al.dask, entry.name)(some).compute()
        assert_same_bits(got, getattr(al, entry.name)(x[x[:, 0] > 0]), entry.name)


X = np.zeros((4, 6), "f4")
MISTAKES = {  # a call, the error, what it says
    "rows cut": (
        lambda f: f(da.from_array(X, chunks=(4, 2))),
        ValueError,
        r"z is cut into 3 blocks along axis 1.*z\.rechunk\(\{1",
    ),
    "axis": (lambda f: f(X, axis=2), np.exceptions.AxisError, "axis=2"),
    "scalar": (lambda f: f(1.0), ValueError, "z is a scalar"),
    "words": (lambda f: f(["a", "b"]), TypeError, "z has dtype"),
    "out": (lambda f: f(X, out=X), TypeError, "out"),
    "mask": (lambda f: f(X, where=np.ones((3, 6), bool)), ValueError, r"where has shape \(3, 6\).*\(4, 6\)"),
    "mask of numbers": (lambda f: f(X, where=np.ones((4, 6))), TypeError, "where has dtype float64; it must be bool"),
    "slopes": (lambda f: f.backward(np.ones((3, 6)), X), ValueError, r"g has shape \(3, 6\)"),
}


@ROWS
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_before_computing(name, mistake):
    call, error, says = MISTAKES[mistake]
    with pytest.raises(error, match=says):
        call(getattr(al.dask, name))


@ACTIVATIONS
def test_mistakes_with_activations(name):
    function = getattr(al.dask, name)
    for call in (lambda: function(X, 1.0, 2.0), lambda: function(X, unheard_of=1), lambda: function(X, out=X)):
        with pytest.raises(TypeError, match=name):
            call()
    with pytest.raises(ValueError, match=r"g has shape \(5,\)"):
        function.backward(np.ones(5), X)
    for where, error in ((np.ones(6), TypeError), (1, TypeError), (np.ones((3, 6), bool), ValueError)):
        with pytest.raises(error, match=rf"{name}: where has"):
            function.value_and_grad(X, where=where)
    for p in registry.FUNCTIONS[name].params:
        with pytest.raises(ValueError, match=rf"{name}: {p.name} has shape \(5,\).*\(4, 6\)"):
            function(X, **{p.name: np.ones(5)})
        with pytest.raises(ValueError, match=rf"{name}: where has shape \(5, 1, 6\).*\(2, 4, 6\)"):
            function(X, **{p.name: np.ones((2, 1, 1))}, where=np.ones((5, 1, 6), bool))


@ACTIVATIONS
def test_ufuncs_of_two_results_are_refused_in_words(name):
    with pytest.raises(TypeError, match=rf"{name}: dask takes no ufunc of two results; al\.dask\.{name}\.value_and_grad"):
        getattr(al, name).value_and_grad(da.from_array(X, chunks=2))


@ACTIVATIONS
def test_masks_stay(name):
    masked = np.ma.masked_greater(inputs(np.dtype("f4"), (N, 5))[0], 0)
    for got, want in zip(
        getattr(al.dask, name).value_and_grad(cut(masked, CUTS[0])), getattr(al, name).value_and_grad(masked), strict=True
    ):
        got = got.compute()
        np.testing.assert_array_equal(np.ma.getmaskarray(got), masked.mask)
        np.testing.assert_array_equal(got.compressed(), want.compressed())


def test_keepdims_is_for_one_value_per_row():
    for entry in registry.ROWS:
        if not entry.reduces:
            with pytest.raises(TypeError, match="keepdims=True"):
                getattr(al.dask, entry.name)(X, keepdims=True)


def test_unheard_of_functions():
    with pytest.raises(AttributeError, match="unheard_of"):
        al.dask.unheard_of  # noqa: B018


def test_examples_run_as_written(tmp_path, monkeypatch):
    """Of README and docs/scale.md, one after the other; the files that they read are there."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(1000, 8)).astype("f4"))
    np.save("labels.npy", np.arange(1000) % 3)
    for page in ("README.md", "docs/scale.md"):
        blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)
        blocks, names = [block for block in blocks if page != "README.md" or "al.dask" in block], {}
        assert blocks
        for block in blocks:
            exec(block, names)
    assert 0 < names["loss"] < np.log(3) + 0.01 and names["W"].any()


def test_missing_library_is_named_with_its_extra(tmp_path):
    code = "import sys; sys.modules['dask'] = None; import actloss_c as al; al.dask"
    assert 'pip install "actloss_c[dask]"' in fails_to_import(python(code, tmp_path))
