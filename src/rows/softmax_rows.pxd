# What softmax, log_softmax and logsumexp and their backward have in common: all rows, panel by panel, in two shapes with the same bits.
#
# form: what stands entry by entry (softmax_sums.pxd). finish: from the sums to the numbers that entry takes, or to BEST, the row's
# one result. entry(e or z, g, numbers, apart): a result. Masked entries enter as −inf with a gradient of 0, and leave as `hidden`,
# be the row's other results NaN.

from axes cimport Panel, Walk, next_panel
from real cimport real
from rows.softmax_across cimport panel_across
from rows.softmax_along cimport panel_along
from rows.softmax_phases cimport ALONG_FROM
from rows.softmax_sums cimport GRADIENTS, MAPS


cdef inline void each_panel(int form, void (*finish)(real *, Py_ssize_t) noexcept nogil,
                            real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, real hidden,
                            Walk *walk, Panel *panel, Py_ssize_t rows) noexcept nogil:
    cdef bint along = (panel.classes >= ALONG_FROM and panel.z_step == sizeof(real)
                       and (not form & MAPS or panel.y_step == sizeof(real))
                       and (not form & GRADIENTS or panel.g_step == sizeof(real)))
    while rows > 0:
        next_panel(walk, panel, rows)
        if along:
            panel_along(form, finish, entry, hidden, panel)
        else:
            panel_across(form, finish, entry, hidden, panel)
        rows -= panel.lanes


cdef inline real no_entry(real x, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    """The entry of functions with one result per row."""
    return x
