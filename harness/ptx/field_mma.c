/* Matrix products over a prime field: see field.h. */
#include "harness/ptx/field_step.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/mma.h"

/* Elements as integers, those outside the field as `outside`. */
static u32 element(f32 v, u32 p, bool *outside)
{
    u32 e = field_of32(fp_bits(v));
    *outside |= e >= p;
    return e;
}

void mma_multiply_field(mma_tile *x, u32 k, u32 prime)
{
    const u32 p = prime;
    for (u32 j = 0; j < MMA_N; j++)
        for (u32 r = 0; r < MMA_M; r++) {
            bool outside = false;
            u64 sum = element(x->c[j][r], p, &outside); /* at most 64 products of 32 bits */
            for (u32 q = 0; q < k; q++)
                sum += (u64)element(x->a[q][r], p, &outside) * element(x->b[j][q], p, &outside);
            x->d[j][r] = fp_of_bits((outside ? WS_FIELD_OUTSIDE : (u32)(sum % p)) << 16);
        }
}
