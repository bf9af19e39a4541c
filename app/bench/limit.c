/* What a C programmer would write for one kind of net: the limit that the kernel is held against.
 *
 * Nets are safe, of at most 64 places and 64 transitions, and only take and put; nothing is
 * checked, nothing can overflow, no other representation is at hand. They are given at run time,
 * as masks of what each transition takes and puts.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

typedef uint64_t word;

typedef struct {
    word keep, put, others, sure;
    int first, end;
} row;

typedef struct {
    word take, bit;
} probe;

/* Fire the lowest enabled transition, again and again; the marking after `limit` firings. */
word limit_fire(int count, const word *take, const word *put, word marking, int64_t limit) {
    static row rows[64];
    static probe probes[64 * 64];
    int used = 0;
    word enabled = 0;
    for (int t = 0; t < count; t++) {
        row *r = &rows[t];
        *r = (row){~take[t], put[t], ~(word)0, 0, used, 0};
        for (int u = 0; u < count; u++) {
            if (!(take[u] & (take[t] ^ put[t]))) continue;
            r->others &= ~((word)1 << u);
            if (!(take[u] & ~put[t])) r->sure |= (word)1 << u;
            else if (!(take[u] & take[t] & ~put[t])) probes[used++] = (probe){take[u], (word)1 << u};
        }
        r->end = used;
        if ((marking & take[t]) == take[t]) enabled |= (word)1 << t;
    }
    while (limit-- > 0 && enabled) {
        const row *r = &rows[__builtin_ctzll(enabled)];
        marking = (marking & r->keep) | r->put;
        enabled = (enabled & r->others) | r->sure;
        for (int k = r->first; k < r->end; k++)
            if ((marking & probes[k].take) == probes[k].take) enabled |= probes[k].bit;
    }
    return marking;
}

/* The enabled transitions of each case, one after the other; built without vector instructions. */
void limit_enabled(int count, const word *take, int64_t cases, const word *marking, word *found) {
    for (int64_t i = 0; i < cases; i++) {
        word m = marking[i], yes = 0;
        for (int t = 0; t < count; t++) yes |= (word)((m & take[t]) == take[t]) << t;
        found[i] = yes;
    }
}

/* All markings, breadth first; how many there are, and in `firings` the pairs with a transition. */
int64_t limit_explore(int count, const word *take, const word *put, word marking,
                      int64_t *firings) {
    word slots = 4096, *table = calloc(slots, sizeof *table), room = 4096;
    word *queue = malloc(room * sizeof *queue);
    int64_t head = 0, tail = 0;
    *firings = 0;
    queue[tail++] = marking;
    table[(marking * 0x9E3779B97F4A7C15u) >> 52] = marking;
    int shift = 52;
    while (head < tail) {
        word m = queue[head++];
        for (int t = 0; t < count; t++) {
            word next, at;
            if ((m & take[t]) != take[t]) continue;
            ++*firings;
            next = (m & ~take[t]) | put[t];
            at = (next * 0x9E3779B97F4A7C15u) >> shift;
            while (table[at] && table[at] != next) at = (at + 1) & (slots - 1);
            if (table[at]) continue;
            table[at] = next;
            if ((word)tail == room) queue = realloc(queue, (room *= 2) * sizeof *queue);
            queue[tail++] = next;
            if ((word)tail * 2 > slots) {
                word *more = calloc(slots * 2, sizeof *more);
                slots *= 2;
                shift--;
                for (int64_t i = 0; i < tail; i++) {
                    word p = (queue[i] * 0x9E3779B97F4A7C15u) >> shift;
                    while (more[p]) p = (p + 1) & (slots - 1);
                    more[p] = queue[i];
                }
                free(table);
                table = more;
            }
        }
    }
    free(table);
    free(queue);
    return tail;
}

/* Ticks of the time-stamp counter in a nanosecond; 0 where there is none. */
double limit_ticks(void) {
#if defined(__x86_64__)
    struct timespec a, b;
    uint64_t ticks;
    clock_gettime(CLOCK_MONOTONIC, &a);
    ticks = __rdtsc();
    do clock_gettime(CLOCK_MONOTONIC, &b);
    while ((b.tv_sec - a.tv_sec) * 1000000000ll + (b.tv_nsec - a.tv_nsec) < 20000000);
    ticks = __rdtsc() - ticks;
    return (double)ticks /
           (double)((b.tv_sec - a.tv_sec) * 1000000000ll + (b.tv_nsec - a.tv_nsec));
#else
    return 0;
#endif
}
