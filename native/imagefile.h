/* The arrays of an image file: are they those of a net?
 *
 * The same judgement as `check_arrays` in imagefile.py, whose docstring has the layout; here only
 * yes or no, since what is wrong is told there. Nothing read is used as an index before it has
 * been compared with what it indexes. The header has been judged: the parts fill the file.
 */
#ifndef WEFT_IMAGEFILE_H
#define WEFT_IMAGEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    ptrdiff_t places, transitions, arcs[5], touch, sources; /* none above INT32_MAX */
} ImageCounts;

enum { IMAGE_TAKE, IMAGE_PUT, IMAGE_NEEDS, IMAGE_LACKS, IMAGE_CLEAR };

static inline bool image_rows_sound(const int32_t *start, const int32_t *place,
                                    const int32_t *weight, ptrdiff_t n, ptrdiff_t m,
                                    ptrdiff_t arcs, int kind) {
    int32_t lightest = kind != IMAGE_PUT;
    if (arcs == 0) { /* common, and then all are zero */
        int32_t any = 0;
        for (ptrdiff_t t = 0; t <= m; t++) any |= start[t];
        return any == 0;
    }
    if (start[0] != 0 || start[m] != arcs) return false;
    for (ptrdiff_t t = 0; t < m; t++) {
        int32_t before = -1;
        if (start[t + 1] < start[t] || start[t + 1] > arcs) return false;
        for (int32_t k = start[t]; k < start[t + 1]; k++) {
            int32_t p = place[k];
            if (p < 0 || p >= n) return false;
            if (weight && weight[k] < lightest) return false;
            if (kind != IMAGE_PUT && p <= before) return false;
            before = p;
        }
    }
    return true;
}

/* That touch and sources are what the arcs make them; the rows are sound, `at` has n cells. */
static inline bool image_derived_sound(const int32_t *const *start, const int32_t *const *place,
                                       ptrdiff_t n, ptrdiff_t m, const int32_t *touch_start,
                                       const int32_t *touch, ptrdiff_t touches,
                                       const int32_t *sources, ptrdiff_t source_count,
                                       int32_t *at) {
    static const int reads[] = {IMAGE_TAKE, IMAGE_NEEDS, IMAGE_LACKS};
    ptrdiff_t source = 0;
    int64_t read = 0;
    if (touch_start[0] != 0 || touch_start[n] != touches) return false;
    for (ptrdiff_t p = 0; p < n; p++) {
        if (touch_start[p + 1] < touch_start[p]) return false;
        at[p] = touch_start[p];
    }
    for (ptrdiff_t t = 0; t < m; t++) {
        if (start[IMAGE_TAKE][t] == start[IMAGE_TAKE][t + 1] &&
            start[IMAGE_NEEDS][t] == start[IMAGE_NEEDS][t + 1]) {
            if (source == source_count || sources[source++] != t) return false;
        }
        for (int i = 0; i < 3; i++)
            for (int32_t k = start[reads[i]][t]; k < start[reads[i]][t + 1]; k++) {
                int32_t p = place[reads[i]][k];
                /* A place that it reads by several arcs is there once. */
                if (at[p] > touch_start[p] && touch[at[p] - 1] == t) continue;
                if (at[p] == touch_start[p + 1] || touch[at[p]] != t) return false;
                at[p]++;
                read++;
            }
    }
    return read == touches && source == source_count;
}

/* Whether a file's arrays are sound, and its first immediate transition with a counted put, or
 * -1. False also without memory for a number a place. `data` is aligned to 4 bytes. */
static inline bool image_sound(const unsigned char *data, const ImageCounts *counts,
                               ptrdiff_t *counted) {
    ptrdiff_t n = counts->places, m = counts->transitions;
    const int32_t *next = (const int32_t *)(const void *)data;
    const int32_t *start[5], *place[5], *weight[5], *touch_start, *touch, *sources, *initial;
    const unsigned char *flags;
    int32_t *at, lowest = 0;
    unsigned char all = 0;
    bool sound = true, zero = false;
    for (int kind = 0; kind < 5; kind++) {
        start[kind] = next;
        place[kind] = start[kind] + m + 1;
        weight[kind] = kind == IMAGE_CLEAR ? NULL : place[kind] + counts->arcs[kind];
        next = place[kind] + counts->arcs[kind] * (kind == IMAGE_CLEAR ? 1 : 2);
    }
    touch_start = next;
    touch = touch_start + n + 1;
    sources = touch + counts->touch;
    initial = sources + counts->sources;
    flags = (const unsigned char *)(initial + n + m); /* after the order */
    for (int kind = 0; kind < 5 && sound; kind++)
        sound = image_rows_sound(start[kind], place[kind], weight[kind], n, m, counts->arcs[kind],
                                 kind);
    if (!sound) return false;
    at = malloc((size_t)(n + 1) * sizeof *at);
    if (!at) return false;
    sound = image_derived_sound(start, place, n, m, touch_start, touch, counts->touch, sources,
                                counts->sources, at);
    free(at);
    for (ptrdiff_t p = 0; p < n; p++) lowest |= initial[p]; /* the sign of any is kept */
    for (ptrdiff_t i = 0; i < 2 * m; i++) all |= flags[i];
    sound = sound && lowest >= 0 && all <= 1;
    for (ptrdiff_t k = 0; k < counts->arcs[IMAGE_PUT]; k++) zero |= weight[IMAGE_PUT][k] == 0;
    *counted = -1;
    for (ptrdiff_t t = m - 1; t >= 0 && sound && zero; t--)
        for (int32_t k = start[IMAGE_PUT][t]; k < start[IMAGE_PUT][t + 1]; k++)
            if (weight[IMAGE_PUT][k] == 0 && !flags[t]) *counted = t;
    return sound;
}

#endif
