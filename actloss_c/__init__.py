"""Neural-network activations and losses for NumPy arrays, each computed with its derivative in one pass."""

from . import _build, registry, ufuncs
from .threads import get_num_threads, num_threads, set_num_threads

globals().update(_build.functions())
__all__ = [*registry.FUNCTIONS, "get_num_threads", "num_threads", "set_num_threads", "ufuncs"]


def __getattr__(name):
    """__version__ when it is asked for: importlib.metadata takes twice as long to import as all the rest."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        globals()[name] = version("actloss_c")
    except PackageNotFoundError:  # built in place, never installed
        globals()[name] = "unknown"
    return globals()[name]
