"""The functions of rows in NumPy, as benchmarks compare with them: as typed, and with `out=` in preallocated arrays."""

import numpy as np

from .baseline import NUMPY

softmax, logsumexp = NUMPY["softmax"], NUMPY["logsumexp"]


def log_softmax(z):
    return z - logsumexp(z)[..., np.newaxis]


def softmax_backward(g, z):
    p = softmax(z)
    return p * (g - np.sum(p * g, axis=-1, keepdims=True))


def log_softmax_backward(g, z):
    return g - softmax(z) * np.sum(g, axis=-1, keepdims=True)


def logsumexp_backward(g, z):
    return softmax(z) * g[..., np.newaxis]


NAIVE = {  # name: (value, backward), as a user would type them
    "softmax": (softmax, softmax_backward),
    "log_softmax": (log_softmax, log_softmax_backward),
    "logsumexp": (logsumexp, logsumexp_backward),
}


class RowFunctionBaseline:
    """Softmax, log_softmax or logsumexp as an experienced NumPy user writes them, one call per operation, without temporaries.

    For contiguous z, y, g and dz of shape (n, classes); logsumexp's y and g have shape (n,). Few classes are worked on
    transposed, as in RowBaseline. The methods write into the arrays given: value(z, y), backward(g, z, dz).
    """

    TRANSPOSED_BELOW = 64  # classes

    def __init__(self, name, n, classes, dtype):
        self.few = classes < self.TRANSPOSED_BELOW
        self.axis = 0 if self.few else 1
        shape = (classes, n) if self.few else (n, classes)
        self.e, self.other = np.empty(shape, dtype), np.empty(shape, dtype)
        self.row, self.top = np.empty(n, dtype), np.empty(n, dtype)
        self.rows, self.tops = (np.expand_dims(a, self.axis) for a in (self.row, self.top))
        self.value, self.backward = getattr(self, f"_{name}"), getattr(self, f"_{name}_backward")

    def _target(self, y, scratch):
        """Where to compute what belongs into y: y itself, or `scratch`, from where _put brings it there."""
        return scratch if self.few else y

    def _put(self, result, y):
        if self.few:
            np.copyto(y, result.T)

    def _taken(self, a, scratch):
        """a, with the classes along self.axis."""
        if not self.few:
            return a
        np.copyto(scratch, a.T)
        return scratch

    def _sum(self, a, out):
        """einsum sums along the last axis 1.5 to 4 times as fast as np.sum."""
        if self.few:
            np.sum(a, axis=0, out=out)
        else:
            np.einsum("nc->n", a, out=out)

    def _shift(self, z, out):
        """out = z − max z."""
        z = self._taken(z, out)
        np.max(z, axis=self.axis, out=self.top)
        np.subtract(z, self.tops, out=out)

    def _exponentials(self, z, e):
        """e = exp(z − max z), row = Σ e."""
        self._shift(z, e)
        np.exp(e, out=e)
        self._sum(e, self.row)

    def _softmax(self, z, y):
        e = self._target(y, self.e)
        self._exponentials(z, e)
        np.divide(1, self.row, out=self.row)
        np.multiply(e, self.rows, out=e)
        self._put(e, y)

    def _log_softmax(self, z, y):
        shifted = self._target(y, self.other)
        self._shift(z, shifted)
        np.exp(shifted, out=self.e)
        self._sum(self.e, self.row)
        np.log(self.row, out=self.row)
        np.subtract(shifted, self.rows, out=shifted)
        self._put(shifted, y)

    def _logsumexp(self, z, y):
        self._exponentials(z, self.e)
        np.log(self.row, out=y)
        np.add(y, self.top, out=y)

    def _softmax_backward(self, g, z, dz):
        e, target = self.e, self._target(dz, self.other)
        self._exponentials(z, e)
        np.divide(1, self.row, out=self.row)
        np.multiply(e, self.rows, out=e)
        np.multiply(e, self._taken(g, self.other), out=target)
        self._sum(target, self.row)
        np.multiply(e, self.rows, out=e)
        np.subtract(target, e, out=target)
        self._put(target, dz)

    def _log_softmax_backward(self, g, z, dz):
        e, target = self.e, self._target(dz, self.e)
        self._exponentials(z, e)
        g = self._taken(g, self.other)
        self._sum(g, self.top)
        np.divide(self.top, self.row, out=self.row)
        np.multiply(e, self.rows, out=e)
        np.subtract(g, e, out=target)
        self._put(target, dz)

    def _logsumexp_backward(self, g, z, dz):
        e = self._target(dz, self.e)
        self._exponentials(z, e)
        np.divide(g, self.row, out=self.row)
        np.multiply(e, self.rows, out=e)
        self._put(e, dz)
