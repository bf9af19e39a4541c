/* All reachable markings of a net.
 *
 * Found markings lie in an open-addressing table of 64-bit slots. A safe net of up to 64 places
 * whose markings are only counted has the marking itself in its slot. Otherwise markings are
 * numbered records in segments that never move, and a slot holds a number and a tag of the hash:
 *
 *     record    words of the marking, (parent, transition) that found it, peak of tokens so far
 *     slot      tag: 24 bits, number + 1: 40 bits; all 40 set: about to be written
 *
 * Successors wait in a short row before they are looked up, each with its slot already being
 * fetched, so that a table larger than the caches costs bandwidth and not one latency a firing.
 *
 * Markings to expand pass in chunks through one queue, so one thread alone explores breadth first
 * and numbers markings in that order. Threads meet only there, and when the table grows: who grows
 * it waits until all others stand still.
 *
 * An exploration that a packing does not hold ends with WIDER, and who called begins anew.
 */
#ifndef WEFT_SPACE_H
#define WEFT_SPACE_H

#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "net.h"

enum { CHUNK = 510, WAITING = 64, DEAD = 10 };
enum { GOING, COMPLETE, MAX_STATES, MAX_BYTES, WIDER, UNBOUNDED, STOPPED };
enum { EXTERNAL, IMMEDIATE, GUARDED };

static const uint64_t BUSY = ((uint64_t)1 << 40) - 1;

typedef struct Chunk {
    struct Chunk *next;
    int64_t count;
    uint64_t item[CHUNK];
} Chunk;

typedef struct {
    uint32_t source, target;
    int32_t transition;
} Edge;

typedef struct { /* all that a firing does to the word of a net that has one */
    uint64_t keep, put;
} Step;

/* So that what follows is on another cache line, nor on the neighbour that is fetched with it. A
 * Space may lie in an object of Python's, which no attribute could align. */
enum { APART_BYTES = 128 };

typedef struct {
    __attribute__((aligned(APART_BYTES))) struct Space *space;
    pthread_t thread;
    Chunk *in, *out;
    int64_t at;
    int32_t *enabled;
    unsigned char *seen; /* a byte a transition: it was enabled somewhere */
    uint64_t *row;       /* the waiting markings */
    uint64_t hash[WAITING];
    uint64_t source[WAITING];
    int32_t transition[WAITING];
    int waiting;
    bool late; /* it waited long for work, and its caller should look about */
    uint64_t fresh, firings, dead, most, total;
    uint64_t *dead_marking; /* up to DEAD, the smallest ones, ascending */
    int dead_kept;
    Edge *edge;
    size_t edges, edge_room;
} Worker;

typedef struct Space {
    const Net *net;
    Packing packing;
    bool safe, direct, graph, monotone, immediates;
    const unsigned char *guarded;
    ptrdiff_t words, record;
    int32_t *first_start, *first; /* transitions by the first place that they take or need */
    bool scanned;                 /* all transitions are tested, four at once, with these: */
    uint64_t *test, *want;
    Step *step;
    uint64_t *table, slots;
    uint64_t max_states, max_bytes;
    uint64_t **segment;
    size_t segments;
    int segment_shift;
    uint64_t valid; /* records from here on were never written */
    bool empty_seen; /* the marking without tokens, which is no slot of a direct table */
    int threads;
    bool shared; /* several threads are at work */
    Worker *worker;
    int stop, pause, idle; /* read all the time, hardly ever written */
    char apart[APART_BYTES];
    uint64_t count, bytes; /* written by all of them */
    char from_count[APART_BYTES];
    pthread_mutex_t lock;
    pthread_cond_t change;
    Chunk *head, *tail, *spare;
    int64_t queued;
    int running, parked;
} Space;

/* ── markings ────────────────────────────────────────────────────────────────────────────────── */

ALWAYS uint64_t hash_of(const uint64_t *marking, ptrdiff_t words) {
    uint64_t h = 0;
    for (ptrdiff_t i = 0; i < words; i++) {
        h = (h ^ marking[i]) * 0x9E3779B97F4A7C15u;
        h ^= h >> 32;
    }
    h *= 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

ALWAYS uint64_t *record_of(const Space *space, uint64_t number) {
    return __atomic_load_n(&space->segment[number >> space->segment_shift], __ATOMIC_ACQUIRE) +
           (number & (((uint64_t)1 << space->segment_shift) - 1)) * (uint64_t)space->record;
}

ALWAYS uint64_t tokens_in(const Space *space, const uint64_t *marking) {
    uint64_t sum = 0;
    for (ptrdiff_t i = 0; i < space->words; i++) {
        uint64_t m = marking[i];
        if (space->safe) {
            sum += (uint64_t)__builtin_popcountll(m);
        } else if (space->packing.bits == 8) {
            m = (m & 0x00FF00FF00FF00FFu) + (m >> 8 & 0x00FF00FF00FF00FFu);
            sum += m * 0x0001000100010001u >> 48;
        } else {
            sum += (m & 0xFFFFFFFFu) + (m >> 32);
        }
    }
    return sum;
}

static inline uint64_t most_in(const Space *space, const uint64_t *marking) {
    uint64_t most = 0;
    for (ptrdiff_t i = 0; i < space->words; i++)
        for (uint64_t m = marking[i]; m; m >>= space->packing.bits)
            if ((m & space->packing.most) > most) most = m & space->packing.most;
    return most;
}

static inline bool covers(const Space *space, const uint64_t *a, const uint64_t *b) {
    for (ptrdiff_t i = 0; i < space->words; i++) {
        if (space->safe ? (b[i] & ~a[i]) != 0
                        : (((a[i] | space->packing.guards) - b[i]) & space->packing.guards) !=
                              space->packing.guards)
            return false;
    }
    return true;
}

/* Whether a marking covers one on the path to it, which starts at record `parent`. */
static inline bool covers_ancestor(const Space *space, const uint64_t *marking, uint64_t parent) {
    while (parent != UINT32_MAX) {
        const uint64_t *record = record_of(space, parent);
        if (covers(space, marking, record)) return true;
        parent = record[space->words] & UINT32_MAX;
    }
    return false;
}

/* Order of markings as numbers: the last place counts most. */
static inline int compare(const uint64_t *a, const uint64_t *b, ptrdiff_t words) {
    while (words-- > 0)
        if (a[words] != b[words]) return a[words] < b[words] ? -1 : 1;
    return 0;
}

static inline void keep_dead(Worker *worker, const uint64_t *marking) {
    ptrdiff_t words = worker->space->words;
    int at = worker->dead_kept;
    size_t size = (size_t)words * sizeof(uint64_t);
    while (at > 0 && compare(marking, worker->dead_marking + (at - 1) * words, words) < 0) at--;
    if (at == DEAD) return;
    if (worker->dead_kept < DEAD) worker->dead_kept++;
    memmove(worker->dead_marking + (at + 1) * words, worker->dead_marking + at * words,
            (size_t)(worker->dead_kept - at - 1) * size);
    memcpy(worker->dead_marking + at * words, marking, size);
}

/* ── memory ──────────────────────────────────────────────────────────────────────────────────── */

static inline void end_with(Space *space, int why) {
    int going = GOING;
    __atomic_compare_exchange_n(&space->stop, &going, why, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
}

/* Take so many bytes into account; false, and the end, when that is more than there may be. */
static inline bool charge(Space *space, size_t bytes) {
    if (__atomic_add_fetch(&space->bytes, bytes, __ATOMIC_RELAXED) <= space->max_bytes) return true;
    __atomic_sub_fetch(&space->bytes, bytes, __ATOMIC_RELAXED);
    end_with(space, MAX_BYTES);
    return false;
}

static inline void *charged(Space *space, size_t bytes) {
    void *memory = charge(space, bytes) ? malloc(bytes) : NULL;
    if (!memory) end_with(space, MAX_BYTES);
    return memory;
}

static inline bool ensure_segment(Space *space, uint64_t number) {
    size_t i = number >> space->segment_shift;
    bool there;
    if (i < space->segments && __atomic_load_n(&space->segment[i], __ATOMIC_ACQUIRE)) return true;
    pthread_mutex_lock(&space->lock);
    there = i < space->segments && space->segment[i];
    if (!there && i < space->segments) {
        uint64_t *fresh = charged(
            space, ((size_t)space->record * sizeof(uint64_t)) << space->segment_shift);
        if (fresh) __atomic_store_n(&space->segment[i], fresh, __ATOMIC_RELEASE);
        there = fresh != NULL;
    }
    if (!there) {
        end_with(space, MAX_BYTES);
        if (number < space->valid) space->valid = number;
    }
    pthread_mutex_unlock(&space->lock);
    return there;
}

static inline Chunk *new_chunk(Space *space) { /* with the lock */
    Chunk *chunk = space->spare;
    if (chunk) space->spare = chunk->next;
    else chunk = charged(space, sizeof *chunk);
    if (chunk) {
        chunk->next = NULL;
        chunk->count = 0;
    }
    return chunk;
}

static inline void enqueue(Space *space, Chunk *chunk) { /* with the lock */
    chunk->next = NULL;
    if (space->tail) space->tail->next = chunk;
    else space->head = chunk;
    space->tail = chunk;
    space->queued++;
    if (space->idle) pthread_cond_broadcast(&space->change);
}

/* Put a marking where it will be expanded from. */
static inline bool put_item(Worker *worker, uint64_t item) {
    Space *space = worker->space;
    Chunk *out = worker->out;
    if (!out) return false;
    out->item[out->count++] = item;
    if (out->count == CHUNK ||
        (out->count >= 32 && __atomic_load_n(&space->idle, __ATOMIC_RELAXED) > 0)) {
        pthread_mutex_lock(&space->lock);
        enqueue(space, out);
        worker->out = new_chunk(space);
        pthread_mutex_unlock(&space->lock);
        return worker->out != NULL;
    }
    return true;
}

/* Double the table; the others stand still, or there are none. */
static inline void grow_table(Space *space) {
    uint64_t slots = space->slots * 2, *table;
    if (!charge(space, slots * sizeof *table)) return;
    table = calloc(slots, sizeof *table);
    if (!table) {
        end_with(space, MAX_BYTES);
        return;
    }
    for (uint64_t i = 0; i < space->slots; i++) {
        uint64_t slot = space->table[i], at;
        if (!slot) continue;
        if (space->direct) at = hash_of(&slot, 1);
        else at = hash_of(record_of(space, (slot & BUSY) - 1), space->words);
        at &= slots - 1;
        while (table[at]) at = (at + 1) & (slots - 1);
        table[at] = slot;
    }
    free(space->table);
    __atomic_sub_fetch(&space->bytes, space->slots * sizeof *table, __ATOMIC_RELAXED);
    space->table = table;
    space->slots = slots;
}

/* Stand still while somebody grows the table; with the lock. */
static inline void stand_still(Space *space) {
    space->parked++;
    pthread_cond_broadcast(&space->change);
    while (space->pause) pthread_cond_wait(&space->change, &space->lock);
    space->parked--;
}

static inline bool crowded(const Space *space) {
    return __atomic_load_n(&space->count, __ATOMIC_RELAXED) > space->slots / 2;
}

/* Between two rows of waiting markings. */
static inline void safe_point(Space *space) {
    if (!space->shared) {
        if (crowded(space)) grow_table(space);
        return;
    }
    if (!crowded(space) && !__atomic_load_n(&space->pause, __ATOMIC_RELAXED)) return;
    pthread_mutex_lock(&space->lock);
    if (space->pause) {
        stand_still(space);
    } else if (crowded(space) && space->stop == GOING) {
        __atomic_store_n(&space->pause, 1, __ATOMIC_RELAXED);
        while (space->parked + 1 < space->running) pthread_cond_wait(&space->change, &space->lock);
        grow_table(space);
        __atomic_store_n(&space->pause, 0, __ATOMIC_RELAXED);
        pthread_cond_broadcast(&space->change);
    }
    pthread_mutex_unlock(&space->lock);
}

/* ── looking up ──────────────────────────────────────────────────────────────────────────────── */

/* Count one more marking; false when there may be no more. */
ALWAYS bool one_more(Worker *worker) {
    Space *space = worker->space;
    if (!space->shared) {
        if (space->count == space->max_states) {
            end_with(space, MAX_STATES);
            return false;
        }
        space->count++;
        return true;
    }
    if (++worker->fresh == 32) {
        worker->fresh = 0;
        if (__atomic_add_fetch(&space->count, 32, __ATOMIC_RELAXED) > space->max_states)
            end_with(space, MAX_STATES);
    }
    return true;
}

/* Whether a marking was not there yet; it is now. */
ALWAYS bool insert_direct(Worker *worker, uint64_t marking, uint64_t hash) {
    Space *space = worker->space;
    uint64_t mask = space->slots - 1, at = hash & mask;
    if (__builtin_expect(marking == 0, 0)) {
        if (__atomic_exchange_n(&space->empty_seen, true, __ATOMIC_RELAXED)) return false;
        return one_more(worker);
    }
    for (;;) {
        uint64_t slot = __atomic_load_n(&space->table[at], __ATOMIC_RELAXED);
        if (slot == marking) return false;
        if (slot) {
            at = (at + 1) & mask;
            continue;
        }
        if (!space->shared) {
            if (!one_more(worker)) return false;
            space->table[at] = marking;
            return true;
        }
        if (__atomic_compare_exchange_n(&space->table[at], &slot, marking, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED))
            return one_more(worker);
        if (slot == marking) return false;
    }
}

/* The number of a marking, which is made a record if it is none; `*fresh` says so. */
static inline uint64_t insert(Worker *worker, const uint64_t *marking, uint64_t hash,
                              uint64_t parent, int32_t via, bool *fresh) {
    Space *space = worker->space;
    uint64_t mask = space->slots - 1, at = hash & mask, tag = hash & ~BUSY, number;
    uint64_t *record;
    ptrdiff_t words = space->words;
    *fresh = false;
    for (;;) {
        uint64_t slot = __atomic_load_n(&space->table[at], __ATOMIC_ACQUIRE);
        if (slot == 0) {
            if (!space->shared) break;
            if (__atomic_compare_exchange_n(&space->table[at], &slot, tag | BUSY, false,
                                            __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE))
                break;
        }
        if ((slot & ~BUSY) == tag && slot != 0) {
            if ((slot & BUSY) == BUSY) continue; /* soon */
            if (memcmp(record_of(space, (slot & BUSY) - 1), marking,
                       (size_t)words * sizeof *marking) == 0)
                return (slot & BUSY) - 1;
        }
        at = (at + 1) & mask;
    }
    number = __atomic_fetch_add(&space->count, 1, __ATOMIC_RELAXED);
    if (number >= space->max_states || !ensure_segment(space, number)) {
        if (number >= space->max_states) end_with(space, MAX_STATES);
        __atomic_store_n(&space->table[at], 0, __ATOMIC_RELEASE);
        return 0;
    }
    record = record_of(space, number);
    memcpy(record, marking, (size_t)words * sizeof *marking);
    record[words] = parent | (uint64_t)(uint32_t)via << 32;
    if (space->monotone) {
        uint64_t total = tokens_in(space, marking);
        uint64_t peak = parent == UINT32_MAX ? total : record_of(space, parent)[words + 1];
        record[words + 1] = total > peak ? total : peak;
        if (total > peak && covers_ancestor(space, marking, parent)) end_with(space, UNBOUNDED);
    }
    __atomic_store_n(&space->table[at], tag | (number + 1), __ATOMIC_RELEASE);
    *fresh = true;
    return number;
}

static inline void note_edge(Worker *worker, uint64_t source, int32_t transition, uint64_t target) {
    if (worker->edges == worker->edge_room) {
        size_t room = worker->edge_room ? worker->edge_room * 2 : 256;
        Edge *more;
        if (!charge(worker->space, (room - worker->edge_room) * sizeof *more)) return;
        more = realloc(worker->edge, room * sizeof *more);
        if (!more) {
            end_with(worker->space, MAX_BYTES);
            return;
        }
        worker->edge = more;
        worker->edge_room = room;
    }
    worker->edge[worker->edges++] = (Edge){(uint32_t)source, (uint32_t)target, transition};
}

ALWAYS void note_marking(Worker *worker, const uint64_t *marking) {
    const Space *space = worker->space;
    uint64_t total = tokens_in(space, marking);
    if (total > worker->total) worker->total = total;
    if (space->safe) {
        worker->most |= total != 0;
    } else if (total > worker->most) { /* else no place can hold more */
        uint64_t most = most_in(space, marking);
        if (most > worker->most) worker->most = most;
    }
}

/* Look up all that waits. */
ALWAYS void look_up(Worker *worker, bool direct) {
    Space *space = worker->space;
    int waiting = worker->waiting;
    worker->waiting = 0;
    for (int i = 0; i < waiting; i++) {
        if (direct) {
            uint64_t marking = worker->row[i];
            if (!insert_direct(worker, marking, worker->hash[i])) continue;
            note_marking(worker, &marking);
            if (!put_item(worker, marking)) return;
        } else {
            const uint64_t *marking = worker->row + i * space->words;
            bool fresh;
            uint64_t number = insert(worker, marking, worker->hash[i], worker->source[i],
                                     worker->transition[i], &fresh);
            if (fresh) {
                note_marking(worker, marking);
                if (!put_item(worker, number)) return;
            }
            if (__atomic_load_n(&space->stop, __ATOMIC_RELAXED) != GOING) return;
            if (space->graph) note_edge(worker, worker->source[i], worker->transition[i], number);
        }
    }
    safe_point(space);
}

/* ── expanding ───────────────────────────────────────────────────────────────────────────────── */

static int ascending(const void *a, const void *b) {
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

enum { SCANNED_MOST = 256 };

/* Those of 64 transitions that a net's only word enables, a bit each. */
typedef uint64_t Tested __attribute__((vector_size(32), aligned(32), may_alias));
ALWAYS uint64_t scan(const Space *space, uint64_t marking, ptrdiff_t first) {
    ptrdiff_t left = (space->net->transitions - first + 3) / 4, groups = left < 16 ? left : 16;
    const Tested *test = (const Tested *)(space->test + first);
    const Tested *want = (const Tested *)(space->want + first);
    Tested bit = {1, 2, 4, 8}, yes = {0};
    for (ptrdiff_t i = 0; i < groups; i++, bit <<= 4)
        yes |= (Tested)((test[i] & marking) == want[i]) & bit;
    return (yes[0] | yes[1]) | (yes[2] | yes[3]);
}

/* A successor is put to wait; its words are in the row already. */
ALWAYS void wait_for_slot(Worker *worker, uint64_t item, int32_t t, const uint64_t *next,
                          ptrdiff_t words, bool direct) {
    Space *space = worker->space;
    uint64_t hash = hash_of(next, words);
    __builtin_prefetch(&space->table[hash & (space->slots - 1)], 1);
    worker->hash[worker->waiting] = hash;
    worker->seen[t] = 1;
    if (!direct) {
        worker->source[worker->waiting] = item;
        worker->transition[worker->waiting] = t;
    }
    if (++worker->waiting == WAITING) look_up(worker, direct);
}

/* The same as `expand` for a net of one word in which no transition goes before others. */
ALWAYS void expand_scanned(Worker *worker, uint64_t item, bool direct) {
    Space *space = worker->space;
    const uint64_t marking = direct ? item : *record_of(space, item);
    ptrdiff_t m = space->net->transitions;
    int64_t count = 0;
    for (ptrdiff_t first = 0; first < m; first += 64) {
        uint64_t set = scan(space, marking, first);
        count += __builtin_popcountll(set);
        for (; set; set &= set - 1) {
            int32_t t = (int32_t)first + __builtin_ctzll(set);
            uint64_t rest = marking & space->step[t].keep, put = space->step[t].put;
            uint64_t *next = worker->row + worker->waiting;
            if (__builtin_expect((rest & put) | (space->packing.verdict[t] & OVERFLOWS), 0)) {
                end_with(space, WIDER);
                return;
            }
            *next = rest | put;
            wait_for_slot(worker, item, t, next, 1, direct);
        }
    }
    worker->firings += (uint64_t)count;
    if (count == 0) {
        worker->dead++;
        keep_dead(worker, &marking);
    }
}

/* All successors of a marking are put to wait. */
ALWAYS void expand(Worker *worker, uint64_t item, bool safe, bool one, bool direct) {
    Space *space = worker->space;
    const Net *net = space->net;
    const Packing *packing = &space->packing;
    const uint64_t *marking = direct ? &item : record_of(space, item);
    ptrdiff_t words = one ? 1 : space->words;
    int bits = safe ? 1 : packing->bits, shift = bits == 1 ? 0 : bits == 8 ? 3 : 5;
    int32_t *enabled = worker->enabled;
    int64_t count = 0;
    int kinds = 0;
    if (one && space->scanned && !space->immediates) {
        expand_scanned(worker, item, direct);
        return;
    }
    for (ptrdiff_t i = 0; i < net->source_count; i++) {
        int32_t t = net->sources[i];
        if (!(packing->verdict[t] & NEVER) && packed_enabled(packing, marking, t, safe))
            enabled[count++] = t;
    }
    for (ptrdiff_t w = 0; w < words; w++) {
        uint64_t m = marking[w];
        while (m) {
            int field = __builtin_ctzll(m) >> shift;
            ptrdiff_t p = (w << (6 - shift)) + field;
            if (safe) m &= m - 1;
            else m &= ~(packing->most << (field << shift));
            for (int32_t k = space->first_start[p]; k < space->first_start[p + 1]; k++) {
                int32_t t = space->first[k];
                if (one) {
                    const Part *part = &packing->part[packing->start[t]];
                    if (part_allows(part, marking[0], packing->guards, safe)) enabled[count++] = t;
                } else if (packed_enabled(packing, marking, t, safe)) {
                    enabled[count++] = t;
                }
            }
        }
    }
    if (space->immediates) {
        for (int64_t i = 0; i < count; i++) kinds |= 1 << space->guarded[enabled[i]];
        if (kinds & 1 << IMMEDIATE) {
            int64_t kept = 0;
            for (int64_t i = 0; i < count; i++)
                if (space->guarded[enabled[i]] != EXTERNAL) enabled[kept++] = enabled[i];
            count = kept;
        }
    }
    worker->firings += (uint64_t)count;
    if (count == 0) {
        worker->dead++;
        keep_dead(worker, marking);
        return;
    }
    if (!direct && count > 1) {
        if (count > 32) {
            qsort(enabled, (size_t)count, sizeof *enabled, ascending);
        } else {
            for (int64_t i = 1; i < count; i++) {
                int32_t t = enabled[i];
                int64_t j = i;
                for (; j > 0 && enabled[j - 1] > t; j--) enabled[j] = enabled[j - 1];
                enabled[j] = t;
            }
        }
    }
    for (int64_t i = 0; i < count; i++) {
        int32_t t = enabled[i];
        uint64_t over = packing->verdict[t] & OVERFLOWS;
        uint64_t *next = worker->row + worker->waiting * words;
        if (one) {
            const Part *part = &packing->part[packing->start[t]];
            next[0] = marking[0];
            if (packing->start[t] < packing->start[t + 1])
                next[0] = part_fires(part, marking[0], packing->guards, safe, &over);
        } else {
            memcpy(next, marking, (size_t)words * sizeof *next);
            for (ptrdiff_t k = packing->start[t]; k < packing->start[t + 1]; k++) {
                const Part *part = &packing->part[k];
                next[part->word] =
                    part_fires(part, next[part->word], packing->guards, safe, &over);
            }
        }
        if (__builtin_expect(over != 0, 0)) {
            end_with(space, WIDER);
            return;
        }
        wait_for_slot(worker, item, t, next, words, direct);
    }
}

/* Wait for a change, with the lock; whether a twentieth of a second passed without one. */
static inline bool wait_a_while(Space *space) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    return pthread_cond_timedwait(&space->change, &space->lock, &until) == ETIMEDOUT;
}

/* The next chunk to expand; NULL at the end, and when it came too `late`. */
static inline Chunk *next_chunk(Worker *worker) {
    Space *space = worker->space;
    Chunk *chunk = NULL;
    pthread_mutex_lock(&space->lock);
    if (worker->in) {
        worker->in->next = space->spare;
        space->spare = worker->in;
        worker->in = NULL;
    }
    worker->late = false;
    while (!chunk && !worker->late && __atomic_load_n(&space->stop, __ATOMIC_RELAXED) == GOING) {
        if (space->pause) {
            stand_still(space);
        } else if (space->head) {
            chunk = space->head;
            space->head = chunk->next;
            if (!space->head) space->tail = NULL;
            space->queued--;
        } else if (worker->out && worker->out->count) {
            Chunk *fresh = new_chunk(space);
            if (!fresh) break;
            chunk = worker->out;
            worker->out = fresh;
        } else {
            space->parked++;
            __atomic_add_fetch(&space->idle, 1, __ATOMIC_RELAXED);
            pthread_cond_broadcast(&space->change);
            if (space->idle == space->running) end_with(space, COMPLETE);
            else if (worker != space->worker) pthread_cond_wait(&space->change, &space->lock);
            else worker->late = wait_a_while(space);
            __atomic_sub_fetch(&space->idle, 1, __ATOMIC_RELAXED);
            space->parked--;
        }
    }
    pthread_cond_broadcast(&space->change);
    pthread_mutex_unlock(&space->lock);
    worker->at = 0;
    return chunk;
}

ALWAYS bool work(Worker *worker, int64_t chunks, bool safe, bool one, bool direct) {
    Space *space = worker->space;
    while (chunks-- > 0) {
        worker->in = next_chunk(worker);
        if (!worker->in) return worker->late;
        while (worker->at < worker->in->count) {
            expand(worker, worker->in->item[worker->at++], safe, one, direct);
            if (__atomic_load_n(&space->stop, __ATOMIC_RELAXED) != GOING) return false;
        }
        look_up(worker, direct);
    }
    return true;
}

#define WORK(name, attributes)                                                                  \
    static __attribute__((noinline)) attributes bool name(Worker *worker, int64_t chunks) {     \
        const Space *space = worker->space;                                                     \
        if (space->direct) return work(worker, chunks, true, true, true);                       \
        if (space->safe)                                                                        \
            return space->words == 1 ? work(worker, chunks, true, true, false)                  \
                                     : work(worker, chunks, true, false, false);                \
        return work(worker, chunks, false, false, false);                                       \
    }
WORK(work_plain, )
#if HAVE_FAST
WORK(work_fast, FAST)
#else
#define work_fast work_plain
#endif

static void *help(void *argument) {
    Worker *worker = argument;
    bool (*work_on)(Worker *, int64_t) = fast_processor() ? work_fast : work_plain;
    while (work_on(worker, INT64_MAX)) {
    }
    pthread_mutex_lock(&worker->space->lock);
    worker->space->parked++; /* for good: nobody need wait for it */
    pthread_cond_broadcast(&worker->space->change);
    pthread_mutex_unlock(&worker->space->lock);
    return NULL;
}

/* ── the whole ───────────────────────────────────────────────────────────────────────────────── */

static inline bool worker_make(Space *space, Worker *worker) {
    size_t m = (size_t)space->net->transitions + 1, words = (size_t)space->words;
    size_t bytes = m * (sizeof *worker->enabled + 1) +
                   (WAITING + DEAD + 1) * words * sizeof(uint64_t);
    worker->space = space;
    if (!charge(space, bytes)) return false;
    worker->enabled = malloc(m * sizeof *worker->enabled);
    worker->seen = calloc(m, 1);
    worker->row = malloc(WAITING * words * sizeof *worker->row);
    worker->dead_marking = malloc((DEAD + 1) * words * sizeof *worker->dead_marking);
    pthread_mutex_lock(&space->lock);
    worker->out = new_chunk(space);
    pthread_mutex_unlock(&space->lock);
    return worker->enabled && worker->seen && worker->row && worker->dead_marking && worker->out;
}

static inline void chunks_free(Chunk *chunk) {
    while (chunk) {
        Chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

static inline void space_free(Space *space) {
    if (!space->worker) return;
    for (int i = 0; i < space->threads; i++) {
        Worker *worker = &space->worker[i];
        free(worker->in);
        free(worker->out);
        free(worker->enabled);
        free(worker->seen);
        free(worker->row);
        free(worker->dead_marking);
        free(worker->edge);
    }
    chunks_free(space->head);
    chunks_free(space->spare);
    for (size_t i = 0; i < space->segments; i++) free(space->segment[i]);
    free(space->segment);
    free(space->table);
    free(space->first_start);
    free(space->first);
    free(space->test);
    free(space->want);
    free(space->step);
    free(space->worker);
    packing_free(&space->packing);
    pthread_cond_destroy(&space->change);
    pthread_mutex_destroy(&space->lock);
    space->worker = NULL;
}

/* Transitions by the first place that they take or need; those that can never fire are left out. */
static inline bool index_first(Space *space) {
    const Net *net = space->net;
    int32_t *at;
    space->first_start = calloc((size_t)net->places + 2, sizeof *space->first_start);
    space->first = malloc(((size_t)net->transitions + 1) * sizeof *space->first);
    if (!space->first_start || !space->first) return false;
    at = space->first_start + 1;
    for (int pass = 0; pass < 2; pass++) {
        for (ptrdiff_t t = 0; t < net->transitions; t++) {
            const Rows *rows = net->take.start[t] < net->take.start[t + 1] ? &net->take
                                                                            : &net->needs;
            int32_t p;
            if (rows->start[t] == rows->start[t + 1] || space->packing.verdict[t] & NEVER) continue;
            p = rows->place[rows->start[t]];
            if (pass == 0) at[p + 1]++;
            else space->first[at[p]++] = (int32_t)t;
        }
        if (pass == 0) /* at[p] becomes the start of row p, and then its end */
            for (ptrdiff_t p = 0; p < net->places; p++) at[p + 1] += at[p];
    }
    return true;
}

/* What all transitions do to the only word, side by side, up to a multiple of four. */
static inline bool index_steps(Space *space) {
    const Packing *packing = &space->packing;
    ptrdiff_t m = space->net->transitions, room = (m + 3) & ~(ptrdiff_t)3;
    if (!space->safe || space->words != 1 || m == 0 || m > SCANNED_MOST) return true;
    space->test = aligned_alloc(32, (size_t)room * sizeof *space->test);
    space->want = aligned_alloc(32, (size_t)room * sizeof *space->want);
    space->step = malloc((size_t)m * sizeof *space->step);
    if (!space->test || !space->want || !space->step) return false;
    for (ptrdiff_t t = 0; t < room; t++) {
        static const Part idle = {.keep = ~(uint64_t)0};
        bool is = t < m && !(packing->verdict[t] & NEVER);
        const Part *part = is && packing->start[t] < packing->start[t + 1]
                               ? &packing->part[packing->start[t]]
                               : &idle;
        space->test[t] = part->test;
        space->want[t] = is ? part->want : 1; /* no bit of nothing is set */
        if (t < m) space->step[t] = (Step){part->keep, part->put};
    }
    space->scanned = true;
    return true;
}

/* Get ready for one packing, with the first marking in the queue. `guarded` has the kind of each
 * transition. False: no memory, or (stop == WIDER) the marking does not fit. */
static inline bool space_make(Space *space, const Net *net, int32_t bits, const int32_t *cells,
                              const unsigned char *guarded, bool graph, int threads,
                              uint64_t max_states, uint64_t max_bytes) {
    Worker *worker;
    uint64_t *marking, hash;
    bool fresh;
    size_t record_bytes;
    memset(space, 0, sizeof *space);
    space->net = net;
    space->guarded = guarded;
    space->graph = graph;
    space->threads = threads;
    space->running = 1;
    space->max_states = max_states;
    space->max_bytes = max_bytes;
    space->valid = UINT64_MAX;
    space->safe = bits == 1;
    space->worker = aligned_alloc(128, (size_t)threads * sizeof *space->worker);
    if (!space->worker) return false;
    memset(space->worker, 0, (size_t)threads * sizeof *space->worker);
    pthread_mutex_init(&space->lock, NULL);
    pthread_cond_init(&space->change, NULL);
    if (!packing_make(&space->packing, net, bits)) return false;
    space->words = space->packing.words;
    space->monotone = net->lacks.start[net->transitions] == 0 &&
                      net->clear.start[net->transitions] == 0;
    space->direct = space->safe && space->words == 1 && !graph;
    space->record = space->words + 1 + space->monotone;
    for (ptrdiff_t t = 0; t < net->transitions; t++) space->immediates |= guarded[t] != EXTERNAL;
    if (space->max_states > UINT32_MAX - 1) space->max_states = UINT32_MAX - 1;
    space->slots = 4096;
    while (space->slots < 1024 * (uint64_t)threads) space->slots *= 2;
    if (!charge(space, space->slots * sizeof *space->table)) return false;
    space->table = calloc(space->slots, sizeof *space->table);
    if (!space->table || !index_first(space) || !index_steps(space)) return false;
    if (!space->direct) {
        record_bytes = (size_t)space->record * sizeof(uint64_t);
        while (record_bytes << (space->segment_shift + 1) <= (size_t)1 << 18)
            space->segment_shift++;
        space->segments = (size_t)(space->max_states >> space->segment_shift) + 1;
        if (space->segments > max_bytes / (record_bytes << space->segment_shift) + 1)
            space->segments = max_bytes / (record_bytes << space->segment_shift) + 1;
        space->segment = calloc(space->segments, sizeof *space->segment);
        if (!space->segment) {
            space->segments = 0;
            return false;
        }
    }
    worker = &space->worker[0];
    if (!worker_make(space, worker)) return false;
    marking = worker->row;
    if (!pack(&space->packing, cells, net->places, marking)) {
        end_with(space, WIDER);
        return false;
    }
    hash = hash_of(marking, space->words);
    note_marking(worker, marking);
    if (space->direct) return insert_direct(worker, *marking, hash) && put_item(worker, *marking);
    insert(worker, marking, hash, UINT32_MAX, -1, &fresh);
    return fresh && put_item(worker, 0);
}

/* Work for a while; false at the end, when all other threads have ended too. */
static inline bool space_work(Space *space, int64_t chunks, bool fast) {
    Worker *worker = &space->worker[0];
    if (!space->shared && space->threads > 1 && space->queued > 2 * space->threads) {
        space->shared = true;
        pthread_mutex_lock(&space->lock);
        for (int i = 1; i < space->threads; i++) {
            Worker *other = &space->worker[i];
            pthread_mutex_unlock(&space->lock);
            if (!worker_make(space, other)) {
                pthread_mutex_lock(&space->lock);
                break;
            }
            pthread_mutex_lock(&space->lock);
            if (pthread_create(&other->thread, NULL, help, other) != 0) break;
            space->running++;
        }
        pthread_mutex_unlock(&space->lock);
    }
    if ((fast ? work_fast : work_plain)(worker, chunks)) return true;
    pthread_mutex_lock(&space->lock);
    space->parked++;
    pthread_cond_broadcast(&space->change);
    pthread_mutex_unlock(&space->lock);
    for (int i = 1; i < space->running; i++) pthread_join(space->worker[i].thread, NULL);
    for (int i = 0; i < space->running; i++) {
        if (space->direct && space->shared) space->count += space->worker[i].fresh;
        if (i == 0) continue;
        worker->firings += space->worker[i].firings;
        worker->dead += space->worker[i].dead;
        if (space->worker[i].most > worker->most) worker->most = space->worker[i].most;
        if (space->worker[i].total > worker->total) worker->total = space->worker[i].total;
        for (ptrdiff_t t = 0; t < space->net->transitions; t++)
            worker->seen[t] |= space->worker[i].seen[t];
        for (int k = 0; k < space->worker[i].dead_kept; k++)
            keep_dead(worker, space->worker[i].dead_marking + k * space->words);
    }
    if (space->count > space->max_states) {
        space->count = space->max_states;
        space->stop = MAX_STATES;
    }
    if (space->count > space->valid) space->count = space->valid;
    return false;
}

/* End early, from outside. */
static inline void space_end(Space *space) {
    end_with(space, STOPPED);
    while (space_work(space, 1, false)) {
    }
}

static inline size_t space_edges(const Space *space) {
    size_t count = 0;
    for (int i = 0; i < space->threads; i++) count += space->worker[i].edges;
    return count;
}

/* The edges by source: those of marking i stand at start[i] to start[i + 1] - 1. Only those
 * between counted markings are given; `start` has room for one more than these. */
static inline void space_rows(const Space *space, int64_t *start, int32_t *transition,
                              int32_t *target) {
    memset(start, 0, (size_t)(space->count + 1) * sizeof *start);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < space->threads; i++)
            for (size_t k = 0; k < space->worker[i].edges; k++) {
                const Edge *edge = &space->worker[i].edge[k];
                if (edge->source >= space->count || edge->target >= space->count) continue;
                if (pass == 0) {
                    start[edge->source + 1]++;
                } else {
                    transition[start[edge->source]] = edge->transition;
                    target[start[edge->source]++] = (int32_t)edge->target;
                }
            }
        if (pass == 0)
            for (uint64_t i = 0; i < space->count; i++) start[i + 1] += start[i];
    }
    /* Each start has moved on to the next one. */
    memmove(start + 1, start, (size_t)space->count * sizeof *start);
    start[0] = 0;
}

#endif
