# tanh(x), tanh'(x) = 1 − tanh(x)² = sech(x)²; both in elementary/tanh.pxd, where the small x and the tails are argued.

from elementary.tanh cimport tanh_and_derivative
from real cimport real


cdef inline real tanh(real x, real *dy) noexcept nogil:
    return tanh_and_derivative(x, dy)
