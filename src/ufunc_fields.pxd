# What NumPy's ufuncs hold, read from C's struct.

cdef extern from "numpy/ufuncobject.h":
    ctypedef struct Fields "PyUFuncObject":
        const char *types       # NumPy 2.5 does not declare it: ufunc.types would be the attribute that Python sees, a list
