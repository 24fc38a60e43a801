#include "verifier/roof.h"

#include "base/err.h"
#include "harness/timing/arch.h"

#include <math.h>

static double first_of(double a, double b)
{
    return a > 0 ? a : b;
}

double vfy_peak(const tim_gpu *g, ref_unit unit, bool half)
{
    const tim_arch *a = tim_arch_of(g->arch);
    double lanes = g->sms * g->clock_hz, f8 = first_of(g->tensor_f8_flops, g->tensor_f16_flops);
    double i8 = first_of(g->tensor_i8_ops, g->tensor_f16_flops);
    switch (unit) {
    case REF_F64:
        return g->f64_flops;
    case REF_F32:
        return half ? fmax(g->f32_flops, g->f16_flops) : g->f32_flops;
    case REF_INT:
        return lanes * a->i32;
    case REF_SFU:
        return lanes * a->sfu;
    case REF_PRODUCT_F64:
        return fmax(g->f64_flops, g->tensor_f64_flops);
    case REF_PRODUCT_F32:
        return fmax(g->f32_flops, g->tensor_tf32_flops / 3);
    case REF_PRODUCT_I32:
        return fmax(2 * lanes * a->imul, g->tensor_i8_ops / 10);
    case REF_PRODUCT_TF32:
        return fmax(g->f32_flops, g->tensor_tf32_flops);
    case REF_PRODUCT_F16:
        return g->tensor_f16_flops;
    case REF_PRODUCT_F8:
        return f8;
    case REF_PRODUCT_I8:
        return i8;
    case REF_PRODUCT_F4:
        return first_of(g->tensor_f4_flops, f8);
    case REF_UNIT_COUNT:
        break;
    }
    ws_bug("no such unit");
}

bool vfy_is_half(const spec *s)
{
    return ws_dtype_roundoff(s->precision) >= ws_dtype_roundoff(WS_F16);
}

vfy_floor vfy_floor_of(const tim_gpu *g, const ref_cost *c, bool half)
{
    vfy_floor f = {c->min_bytes / g->dram_bytes_per_s, "dram", REF_UNIT_COUNT};
    double longest = 0;
    for (int u = 0; u < REF_UNIT_COUNT; u++) {
        double s = u == REF_SFU ? 0 : c->unit[u] / vfy_peak(g, (ref_unit)u, half);
        if (s > longest) {
            longest = s;
            f.unit = (ref_unit)u;
        }
    }
    if (longest > f.seconds) {
        f.seconds = longest;
        f.bound = ref_unit_name(f.unit);
    }
    return f;
}
