/* The element types of matrix instructions. */
#include "base/dtype.h"
#include "harness/ptx/fp.h"
#include "harness/ptx/mma.h"

#include <math.h>
#include <stdio.h>

static const struct {
    const char *name;
    u8 bits;
    s16 least_exponent; /* of normal numbers */
} types[MMA_TYPE_COUNT] = {
    [MMA_F16] = {"f16", 16, -14}, [MMA_BF16] = {"bf16", 16, -126}, [MMA_TF32] = {"tf32", 32, -126},
    [MMA_E4M3] = {"e4m3", 8, -6}, [MMA_E5M2] = {"e5m2", 8, -14},   [MMA_F32] = {"f32", 32, -126},
    [MMA_E3M2] = {"e3m2", 6, -2}, [MMA_E2M3] = {"e2m3", 6, 0},     [MMA_E2M1] = {"e2m1", 4, 0},
    [MMA_F64] = {"f64", 64, 0},   [MMA_S8] = {"s8", 8, 0},         [MMA_U8] = {"u8", 8, 0},
    [MMA_S4] = {"s4", 4, 0},      [MMA_U4] = {"u4", 4, 0},         [MMA_B1] = {"b1", 1, 0},
    [MMA_S32] = {"s32", 32, 0},
};

mma_type mma_type_find(ws_str name)
{
    for (int t = 0; t < MMA_TYPE_COUNT; t++)
        if (ws_str_eqz(name, types[t].name))
            return (mma_type)t;
    return MMA_TYPE_COUNT;
}

mma_words mma_read(const ptx_ast_insn *a)
{
    mma_words x = {.n_types = 0};
    int layouts = 0;
    for (int p = 1; p < a->n_parts; p++) {
        char text[24];
        mma_type t = mma_type_find(a->part[p]);
        bool col = ws_str_eqz(a->part[p], "col");
        snprintf(text, sizeof text, "%.*s", WS_STR_ARG(a->part[p]));
        sscanf(text, "m%3un%3uk%3u", &x.m, &x.n, &x.k);
        if (t != MMA_TYPE_COUNT && x.n_types < 4)
            x.type[x.n_types++] = t;
        if ((col || ws_str_eqz(a->part[p], "row")) && layouts < 2)
            x.col[layouts++] = col;
    }
    return x;
}

u32 mma_type_bits(mma_type t)
{
    return types[t].bits;
}

s32 mma_least_exponent(mma_type t)
{
    return types[t].least_exponent;
}

static f32 widen_fp8(u32 v, u32 mantissa_bits, int bias)
{
    u32 exponent = (v & 0x7f) >> mantissa_bits, mantissa = v & ((1u << mantissa_bits) - 1);
    f32 one = (f32)(1u << mantissa_bits), x;
    if (mantissa_bits == 3 ? (v & 0x7f) == 0x7f : exponent == 31 && mantissa)
        return fp_of_bits(0x7fffffff);
    if (mantissa_bits == 2 && exponent == 31)
        x = (f32)INFINITY;
    else if (exponent)
        x = ldexpf(1 + (f32)mantissa / one, (int)exponent - bias);
    else
        x = ldexpf((f32)mantissa / one, 1 - bias);
    return v & 0x80 ? -x : x;
}

/* Of a format without infinity and NaN, that the sign stands above. */
static f32 widen_small(u32 v, u32 mantissa_bits, int bias, u32 sign)
{
    u32 exponent = (v & (sign - 1)) >> mantissa_bits, mantissa = v & ((1u << mantissa_bits) - 1);
    f32 part = (f32)mantissa / (f32)(1u << mantissa_bits);
    f32 x = exponent ? ldexpf(1 + part, (int)exponent - bias) : ldexpf(part, 1 - bias);
    return v & sign ? -x : x;
}

f32 mma_widen(mma_type t, u32 bits)
{
    switch (t) {
    case MMA_F16:
        return (f32)ws_f16_to_f64((u16)bits);
    case MMA_BF16:
        return fp_of_bits(bits << 16);
    case MMA_TF32: /* the low bits are not looked at */
        return fp_of_bits(bits & ~0x1fffu);
    case MMA_E4M3:
        return widen_fp8(bits, 3, 7);
    case MMA_E5M2:
        return widen_fp8(bits, 2, 15);
    case MMA_E3M2:
        return widen_small(bits & 63, 2, 3, 32);
    case MMA_E2M3:
        return widen_small(bits & 63, 3, 1, 32);
    case MMA_E2M1:
        return widen_small(bits & 15, 1, 1, 8);
    default:
        return fp_of_bits(bits);
    }
}
