/* Random nets through the loops of the kernel, for sanitizers and valgrind: `make sanitize`.
 *
 *     fuzz SEED ROUNDS [firing|space|many|image|pool|backward]
 *
 * Each round makes a net and a marking of all kinds (places beyond a word or two, weights near
 * 2**31, transitions that take nothing, immediate loops) and holds each loop against the plainest
 * one: `settle` in every packing, which allocates nothing once its plans are made, exploration by one thread and by three, with records and
 * without, enabledness of many cases. The arrays of an image file are damaged, and those that are
 * still believed are run. What comes before a target, backwards, is held against all known
 * markings one by one. Pools of all sizes do jobs whose items make more items. It ends with 1 at
 * the first difference.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>

/* All that the kernel allocates is counted here: its loops must not. */
static long allocations;
static void *noted(void *memory) {
    __atomic_add_fetch(&allocations, 1, __ATOMIC_RELAXED);
    return memory;
}
#define malloc(size) noted(malloc(size))
#define calloc(count, size) noted(calloc(count, size))
#define realloc(memory, size) noted(realloc(memory, size))
#define aligned_alloc(alignment, size) noted(aligned_alloc(alignment, size))

#include "backward.h"
#include "imagefile.h"
#include "many.h"
#include "space.h"

static uint64_t state;
static uint32_t below(uint32_t n) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return n ? (uint32_t)((state >> 33) % n) : 0;
}

enum { PLACES = 140, TRANSITIONS = 90, ARCS = 6 };

typedef struct {
    Net net;
    int32_t start[5][TRANSITIONS + 1], place[5][TRANSITIONS * ARCS], weight[5][TRANSITIONS * ARCS];
    int32_t touch_start[PLACES + 2], touch[TRANSITIONS * 3 * ARCS], sources[TRANSITIONS];
    unsigned char external[TRANSITIONS], kind[TRANSITIONS];
    int32_t cells[PLACES], order[TRANSITIONS];
} Case;

static void make(Case *c) {
    Rows *rows[] = {&c->net.take, &c->net.put, &c->net.needs, &c->net.lacks, &c->net.clear};
    int places = (int)below(4) ? 1 + (int)below(12) : 1 + (int)below(PLACES);
    int count = (int)below(5) ? (int)below(8) : (int)below(TRANSITIONS), used = 0, many = 0;
    bool huge = below(6) == 0;
    memset(c, 0, sizeof *c);
    c->net.places = places;
    c->net.transitions = count;
    for (int i = 0; i < 5; i++) {
        int end = 0;
        for (int t = 0; t < count; t++) {
            int last = -1;
            c->start[i][t] = end;
            for (int k = (int)below(i < 2 ? 4 : 12); k > 0 && k < ARCS; k--) {
                int p = last + 1 + (int)below((uint32_t)places / 2 + 1);
                if (p >= places) break;
                last = p;
                c->place[i][end] = p;
                c->weight[i][end++] =
                    huge && below(3) == 0 ? INT32_MAX - (int32_t)below(3) : 1 + (int32_t)(below(8) == 0);
            }
        }
        c->start[i][count] = end;
        *rows[i] = (Rows){c->start[i], c->place[i], c->weight[i]};
    }
    for (int t = 0; t < count; t++) {
        c->external[t] = below(3) == 0;
        c->kind[t] = c->external[t] ? EXTERNAL : below(3) ? IMMEDIATE : GUARDED;
        c->order[t] = (int32_t)below(5);
        if (c->start[0][t] == c->start[0][t + 1] && c->start[2][t] == c->start[2][t + 1])
            c->sources[many++] = t;
    }
    for (int p = 0; p < places; p++) {
        c->touch_start[p] = used;
        for (int t = 0; t < count; t++) {
            bool reads = false;
            for (int i = 0; i < 4; i++)
                for (int k = c->start[i][t]; i != 1 && k < c->start[i][t + 1]; k++)
                    reads |= c->place[i][k] == p;
            if (reads) c->touch[used++] = t;
        }
        c->cells[p] = huge && below(5) == 0 ? INT32_MAX - (int32_t)below(3) : (int32_t)(below(3) == 0);
        if (below(30) == 0) c->cells[p] += c->cells[p] < 1000 ? (int32_t)below(200) : 0;
    }
    c->touch_start[places] = used;
    c->net.touch_start = c->touch_start;
    c->net.touch = c->touch;
    c->net.sources = c->sources;
    c->net.source_count = many;
    c->net.external = c->external;
}

static bool may(const Case *c, const int32_t *m, int t) {
    for (int k = c->start[0][t]; k < c->start[0][t + 1]; k++)
        if (m[c->place[0][k]] < c->weight[0][k]) return false;
    for (int k = c->start[2][t]; k < c->start[2][t + 1]; k++)
        if (m[c->place[2][k]] < c->weight[2][k]) return false;
    for (int k = c->start[3][t]; k < c->start[3][t + 1]; k++)
        if (m[c->place[3][k]] >= c->weight[3][k]) return false;
    return true;
}

static bool does(const Case *c, int32_t *m, int t) {
    int64_t after[PLACES];
    for (int p = 0; p < c->net.places; p++) after[p] = m[p];
    for (int k = c->start[0][t]; k < c->start[0][t + 1]; k++) after[c->place[0][k]] -= c->weight[0][k];
    for (int k = c->start[4][t]; k < c->start[4][t + 1]; k++) after[c->place[4][k]] = 0;
    for (int k = c->start[1][t]; k < c->start[1][t + 1]; k++) after[c->place[1][k]] += c->weight[1][k];
    for (int p = 0; p < c->net.places; p++)
        if (after[p] > INT32_MAX) return false;
    for (int p = 0; p < c->net.places; p++) m[p] = (int32_t)after[p];
    return true;
}

static int fail(const char *what, int round) {
    printf("round %d: %s differs\n", round, what);
    return 1;
}

static int firing(Case *c, int round) {
    for (int fast = 0; fast < 2; fast++) {
        Plans plans;
        int32_t m[PLACES], cells[PLACES];
        int64_t limit = below(200), fired, n = 0;
        int why, expected = LIMIT;
        long before;
        if (fast && !fast_processor()) break;
        memcpy(m, c->cells, sizeof m);
        memcpy(cells, c->cells, sizeof cells);
        if (!plans_make(&plans, &c->net, c->order)) return fail("memory", round);
        why = settle(&plans, cells, limit, &fired, fast);
        for (;; n++) {
            int best = -1;
            for (int t = 0; t < c->net.transitions; t++)
                if (!c->external[t] && may(c, m, t) && (best < 0 || c->order[t] < c->order[best]))
                    best = t;
            if (best < 0) {
                expected = QUIET;
                break;
            }
            if (n == limit) break;
            if (!does(c, m, best)) {
                expected = OVERFLOW;
                break;
            }
        }
        if (why != expected || fired != n || memcmp(m, cells, sizeof m) != 0)
            return fail("settle", round);
        /* Its plans are made now, and the same run allocates nothing. */
        before = allocations;
        memcpy(cells, c->cells, sizeof cells);
        if (settle(&plans, cells, limit, &fired, fast) != expected || allocations != before)
            return fail("a run without allocation", round);
        plans_free(&plans);
    }
    return 0;
}

typedef struct {
    uint64_t count, firings, dead, most, total;
    int64_t stop; /* no padding: they are compared whole */
} Found;

static Found explored(Case *c, bool graph, int threads, uint64_t max_states, uint64_t max_bytes) {
    Found found = {.stop = WIDER};
    for (int width = 0; width < WIDTHS && found.stop == WIDER; width++) {
        Space space;
        if (space_make(&space, &c->net, width_bits[width], c->cells, c->kind, graph, threads,
                       max_states, max_bytes))
            while (space_work(&space, 3, fast_processor())) {
            }
        found = (Found){space.count, 0, 0, 0, 0, space.stop};
        if (space.worker) {
            found.firings = space.worker->firings;
            found.dead = space.worker->dead;
            found.most = space.worker->most;
            found.total = space.worker->total;
        }
        if (graph && space.worker && space.stop != GOING) {
            size_t edges = space_edges(&space);
            int64_t *start = malloc((space.count + 1) * sizeof *start);
            int32_t *transition = malloc((edges + 1) * sizeof *transition);
            int32_t *target = malloc((edges + 1) * sizeof *target);
            space_rows(&space, start, transition, target);
            for (uint64_t i = 0; space.stop == COMPLETE && i < space.count; i++)
                for (int64_t k = start[i]; k < start[i + 1]; k++) {
                    int32_t m[PLACES], n[PLACES];
                    unpack(&space.packing, record_of(&space, i), c->net.places, m);
                    unpack(&space.packing, record_of(&space, (uint64_t)target[k]), c->net.places, n);
                    if (!may(c, m, transition[k]) || !does(c, m, transition[k]) ||
                        memcmp(m, n, (size_t)c->net.places * sizeof *m) != 0)
                        found.stop = -1;
                }
            free(start);
            free(transition);
            free(target);
        }
        space_free(&space);
    }
    return found;
}

static int exploring(Case *c, int round) {
    uint64_t bound = 1 + below(3000);
    Found one = explored(c, true, 1, bound, (uint64_t)1 << 26);
    for (int graph = 0; graph < 2; graph++)
        for (int threads = 1; threads < 4; threads += 2) {
            Found other = explored(c, graph, threads, bound, (uint64_t)1 << 26);
            if (one.stop == -1 || other.stop == -1) return fail("an edge", round);
            if (one.stop == COMPLETE && memcmp(&one, &other, sizeof one) != 0)
                return fail("space", round);
            if (one.stop == MAX_STATES && (other.stop == COMPLETE || other.count > bound))
                return fail("bound", round);
        }
    explored(c, below(2), 1 + (int)below(3), bound, below(1 << 20));
    return 0;
}

static int many(Case *c, int round) {
    Packing packing;
    ptrdiff_t count = below(4) ? below(40) : below(800), sets = (c->net.transitions + 63) / 64;
    int32_t *cells = calloc((size_t)(count * c->net.places + 1), sizeof *cells);
    uint64_t *cases, *found;
    int bad = 0;
    if (!packing_make(&packing, &c->net, 1)) return fail("memory", round);
    cases = malloc((size_t)(packing.words * count + 1) * sizeof *cases);
    found = malloc((size_t)(sets * count + 1) * sizeof *found);
    for (ptrdiff_t i = 0; i < count * c->net.places; i++) cells[i] = (int32_t)below(2);
    if (pack_cases(&packing, cells, c->net.places, count, cases) != count) bad = 1;
    for (int fast = 0; fast < 1 + fast_processor(); fast++) {
        long before = allocations;
        enabled_words(&packing, &c->net, cases, count, found, fast);
        bad |= allocations != before;
        for (ptrdiff_t i = 0; i < count; i++)
            for (int t = 0; t < c->net.transitions; t++)
                bad |= may(c, cells + i * c->net.places, t) !=
                       (bool)(found[t / 64 * count + i] >> (t % 64) & 1);
    }
    free(cells);
    free(cases);
    free(found);
    packing_free(&packing);
    return bad ? fail("enabledness", round) : 0;
}

static const int32_t odd[] = {-1, 0, 1, 2, 63, 64, PLACES, INT32_MAX, INT32_MIN};

/* The arrays of an image file, sound or damaged, in memory of just that size. What is judged to be
 * sound is run, so that a sanitizer sees whether the judgement was right. */
static int image(Case *c, int round) {
    const Rows *rows[] = {&c->net.take, &c->net.put, &c->net.needs, &c->net.lacks, &c->net.clear};
    ptrdiff_t n = c->net.places, m = c->net.transitions, used = 0, room, counted;
    ImageCounts counts = {n, m, {0}, c->touch_start[n], c->net.source_count};
    int32_t *file;
    unsigned char *flags;
    bool sound;
    Net net;
    for (int i = 0; i < 5; i++) counts.arcs[i] = rows[i]->start[m];
    room = 5 * (m + 1) + 2 * n + 1 + counts.touch + counts.sources + m + (2 * m + 3) / 4;
    for (int i = 0; i < 5; i++) room += counts.arcs[i] * (i == IMAGE_CLEAR ? 1 : 2);
    file = calloc((size_t)room, sizeof *file);
#define ADD(from, count)                                                                        \
    (memcpy(file + used, (from), (size_t)(count) * sizeof *file), used += (count))
    for (int i = 0; i < 5; i++) {
        ADD(rows[i]->start, m + 1);
        ADD(rows[i]->place, counts.arcs[i]);
        if (i != IMAGE_CLEAR) ADD(rows[i]->weight, counts.arcs[i]);
    }
    ADD(c->touch_start, n + 1);
    ADD(c->touch, counts.touch);
    ADD(c->sources, counts.sources);
    ADD(c->cells, n);
    ADD(c->order, m);
    flags = (unsigned char *)(file + used);
    memcpy(flags, c->external, (size_t)m);
    if (!image_sound((unsigned char *)file, &counts, &net, &counted) || counted != -1) {
        free(file);
        return fail("a sound image", round);
    }
    for (int i = (int)below(4); i >= 0; i--) {
        int32_t *at = file + below((uint32_t)room);
        if (below(2)) *at = odd[below(sizeof odd / sizeof *odd)];
        else *at ^= (int32_t)1 << below(31);
    }
    /* Its checksum, from anywhere to anywhere. */
    if (image_crc_fast_here()) {
        size_t from = below((uint32_t)room * 4), length = below((uint32_t)((size_t)room * 4 - from) + 1);
        uint32_t begin = below(UINT32_MAX);
        if (image_crc_fast(begin, (unsigned char *)file + from, length) !=
            image_crc_plain(begin, (unsigned char *)file + from, length)) {
            free(file);
            return fail("a checksum", round);
        }
    }
    sound = image_sound((unsigned char *)file, &counts, &net, &counted);
    if (sound && counted < 0) {
        Plans plans;
        int32_t cells[PLACES];
        int64_t fired;
        memcpy(cells, c->cells, sizeof cells);
        if (plans_make(&plans, &net, c->order)) settle(&plans, cells, 50, &fired, false);
        plans_free(&plans);
    }
    free(file);
    return 0;
}

typedef struct {
    int64_t count;
    unsigned char *seen; /* how often each item was done; written by whoever does it */
    uint32_t seed;
} Splits;

/* Item i stands for itself and makes 2i + count and 2i + 1 + count, as long as there is room. */
static void split(void *job, uint64_t item, PoolWorker *worker) {
    Splits *splits = job;
    uint64_t room = (uint64_t)splits->count * 4;
    splits->seen[item]++;
    worker->result += (int64_t)item + 1;
    for (uint64_t more = 2 * item + (uint64_t)splits->count;
         more < 2 * item + 2 + (uint64_t)splits->count && more < room; more++)
        if ((more * 2654435761u + splits->seed) >> 7 & 3) pool_spawn(worker, more);
        else worker->pool->run(job, more, worker);
}

static int pool(Case *c, int round) {
    static Pool *kept;
    static int left;
    int64_t count = below(4) ? below(60) : below(6000), wanted = 0, sum;
    Splits splits = {count, calloc((size_t)count * 4 + 1, 1), below(1000)};
    uint64_t stolen;
    int bad = 0;
    (void)c;
    if (!kept) {
        kept = pool_make(1 + (int)below(4), below(2));
        left = (int)below(20);
    }
    if (!kept || !splits.seen) return fail("memory", round);
    sum = pool_do(kept, split, &splits, count, below(4) == 0, &stolen);
    for (int64_t i = 0; i < count * 4; i++) wanted += i + 1;
    for (int64_t i = 0; i < count * 4; i++) bad |= splits.seen[i] != 1;
    if (kept->threads == 1 && stolen) bad = 1;
    if (pool_do(kept, add_item, NULL, count, false, &stolen) != count * (count - 1) / 2) bad = 1;
    if (left-- == 0) {
        pool_close(kept);
        kept = NULL;
    }
    free(splits.seen);
    return bad || (count && sum != wanted) ? fail("pool", round) : 0;
}

/* Many cases settled by a pool: as each alone. */
static int team(Case *c, int round) {
    Plans plans[3], *each[3] = {&plans[0], &plans[1], &plans[2]}, own;
    ptrdiff_t count = 1 + below(60), n = c->net.places;
    int32_t *cells = calloc((size_t)(count * n + 1), sizeof *cells);
    int32_t *fired = calloc((size_t)count, sizeof *fired), alone[PLACES];
    unsigned char *hand = calloc((size_t)count, 1);
    Pool *threads = pool_make(3, false);
    SettleJob job = {.plans = each, .cells = cells, .limit = below(100), .fired = fired,
                     .hand = hand, .fast = fast_processor()};
    int64_t live, expected = 0;
    int bad = 0;
    if (!threads || !cells || !fired || !hand || !plans_make(&own, &c->net, c->order))
        return fail("memory", round);
    for (int i = 0; i < 3; i++)
        if (!plans_make(&plans[i], &c->net, c->order)) return fail("memory", round);
    for (ptrdiff_t i = 0; i < count; i++)
        for (ptrdiff_t p = 0; p < n; p++) cells[i * n + p] = p % 7 == i % 7 ? 1 : c->cells[p];
    job.blocks = blocks_of(0, count, threads->threads);
    live = pool_share(threads, settle_block, &job, blocks_count(&job.blocks));
    for (ptrdiff_t i = 0; i < count; i++) {
        int64_t number;
        int why;
        for (ptrdiff_t p = 0; p < n; p++) alone[p] = p % 7 == i % 7 ? 1 : c->cells[p];
        why = settle(&own, alone, job.limit, &number, job.fast);
        expected += why == LIMIT;
        bad |= hand[i] != (why == OVERFLOW) || fired[i] != number ||
               memcmp(alone, cells + i * n, (size_t)n * sizeof *alone) != 0;
    }
    pool_close(threads);
    for (int i = 0; i < 3; i++) plans_free(&plans[i]);
    plans_free(&own);
    free(cells);
    free(fired);
    free(hand);
    return bad || live != expected ? fail("a team", round) : 0;
}

static bool below_known(const Backward *b, int a, int of) {
    const Pair *x = b->pairs + b->known[a].start, *y = b->pairs + b->known[of].start;
    for (int i = 0, j = 0; i < b->known[a].length; i++) {
        while (j < b->known[of].length && y[j].place < x[i].place) j++;
        if (j == b->known[of].length || y[j].place != x[i].place || y[j].count < x[i].count)
            return false;
    }
    return true;
}

/* A search backwards, asked in slices: no marking is kept that covers an earlier one, each leads to
 * the one that it came from, and the answer is that of looking at all of them. */
static int backward(Case *c, int round) {
    Backward b;
    unsigned char moves[TRANSITIONS];
    int32_t target[PLACES] = {0}, totals[2], start[3] = {0}, place[2 * PLACES], weight[2 * PLACES];
    Rows limits = {start, place, weight};
    int32_t found = -1, first = -1, cells[PLACES];
    int64_t work = below(4000);
    int bad = 0, why, count = (int)below(3);
    for (ptrdiff_t t = 0; t < c->net.transitions; t++) moves[t] = below(5) != 0;
    for (uint32_t k = below(4); k > 0; k--)
        target[below((uint32_t)c->net.places)] = below(9) ? (int32_t)below(4) : INT32_MAX - (int32_t)below(3);
    for (int l = 0; l < count; l++) {
        totals[l] = below(3) ? (int32_t)below(50) : INT32_MAX;
        start[l + 1] = start[l];
        for (int p = 0; p < c->net.places; p++)
            if (below(5) == 0) {
                place[start[l + 1]] = p;
                weight[start[l + 1]++] = below(8) ? 1 + (int32_t)below(3) : INT32_MAX;
            }
    }
    if (!backward_make(&b, &c->net, moves, target, &limits, totals, count,
                       below(3) ? 1 << 20 : 300))
        return fail("memory", round);
    for (int p = 0; p < c->net.places; p++) cells[p] = c->cells[p] + (int32_t)below(2) * (c->cells[p] < 9);
    do why = backward_look(&b, cells, work, 100, &found);
    while (why == SEARCHING);
    for (int i = 0; i < b.count && first < 0; i++)
        if (holds(&b, cells, i)) first = i;
    bad |= first != found || (why == COVERED) != (found >= 0) || why == NO_MEMORY;
    for (int i = 0; i < b.count && i < 300; i++) {
        for (int j = 0; j < i; j++) bad |= below_known(&b, j, i);
        bad |= i ? b.known[i].then < 0 || b.known[i].then >= i || !moves[b.known[i].move]
                 : b.known[i].then != -1;
    }
    for (int p = 0; p < c->net.places; p++) bad |= b.cells[p] != 0;
    backward_free(&b);
    return bad ? fail("backward", round) : 0;
}

int main(int count, char **arguments) {
    static Case c;
    int rounds = count > 2 ? atoi(arguments[2]) : 1000;
    const char *which = count > 3 ? arguments[3] : "";
    state = count > 1 ? strtoull(arguments[1], NULL, 10) : 1;
    for (int round = 0; round < rounds; round++) {
        int bad = 0;
        make(&c);
        if (!*which || !strcmp(which, "firing")) bad |= firing(&c, round);
        if (!*which || !strcmp(which, "space")) bad |= exploring(&c, round);
        if (!*which || !strcmp(which, "many")) bad |= many(&c, round);
        if (!*which || !strcmp(which, "image")) bad |= image(&c, round);
        if (!*which || !strcmp(which, "pool")) bad |= pool(&c, round) || (round % 8 == 0 && team(&c, round));
        if (!*which || !strcmp(which, "backward")) bad |= backward(&c, round);
        if (bad) return 1;
    }
    printf("%d rounds, no difference\n", rounds);
    return 0;
}
