# prelu(x) = x for x > 0, alpha x otherwise, alpha learned; d/dalpha = min(x, 0). The derivative at 0 is alpha, as in PyTorch.

from activations.leaky_relu cimport leaky_relu
from clamp cimport at_most_zero
from real cimport real


cdef inline real prelu(real x, real alpha, real *dy) noexcept nogil:
    return leaky_relu(x, alpha, dy)


cdef inline real prelu_dalpha(real x, real alpha) noexcept nogil:
    return at_most_zero(x)
