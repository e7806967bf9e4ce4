# A pass over all inputs of a layer for al.diagnose, in blocks that L1 holds, unit by unit over the batch. Knows no function: its
# loop for value and derivative comes as a pointer.
#
# The order of a sum follows from the shapes alone. The batch, in C order of its axes, is cut into chunks of CHUNK; element b of
# a chunk goes to accumulator b mod GROUP; accumulators are added in pairs, chunks one after another. A block has GROUP units side
# by side and a batch element in each row, or one unit's batch in rows of GROUP: the additions are the same. All are in float64:
# the bits are those of every level with FMA that computes the same values. Squares of float32 are exact there, fused or not.

from axes cimport Walk, walk_from, walk_on
from copies cimport copy_in, fill
from diagnosis_phases cimport ACCUMULATORS, BYTES, CHUNK, COUNTS, SUMS, Block, Study, Tally
from diagnosis_phases cimport add_across, add_along, count, count_numbers, fill_table, find_bins, find_bins_exactly, find_bounds
from diagnosis_phases cimport fold, has_pairs, pair_bins, read_table, settle
from lanes cimport index
from libc.math cimport sqrt
from libc.string cimport memcpy, memset
from loops cimport GROUP, OPERANDS, call, line_in, operand
from real cimport al_infinity, al_nan, int64_t, real, uint32_t
from sums cimport block_sum


# --- blocks --------------------------------------------------------------------------------------------------------------------

cdef inline void sort_inputs(const Study *study, Block *block, Tally *tally, Py_ssize_t rows, bint plain, bint paired,
                             const real *type, const index *whole) noexcept nogil:
    """Finds the bins of a block's inputs and which are numbers; makes values and derivatives of what is none 0. plain and paired
    are literals."""
    cdef Py_ssize_t n = rows * GROUP, l
    cdef operand z = <operand> block.at[0]
    cdef operand bins = <operand> <char *> block.bin
    cdef operand counts = <operand> <char *> tally.counts
    cdef bint sure = study.margin < 0.5 and find_bins(z, bins, n, study, plain, paired, type, whole)
    if sure or plain:
        for l in range(GROUP):
            (<index *> counts)[3 * GROUP + l] += <index> rows
    else:
        count_numbers(z, counts, rows, type, whole)
        settle(z, <operand> block.at[study.operands], <operand> block.at[study.operands + 1], n, type)
    if not sure:
        find_bins_exactly(z, bins, n, study, type)
        if paired:
            pair_bins(bins, n, <uint32_t> (study.bins + 2))
    fill_table(block, n // 2 if paired else n)


cdef inline void study_block(const Study *study, Block *block, Tally *tally, Py_ssize_t rows, bint side_by_side, bint full,
                             const real *type, const index *whole) noexcept nogil:
    """All phases on the rows that stand in a block. side_by_side and full, which says that all of it is x, are literals."""
    cdef operand z = <operand> block.at[0]
    cdef operand y = <operand> block.at[study.operands]
    cdef operand d = <operand> block.at[study.operands + 1]
    cdef operand sums = <operand> <char *> tally.sums
    cdef Py_ssize_t r
    if study.loop == NULL:
        if study.plain:
            find_bounds(z, <operand> <char *> tally.bounds, rows * GROUP, True, type)
        else:
            find_bounds(z, <operand> <char *> tally.bounds, rows * GROUP, False, type)
        return
    call(study.loop, block.at, rows, study.copied < study.operands)
    count(z, d, <operand> <char *> tally.counts, rows, <real> study.threshold, whole)
    if not has_pairs(study):
        sort_inputs(study, block, tally, rows, False, False, type, whole)
    elif study.plain and full:
        sort_inputs(study, block, tally, rows, True, True, type, whole)
    else:
        sort_inputs(study, block, tally, rows, False, True, type, whole)
    if not side_by_side:
        add_along(y, d, sums, rows, type)
    elif rows * GROUP * <Py_ssize_t> sizeof(real) == BYTES:
        add_across(y, d, sums, BYTES // (ACCUMULATORS * sizeof(real)), type)
    else:
        for r in range(0, rows // GROUP):
            add_across(y + r * ACCUMULATORS * sizeof(real), d + r * ACCUMULATORS * sizeof(real), sums, 1, type)


cdef inline void copy_rows(const Study *study, Block *block, const Walk *batch, Py_ssize_t first, Py_ssize_t rows, Py_ssize_t units,
                           const real *type) noexcept nogil:
    """Rows of a block from their first on: neighbours along the innermost axes of units and batch."""
    cdef const Py_ssize_t *across = study.units.step[study.units.dims - 1]
    cdef const Py_ssize_t *along = study.batch.step[study.batch.dims - 1]
    cdef Py_ssize_t r, size = sizeof(real)
    cdef char *to
    cdef const char *source
    cdef int k
    for k in range(study.copied):
        to = block.at[k] + first * GROUP * size
        source = batch.at[k]
        if units == GROUP and across[k] == size:
            for r in range(rows):
                memcpy(to + r * GROUP * size, source + r * along[k], GROUP * sizeof(real))
        else:
            for r in range(rows):
                copy_in(to + r * GROUP * size, source + r * along[k], across[k], units, sizeof(real))


cdef inline void study_units(const Study *study, Block *block, Tally *tally, Walk *batch, Py_ssize_t length, Py_ssize_t units,
                             const real *type, const index *whole) noexcept nogil:
    """`length` elements of the batches of units that are neighbours along the innermost axis, GROUP or fewer."""
    cdef Py_ssize_t most = BYTES // (GROUP * sizeof(real)), rows, n, padded
    cdef int d = study.batch.dims - 1
    if units < GROUP:
        fill(<real *> block.at[0], BYTES // sizeof(real), <real> al_nan())
    while length > 0:
        rows = 0
        while rows < most and length > 0:
            n = batch.shape[d] - batch.index[d]
            n = n if n < length else length
            n = n if n < most - rows else most - rows
            copy_rows(study, block, batch, rows, n, units, type)
            walk_on(batch, n)
            rows += n
            length -= n
        padded = -rows & (GROUP - 1)
        fill(<real *> block.at[0] + rows * GROUP, padded * GROUP, <real> al_nan())
        if units == GROUP and padded == 0:
            study_block(study, block, tally, rows, True, True, type, whole)
        else:
            study_block(study, block, tally, rows + padded, True, False, type, whole)


cdef inline void study_batch(const Study *study, Block *block, Tally *tally, Walk *batch, Py_ssize_t length, const real *type,
                             const index *whole) noexcept nogil:
    """`length` elements of one unit's batch; groups of neighbours where they lie."""
    cdef const Py_ssize_t *step = study.batch.step[study.batch.dims - 1]
    cdef Py_ssize_t size = sizeof(real), most = BYTES // sizeof(real), taken, n, padded
    cdef char *own = block.at[0]
    cdef int k, d = study.batch.dims - 1
    while length > 0:
        taken = 0
        while taken < most and length > 0 and block.at[0] == own:
            n = batch.shape[d] - batch.index[d]
            n = n if n < length else length
            n = n if n < most - taken else most - taken
            if taken == 0 and step[0] == size and n >= GROUP:
                n &= ~(<Py_ssize_t> GROUP - 1)
                block.at[0] = batch.at[0]
            for k in range(block.at[0] != own, study.copied):
                copy_in(block.at[k] + taken * size, batch.at[k], step[k], n, sizeof(real))
            walk_on(batch, n)
            taken += n
            length -= n
        padded = -taken & (GROUP - 1)
        if padded == 0:
            study_block(study, block, tally, taken // GROUP, False, True, type, whole)
        else:
            fill(<real *> own + taken, padded, <real> al_nan())
            study_block(study, block, tally, (taken + padded) // GROUP, False, False, type, whole)
        block.at[0] = own


# --- parts ---------------------------------------------------------------------------------------------------------------------

cdef inline void store(const Study *study, Tally *tally, Py_ssize_t chunk, Py_ssize_t unit, Py_ssize_t used, Py_ssize_t units,
                       const index *type) noexcept nogil:
    """Sums and counts of units side by side, or of one that has all columns, into the results."""
    cdef double *sums
    cdef int64_t *counts
    cdef const index *counted
    cdef Py_ssize_t l
    cdef int k
    for k in range(SUMS):
        sums = study.sums + (chunk * SUMS + k) * study.n + unit
        if study.side_by_side:
            fold(tally.sums + k * ACCUMULATORS, used, GROUP, GROUP)
        else:
            fold(tally.sums + k * ACCUMULATORS, used, 1, 1)
        for l in range(units):
            sums[l] = tally.sums[k * ACCUMULATORS + l]
    for k in range(COUNTS):
        counts = study.counts + (chunk * COUNTS + k) * study.n + unit
        counted = <const index *> tally.counts + k * GROUP
        for l in range(units):
            counts[l] = counted[l]
        if not study.side_by_side:
            for l in range(1, GROUP):
                counts[0] += counted[l]


cdef inline void prepare(const Study *study, Block *block) noexcept nogil:
    """An empty table, and the parameters that are one number each."""
    cdef int k
    memset(block.memory, 0, sizeof(block.memory))
    memset(block.table, 0, <size_t> ((study.bins + 2) * (study.bins + 2 if has_pairs(study) else 1)) * sizeof(uint32_t))
    block.at[0] = line_in(block.memory)     # stores across two lines halve the speed
    for k in range(1, OPERANDS):
        block.at[k] = block.at[0] + k * BYTES
    for k in range(study.copied, study.operands):
        copy_in(block.at[k], study.units.at[k], 0, 1, study.loop.size)


cdef inline void store_bounds(const Study *study, Tally *tally, Py_ssize_t part, const real *type) noexcept nogil:
    cdef real *low = <real *> tally.bounds
    cdef real *high = low + GROUP
    cdef real *odd = high + GROUP
    cdef int l
    for l in range(1, GROUP):
        low[0] = low[l] if low[l] < low[0] else low[0]
        high[0] = high[l] if high[l] > high[0] else high[0]
        odd[0] += odd[l]
    for l in range(3):
        study.bounds[3 * part + l] = low[l * GROUP]


cdef inline void study_part(const Study *study, Py_ssize_t part, const real *type, const index *whole) noexcept nogil:
    """One chunk of some units' batches."""
    cdef Block block
    cdef Tally tally
    cdef Walk walk, batch
    cdef Py_ssize_t chunk = part % study.chunks, unit = part // study.chunks * study.together
    cdef Py_ssize_t end = unit + study.together if unit + study.together < study.n else study.n
    cdef Py_ssize_t length = study.length - chunk * CHUNK, units
    cdef int d = study.units.dims - 1, k
    length = length if length < CHUNK else CHUNK
    prepare(study, &block)
    fill(<real *> tally.bounds, GROUP, <real> al_infinity())
    fill(<real *> tally.bounds + GROUP, GROUP, -<real> al_infinity())
    fill(<real *> tally.bounds + 2 * GROUP, GROUP, <real>0.0)
    walk_from(&walk, &study.units, unit, 0)
    while unit < end:
        walk_from(&batch, &study.batch, chunk * CHUNK, 0)
        for k in range(study.operands):
            batch.at[k] += walk.at[k] - study.units.at[k]
        memset(tally.sums, 0, sizeof(tally.sums))
        memset(tally.counts, 0, sizeof(tally.counts))
        units = 1
        if study.side_by_side:
            units = walk.shape[d] - walk.index[d]
            units = units if units < end - unit else end - unit
            units = units if units < GROUP else GROUP
            study_units(study, &block, &tally, &batch, length, units, type, whole)
        else:
            study_batch(study, &block, &tally, &batch, length, type, whole)
        if study.loop != NULL:
            store(study, &tally, chunk, unit, length, units, whole)
        walk_on(&walk, units)
        unit += units
    if study.loop == NULL:
        store_bounds(study, &tally, part, type)
    else:
        read_table(study, &block, part)


# --- figures -------------------------------------------------------------------------------------------------------------------

cdef struct Layer:
    # Shares and means of all units.
    double left
    double right
    double dead
    double mean
    double shift
    double slope
    int64_t nan
    int64_t infinite


cdef inline double shift_of(double squared_mean, double square) noexcept nogil:
    """√(squared_mean / square), 0 where all outputs are 0, NaN where their squares overflow."""
    cdef double ratio = sqrt(squared_mean / square)
    if square == 0.0:
        return 0.0
    return (1.0 if ratio > 1.0 else ratio) if square < al_infinity() else al_nan()


cdef inline void make_figures(const Study *study, bint left, bint right, double *shares, char *dead, int64_t *odd,
                              Layer *layer) noexcept nogil:
    """Of each unit: its sums become its mean, shift and mean slope; shares saturated left and right, where f saturates; whether it
    is dead; how many of its inputs are NaN, and infinite. And the same of the layer."""
    cdef Py_ssize_t n = study.n, u
    cdef double *sums = study.sums
    cdef const int64_t *positive = study.counts
    cdef const int64_t *small = positive + n
    cdef const int64_t *both = small + n
    cdef const int64_t *numbers = both + n
    cdef const int64_t *infinite = numbers + n
    cdef int64_t on_left = 0, on_right = 0, count = 0, known = 0, all_dead = 0
    cdef double value = block_sum(sums, n), square = block_sum(sums + n, n), slope = block_sum(sums + 2 * n, n), mean
    layer.infinite = 0
    for u in range(n):
        mean = sums[u] / <double> numbers[u]
        shares[u] = mean * mean if numbers[u] > 0 else 0.0
        sums[u] = mean
        sums[n + u] = shift_of(mean * mean, sums[n + u] / <double> numbers[u])
        sums[2 * n + u] /= <double> numbers[u]
        dead[u] = positive[u] == 0 and numbers[u] > 0
        odd[u] = study.length - numbers[u]
        odd[n + u] = infinite[u]
        known += numbers[u] > 0
        all_dead += dead[u]
        count += numbers[u]
        layer.infinite += infinite[u]
    layer.shift = shift_of(block_sum(shares, n) / <double> known, square / <double> count)
    for u in range(n):
        shares[u] = <double> (small[u] - both[u] if left else 0) / <double> numbers[u]
        shares[n + u] = <double> (both[u] if right else 0) / <double> numbers[u]
        on_left += small[u] - both[u] if left else 0
        on_right += both[u] if right else 0
    layer.left, layer.right = <double> on_left / <double> count, <double> on_right / <double> count
    layer.dead = <double> all_dead / <double> known
    layer.mean, layer.slope = value / <double> count, slope / <double> count
    layer.nan = n * study.length - count
