# Squares of elements turned over, for rows that must stand across: moved one by one, each element costs a store to another cache line.
#
# With vectors of 32 bytes, halves of two rows are loaded into one: what crosses between halves is then done by the loads, and the
# shuffles that are left, one for every four elements of float, are half of those of two squares of 4 × 4. Processors do one or two
# shuffles a cycle.

from real cimport real

cdef extern from *:
    """
    #if defined(__AVX__) && (defined(__GNUC__) || defined(__clang__))
    #include <immintrin.h>
    #define AL_TURNS_EIGHT 1
    #define AL_PAIR(low, high) _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(low)), _mm_loadu_ps(high), 1)
    #define AL_PAIR_D(low, high) _mm256_insertf128_pd(_mm256_castpd128_pd256(_mm_loadu_pd(low)), _mm_loadu_pd(high), 1)

    /* Rows that are `step` elements apart, or begin anywhere: row[i] + first elements. Eight pointers each to read and to write
       are more than there are registers: the second four have a base of their own, whose origin the compiler is not told. */
    #define AL_STEPS(p, i) (((i) < 4 ? p : p##_half) + ((i) & 3) * p##_step)
    #define AL_STEPS_HALF(type, p) type *p##_half = p + 4 * p##_step; __asm__ ("" : "+r" (p##_half));
    #define AL_ROWS_HALF(type, p)
    #define AL_STEPS_ARGUMENTS(type, p) type *p, Py_ssize_t p##_step
    #define AL_ROWS(p, i) ((float *) p[i] + p##_first)
    #define AL_ROWS_ARGUMENTS(type, p) char *const *p, Py_ssize_t p##_first
    #define AL_TURN_HALF(FROM, TO, k) {                                                                         \
        __m256 A = AL_PAIR(FROM(from, 0) + k, FROM(from, 4) + k), B = AL_PAIR(FROM(from, 1) + k, FROM(from, 5) + k); \
        __m256 C = AL_PAIR(FROM(from, 2) + k, FROM(from, 6) + k), D = AL_PAIR(FROM(from, 3) + k, FROM(from, 7) + k); \
        __m256d ab = _mm256_castps_pd(_mm256_unpacklo_ps(A, B)), AB = _mm256_castps_pd(_mm256_unpackhi_ps(A, B)); \
        __m256d cd = _mm256_castps_pd(_mm256_unpacklo_ps(C, D)), CD = _mm256_castps_pd(_mm256_unpackhi_ps(C, D)); \
        _mm256_storeu_ps(TO(to, k), _mm256_castpd_ps(_mm256_unpacklo_pd(ab, cd)));                              \
        _mm256_storeu_ps(TO(to, k + 1), _mm256_castpd_ps(_mm256_unpackhi_pd(ab, cd)));                          \
        _mm256_storeu_ps(TO(to, k + 2), _mm256_castpd_ps(_mm256_unpacklo_pd(AB, CD)));                          \
        _mm256_storeu_ps(TO(to, k + 3), _mm256_castpd_ps(_mm256_unpackhi_pd(AB, CD)));                          \
    }
    #define AL_TURN8(name, FROM, TO)                                                                            \
    static inline __attribute__((always_inline)) void name(FROM##_ARGUMENTS(const float, from), TO##_ARGUMENTS(float, to)) { \
        FROM##_HALF(const float, from)                                                                          \
        TO##_HALF(float, to)                                                                                    \
        AL_TURN_HALF(FROM, TO, 0)                                                                               \
        AL_TURN_HALF(FROM, TO, 4)                                                                               \
    }
    AL_TURN8(al_turn8, AL_STEPS, AL_STEPS)
    AL_TURN8(al_turn8_in, AL_ROWS, AL_STEPS)
    AL_TURN8(al_turn8_out, AL_STEPS, AL_ROWS)
    static inline __attribute__((always_inline)) void al_transpose4(
        const double *a, const double *b, const double *c, const double *d, double *p, double *q, double *r, double *s) {
        __m256d ac = AL_PAIR_D(a, c), bd = AL_PAIR_D(b, d), AC = AL_PAIR_D(a + 2, c + 2), BD = AL_PAIR_D(b + 2, d + 2);
        _mm256_storeu_pd(p, _mm256_unpacklo_pd(ac, bd));
        _mm256_storeu_pd(q, _mm256_unpackhi_pd(ac, bd));
        _mm256_storeu_pd(r, _mm256_unpacklo_pd(AC, BD));
        _mm256_storeu_pd(s, _mm256_unpackhi_pd(AC, BD));
    }
    #else
    #define AL_TURNS_EIGHT 0
    #define al_turn8(from, from_step, to, to_step) ((void) (to))
    #define al_turn8_in(row, first, to, to_step) ((void) (to))
    #define al_turn8_out(from, from_step, row, first) ((void) (from))
    #endif

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
    #if !AL_TURNS_EIGHT
    AL_TRANSPOSE4(al_transpose4, double)
    #endif

    /* Matrices by squares; the last one of a row or column repeats elements. Calls of one function: as part of each loop that turns
       something, the pointers would not find registers, and each element would take two instructions more. */
    #if defined(__GNUC__) || defined(__clang__)
    #define AL_ALONE __attribute__((noinline))
    #else
    #define AL_ALONE
    #endif
    #define AL_TURN(name, type, size, SQUARE)                                                                   \
    static AL_ALONE void name(type *to, Py_ssize_t to_step, const type *from, Py_ssize_t step, Py_ssize_t rows, \
                              Py_ssize_t columns) {                                                             \
        Py_ssize_t r, c, top;                                                                                   \
        for (r = 0; r < rows; r += size) {                                                                      \
            const type *f = from + (top = r < rows - size ? r : rows - size);                                   \
            type *t = to + top * to_step;                                                                       \
            for (c = size; c <= columns; c += size, f += size * step, t += size) SQUARE(f, step, t, to_step)    \
            if (c < columns + size) {                                                                           \
                f = from + top + (columns - size) * step;                                                       \
                t = to + top * to_step + columns - size;                                                        \
                SQUARE(f, step, t, to_step)                                                                     \
            }                                                                                                   \
        }                                                                                                       \
    }
    #define AL_SQUARE(transpose4, f, s, t, u) \
        transpose4(f, f + s, f + 2 * s, f + 3 * s, t, t + u, t + 2 * u, t + 3 * u);
    #define AL_SQUARE_F(f, s, t, u) AL_SQUARE(al_transpose4f, f, s, t, u)
    #define AL_SQUARE_D(f, s, t, u) AL_SQUARE(al_transpose4, f, s, t, u)
    #define AL_SQUARE8(f, s, t, u) al_turn8(f, s, t, u);
    AL_TURN(al_turn_4f, float, 4, AL_SQUARE_F)
    AL_TURN(al_turn_4, double, 4, AL_SQUARE_D)
    AL_TURN(al_turn_8f, float, 8, AL_SQUARE8)
    """
    bint AL_TURNS_EIGHT      # whether this level has vectors for squares of 8 × 8 floats
    void al_turn_4f(float *to, Py_ssize_t to_step, const float *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
    void al_turn_4(double *to, Py_ssize_t to_step, const double *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
    void al_turn_8f(float *to, Py_ssize_t to_step, const float *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil
    void al_turn8_in(char **row, Py_ssize_t first, float *to, Py_ssize_t to_step) noexcept nogil
    void al_turn8_out(const float *source, Py_ssize_t source_step, char **row, Py_ssize_t first) noexcept nogil
    void al_transpose4f(const float *a, const float *b, const float *c, const float *d, float *p, float *q, float *r,
                        float *s) noexcept nogil
    void al_transpose4(const double *a, const double *b, const double *c, const double *d, double *p, double *q, double *r,
                       double *s) noexcept nogil


cdef inline bint turns_eight(const real *type) noexcept nogil:
    """Whether squares of 8 × 8 may be turned: a constant in each instance."""
    return real is float and AL_TURNS_EIGHT


cdef inline void turn(real *to, Py_ssize_t to_step, const real *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """to[r][c] = source[c][r]; steps in elements."""
    cdef Py_ssize_t r, c
    if rows < 4 or columns < 4:
        for r in range(rows):
            for c in range(columns):
                to[r * to_step + c] = source[c * step + r]
    elif real is double:
        al_turn_4(to, to_step, source, step, rows, columns)
    elif AL_TURNS_EIGHT and rows >= 8 and columns >= 8:
        al_turn_8f(to, to_step, source, step, rows, columns)
    else:
        al_turn_4f(to, to_step, source, step, rows, columns)


cdef inline void turn8_in(char **row, Py_ssize_t first, real *to, Py_ssize_t to_step) noexcept nogil:
    """to[j][i] = row[i][first + j]."""
    if real is float:
        al_turn8_in(row, first, to, to_step)


cdef inline void turn8_out(const real *source, Py_ssize_t source_step, char **row, Py_ssize_t first) noexcept nogil:
    """row[j][first + i] = source[i][j]."""
    if real is float:
        al_turn8_out(source, source_step, row, first)


cdef inline void transpose4(const real *a, const real *b, const real *c, const real *d, real *p, real *q, real *r,
                            real *s) noexcept nogil:
    """p, q, r and s are the columns of the square of 4 × 4 whose rows are a, b, c and d."""
    if real is float:
        al_transpose4f(a, b, c, d, p, q, r, s)
    else:
        al_transpose4(a, b, c, d, p, q, r, s)
