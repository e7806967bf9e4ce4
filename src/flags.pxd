# Loops run lanes that a select throws away, so they raise floating-point flags that the result does not deserve. The caller's
# flags are saved before a loop and put back after it: no function of this package warns, and no earlier flag is lost.
# Rounding and flush-to-zero bits are never touched.

cdef extern from *:
    """
    #if defined(__SSE2__)
    #include <xmmintrin.h>
    typedef unsigned int al_flags;
    static inline void al_save_flags(al_flags *f) { *f = _mm_getcsr(); }
    static inline void al_restore_flags(al_flags *f) { if (_mm_getcsr() != *f) _mm_setcsr(*f); }
    #elif defined(__aarch64__)      /* what <fenv.h> does there, without a call into libm */
    typedef unsigned long al_flags;
    static inline void al_save_flags(al_flags *f) { __asm__ volatile ("mrs %0, fpsr" : "=r" (*f) : : "memory"); }
    static inline void al_restore_flags(al_flags *f) { __asm__ volatile ("msr fpsr, %0" : : "r" (*f) : "memory"); }
    #else
    #include <fenv.h>
    typedef fexcept_t al_flags;
    static inline void al_save_flags(al_flags *f) { fegetexceptflag(f, FE_ALL_EXCEPT); }
    static inline void al_restore_flags(al_flags *f) { fesetexceptflag(f, FE_ALL_EXCEPT); }
    #endif
    """
    ctypedef struct al_flags:
        pass
    void al_save_flags(al_flags *f) noexcept nogil
    void al_restore_flags(al_flags *f) noexcept nogil
