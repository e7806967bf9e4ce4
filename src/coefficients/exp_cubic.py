"""S of exp(r) = 1 + r + r²/2 + r³ S(r) for |r| ≤ ln 2 / 2 (a little more, as in exp.py), best for exp(r) − 1."""

from minimax import PRECISION, Fit, show
from mpmath import expm1, factorial, log, mpf, workprec

FUNCTION = "exp_cubic"

with workprec(PRECISION):
    EDGE = log(2) / 2 + mpf(2) ** -12


def s(r):
    return sum(r**k / factorial(k + 3) for k in range(40))


def fit(form):
    degree = {"float": 4, "double": 9}[form]
    return Fit(s, lambda r: r**3 / expm1(r), -EDGE, EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
