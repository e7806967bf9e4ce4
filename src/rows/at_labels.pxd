# Derivatives that are 0 but for the entry at each row's label.

from axes cimport Panel
from libc.string cimport memcpy, memset
from loops cimport CACHE_LINE, line_in
from real cimport int64_t, real
from rows.reduction cimport put
from rows.targets cimport clear
from stream cimport al_stream

cdef enum:
    PIECE = 1024      # bytes that go past the caches together


cdef inline bint continue_each_other(char **row, Py_ssize_t step, const Panel *panel, const real *type) noexcept nogil:
    """Whether each row begins where the one before it ends, and lines hold whole numbers, as they do but for an odd ABI's doubles."""
    cdef Py_ssize_t lane, size = panel.classes * sizeof(real)
    cdef bint whole = step == sizeof(real) and <Py_ssize_t> row[0] % <Py_ssize_t> sizeof(real) == 0
    for lane in range(1, panel.lanes):
        whole = whole and row[lane] - row[0] == lane * size
    return whole


cdef inline Py_ssize_t next_piece(const char *to, Py_ssize_t left) noexcept nogil:
    """How many of the bytes left are written together: those before the first line, whole lines, then those behind the last."""
    cdef Py_ssize_t head = -<Py_ssize_t> to & (CACHE_LINE - 1), lines = left & ~(<Py_ssize_t> CACHE_LINE - 1)
    if head > 0:
        return head if head < left else left
    if lines > 0:
        return lines if lines < PIECE else PIECE
    return left


cdef inline void stream_at_labels(char *to, const Panel *panel, const int64_t *label, const real *entry) noexcept nogil:
    """write_at_labels past the caches, for rows that continue each other, in pieces that are complete before they leave: a line that
    had left as zeros would come back from memory to take its entry."""
    cdef char memory[PIECE + CACHE_LINE]
    cdef real *block = <real *> line_in(memory)
    cdef Py_ssize_t n = panel.lanes * panel.classes, done = 0, lane = 0, first, count, size = sizeof(real)
    memset(block, 0, PIECE)
    while done < n:
        count = next_piece(to + done * size, (n - done) * size) // size
        first = lane
        while lane < panel.lanes and lane * panel.classes + label[lane] < done + count:
            block[lane * panel.classes + label[lane] - done] = entry[lane]
            lane += 1
        if count * size & (CACHE_LINE - 1):
            memcpy(to + done * size, block, <size_t> (count * size))
        else:
            al_stream(to + done * size, <char *> block, count * size)
        while first < lane:
            block[first * panel.classes + label[first] - done] = <real>0.0
            first += 1
        done += count


cdef inline void write_at_labels(char **row, Py_ssize_t step, const Panel *panel, const int64_t *label, const real *entry,
                                 bint streaming) noexcept nogil:
    """Each row's entry at its label, and zeros elsewhere. streaming: there are more than caches hold."""
    cdef Py_ssize_t lane
    cdef bint whole = continue_each_other(row, step, panel, entry)
    if whole and streaming:
        stream_at_labels(row[0], panel, label, entry)
        return
    if whole:
        memset(row[0], 0, <size_t> (panel.lanes * panel.classes * <Py_ssize_t> sizeof(real)))
    else:
        for lane in range(panel.lanes):
            clear(row[lane], step, panel.classes, entry)
    put(row, step, panel.lanes, label, entry)
