# Four rows of four elements side by side, for rows that must stand across.

from real cimport real

cdef extern from *:
    """
    /* out[j][i] = in[i][j], 4 × 4, through vectors of four: moved one by one, each element costs a store to another cache line. */
    #if defined(__clang__) || (defined(__GNUC__) && __GNUC__ >= 12)
    #define AL_TRANSPOSE4(name, type)                                                                          \
    typedef type name##_v __attribute__((vector_size(4 * sizeof(type))));                                      \
    typedef name##_v name##_u __attribute__((aligned(sizeof(type)), may_alias));                               \
    static inline __attribute__((always_inline)) void name(const type *a, const type *b, const type *c,        \
                                                           const type *d, type *p, type *q, type *r, type *s) { \
        name##_v A = *(const name##_u *) a, B = *(const name##_u *) b, C = *(const name##_u *) c;              \
        name##_v D = *(const name##_u *) d;                                                                    \
        name##_v ab = __builtin_shufflevector(A, B, 0, 4, 1, 5), AB = __builtin_shufflevector(A, B, 2, 6, 3, 7); \
        name##_v cd = __builtin_shufflevector(C, D, 0, 4, 1, 5), CD = __builtin_shufflevector(C, D, 2, 6, 3, 7); \
        *(name##_u *) p = __builtin_shufflevector(ab, cd, 0, 1, 4, 5);                                         \
        *(name##_u *) q = __builtin_shufflevector(ab, cd, 2, 3, 6, 7);                                         \
        *(name##_u *) r = __builtin_shufflevector(AB, CD, 0, 1, 4, 5);                                         \
        *(name##_u *) s = __builtin_shufflevector(AB, CD, 2, 3, 6, 7);                                         \
    }
    #else
    #define AL_TRANSPOSE4(name, type)                                                                          \
    static void name(const type *a, const type *b, const type *c, const type *d,                               \
                     type *p, type *q, type *r, type *s) {                                                     \
        const type *in[4] = {a, b, c, d};                                                                      \
        type *out[4] = {p, q, r, s};                                                                           \
        for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) out[j][i] = in[i][j];                          \
    }
    #endif
    AL_TRANSPOSE4(al_transpose4f, float)
    AL_TRANSPOSE4(al_transpose4, double)
    """
    void al_transpose4f(const float *a, const float *b, const float *c, const float *d, float *p, float *q, float *r,
                        float *s) noexcept nogil
    void al_transpose4(const double *a, const double *b, const double *c, const double *d, double *p, double *q, double *r,
                       double *s) noexcept nogil


cdef inline void transpose4(const real *a, const real *b, const real *c, const real *d, real *p, real *q, real *r,
                            real *s) noexcept nogil:
    if real is float:
        al_transpose4f(a, b, c, d, p, q, r, s)
    else:
        al_transpose4(a, b, c, d, p, q, r, s)
