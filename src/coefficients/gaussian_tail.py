"""W of N(s) = 11/16 − (5/16) s + W(s), N = exp(a²/2) Q(a) (a + 2), s = (a − 2)/(a + 2), Q(a) = ½ erfc(a/√2) down to 0."""

from minimax import PRECISION, Fit, show
from mpmath import erfc, exp, mpf, sqrt, workprec

FUNCTION = "tail_polynomial"

with workprec(PRECISION):
    LAST = {"float": mpf("14.4"), "double": mpf("38.7")}


def n(s):
    a = 2 * (1 + s) / (1 - s)
    return exp(a * a / 2) * erfc(a / sqrt(mpf(2))) / 2 * (a + 2)


def w(s):
    return n(s) - mpf(11) / 16 + mpf(5) / 16 * s


def fit(form):
    degree = {"float": 11, "double": 28}[form]
    with workprec(PRECISION):
        last = (LAST[form] - 2) / (LAST[form] + 2)
    return Fit(w, lambda s: 1 / n(s), mpf(-1), last, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
