/* SHA-256 (FIPS 180-4), for texts of a few hundred bytes that lie in memory as a whole.
 *
 * The chain of hashes of a case has one link for each event. hashlib's way to a digest of so few
 * bytes, looking the algorithm up, a context of its own, objects of Python, costs several times the
 * digest itself. Processors with instructions for it (SHA-NI) are asked for once, and used.
 */

#ifndef WEFT_SHA256_H
#define WEFT_SHA256_H

#include <stdint.h>
#include <string.h>

#if (defined(__x86_64__) || defined(__i386__)) && (defined(__GNUC__) || defined(__clang__))
#define WEFT_SHA_NI 1
#include <cpuid.h>
#include <immintrin.h>
#endif

/* The first 32 bits of the fractional parts of the cube roots of the first 64 primes (4.2.2). */
static const uint32_t sha256_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static inline uint32_t sha256_rotated(uint32_t word, int by)
{
    return (word >> by) | (word << (32 - by));
}

/* The compression function on `blocks` of 64 bytes (6.2.2). */
static void sha256_plain(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    uint32_t w[64];
    for (; blocks; blocks--, data += 64) {
        for (int t = 0; t < 16; t++)
            w[t] = (uint32_t)data[4 * t] << 24 | (uint32_t)data[4 * t + 1] << 16
                   | (uint32_t)data[4 * t + 2] << 8 | (uint32_t)data[4 * t + 3];
        for (int t = 16; t < 64; t++) {
            uint32_t low = w[t - 15], high = w[t - 2];
            low = sha256_rotated(low, 7) ^ sha256_rotated(low, 18) ^ (low >> 3);
            high = sha256_rotated(high, 17) ^ sha256_rotated(high, 19) ^ (high >> 10);
            w[t] = w[t - 16] + low + w[t - 7] + high;
        }
        uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
        uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
        for (int t = 0; t < 64; t++) {
            uint32_t one = sha256_rotated(e, 6) ^ sha256_rotated(e, 11) ^ sha256_rotated(e, 25);
            one += h + ((e & f) ^ (~e & g)) + sha256_k[t] + w[t];
            uint32_t two = sha256_rotated(a, 2) ^ sha256_rotated(a, 13) ^ sha256_rotated(a, 22);
            two += (a & b) ^ (a & c) ^ (b & c);
            h = g, g = f, f = e, e = d + one;
            d = c, c = b, b = a, a = one + two;
        }
        state[0] += a, state[1] += b, state[2] += c, state[3] += d;
        state[4] += e, state[5] += f, state[6] += g, state[7] += h;
    }
}

#ifdef WEFT_SHA_NI
/* The same by instructions of the processor. Two registers hold the state as they want it: the
 * words a, b, e, f, and c, d, g, h, the first in the highest place. `w` is a ring of the last
 * sixteen words of the message, four a register. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
sha256_by_instructions(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; blocks; blocks--, data += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(data + 16 * i)), order);
        for (int i = 0; i < 16; i++) {
            if (i >= 4) { /* the next four words take the place of the oldest */
                const __m128i newest = w[(i + 3) & 3], between = w[(i + 2) & 3];
                __m128i made = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
                made = _mm_add_epi32(made, _mm_alignr_epi8(newest, between, 4));
                w[i & 3] = _mm_sha256msg2_epu32(made, newest);
            }
            const __m128i k = _mm_loadu_si128((const __m128i *)(sha256_k + 4 * i));
            __m128i added = _mm_add_epi32(w[i & 3], k);
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, added);
            added = _mm_shuffle_epi32(added, 0x0e);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, added);
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    state[0] = (uint32_t)_mm_extract_epi32(abef, 3), state[1] = (uint32_t)_mm_extract_epi32(abef, 2);
    state[4] = (uint32_t)_mm_extract_epi32(abef, 1), state[5] = (uint32_t)_mm_extract_epi32(abef, 0);
    state[2] = (uint32_t)_mm_extract_epi32(cdgh, 3), state[3] = (uint32_t)_mm_extract_epi32(cdgh, 2);
    state[6] = (uint32_t)_mm_extract_epi32(cdgh, 1), state[7] = (uint32_t)_mm_extract_epi32(cdgh, 0);
}

/* Whether the processor has SHA-NI, and the SSE4.1 beside it. */
static int sha256_has_instructions(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & (1u << 19)) || !(c & (1u << 9)))
        return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29)) != 0;
}
#else
static int sha256_has_instructions(void)
{
    return 0;
}

static void sha256_by_instructions(uint32_t state[8], const unsigned char *data, size_t blocks)
{
    sha256_plain(state, data, blocks);
}
#endif

/* The digest of `length` bytes; `instructions` is what `sha256_has_instructions` said. */
static void
sha256(const unsigned char *data, size_t length, unsigned char digest[32], int instructions)
{
    /* The first 32 bits of the fractional parts of the square roots of the first 8 primes. */
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char end[128] = {0};
    const size_t whole = length / 64, left = length % 64, blocks = left < 56 ? 1 : 2;
    const uint64_t bits = (uint64_t)length * 8;
    if (left)
        memcpy(end, data + 64 * whole, left);
    end[left] = 0x80;
    for (int i = 0; i < 8; i++)
        end[64 * blocks - 1 - (size_t)i] = (unsigned char)(bits >> (8 * i));
    if (instructions) {
        sha256_by_instructions(state, data, whole);
        sha256_by_instructions(state, end, blocks);
    }
    else {
        sha256_plain(state, data, whole);
        sha256_plain(state, end, blocks);
    }
    for (int i = 0; i < 8; i++) {
        digest[4 * i] = (unsigned char)(state[i] >> 24);
        digest[4 * i + 1] = (unsigned char)(state[i] >> 16);
        digest[4 * i + 2] = (unsigned char)(state[i] >> 8);
        digest[4 * i + 3] = (unsigned char)state[i];
    }
}

#endif
