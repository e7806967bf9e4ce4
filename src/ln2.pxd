# ln 2 in two parts, once for all that reduce an argument by it or put it back (Cody and Waite 1980).
#
# The high part has 15 (float) and 42 (double) bits, so n times it is exact for |n| < 512 (2048) whether the level has fma or not.
# Both parts together are ln 2 to 2^-45 (2^-101): n times what is left never counts beside a reduced argument's last place.

from real cimport fma, real


cdef inline real less_times_ln2(real x, real n, real *low) noexcept nogil:
    """x − n·ln 2, |x − n·ln 2| ≤ 0.35: the high part is returned, exact; the low part is added to `low`."""
    if real is float:
        low[0] = fma(n, <real>-1.428606765330187e-06, low[0])
        return fma(n, <real>-0.693145751953125, x)
    else:
        low[0] = fma(n, <real>-5.497923018708371e-14, low[0])
        return fma(n, <real>-0.6931471805598903, x)


cdef inline real times_ln2(real n, real *low) noexcept nogil:
    """n·ln 2: the high part is returned, exact; low is the rest."""
    if real is float:
        low[0] = n * <real>1.428606765330187e-06
        return n * <real>0.693145751953125
    else:
        low[0] = n * <real>5.497923018708371e-14
        return n * <real>0.6931471805598903
