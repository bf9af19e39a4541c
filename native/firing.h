/* Free running: fire immediate transitions until none is enabled.
 *
 * Immediate transitions are numbered by rank, so the next one to fire is the lowest bit of the set
 * of those that are enabled. A plan says for each of them what its firing does to that set: who is
 * certainly enabled by it, who certainly is not, and who has to be asked (a `probe`).
 *
 * What limits the loop is not its work but its chain of dependences: enabled set, lowest bit, load
 * of the plan's row, enabled set. So each row remembers who fired after it last time. The guess is
 * compared with the set and taken when it is right; the processor predicts that comparison and has
 * the next row at hand before the set is known. A wrong guess costs what no guess would.
 */
#ifndef WEFT_FIRING_H
#define WEFT_FIRING_H

#include "net.h"

typedef struct {
    uint64_t mask, want, bit;
} Probe;

typedef struct { /* one cache line */
    uint64_t keep, put;
    uint64_t others; /* whose enabledness this firing leaves as it was */
    uint64_t sure;   /* who is enabled after it whatever the marking was */
    Probe first;     /* the first probe; the others stand in `probe` */
    uint32_t probe;
    uint32_t probes;
} Row;

typedef struct { /* safe, in one word, at most 64 immediate transitions */
    Row *row;
    Probe *probe;
    unsigned char guess[64];
    int count;
    int32_t transition[64]; /* by rank */
} WordPlan;

typedef struct {
    uint64_t others, sure;       /* as in a Row, where there are at most 64 ranks */
    ptrdiff_t off, on, ask, end; /* in `rank`: who is disabled, enabled, to be asked */
    int32_t transition;
} WideRow;

typedef struct { /* any packing, at most 64 * 64 immediate transitions */
    WideRow *row;
    int32_t *rank;
    int32_t *guess;
    int32_t count;
} WidePlan;

enum { RANKS = 4096, ENTRIES = 1 << 20 }; /* what a plan may have; beyond it there is none */

enum { QUIET, LIMIT, OVERFLOW }; /* why a run ended; after OVERFLOW the next firing is not done */

/* The parts of two transitions, joined by word: what `u` reads against what `t` writes. */
enum { OFF, ON, ASK };

static inline int verdict_after(const Packing *packing, ptrdiff_t t, ptrdiff_t u) {
    bool certain = true;
    uint64_t guards = packing->guards;
    for (ptrdiff_t i = packing->start[u]; i < packing->start[u + 1]; i++) {
        const Part *reads = &packing->part[i], *writes = NULL;
        for (ptrdiff_t k = packing->start[t]; k < packing->start[t + 1] && !writes; k++)
            if (packing->part[k].word == reads->word) writes = &packing->part[k];
        if (packing->bits == 1) {
            uint64_t put = writes ? writes->put : 0, gone = writes ? ~writes->keep & ~put : 0;
            uint64_t lack = reads->test & ~reads->want;
            if ((reads->want & gone) || (lack & put)) return OFF;
            certain &= !(reads->want & ~put) && !(lack & ~gone);
        } else {
            /* What was put is there at least; no more is claimed of counts. */
            uint64_t put = writes ? writes->put : 0;
            if (((put | guards) - reads->want) & reads->guard) return OFF;
            certain &= !reads->guard && (((put | guards) - reads->test) & guards) == guards;
        }
    }
    return certain ? ON : ASK;
}

static inline void word_plan_free(WordPlan *plan) {
    free(plan->row);
    free(plan->probe);
    plan->row = NULL;
    plan->probe = NULL;
}

static inline void wide_plan_free(WidePlan *plan) {
    free(plan->row);
    free(plan->rank);
    free(plan->guess);
    plan->row = NULL;
    plan->rank = NULL;
    plan->guess = NULL;
}

/* Set `mark[u]` to `t` for all immediate transitions that read a place which `t` may change. */
static inline void mark_affected(const Net *net, ptrdiff_t t, int32_t *mark) {
    const Rows *rows[] = {&net->take, &net->clear, &net->put};
    for (int i = 0; i < 3; i++)
        for (int32_t k = rows[i]->start[t]; k < rows[i]->start[t + 1]; k++) {
            int32_t p = rows[i]->place[k];
            for (int32_t j = net->touch_start[p]; j < net->touch_start[p + 1]; j++)
                mark[net->touch[j]] = (int32_t)t;
        }
}

/* A plan by rank; `order` has the `count` immediate transitions, best first. False: no plan. */
static inline bool word_plan_make(WordPlan *plan, const Net *net, const Packing *packing,
                                  const int32_t *order, ptrdiff_t count) {
    ptrdiff_t used = 0;
    int32_t *mark;
    plan->row = NULL;
    plan->probe = NULL;
    plan->count = 0;
    if (packing->bits != 1 || packing->words != 1 || count > 64) return false;
    for (ptrdiff_t i = 0; i < count; i++)
        if (packing->verdict[order[i]] & OVERFLOWS) return false;
    plan->row = aligned_alloc(64, 64 * sizeof *plan->row);
    plan->probe = malloc((size_t)(count * count + 1) * sizeof *plan->probe);
    mark = malloc((size_t)(net->transitions + 1) * sizeof *mark);
    if (!plan->row || !plan->probe || !mark) {
        word_plan_free(plan);
        free(mark);
        return false;
    }
    for (ptrdiff_t i = 0; i < count; i++)
        if (!(packing->verdict[order[i]] & NEVER)) plan->transition[plan->count++] = order[i];
    memset(mark, 0xff, (size_t)net->transitions * sizeof *mark);
    memset(plan->guess, 0, sizeof plan->guess);
    for (int r = 0; r < plan->count; r++) {
        int32_t t = plan->transition[r];
        Row *row = &plan->row[r];
        const Part *own = &packing->part[packing->start[t]];
        bool any = packing->start[t] < packing->start[t + 1];
        *row = (Row){.keep = any ? own->keep : ~(uint64_t)0, .put = any ? own->put : 0,
                     .others = ~(uint64_t)0, .probe = (uint32_t)used};
        mark_affected(net, t, mark);
        for (int s = 0; s < plan->count; s++) {
            int32_t u = plan->transition[s];
            int verdict;
            if (mark[u] != t) continue;
            row->others &= ~((uint64_t)1 << s);
            verdict = verdict_after(packing, t, u);
            if (verdict == ON) row->sure |= (uint64_t)1 << s;
            if (verdict == ASK) {
                const Part *part = &packing->part[packing->start[u]];
                plan->probe[used++] = (Probe){part->test, part->want, (uint64_t)1 << s};
            }
        }
        row->probes = (uint32_t)used - row->probe;
        if (row->probes) row->first = plan->probe[row->probe];
    }
    free(mark);
    return true;
}

ALWAYS uint64_t word_enabled(const WordPlan *plan, const Packing *packing, uint64_t m) {
    uint64_t set = 0;
    for (int r = 0; r < plan->count; r++)
        set |= (uint64_t)packed_enabled(packing, &m, plan->transition[r], true) << r;
    return set;
}

ALWAYS int word_run(WordPlan *plan, const Packing *packing, uint64_t *marking, int64_t limit,
                    int64_t *fired) {
    uint64_t m = *marking, set = word_enabled(plan, packing, m);
    int64_t n = 0;
    int r, why = QUIET;
    if (set == 0) goto done;
    r = __builtin_ctzll(set);
    for (;;) {
        const Row *row = &plan->row[r];
        int guess = __atomic_load_n(&plan->guess[r], __ATOMIC_RELAXED);
        int next, ahead = guess;
        uint64_t rest = m & row->keep;
        if (__builtin_expect(n == limit, 0)) {
            why = LIMIT;
            break;
        }
        if (__builtin_expect((rest & row->put) != 0, 0)) {
            why = OVERFLOW;
            break;
        }
        OPAQUE(ahead);
        m = rest | row->put;
        set = (set & row->others) | row->sure;
        n++;
        if (row->probes) {
            if ((m & row->first.mask) == row->first.want) set |= row->first.bit;
            for (uint32_t i = 1; i < row->probes; i++) {
                const Probe *probe = &plan->probe[row->probe + i];
                set |= probe->bit & -(uint64_t)((m & probe->mask) == probe->want);
            }
        }
        if (set == 0) break;
        next = __builtin_ctzll(set);
        if (__builtin_expect(next == guess, 1)) {
            r = ahead;
        } else {
            __atomic_store_n(&plan->guess[r], (unsigned char)next, __ATOMIC_RELAXED);
            r = next;
        }
    }
done:
    *marking = m;
    *fired = n;
    return why;
}

static __attribute__((noinline)) int word_run_plain(WordPlan *plan, const Packing *packing,
                                                    uint64_t *marking, int64_t limit,
                                                    int64_t *fired) {
    return word_run(plan, packing, marking, limit, fired);
}
#if HAVE_FAST
static __attribute__((noinline)) FAST int word_run_fast(WordPlan *plan, const Packing *packing,
                                                        uint64_t *marking, int64_t limit,
                                                        int64_t *fired) {
    return word_run(plan, packing, marking, limit, fired);
}
#else
#define word_run_fast word_run_plain
#endif

/* The same for any packing. */
static inline bool wide_plan_make(WidePlan *plan, const Net *net, const Packing *packing,
                                  const int32_t *order, ptrdiff_t count) {
    ptrdiff_t used = 0, room = 1024;
    int32_t *rank_of;
    int32_t *mark;
    plan->row = NULL;
    plan->rank = NULL;
    plan->guess = NULL;
    plan->count = 0;
    if (count > RANKS) return false;
    plan->row = malloc((size_t)(count + 1) * sizeof *plan->row);
    plan->guess = calloc((size_t)count + 1, sizeof *plan->guess);
    plan->rank = malloc((size_t)room * sizeof *plan->rank);
    rank_of = malloc((size_t)(net->transitions + 1) * sizeof *rank_of);
    mark = malloc((size_t)(net->transitions + 1) * sizeof *mark);
    if (!plan->row || !plan->guess || !plan->rank || !rank_of || !mark) goto none;
    memset(mark, 0xff, (size_t)net->transitions * sizeof *mark);
    memset(rank_of, 0xff, (size_t)net->transitions * sizeof *rank_of);
    for (ptrdiff_t i = 0; i < count; i++)
        if (!(packing->verdict[order[i]] & NEVER)) {
            rank_of[order[i]] = plan->count;
            plan->row[plan->count++].transition = order[i];
        }
    for (int32_t r = 0; r < plan->count; r++) {
        WideRow *row = &plan->row[r];
        int32_t t = row->transition;
        const Rows *rows[] = {&net->take, &net->clear, &net->put};
        ptrdiff_t first = used;
        mark_affected(net, t, mark);
        /* The affected, each once, unsorted; then by verdict. */
        for (int i = 0; i < 3; i++)
            for (int32_t k = rows[i]->start[t]; k < rows[i]->start[t + 1]; k++) {
                int32_t p = rows[i]->place[k];
                for (int32_t j = net->touch_start[p]; j < net->touch_start[p + 1]; j++) {
                    int32_t u = net->touch[j];
                    if (rank_of[u] < 0 || mark[u] != t) continue;
                    mark[u] = -1;
                    if (used == room) {
                        int32_t *more;
                        if (room >= ENTRIES) goto none;
                        more = realloc(plan->rank, (size_t)(room *= 4) * sizeof *more);
                        if (!more) goto none;
                        plan->rank = more;
                    }
                    plan->rank[used++] = rank_of[u];
                }
            }
        row->off = first;
        row->end = used;
        for (int verdict = OFF; verdict < ASK; verdict++) {
            ptrdiff_t next = first;
            for (ptrdiff_t i = first; i < used; i++) {
                int32_t s = plan->rank[i];
                if (verdict_after(packing, t, plan->row[s].transition) == verdict) {
                    plan->rank[i] = plan->rank[next];
                    plan->rank[next++] = s;
                }
            }
            first = next;
            if (verdict == OFF) row->on = first;
            else row->ask = first;
        }
        row->others = ~(uint64_t)0;
        row->sure = 0;
        for (ptrdiff_t i = row->off; i < row->end; i++) {
            uint64_t bit = (uint64_t)1 << (plan->rank[i] & 63);
            row->others &= ~bit;
            if (i >= row->on && i < row->ask) row->sure |= bit;
        }
    }
    free(rank_of);
    free(mark);
    return true;
none:
    free(rank_of);
    free(mark);
    wide_plan_free(plan);
    return false;
}

typedef struct { /* a set of ranks, and the set of its words that are not empty */
    uint64_t top;
    uint64_t word[RANKS / 64];
} Ranks;

ALWAYS void ranks_put(Ranks *set, int32_t r, bool in) {
    uint64_t word = set->word[r >> 6];
    word = (word & ~((uint64_t)1 << (r & 63))) | ((uint64_t)in << (r & 63));
    set->word[r >> 6] = word;
    set->top = (set->top & ~((uint64_t)1 << (r >> 6))) | ((uint64_t)(word != 0) << (r >> 6));
}

ALWAYS int32_t ranks_first(const Ranks *set) {
    int top = __builtin_ctzll(set->top);
    return top * 64 + __builtin_ctzll(set->word[top]);
}

/* `few`: at most 64 ranks, so that the set is one word, in a register. */

ALWAYS int wide_run(WidePlan *plan, const Packing *packing, uint64_t *marking, int64_t limit,
                    int64_t *fired, bool safe, bool few) {
    Ranks set;
    uint64_t some = 0;
    int64_t n = 0;
    int32_t r;
    int why = QUIET;
    memset(&set, 0, sizeof set);
    for (r = 0; r < plan->count; r++)
        if (packed_enabled(packing, marking, plan->row[r].transition, safe)) ranks_put(&set, r, true);
    if (set.top == 0) goto done;
    r = ranks_first(&set);
    some = set.word[0];
    for (;;) {
        const WideRow *row = &plan->row[r];
        ptrdiff_t first = packing->start[row->transition];
        ptrdiff_t end = packing->start[row->transition + 1], k;
        int32_t guess = __atomic_load_n(&plan->guess[r], __ATOMIC_RELAXED);
        int32_t next, ahead = guess;
        uint64_t over = packing->verdict[row->transition];
        if (__builtin_expect(n == limit, 0)) {
            why = LIMIT;
            break;
        }
        OPAQUE(ahead);
        if (end - first == 1) {
            const Part *part = &packing->part[first];
            uint64_t word =
                part_fires(part, marking[part->word], packing->guards, safe, &over);
            if (__builtin_expect(over == 0, 1)) marking[part->word] = word;
        } else {
            for (k = first; k < end; k++) {
                const Part *part = &packing->part[k];
                part_fires(part, marking[part->word], packing->guards, safe, &over);
            }
            if (__builtin_expect(over == 0, 1))
                for (k = first; k < end; k++) {
                    const Part *part = &packing->part[k];
                    marking[part->word] =
                        part_fires(part, marking[part->word], packing->guards, safe, &over);
                }
        }
        if (__builtin_expect(over != 0, 0)) {
            why = OVERFLOW;
            break;
        }
        n++;
        if (few) {
            some = (some & row->others) | row->sure;
            for (k = row->ask; k < row->end; k++) {
                int32_t s = plan->rank[k];
                if (packed_enabled(packing, marking, plan->row[s].transition, safe))
                    some |= (uint64_t)1 << s;
            }
            if (some == 0) break;
            next = __builtin_ctzll(some);
        } else {
            for (k = row->off; k < row->on; k++) ranks_put(&set, plan->rank[k], false);
            for (k = row->on; k < row->ask; k++) ranks_put(&set, plan->rank[k], true);
            for (k = row->ask; k < row->end; k++) {
                int32_t s = plan->rank[k];
                ranks_put(&set, s,
                          packed_enabled(packing, marking, plan->row[s].transition, safe));
            }
            if (set.top == 0) break;
            next = ranks_first(&set);
        }
        if (__builtin_expect(next == guess, 1)) {
            r = ahead;
        } else {
            __atomic_store_n(&plan->guess[r], next, __ATOMIC_RELAXED);
            r = next;
        }
    }
done:
    *fired = n;
    return why;
}

#define WIDE_RUN(name, attributes)                                                              \
    static __attribute__((noinline)) attributes int name(                                       \
        WidePlan *plan, const Packing *packing, uint64_t *marking, int64_t limit,               \
        int64_t *fired) {                                                                       \
        bool few = plan->count <= 64;                                                           \
        if (packing->bits == 1)                                                                 \
            return few ? wide_run(plan, packing, marking, limit, fired, true, true)             \
                       : wide_run(plan, packing, marking, limit, fired, true, false);           \
        return few ? wide_run(plan, packing, marking, limit, fired, false, true)                \
                   : wide_run(plan, packing, marking, limit, fired, false, false);              \
    }
WIDE_RUN(wide_run_plain, )
#if HAVE_FAST
WIDE_RUN(wide_run_fast, FAST)
#else
#define wide_run_fast wide_run_plain
#endif

/* ── all packings of one net ─────────────────────────────────────────────────────────────────── */

enum { WIDTHS = 3 };
static const int32_t width_bits[WIDTHS] = {1, 8, 32};

typedef struct {
    bool tried;    /* it was made, or cannot be */
    bool usable;
    bool one_word; /* `word` is there, else `wide` */
    Packing packing;
    WordPlan word;
    WidePlan wide;
} Plan;

typedef struct { /* one order of the immediate transitions, and what was made for it */
    const Net *net;
    int32_t *order; /* the immediate transitions, first to fire first */
    ptrdiff_t count;
    int narrowest;  /* the width to begin with: those below overflowed once */
    uint64_t *words; /* room for one marking at the widest */
    Plan plan[WIDTHS];
} Plans;

typedef struct {
    int32_t order, transition;
} Ranked;

static int by_order(const void *a, const void *b) {
    const Ranked *x = a, *y = b;
    if (x->order != y->order) return x->order < y->order ? -1 : 1;
    return x->transition < y->transition ? -1 : 1;
}

static inline void plans_free(Plans *plans) {
    for (int i = 0; i < WIDTHS; i++) {
        if (!plans->plan[i].usable) continue;
        packing_free(&plans->plan[i].packing);
        if (plans->plan[i].one_word) word_plan_free(&plans->plan[i].word);
        else wide_plan_free(&plans->plan[i].wide);
    }
    free(plans->order);
    free(plans->words);
    memset(plans, 0, sizeof *plans);
}

/* Get ready; false: no memory. `order` has one number a transition. */
static inline bool plans_make(Plans *plans, const Net *net, const int32_t *order) {
    Ranked *ranked = malloc((size_t)(net->transitions + 1) * sizeof *ranked);
    memset(plans, 0, sizeof *plans);
    plans->net = net;
    plans->order = malloc((size_t)(net->transitions + 1) * sizeof *plans->order);
    plans->words = malloc((size_t)(net->places / 2 + 1) * sizeof *plans->words);
    if (!ranked || !plans->order || !plans->words) {
        free(ranked);
        plans_free(plans);
        return false;
    }
    for (ptrdiff_t t = 0; t < net->transitions; t++)
        if (!net->external[t]) ranked[plans->count++] = (Ranked){order[t], (int32_t)t};
    qsort(ranked, (size_t)plans->count, sizeof *ranked, by_order);
    for (ptrdiff_t i = 0; i < plans->count; i++) plans->order[i] = ranked[i].transition;
    free(ranked);
    return true;
}

static inline Plan *plan_at(Plans *plans, int width) {
    Plan *plan = &plans->plan[width];
    if (plan->tried) return plan->usable ? plan : NULL;
    plan->tried = true;
    if (!packing_make(&plan->packing, plans->net, width_bits[width])) return NULL;
    plan->one_word =
        word_plan_make(&plan->word, plans->net, &plan->packing, plans->order, plans->count);
    plan->usable = plan->one_word || wide_plan_make(&plan->wide, plans->net, &plan->packing,
                                                    plans->order, plans->count);
    if (!plan->usable) packing_free(&plan->packing);
    return plan->usable ? plan : NULL;
}

/* Run the cells of a marking in the narrowest packing that holds it, widening on the way. With
 * OVERFLOW the caller has to fire the next transition by itself: no packing holds what comes. */
static inline int settle(Plans *plans, int32_t *cells, int64_t limit, int64_t *fired, bool fast) {
    ptrdiff_t places = plans->net->places;
    *fired = 0;
    for (int width = plans->narrowest; width < WIDTHS; width++) {
        Plan *plan = plan_at(plans, width);
        int64_t n = 0;
        int why;
        if (!plan || !pack(&plan->packing, cells, places, plans->words)) continue;
        if (plan->one_word)
            why = (fast ? word_run_fast : word_run_plain)(&plan->word, &plan->packing,
                                                          plans->words, limit - *fired, &n);
        else
            why = (fast ? wide_run_fast : wide_run_plain)(&plan->wide, &plan->packing,
                                                          plans->words, limit - *fired, &n);
        *fired += n;
        if (n) unpack(&plan->packing, plans->words, places, cells);
        if (why != OVERFLOW) return why;
        if (width < WIDTHS - 1) plans->narrowest = width + 1;
    }
    return OVERFLOW;
}

#endif
