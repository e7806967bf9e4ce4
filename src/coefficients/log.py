"""W of log(1 + f) = f − f²/2 + s (f²/2 + z W(z)), s = f / (2 + f), z = s², for f in [−¼, ½]: 2 atanh(s) = 2s + s z W(z)."""

from minimax import PRECISION, Fit, show
from mpmath import mpf, workprec

FUNCTION = "log_series"

with workprec(PRECISION):
    EDGE = mpf(1) / 25


def w(z):
    return sum(mpf(2) * z**k / (2 * k + 3) for k in range(60))


def fit(form):
    degree = {"float": 3, "double": 7}[form]
    return Fit(w, lambda z: z / 2, mpf(0), EDGE, degree, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
    show("double", fit("double"), 53)
