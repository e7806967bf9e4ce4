# relu(x) = max(x, 0); the derivative at 0 is 0, as in PyTorch. The comparisons keep a NaN in both results.

from real cimport real


cdef inline real relu(real x, real *dy) noexcept nogil:
    cdef real y = <real>0.0 if x <= <real>0.0 else x
    dy[0] = <real>1.0 if y > <real>0.0 else y
    return y
