"""Picks one instruction-set level at import: the fastest that is built and runnable, or the one that ACTLOSS_C_LEVEL names."""

import importlib
import importlib.util
import os

ALL_LEVELS = ("baseline", "x86_v3", "x86_v4")  # slowest first
SHADOWED = (
    "actloss_c has no compiled modules here: {folder} is a source folder that hides the installed package. Start Python "
    "elsewhere (the console script and bare `pytest` do not suffer), or build in place with `pip install -e .`"
)


def _cpu():
    try:
        return importlib.import_module("actloss_c._cpu")
    except ImportError as error:
        raise ImportError(SHADOWED.format(folder=os.path.dirname(__file__))) from error


def built_levels():
    """Names of the levels whose module is installed."""
    return tuple(level for level in ALL_LEVELS if importlib.util.find_spec(f"actloss_c._{level}") is not None)


def runnable_levels():
    """Names of the built levels that this processor can run, slowest first. Asked before any of them is imported."""
    can_run = _cpu().runnable()
    return tuple(level for level in built_levels() if level in can_run)


def load(level):
    """The level's module. An unknown or unrunnable level is an ImportError that names the runnable ones."""
    runnable = runnable_levels()
    if not runnable:
        raise ImportError(SHADOWED.format(folder=os.path.dirname(__file__)))
    if level not in runnable:
        raise ImportError(f"actloss_c: level {level!r} cannot run here; ACTLOSS_C_LEVEL may be one of {', '.join(runnable)}")
    return importlib.import_module(f"actloss_c._{level}")


def choose():
    """The name of the level to use."""
    forced = os.environ.get("ACTLOSS_C_LEVEL")
    if forced:
        load(forced)
        return forced
    runnable = runnable_levels()
    if not runnable:
        raise ImportError(SHADOWED.format(folder=os.path.dirname(__file__)))
    return runnable[-1]


LEVEL = choose()
