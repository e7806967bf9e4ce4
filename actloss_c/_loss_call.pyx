"""The way of an ordinary call of a loss into its level's module, without a Python frame: the class below `Loss`.

An ordinary call gives z and target by position, and of the options axis, reduction and the gradient's `out`. The level's module
looks at the arrays (`<name>_plain`, a C function in a capsule) and answers None to what it does not take. That, and any other call,
goes to the method in Python (`_general_value` …), which also words the errors.
"""

cimport cython
from capi cimport *
from cpython.object cimport PyObject
from cpython.pycapsule cimport PyCapsule_GetPointer

from sys import intern

cdef enum:
    VALUE, GRAD, VALUE_AND_GRAD

ctypedef object (*RowCall)(object z, object target, object axis, object reduction, object out, bint grad)
ctypedef object (*PairCall)(int which, tuple pairs, object z, object target, object reduction, object g, object h)

cdef struct Given:
    # The arguments of one call, borrowed.
    PyObject *z
    PyObject *target
    PyObject *axis
    PyObject *reduction
    PyObject *out

cdef str AXIS = intern("axis"), REDUCTION = intern("reduction"), OUT = intern("out"), WEIGHT = intern("sample_weight")
cdef tuple GENERAL = tuple(intern(f"_general_{kind}") for kind in ("value", "grad", "value_and_grad"))
cdef object LAST = -1
cdef str MEAN = "mean"


@cython.auto_pickle(False)
cdef class Ordinary:
    """What the level's module has for a loss."""

    cdef void *vectorcall
    cdef void *plain
    cdef tuple pairs

    def __cinit__(self, *args, **named):
        self.vectorcall = <void *> value

    def __init__(self, capsule, tuple pairs=None):
        """capsule: with <name>_plain; pairs: of a loss over pairs its domains and parameters, None for one over rows."""
        self.pairs = pairs
        self.plain = NULL
        if capsule is not None:
            self.plain = PyCapsule_GetPointer(capsule, b"actloss_c.rows" if pairs is None else b"actloss_c.pairs")

    def _plain(self, int which, z, target, reduction, g, h):
        """Of a loss over pairs, what `which` of KINDS in src/pairs.pxi gives; None for the general way."""
        if self.plain == NULL or self.pairs is None or not 0 <= which <= 4:
            return None
        return (<PairCall> self.plain)(which, self.pairs, z, target, reduction, g, h)


cdef inline void take_positional(PyObject **args, Given *given) noexcept:
    given.z = args[0]
    given.target = args[1]
    given.axis = <PyObject *> LAST
    given.reduction = <PyObject *> MEAN
    given.out = Py_None


cdef inline bint take_keyword(Ordinary f, int kind, PyObject *name, PyObject *value, Given *given) noexcept:
    """Whether an ordinary call may have it."""
    if name == <PyObject *> REDUCTION:
        given.reduction = value
        return True
    if name == <PyObject *> OUT:
        given.out = value
        return kind != VALUE or value == Py_None
    if name == <PyObject *> AXIS:
        given.axis = value
        return f.pairs is None
    return name == <PyObject *> WEIGHT and value == Py_None


cdef inline object plain(Ordinary f, int kind, Given *given):
    """The results; None for the general way."""
    cdef object z = <object> given.z, target = <object> given.target, reduction = <object> given.reduction, out = <object> given.out
    if f.plain == NULL:
        return None
    if f.pairs is not None:
        return (<PairCall> f.plain)(kind, f.pairs, z, target, reduction, out, None)
    found = (<RowCall> f.plain)(z, target, <object> given.axis, reduction, out, kind != VALUE)
    return found if kind != GRAD or found is None else (<tuple?> found)[1]


cdef object general(Ordinary f, int kind, Py_ssize_t n, bint named):
    """The method in Python, once there may be a z and a target."""
    if n > 2 or (n < 2 and not named):
        raise TypeError(f"{f.name} takes z and target by position, all else by name; got {n} positional argument(s)")
    return getattr(f, GENERAL[kind])


cdef inline object enter(Ordinary f, int kind, PyObject **args, Py_ssize_t n, PyObject *names):
    """A call with its arguments in a row, those with names last."""
    cdef Given given
    cdef Py_ssize_t k
    cdef bint taken = n == 2
    results = None
    if taken:
        take_positional(args, &given)
        if names != NULL:
            for k in range(PyTuple_GET_SIZE(names)):
                taken = taken and take_keyword(f, kind, PyTuple_GET_ITEM(names, k), args[n + k], &given)
        if taken:
            results = plain(f, kind, &given)
    return results if results is not None else PyObject_Vectorcall(general(f, kind, n, names != NULL), args, n, names)


cdef object value(Ordinary f, PyObject **args, size_t n, PyObject *names):
    return enter(f, VALUE, args, PyVectorcall_NARGS(n), names)


cdef object grad(Ordinary f, PyObject **args, Py_ssize_t n, PyObject *names):
    return enter(f, GRAD, args, n, names)


cdef object value_and_grad(Ordinary f, PyObject **args, Py_ssize_t n, PyObject *names):
    return enter(f, VALUE_AND_GRAD, args, n, names)


# Signatures differ: a loss over pairs has no axis.

cdef const char *GRAD_DOC = b"""grad($self, z, target, *, axis=-1, reduction='mean', sample_weight=None, out=None, **options)
--

The gradient with respect to z."""
cdef const char *VALUE_AND_GRAD_DOC = b"""value_and_grad($self, z, target, *, axis=-1, reduction='mean', sample_weight=None, out=None, **options)
--

(loss, gradient) in one pass; out takes the gradient and may be z."""
cdef const char *PAIR_GRAD_DOC = b"""grad($self, z, target, *, reduction='mean', sample_weight=None, out=None, **params)
--

The gradient with respect to z."""
cdef const char *PAIR_VALUE_AND_GRAD_DOC = b"""value_and_grad($self, z, target, *, reduction='mean', sample_weight=None, out=None, **params)
--

(loss, gradient) in one pass; out takes the gradient and may be z."""
cdef const char *DOC = b"The calls of a loss, compiled: the class itself is actloss_c.loss.Loss."
cdef const char *PAIR_DOC = b"The calls of a loss over pairs, compiled: the class itself is actloss_c.pair_loss.PairLoss."
cdef Ordinary probe = Ordinary.__new__(Ordinary)
cdef Py_ssize_t vectorcall = <char *> &probe.vectorcall - <char *> <void *> probe
cdef PyMethodDef[3] methods
cdef PyMethodDef[3] pair_methods
methods[0] = PyMethodDef(b"grad", <void *> grad, METH_FASTCALL | METH_KEYWORDS, GRAD_DOC)
methods[1] = PyMethodDef(b"value_and_grad", <void *> value_and_grad, METH_FASTCALL | METH_KEYWORDS, VALUE_AND_GRAD_DOC)
pair_methods[0] = PyMethodDef(b"grad", <void *> grad, METH_FASTCALL | METH_KEYWORDS, PAIR_GRAD_DOC)
pair_methods[1] = PyMethodDef(b"value_and_grad", <void *> value_and_grad, METH_FASTCALL | METH_KEYWORDS, PAIR_VALUE_AND_GRAD_DOC)
LossCalls = class_of(b"actloss_c._loss_call.LossCalls", DOC, methods, vectorcall, Ordinary)
PairLossCalls = class_of(b"actloss_c._loss_call.PairLossCalls", PAIR_DOC, pair_methods, vectorcall, LossCalls)
