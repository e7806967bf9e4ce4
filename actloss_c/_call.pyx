"""The way of an ordinary call into a loop, without a Python frame: the class below `Activation`.

There are three ways, and each hands on what it does not take:
- exact ndarrays of one shape and dtype, aligned, with floats as parameters: the ufunc's own loop, in one run if they are contiguous in
  one order, or axis by axis;
- other exact ndarrays of one dtype, parameters among them, overlapping, misaligned or without axes: the ufunc, or the loop of the
  learned parameter;
- everything else, every mistake included: the method in Python (`_general_value` …), which also words the errors.

With 16 bits, parameters other than the defaults take the third way, as their rounding may overflow, and bfloat16 the first or third:
NumPy makes no bfloat16 of a Python number.
"""

cimport cython
cimport numpy as cnp
from axes cimport WALKED, Walk, walk_axis, walk_start
from capi cimport *
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer
from flags cimport al_flags, al_restore_flags, al_save_flags
from libc.stdlib cimport malloc
from loops cimport BFLOAT16, HALF, Loop
from plain cimport C_ORDER, F_ORDER, has, has_own_elements, has_steps_of, is_apart, is_exact, is_like, is_of_dtype, is_read_in_time
from plain cimport is_within, is_writable, outermost_first
from ufunc_fields cimport Fields

from sys import intern

import numpy as np

cnp.import_array()
cnp.import_ufunc()

cdef enum:
    VALUE, GRAD, VALUE_AND_GRAD, BACKWARD, KINDS

cdef enum:
    PARAMETERS = 2          # at most: backward of one more would pass OPERANDS of loops.pxd
    OPERANDS = PARAMETERS + 4

cdef struct Given:
    # The arguments of one call, borrowed; NULL stands for what is absent.
    PyObject *g
    PyObject *x
    PyObject *parameter[PARAMETERS]
    PyObject *out[2]
    PyObject *pair          # the tuple in which two outputs came

cdef str OUT = intern("out"), WHERE = intern("where"), DTYPE = intern("dtype")
cdef tuple GENERAL = tuple(intern(f"_general_{kind}") for kind in ("value", "grad", "value_and_grad", "backward"))


cdef extern from "numpy/arrayobject.h":
    object new_like "PyArray_NewLikeArray"(cnp.ndarray prototype, cnp.NPY_ORDER order, void *dtype, int subok)

include "activation_loops.pxi"
include "activation_runs.pxi"
include "activation_learned.pxi"


# --- arguments ---------------------------------------------------------------------------------------------------------------

cdef inline bint take_positional(Functions f, int kind, PyObject **args, Py_ssize_t n, Given *given) noexcept:
    """Positional arguments into their places; false if there are too few or too many."""
    cdef int first = kind == BACKWARD, k
    n -= first + 1
    if n < 0 or n > f.parameters:
        return False
    given.g = args[0] if first else NULL
    given.x = args[first]
    given.out[0] = given.out[1] = given.pair = NULL
    for k in range(f.parameters):
        given.parameter[k] = args[first + 1 + k] if k < n else NULL
    return True


cdef inline bint take_keyword(Functions f, int kind, PyObject *name, PyObject *value, Given *given) noexcept:
    """The same for a keyword; false for an unknown one, a second value of a parameter, options other than the default."""
    cdef int k
    if name == <PyObject *> OUT:
        return take_out(kind == VALUE_AND_GRAD or (kind == BACKWARD and f.learned != NULL), value, given)
    if name == <PyObject *> WHERE:
        return value == Py_True and kind != BACKWARD
    if name == <PyObject *> DTYPE:
        return value == Py_None
    for k in range(f.parameters):
        if name == PyTuple_GET_ITEM(<PyObject *> f.names, k) and given.parameter[k] == NULL:
            given.parameter[k] = value
            return True
    return False


cdef inline bint take_out(bint pair, PyObject *value, Given *given) noexcept:
    """One array, or two in a tuple; None stands for a fresh one."""
    cdef int k
    if value == Py_None:
        return True
    if not pair:
        given.out[0] = value
        return True
    if not PyTuple_CheckExact(value) or PyTuple_GET_SIZE(value) != 2:
        return False
    given.pair = value
    for k in range(2):
        if PyTuple_GET_ITEM(value, k) != Py_None:
            given.out[k] = PyTuple_GET_ITEM(value, k)
    return True


# --- which way ---------------------------------------------------------------------------------------------------------------

cdef inline bint takes_results(cnp.ndarray out, Given *given) noexcept:
    """Whether a loop may write to `out` itself. Bit 31: NumPy warns of writing to such a view."""
    if not has(out, cnp.NPY_ARRAY_ALIGNED) or cnp.PyArray_FLAGS(out) < 0:
        return False
    return is_read_in_time(<object> given.x, out) and (given.g == NULL or is_read_in_time(<object> given.g, out))


cdef inline bint walks_with(cnp.ndarray out, Given *given) noexcept:
    """Whether `out` may take results axis by axis: it shares no memory with an input, or all of it in the same order."""
    return is_apart_or_alike(out, <cnp.ndarray> given.x) and (given.g == NULL or is_apart_or_alike(out, <cnp.ndarray> given.g))


cdef inline bint is_apart_or_alike(cnp.ndarray out, cnp.ndarray a) noexcept:
    """The same of one input that is_read_in_time."""
    return cnp.PyArray_DATA(out) != cnp.PyArray_DATA(a) or (has_steps_of(out, a) and has_own_elements(out))


cdef object plain(Functions f, int kind, Given *given):
    """The results of the first or the second way; NotImplemented for the third."""
    cdef cnp.ndarray x
    cdef int k, order, at, alike = 1 if given.g != NULL and f.learned != NULL else 2     # outputs of x's shape
    cdef bint aligned, direct, floats = True, defaults = True
    at = DTYPES if f.ufuncs is None else place_of(f, <object> given.x)
    if at == DTYPES:
        return NotImplemented
    x = <cnp.ndarray> given.x
    order = C_ORDER if has(x, C_ORDER) else F_ORDER
    aligned = has(x, cnp.NPY_ARRAY_ALIGNED) and cnp.PyArray_NDIM(x) > 0
    direct = has(x, order)
    if given.g != NULL:
        if not is_like(<object> given.g, x):
            return NotImplemented
        aligned = aligned and has(<object> given.g, cnp.NPY_ARRAY_ALIGNED)
        direct = direct and has(<object> given.g, order)
    for k in range(f.parameters):
        if given.parameter[k] == NULL:
            given.parameter[k] = PyTuple_GET_ITEM(<PyObject *> f.defaults, k)
            continue
        defaults = False
        if not is_exact(<object> given.parameter[k]):
            if not is_within(<object> given.parameter[k], x):
                return NotImplemented
            floats = False
    for k in range(alike):
        if given.out[k] != NULL:
            if not is_like(<object> given.out[k], x) or not is_writable(<cnp.ndarray> given.out[k]):
                return NotImplemented
            aligned = aligned and takes_results(<cnp.ndarray> given.out[k], given)
            direct = direct and has(<object> given.out[k], order)
    if alike == 2 and given.out[0] != NULL and given.out[1] != NULL and not is_apart(<object> given.out[0], <object> given.out[1]):
        return NotImplemented
    if not direct:
        for k in range(alike):
            aligned = aligned and (given.out[k] == NULL or walks_with(<cnp.ndarray> given.out[k], given))
    if at < NARROW and not (defaults and (aligned or at == AT_FLOAT16)):
        return NotImplemented
    if given.g != NULL and f.learned != NULL:
        return run_learned(f, given, at) if aligned else NotImplemented
    if aligned and floats:
        return run_loop(f, kind, given, x, order if direct else KEPT_ORDER, at)
    return call_ufunc(f, kind, given)


# --- the ways ----------------------------------------------------------------------------------------------------------------

cdef object call_ufunc(Functions f, int kind, Given *given):
    """The ufunc, which finds its way through any layout and overlap."""
    cdef PyObject *args[OPERANDS]
    cdef int k, n = 0
    if given.g != NULL:
        args[n] = given.g
        n += 1
    args[n] = given.x
    n += 1
    for k in range(f.parameters):
        args[n] = given.parameter[k]
        n += 1
    if given.out[0] != NULL or given.out[1] != NULL:
        for k in range(1 + (kind == VALUE_AND_GRAD)):
            args[n] = given.out[k] if given.out[k] != NULL else Py_None
            n += 1
    return PyObject_Vectorcall(f.ufuncs[kind], args, n, NULL)


cdef object general(Functions f, int kind, Py_ssize_t n):
    """The method in Python, once the arrays are there that each of them needs."""
    if n < 1 + (kind == BACKWARD):
        raise TypeError(f"{f.name} takes {'g and x' if kind == BACKWARD else 'x'} by position; got {n} positional argument(s)")
    return getattr(f, GENERAL[kind])


# --- the entries -------------------------------------------------------------------------------------------------------------

cdef inline object enter(Functions f, int kind, PyObject **args, Py_ssize_t n, PyObject *names):
    """A call with its arguments in a row, those with names last."""
    cdef Given given
    cdef Py_ssize_t k
    cdef bint taken = take_positional(f, kind, args, n, &given)
    if names != NULL:
        for k in range(PyTuple_GET_SIZE(names)):
            taken = taken and take_keyword(f, kind, PyTuple_GET_ITEM(names, k), args[n + k], &given)
    results = plain(f, kind, &given) if taken else NotImplemented
    return results if results is not NotImplemented else PyObject_Vectorcall(general(f, kind, n), args, n, names)


cdef object value(Functions f, PyObject **args, size_t n, PyObject *names):
    return enter(f, VALUE, args, PyVectorcall_NARGS(n), names)


cdef object grad(Functions f, PyObject **args, Py_ssize_t n, PyObject *names):
    return enter(f, GRAD, args, n, names)


cdef object value_and_grad(Functions f, PyObject **args, Py_ssize_t n, PyObject *names):
    return enter(f, VALUE_AND_GRAD, args, n, names)


cdef object backward(Functions f, PyObject **args, Py_ssize_t n, PyObject *names):
    return enter(f, BACKWARD, args, n, names)


# --- the class ---------------------------------------------------------------------------------------------------------------

cdef const char *DOC = b"The calls of an activation, compiled: the class itself is actloss_c.activation.Activation."
cdef const char *GRAD_DOC = b"""grad($self, x, /, *params, out=None, where=True, dtype=None, **named)
--

f'(x), computed from x and right in the tails. Arguments as for the value."""
cdef const char *VALUE_AND_GRAD_DOC = b"""value_and_grad($self, x, /, *params, out=None, where=True, dtype=None, **named)
--

(f(x), f'(x)) from one pass; out=(y, dy). Both have the broadcast shape of x and the parameters."""
cdef const char *BACKWARD_DOC = b"""backward($self, g, x, /, *params, out=None, dtype=None, **named)
--

g\xc2\xb7f'(x) from one pass, in x's shape; g is broadcast to it.

With a learned parameter: (dx, dalpha), dalpha summed to the parameter's shape in float64; out=(dx, dalpha)."""
cdef Functions probe = Functions.__new__(Functions)
cdef PyMethodDef[4] methods
methods[0] = PyMethodDef(b"grad", <void *> grad, METH_FASTCALL | METH_KEYWORDS, GRAD_DOC)
methods[1] = PyMethodDef(b"value_and_grad", <void *> value_and_grad, METH_FASTCALL | METH_KEYWORDS, VALUE_AND_GRAD_DOC)
methods[2] = PyMethodDef(b"backward", <void *> backward, METH_FASTCALL | METH_KEYWORDS, BACKWARD_DOC)
Calls = class_of(
    b"actloss_c._call.Calls", DOC, methods, <char *> &probe.vectorcall - <char *> <void *> probe, Functions
)


def called_directly(cls):
    """Decorates a subclass that does not define __call__."""
    return lend_vectorcall(cls)
