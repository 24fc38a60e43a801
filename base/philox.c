#include "base/philox.h"

#include <math.h>

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

static double unit(uint32_t hi, uint32_t lo)
{
    return (double)(((uint64_t)hi << 32 | lo) >> 11) * 0x1p-53;
}

double ws_philox_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    ws_philox(seed, stream, index, w);
    return unit(w[1], w[0]);
}

double ws_philox_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
    uint32_t w[4];
    ws_philox(seed, stream, index, w);
    double u = 1.0 - unit(w[1], w[0]); /* (0,1]: the logarithm is finite */
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586476925 * unit(w[3], w[2]));
}
