# The entries of al.diagnose; part of level.pxi.

import numpy as np

from actloss_c._pool cimport Task
from diagnosis cimport Layer, make_figures, study_part
from diagnosis_phases cimport CHUNK, COUNTS, MOST_BINS, PART, SUMS, Study
from loops cimport GROUP
from ufunc_fields cimport Fields

cdef enum:
    STRIDED_FROM = 64     # batch elements from which blocks follow the batch if it lies nearer in memory than the units do


cdef void study_f(void *data, Py_ssize_t part) noexcept nogil:
    study_part[float, int32_t](<const Study *> data, part, NULL, NULL)


cdef void study_d(void *data, Py_ssize_t part) noexcept nogil:
    study_part[double, int64_t](<const Study *> data, part, NULL, NULL)


cdef Py_ssize_t walk_some(Walk *walk, list arrays, tuple chosen) except *:
    """A walk over the chosen axes of arrays of one shape, at least one axis; returns the number of its elements."""
    cdef Py_ssize_t step[WALKED]
    cdef cnp.ndarray array = arrays[0]
    cdef Py_ssize_t n = 1
    cdef int d, k
    walk_start(walk, len(arrays))
    for d in range(array.ndim):
        if chosen[d]:
            for k in range(walk.operands):
                step[k] = (<cnp.ndarray> arrays[k]).strides[d]
            walk_axis(walk, array.shape[d], step)
            n *= array.shape[d]
    for k in range(walk.operands):
        walk.at[k] = cnp.PyArray_BYTES(<cnp.ndarray> arrays[k])
        if walk.dims == 0:
            walk.step[0][k] = 0
    if walk.dims == 0:
        walk.dims = walk.shape[0] = 1
        walk.index[0] = 0
    return n


cdef Py_ssize_t plan(Study *study, list arrays, tuple is_batch) except *:
    """Everything about shapes; returns the number of parts."""
    cdef Walk *units = &study.units
    cdef Walk *batch = &study.batch
    cdef Py_ssize_t unit_step, batch_step, each
    memset(study, 0, sizeof(Study))
    study.operands = study.copied = len(arrays)
    study.n = walk_some(units, arrays, tuple([not b for b in is_batch]))
    study.length = walk_some(batch, arrays, is_batch)
    unit_step, batch_step = abs(units.step[units.dims - 1][0]), abs(batch.step[batch.dims - 1][0])
    study.side_by_side = units.shape[units.dims - 1] >= GROUP // 2 and (unit_step < batch_step or study.length < STRIDED_FROM)
    study.chunks = parts_of(CHUNK, study.length)
    each = study.length if study.length < CHUNK else CHUNK
    study.together = parts_of(each, PART)
    if study.side_by_side:
        study.together = GROUP * parts_of(GROUP, study.together)
    return study.chunks * parts_of(study.together, study.n)


cdef void run_study(Study *study, bint is_float, Py_ssize_t parts) noexcept:
    """All parts, and the sums and counts of all chunks into those of the first."""
    cdef al_flags flags
    cdef Task run = study_f if is_float else study_d
    cdef Py_ssize_t part, c, i
    with nogil:
        al_save_flags(&flags)
        if width > 1 and parts > 1:
            run_parts(run, study, parts)
        else:
            for part in range(parts):
                run(study, part)
        if study.loop != NULL:
            for c in range(1, study.chunks):
                for i in range(SUMS * study.n):
                    study.sums[i] += study.sums[c * SUMS * study.n + i]
                for i in range(COUNTS * study.n):
                    study.counts[i] += study.counts[c * COUNTS * study.n + i]
        al_restore_flags(&flags)


cdef double margin_of(const Study *study, bint is_float):
    """What x·per + shift of find_bins may be off by, in bins: by roundings of per, x·per, shift and the sum, none of which exceeds
    the largest bound, and of the edges. 1, so that nothing is sure, where any of these may overflow."""
    cdef double largest = max(abs(study.low), abs(study.high)) / study.step + study.bins + 2.0
    cdef double epsilon = 2.0 ** -24 if is_float else 2.0 ** -53, most = 1e38 if is_float else 1e300
    return 8.0 * epsilon * largest if largest < most and 1.0 / most < study.step < most else 1.0


most_bins = MOST_BINS


def bounds(cnp.ndarray z):
    """(lowest, highest) finite element of z, native float32 or float64 and aligned, not empty; (inf, −inf) if there is none. And
    whether all are finite."""
    cdef Study study
    cdef Py_ssize_t parts = plan(&study, [z], (True,) * z.ndim), part
    cdef cnp.ndarray found = np.empty((parts, 3))
    cdef double low = al_infinity(), high = -low, odd = 0.0
    study.bounds = doubles(found)
    for study.plain in (True, False):
        run_study(&study, cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT, parts)
        if study.plain:
            for part in range(parts):
                odd += study.bounds[3 * part + 2]
            if odd == 0.0:
                break
    for part in range(parts):
        low = study.bounds[3 * part] if study.bounds[3 * part] < low else low
        high = study.bounds[3 * part + 1] if study.bounds[3 * part + 1] > high else high
    return low, high, odd == 0.0


def figures(cnp.ufunc ufunc, list arrays, bint uniform, tuple is_batch, double threshold, bint left, bint right, double low,
            double high, double step, int bins, bint plain):
    """What al.diagnose says. Of each unit, in C order of the axes that are not the batch's: (mean, shift, mean |f'|) as one array,
    (share saturated left, right), whether it is dead, how many inputs are (NaN, infinite). Counts of the bins. And a tuple of the
    layer's figures: shares saturated left, right and dead, mean, shift, mean |f'|, inputs NaN and infinite.

    ufunc: of value and derivative. arrays: x and the parameters, of one shape and dtype, native float32 or float64 and aligned, not
    empty; uniform: there are parameters, and each is one number. is_batch: a bool for each axis. left, right: whether f saturates
    there. step: (high − low) / bins, bins at most most_bins. plain: all of x is finite and lies between low and high.
    """
    cdef Study study
    cdef Layer layer
    cdef al_flags flags
    cdef Py_ssize_t parts = plan(&study, arrays, is_batch)
    cdef int number = cnp.PyArray_TYPE(<cnp.ndarray> arrays[0]), k
    cdef cnp.ndarray sums = np.empty((study.chunks, SUMS, study.n)), counts = np.empty((study.chunks, COUNTS, study.n), np.int64)
    cdef cnp.ndarray histogram = np.zeros((parts, bins + 2), np.int64)
    cdef cnp.ndarray shares = np.empty((2, study.n)), dead = np.empty(study.n, bool), odd = np.empty((2, study.n), np.int64)
    for k in range(ufunc.ntypes):
        if (<Fields *> ufunc).types[k * ufunc.nargs] == number:
            study.loop = <const Loop *> ufunc.data[k]
    if uniform:
        study.copied = 1
    study.threshold, study.low, study.high, study.step, study.bins, study.plain = threshold, low, high, step, bins, plain
    study.margin = margin_of(&study, number == cnp.NPY_FLOAT)
    study.sums = doubles(sums)
    study.counts = <int64_t *> cnp.PyArray_DATA(counts)
    study.histogram = <int64_t *> cnp.PyArray_DATA(histogram)
    run_study(&study, number == cnp.NPY_FLOAT, parts)
    al_save_flags(&flags)
    make_figures(&study, left, right, doubles(shares), cnp.PyArray_BYTES(dead), <int64_t *> cnp.PyArray_DATA(odd), &layer)
    al_restore_flags(&flags)
    means = sums[0] if study.chunks == 1 else sums[0].copy()
    of_layer = (layer.left, layer.right, layer.dead, layer.mean, layer.shift, layer.slope, layer.nan, layer.infinite)
    return means, shares, dead, odd, histogram.sum(axis=0)[1 : bins + 1], of_layer
