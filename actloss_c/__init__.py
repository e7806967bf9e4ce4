"""Neural-network activations and losses for NumPy arrays, each computed with its derivative in one pass."""

from . import _build, registry, ufuncs
from .threads import get_num_threads, num_threads, set_num_threads

globals().update(_build.functions())
_LAZY = {  # what is imported when it is asked for, as it needs more than NumPy: {name: submodule, or the one that holds the name}
    "torch": "torch",
}
__all__ = [*registry.FUNCTIONS, "get_num_threads", "num_threads", "set_num_threads", "ufuncs"]


def __getattr__(name):
    """What stands in _LAZY, and __version__: importlib.metadata takes twice as long to import as all the rest."""
    if name == "__version__":
        globals()[name] = _version()
    elif name in _LAZY:
        from importlib import import_module

        module = import_module(f".{_LAZY[name]}", __name__)
        globals()[name] = module if _LAZY[name] == name else getattr(module, name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals()[name]


def _version():
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("actloss_c")
    except PackageNotFoundError:  # built in place, never installed
        return "unknown"
