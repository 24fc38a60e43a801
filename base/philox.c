#include "base/philox.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#endif

enum { ROUNDS = 10 };
static const uint32_t M0 = 0xD2511F53, M1 = 0xCD9E8D57; /* multipliers, paper table 2 */
static const uint32_t W0 = 0x9E3779B9, W1 = 0xBB67AE85; /* Weyl key increments */

void ws_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t c0 = (uint32_t)index, c1 = (uint32_t)(index >> 32);
    uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
    for (int r = 0; r < ROUNDS; r++) {
        uint64_t p0 = (uint64_t)M0 * c0, p1 = (uint64_t)M1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += W0;
        k1 += W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

uint64_t ws_philox_u64(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    ws_philox(seed, stream, index, w);
    return (uint64_t)w[1] << 32 | w[0];
}

static double unit(uint64_t word)
{
    return (double)(int64_t)(word >> 11) * 0x1p-53;
}

double ws_philox_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return unit(ws_philox_u64(seed, stream, index));
}

enum { LANES = 16 };

#if defined(__x86_64__) && defined(__GNUC__)
/* Words 1 and 0 of LANES blocks in a row, the index of which does not carry into its upper half,
 * and their words 3 and 2, if `more` is given. A word is the lower half of a lane of 64 bits; what
 * the upper half holds no step reads. */
__attribute__((target("avx2"))) static void many_blocks(uint64_t seed, uint64_t stream,
                                                        uint64_t first, uint64_t out[LANES],
                                                        uint64_t *more)
{
    enum { PER = 4, N = LANES / PER };
    const __m256i m0 = _mm256_set1_epi64x(M0), m1 = _mm256_set1_epi64x(M1);
    const __m256i low = _mm256_set1_epi64x(0xFFFFFFFF);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    __m256i c0[N], c1[N], c2[N], c3[N];
    for (int i = 0; i < N; i++) {
        c0[i] = _mm256_add_epi64(_mm256_set1_epi64x((int64_t)(uint32_t)first + i * PER),
                                 _mm256_set_epi64x(3, 2, 1, 0));
        c1[i] = _mm256_set1_epi64x((int64_t)(first >> 32));
        c2[i] = _mm256_set1_epi64x((int64_t)(uint32_t)stream);
        c3[i] = _mm256_set1_epi64x((int64_t)(stream >> 32));
    }
    for (int r = 0; r < ROUNDS; r++, k0 += W0, k1 += W1)
        for (int i = 0; i < N; i++) {
            __m256i p0 = _mm256_mul_epu32(m0, c0[i]), p1 = _mm256_mul_epu32(m1, c2[i]);
            c0[i] = _mm256_xor_si256(_mm256_srli_epi64(p1, 32), c1[i]);
            c0[i] = _mm256_xor_si256(c0[i], _mm256_set1_epi64x(k0));
            c2[i] = _mm256_xor_si256(_mm256_srli_epi64(p0, 32), c3[i]);
            c2[i] = _mm256_xor_si256(c2[i], _mm256_set1_epi64x(k1));
            c1[i] = p1;
            c3[i] = p0;
        }
    for (int i = 0; i < N; i++) {
        __m256i word = _mm256_or_si256(_mm256_slli_epi64(c1[i], 32), _mm256_and_si256(c0[i], low));
        _mm256_storeu_si256((__m256i *)(void *)(out + i * PER), word);
    }
    for (int i = 0; more && i < N; i++) {
        __m256i word = _mm256_or_si256(_mm256_slli_epi64(c3[i], 32), _mm256_and_si256(c2[i], low));
        _mm256_storeu_si256((__m256i *)(void *)(more + i * PER), word);
    }
}

static bool has_lanes(void)
{
    return __builtin_cpu_supports("avx2");
}
#else
static void many_blocks(uint64_t seed, uint64_t stream, uint64_t first, uint64_t out[LANES],
                        uint64_t *more)
{
    for (uint64_t i = 0; i < LANES; i++) {
        uint32_t w[4];
        ws_philox(seed, stream, first + i, w);
        out[i] = (uint64_t)w[1] << 32 | w[0];
        if (more)
            more[i] = (uint64_t)w[3] << 32 | w[2];
    }
}

static bool has_lanes(void)
{
    return false;
}
#endif

/* Whether LANES blocks from `index` on can be made at once, of `left` that are wanted. */
static bool fit(int64_t left, uint64_t index)
{
    return left >= LANES && (uint32_t)index <= UINT32_MAX - LANES;
}

/* Of a block's words 1 and 0, and 3 and 2. */
static double normal(uint64_t word, uint64_t more)
{
    double u = 1.0 - unit(word); /* (0,1]: the logarithm is finite */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * unit(more));
}

double ws_philox_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    ws_philox(seed, stream, index, w);
    return normal((uint64_t)w[1] << 32 | w[0], (uint64_t)w[3] << 32 | w[2]);
}

static void draw(uint64_t seed, uint64_t stream, uint64_t first, int64_t n, bool normals, double *out)
{
    uint64_t word[LANES], more[LANES];
    bool lanes = has_lanes();
    for (int64_t k = 0; k < n;) {
        uint64_t index = first + (uint64_t)k;
        if (!lanes || !fit(n - k, index)) {
            out[k++] = (normals ? ws_philox_normal : ws_philox_uniform)(seed, stream, index);
            continue;
        }
        many_blocks(seed, stream, index, word, normals ? more : NULL);
        for (int i = 0; i < LANES; i++)
            out[k + i] = normals ? normal(word[i], more[i]) : unit(word[i]);
        k += LANES;
    }
}

void ws_philox_uniforms(uint64_t seed, uint64_t stream, uint64_t first, int64_t n, double *out)
{
    draw(seed, stream, first, n, false, out);
}

void ws_philox_normals(uint64_t seed, uint64_t stream, uint64_t first, int64_t n, double *out)
{
    draw(seed, stream, first, n, true, out);
}
