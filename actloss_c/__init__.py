"""Neural-network activations and losses for NumPy arrays, each computed with its derivative in one pass."""

from . import _build, registry, ufuncs
from .threads import get_num_threads, num_threads, set_num_threads

globals().update(_build.functions())
__all__ = [*registry.FUNCTIONS, "get_num_threads", "num_threads", "set_num_threads", "ufuncs"]

LAZY = {  # {public name: the submodule that holds it, or is it}: imported when the name is asked for
    "GradientFlow": "gradient_flow",
    "dask": "dask",
    "diagnose": "diagnosis",
    "objectives": "objectives",
    "plot": "plotting",
    "sklearn": "sklearn",
    "torch": "torch",
}


def __getattr__(name):
    """Names of LAZY, and __version__ when it is asked for: importlib.metadata takes twice as long to import as all the rest."""
    if name in LAZY:
        from importlib import import_module

        module = import_module(f".{LAZY[name]}", __name__)
        globals()[name] = module if LAZY[name] == name else getattr(module, name)
        return globals()[name]
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        globals()[name] = version("actloss_c")
    except PackageNotFoundError:  # built in place, never installed
        globals()[name] = "unknown"
    return globals()[name]
