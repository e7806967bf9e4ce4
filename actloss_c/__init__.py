"""Neural-network activations and losses for NumPy arrays, each computed with its derivative in one pass."""

from importlib.metadata import PackageNotFoundError, version

from . import _build, registry, ufuncs

try:
    __version__ = version("actloss_c")
except PackageNotFoundError:  # built in place, never installed
    __version__ = "unknown"

globals().update(_build.functions())
__all__ = [*registry.FUNCTIONS, "ufuncs"]
