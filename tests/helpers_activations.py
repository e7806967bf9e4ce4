"""Ways to call an activation, through the public object and through the ufunc below it, and numbers to call it with."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from helpers_arrays import as_out

from actloss_c import _build, _dispatch, registry
from actloss_c.activation import Activation

KINDS = {"value": 1, "grad": 1, "value_and_grad": 2, "backward": 1}  # outputs of the ufunc
N = 1043  # two blocks of the loops and a ragged end
ACTIVATIONS = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS])
WITH_PARAMETERS = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if e.params])


def ufunc_name(name, kind):
    return name if kind == "value" else f"{name}_{kind}"


def method_of(function, kind):
    return function if kind == "value" else getattr(function, kind)


def is_learned(name):
    """Whether backward also returns a parameter's gradient."""
    return any(p.learned for p in registry.FUNCTIONS[name].params)


class Watched(Activation):
    """An activation that counts the calls which the compiled methods hand on to Python."""

    handed_on = 0

    def __getattribute__(self, name):
        if name.startswith("_general_"):
            self.handed_on += 1
        return super().__getattribute__(name)


def build(cls, name, level=_dispatch.LEVEL):
    learned = _dispatch.load(level).backward_learned_by_name.get(name)
    return cls(registry.FUNCTIONS[name], _build.ufuncs(level), learned)


@dataclass(frozen=True)
class Call:
    """One way to call an activation: a kind, through the public object or through the ufunc below it."""

    name: str
    function: Callable
    takes_g: bool
    defaults: tuple
    like_x: int  # outputs of x's shape
    sums: bool  # a last output of the parameter's shape follows

    def __call__(self, g, x, *params, **options):
        """All results, in a tuple."""
        result = self.function(*((g,) if self.takes_g else ()), x, *(params or self.defaults), **options)
        return result if isinstance(result, tuple) else (result,)

    def into(self, outs, g, x, *params, **options):
        """The same with out=, which must come back."""
        results = self(g, x, *params, out=as_out(outs), **options)
        assert all(result is out for result, out in zip(results, outs, strict=True)), f"{self.name} does not return out"
        return results

    def outs(self, shape, dtype):
        """Fresh outputs for scalar parameters, filled with a value that no function gives."""
        return [np.full(shape, 15_000, dtype) for _ in range(self.like_x)] + [np.full((), 15_000, dtype)] * self.sums


def calls(name, level, raw=True, backward=True):
    """Every way; without the ufuncs, and without the calls that take g, on demand."""
    function, ufuncs = _build.functions(level)[name], _build.ufuncs(level)
    defaults = tuple(p.default for p in registry.FUNCTIONS[name].params)
    made = []
    for kind, outputs in KINDS.items():
        takes_g = kind == "backward"
        if takes_g and not backward:
            continue
        sums = takes_g and is_learned(name)
        made.append(Call(f"{name} {kind}", method_of(function, kind), takes_g, defaults, outputs, sums))
        if raw:
            ufunc = ufuncs[ufunc_name(name, kind)]
            made.append(Call(f"ufunc {ufunc.__name__}", ufunc, takes_g, defaults, outputs, False))
    return made


def sample(dtype, shape=N, seed=0):
    """Finite numbers of all sizes that matter to an activation, with zeros of both signs."""
    x = np.random.default_rng(seed).normal(scale=3, size=shape)
    x.flat[::37] = 0.0
    x.flat[5::37] = -0.0
    x.flat[7::41] *= 1e-4
    x.flat[9::43] *= 40
    return x.astype(dtype)


def inputs(dtype, shape=N):
    """x and g."""
    return sample(dtype, shape), sample(dtype, shape, seed=1)


def parameters(entry, dtype, shape=()):
    """Positive values around the defaults."""
    return [(p.default * np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)).astype(dtype) for p in entry.params]
