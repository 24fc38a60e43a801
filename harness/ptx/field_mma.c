/* Matrix products over a prime field: see field.h. */
#include "harness/ptx/field_step.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/mma.h"

/* Elements of one row of lanes as integers; `outside` notes which are none. */
static void take(const f32 *from, u32 n, u32 p, u32 *to, u32 *outside)
{
    for (u32 k = 0; k < n; k++) {
        u32 bits;
        memcpy(&bits, from + k, 4);
        to[k] = field_of32(bits);
        outside[k] |= to[k] >= p;
    }
}

/* At most 64 products of 32 bits and an element: below 2^39. */
void mma_multiply_field(mma_tile *x, u32 k, u32 prime)
{
    u32 a[MMA_MAX_K][MMA_M], b[MMA_N][MMA_MAX_K], bad_row[MMA_M] = {0};
    for (u32 q = 0; q < k; q++)
        take(x->a[q], MMA_M, prime, a[q], bad_row);
    for (u32 j = 0; j < MMA_N; j++) {
        u32 c[MMA_M], bad[MMA_M], bad_column[MMA_MAX_K] = {0}, any = 0;
        u64 sum[MMA_M];
        memcpy(bad, bad_row, sizeof bad);
        take(x->c[j], MMA_M, prime, c, bad);
        take(x->b[j], k, prime, b[j], bad_column);
        for (u32 r = 0; r < MMA_M; r++)
            sum[r] = c[r];
        for (u32 q = 0; q < k; q++) {
            any |= bad_column[q];
            for (u32 r = 0; r < MMA_M; r++)
                sum[r] += (u64)a[q][r] * b[j][q];
        }
        for (u32 r = 0; r < MMA_M; r++) {
            u32 bits = (bad[r] || any ? WS_FIELD_OUTSIDE : (u32)(sum[r] % prime)) << 16;
            memcpy(&x->d[j][r], &bits, 4);
        }
    }
}
