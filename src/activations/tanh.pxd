# tanh(x), tanh'(x) = 1 − tanh(x)² = sech(x)²; both in elementary/tanh.pxd, where the small x and the tails are argued.

from elementary.tanh cimport tanh_exponential, tanh_of_exponential
from real cimport real


cdef inline real tanh_first(real x, real *low) noexcept nogil:
    return tanh_exponential(x, low)


cdef inline real tanh_second(real x, real e, real low, real *dy) noexcept nogil:
    return tanh_of_exponential(x, e, low, dy)
