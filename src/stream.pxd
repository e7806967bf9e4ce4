# Stores past the caches, for results that no cache will hold until somebody reads them.
#
# An ordinary store reads the line that it is about to overwrite. Over arrays far beyond the caches these reads are two fifths of all
# traffic of one read and two writes. The lines must come whole, and some of one output before some of the next.

cdef extern from *:
    """
    #include <string.h>
    #if defined(__SSE2__) && (defined(__GNUC__) || defined(__clang__))
    #include <immintrin.h>
    #if defined(__AVX512F__)
    #define al_stream_line(t, f) _mm512_stream_si512((void *) (t), _mm512_loadu_si512((const void *) (f)))
    #elif defined(__AVX__)
    #define al_stream_half(t, f) _mm256_stream_si256((__m256i *) (t), _mm256_loadu_si256((const __m256i *) (f)))
    #define al_stream_line(t, f) (al_stream_half(t, f), al_stream_half((t) + 32, (f) + 32))
    #else
    #define al_stream_part(t, f) _mm_stream_si128((__m128i *) (t), _mm_loadu_si128((const __m128i *) (f)))
    #define al_stream_line(t, f) (al_stream_part(t, f), al_stream_part((t) + 16, (f) + 16), \\
                                  al_stream_part((t) + 32, (f) + 32), al_stream_part((t) + 48, (f) + 48))
    #endif
    #define al_stream_end() _mm_sfence()
    #else
    #define al_stream_line(t, f) memcpy(t, f, 64)
    #define al_stream_end() ((void) 0)
    #endif
    static inline void al_stream(char *to, const char *from, Py_ssize_t size) {
        Py_ssize_t i;
        for (i = 0; i < size; i += 64) al_stream_line(to + i, from + i);
    }
    static inline void al_fetch(const char *at, Py_ssize_t size) {
    #if defined(__GNUC__) || defined(__clang__)
        Py_ssize_t i;
        for (i = 0; i < size; i += 64) __builtin_prefetch(at + 4096 + i);
    #endif
    }
    """
    void al_stream(char *to, const char *source, Py_ssize_t size) noexcept nogil      # whole lines to the start of one
    void al_fetch(const char *at, Py_ssize_t size) noexcept nogil      # asks for the lines of what comes 4 KiB later
    void al_stream_end() noexcept nogil      # before another thread may read what was streamed

cdef enum:
    SLICE = 256     # bytes of an output that go past the caches together, where memory takes longer than the kernel
