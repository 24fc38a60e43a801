/* Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11).
 * Counter-based: element i of stream s under seed k is a pure function of (k, s, i), so inputs can
 * be made in any order and on any number of threads. */
#ifndef BASE_PHILOX_H
#define BASE_PHILOX_H

#include <stdint.h>

/* out = four independent 32-bit words for the 128-bit counter (index, stream). */
void ws_philox(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4]);

uint64_t ws_philox_u64(uint64_t seed, uint64_t stream, uint64_t index);
/* Uniform on [0,1), multiples of 2^-53. */
double ws_philox_uniform(uint64_t seed, uint64_t stream, uint64_t index);
/* out[i] = ws_philox_uniform(seed, stream, first + i), several at a time. */
void ws_philox_uniforms(uint64_t seed, uint64_t stream, uint64_t first, int64_t n, double *out);
/* Standard normal (Box-Muller, cosine branch). */
double ws_philox_normal(uint64_t seed, uint64_t stream, uint64_t index);
/* out[i] = ws_philox_normal(seed, stream, first + i), several at a time. */
void ws_philox_normals(uint64_t seed, uint64_t stream, uint64_t first, int64_t n, double *out);

#endif
