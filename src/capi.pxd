# What the compiled calls (actloss_c/_call.pyx, _loss_call.pyx) need of Python's C API beyond Cython's own declarations. Objects come as
# borrowed pointers here.

from cpython.object cimport PyObject

cdef extern from "Python.h":
    ctypedef struct PyMethodDef:
        const char *ml_name
        void *ml_meth
        int ml_flags
        const char *ml_doc
    ctypedef struct PyType_Slot:
        int slot
        void *pfunc
    ctypedef struct PyType_Spec:
        const char *name
        int basicsize
        int itemsize
        unsigned int flags
        PyType_Slot *slots
    ctypedef struct TypeFields "PyTypeObject":
        unsigned long tp_flags
    int METH_FASTCALL, METH_KEYWORDS
    int Py_tp_call, Py_tp_doc, Py_tp_members, Py_tp_methods
    unsigned int Py_TPFLAGS_BASETYPE, Py_TPFLAGS_DEFAULT, Py_TPFLAGS_HAVE_VECTORCALL, Py_TPFLAGS_IMMUTABLETYPE
    PyObject *Py_None
    PyObject *Py_True
    bint PyFloat_CheckExact(PyObject *x)
    double PyFloat_AS_DOUBLE(PyObject *x)
    object PyObject_Vectorcall(object f, PyObject **args, size_t n, PyObject *names)
    bint PyTuple_CheckExact(PyObject *t)
    PyObject *PyTuple_GET_ITEM(PyObject *t, Py_ssize_t k)
    Py_ssize_t PyTuple_GET_SIZE(PyObject *t)
    object PyType_FromSpecWithBases(PyType_Spec *spec, object bases)
    object PyVectorcall_Call(object f, object args, object named)
    Py_ssize_t PyVectorcall_NARGS(size_t n)

cdef extern from "structmember.h":
    ctypedef struct PyMemberDef:
        const char *name
        int type
        Py_ssize_t offset
        int flags
        const char *doc
    int READONLY, T_PYSSIZET


cdef inline object class_of(const char *name, const char *doc, PyMethodDef *methods, Py_ssize_t vectorcall, object base):
    """A class on top of base with compiled methods; vectorcall is where base's objects hold the pointer to theirs.

    Made with Python's C API: the methods of a cdef class would pack *args and **named into a tuple and a dict at each call, which
    costs as much as the call, and it has no vectorcall. The methods must stay where they are.
    """
    cdef PyMemberDef[2] members
    cdef PyType_Slot[5] slots
    members[0] = PyMemberDef(b"__vectorcalloffset__", T_PYSSIZET, vectorcall, READONLY, NULL)
    members[1] = PyMemberDef(NULL, 0, 0, 0, NULL)
    slots[0] = PyType_Slot(Py_tp_doc, <void *> doc)
    slots[1] = PyType_Slot(Py_tp_call, <void *> PyVectorcall_Call)
    slots[2] = PyType_Slot(Py_tp_methods, methods)
    slots[3] = PyType_Slot(Py_tp_members, &members[0])
    slots[4] = PyType_Slot(0, NULL)
    cdef unsigned int flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_VECTORCALL
    cdef PyType_Spec spec = PyType_Spec(name, 0, 0, flags, &slots[0])
    return PyType_FromSpecWithBases(&spec, (base,))


cdef inline object lend_vectorcall(object cls):
    """cls, a subclass in Python of such a class: Python 3.11 lends it the pointer, but calls it with a tuple and a dict all the same.

    A __call__ that is put into cls later goes unnoticed on 3.11; those of its own subclasses count.
    """
    (<TypeFields *> cls).tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL
    return cls
