"""Threads of our own that share the work of one call: started when they are first needed, asleep between calls.

A call cuts its work into parts whose results do not depend on who computes them, and deals them out in shares, the same to the same
thread in each call of that length: what a core's own cache holds is then asked for by that core. A thread takes the parts of its
own share from the front and, when that is empty, those of the others from behind. So a worker that comes late, or never, costs
nothing but its help, and no number of threads is slower than one by more than the waking.

One call at a time has the workers. Another one, from another thread of the caller's or from inside a part, does all its parts itself.
Workers know nothing of Python: they hold no lock of it, on builds without a global one neither.
"""

from cpython.mem cimport PyMem_RawCalloc

cdef extern from "pythread.h" nogil:
    ctypedef void *PyThread_type_lock
    unsigned long PyThread_start_new_thread(void (*run)(void *) noexcept nogil, void *argument)
    PyThread_type_lock PyThread_allocate_lock()
    int PyThread_acquire_lock(PyThread_type_lock lock, int wait)
    void PyThread_release_lock(PyThread_type_lock lock)

cdef extern from * nogil:
    """
    #if defined(_MSC_VER) && !defined(__clang__)
    #include <intrin.h>
    typedef volatile long long al_atomic;
    static long long al_add(al_atomic *a, long long n) { return _InterlockedExchangeAdd64(a, n); }
    static long long al_swap(al_atomic *a, long long n) { return _InterlockedExchange64(a, n); }
    static long long al_load(al_atomic *a) { return _InterlockedExchangeAdd64(a, 0); }
    #if defined(_M_ARM64)
    static void al_pause(void) { __yield(); }
    #else
    static void al_pause(void) { _mm_pause(); }
    #endif
    #else
    typedef long long al_atomic;
    static long long al_add(al_atomic *a, long long n) { return __atomic_fetch_add(a, n, __ATOMIC_ACQ_REL); }
    static long long al_swap(al_atomic *a, long long n) { return __atomic_exchange_n(a, n, __ATOMIC_ACQ_REL); }
    static long long al_load(al_atomic *a) { return __atomic_load_n(a, __ATOMIC_ACQUIRE); }
    static void al_pause(void) {
    #if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
    #elif defined(__aarch64__)
        __asm__ volatile ("yield");
    #endif
    }
    #endif
    #if defined(__linux__)
    #include <sched.h>
    #include <sys/syscall.h>
    #include <time.h>
    #include <unistd.h>
    typedef struct { cpu_set_t before, others; } al_places;
    static long al_this_thread(void) { return syscall(SYS_gettid); }
    static long al_this_process(void) { return getpid(); }
    static long long al_now(void) {
        struct timespec t;
        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * 1000000000LL + t.tv_nsec;
    }
    static int al_here(void) { return sched_getcpu(); }
    static void al_keep_off(long thread, int here, al_places *p) {
        cpu_set_t now;
        if (here < 0 || here >= CPU_SETSIZE || sched_getaffinity((pid_t) thread, sizeof now, &now) != 0) return;
        if (!CPU_EQUAL(&now, &p->others)) {     /* not as it was left here: somebody else's choice, or the first time */
            p->before = now;
            CPU_ZERO(&p->others);
        }
        if (!CPU_ISSET(here, &now) || CPU_COUNT(&p->before) < 2) return;
        p->others = p->before;
        CPU_CLR(here, &p->others);
        sched_setaffinity((pid_t) thread, sizeof p->others, &p->others);
    }
    #else
    typedef int al_places;
    static int al_here(void) { return -1; }
    static long al_this_thread(void) { return 0; }
    static long al_this_process(void) { return 0; }
    static long long al_now(void) { return 0; }
    static void al_keep_off(long thread, int here, al_places *p) { }
    #endif
    """
    ctypedef struct al_places:
        pass
    long al_this_thread()
    long al_this_process()
    long long al_now()      # nanoseconds
    int al_here()           # the caller's processor, −1 where it is not to be known
    void al_keep_off(long thread, int here, al_places *p)     # that processor, for any other one where it might run before
    ctypedef long long al_atomic
    long long al_add(al_atomic *a, long long n)      # and what it was before
    long long al_swap(al_atomic *a, long long n)     # likewise
    long long al_load(al_atomic *a)
    void al_pause()

cdef enum:
    MOST = 256        # threads; the call's own needs no place among the workers
    HALF = 32         # bits of a place in a share's claims
    LATE = 300000     # nanoseconds until a worker that does not come is in the wrong place: a processor may sleep for 250 µs more
    SPINS = 400       # looks at what another thread does before sleeping: some microseconds

cdef struct Worker:
    void *pool                  # its Pool: another may be the newest by the time it starts
    int own                     # its share
    PyThread_type_lock wake     # closed while there is nothing to do
    al_atomic called            # 1 from being opened to the worker's next look
    al_atomic came              # 1 from having seen parts since then
    long long since             # when it was opened, or looked for; only who has the workers reads it
    al_atomic thread            # as the system names it; 0 before it runs
    long process                # whose thread that is
    al_atomic moving            # 1 while somebody has its places
    al_places places

cdef struct Share:
    # Of the parts that nobody has taken: the place behind the last << 32 | the first. Read as one, or a late worker mixes two calls.
    al_atomic claims
    char[56] apart      # from the next one's: two in a cache line would slow each other down

cdef struct Pool:
    al_atomic busy              # a call has the workers
    al_atomic left              # parts that are not finished
    al_atomic home              # the processor that the calling thread was on
    al_atomic shares            # the first one the calling thread's, the next the first worker's; further ones are empty
    Task task
    void *data
    PyThread_type_lock mutex    # guards `waiting`
    PyThread_type_lock done     # closed but for the end of a call that sleeps
    bint waiting
    int started                 # workers
    Worker worker[MOST]
    Share share[MOST]

cdef Pool *pool = NULL
width = 1


cdef inline bint is_left(long long claims) noexcept nogil:
    """Whether there is a part between its two places; attempts to take one from an empty share move them further apart."""
    return claims & ((1LL << HALF) - 1) < claims >> HALF


cdef Py_ssize_t claimed(Pool *p, int own) noexcept nogil:
    """A part that nobody else has; −1 if there is none."""
    cdef long long claims, shares = al_load(&p.shares)
    cdef Share *other
    cdef int k
    if is_left(al_load(&p.share[own].claims)):
        claims = al_add(&p.share[own].claims, 1)
        if is_left(claims):
            return <Py_ssize_t> (claims & ((1LL << HALF) - 1))
    for k in range(1, <int> shares + 1):
        other = &p.share[(own + k) % shares]
        if is_left(al_load(&other.claims)):
            claims = al_add(&other.claims, -(1LL << HALF))
            if is_left(claims):
                return <Py_ssize_t> (claims >> HALF) - 1
    return -1


cdef bint take(Pool *p, int own) noexcept nogil:
    """Runs one part, of its own share if that has any; False if there is none."""
    cdef Py_ssize_t part = claimed(p, own)
    if part < 0:
        return False
    p.task(p.data, part)
    if al_add(&p.left, -1) == 1:
        PyThread_acquire_lock(p.mutex, 1)
        if p.waiting and al_load(&p.left) == 0:     # another call may have begun
            p.waiting = False
            PyThread_release_lock(p.done)
        PyThread_release_lock(p.mutex)
    return True


cdef inline bint has_parts(Pool *p) noexcept nogil:
    cdef long long k, shares = al_load(&p.shares)
    for k in range(shares):
        if is_left(al_load(&p.share[k].claims)):
            return True
    return False


cdef inline void keep_off(Worker *worker, int here) noexcept nogil:
    """Off that processor, until it is to be kept off another one."""
    if al_swap(&worker.moving, 1) == 0:
        al_keep_off(al_load(&worker.thread), here, &worker.places)
        al_swap(&worker.moving, 0)


cdef inline void arrive(Worker *me) noexcept nogil:
    """Looks before it writes, as the caller reads it."""
    if al_load(&me.came) == 0:
        al_swap(&me.came, 1)


cdef void work(void *argument) noexcept nogil:
    """A worker's life."""
    cdef Worker *me = <Worker *> argument
    cdef Pool *p = <Pool *> me.pool
    cdef int own = me.own
    cdef int k, here
    me.process = al_this_process()
    al_swap(&me.thread, al_this_thread())
    while True:
        PyThread_acquire_lock(me.wake, 1)
        al_swap(&me.called, 0)
        here = al_here()
        if here >= 0 and has_parts(p) and al_load(&p.home) == here:     # the caller, whose work is not done, waits for its processor
            keep_off(me, here)
        k = 0
        while k < SPINS:
            k += 1
            if has_parts(p):
                arrive(me)
                while take(p, own):
                    arrive(me)
                k = 0
            al_pause()


cdef void find(Worker *worker) noexcept nogil:
    """Where a worker that was woken has not come, it is kept off the caller's processor.

    Linux may have woken it there, where it waits for the caller to pause, for milliseconds, or takes the caller's turn: on a virtual
    machine a processor that sleeps passes for one that the host has taken away. After 10 ms of sleep sixty calls of relu on 256 000
    float32 took 45 µs each, as with one thread, in half of all cases, where they take 16 now. Let go anywhere when it came, the
    worker was woken at the old place every second time. Before LATE is over it may be about to come, and to move it would keep the
    caller waiting for that.

    A child that knows nothing of its being forked has its parent's workers in its memory: they are not to be touched.
    """
    if al_load(&worker.thread) == 0 or al_load(&worker.came) != 0 or al_now() - worker.since < LATE:
        return
    if worker.process == al_this_process():
        keep_off(worker, al_here())
    worker.since = al_now()


cdef Pool *make_pool() noexcept nogil:
    """A pool without workers; NULL if there is no memory for it."""
    cdef Pool *p = <Pool *> PyMem_RawCalloc(1, sizeof(Pool))
    if p == NULL:
        return NULL
    p.mutex = PyThread_allocate_lock()
    p.done = PyThread_allocate_lock()
    if p.mutex == NULL or p.done == NULL:
        return NULL
    PyThread_acquire_lock(p.done, 1)
    return p


cdef bint start(Pool *p) noexcept nogil:
    """One more worker; False if the system has none to give."""
    cdef Worker *worker = &p.worker[p.started]
    if worker.wake == NULL:
        worker.wake = PyThread_allocate_lock()
        if worker.wake == NULL:
            return False
        PyThread_acquire_lock(worker.wake, 1)
    worker.pool, worker.own = p, p.started + 1
    if PyThread_start_new_thread(work, worker) == <unsigned long> -1:
        return False
    p.started += 1
    return True


cdef void wait(Pool *p) noexcept nogil:
    """Until no part is unfinished."""
    cdef int k
    for k in range(SPINS):
        if al_load(&p.left) == 0:
            return
        al_pause()
    PyThread_acquire_lock(p.mutex, 1)
    p.waiting = al_load(&p.left) > 0
    if not p.waiting:
        PyThread_release_lock(p.mutex)
        return
    PyThread_release_lock(p.mutex)
    PyThread_acquire_lock(p.done, 1)


cdef void run_parts(Task task, void *data, Py_ssize_t parts) noexcept nogil:
    """task(data, part) for every part in [0, parts), by up to `width` threads."""
    cdef Pool *p = pool
    cdef Py_ssize_t part, helpers = width - 1 if width - 1 < parts - 1 else parts - 1
    cdef long long k, shares
    if helpers < 1 or p == NULL or parts >= 1LL << (HALF - 1) or al_swap(&p.busy, 1) != 0:
        for part in range(parts):
            task(data, part)
        return
    while p.started < helpers and start(p):
        pass
    p.task = task
    p.data = data
    shares = 1 + (helpers if helpers < p.started else p.started)
    for k in range(shares - 1):
        if al_load(&p.worker[k].called) == 0:
            p.worker[k].since = al_now()
            al_swap(&p.worker[k].came, 0)       # before there are parts to come for
    al_swap(&p.home, al_here())
    al_swap(&p.left, parts)
    al_swap(&p.shares, shares)
    for k in range(shares):
        al_swap(&p.share[k].claims, parts * (k + 1) // shares << HALF | parts * k // shares)
    for k in range(shares - 1):
        if al_swap(&p.worker[k].called, 1) == 0:
            PyThread_release_lock(p.worker[k].wake)
    while is_left(al_load(&p.share[0].claims)) and take(p, 0):
        pass
    if al_load(&p.left) > 0:
        for k in range(shares - 1):
            find(&p.worker[k])
    while take(p, 0):
        pass
    wait(p)
    al_swap(&p.busy, 0)


MOST_THREADS = MOST


def get_width():
    """The number of threads that a call may use."""
    return width


def set_width(int threads):
    """Calls use up to so many threads, 1 to MOST_THREADS, from now on."""
    global width, pool
    if pool == NULL and threads > 1:
        pool = make_pool()
        if pool == NULL:
            raise MemoryError("actloss_c: no memory for threads")
    width = threads


def forget():
    """In a child after fork: its pool has no workers, whatever the parent's were doing."""
    global pool
    if pool != NULL:
        pool = make_pool()
