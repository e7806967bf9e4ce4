# Threads that share the work of one call; see _pool.pyx. Levels import these two through Cython's capsules.

ctypedef void (*Task)(void *data, Py_ssize_t part) noexcept nogil

cdef int width      # threads that a call may use, its own among them

cdef void run_parts(Task task, void *data, Py_ssize_t parts) noexcept nogil
