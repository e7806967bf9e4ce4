"""Which hand-tuned NumPy stands beside a loss over rows in the benchmarks, and that of softmax_focal."""

import numpy as np

from .baseline import ProbabilityBaseline, RowBaseline


class FocalBaseline(RowBaseline):
    """softmax_focal for gamma = 2: RowBaseline's work, and some numbers per row more."""

    def __init__(self, n, classes, dtype):
        super().__init__(n, classes, dtype)
        self.p, self.q, self.factor = (np.empty(n, dtype) for _ in range(3))

    def value_and_grad(self, z, labels, g):
        """The mean loss, a Python float; its gradient goes into g, which may be z."""
        row, loss, p, q, factor = self.row, self.picked, self.p, self.q, self.factor
        e, rows = self.exponentials(z, labels, g)
        flat = e.reshape(-1)
        np.take(flat, self.index, out=p, mode="clip")
        np.divide(p, row, out=p)
        np.subtract(1, p, out=q)
        np.log(row, out=factor)
        np.subtract(factor, loss, out=loss)
        np.multiply(p, 2, out=factor)
        np.multiply(factor, loss, out=factor)
        np.add(factor, q, out=factor)
        np.multiply(factor, q, out=factor)
        np.divide(factor, self.n, out=factor)  # F / n
        np.divide(factor, row, out=row)
        np.multiply(e, rows, out=e)
        np.multiply(loss, q, out=loss)
        np.multiply(loss, q, out=loss)
        np.multiply(factor, q, out=q)
        flat[self.index] = np.negative(q, out=q)
        if e is not g:
            np.copyto(g, e.T)
        return float(loss.sum(dtype=np.float64)) / self.n


def tuned_rows(entry, n, classes, dtype):
    """The baseline of a loss over rows."""
    of_logits = FocalBaseline if "gamma" in entry.constants else RowBaseline
    return (of_logits if entry.variable == "z" else ProbabilityBaseline)(n, classes, dtype)
