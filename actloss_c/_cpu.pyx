"""Which instruction-set levels this processor and its operating system can run. Asked before a level module is imported: a wrong
import would die of an illegal instruction instead of raising."""

cdef extern from *:
    """
    #if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
    #include <cpuid.h>
    #define AL_BIT(word, bit) (((word) >> (bit)) & 1u)
    /* 1: x86-64-v2 or another architecture, 3: psABI v3, 4: AVX-512 F, BW, CD, DQ, VL on top. */
    static int al_cpu_level(void) {
        unsigned a, b, c1, d, b7, c, extended, low, high;
        if (!__get_cpuid(1, &a, &b, &c1, &d)) return 1;
        /* AVX, FMA, MOVBE, F16C, and OSXSAVE, without which xgetbv does not exist */
        if (!(AL_BIT(c1, 28) && AL_BIT(c1, 12) && AL_BIT(c1, 22) && AL_BIT(c1, 29) && AL_BIT(c1, 27))) return 1;
        __asm__ volatile ("xgetbv" : "=a" (low), "=d" (high) : "c" (0));
        if ((low & 0x6) != 0x6) return 1;                      /* XMM and YMM state */
        if (!__get_cpuid_count(7, 0, &a, &b7, &c, &d)) return 1;
        if (!(AL_BIT(b7, 5) && AL_BIT(b7, 3) && AL_BIT(b7, 8))) return 1;   /* AVX2, BMI1, BMI2 */
        if (!__get_cpuid(0x80000001, &a, &b, &extended, &d) || !AL_BIT(extended, 5)) return 1;   /* LZCNT */
        if ((low & 0xe0) != 0xe0) return 3;                    /* opmask and ZMM state */
        if (!(AL_BIT(b7, 16) && AL_BIT(b7, 30) && AL_BIT(b7, 28) && AL_BIT(b7, 17) && AL_BIT(b7, 31))) return 3;
        return 4;
    }
    static int al_is_intel(void) {
        unsigned a, b, c, d;
        return __get_cpuid(0, &a, &b, &c, &d) && b == 0x756e6547 && d == 0x49656e69 && c == 0x6c65746e;    /* GenuineIntel */
    }
    static int al_amd_family(void) {      /* 0x19 is Zen 3 and Zen 4, 0x1a Zen 5; 0 of another maker */
        unsigned a, b, c, d;
        if (!__get_cpuid(0, &a, &b, &c, &d) || b != 0x68747541 || d != 0x69746e65 || c != 0x444d4163) return 0;    /* AuthenticAMD */
        if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
        return (int) (((a >> 8) & 0xf) + ((a >> 20) & 0xff));
    }
    #else
    static int al_cpu_level(void) { return 1; }
    static int al_is_intel(void) { return 0; }
    static int al_amd_family(void) { return 0; }
    #endif
    """
    int al_cpu_level() nogil
    bint al_is_intel() nogil
    int al_amd_family() nogil


def runnable():
    """Names of the levels that may be imported here, slowest first."""
    cdef int level = al_cpu_level()
    return ("baseline", "x86_v3", "x86_v4")[: max(1, level - 1)]


def stream_from(bint cheap):
    """From how many bytes of all operands on results go past the caches; 0: never. cheap: of kernels that take less time than memory,
    rather than of those that compute. They change no bit.

    Measured: on an Intel Xeon such stores take 0.65 to 0.95 of the time of others from 128 MB on, in one case 1.1, about 1 at 96 MB,
    and up to 1.2 times at 32 to 64 MB. On AMD's Zen 4 they help cheap kernels, and take 1.1 to 1.4 times the time of those that
    compute, as its caches write lines back meanwhile; on Zen 5 0.6 to 0.8 of two results or of float64, about 1 of one of float32.
    """
    if al_is_intel():
        return 96_000_000
    if cheap:
        return 32_000_000
    return 64_000_000 if al_amd_family() >= 0x1A else 0
