/* An image file: is it one, and are its arrays those of a net?
 *
 * The same judgement as `layout_of` and `check_arrays` in imagefile.py, whose docstring has the
 * layout; here only yes or no, since what is wrong is told there. Nothing read is used as an index
 * before it has been compared with what it indexes.
 */
#ifndef WEFT_IMAGEFILE_H
#define WEFT_IMAGEFILE_H

#include "net.h"
#if HAVE_FAST
#include <immintrin.h>
#endif

typedef struct {
    ptrdiff_t places, transitions, arcs[5], touch, sources; /* none above INT32_MAX */
} ImageCounts;

enum { IMAGE_MAGIC = 8, IMAGE_CHECKED = 32, IMAGE_HEADER = 128, IMAGE_COUNTS = 11 };
enum { IMAGE_TAKE, IMAGE_PUT, IMAGE_NEEDS, IMAGE_LACKS, IMAGE_CLEAR };

/* ── the checksum ────────────────────────────────────────────────────────────────────────────── */

/* CRC-32 as in zlib, of what came before and these bytes; bit by bit. */
static inline uint32_t image_crc_plain(uint32_t crc, const unsigned char *data, size_t size) {
    crc = ~crc;
    while (size--) {
        crc ^= *data++;
        for (int i = 0; i < 8; i++) crc = crc >> 1 ^ (0xEDB88320u & -(crc & 1));
    }
    return ~crc;
}

#if HAVE_FAST
#define IMAGE_CRC __attribute__((target("pclmul,sse4.1")))
static inline bool image_crc_fast_here(void) {
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
}

/* 128 bits moved on by the distance that the two factors stand for. */
static inline IMAGE_CRC __m128i image_folded(__m128i bits, __m128i factors, __m128i onto) {
    __m128i low = _mm_clmulepi64_si128(bits, factors, 0x00);
    __m128i high = _mm_clmulepi64_si128(bits, factors, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), onto);
}

/* The same by carry-less multiplication: V. Gopal et al., "Fast CRC Computation for Generic
 * Polynomials Using PCLMULQDQ Instruction" (2009). The factors are powers of x modulo the
 * polynomial, bits reflected: x^(512+32) and x^(512-32), x^(128+32) and x^(128-32), x^64; then
 * the polynomial and what Barrett's reduction divides by. */
static IMAGE_CRC uint32_t image_crc_fast(uint32_t crc, const unsigned char *data, size_t size) {
    const __m128i by_four = _mm_set_epi64x(0x1C6E41596, 0x154442BD4);
    const __m128i by_one = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
    const __m128i half = _mm_set_epi64x(0, 0x163CD6124);
    const __m128i barrett = _mm_set_epi64x(0x1F7011641, 0x1DB710641);
    const __m128i words = _mm_setr_epi32(-1, 0, -1, 0);
    __m128i row[4], sum, rest;
    if (size < 64) return image_crc_plain(crc, data, size);
    for (int i = 0; i < 4; i++) row[i] = _mm_loadu_si128((const __m128i *)data + i);
    row[0] = _mm_xor_si128(row[0], _mm_cvtsi32_si128((int)~crc));
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64)
        for (int i = 0; i < 4; i++)
            row[i] = image_folded(row[i], by_four, _mm_loadu_si128((const __m128i *)data + i));
    sum = row[0];
    for (int i = 1; i < 4; i++) sum = image_folded(sum, by_one, row[i]);
    for (; size >= 16; data += 16, size -= 16)
        sum = image_folded(sum, by_one, _mm_loadu_si128((const __m128i *)data));
    sum = _mm_xor_si128(_mm_srli_si128(sum, 8), _mm_clmulepi64_si128(sum, by_one, 0x10));
    rest = _mm_srli_si128(sum, 4);
    sum = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(sum, words), half, 0x00), rest);
    rest = _mm_clmulepi64_si128(_mm_and_si128(sum, words), barrett, 0x10);
    rest = _mm_clmulepi64_si128(_mm_and_si128(rest, words), barrett, 0x00);
    crc = ~(uint32_t)_mm_extract_epi32(_mm_xor_si128(sum, rest), 1);
    return image_crc_plain(crc, data, size);
}
#else
static inline bool image_crc_fast_here(void) { return false; }
#define image_crc_fast image_crc_plain
#endif

/* ── the header ──────────────────────────────────────────────────────────────────────────────── */

static inline uint64_t image_number(const unsigned char *at, int bytes) {
    uint64_t number = 0;
    while (bytes--) number = number << 8 | at[bytes];
    return number;
}

/* Whether a header is in order, and its checksum right, if that can be told quickly; else false,
 * and nobody knows. */
static inline bool image_header(const unsigned char *data, size_t size, ImageCounts *counts) {
    static const unsigned char begin[] = "\x89WEFTNET\1\0\0\0\4\3\2\1";
    static const uint32_t here = 1;
    uint64_t number[IMAGE_COUNTS], numbers, text, end;
    if (!image_crc_fast_here() || *(const unsigned char *)&here != 1) return false;
    if (size < IMAGE_HEADER || memcmp(data, begin, sizeof begin - 1) != 0) return false;
    if (image_number(data + 16, 8) != size || image_number(data + IMAGE_HEADER - 8, 8) != 0)
        return false;
    for (int i = 0; i < IMAGE_COUNTS; i++) {
        number[i] = image_number(data + IMAGE_CHECKED + 8 * i, 8);
        if (number[i] > INT32_MAX) return false;
    }
    if (number[10] != 1) return false;
    counts->places = (ptrdiff_t)number[0];
    counts->transitions = (ptrdiff_t)number[1];
    numbers = 5 * (number[1] + 1) + number[0] + 1 + number[0] + number[1] + number[7] + number[8];
    for (int i = 0; i < 5; i++) {
        counts->arcs[i] = (ptrdiff_t)number[2 + i];
        numbers += number[2 + i] * (i == IMAGE_CLEAR ? 1 : 2);
    }
    counts->touch = (ptrdiff_t)number[7];
    counts->sources = (ptrdiff_t)number[8];
    text = number[9];
    end = IMAGE_HEADER + 4 * numbers + 2 * number[1];
    if (end + text != size) return false;
    return image_crc_fast(0, data + IMAGE_CHECKED, (size_t)end - IMAGE_CHECKED) ==
           image_number(data + 24, 4);
}

/* ── the arrays ──────────────────────────────────────────────────────────────────────────────── */

/* The net of sound arrays, where they lie. */
static inline void image_net(const unsigned char *data, const ImageCounts *counts, Net *net) {
    const int32_t *next = (const int32_t *)(const void *)data;
    ptrdiff_t n = counts->places, m = counts->transitions;
    Rows *rows[] = {&net->take, &net->put, &net->needs, &net->lacks, &net->clear};
    for (int kind = 0; kind < 5; kind++) {
        const int32_t *place = next + m + 1;
        ptrdiff_t arcs = counts->arcs[kind];
        *rows[kind] = (Rows){next, place, place + arcs};
        next = place + arcs * (kind == IMAGE_CLEAR ? 1 : 2);
    }
    net->places = n;
    net->transitions = m;
    net->touch_start = next;
    net->touch = next + n + 1;
    net->sources = net->touch + counts->touch;
    net->source_count = counts->sources;
    net->external = (const unsigned char *)(net->sources + counts->sources + n + m);
}

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
static inline bool image_derived_sound(const Net *net, const ImageCounts *counts, int32_t *at) {
    const Rows *rows[] = {&net->take, &net->needs, &net->lacks}, *reads[3];
    static const int kinds[] = {IMAGE_TAKE, IMAGE_NEEDS, IMAGE_LACKS};
    const int32_t *touch_start = net->touch_start, *touch = net->touch;
    ptrdiff_t n = counts->places, m = counts->transitions, source = 0;
    int64_t read = 0;
    int count = 0;
    for (int i = 0; i < 3; i++) /* most nets have one kind */
        if (counts->arcs[kinds[i]]) reads[count++] = rows[i];
    if (touch_start[0] != 0 || touch_start[n] != counts->touch) return false;
    for (ptrdiff_t p = 0; p < n; p++) {
        if (touch_start[p + 1] < touch_start[p]) return false;
        at[p] = touch_start[p];
    }
    for (ptrdiff_t t = 0; t < m; t++) {
        if (net->take.start[t] == net->take.start[t + 1] &&
            net->needs.start[t] == net->needs.start[t + 1]) {
            if (source == counts->sources || net->sources[source++] != t) return false;
        }
        for (int i = 0; i < count; i++)
            for (int32_t k = reads[i]->start[t]; k < reads[i]->start[t + 1]; k++) {
                int32_t p = reads[i]->place[k], here = at[p];
                /* A place that it reads by several arcs is there once. */
                if (i && here > touch_start[p] && touch[here - 1] == t) continue;
                if (here == touch_start[p + 1] || touch[here] != t) return false;
                at[p] = here + 1;
                read++;
            }
    }
    return read == counts->touch && source == counts->sources;
}

/* Whether a file's arrays are sound, and its first immediate transition with a counted put, or
 * -1. False also without memory for a number a place. `data`, after the header, is aligned to 4
 * bytes; `net` is what it holds, sound or not. */
static inline bool image_sound(const unsigned char *data, const ImageCounts *counts, Net *net,
                               ptrdiff_t *counted) {
    ptrdiff_t n = counts->places, m = counts->transitions;
    const Rows *rows[] = {&net->take, &net->put, &net->needs, &net->lacks, &net->clear};
    const int32_t *initial;
    int32_t *at, lowest = 0;
    unsigned char all = 0;
    bool sound, zero = false;
    image_net(data, counts, net);
    for (int kind = 0; kind < 5; kind++)
        if (!image_rows_sound(rows[kind]->start, rows[kind]->place,
                              kind == IMAGE_CLEAR ? NULL : rows[kind]->weight, n, m,
                              counts->arcs[kind], kind))
            return false;
    at = malloc((size_t)(n + 1) * sizeof *at);
    if (!at) return false;
    sound = image_derived_sound(net, counts, at);
    free(at);
    initial = net->sources + counts->sources;
    for (ptrdiff_t p = 0; p < n; p++) lowest |= initial[p]; /* the sign of any is kept */
    for (ptrdiff_t i = 0; i < 2 * m; i++) all |= net->external[i]; /* and then the guards */
    sound = sound && lowest >= 0 && all <= 1;
    for (ptrdiff_t k = 0; k < counts->arcs[IMAGE_PUT]; k++) zero |= net->put.weight[k] == 0;
    *counted = -1;
    for (ptrdiff_t t = m - 1; t >= 0 && sound && zero; t--)
        for (int32_t k = net->put.start[t]; k < net->put.start[t + 1]; k++)
            if (net->put.weight[k] == 0 && !net->external[t]) *counted = t;
    return sound;
}

#endif
