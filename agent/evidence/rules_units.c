/* Rules about the units that execute: which of them decide, and whether they have to. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <string.h>

static bool double_arithmetic(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    if (!c->f64 || ws_dtype_roundoff(f->spec->precision) < ws_dtype_roundoff(WS_F32) ||
        f->spec->accumulate == WS_F64)
        return false;
    double each = d(c->f64) / fmax(d(c->warps), 1), before = fmax(d(c->warp_insns), 1);
    out->certain = d(c->f64) > 0.1 * before && f->launch[i].time.seconds > 0.1 * f->seconds;
    /* Functions of float take about half as many instructions. */
    c->f32 += c->f64 / 2;
    c->warp_insns -= c->f64 / 2 < c->warp_insns ? c->f64 / 2 : 0;
    then.machine_insns = fmin(then.machine_insns, 1);
    c->max_warp_insns = scaled(c->max_warp_insns, d(c->warp_insns) / before);
    c->f64 = 0;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%.1f double-precision instructions a warp where the operation is in %s; the GPU has %.0fx "
        "fewer units for them",
        each, ws_dtype_name(f->spec->precision), f->gpu->f32_flops / f->gpu->f64_flops);
    out->action =
        "write literals as 1.0f and functions as expf, sqrtf, ...; where a sum needs more digits "
        "use several float partial sums";
    return true;
}

/* Comparisons and selections that the operation itself has (maxima, minima, clamps), in warp
 * instructions: at most three, larger, NaN and select, for each operation of the graph that is no
 * product. */
static double own_compares(const ev_facts *f, const ptx_counters *c, double scale)
{
    double products = 0;
    for (int u = REF_PRODUCT_F64; f->has_cost && u < REF_UNIT_COUNT; u++)
        products += f->cost.unit[u];
    return f->has_cost ? fmin(d(c->cmp_sel), 3 * fmax(f->cost.flops - products, 0) / WARP / scale)
                       : 0;
}

static bool index_arithmetic(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double own = own_compares(f, c, scale_of(&f->launch[i]));
    double whole = d(c->i32 + c->imul + c->cmp_sel + c->branch) - own;
    double all = fmax(d(c->warp_insns), 1), before = d(c->warp_insns);
    const tim_launch_estimate *e = &f->launch[i].time;
    bool divides = then.machine_insns > 1.5; /* whole numbers that are divided, or 64 bits wide */
    if ((whole < 0.5 * all && !(divides && whole > 0.3 * all && !c->f64)) ||
        e->compute_s < 0.3 * longest_part(e))
        return false;
    if (divides)
        then.machine_insns = 1;
    c->i32 /= 2;
    c->imul /= 2;
    c->cmp_sel -= as_count((d(c->cmp_sel) - own) / 2);
    c->branch /= 2;
    c->warp_insns = as_count(before - whole / 2);
    c->max_warp_insns = scaled(c->max_warp_insns, d(c->warp_insns) / before);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%.0f %% of instructions are integer arithmetic, comparisons and branches that the "
        "operation does not have; %.0f %% are floating point%s",
        100 * whole / all, 100 * d(c->f32 + c->f16 + c->f64 + c->sfu + c->tensor) / all,
        divides ? ws_arena_printf(&f->arena,
                                  "; divisions and 64-bit products make %.1f machine instructions "
                                  "of an average one",
                                  f->launch[i].counted.machine_insns)
                : "");
    out->action =
        "move index arithmetic out of the inner loop (advance pointers), divide by the macros "
        "DIM_* so that divisors are constants, use 32-bit indices, unroll, and let a thread "
        "compute several outputs";
    return true;
}

static bool special_functions(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    const tim_launch_estimate *e = &f->launch[i].time;
    double outputs = f->has_cost ? f->cost.unit[REF_SFU] / WARP : 0;
    double busy = d(c->thread_insns) / fmax(d(c->warp_insns), 1) / WARP; /* idle lanes compute none */
    double each = d(c->sfu) * busy / fmax(outputs, 1);
    if (!c->sfu || e->compute_s < 0.4 * longest_part(e) || each < 1.5)
        return false;
    double keep = fmax(1 / each, each > 8 ? 0.05 : 0.5); /* by far more: they are the same again */
    double gone = fmin(12 * (1 - keep) * d(c->sfu) * busy, 0.8 * d(c->warp_insns));
    c->f32 = scaled(c->f32, 1 - gone / fmax(d(c->warp_insns), 1));
    ev_drop_insns(c, gone);
    c->sfu = scaled(c->sfu, 1 - busy * (1 - keep));
    out->gain = ev_saved(f, i, &then);
    out->evidence =
        ws_arena_printf(&f->arena, "%s special-function results where the operation has %s",
                        ev_count(f, d(f->launch[i].counted.counters.sfu) * WARP * busy),
                        ev_count(f, f->cost.unit[REF_SFU]));
    out->action =
        "compute each exponential or root once and keep it; multiply by a reciprocal in the place "
        "of dividing; exp2f of a value scaled by log2(e), or __expf where the tolerance allows";
    return true;
}

/* Products that tensor cores could do, of numbers of 16 bits and fewer. */
static double tensor_products(const ev_facts *f)
{
    return f->has_cost ? f->cost.unit[REF_PRODUCT_TF32] + f->cost.unit[REF_PRODUCT_F16] +
                             f->cost.unit[REF_PRODUCT_F8] + f->cost.unit[REF_PRODUCT_I8] +
                             f->cost.unit[REF_PRODUCT_F4]
                       : 0;
}

static bool uses_tensor_cores(const ev_facts *f)
{
    for (int k = 0; k < f->n_launches; k++)
        if (f->launch[k].counted.counters.tensor)
            return true;
    return false;
}

/* Lanes of multiply-adds in all launches. */
static double all_products(const ev_facts *f)
{
    double sum = 0;
    for (int k = 0; k < f->n_launches; k++)
        sum += d(f->launch[k].counted.counters.f32_fma_lanes +
                 f->launch[k].counted.counters.f16_fma_lanes);
    return sum;
}

static bool computes_most(const ev_facts *f, int i)
{
    for (int k = 0; k < f->n_launches; k++)
        if (f->launch[k].time.compute_s > f->launch[i].time.compute_s)
            return false;
    return true;
}

static bool tensor_cores(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double scale = then.scale > 0 ? then.scale : 1, all = fmax(d(c->warp_insns), 1);
    double lanes = d(c->f32_fma_lanes + c->f16_fma_lanes);
    bool multiplies = lanes / WARP > 0.1 * all && lanes > 0.1 * all_products(f);
    if (!(tensor_products(f) > 0.5 * f->cost.flops) || uses_tensor_cores(f) ||
        (!multiplies && !computes_most(f, i)))
        return false;
    /* What feeds the multiply-adds goes with them: a matrix step has a tenth of the instructions.
     */
    c->tensor_flops = as_count(multiplies ? 2 * lanes : tensor_products(f) / scale);
    ev_scale_insns(c, 0.1);
    c->shared_requests = scaled(c->shared_requests, 0.25);
    c->shared_wavefronts = scaled(c->shared_wavefronts, 0.25);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%s multiply-adds of %s run on plain units; the tensor cores do %.0fx as many a second",
        ev_count(f, multiplies ? lanes * scale : tensor_products(f) / 2),
        ws_dtype_name(f->spec->tensor[0].dtype), f->gpu->tensor_f16_flops / f->gpu->f32_flops);
    out->action =
        "use tensor cores: nvcuda::wmma with 16x16x16 fragments (#include <mma.h>) that sum in "
        "float, each warp several output tiles, operands staged in shared memory with padded rows";
    return true;
}

/* The launch with loads from shared memory and to registers scaled by `keep`. */
static void fewer_loads(ptx_counters *c, double keep)
{
    double dropped = d(c->shared_requests + c->global_ld_requests) * (1 - keep) + 0.25 * d(c->i32);
    double left = fmax(1 - dropped / fmax(d(c->warp_insns), 1), 0.2);
    c->shared_requests = scaled(c->shared_requests, keep);
    c->shared_wavefronts = scaled(c->shared_wavefronts, keep);
    c->global_ld_requests = scaled(c->global_ld_requests, keep);
    c->global_ld_sectors = scaled(c->global_ld_sectors, keep);
    c->warp_insns = scaled(c->warp_insns, left);
    c->max_warp_insns = scaled(c->max_warp_insns, left);
    c->i32 = scaled(c->i32, 0.75);
}

/* A thread's tile is as large as its registers allow, and the data path is still as long as the
 * arithmetic: a load of 16 bytes takes four wavefronts, and one if all lanes read one address. */
static bool lane_layout(ev_facts *f, int i, double waves, double fma, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    if (c->f64_fma_lanes || waves < 0.2 * fma || l->time.shared_s < 0.8 * l->time.compute_s ||
        !ev_has_wide_types(f))
        return false;
    c->shared_wavefronts = scaled(c->shared_wavefronts, 0.625); /* 2 x 1 and 2 x 4 of 4 x 4 */
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "shared memory takes %s of the launch's %s: %.2f wavefronts for each multiply-add, of "
        "which an SM does four meanwhile; all instructions take %s, the multiply-adds alone %s",
        ev_time(f, l->time.shared_s), ev_time(f, l->time.seconds), waves / fma,
        ev_time(f, l->time.compute_s),
        ev_time(f, scale_of(l) * 2 * WARP * fma / f->gpu->f32_flops));
    out->action =
        "the same tile of each thread with the 32 lanes of a warp side by side along one axis: all "
        "of them then read one address of the other operand, and a 16-byte load of one address "
        "takes one wavefront in the place of four (10 for 64 multiply-adds in the place of 16); "
        "or 8x12 outputs a thread where registers are left";
    return true;
}

/* Every load reads what others have read many times. */
static bool is_reread(const ptx_counters *c)
{
    double asked = fmin(d(c->global_ld_sectors),
                        ideal_sectors(c->global_ld_bytes, c->global_ld_requests));
    return asked > 4 * d(c->unique_ld_sectors);
}

/* Loads that feed multiply-adds: a thread's tile of t x t outputs needs 2 t of them for t * t. An
 * SM passes on one wavefront of 128 bytes while it does four warps' multiply-adds. */
static bool register_tile(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    const tim_launch_estimate *e = &f->launch[i].time;
    double fma = d(c->f32_fma_lanes + c->f64_fma_lanes) / WARP;
    double loads = d(c->shared_requests + c->global_ld_requests);
    double waves = d(c->shared_wavefronts + c->global_ld_requests);
    if (fma < 0.05 * d(c->warp_insns) || !f->has_cost || f->cost.flops < 16 * f->cost.min_bytes)
        return false;
    if (!c->shared_requests && is_reread(c)) /* first of all a tile in shared memory: re-reads */
        return false;
    bool single = loads >= 0.4 * fma;
    if (!single && waves < 0.32 * fma)
        return lane_layout(f, i, waves, fma, out);
    if (!single && e->shared_s < 0.6 * longest_part(e))
        return false;
    fewer_loads(c, single ? 0.25 * fma / loads : 0.125 * fma / waves);
    out->gain = ev_saved(f, i, &then);
    if (tensor_products(f) > 0.5 * f->cost.flops && !uses_tensor_cores(f))
        out->gain /= 2; /* tensor cores come first, and their tile is another */
    if (single) {
        out->evidence =
            ws_arena_printf(&f->arena,
                            "%.2f loads for each multiply-add: the data path to registers is the "
                            "limit, not the arithmetic",
                            loads / fma);
        out->action =
            "let each thread compute a tile of 8x8 (or 4x4) outputs: 8 + 8 loads from shared "
            "memory, as float4, then feed 64 multiply-adds from registers";
        return true;
    }
    out->evidence =
        ws_arena_printf(&f->arena,
                        "%.2f wavefronts of shared memory for each multiply-add, of which an SM "
                        "does four in the time of one wavefront",
                        waves / fma);
    out->action =
        "a larger tile of each thread, such as 8x8 outputs in the place of 4x4: each value from "
        "shared memory then feeds twice as many multiply-adds; lanes that read the same address "
        "share a wavefront";
    return true;
}

/* More steps than the operation needs by far: pairs that are compared one by one, sums made again.
 */
static bool algorithm(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    const tim_launch_estimate *e = &f->launch[i].time;
    double scale = then.scale > 0 ? then.scale : 1;
    double needed = f->cost.flops + f->cost.min_bytes / 4, real = scale * d(c->thread_insns);
    if (!f->has_cost || e->compute_s < 0.6 * longest_part(e) || real < 64 * needed)
        return false;
    ev_scale_insns(c, 0.125);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%s instructions of threads for %s operations and values that the graph has: %.0f each",
        ev_count(f, real), ev_count(f, needed), real / needed);
    out->action =
        "take an algorithm with fewer steps: k rounds of warp maxima or a short sorted list in "
        "registers in the place of comparing all pairs, a scan in the place of sums made again, "
        "tables of what is computed often";
    return true;
}

static const char *instruction_advice(const char *unit, double useful)
{
    static const struct {
        const char *unit, *advice;
    } by_unit[] = {
        {"shuffles",
         "reduce within a thread first: each thread takes 4 to 16 elements, then one shuffle tree "
         "a warp for all of them"},
        {"special functions",
         "fewer exponentials and roots: compute each once, exp2f of a scaled value in the place of "
         "expf, a reciprocal in the place of divisions"},
        {"conversions",
         "convert two at once (__half22float2, __floats2half2_rn), and once an element"},
        {"integer multiply",
         "replace divisions and remainders of indices: a 2-D grid, the macros DIM_*, or pointers "
         "that advance by a constant"},
        {"fp16", "__half2 arithmetic does two elements an instruction"},
    };
    for (size_t k = 0; k < sizeof by_unit / sizeof *by_unit; k++)
        if (strcmp(by_unit[k].unit, unit) == 0)
            return by_unit[k].advice;
    if (useful >= 0.5)
        return "take the rest out of the inner loop: constant bounds and full unrolling, pointers "
               "that advance, conditions of the edges hoisted out so that whole tiles run without "
               "them";
    return "let each thread take several neighbouring elements (4 to 16) in registers, so that "
           "index arithmetic, shuffles, barriers and loop control are shared by them; unroll; move "
           "what does not change out of the loop";
}

/* Instructions decide, and no rule above says more about them. Arithmetic and loads of the
 * operation stay; about half of the rest can go. */
static bool instructions(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    const ptx_counters *now = &l->counted.counters;
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    const tim_launch_estimate *e = &l->time;
    double all = fmax(d(c->warp_insns), 1), own = own_compares(f, c, scale_of(l));
    if (!c->warp_insns || e->compute_s < 0.6 * longest_part(e))
        return false;
    double real = (d(c->f32 + c->f16 + c->f64 + c->sfu + c->tensor) + own) / all;
    double rest = d(c->i32 + c->imul + c->cmp_sel + c->branch + c->cvt + c->shuffle_vote) - own;
    c->i32 /= 2;
    c->imul /= 2;
    c->cmp_sel -= as_count((d(c->cmp_sel) - own) / 2);
    c->branch /= 2;
    c->cvt /= 2;
    c->shuffle_vote /= 2;
    ev_drop_insns(c, rest / 2);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "instructions decide (%s): %.0f a thread; %.0f %% are arithmetic of the operation and %.0f "
        "%% memory, which stay; %.0f %% are indices, branches, conversions and shuffles, of which "
        "about half can go",
        e->unit, d(now->thread_insns) / fmax(d(now->threads), 1), 100 * real,
        100 * d(now->mem_insns) / all, 100 * rest / all);
    out->action = instruction_advice(e->unit, real);
    return true;
}

const ev_rule ev_unit_rules[] = {
    {"double-arithmetic", "double precision where the spec asks for less", double_arithmetic,
     false},
    {"index-arithmetic", "half of the instructions are no arithmetic of the operation",
     index_arithmetic, false},
    {"special-functions", "more special functions than the operation has", special_functions,
     false},
    {"tensor-cores", "products of few bits without tensor cores", tensor_cores, false},
    {"register-tile", "more than 0.4 loads for each multiply-add", register_tile, false},
    {"algorithm", "64 instructions and more for each operation that the graph counts", algorithm,
     false},
    {"instructions", "instructions decide and fewer would do", instructions, false},
    {NULL, NULL, NULL, false}};
