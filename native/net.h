/* A net in C: the arrays of a NetImage, and markings packed into 64-bit words.
 *
 * A packed marking holds each place in a field of `bits` bits, the first places lowest:
 *
 *     1 bit      safe nets, 64 places a word; a firing onto a marked place is an overflow
 *     8, 32      counts below a guard bit that is zero at rest, 8 or 2 places a word
 *
 * The guard bits let one subtraction or addition work on all fields of a word at once: with the
 * guards set, `(m | guards) - need` keeps the guard of each field that is large enough (Lamport,
 * "Multiple Byte Processing with Full-Word Instructions", 1975). An arc touches one word, so a
 * transition is a short list of `Part`s whatever the size of the net.
 *
 * No representation is believed to suffice: each firing is tested, and one that would not fit
 * changes nothing and says so. Who called then packs more widely and goes on.
 */
#ifndef WEFT_NET_H
#define WEFT_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What newer processors do better is compiled twice and chosen at run time. */
#if defined(__x86_64__) && defined(__GNUC__)
#define HAVE_FAST 1
#define FAST __attribute__((target("avx2,bmi,bmi2,popcnt")))
static inline bool fast_processor(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}
#else
#define HAVE_FAST 0
static inline bool fast_processor(void) { return false; }
#endif

#define ALWAYS static inline __attribute__((always_inline))
/* Hides from the optimiser what it knows of a value. */
#define OPAQUE(x) __asm__ volatile("" : "+r"(x))

typedef struct { /* a Relation */
    const int32_t *start;
    const int32_t *place;
    const int32_t *weight;
} Rows;

typedef struct {
    ptrdiff_t places;
    ptrdiff_t transitions;
    Rows take;
    Rows put;
    Rows needs;
    Rows lacks;
    Rows clear;
    const int32_t *touch_start;
    const int32_t *touch;
    const int32_t *sources;
    ptrdiff_t source_count;
    const unsigned char *external;
} Net;

typedef struct {          /* all that a transition does to one word */
    uint64_t test, want;  /* 1 bit: (m & test) == want; else: what is needed, and what is lacking */
    uint64_t guard;       /* the guards of the lacking fields */
    uint64_t take, keep, put;
    int64_t word;
} Part;

enum { NEVER = 1, OVERFLOWS = 2 }; /* verdicts that hold in one packing whatever the marking */

typedef struct {
    int32_t bits;
    int32_t per_word;
    ptrdiff_t words;     /* at least 1 */
    uint64_t guards;     /* the guard bits of a word */
    uint64_t most;       /* the largest number that a field holds */
    ptrdiff_t *start;    /* parts of transition t: start[t] to start[t + 1] - 1 */
    Part *part;
    unsigned char *verdict;
} Packing;

ALWAYS uint64_t field_of(const Packing *packing, ptrdiff_t place, uint64_t number) {
    return number << (place % packing->per_word * packing->bits);
}

static inline void packing_free(Packing *packing) {
    free(packing->start);
    free(packing->part);
    free(packing->verdict);
    packing->start = NULL;
    packing->part = NULL;
    packing->verdict = NULL;
}

/* The part of a transition for the word of a place; `at` knows those of this transition. */
static inline Part *part_for(Packing *packing, ptrdiff_t *at, ptrdiff_t first, ptrdiff_t *end,
                             ptrdiff_t place) {
    ptrdiff_t word = place / packing->per_word;
    if (at[word] < first) {
        at[word] = (*end)++;
        packing->part[at[word]] = (Part){.keep = ~(uint64_t)0, .word = word};
    }
    return &packing->part[at[word]];
}

/* Pack the arcs of a net; false: no memory. Release with packing_free. */
static inline bool packing_make(Packing *packing, const Net *net, int32_t bits) {
    ptrdiff_t m = net->transitions, arcs, end = 0;
    const Rows *rows[] = {&net->take, &net->put, &net->needs, &net->lacks, &net->clear};
    ptrdiff_t *at;
    packing->bits = bits;
    packing->per_word = 64 / bits;
    packing->words = net->places ? (net->places - 1) / packing->per_word + 1 : 1;
    packing->most = bits == 1 ? 1 : ((uint64_t)1 << (bits - 1)) - 1;
    packing->guards = 0;
    if (bits > 1)
        for (int i = bits - 1; i < 64; i += bits) packing->guards |= (uint64_t)1 << i;
    arcs = 0;
    for (int i = 0; i < 5; i++) arcs += rows[i]->start[m];
    packing->start = malloc((size_t)(m + 1) * sizeof *packing->start);
    packing->part = malloc((size_t)(arcs + 1) * sizeof *packing->part);
    packing->verdict = calloc((size_t)m + 1, 1);
    at = malloc((size_t)packing->words * sizeof *at);
    if (!packing->start || !packing->part || !packing->verdict || !at) {
        packing_free(packing);
        free(at);
        return false;
    }
    for (ptrdiff_t i = 0; i < packing->words; i++) at[i] = -1;
    for (ptrdiff_t t = 0; t < m; t++) {
        ptrdiff_t first = packing->start[t] = end;
        for (int i = 0; i < 2; i++) { /* what is taken, and what is needed */
            const Rows *r = i ? &net->needs : &net->take;
            for (int32_t k = r->start[t]; k < r->start[t + 1]; k++) {
                uint64_t weight = (uint64_t)r->weight[k];
                uint64_t mask = field_of(packing, r->place[k], bits == 1 ? 1 : packing->most);
                uint64_t field;
                Part *part = part_for(packing, at, first, &end, r->place[k]);
                if (weight > packing->most) {
                    packing->verdict[t] |= NEVER;
                    continue;
                }
                field = field_of(packing, r->place[k], weight);
                if (i == 0) part->take |= field;
                if (bits == 1) {
                    part->want |= field;
                    part->test |= field;
                } else if (field > (part->test & mask)) {
                    part->test = (part->test & ~mask) | field;
                }
            }
        }
        for (int32_t k = net->lacks.start[t]; k < net->lacks.start[t + 1]; k++) {
            uint64_t weight = (uint64_t)net->lacks.weight[k];
            Part *part;
            if (weight > packing->most) continue; /* it always lacks so many */
            part = part_for(packing, at, first, &end, net->lacks.place[k]);
            if (bits == 1) {
                uint64_t field = field_of(packing, net->lacks.place[k], 1);
                if (part->want & field) packing->verdict[t] |= NEVER;
                part->test |= field;
            } else {
                part->want |= field_of(packing, net->lacks.place[k], weight);
                part->guard |= field_of(packing, net->lacks.place[k], packing->most + 1);
            }
        }
        for (int32_t k = net->clear.start[t]; k < net->clear.start[t + 1]; k++) {
            uint64_t mask = field_of(packing, net->clear.place[k], packing->most);
            part_for(packing, at, first, &end, net->clear.place[k])->keep &= ~mask;
        }
        for (int32_t k = net->put.start[t]; k < net->put.start[t + 1]; k++) {
            uint64_t weight = (uint64_t)net->put.weight[k];
            uint64_t mask = field_of(packing, net->put.place[k], packing->most), there;
            Part *part = part_for(packing, at, first, &end, net->put.place[k]);
            there = (part->put & mask) >> (net->put.place[k] % packing->per_word * bits);
            if (weight == 0 || there + weight > packing->most) {
                packing->verdict[t] |= OVERFLOWS; /* a counted put is not for this packing */
                continue;
            }
            part->put = (part->put & ~mask) | field_of(packing, net->put.place[k], there + weight);
        }
        if (bits == 1)
            for (ptrdiff_t k = first; k < end; k++) packing->part[k].keep &= ~packing->part[k].take;
    }
    packing->start[m] = end;
    free(at);
    return true;
}

/* Pack the cells of a marking; false: a cell does not fit. */
static inline bool pack(const Packing *packing, const int32_t *cells, ptrdiff_t places,
                        uint64_t *marking) {
    uint64_t all = 0;
    ptrdiff_t place = 0;
    for (ptrdiff_t w = 0; w < packing->words; w++) {
        uint64_t word = 0;
        for (int shift = 0; shift < 64 && place < places; shift += packing->bits, place++) {
            all |= (uint64_t)(uint32_t)cells[place];
            word |= ((uint64_t)(uint32_t)cells[place] & packing->most) << shift;
        }
        marking[w] = word;
    }
    return all <= packing->most;
}

static inline void unpack(const Packing *packing, const uint64_t *marking, ptrdiff_t places,
                          int32_t *cells) {
    ptrdiff_t place = 0;
    for (ptrdiff_t w = 0; w < packing->words; w++)
        for (int shift = 0; shift < 64 && place < places; shift += packing->bits, place++)
            cells[place] = (int32_t)((marking[w] >> shift) & packing->most);
}

ALWAYS bool part_allows(const Part *part, uint64_t m, uint64_t guards, bool safe) {
    if (safe) return (m & part->test) == part->want;
    m |= guards;
    return (((m - part->test) & guards) == guards) & (((m - part->want) & part->guard) == 0);
}

/* Whether a transition may fire; not for one whose verdict is NEVER. */
ALWAYS bool packed_enabled(const Packing *packing, const uint64_t *marking, ptrdiff_t t, bool safe) {
    for (ptrdiff_t k = packing->start[t]; k < packing->start[t + 1]; k++) {
        const Part *part = &packing->part[k];
        if (!part_allows(part, marking[part->word], packing->guards, safe)) return false;
    }
    return true;
}

/* The word after a firing; `*over` gets bits where a field did not hold it. */
ALWAYS uint64_t part_fires(const Part *part, uint64_t m, uint64_t guards, bool safe, uint64_t *over) {
    if (safe) {
        m &= part->keep;
        *over |= m & part->put;
        return m | part->put;
    }
    m = ((m - part->take) & part->keep) + part->put;
    *over |= m & guards;
    return m;
}

#endif
