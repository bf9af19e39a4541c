/* Threads that share native work by stealing it from each other.
 *
 * A job is a function and items, which are numbers; what they mean is the job's. Each worker has a
 * deque: it pushes and takes at the bottom, and whoever has nothing to do steals at the top, from
 * a victim that is drawn at random (R. D. Blumofe and C. E. Leiserson, "Scheduling Multithreaded
 * Computations by Work Stealing", 1999). The deque is that of D. Chase and Y. Lev, "Dynamic
 * Circular Work-Stealing Deque" (SPAA 2005), with the orders of N. M. Lê, A. Pop, A. Cohen and
 * F. Zappa Nardelli, "Correct and Efficient Work-Stealing for Weak Memory Models" (PPoPP 2013);
 * where they have a fence, the accesses around it are sequentially consistent, which a thread
 * sanitizer understands. A thief takes up to half of what it finds, and the rest of a large job
 * is then its own.
 *
 * The thread that asks for a job is worker 0 and works as well; the others sleep between jobs.
 * Each counts by itself what it has done and tells the others when it runs out, so an item costs
 * no shared counter. Jobs of several callers take turns.
 *
 * Threads do not survive a fork: a pool belongs to the process that made it, and whoever has it in
 * another makes a new one (`pool_here`).
 */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* affinity */
#endif
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Two lines: processors fetch them in pairs. */
#define APART __attribute__((aligned(128)))

enum { RING = 1024, RING_KEPT = 1 << 16, STEAL_MOST = 64, SPINS = 64, WORKERS_MOST = 64 };

typedef struct Ring {
    struct Ring *older; /* what thieves may still be looking at */
    int64_t size;       /* a power of two */
    uint64_t slot[];
} Ring;

struct Pool;

typedef struct PoolWorker {
    APART int64_t top; /* where thieves take */
    APART int64_t bottom; /* where the owner puts and takes */
    Ring *ring;
    uint64_t seed;
    uint64_t stolen; /* items, in this job */
    int64_t result;  /* the job's own */
    struct Pool *pool;
    pthread_t thread;
    int number;
} PoolWorker;

typedef void (*PoolRun)(void *job, uint64_t item, PoolWorker *worker);

typedef struct Pool {
    APART int64_t remaining; /* items that are not known to be done */
    APART int sleeping;
    APART pthread_mutex_t turn; /* one job at a time */
    pthread_mutex_t lock;
    pthread_cond_t job_begins, change, job_ends;
    PoolRun run;
    void *job;
    uint64_t generation;
    int threads, active;
    bool closing, pinned;
    pid_t owner;
    PoolWorker *worker;
} Pool;

/* ── the deque ───────────────────────────────────────────────────────────────────────────────── */

static inline Ring *ring_make(int64_t size, Ring *older) {
    Ring *ring = malloc(sizeof *ring + (size_t)size * sizeof *ring->slot);
    if (ring) {
        ring->size = size;
        ring->older = older;
    }
    return ring;
}

static inline bool deque_grow(PoolWorker *own, int64_t top, int64_t bottom) {
    Ring *ring = own->ring, *larger = ring_make(ring->size * 2, ring);
    if (!larger) return false;
    for (int64_t i = top; i < bottom; i++)
        __atomic_store_n(&larger->slot[i & (larger->size - 1)],
                         __atomic_load_n(&ring->slot[i & (ring->size - 1)], __ATOMIC_RELAXED),
                         __ATOMIC_RELAXED);
    __atomic_store_n(&own->ring, larger, __ATOMIC_RELEASE);
    return true;
}

/* Put an item at the bottom; false: no memory. Only its owner does so. */
static inline bool deque_push(PoolWorker *own, uint64_t item) {
    int64_t bottom = own->bottom, top = __atomic_load_n(&own->top, __ATOMIC_ACQUIRE);
    Ring *ring = own->ring;
    if (__builtin_expect(bottom - top >= ring->size, 0)) {
        if (!deque_grow(own, top, bottom)) return false;
        ring = own->ring;
    }
    __atomic_store_n(&ring->slot[bottom & (ring->size - 1)], item, __ATOMIC_RELAXED);
    __atomic_store_n(&own->bottom, bottom + 1, __ATOMIC_RELEASE);
    return true;
}

/* Take the item at the bottom. Only its owner does so. */
static inline bool deque_take(PoolWorker *own, uint64_t *item) {
    int64_t bottom = own->bottom - 1, top;
    Ring *ring = own->ring;
    bool got = true;
    __atomic_store_n(&own->bottom, bottom, __ATOMIC_SEQ_CST);
    top = __atomic_load_n(&own->top, __ATOMIC_SEQ_CST);
    if (top < bottom) {
        *item = __atomic_load_n(&ring->slot[bottom & (ring->size - 1)], __ATOMIC_RELAXED);
        return true;
    }
    if (top == bottom) { /* the last one: who is first? */
        *item = __atomic_load_n(&ring->slot[bottom & (ring->size - 1)], __ATOMIC_RELAXED);
        got = __atomic_compare_exchange_n(&own->top, &top, top + 1, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED);
    } else {
        got = false;
    }
    __atomic_store_n(&own->bottom, bottom + 1, __ATOMIC_RELAXED);
    return got;
}

/* Steal the item at the top; false: there is none, or somebody else was first. */
static inline bool deque_steal(PoolWorker *victim, uint64_t *item, int64_t *left) {
    int64_t top = __atomic_load_n(&victim->top, __ATOMIC_SEQ_CST);
    int64_t bottom = __atomic_load_n(&victim->bottom, __ATOMIC_SEQ_CST);
    Ring *ring;
    *left = bottom - top;
    if (top >= bottom) return false;
    ring = __atomic_load_n(&victim->ring, __ATOMIC_ACQUIRE);
    *item = __atomic_load_n(&ring->slot[top & (ring->size - 1)], __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n(&victim->top, &top, top + 1, false, __ATOMIC_SEQ_CST,
                                       __ATOMIC_RELAXED);
}

/* ── working ─────────────────────────────────────────────────────────────────────────────────── */

static inline uint64_t drawn_number(uint64_t *seed) { /* xorshift64 (G. Marsaglia, 2003) */
    uint64_t x = *seed;
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *seed = x;
}

static inline void wake(Pool *pool, bool all) {
    pthread_mutex_lock(&pool->lock);
    if (all) pthread_cond_broadcast(&pool->change);
    else pthread_cond_signal(&pool->change);
    pthread_mutex_unlock(&pool->lock);
}

/* Steal up to half of what a victim has: the first item is given, the others are now one's own. */
static inline bool steal_some(PoolWorker *own, PoolWorker *victim, uint64_t *item) {
    int64_t left, more, rest;
    uint64_t next;
    bool several;
    if (!deque_steal(victim, item, &left)) return false;
    own->stolen++;
    more = left / 2 < STEAL_MOST ? left / 2 : STEAL_MOST;
    several = more > 0;
    while (more-- > 0) {
        if (!deque_steal(victim, &next, &rest)) break;
        own->stolen++;
        if (!deque_push(own, next)) { /* no memory to keep it */
            own->pool->run(own->pool->job, next, own);
            __atomic_sub_fetch(&own->pool->remaining, 1, __ATOMIC_ACQ_REL);
            break;
        }
    }
    /* Somebody may have looked while they were on their way. */
    if (several && __atomic_add_fetch(&own->pool->sleeping, 0, __ATOMIC_SEQ_CST) > 0)
        wake(own->pool, false);
    return true;
}

static inline bool steal_anywhere(PoolWorker *own, uint64_t *item) {
    Pool *pool = own->pool;
    int others = pool->threads - 1;
    for (int i = 0; i < 2 * others; i++) {
        int victim = (int)(drawn_number(&own->seed) % (uint64_t)others);
        if (steal_some(own, &pool->worker[victim + (victim >= own->number)], item)) return true;
    }
    return false;
}

static inline bool anything_to_steal(const Pool *pool) {
    for (int i = 0; i < pool->threads; i++)
        if (__atomic_load_n(&pool->worker[i].top, __ATOMIC_SEQ_CST) <
            __atomic_load_n(&pool->worker[i].bottom, __ATOMIC_SEQ_CST))
            return true;
    return false;
}

/* Sleep until there may be something to do. */
static inline void wait_for_work(Pool *pool) {
    pthread_mutex_lock(&pool->lock);
    __atomic_add_fetch(&pool->sleeping, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pool->remaining, __ATOMIC_ACQUIRE) > 0 && !anything_to_steal(pool))
        pthread_cond_wait(&pool->change, &pool->lock);
    __atomic_sub_fetch(&pool->sleeping, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&pool->lock);
}

/* Another item of the job that is under way, from within one. */
static inline void pool_spawn(PoolWorker *own, uint64_t item) {
    Pool *pool = own->pool;
    /* Counted before anybody can see it, so that nobody takes the job for done. */
    __atomic_add_fetch(&pool->remaining, 1, __ATOMIC_RELAXED);
    if (!deque_push(own, item)) {
        pool->run(pool->job, item, own);
        __atomic_sub_fetch(&pool->remaining, 1, __ATOMIC_ACQ_REL);
    } else if (__atomic_add_fetch(&pool->sleeping, 0, __ATOMIC_SEQ_CST) > 0) {
        wake(pool, false);
    }
}

static inline void pool_work(PoolWorker *own, PoolRun run, void *job) {
    Pool *pool = own->pool;
    int idle = 0;
    while (__atomic_load_n(&pool->remaining, __ATOMIC_ACQUIRE) > 0) {
        uint64_t item;
        int64_t done = 0;
        bool got = pool->threads > 1 && own->bottom == __atomic_load_n(&own->top, __ATOMIC_RELAXED)
                       ? steal_anywhere(own, &item)
                       : deque_take(own, &item);
        if (!got) {
            if (own->bottom != __atomic_load_n(&own->top, __ATOMIC_RELAXED)) continue;
            if (++idle < SPINS) {
                if (idle > SPINS / 2) sched_yield();
            } else {
                wait_for_work(pool);
                idle = 0;
            }
            continue;
        }
        idle = 0;
        do {
            run(job, item, own);
            done++;
        } while (deque_take(own, &item));
        if (__atomic_sub_fetch(&pool->remaining, done, __ATOMIC_ACQ_REL) == 0) wake(pool, true);
    }
}

static void *pool_help(void *argument) {
    PoolWorker *own = argument;
    Pool *pool = own->pool;
    uint64_t seen = 0;
    PoolRun run;
    void *job;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->generation == seen && !pool->closing)
            pthread_cond_wait(&pool->job_begins, &pool->lock);
        if (pool->closing) break;
        seen = pool->generation;
        pool->active++;
        run = pool->run;
        job = pool->job;
        pthread_mutex_unlock(&pool->lock);
        pool_work(own, run, job);
        pthread_mutex_lock(&pool->lock);
        if (--pool->active == 0) pthread_cond_signal(&pool->job_ends);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Whether a pool is of this process. */
static inline bool pool_here(const Pool *pool) { return pool->owner == getpid(); }

/* Do items 0 to count-1 of a job, and whatever they spawn. The caller works as well, or only
 * hands out (`lazy`). The results of the workers begin at 0; their sum is given, and how many
 * items were stolen. */
static inline int64_t pool_do(Pool *pool, PoolRun run, void *job, int64_t count, bool lazy,
                              uint64_t *stolen) {
    PoolWorker *own = &pool->worker[0];
    int64_t result = 0;
    *stolen = 0;
    if (count <= 0) return 0;
    pthread_mutex_lock(&pool->turn);
    pthread_mutex_lock(&pool->lock);
    /* Who woke up too late for the job before is about to see that. */
    while (pool->active > 0) pthread_cond_wait(&pool->job_ends, &pool->lock);
    for (int i = 0; i < pool->threads; i++) {
        pool->worker[i].result = 0;
        pool->worker[i].stolen = 0;
    }
    pool->run = run;
    pool->job = job;
    __atomic_store_n(&pool->remaining, count, __ATOMIC_RELEASE);
    if (pool->threads > 1) {
        pool->generation++;
        pthread_cond_broadcast(&pool->job_begins);
    }
    pthread_mutex_unlock(&pool->lock);
    for (int64_t i = 0; i < count; i++) {
        if (__builtin_expect(!deque_push(own, (uint64_t)i), 0)) {
            run(job, (uint64_t)i, own);
            __atomic_sub_fetch(&pool->remaining, 1, __ATOMIC_ACQ_REL);
        }
        if ((i & 1023) == 0 && __atomic_add_fetch(&pool->sleeping, 0, __ATOMIC_SEQ_CST) > 0)
            wake(pool, true);
    }
    if (__atomic_add_fetch(&pool->sleeping, 0, __ATOMIC_SEQ_CST) > 0) wake(pool, true);
    if (!lazy || pool->threads == 1) pool_work(own, run, job);
    pthread_mutex_lock(&pool->lock);
    while (pool->active > 0 || __atomic_load_n(&pool->remaining, __ATOMIC_ACQUIRE) > 0)
        pthread_cond_wait(&pool->job_ends, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
    /* Nobody looks at the rings now. */
    for (int i = 0; i < pool->threads; i++) {
        Ring *ring = pool->worker[i].ring, *small;
        result += pool->worker[i].result;
        *stolen += pool->worker[i].stolen;
        for (Ring *older = ring->older; older; older = ring->older) {
            ring->older = older->older;
            free(older);
        }
        if (ring->size > RING_KEPT && (small = ring_make(RING, NULL)) != NULL) {
            free(ring);
            pool->worker[i].ring = small;
        }
    }
    pthread_mutex_unlock(&pool->turn);
    return result;
}

/* The same by a pool, or here where there is none. */
static inline int64_t pool_share(Pool *pool, PoolRun run, void *job, int64_t count) {
    PoolWorker alone;
    uint64_t stolen;
    if (pool) return pool_do(pool, run, job, count, false, &stolen);
    memset(&alone, 0, sizeof alone);
    for (int64_t i = 0; i < count; i++) run(job, (uint64_t)i, &alone);
    return alone.result;
}

/* ── making and ending ───────────────────────────────────────────────────────────────────────── */

static inline void pin(PoolWorker *worker) {
#if defined(__linux__) && defined(CPU_SET) /* the system was asked for it early enough */
    cpu_set_t allowed, one;
    int skip, count;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
    count = CPU_COUNT(&allowed);
    skip = count ? worker->number % count : 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && skip-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)pthread_setaffinity_np(worker->thread, sizeof one, &one);
            return;
        }
#else
    (void)worker;
#endif
}

/* End the threads, once the job that may be under way is done, and give the memory back. In
 * another process than its own there are no threads to end, and its locks may be held for ever. */
static inline void pool_close(Pool *pool) {
    if (pool_here(pool)) {
        pthread_mutex_lock(&pool->turn);
        pthread_mutex_lock(&pool->lock);
        pool->closing = true;
        pthread_cond_broadcast(&pool->job_begins);
        pthread_mutex_unlock(&pool->lock);
        for (int i = 1; i < pool->threads; i++) pthread_join(pool->worker[i].thread, NULL);
        pthread_mutex_unlock(&pool->turn);
        pthread_cond_destroy(&pool->job_begins);
        pthread_cond_destroy(&pool->change);
        pthread_cond_destroy(&pool->job_ends);
        pthread_mutex_destroy(&pool->lock);
        pthread_mutex_destroy(&pool->turn);
    }
    for (int i = 0; i < pool->threads; i++) free(pool->worker[i].ring);
    free(pool->worker);
    free(pool);
}

/* A pool of so many workers, or of as many as there can be; NULL: no memory. */
static inline Pool *pool_make(int threads, bool pinned) {
    Pool *pool = aligned_alloc(128, sizeof *pool);
    if (!pool) return NULL;
    memset(pool, 0, sizeof *pool);
    if (threads > WORKERS_MOST) threads = WORKERS_MOST;
    pool->worker = aligned_alloc(128, (size_t)threads * sizeof *pool->worker);
    if (!pool->worker) {
        free(pool);
        return NULL;
    }
    memset(pool->worker, 0, (size_t)threads * sizeof *pool->worker);
    pool->pinned = pinned;
    pool->owner = getpid();
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->job_begins, NULL);
    pthread_cond_init(&pool->change, NULL);
    pthread_cond_init(&pool->job_ends, NULL);
    pthread_mutex_lock(&pool->lock); /* nobody looks at `threads` before it is final */
    for (int i = 0; i < threads; i++) {
        PoolWorker *worker = &pool->worker[i];
        worker->pool = pool;
        worker->number = i;
        worker->seed = 0x9E3779B97F4A7C15u * (uint64_t)(i + 1);
        worker->ring = ring_make(RING, NULL);
        if (!worker->ring) break;
        if (i > 0 && pthread_create(&worker->thread, NULL, pool_help, worker) != 0) {
            free(worker->ring);
            break;
        }
        pool->threads++;
        if (i > 0 && pinned) pin(worker);
    }
    pthread_mutex_unlock(&pool->lock);
    if (pool->threads == 0) {
        free(pool->worker);
        free(pool);
        return NULL;
    }
    return pool;
}

#endif
