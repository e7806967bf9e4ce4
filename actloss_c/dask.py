"""Every function of the package for dask arrays, by the same names: al.dask.sigmoid, al.dask.softmax_cross_entropy, …

    y, dy = al.dask.sigmoid.value_and_grad(x)
    loss, dz = al.dask.softmax_cross_entropy.value_and_grad(z, labels)

Methods, arguments and the rules for dtypes are those of the objects for NumPy arrays, without out=. Results are lazy dask arrays;
a value and its derivatives are one task per block, not several. Arguments that are no dask arrays are cut like those that are.

Rows lie in one block: the axis of classes or pieces is not cut. A sum over blocks is that of their sums in float64; a mean
divides it by the sum of their counts, so blocks of any lengths do. Elements and rows, gradients among them, have the bits that
NumPy arrays get, however they are cut; what is summed over blocks may differ in its last place, and with it gradients of a
mean whose count is such a sum of weights that are no whole numbers, or with class weights.

Raises ImportError if dask is not installed. Bad labels, weights and entries are found when a block is computed; shapes and
options before.
"""

try:
    import dask.array  # noqa: F401
except ImportError as error:
    raise ImportError(f'actloss_c.dask needs dask ({error}): pip install "actloss_c[dask]"') from error

from . import _build
from . import dask_functions as _kinds
from . import dask_losses as _losses
from .activation import Activation
from .linear import LinearLoss
from .linear_pieces import MaxoutLinear
from .loss import Loss
from .pair_loss import PairLoss
from .pieces import Maxout
from .rows import RowFunction

_CLASSES = (
    (Activation, _kinds.DaskActivation),
    (RowFunction, _kinds.DaskRows),
    (PairLoss, _losses.DaskPairLoss),
    (Loss, _losses.DaskRowLoss),
    (Maxout, _kinds.DaskMaxout),
    (MaxoutLinear, _kinds.DaskMaxoutLinear),
    (LinearLoss, _losses.DaskLinearLoss),
)


def _made(function):
    return next(made for kind, made in _CLASSES if isinstance(function, kind))(function)


_FUNCTIONS = {name: _made(function) for name, function in _build.functions().items()}
__all__ = list(_FUNCTIONS)


def __getattr__(name):
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _FUNCTIONS[name]


def __dir__():
    return sorted((*globals(), *_FUNCTIONS))
