"""P of −log(1 − s) = s + s² P(s) for s in [0, ½]."""

from minimax import PRECISION, Fit, show
from mpmath import log1p, mpf, workprec

FUNCTION = "minus_log1m"

with workprec(PRECISION):
    EDGE = mpf(1) / 2


def p(s):
    return sum(s**k / (k + 2) for k in range(200))


def fit(form):
    degree = {"float": 9, "double": 21}[form]
    return Fit(p, lambda s: s**2 / -log1p(-s) if s else mpf(0), mpf(0), EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
