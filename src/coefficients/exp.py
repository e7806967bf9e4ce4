"""q of exp(r) = 1 + r + r² q(r) for |r| ≤ ln 2 / 2 (a little more: n is rounded from a rounded product)."""

from minimax import PRECISION, Fit, show
from mpmath import expm1, factorial, log, mpf, workprec

FUNCTION = "expm1_reduced"

with workprec(PRECISION):
    EDGE = log(2) / 2 + mpf(2) ** -12


def q(r):
    return sum(r**k / factorial(k + 2) for k in range(40))


def weight(r):
    return r**2 / abs(expm1(r))


def fit(form):
    degree = {"float": 5, "double": 10}[form]
    return Fit(q, weight, -EDGE, EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
