/* The sums of tensor cores on random tiles, by every variant of the engine that this CPU executes,
 * against the rule written plainly, one output at a time. */
#include "base/dtype.h"
#include "harness/ptx/variant.h"
#include "tests/tap.h"

#include <stdlib.h>

static mma_tile x;
static const ptx_variant *variant; /* under test */
static const char *engine;

static int exponent(double v, int least)
{
    int e = 0;
    if (v == 0)
        return -126;
    frexp(v, &e);
    return e - 1 > least ? e - 1 : least;
}

static int least_exponent(mma_type t)
{
    return t == MMA_E4M3 ? -6 : t == MMA_F16 || t == MMA_E5M2 ? -14 : -126;
}

/* Columns from .. to - 1 of one step, cut to f32. */
static float plain_sum(u32 row, u32 j, u32 from, u32 to, float c, mma_type ta, mma_type tb,
                       int bits)
{
    int top = exponent((double)c, -126);
    double check = (double)c;
    for (u32 k = from; k < to; k++) {
        double a = (double)x.a[k][row], b = (double)x.b[j][k];
        int e = exponent(a, least_exponent(ta)) + exponent(b, least_exponent(tb));
        check += a * b;
        top = e > top ? e : top;
    }
    if (!isfinite(check))
        return (float)check;
    double sum = trunc(ldexp((double)c, bits - top));
    for (u32 k = from; k < to; k++)
        sum += trunc(ldexp((double)x.a[k][row] * (double)x.b[j][k], bits - top));
    sum = ldexp(sum, top - bits);
    float f = (float)sum;
    return fabs((double)f) > fabs(sum) && fabs(sum) < 0x1p128 ? nextafterf(f, 0) : f;
}

static float random_value(mma_type t, int spread)
{
    u32 bits = (u32)rand() << 16 ^ (u32)rand();
    if (!spread) /* any pattern, NaN and infinity too */
        return mma_widen(t, bits & (u32)((1ull << mma_type_bits(t)) - 1));
    float v = ldexpf((float)(rand() % 2001 - 1000) / 512, rand() % (2 * spread) - spread);
    if (t == MMA_E4M3)
        return mma_widen(t, ws_e4m3_from_f64((double)v));
    if (t == MMA_E5M2)
        return mma_widen(t, ws_e5m2_from_f64((double)v));
    u32 b;
    memcpy(&b, &v, 4);
    b &= t == MMA_BF16 ? 0xffff0000u : 0xffffe000u;
    memcpy(&v, &b, 4);
    return rand() % 10 ? v : 0;
}

static void check_model(mma_type ta, mma_type tb, u32 k, u32 stride, int spread, int model,
                        int bits, const char *what)
{
    int bad = 0;
    for (int round = 0; round < 300; round++) {
        for (u32 q = 0; q < k; q++) {
            for (u32 r = 0; r < MMA_M; r++)
                x.a[q][r] = random_value(ta, spread);
            for (u32 j = 0; j < MMA_N; j++)
                x.b[j][q] = random_value(tb, spread);
        }
        float c[MMA_N][MMA_M];
        for (u32 j = 0; j < MMA_N; j++)
            for (u32 r = 0; r < MMA_M; r++)
                c[j][r] =
                    rand() % 3 ? ldexpf((float)(rand() % 2001 - 1000) / 333, rand() % 40 - 20) : 0;
        memcpy(x.c, c, sizeof c);
        variant->mma_multiply(&x, k, &(mma_rule){.a = ta, .b = tb, .model = model});
        for (u32 j = 0; j < MMA_N; j++)
            for (u32 r = 0; r < MMA_M; r++) {
                float want = c[j][r];
                for (u32 at = 0; at < k; at += stride)
                    want = plain_sum(r, j, at, at + stride, want, ta, tb, bits);
                bool same = isnan(want) ? isnan(x.d[j][r]) : memcmp(&want, &x.d[j][r], 4) == 0;
                if (!same && !bad++)
                    printf("# %a, expected %a\n", (double)x.d[j][r], (double)want);
            }
    }
    ok(!bad, "%s, exponents of +-%d, %s", what, spread, engine);
}

static void check_variant(void)
{
    static const int spread[] = {0, 4, 12};
    srand(7);
    for (int s = 0; s < 3; s++) {
        check_model(MMA_F16, MMA_F16, 16, 16, spread[s], PTX_MMA_HOPPER, 25, "f16 on Hopper");
        check_model(MMA_F16, MMA_F16, 16, 8, spread[s], PTX_MMA_AMPERE, 24, "f16 on Ampere");
        check_model(MMA_BF16, MMA_BF16, 16, 16, 5 * spread[s], PTX_MMA_HOPPER, 25,
                    "bf16 on Hopper");
        check_model(MMA_BF16, MMA_BF16, 8, 8, 5 * spread[s], PTX_MMA_AMPERE, 24, "bf16 on Ampere");
        check_model(MMA_TF32, MMA_TF32, 8, 8, 5 * spread[s], PTX_MMA_HOPPER, 25, "tf32 on Hopper");
        check_model(MMA_TF32, MMA_TF32, 8, 4, 5 * spread[s], PTX_MMA_AMPERE, 24, "tf32 on Ampere");
        check_model(MMA_E4M3, MMA_E4M3, 32, 32, spread[s], PTX_MMA_HOPPER, 25, "e4m3");
        check_model(MMA_E4M3, MMA_E5M2, 32, 32, spread[s], PTX_MMA_HOPPER, 25, "e4m3 by e5m2");
        check_model(MMA_E5M2, MMA_E4M3, 32, 32, spread[s], PTX_MMA_HOPPER, 25, "e5m2 by e4m3");
    }
}

int main(void)
{
    bool runs_here = false;
    for (int v = 0; (variant = ptx_variant_at(v, &engine, &runs_here)); v++)
        if (runs_here)
            check_variant();
    return tap_done();
}
