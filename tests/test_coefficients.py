"""The polynomials in src/elementary are what the scripts in src/coefficients print, and as good as is said there."""

import importlib.util
import re
import sys
import warnings
from pathlib import Path

import mpmath
import numpy as np
import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src"
SCRIPTS = {path.stem: path for path in sorted((SOURCE / "coefficients").glob("*.py")) if path.stem != "minimax"}


def kernels():
    """{function: its text} of everything in src/elementary."""
    made = {}
    for path in (SOURCE / "elementary").glob("*.pxd"):
        for part in re.split(r"^cdef inline \w+ ", path.read_text(), flags=re.MULTILINE)[1:]:
            made[part.partition("(")[0]] = part
    return made


KERNELS = kernels()


def polynomials(text):
    """[(variable, its literals as they stand)] of every Horner scheme, plain or over pairs: lines that assign one variable from
    itself, begun by one that does not."""
    found = []
    for line in map(str.strip, text.splitlines()):
        step = re.fullmatch(r"(\w+) = (<(?:real|float)>-?[\d.e+-]+|fma\([^?]*\))", line)
        literals = re.findall(r"<(?:real|float)>(-?\d[\d.e+-]*)", line)
        if not step or not literals or " if " in line:
            continue
        if found and found[-1][0] == step[1] and re.search(rf"\b{step[1]}\b", step[2]):
            found[-1][1].extend(literals)
        else:
            found.append((step[1], literals))
    return [(variable, literals) for variable, literals in found if len(literals) > 2]


def function_of(name):
    """The function that holds a script's polynomial, as the script says."""
    return re.search(r'^FUNCTION = "(\w+)"', SCRIPTS[name].read_text(), flags=re.MULTILINE)[1]


def forms_of(name):
    """Those for which it fits a polynomial: both, if the script does not say."""
    stated = re.search(r"^FORMS = \((.*),\)", SCRIPTS[name].read_text(), flags=re.MULTILINE)
    return re.findall(r"\w+", stated[1]) if stated else ["float", "double"]


def literals_of(name):
    return dict(zip(forms_of(name), (literals for _, literals in polynomials(KERNELS[function_of(name)])), strict=True))


EACH_FIT = pytest.mark.parametrize("name,form", [(name, form) for name in SCRIPTS for form in forms_of(name)])


@pytest.fixture(scope="module")
def fits():
    """{script: {form: its Fit}}, computed anew."""
    loaded, path, precision = set(sys.modules), list(sys.path), mpmath.mp.prec
    sys.path.insert(0, str(SOURCE / "coefficients"))
    try:
        made = {}
        for name, script in SCRIPTS.items():
            spec = importlib.util.spec_from_file_location(f"coefficients_{name}", script)
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # mpmath 1.4 is about to turn polyval's coefficients round
                made[name] = {form: module.fit(form) for form in forms_of(name)}
        return made
    finally:
        sys.path[:] = path
        mpmath.mp.prec = precision
        for name in {"minimax", "exp"} & (set(sys.modules) - loaded):
            del sys.modules[name]


def test_every_polynomial_has_a_script():
    with_polynomial = [function for function, text in KERNELS.items() if polynomials(text)]
    assert sorted(with_polynomial) == sorted(map(function_of, SCRIPTS))


@EACH_FIT
def test_script_gives_the_literals(name, form, fits):
    assert literals_of(name)[form] == [repr(c) for c in reversed(fits[name][form].coefficients)]


@EACH_FIT
def test_stated_error_holds(name, form, fits):
    """The function's text gives the error of each form as 2^-dd.d."""
    stated = dict(zip(forms_of(name), re.findall(r"2\^-(\d+\.\d)", KERNELS[function_of(name)]), strict=True))
    assert f"{-float(mpmath.log(fits[name][form].error, 2)):.1f}" == stated[form]


@EACH_FIT
def test_literals_have_the_format(name, form):
    """A literal is a number of the format already, so the compiler does not round it; and as short as that allows for double."""
    dtype = {"float": np.float32, "double": np.float64}[form]
    assert all(float(dtype(c)) == float(c) and repr(float(c)) == c for c in literals_of(name)[form])
