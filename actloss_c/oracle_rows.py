"""The judge of the losses over rows: the registry's formula of a label, its options around it, under mpmath.

loss = Σ_j q_j formula(u, j) + ζ logsumexp(u)², u = c tanh(z / c) / T; q as in the docstring of softmax_cross_entropy. Derivatives
are those of nested duals (oracle.py), so the diagonal of the Hessian follows every option.
"""

import numpy as np

from .baseline import evaluate, variable
from .oracle import Dual, _innermost, _mpf, _parts, _seed, _settle

__all__ = ["row_loss"]


def row_loss(formula, z, target, /, *, class_weight=None, label_smoothing=0, softcap=None, temperature=1, z_loss=0):
    """(loss, [gradient by class], [diagonal of the Hessian by class]) as mpf, for a row z of numbers.

    target is a label, or a distribution of as many entries as z has. With softcap or temperature z must be finite.
    """
    classes = len(z)
    weight = [1] * classes if class_weight is None else class_weight
    name = variable(formula, "target")

    def run(mp, code, f):
        q = _weighted(target, classes, list(map(_mpf, weight)), _mpf(label_smoothing))

        def bend(t):
            t = t if softcap is None else _mpf(softcap) * f.tanh(t / _mpf(softcap))
            return t if temperature == 1 else t / _mpf(temperature)

        row = [bend(_mpf(t)) for t in z]
        m = max(row)  # the shift is for exact zeros: log(exp(z)) − z would leave a rounding error
        total = mp.fsum(mp.exp(t - m) for t in row)

        def logsumexp(z):
            term = next(f.exp(t - m) for t in z if isinstance(t, Dual))
            return m + f.log(total + (term - _innermost(term)))  # the others have no derivatives

        def loss_of(row):
            names = {**vars(f), "logsumexp": logsumexp, name: row}
            terms = [q[j] * evaluate(code, {**names, "target": j}) for j in range(classes) if q[j] != 0]
            terms += [_mpf(z_loss) * f.square(logsumexp(row))] if z_loss else []
            return sum(terms, mp.mpf(0))

        seeded = ([*row[:k], bend(_seed(_mpf(t), 2)), *row[k + 1 :]] for k, t in enumerate(z))
        loss, gradient, hessian = zip(*(_parts(loss_of(s), 2) for s in seeded), strict=True)
        return [loss[0], *gradient, *hessian]

    loss, *rest = _settle(run, formula)
    return loss, rest[:classes], rest[classes:]


def _weighted(target, classes, weight, smoothing):
    """q as mpf."""
    y = target if np.ndim(target) else [int(j == target) for j in range(classes)]
    return [w * ((1 - smoothing) * _mpf(share) + smoothing / classes) for w, share in zip(weight, y, strict=True)]
