"""Draws functions: value, derivative and Hessian, one file each.

`actloss_c plot` is `al.plot` for the command line: see plotting.py.
"""

import argparse
import contextlib
import inspect
import sys
from pathlib import Path

import numpy as np

from . import plotting, registry

DPI = 120
COLOURS = 128  # of a PNG file: a third of the bytes, and no eye sees it
FORMATS = ("png", "svg")


def _name(text):
    try:
        plotting.function_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error).removeprefix("f=")) from None
    return text


def _folder(text):
    path = Path(text)
    if next(p for p in (path, *path.parents) if p.exists()).is_dir():
        return path
    raise argparse.ArgumentTypeError(f"{text!r} is, or lies in, a file; name a folder, which is made if it is not there")


def _assignment(text):
    name, equals, value = text.partition("=")
    if not name.isidentifier() or not equals or not value:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE, such as alpha=0.2")
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return name, kind(value)
    return name, value  # a word, such as hess=clipped


def add_arguments(parser):
    """Declares the options of `actloss_c plot`."""
    add = parser.add_argument
    add("functions", nargs="*", type=_name, metavar="FUNCTION", help="names, as actloss_c info lists them")
    add("--all", action="store_true", help="every function")
    add("--overview", action="store_true", help="one more picture, overview, of all functions, small")
    add("-o", "--output", type=_folder, default=Path(), metavar="DIR", help="folder for the files (default: this one)")
    add("--format", choices=FORMATS, default=FORMATS[0], help="default %(default)s")
    add("--span", nargs=2, type=float, metavar=("LOW", "HIGH"), help="of x, of predictions or logits (default: by function)")
    add("--threshold", type=float, metavar="T", help="of |f′|, below which an activation counts as saturated (default 0.01)")
    add("--target", action="append", type=float, metavar="NUMBER", help="of a loss over pairs, a curve each (repeatable)")
    add("--over", choices=("plane", "simplex"), help="where functions of rows are drawn")
    add("--parameter", action="append", type=_assignment, default=[], metavar="NAME=VALUE", help="instead of its default")
    parser.set_defaults(error=parser.error)


def save(figure, path):
    """Writes a figure in the format that the path ends in, without a date in it."""
    if path.suffix == ".svg":
        figure.savefig(path, metadata={"Date": None})
        return
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image  # matplotlib brings it along

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(DPI)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(COLOURS).save(path, optimize=True)


def figures(arguments):
    """(name, figure) of each picture that was asked for."""
    a = arguments
    options = {"span": a.span, "threshold": a.threshold, "targets": a.target, "over": a.over, **dict(a.parameter)}
    options = {name: value for name, value in options.items() if value is not None}
    for name in registry.FUNCTIONS if a.all else dict.fromkeys(a.functions):
        yield name, plotting.plot(name, **options)
    if a.overview:
        yield "overview", plotting.overview()


def run(arguments):
    """Writes the pictures and prints their names."""
    if not (arguments.functions or arguments.all or arguments.overview):
        arguments.error("nothing to draw: name functions, or give --all or --overview")
    if not inspect.signature(plotting.plot).parameters.keys().isdisjoint(dict(arguments.parameter)):
        arguments.error("argument --parameter: that is no parameter of a function; see --help for the options")
    try:
        for name, figure in figures(arguments):
            arguments.output.mkdir(parents=True, exist_ok=True)
            path = arguments.output / f"{name}.{arguments.format}"
            save(figure, path)
            print(path)
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, TypeError, ValueError) as error:
        arguments.error(str(error))
    return 0
