# The backward of a parameter that is learned: its gradient is a sum over all that it was broadcast to.

from axes cimport Walk, walk_next
from libc.string cimport memcpy, memset
from loops cimport BLOCK, OPERANDS, Loop, run
from real cimport real
from sums cimport block_sum


cdef inline void backward_learned(const Loop *loop, Walk *walk, const real *type) noexcept nogil:
    """dx = g·f'(x) and Σ g·∂f/∂a for a parameter that is broadcast against x.

    Operands g, x, a, dx and the sum (float64, zeroed, step 0 along every axis that it is summed over). Consecutive terms of one
    sum, in C order, are collected and added in blocks of BLOCK: the order follows from the shapes alone, never from strides.
    `type` only selects the instance.
    """
    cdef real terms[BLOCK]
    cdef char *args[OPERANDS]
    cdef Py_ssize_t step[OPERANDS]
    cdef Py_ssize_t n, done, count, i, sum_step, collected = 0
    cdef int k, d
    cdef double *total = <double *> walk.at[4]
    cdef double *here
    if walk.dims == 0:      # a single element: an axis of one, whose steps are zero
        walk.dims = walk.shape[0] = 1
        walk.index[0] = 0
        memset(walk.step[0], 0, sizeof(walk.step[0]))
    d = walk.dims - 1
    n = walk.shape[d]
    sum_step = walk.step[d][4]
    memcpy(step, walk.step[d], sizeof(step))
    step[4] = sizeof(real)
    while True:
        done = 0
        while done < n:
            here = <double *> (walk.at[4] + done * sum_step)
            if here != total:
                total[0] += block_sum(terms, collected)
                collected = 0
                total = here
            count = n - done if n - done < BLOCK - collected else BLOCK - collected
            for k in range(4):
                args[k] = walk.at[k] + done * step[k]
            args[4] = <char *> (terms + collected)
            run(loop, args, step, count, False)
            if sum_step != 0:       # each term has a sum of its own along this axis
                for i in range(count):
                    (<double *> (<char *> total + i * sum_step))[0] += <double> terms[i]
            else:
                collected += count
                if collected == BLOCK:
                    total[0] += block_sum(terms, collected)
                    collected = 0
            done += count
        if not walk_next(walk, 1):
            break
    total[0] += block_sum(terms, collected)
