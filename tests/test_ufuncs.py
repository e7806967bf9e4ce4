"""The ufuncs below the activations: names, types, and what array types other than NumPy's own get from them."""

import numpy as np
from helpers_activations import ACTIVATIONS, KINDS, calls, is_learned, method_of, sample, ufunc_name
from helpers_arrays import Tagged, as_out

import actloss_c
from actloss_c import _build, _dispatch, registry


def test_ufuncs(level):
    ufuncs = _build.ufuncs(level)
    expected = {ufunc_name(e.name, kind): (e, kind) for e in registry.ACTIVATIONS for kind in KINDS}
    assert ufuncs.keys() == expected.keys()
    for name, (entry, kind) in expected.items():
        ufunc = ufuncs[name]
        assert isinstance(ufunc, np.ufunc)
        assert ufunc.__name__ == name
        assert (ufunc.nin, ufunc.nout) == (1 + len(entry.params) + (kind == "backward"), KINDS[kind])
        assert ufunc.types == [letter * ufunc.nin + "->" + letter * ufunc.nout for letter in "efd"], "narrowest first"
        assert entry.formula in ufunc.__doc__


def test_ufuncs_module_holds_the_active_level():
    ufuncs = _build.ufuncs(_dispatch.LEVEL)
    assert set(actloss_c.ufuncs.__all__) == ufuncs.keys()
    assert all(getattr(actloss_c.ufuncs, name) is ufunc for name, ufunc in ufuncs.items())


def test_level_modules_show_no_ufunc(level):
    """One found there would be pickled by the level's name."""
    assert not [name for name, thing in vars(_dispatch.load(level)).items() if isinstance(thing, np.ufunc)]


def test_subclasses_come_back(case, assert_same_results):
    x = sample(case.dtype)
    for call in calls(case.entry.name, case.level):
        if not call.sums:  # not a ufunc
            want, got = call(x, x), call(x.view(Tagged), x.view(Tagged))
            assert all(type(result) is Tagged for result in got), call.name
            assert_same_results(got, want, call.name)


class Foreign:
    """An array type of someone else's: tells what NumPy hands it."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return ufunc, method, inputs, options


@ACTIVATIONS
def test_foreign_arrays_get_the_ufunc(name, level):
    activation, ufuncs = _build.functions(level)[name], _build.ufuncs(level)
    foreign, mask, defaults = Foreign(), np.ones(3, bool), tuple(activation.params.values())
    for kind in ("value", "grad", "value_and_grad"):
        ufunc, method = ufuncs[ufunc_name(name, kind)], method_of(activation, kind)
        assert method(foreign) == (ufunc, "__call__", (foreign, *defaults), {})
        assert method(foreign, **dict.fromkeys(activation.params, 0.5))[2] == (foreign, *[0.5] * len(defaults))
        assert method(foreign, where=mask)[3] == {"where": mask}
        out = (np.empty(3),) * KINDS[kind]
        given = method(foreign, out=as_out(out))[3]["out"]
        assert len(given) == len(out) and all(a is b for a, b in zip(given, out, strict=True))
    if not is_learned(name):  # else two results of different shapes, which no ufunc has
        backward = ufuncs[f"{name}_backward"]
        assert activation.backward(foreign, 2.0) == (backward, "__call__", (foreign, 2.0, *defaults), {})
        assert activation.backward(2.0, foreign) == (backward, "__call__", (2.0, foreign, *defaults), {})


def test_foreign_arrays_get_the_dtype(activation):
    """It is the user's wish; to drop it would be silent."""
    for method in (activation, activation.grad, activation.value_and_grad):
        options = method(Foreign(), dtype=np.float32)[3]
        assert options.get("dtype") == np.float32 or np.float32 in options.get("signature", ())
