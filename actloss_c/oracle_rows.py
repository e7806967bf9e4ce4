"""The judge of the losses over rows: the registry's formula of a label, its options around it, under mpmath.

loss = Σ_j q_j formula(u, j) + ζ logsumexp(u)², u = c tanh(z / c) / T; q as in the docstring of softmax_cross_entropy. Derivatives
are those of nested duals (oracle.py), so the diagonal of the Hessian follows every option.
"""

import numpy as np

from .baseline import evaluate, variable, with_terms
from .oracle import Dual, _exact_code, _exact_vocabulary, _innermost, _mpf, _parts, _seed, _settle

__all__ = ["row_loss", "row_scale"]


def row_loss(formula, z, target, /, *, class_weight=None, label_smoothing=0, softcap=None, temperature=1, z_loss=0, **constants):
    """(loss, [gradient by class], [diagonal of the Hessian by class]) as mpf, for a row z of numbers.

    target is a label, or a distribution of as many entries as z has. With softcap or temperature z must be finite.
    constants: what else stands in the formula.
    """
    classes = len(z)
    weight = [1] * classes if class_weight is None else class_weight
    name = variable(formula, "target", *constants)
    numbers = _finite(z) if softcap is None and temperature == 1 else list(map(_mpf, z))

    def run(mp, code, f):
        q = _weighted(target, classes, list(map(_mpf, weight)), _mpf(label_smoothing))

        def bend(t):
            t = t if softcap is None else _mpf(softcap) * f.tanh(t / _mpf(softcap))
            return t if temperature == 1 else t / _mpf(temperature)

        row = [bend(t) for t in numbers]
        m = max(row)  # the shift is for exact zeros: log(exp(z)) − z would leave a rounding error
        total = mp.fsum(mp.exp(t - m) for t in row)

        def logsumexp(z):
            term = next(f.exp(t - m) for t in z if isinstance(t, Dual))
            return m + f.log(total + (term - _innermost(term)))  # the others have no derivatives

        def loss_of(row):
            names = {**vars(f), **{c: _mpf(v) for c, v in constants.items()}, "logsumexp": logsumexp, name: row}
            terms = [q[j] * evaluate(code, {**names, "target": j}) for j in range(classes) if q[j] != 0]
            terms += [_mpf(z_loss) * f.square(logsumexp(row))] if z_loss else []
            return sum(terms, mp.mpf(0))

        seeded = ([*row[:k], bend(_seed(t, 2)), *row[k + 1 :]] for k, t in enumerate(numbers))
        try:
            loss, gradient, hessian = zip(*(_parts(loss_of(s), 2) for s in seeded), strict=True)
        except ZeroDivisionError:  # a power of 1 − p whose p is 1: at this precision, or exactly, where all results are 0
            return [mp.mpf(0)] * (2 * classes + 1)
        return [loss[0], *gradient, *hessian]

    # A small 1 − p that is lost may leave a smaller term behind, which would settle: bits for e^(−2·spread) beside 1.
    spread = max((float(max(z)) - float(t) for t in z if t > -np.inf), default=0.0)
    loss, *rest = _settle(run, formula, min(4096, 128 + 3 * int(min(spread, 4096))))
    loss = _mpf(np.inf) if np.ndim(target) == 0 and z[target] == -np.inf else loss
    return loss, rest[:classes], rest[classes:]


def _finite(z):
    """The numbers as mpf; for −inf one so far below the others that its exponential is none in any format."""
    low = min((t for t in z if t > -np.inf), default=0)
    return [_mpf(low) - 2 * abs(_mpf(low)) - 2**20 if t == -np.inf else _mpf(t) for t in z]


def _weighted(target, classes, weight, smoothing):
    """q as mpf."""
    y = target if np.ndim(target) else [int(j == target) for j in range(classes)]
    return [w * ((1 - smoothing) * _mpf(share) + smoothing / classes) for w, share in zip(weight, y, strict=True)]


def row_scale(entry, z, target, /, **constants):
    """The size of the terms of which each entry of the Hessian's diagonal is a sum, as mpf; 0 where all are 0."""
    import mpmath

    code = _exact_code(with_terms(entry.scale, *entry.terms.items()))
    with mpmath.workprec(4096):
        names = vars(_exact_vocabulary(mpmath.mp)) | {name: _mpf(value) for name, value in constants.items()}
        numbers = _finite(z)
        e = [mpmath.exp(t - max(numbers)) for t in numbers]
        total, q = mpmath.fsum(e), mpmath.fsum(e[:target] + e[target + 1 :])
        if q == 0:
            return [mpmath.mpf(0)] * len(e)
        names |= {"p_t": e[target] / total, "q": q / total, "loss": mpmath.log(total / e[target])}
        return [evaluate(code, {**names, "p": part / total, "own": _mpf(int(j == target))}) for j, part in enumerate(e)]
