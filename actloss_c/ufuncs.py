"""The numpy.ufuncs below the activations: <name>, <name>_grad, <name>_value_and_grad and <name>_backward for each.

Real ufuncs: out=, where=, casting, broadcasting and `__array_ufunc__` work as in NumPy. Parameters have no defaults here.
"""

from . import _build

globals().update(_build.ufuncs(_build.LEVEL))
__all__ = sorted(_build.ufuncs(_build.LEVEL))
