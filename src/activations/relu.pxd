# relu(x) = max(x, 0); the derivative at 0 is 0, as in PyTorch. The comparisons keep a NaN in both results.

from real cimport real


cdef inline real relu(real x, real *dy) noexcept nogil:
    dy[0] = <real>1.0 if x > <real>0.0 else (<real>0.0 if x <= <real>0.0 else x)
    return <real>0.0 if x <= <real>0.0 else x
