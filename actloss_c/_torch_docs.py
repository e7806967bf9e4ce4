"""Docstrings of the functions of actloss_c.torch; what an argument means stands in that of the function of actloss_c."""

import textwrap

from .entries import ActivationEntry, LinearLossEntry, LossEntry, MaxoutEntry, PairLossEntry, RowEntry

X = "    x: tensor of real numbers, any shape and strides; gets a gradient if it requires one"
Z = "    z: tensor of real numbers, any shape and strides; the only argument that gets a gradient"
MAPS = """    x: tensor of shape (…, d)
    W: tensor of shape {shape}
    b: tensor of shape {bias}, or None for none; x, W and b get gradients if they require them"""
LOSS = """
Returns a tensor without axes, for reduction="none" one loss per {each}, of z's dtype if that is float32 or float64, else of
float32 (float64 for integers of more than 16 bits)."""


def function(made, entry):
    """The docstring of one of them."""
    inputs, returns = _arguments(entry, _others(made))
    return f"""{made.name} = {entry.formula}, of tensors on the CPU, with its gradient

Kernel, limits, error bounds and the arguments' meaning are those of actloss_c.{made.name}.
Nothing is copied. float32 and float64 keep their dtype; a gradient has its input's dtype and shape.

Arguments
{inputs}
{returns}
Raises
    TypeError: an argument is no tensor, or one on another device than the CPU (.cpu() gives it there), sparse, or complex
    ValueError: shapes do not fit; an argument without a gradient requires one (.detach() gives it without)
    RuntimeError: a gradient is asked for with create_graph=True: there is no second derivative
    and what actloss_c.{made.name} raises.
Source: {entry.paper}.
"""


def _others(made):
    """The line of a loss's arguments that have no gradients."""
    names = [name for name in made.__signature__.parameters if name not in ("z", "x", "W", "b")]
    text = f"{', '.join(names)}: as there, arrays among them or tensors on the CPU; one that requires a gradient is an error"
    return textwrap.fill(text, 130, initial_indent=" " * 4, subsequent_indent=" " * 8)


def _arguments(entry, others):
    """(the arguments, what is returned) of a kind of function; others: the line of those without gradients."""
    if isinstance(entry, ActivationEntry):
        narrow = "\nReturns a tensor of x's shape and dtype; float16 stays, as does bfloat16 where ml_dtypes is installed.\n"
        return "\n".join((X, *map(_parameter, entry.params))), narrow
    if isinstance(entry, LinearLossEntry):
        return f"{MAPS.format(shape='(d, classes)', bias='(classes,)')}\n{others}", f"{LOSS.format(each='row')}\n"
    if isinstance(entry, LossEntry | PairLossEntry):
        return f"{Z}\n{others}", f"{LOSS.format(each='row' if isinstance(entry, LossEntry) else 'element')}\n"
    if isinstance(entry, RowEntry):
        return f"{Z}\n    axis, where, keepdims: as there; where may be a tensor", "\nReturns a tensor, for float16 of float32.\n"
    if isinstance(entry, MaxoutEntry) and entry.linear:
        return MAPS.format(shape="(k, d, u)", bias="(k, u)"), "\nReturns a tensor of shape (…, u).\n"
    return f"{Z}\n    axis: that of the pieces", "\nReturns a tensor of z's shape without that axis.\n"


def _parameter(p):
    gets = "if it requires a gradient, it gets that summed to its shape" if p.learned else "without a gradient"
    kinds = f"number, array-like or tensor that broadcasts to x's shape; {gets}"
    return f"    {p.name}: {p.meaning}; default {p.default};\n        {kinds}"
