# The loops below an activation by dtype, and those for bfloat16, which are added to its ufuncs later; part of actloss_c/_call.pyx.

cdef enum:
    AT_FLOAT16, AT_BFLOAT16, AT_FLOAT32, AT_FLOAT64, DTYPES    # places of their loops
    NARROW = AT_FLOAT32                                        # those before have 16 bits

ctypedef void (*Run)(char **, const cnp.npy_intp *, const cnp.npy_intp *, void *) noexcept nogil

cdef struct Loops:
    # Those of one ufunc.
    Run run[DTYPES]
    void *data[DTYPES]


@cython.auto_pickle(False)
cdef class Functions:
    """The four ufuncs of an activation, their loops, and the parameters."""

    cdef void *vectorcall
    cdef Loops loops[KINDS]
    cdef tuple ufuncs, names, defaults
    cdef Loop *learned      # of its backward, for float32 and float64; NULL if no parameter is learned
    cdef unsigned short[NARROW][PARAMETERS] narrow_defaults
    cdef int parameters
    cdef int bfloat16       # NumPy's number of that type, once there are loops for it

    def __cinit__(self, *args, **named):
        self.vectorcall = <void *> value
        self.bfloat16 = -1

    def __init__(self, tuple ufuncs, dict params, learned):
        """ufuncs: of value, grad, value_and_grad, backward; params: {name: default}; learned: what make_learned gave, or None."""
        cdef cnp.ufunc ufunc
        cdef int[DTYPES] numbers = [cnp.NPY_FLOAT16, -1, cnp.NPY_FLOAT32, cnp.NPY_FLOAT64]
        cdef int k, t, at
        if len(params) > PARAMETERS:
            raise NotImplementedError(f"{len(params)} parameters; actloss_c/_call.pyx has room for {PARAMETERS}")
        for k in range(KINDS):
            ufunc = ufuncs[k]
            if (ufunc.nin, ufunc.nout) != (1 + (k == BACKWARD) + len(params), 1 + (k == VALUE_AND_GRAD)):
                raise ValueError(f"{ufunc} has {ufunc.nin} inputs and {ufunc.nout} outputs")
            for t in range(ufunc.ntypes):
                for at in range(DTYPES):
                    if (<Fields *> ufunc).types[t * ufunc.nargs] == numbers[at]:
                        self.loops[k].run[at] = <Run> <void *> ufunc.functions[t]
                        self.loops[k].data[at] = ufunc.data[t]
        self.names = tuple(map(intern, params))
        self.defaults = tuple(map(float, params.values()))
        self.parameters = len(params)
        self.learned = NULL if learned is None else <Loop *> PyCapsule_GetPointer(learned, b"actloss_c.learned")
        self.ufuncs = ufuncs
        self.round_defaults(AT_FLOAT16, np.float16)

    cdef int round_defaults(self, int at, dtype) except -1:
        """The defaults as numbers of a dtype of 16 bits."""
        cdef int k
        for k in range(self.parameters):
            self.narrow_defaults[at][k] = np.asarray(self.defaults[k]).astype(dtype).view(np.uint16)
        return 0

    def _add_bfloat16(self, dtype):
        """Loops for that dtype in the four ufuncs: those of float32 with operands in another format. Nothing if they are there."""
        cdef cnp.ufunc ufunc
        cdef Loop *loop
        cdef int k
        if self.bfloat16 == dtype.num:
            return
        self.round_defaults(AT_BFLOAT16, dtype)
        for k in range(KINDS):
            ufunc = self.ufuncs[k]
            loop = <Loop *> malloc(sizeof(Loop))        # NumPy keeps it as long as the ufunc, for good
            loop[0] = (<Loop *> self.loops[k].data[AT_FLOAT32])[0]
            loop.format = BFLOAT16
            loop.narrow = (1 << ufunc.nargs) - 1
            self.loops[k].run[AT_BFLOAT16] = self.loops[k].run[AT_FLOAT32]
            self.loops[k].data[AT_BFLOAT16] = loop
            cnp.PyUFunc_RegisterLoopForType(
                ufunc, dtype.num, <cnp.PyUFuncGenericFunction> <void *> self.loops[k].run[AT_FLOAT32], NULL, loop
            )
        self.bfloat16 = dtype.num


cdef inline int place_of(Functions f, object x) noexcept:
    """Where the loops for an exact, native ndarray are; DTYPES for anything that has none."""
    cdef int number
    if not cnp.PyArray_CheckExact(x) or not cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> x):
        return DTYPES
    number = cnp.PyArray_TYPE(<cnp.ndarray> x)
    if number == cnp.NPY_FLOAT32:
        return AT_FLOAT32
    if number == cnp.NPY_FLOAT64:
        return AT_FLOAT64
    if number == cnp.NPY_FLOAT16:
        return AT_FLOAT16
    return AT_BFLOAT16 if number == f.bfloat16 else DTYPES
