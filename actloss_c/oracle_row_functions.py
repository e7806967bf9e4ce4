"""The judge of the functions of rows: a registry formula of an entry z and of logsumexp(z), under mpmath."""

from .baseline import evaluate
from .oracle import _mpf, _parts, _seed, _settle


def row_values(formula, z, g):
    """(values, Σ_k g_k ∂y_k/∂z_j by class j, Σ_k |g_k ∂y_k/∂z_j|), lists of mpf, for a row z of numbers.

    In the formula, z is one entry and logsumexp(z) that of the whole row; there are as many values as numbers in g.
    """

    def run(mp, code, f):
        row, slopes = [_mpf(t) for t in z], [_mpf(s) for s in g]
        m = max(row)
        whole = m + mp.log(mp.fsum(mp.exp(t - m) for t in row))

        def parts(z, logsumexp):
            return _parts(evaluate(code, {**vars(f), "z": z, "logsumexp": lambda z: logsumexp}), 1)

        values = [parts(t, whole)[0] for t in row[: len(g)]]
        direct = [s * parts(_seed(t, 1), whole)[1] for s, t in zip(slopes, row, strict=False)]
        through = [s * parts(t, _seed(whole, 1))[1] for s, t in zip(slopes, row, strict=False)]
        total, size = mp.fsum(through), mp.fsum(map(abs, through))
        gradient, sizes = [], []
        for k, t in enumerate(row):
            p, own, shared = mp.exp(t - whole), *((direct[k], through[k]) if k < len(g) else (0, 0))
            gradient.append(own + p * total)
            sizes.append(abs(own + p * shared) + p * (size - abs(shared)))
        least = mp.ldexp(1, -mp.prec // 2)  # what is left of terms that cancel to 0, as for a g that is the same everywhere
        gradient = [s if abs(s) > least * whole else mp.zero for s, whole in zip(gradient, sizes, strict=True)]
        return [*values, *gradient, *sizes]

    found = _settle(run, formula)
    return found[: len(g)], found[len(g) : -len(z)], found[-len(z) :]
