"""Makes the public objects of one level from the registry."""

import functools

from . import _dispatch, _docs, registry
from ._dispatch import LEVEL
from .activation import Activation
from .linear import LinearLoss
from .linear_pieces import MaxoutLinear
from .loss import Loss
from .pair_loss import PairLoss
from .pieces import Maxout
from .rows import RowFunction, RowReduction

KINDS = ("value", "grad", "value_and_grad", "backward")


@functools.cache
def ufuncs(level):
    """{name: ufunc} of a level."""
    docs = {
        entry.name if kind == "value" else f"{entry.name}_{kind}": _docs.ufunc(entry, kind)
        for entry in registry.ACTIVATIONS
        for kind in KINDS
    }
    return _dispatch.load(level).ufuncs(docs)


@functools.cache
def elementary(level=LEVEL):
    """{name: ufunc} of the functions that a level's kernels are made of. Not published: they are judged through these."""
    return _dispatch.load(level).elementary()


def functions(level=LEVEL):
    """{name: public object} of a level. Those of the level that was chosen at import are the package's own."""
    return _functions(level)


@functools.cache
def _functions(level):
    module = _dispatch.load(level)
    learned = module.backward_learned_by_name
    made = {e.name: Activation(e, ufuncs(level), learned.get(e.name), fused=module.fused) for e in registry.ACTIVATIONS}
    for entry in registry.PAIR_LOSSES:
        made[entry.name] = PairLoss(entry, *module.pairs_by_name[entry.name], module.inside, fused=module.fused)
    for entry in registry.LOSSES:
        made[entry.name] = Loss(entry, module, fused=module.fused)
    for entry in registry.ROWS:
        rows = module.rows_by_name[entry.name]
        made[entry.name] = (RowReduction if entry.reduces else RowFunction)(entry, *rows, fused=module.fused)
    for entry in registry.MAXOUT:
        if entry.linear:
            made[entry.name] = MaxoutLinear(entry, made[entry.file])
        else:
            rows = (module.rows_by_name[kind] for kind in (entry.name, f"{entry.name}_backward"))
            made[entry.name] = Maxout(entry, *rows, module.check_labels)
    for entry in registry.LINEAR_LOSSES:
        made[entry.name] = LinearLoss(entry, Loss(registry.FUNCTIONS[entry.loss], module, fused=module.fused))
    return made


@functools.cache
def machine_limit():
    """A ufunc that reads x once and writes it twice, with the loops of the active level: the bound of value_and_grad."""
    return _dispatch.load(LEVEL).machine_limit()


def compiler():
    """The compiler of the active level's module."""
    return _dispatch.load(LEVEL).compiler
