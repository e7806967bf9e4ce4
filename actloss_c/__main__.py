"""The command line: `actloss_c info | bench | train | accuracy | plot | claims`."""

import argparse
import platform
import sys

import numpy as np

from . import __version__, _build, _dispatch, accuracy, bench, plot_command, threads, train
from .claims import command as claims


def info(_arguments):
    """What is installed and what runs here."""
    rows = {
        "actloss_c": __version__,
        "levels built": ", ".join(_dispatch.built_levels()),
        "levels runnable": ", ".join(_dispatch.runnable_levels()),
        "level active": f"{_dispatch.LEVEL} (ACTLOSS_C_LEVEL forces another)",
        "threads": f"{threads.get_num_threads()} (set_num_threads or {threads.VARIABLE} allows more)",
        "compiler": _build.compiler(),
        "processor": bench.processor(),
        "Python, NumPy": f"{platform.python_version()}, {np.__version__}",
        "functions": ", ".join(_build.functions()),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")
    return 0


def parser():
    """The parser of all commands."""
    top = argparse.ArgumentParser(prog="actloss_c", description="Activations and losses for NumPy, each with its derivative.")
    top.add_argument("--version", action="version", version=f"actloss_c {__version__}")
    commands = top.add_subparsers(dest="command", required=True)
    commands.add_parser("info", help="version, levels, threads").set_defaults(run=info)
    for name, module, text in (
        ("bench", bench, "time every function against NumPy (under a minute), with --peers against everyone"),
        ("train", train, "train a network on real digits, with this package and with NumPy"),
        ("accuracy", accuracy, "count the errors of every function, this package's and others'"),
        ("plot", plot_command, "draw functions, one file each"),
        ("claims", claims, "measure what the literature says of activations and losses, with a verdict on each"),
    ):
        command = commands.add_parser(name, help=text, description=module.__doc__.splitlines()[0])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(argv=None):
    """Runs one command; returns its exit status."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe has seen enough
        sys.stderr.close()
        return 141


if __name__ == "__main__":
    sys.exit(main())
