"""q of exp(r) = 1 + r + r² q(r) for |r| ≤ ln 2 / 2 (a little more, as in exp.py), best for exp(r) itself."""

from exp import EDGE, q
from minimax import Fit, show
from mpmath import exp

FUNCTION = "exp_short"


def fit(form):
    degree = {"float": 4, "double": 9}[form]
    return Fit(q, lambda r: r**2 / exp(r), -EDGE, EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
