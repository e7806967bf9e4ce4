"""q of exp.py, of one degree less and for float alone."""

import exp
from minimax import Fit, show

FUNCTION = "expm1_quotient"
FORMS = ("float",)


def fit(form):
    return Fit(exp.q, exp.weight, -exp.EDGE, exp.EDGE, 4, form)


if __name__ == "__main__":
    show("float", fit("float"), 24)
