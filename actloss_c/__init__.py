"""Neural-network activations and losses for NumPy arrays, each computed with its derivative in one pass."""

from . import _build, registry, ufuncs
from .threads import get_num_threads, num_threads, set_num_threads

globals().update(_build.functions())
__all__ = [*registry.FUNCTIONS, "get_num_threads", "num_threads", "set_num_threads", "ufuncs"]

LAZY = {  # {name: submodule}, imported when it is asked for: what they need beside NumPy is optional
    "dask": "dask",
    "sklearn": "sklearn",
}


def __getattr__(name):
    """The lazy submodules, and __version__: importlib.metadata takes twice as long to import as all the rest."""
    if name in LAZY:
        from importlib import import_module

        return import_module(f"{__name__}.{LAZY[name]}")
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        globals()[name] = version("actloss_c")
    except PackageNotFoundError:  # built in place, never installed
        globals()[name] = "unknown"
    return globals()[name]
