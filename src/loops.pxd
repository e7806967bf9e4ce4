# Looping over elements: one driver that feeds any layout to the contiguous maps of maps.pxd and halves.pxd. Axes, rows and sums are in
# axes.pxd. Knows no mathematics.

from copies cimport copy_in, copy_out
from half cimport al_bfloat16_to_float, al_float_to_bfloat16, al_float_to_half, al_half_to_float, uint16_t
from libc.string cimport memset
from real cimport real
from stream cimport al_fetch, al_stream, al_stream_end

cdef extern from *:
    # Operands of one contiguous instance never overlap: the driver copies an input that an output would overwrite. Saying so
    # with restrict keeps the compiler from versioning each loop with overlap checks and a scalar twin.
    ctypedef char *operand "char *__restrict"

# A contiguous instance works on groups of 16 elements, so no level has a remainder loop: the driver pads the last group.
ctypedef void (*Instance)(operand, operand, operand, operand, operand, Py_ssize_t) noexcept nogil

cdef enum:
    GROUP = 16        # one AVX-512 vector of floats; every shorter vector divides it
    OPERANDS = 5      # at most: backward of a learned parameter takes g, x, alpha and gives dx, dalpha
    BLOCK = 512       # elements of one operand in the L1 block: 5 operands of doubles take 20 KiB
    CACHE_LINE = 64
    STREAMED = 128    # elements of an output that go past the caches together, at most
    ALIGN_FROM = 1024 # elements from which the first output is brought to a cache line: stores across two lines halve the speed

cdef enum Format:     # of a number in memory
    NATIVE            # as the instance takes it
    HALF              # 16 bits, for an instance of float32
    BFLOAT16


cdef inline char *line_in(void *memory) noexcept nogil:
    """The first byte of memory that begins a cache line."""
    return <char *> memory + (-<Py_ssize_t> memory & (CACHE_LINE - 1))


cdef inline Py_ssize_t before_a_line(const void *memory, int size) noexcept nogil:
    """Elements of that size before the first one that begins a cache line, if one does."""
    return (-<Py_ssize_t> memory & (CACHE_LINE - 1)) // size


# A loop over a Walk of axes.pxd with two axes or more, for calls that do not come through NumPy.
ctypedef void (*WalkLoop)(void *walk, const void *loop) noexcept nogil

cdef struct Loop:
    # What NumPy hands back to the driver for one dtype of one ufunc.
    Instance instance
    Instance uniform  # the same with one number for each parameter, read from the first element; NULL without parameters
    int inputs        # the parameters last
    int parameters
    int outputs
    int size          # bytes of one element, as the instance takes it
    Format format     # of the operands k with bit k in `narrow`; the others are native
    int narrow
    bint reused       # the caller has given all outputs: the pages of fresh ones come through the caches anyway
    int streamed      # elements of an output that go past the caches together …
    Py_ssize_t stream_from      # … from so many bytes of all operands on; 0: never
    WalkLoop over_axes


cdef inline Loop loop_of(Instance instance, int inputs, int outputs, int size) noexcept nogil:
    """One of native operands and nothing else."""
    cdef Loop loop
    memset(&loop, 0, sizeof(Loop))
    loop.instance, loop.inputs, loop.outputs, loop.size = instance, inputs, outputs, size
    return loop


cdef inline bint is_parameter(const Loop *loop, int k) noexcept nogil:
    return loop.inputs - loop.parameters <= k < loop.inputs


cdef inline bint is_narrow(const Loop *loop, int k) noexcept nogil:
    """Whether operand k has 16 bits in memory."""
    return loop.narrow >> k & 1


cdef inline int size_of(const Loop *loop, int k) noexcept nogil:
    """Bytes of one element of operand k in memory."""
    return sizeof(uint16_t) if is_narrow(loop, k) else loop.size


# --- numbers of 16 bits in memory, of float32 in the block ---------------------------------------------------------------------

cdef inline void widen(Format format, operand block, operand source, Py_ssize_t groups) noexcept nogil:
    """block = source, exactly."""
    cdef Py_ssize_t i
    if format == HALF:
        for i in range(GROUP * groups):
            (<float *> block)[i] = al_half_to_float((<const uint16_t *> source)[i])
    else:
        for i in range(GROUP * groups):
            (<float *> block)[i] = al_bfloat16_to_float((<const uint16_t *> source)[i])


cdef inline void round_off(Format format, operand target, operand block, Py_ssize_t groups) noexcept nogil:
    """target = block, rounded."""
    cdef Py_ssize_t i
    if format == HALF:
        for i in range(GROUP * groups):
            (<uint16_t *> target)[i] = al_float_to_half((<const float *> block)[i])
    else:
        for i in range(GROUP * groups):
            (<uint16_t *> target)[i] = al_float_to_bfloat16((<const float *> block)[i])


cdef inline void read_block(const Loop *loop, int k, char *block, char *source, Py_ssize_t stride, Py_ssize_t count,
                            Py_ssize_t padded) noexcept nogil:
    """Elements of operand k as the instance takes them, and zeros behind them."""
    cdef uint16_t memory[BLOCK]
    if not is_narrow(loop, k):
        copy_in(block, source, stride, count, loop.size)
        memset(block + count * loop.size, 0, <size_t> (padded * loop.size))
        return
    if stride != sizeof(uint16_t) or padded:
        copy_in(<char *> memory, source, stride, count, sizeof(uint16_t))
        memset(memory + count, 0, <size_t> padded * sizeof(uint16_t))
        source = <char *> memory
    widen(loop.format, <operand> block, <operand> source, (count + padded) // GROUP)


cdef inline void write_block(const Loop *loop, int k, char *target, Py_ssize_t stride, char *block, Py_ssize_t count,
                             Py_ssize_t padded) noexcept nogil:
    """The same back: what stands behind the elements is not written."""
    cdef uint16_t memory[BLOCK]
    if not is_narrow(loop, k):
        copy_out(target, stride, block, count, loop.size)
    elif stride == sizeof(uint16_t) and not padded:
        round_off(loop.format, <operand> target, <operand> block, count // GROUP)
    else:
        round_off(loop.format, <operand> <char *> memory, <operand> block, (count + padded) // GROUP)
        copy_out(target, stride, <char *> memory, count, sizeof(uint16_t))


# --- the driver ------------------------------------------------------------------------------------------------------------

cdef inline bint runs_directly(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """Whether the instance may walk the operands themselves: contiguous or scalar inputs, no output over an input.

    NumPy copies overlapping operands before it calls a loop, unless a walk forwards reads each element before it overwrites it:
    the output is the input or lies behind it. Such a walk is what run_blocks does.
    """
    cdef int i, j
    cdef Py_ssize_t apart
    for j in range(loop.inputs, loop.inputs + loop.outputs):
        if step[j] != loop.size:
            return False
        for i in range(loop.inputs):
            apart = op[i] - op[j]
            if -n * loop.size < apart < n * loop.size:
                return False
    for i in range(loop.inputs):
        if step[i] != loop.size and step[i] != 0:
            return False
    return True


cdef inline bint is_uniform(const Loop *loop, const Py_ssize_t *step) noexcept nogil:
    """Whether there are parameters, and each is one number."""
    cdef int k
    if loop.uniform == NULL:
        return False
    for k in range(loop.inputs - loop.parameters, loop.inputs):
        if step[k] != 0:
            return False
    return True


cdef inline void call(const Loop *loop, char **op, Py_ssize_t groups, bint uniform) noexcept nogil:
    cdef Instance instance = loop.uniform if uniform else loop.instance
    instance(op[0], op[1], op[2], op[3], op[4], groups)


cdef inline void advance(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """All operands move by n elements."""
    cdef int k
    for k in range(loop.inputs + loop.outputs):
        op[k] += n * step[k]


cdef inline void run_directly(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """The instance on the operands themselves, n a multiple of GROUP; what is one number without being a parameter, or beside
    parameters that are arrays, is spread over a block. op is advanced."""
    cdef double memory[OPERANDS * BLOCK]
    cdef char *at[OPERANDS]
    cdef Py_ssize_t count, most = n
    cdef int k
    cdef bint uniform = is_uniform(loop, step)
    for k in range(OPERANDS):
        at[k] = op[k]
        if k < loop.inputs and step[k] == 0 and not (uniform and is_parameter(loop, k)):
            most = n if n < BLOCK else BLOCK
            at[k] = <char *> &memory[k * BLOCK]
            copy_in(at[k], op[k], 0, most, loop.size)
    while n > 0:
        count = n if n < most else most
        call(loop, at, count // GROUP, uniform)
        for k in range(loop.inputs + loop.outputs):
            op[k] += count * step[k]
            at[k] += count * step[k]
        n -= count


cdef inline bint is_behind(const char *a, Py_ssize_t a_step, const char *b, Py_ssize_t b_step, Py_ssize_t n, int size) noexcept nogil:
    """Whether all n elements of b lie behind those of a."""
    return a + (a_step * (n - 1) if a_step > 0 else 0) + size <= b + (b_step * (n - 1) if b_step < 0 else 0)


cdef inline bint never_meet(const Loop *loop, char **op, const Py_ssize_t *step, int i, int j, Py_ssize_t n) noexcept nogil:
    """Whether no element of operand i shares a byte with one of operand j: one lies behind the other, or they take turns."""
    cdef Py_ssize_t each = step[j] if step[j] > 0 else -step[j]
    cdef Py_ssize_t apart = op[j] - op[i] if op[j] > op[i] else op[i] - op[j]
    cdef int size = size_of(loop, i) if size_of(loop, i) > size_of(loop, j) else size_of(loop, j)
    if is_behind(op[i], step[i], op[j], step[j], n, size_of(loop, i)) or is_behind(op[j], step[j], op[i], step[i], n, size_of(loop, j)):
        return True
    if step[i] != step[j] or each == 0:
        return False
    return size <= apart % each <= each - size


cdef inline bint may_stream(const Loop *loop, char **op) noexcept nogil:
    """Whether all outputs begin a line. The first one does, if there are enough elements to bring it to one."""
    cdef int k
    for k in range(loop.inputs, loop.inputs + loop.outputs):
        if <Py_ssize_t> op[k] & (CACHE_LINE - 1):
            return False
    return True


cdef inline void run_streaming(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """What run_directly does, with outputs that go past the caches block by block.

    Stores on their way to memory hold the buffers that loads from there need as well: the inputs are asked for some blocks ahead, or
    the kernel waits for the stores of the block before (on a Xeon elu 0.95 → 0.62 ns per element, sigmoid 0.85 → 0.66). Blocks are
    short, so that arithmetic and stores overlap.
    """
    cdef double memory[OPERANDS * STREAMED + 8]     # and a cache line to align it
    cdef char *at[OPERANDS]
    cdef Py_ssize_t done = 0, count
    cdef int k
    cdef bint uniform = is_uniform(loop, step)
    for k in range(OPERANDS):
        at[k] = line_in(memory) + k * STREAMED * <Py_ssize_t> sizeof(double)
        if k < loop.inputs and step[k] == 0:
            copy_in(at[k], op[k], 0, loop.streamed, loop.size)
    while done < n:
        count = n - done if n - done < loop.streamed else loop.streamed
        for k in range(loop.inputs):
            if step[k] != 0:
                at[k] = op[k] + done * loop.size
                al_fetch(at[k], count * loop.size)
        call(loop, at, count // GROUP, uniform)
        for k in range(loop.inputs, loop.inputs + loop.outputs):
            al_stream(op[k] + done * loop.size, at[k], count * loop.size)
        done += count
    al_stream_end()
    advance(loop, op, step, n)


cdef inline Py_ssize_t block_length(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """BLOCK, or 1 where an element reads what the one before it wrote: in the ufuncs' reduce and accumulate."""
    cdef int i, j
    cdef Py_ssize_t ahead
    for j in range(loop.inputs, loop.inputs + loop.outputs):
        if step[j] == 0:
            return 1
        for i in range(loop.inputs):
            if never_meet(loop, op, step, i, j, n):
                continue
            ahead = op[j] - op[i] if step[j] > 0 else op[i] - op[j]
            if 0 < ahead < n * (step[j] if step[j] > 0 else -step[j]):
                return 1
    return BLOCK


cdef inline void run_blocks(const Loop *loop, char **op, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """The instance over n elements of any layout and format, through a block per operand; whole blocks of a contiguous native output
    are written where they belong, as every input has been read by then. op is advanced."""
    cdef double memory[OPERANDS * BLOCK]
    cdef char *block[OPERANDS]
    cdef char *at[OPERANDS]
    cdef Py_ssize_t done = 0, count, padded, most = block_length(loop, op, step, n)
    cdef int k
    cdef bint uniform = is_uniform(loop, step)
    for k in range(OPERANDS):
        block[k] = at[k] = <char *> &memory[k * BLOCK]
    while done < n:
        count = n - done if n - done < most else most
        padded = -count & (GROUP - 1)
        for k in range(loop.inputs):
            if done == 0 or step[k] != 0 or most == 1:     # a scalar fills its block once
                read_block(loop, k, block[k], op[k] + done * step[k], step[k], count, padded)
        for k in range(loop.inputs, loop.inputs + loop.outputs):
            at[k] = op[k] + done * step[k] if not is_narrow(loop, k) and step[k] == loop.size and padded == 0 else block[k]
        call(loop, at, (count + padded) // GROUP, uniform)
        for k in range(loop.inputs, loop.inputs + loop.outputs):
            if at[k] == block[k]:
                write_block(loop, k, op[k] + done * step[k], step[k], block[k], count, padded)
        done += count
    advance(loop, op, step, n)


cdef inline void run(const Loop *loop, char **args, const Py_ssize_t *step, Py_ssize_t n, bint streaming) noexcept nogil:
    """One kernel over n elements: whole groups where they lie if the layout allows, the rest through blocks. streaming: the results
    are more than caches hold."""
    cdef char *op[OPERANDS]
    cdef Py_ssize_t head, whole
    cdef int k
    for k in range(OPERANDS):
        op[k] = args[k] if k < loop.inputs + loop.outputs else NULL
    if n >= GROUP and loop.narrow == 0 and runs_directly(loop, op, step, n):
        if n >= ALIGN_FROM:
            head = before_a_line(op[loop.inputs], loop.size)
            run_blocks(loop, op, step, head)
            n -= head
        whole = n & ~(<Py_ssize_t> (GROUP - 1))
        if streaming and may_stream(loop, op):
            run_streaming(loop, op, step, whole)
        else:
            run_directly(loop, op, step, whole)
        n -= whole
    run_blocks(loop, op, step, n)
