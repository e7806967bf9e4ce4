"""w of log1p(f) = 2 atanh(s) = 2s + s·z·w(z), s = f / (2 + f), z = s², for 1 + f in [√½, √2] (a little more)."""

from minimax import PRECISION, Fit, show
from mpmath import mpf, sqrt, workprec

with workprec(PRECISION):
    EDGE = ((sqrt(2) - 1) / (sqrt(2) + 1)) ** 2 * (1 + mpf(2) ** -10)


def w(z):
    return sum(mpf(2) * z**k / (2 * k + 3) for k in range(40))


def fit(form):
    degree = {"float": 3, "double": 6}[form]
    return Fit(w, lambda z: z / 2, mpf(0), EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
