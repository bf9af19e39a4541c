
/* Backward coverability: the least markings from which a target can be covered.
 *
 * A least marking is a row of (place, count) by ascending place, in one array for all of them. Two
 * words go with it: a bit for each place that it marks, and one for each that it marks twice, of
 * the places modulo 64. Where a bit of a known marking is not among those of another, that other
 * does not cover it: two instructions for up to 64 places. They tell all there is to tell where a
 * net has no more places than that and no count is above 2; else they rule out, and the rows
 * are compared.
 *
 * Known markings stand in groups by their first place: one that is covered by another has its
 * first place among that one's.
 *
 * What is found, in which order, and what is counted as work is as in the reference, to the last
 * comparison. One step allocates only to grow an array, and each has what it needs first or ends
 * the search for good, as one without memory.
 */
#ifndef WEFT_BACKWARD_H
#define WEFT_BACKWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

enum { KEEPING = 20, LONG = 64, KEPT_BYTES = 64, PAIR_BYTES = 8 };
enum { SEARCHING, COVERED, NOT_COVERED, PAST_WORK, PAST_MEMORY, NO_MEMORY };

typedef struct {
    int32_t place, count;
} Pair;

typedef struct {
    uint64_t ones, twos;
    int64_t start;
    int32_t length, move, then;
    bool exact; /* the two words say it all */
} Known;

typedef struct {
    uint64_t ones, twos;
    int32_t at;
    bool exact;
} Entry;

typedef struct {
    Entry *entry;
    int32_t count, room;
} Group;

typedef struct {
    int64_t total;
    int32_t at;
} Open;

typedef struct {
    const Net *net;
    ptrdiff_t places;
    const int32_t *limit_total;
    int32_t limits;

    int32_t *maker_start, *maker;            /* place to the moves that put there, ascending */
    int32_t *limited_start, *limited;        /* place to the limits that count it */
    int32_t *limited_weight;                 /* and how much a token weighs there */
    int64_t *sum;                            /* of a limit, zero between two markings */
    int32_t *cells;                          /* of one marking, zero between two of them */
    unsigned char *tried;                    /* of a move, zero between two steps */
    int32_t *row;                            /* the moves of one step */
    Pair *made;                              /* the marking that is being made */
    int32_t made_length;

    Known *known;
    int32_t count, room;
    Pair *pairs;
    int64_t pairs_count, pairs_room;
    Group *group; /* by the first place and one; group 0 is that of the empty marking */
    Open *open;   /* a binary heap by (total, number) */
    int32_t open_count, open_room;

    int64_t done; /* the work so far */
    int64_t most_bytes;
    int32_t looked; /* the known markings that the present question has been held against */
    bool full, broken;
} Backward;

static inline int64_t kept_bytes(const Backward *b) {
    return (int64_t)KEPT_BYTES * b->count + (int64_t)PAIR_BYTES * b->pairs_count;
}

/* Room for one more; NULL leaves the array as it is. */
static void *grown(void *array, int64_t *room, size_t each, int64_t wanted) {
    int64_t more = *room * 2 > wanted ? *room * 2 : wanted + 8;
    void *bigger;
    if ((uint64_t)more > SIZE_MAX / 2 / each) return NULL;
    bigger = realloc(array, (size_t)more * each);
    if (bigger) *room = more;
    return bigger;
}

static bool grow32(void **array, int32_t *room, size_t each, int64_t wanted) {
    int64_t more = *room;
    void *bigger;
    if (wanted <= more) return true;
    bigger = grown(*array, &more, each, wanted);
    if (!bigger) return false;
    *array = bigger;
    *room = more > INT32_MAX ? INT32_MAX : (int32_t)more;
    return wanted <= INT32_MAX;
}

static void words_of(const Pair *pair, int32_t length, ptrdiff_t places, Known *known) {
    known->ones = known->twos = 0;
    known->exact = places <= 64;
    for (int32_t i = 0; i < length; i++) {
        uint64_t bit = (uint64_t)1 << (pair[i].place & 63);
        known->ones |= bit;
        if (pair[i].count > 1) known->twos |= bit;
        if (pair[i].count > 2) known->exact = false;
    }
}

/* Whether cells hold a known marking. */
static inline bool holds(const Backward *b, const int32_t *cells, int32_t at) {
    const Known *known = &b->known[at];
    const Pair *pair = b->pairs + known->start;
    for (int32_t i = 0; i < known->length; i++)
        if (cells[pair[i].place] < pair[i].count) return false;
    return true;
}

/* Whether the made marking, whose cells are set, covers a known one other than `itself`. */
static bool redundant(Backward *b, const Known *words, int32_t itself) {
    for (int32_t g = -1; g < b->made_length; g++) {
        const Group *group = &b->group[g < 0 ? 0 : b->made[g].place + 1];
        for (int32_t i = 0; i < group->count; i++) {
            const Entry *e = &group->entry[i];
            if ((e->ones & ~words->ones) | (e->twos & ~words->twos)) continue;
            if (e->at == itself || !(e->exact || holds(b, b->cells, e->at))) continue;
            b->done += i + 1;
            return true;
        }
        b->done += group->count;
    }
    return false;
}

static bool sooner_open(Open a, Open b) {
    return a.total != b.total ? a.total < b.total : a.at < b.at;
}

static void open_push(Backward *b, Open item) {
    int32_t i = b->open_count++;
    while (i > 0 && sooner_open(item, b->open[(i - 1) / 2])) {
        b->open[i] = b->open[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    b->open[i] = item;
}

static int32_t open_pop(Backward *b) {
    int32_t at = b->open[0].at, i = 0;
    Open last = b->open[--b->open_count];
    for (int64_t child = 1; child < b->open_count; child = 2 * (int64_t)i + 1) {
        if (child + 1 < b->open_count && sooner_open(b->open[child + 1], b->open[child])) child++;
        if (!sooner_open(b->open[child], last)) break;
        b->open[i] = b->open[child];
        i = (int32_t)child;
    }
    b->open[i] = last;
    return at;
}

static void set_cells(Backward *b, bool set) {
    for (int32_t i = 0; i < b->made_length; i++)
        b->cells[b->made[i].place] = set ? b->made[i].count : 0;
}

/* Keep the made marking, unless a known one is below it. */
static bool keep_made(Backward *b, int32_t move, int32_t then) {
    Known known;
    Group *group;
    int64_t total = 0, pairs_room = b->pairs_room;
    int32_t length = b->made_length;
    bool covered;
    words_of(b->made, length, b->net->places, &known);
    set_cells(b, true);
    covered = redundant(b, &known, -1);
    set_cells(b, false);
    if (covered) return true;
    group = &b->group[length ? b->made[0].place + 1 : 0];
    if (b->pairs_count + length > pairs_room) {
        void *bigger = grown(b->pairs, &pairs_room, sizeof *b->pairs, b->pairs_count + length);
        if (!bigger) return false;
        b->pairs = bigger;
        b->pairs_room = pairs_room;
    }
    if (!grow32((void **)&b->known, &b->room, sizeof *b->known, (int64_t)b->count + 1) ||
        !grow32((void **)&b->open, &b->open_room, sizeof *b->open, (int64_t)b->open_count + 1) ||
        !grow32((void **)&group->entry, &group->room, sizeof *group->entry,
                (int64_t)group->count + 1))
        return false;
    known.start = b->pairs_count;
    known.length = length;
    known.move = move;
    known.then = then;
    for (int32_t i = 0; i < length; i++) {
        total += b->made[i].count;
        b->pairs[b->pairs_count++] = b->made[i];
    }
    b->done += KEEPING + length / LONG;
    group->entry[group->count++] = (Entry){known.ones, known.twos, b->count, known.exact};
    open_push(b, (Open){total, b->count});
    b->known[b->count++] = known;
    if (kept_bytes(b) > b->most_bytes) b->full = true;
    return true;
}

/* Make the least marking from which a move leads to a known one; false: there is none, or it has
 * more tokens in a place than that can hold. */
static bool make_before(Backward *b, int32_t at, int32_t move) {
    const Net *net = b->net;
    const Pair *pair = b->pairs + b->known[at].start;
    int32_t length = b->known[at].length, made = 0, i;
    int32_t k = net->take.start[move], take_end = net->take.start[move + 1];
    int32_t j = net->needs.start[move], needs_end = net->needs.start[move + 1];
    bool there = true;
    for (i = 0; i < length; i++) b->cells[pair[i].place] = pair[i].count;
    for (int32_t put = net->put.start[move]; put < net->put.start[move + 1]; put++) {
        int32_t *cell = &b->cells[net->put.place[put]], weight = net->put.weight[put];
        *cell = weight == 0 || *cell <= weight ? 0 : *cell - weight;
    }
    for (int32_t c = net->clear.start[move]; c < net->clear.start[move + 1]; c++)
        if (b->cells[net->clear.place[c]]) there = false;
    for (i = 0; there && (i < length || k < take_end || j < needs_end);) {
        int32_t place = INT32_MAX;
        int64_t number;
        if (i < length) place = pair[i].place;
        if (k < take_end && net->take.place[k] < place) place = net->take.place[k];
        if (j < needs_end && net->needs.place[j] < place) place = net->needs.place[j];
        number = b->cells[place];
        if (i < length && pair[i].place == place) i++;
        if (k < take_end && net->take.place[k] == place) number += net->take.weight[k++];
        if (j < needs_end && net->needs.place[j] == place) {
            if (number < net->needs.weight[j]) number = net->needs.weight[j];
            j++;
        }
        if (number > INT32_MAX) there = false;
        else if (number) b->made[made++] = (Pair){place, (int32_t)number};
    }
    for (i = 0; i < length; i++) b->cells[pair[i].place] = 0;
    b->made_length = made;
    return there;
}

/* Whether the made marking keeps within the limits. */
static bool possible(Backward *b) {
    bool within = true;
    if (!b->limits) return true;
    for (int32_t i = 0; i < b->made_length; i++) {
        int32_t place = b->made[i].place;
        for (int32_t k = b->limited_start[place]; within && k < b->limited_start[place + 1]; k++) {
            int64_t *sum = &b->sum[b->limited[k]];
            *sum += (int64_t)b->made[i].count * b->limited_weight[k];
            within = *sum <= b->limit_total[b->limited[k]];
        }
    }
    for (int32_t i = 0; i < b->made_length; i++) {
        int32_t place = b->made[i].place;
        for (int32_t k = b->limited_start[place]; k < b->limited_start[place + 1]; k++)
            b->sum[b->limited[k]] = 0;
    }
    return within;
}

/* One step: what comes before the least open marking. False: there is no memory for it. */
static bool expand_backward(Backward *b) {
    int32_t at = open_pop(b), moves = 0, length = b->known[at].length;
    Known words = b->known[at];
    bool covered;
    memcpy(b->made, b->pairs + words.start, (size_t)length * sizeof *b->made);
    b->made_length = length;
    set_cells(b, true);
    covered = redundant(b, &words, at);
    set_cells(b, false);
    if (covered) return true;
    for (int32_t i = 0; i < length; i++) {
        int32_t place = b->pairs[words.start + i].place;
        for (int32_t k = b->maker_start[place]; k < b->maker_start[place + 1]; k++)
            if (!b->tried[b->maker[k]]) {
                b->tried[b->maker[k]] = 1;
                b->row[moves++] = b->maker[k];
            }
    }
    for (int32_t i = 0; i < moves; i++) b->tried[b->row[i]] = 0;
    for (int32_t i = 0; i < moves && !b->full; i++) {
        b->done += 1 + length / LONG;
        if (make_before(b, at, b->row[i]) && possible(b) && !keep_made(b, b->row[i], at)) return false;
    }
    return true;
}

static void backward_free(Backward *b) {
    if (b->group)
        for (ptrdiff_t i = 0; i <= b->places; i++) free(b->group[i].entry);
    free(b->group);
    free(b->maker_start);
    free(b->maker);
    free(b->limited_start);
    free(b->limited);
    free(b->limited_weight);
    free(b->sum);
    free(b->cells);
    free(b->tried);
    free(b->row);
    free(b->made);
    free(b->known);
    free(b->pairs);
    free(b->open);
    memset(b, 0, sizeof *b);
}

/* Begin a search. All that it reads stays where it is until it is freed, which has to follow also
 * when this fails for want of memory. */
static bool backward_make(
    Backward *b, const Net *net, const unsigned char *moves, const int32_t *target,
    const Rows *limits, const int32_t *totals, int32_t limit_count, int64_t most_bytes
) {
    size_t places = (size_t)net->places + 1, count = (size_t)net->transitions + 1;
    size_t puts = (size_t)net->put.start[net->transitions] + 1;
    size_t counted = (size_t)limits->start[limit_count] + 1;
    memset(b, 0, sizeof *b);
    b->net = net;
    b->places = net->places;
    b->limits = limit_count;
    b->limit_total = totals;
    b->most_bytes = most_bytes;
    b->maker_start = calloc(places + 1, sizeof *b->maker_start);
    b->maker = malloc(puts * sizeof *b->maker);
    b->limited_start = calloc(places + 1, sizeof *b->limited_start);
    b->limited = malloc(counted * sizeof *b->limited);
    b->limited_weight = malloc(counted * sizeof *b->limited_weight);
    b->sum = calloc((size_t)limit_count + 1, sizeof *b->sum);
    b->cells = calloc(places, sizeof *b->cells);
    b->tried = calloc(count, 1);
    b->row = malloc(count * sizeof *b->row);
    b->made = malloc(places * sizeof *b->made);
    b->group = calloc(places, sizeof *b->group);
    if (!b->maker_start || !b->maker || !b->limited_start || !b->limited || !b->limited_weight ||
        !b->sum || !b->cells || !b->tried || !b->row || !b->made || !b->group)
        return false;
    /* Count, add up from the end of each row, and fill from there: rows ascend. */
    for (ptrdiff_t t = 0; t < net->transitions; t++)
        for (int32_t k = net->put.start[t]; moves[t] && k < net->put.start[t + 1]; k++)
            b->maker_start[net->put.place[k]]++;
    for (ptrdiff_t p = 0; p < net->places; p++) b->maker_start[p + 1] += b->maker_start[p];
    for (ptrdiff_t t = net->transitions - 1; t >= 0; t--)
        for (int32_t k = net->put.start[t]; moves[t] && k < net->put.start[t + 1]; k++)
            b->maker[--b->maker_start[net->put.place[k]]] = (int32_t)t;
    for (int32_t k = 0; k < limits->start[limit_count]; k++)
        b->limited_start[limits->place[k]]++;
    for (ptrdiff_t p = 0; p < net->places; p++) b->limited_start[p + 1] += b->limited_start[p];
    for (int32_t l = limit_count - 1; l >= 0; l--)
        for (int32_t k = limits->start[l]; k < limits->start[l + 1]; k++) {
            int32_t to = --b->limited_start[limits->place[k]];
            b->limited[to] = l;
            b->limited_weight[to] = limits->weight[k];
        }
    for (int32_t p = 0; p < net->places; p++)
        if (target[p]) b->made[b->made_length++] = (Pair){p, target[p]};
    return keep_made(b, -1, -1);
}

/* Whether a marking covers a known one, or one that is found by about so much more work as `slice`
 * says; `*found` is the first. SEARCHING asks to be called again. */
static int backward_look(
    Backward *b, const int32_t *cells, int64_t work, int64_t slice, int32_t *found
) {
    int64_t pause = b->done + slice;
    Known words = {0};
    for (ptrdiff_t p = 0; p < b->net->places; p++) {
        uint64_t bit = (uint64_t)1 << (p & 63);
        if (cells[p] > 0) words.ones |= bit;
        if (cells[p] > 1) words.twos |= bit;
    }
    for (;;) {
        for (; b->looked < b->count; b->looked++) {
            const Known *known = &b->known[b->looked];
            if ((known->ones & ~words.ones) | (known->twos & ~words.twos)) continue;
            if (known->exact || holds(b, cells, b->looked)) {
                *found = b->looked;
                return COVERED;
            }
        }
        if (b->broken) return NO_MEMORY;
        if (!b->open_count && !b->full) return NOT_COVERED;
        if (b->full) return PAST_MEMORY;
        if (b->done > work) return PAST_WORK;
        if (b->done > pause) return SEARCHING;
        if (!expand_backward(b)) b->broken = true;
    }
}

#endif
