/* Many cases of one safe net at once.
 *
 * Word w of case i stands at `cases[w * count + i]`, so that neighbours in memory are the same
 * places of neighbouring cases, and one instruction tests a transition in several of them: in four
 * words, or, where there are so many cases, in the bits of 256. Set j of 64 transitions of case i
 * is `found[j * count + i]`.
 */
#ifndef WEFT_MANY_H
#define WEFT_MANY_H

#include "firing.h"
#include "pool.h"

#if defined(__GNUC__)
typedef uint64_t Lanes __attribute__((vector_size(32), aligned(8), may_alias));
enum { LANES = 4, BLOCK = 16 };

ALWAYS void enabled_block(const Packing *packing, ptrdiff_t first, ptrdiff_t end,
                          const uint64_t *cases, ptrdiff_t count, uint64_t *found) {
    Lanes yes[LANES] = {{0}};
    if (packing->words == 1) {
        const Lanes *block = (const Lanes *)cases;
        Lanes a = block[0], b = block[1], c = block[2], d = block[3];
        for (ptrdiff_t t = first; t < end; t++) {
            const Part *part = &packing->part[packing->start[t]];
            uint64_t bit = packing->verdict[t] & NEVER ? 0 : (uint64_t)1 << (t - first);
            uint64_t test = packing->start[t] < packing->start[t + 1] ? part->test : 0;
            uint64_t want = packing->start[t] < packing->start[t + 1] ? part->want : 0;
            yes[0] |= (Lanes)((a & test) == want) & bit;
            yes[1] |= (Lanes)((b & test) == want) & bit;
            yes[2] |= (Lanes)((c & test) == want) & bit;
            yes[3] |= (Lanes)((d & test) == want) & bit;
        }
    } else {
        for (ptrdiff_t t = first; t < end; t++) {
            uint64_t bit = packing->verdict[t] & NEVER ? 0 : (uint64_t)1 << (t - first);
            Lanes in[LANES] = {{0}};
            for (int i = 0; i < LANES; i++) in[i] |= bit;
            for (ptrdiff_t k = packing->start[t]; k < packing->start[t + 1]; k++) {
                const Part *part = &packing->part[k];
                const Lanes *block = (const Lanes *)(cases + part->word * count);
                for (int i = 0; i < LANES; i++)
                    in[i] &= (Lanes)((block[i] & part->test) == part->want);
            }
            for (int i = 0; i < LANES; i++) yes[i] |= in[i];
        }
    }
    for (int i = 0; i < LANES; i++) ((Lanes *)found)[i] = yes[i];
}

/* Bits of `a` change places with bits of `b`, `by` below: those that `low` names there. */
ALWAYS void turn_pair(Lanes *a, Lanes *b, int by, uint64_t low) {
    Lanes changed = ((*a >> by) ^ *b) & low;
    *b ^= changed;
    *a ^= changed << by;
}

/* Three steps of a turn, with eight rows in registers. */
ALWAYS void turn_eight(const Lanes *from, Lanes *to, int apart, int by, const uint64_t *low) {
    Lanes row[8];
    for (int i = 0; i < 8; i++) row[i] = from[i * apart];
    for (int i = 0; i < 4; i++) turn_pair(&row[i], &row[i + 4], by, low[0]);
    for (int i = 0; i < 8; i += 4) {
        turn_pair(&row[i], &row[i + 2], by / 2, low[1]);
        turn_pair(&row[i + 1], &row[i + 3], by / 2, low[1]);
    }
    for (int i = 0; i < 8; i += 2) turn_pair(&row[i], &row[i + 1], by / 4, low[2]);
    for (int i = 0; i < 8; i++) to[i * apart] = row[i];
}

/* 64 rows of 64 bits, in each lane, turned about their diagonal by way of `room`: bit i of row k
 * becomes bit k of row i (H. S. Warren, "Hacker's Delight", 2002, on transposing bits). */
ALWAYS void turn(const Lanes *from, Lanes *room, Lanes *to) {
    static const uint64_t low[] = {0x00000000FFFFFFFFu, 0x0000FFFF0000FFFFu, 0x00FF00FF00FF00FFu,
                                   0x0F0F0F0F0F0F0F0Fu, 0x3333333333333333u, 0x5555555555555555u};
    for (int i = 0; i < 8; i++) turn_eight(from + i, room + i, 8, 32, low);
    for (int i = 0; i < 64; i += 8) turn_eight(room + i, to + i, 1, 4, low + 3);
}

/* 256 cases by slices of bits (E. Biham, "A Fast New DES Implementation in Software", 1997): their
 * words are turned, so that a row has one place of all of them, a transition is tested in all of
 * them by one instruction or two a place that it reads, and the answers are turned back. */
enum { SLICED = 256, SLICED_WORDS = 16 };

ALWAYS void enabled_slices(const Packing *packing, const Net *net, const uint64_t *cases,
                           ptrdiff_t count, uint64_t *found) {
    Lanes place[SLICED_WORDS * 64], yes[64];
    for (ptrdiff_t w = 0; w < packing->words; w++)
        turn((const Lanes *)(cases + w * count), place + w * 64, place + w * 64);
    for (ptrdiff_t first = 0; first < net->transitions; first += 64, found += count) {
        for (ptrdiff_t t = first; t < first + 64; t++) {
            Lanes in = {0};
            if (t < net->transitions && !(packing->verdict[t] & NEVER)) {
                in = ~in;
                for (ptrdiff_t k = packing->start[t]; k < packing->start[t + 1]; k++) {
                    const Part *part = &packing->part[k];
                    const Lanes *of = place + part->word * 64;
                    for (uint64_t left = part->want; left; left &= left - 1)
                        in &= of[__builtin_ctzll(left)];
                    for (uint64_t left = part->test & ~part->want; left; left &= left - 1)
                        in &= ~of[__builtin_ctzll(left)];
                }
            }
            yes[t - first] = in;
        }
        turn(yes, yes, (Lanes *)found);
    }
}
#else
enum { BLOCK = 1 << 30, SLICED = 1 << 30, SLICED_WORDS = 0 };
#define enabled_block(packing, first, end, cases, count, found) ((void)0)
#define enabled_slices(packing, net, cases, count, found) ((void)0)
#endif

ALWAYS void enabled_all(const Packing *packing, const Net *net, const uint64_t *cases,
                        ptrdiff_t count, uint64_t *found) {
    ptrdiff_t sliced = 0;
    if (packing->words <= SLICED_WORDS)
        for (; sliced + SLICED <= count; sliced += SLICED)
            enabled_slices(packing, net, cases + sliced, count, found + sliced);
    for (ptrdiff_t first = 0; first < net->transitions; first += 64) {
        ptrdiff_t end = first + 64 < net->transitions ? first + 64 : net->transitions, i = sliced;
        uint64_t *row = found + first / 64 * count;
        for (; i + BLOCK <= count; i += BLOCK)
            enabled_block(packing, first, end, cases + i, count, row + i);
        for (; i < count; i++) {
            uint64_t yes = 0;
            for (ptrdiff_t t = first; t < end; t++) {
                bool in = !(packing->verdict[t] & NEVER);
                for (ptrdiff_t k = packing->start[t]; in && k < packing->start[t + 1]; k++) {
                    const Part *part = &packing->part[k];
                    in = (cases[part->word * count + i] & part->test) == part->want;
                }
                yes |= (uint64_t)in << (t - first);
            }
            row[i] = yes;
        }
    }
}

static __attribute__((noinline)) void enabled_words_plain(const Packing *packing, const Net *net,
                                                          const uint64_t *cases, ptrdiff_t count,
                                                          uint64_t *found) {
    enabled_all(packing, net, cases, count, found);
}
#if HAVE_FAST
static __attribute__((noinline)) FAST void enabled_words_fast(const Packing *packing,
                                                              const Net *net,
                                                              const uint64_t *cases,
                                                              ptrdiff_t count, uint64_t *found) {
    enabled_all(packing, net, cases, count, found);
}
#else
#define enabled_words_fast enabled_words_plain
#endif

static inline void enabled_words(const Packing *packing, const Net *net, const uint64_t *cases,
                                 ptrdiff_t count, uint64_t *found, bool fast) {
    (fast ? enabled_words_fast : enabled_words_plain)(packing, net, cases, count, found);
}

/* Pack cases, one row of cells after the other; the first that is not safe, or `count`. */
static inline ptrdiff_t pack_cases(const Packing *packing, const int32_t *cells, ptrdiff_t places,
                                   ptrdiff_t count, uint64_t *cases) {
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t w = 0; w < packing->words; w++) {
            ptrdiff_t place = w * 64, end = place + 64 < places ? place + 64 : places;
            uint32_t all = 0;
            uint64_t word = 0;
            for (ptrdiff_t p = place; p < end; p++) {
                all |= (uint32_t)cells[i * places + p];
                word |= (uint64_t)(cells[i * places + p] & 1) << (p - place);
            }
            if (all > 1) return i;
            cases[w * count + i] = word;
        }
    return count;
}

/* Work on many cases, shared by a pool: item i is cases i * block to (i + 1) * block - 1. */
typedef struct {
    ptrdiff_t first, end, block;
} Blocks;

/* So many cases an item that each worker finds several, and neighbours rarely share a line. */
static inline Blocks blocks_of(ptrdiff_t first, ptrdiff_t end, int workers) {
    ptrdiff_t block = (end - first) / (workers * 16);
    return (Blocks){first, end, block < 1 ? 1 : block > 256 ? 256 : block};
}

static inline int64_t blocks_count(const Blocks *blocks) {
    return (blocks->end - blocks->first + blocks->block - 1) / blocks->block;
}

static inline ptrdiff_t block_first(const Blocks *blocks, uint64_t item) {
    return blocks->first + (ptrdiff_t)item * blocks->block;
}

static inline ptrdiff_t block_end(const Blocks *blocks, uint64_t item) {
    ptrdiff_t end = block_first(blocks, item) + blocks->block;
    return end < blocks->end ? end : blocks->end;
}

typedef struct { /* one row of cells a case */
    Blocks blocks;
    Plans **plans; /* one a worker */
    int32_t *cells;
    int64_t limit;
    int32_t *fired;      /* how often, a number a case */
    unsigned char *hand; /* set to 1 where no packing holds what comes */
    bool fast;
} SettleJob;

/* The worker's result counts the cases that were not quiescent. */
static void settle_block(void *argument, uint64_t item, PoolWorker *worker) {
    SettleJob *job = argument;
    Plans *plans = job->plans[worker->number];
    for (ptrdiff_t i = block_first(&job->blocks, item); i < block_end(&job->blocks, item); i++) {
        int64_t n;
        int why = settle(plans, job->cells + i * plans->net->places, job->limit, &n, job->fast);
        job->fired[i] = (int32_t)n;
        job->hand[i] = why == OVERFLOW;
        worker->result += why == LIMIT;
    }
}

/* For measuring what an item costs: it adds its number to the worker's result. */
static void add_item(void *job, uint64_t item, PoolWorker *worker) {
    (void)job;
    worker->result += (int64_t)item;
}

#endif
