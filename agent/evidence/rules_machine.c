/* Rules about the machine's units: which of them work, and which wait. */
#include "agent/evidence/rules.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { WARP = 32 };

static double d(uint64_t n)
{
    return (double)n;
}

static uint64_t scaled(uint64_t n, double by)
{
    return (uint64_t)(d(n) * by + 0.5);
}

static double longest_part(const tim_launch_estimate *e)
{
    return fmax(fmax(fmax(e->compute_s, e->memory_s), fmax(e->l2_s, e->shared_s)), e->latency_s);
}

/* All instruction counters by a factor. */
static void scale_insns(ptx_counters *c, double by)
{
    uint64_t *const field[] = {&c->warp_insns, &c->f32,     &c->f64,    &c->f16,
                               &c->i32,        &c->imul,    &c->sfu,    &c->cvt,
                               &c->cmp_sel,    &c->branch,  &c->max_warp_insns,
                               &c->max_block_warp_insns};
    for (size_t k = 0; k < sizeof field / sizeof *field; k++)
        *field[k] = scaled(*field[k], by);
}

/* ---- lanes, warps, blocks ---- */

static bool idle_lanes(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double busy = d(c->thread_insns) / fmax(d(c->warp_insns), 1);
    double diverged = d(c->divergent_branch) / fmax(d(c->branch), 1);
    uint32_t threads = l->counted.threads_per_block;
    if (!c->warp_insns || busy > 0.8 * WARP)
        return false;
    scale_insns(c, busy / WARP);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "an average instruction runs with %.1f of 32 lanes; %.0f %% of branches diverge",
        busy, 100 * diverged);
    if (threads % WARP)
        out->action = ws_arena_printf(&f->arena,
                                      "a block of %" PRIu32 " threads leaves lanes of its last warp idle: "
                                      "take a multiple of 32",
                                      threads);
    else
        out->action = "let all lanes share work that single threads do now (if (threadIdx.x == 0) loops "
                      "become warp shuffles), and fit the threads of a block to the length of a row";
    return true;
}

static bool few_blocks(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    if (!l->index || (double)l->counted.blocks >= f->gpu->sms)
        return false;
    then.blocks = 2 * (uint64_t)f->gpu->sms;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%" PRIu64 " block%s for %d SMs: %.0f %% of the machine stands idle",
        l->counted.blocks, l->counted.blocks == 1 ? "" : "s", f->gpu->sms,
        100 * (1 - (double)l->counted.blocks / f->gpu->sms));
    out->action = "start more blocks: where elements are independent a grid over all of them; where they "
                  "are summed several blocks a row, combined through scratch in a second launch or by one "
                  "atomic a block";
    return true;
}

static bool ragged_waves(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    double waves = l->time.waves, whole = ceil(waves);
    double by_sm = ceil((double)l->counted.blocks / f->gpu->sms);
    double loss = fmax(waves > 1 ? whole / waves : 1,
                       by_sm * f->gpu->sms / (double)l->counted.blocks);
    if (!l->index || (double)l->counted.blocks < f->gpu->sms || loss < 1.15)
        return false;
    double per_wave = (double)l->time.resident_blocks * f->gpu->sms;
    then.blocks = (uint64_t)(waves > 1 ? whole * per_wave : by_sm * f->gpu->sms);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%" PRIu64 " blocks on %d SMs with room for %d each are %.2f waves: the last is mostly empty",
        l->counted.blocks, f->gpu->sms, l->time.resident_blocks, waves);
    out->action = ws_arena_printf(
        &f->arena,
        "choose the tile so that the number of blocks is just below a multiple of %d, or run %.0f "
        "blocks that take tiles in a loop",
        f->gpu->sms, per_wave);
    return true;
}

static const char *occupancy_advice(ev_facts *f, const ev_launch *l)
{
    const char *by = l->time.resident_by;
    uint32_t threads = l->counted.threads_per_block;
    int warps = (int)((threads + WARP - 1) / WARP), more = f->gpu->max_warps_per_sm / warps;
    int next = l->time.resident_blocks + (l->time.resident_blocks + 1) / 2;
    more = more < next ? more : next;
    if (strcmp(by, "registers") == 0)
        return ws_arena_printf(&f->arena,
                               "%d registers a thread limit it: keep fewer values alive, or say "
                               "__launch_bounds__(%" PRIu32 ", %d) so that the compiler takes fewer",
                               l->counted.registers, threads, more);
    if (strcmp(by, "shared memory") == 0)
        return ws_arena_printf(&f->arena,
                               "%s of shared memory a block limit it: a smaller tile or fewer stages, or "
                               "more threads that share one tile",
                               ev_bytes(f, l->counted.shared_bytes));
    if (strcmp(by, "blocks") == 0)
        return ws_arena_printf(&f->arena,
                               "blocks of %" PRIu32 " threads limit it, since an SM holds %d blocks: take "
                               "128 to 256 threads a block",
                               threads, f->gpu->max_blocks_per_sm);
    return ws_arena_printf(&f->arena,
                           "blocks of %" PRIu32 " threads do not divide the %d threads of an SM well: "
                           "take 256 or 512",
                           threads, f->gpu->max_warps_per_sm * WARP);
}

static bool low_occupancy(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    if (!l->index || l->time.occupancy > 0.5 || l->time.waves < 1 ||
        l->time.latency_s < 0.4 * longest_part(&l->time))
        return false;
    then.registers = 32;
    then.shared_bytes = 0;
    if (strcmp(l->time.resident_by, "blocks") == 0 || strcmp(l->time.resident_by, "warps") == 0) {
        then.threads_per_block = 256;
        then.blocks = (l->counted.blocks * l->counted.threads_per_block + 255) / 256;
    }
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "occupancy %.0f %%: %d block%s of %" PRIu32 " threads fit on an SM; waiting for memory "
                   "is %s of the launch's %s",
        100 * l->time.occupancy, l->time.resident_blocks, l->time.resident_blocks == 1 ? "" : "s",
        l->counted.threads_per_block, ev_time(f, l->time.latency_s), ev_time(f, l->time.seconds));
    out->action = occupancy_advice(f, l);
    return true;
}

/* Time is the path of the longest warp, and the machine has room for more of them. */
static bool serial_threads(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double warps = d(c->warps) * (l->counted.scale > 0 ? l->counted.scale : 1);
    double room = (double)f->gpu->sms * f->gpu->max_warps_per_sm;
    if (!l->index || l->time.latency_s < 0.8 * longest_part(&l->time) || warps * 2 > room ||
        d(c->warp_insns) < 64 * d(c->warps))
        return false;
    then.blocks *= 2;
    c->blocks *= 2;
    c->warps *= 2;
    c->max_warp_insns /= 2;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "%.0f warps of %.0f that the GPU holds do %.0f instructions each, one after the other: the time "
        "is one warp's path", warps, room, d(c->warp_insns) / fmax(d(c->warps), 1));
    out->action = "give each thread less to do and start more of them: a warp or a block for each row, "
                  "whose threads take neighbouring elements, with a shuffle reduction; unroll so that loads "
                  "do not wait for each other";
    return true;
}

static bool imbalance(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double mean = d(c->warp_insns) / fmax(d(c->warps), 1), longest = d(c->max_warp_insns);
    if (!c->warps || longest < 1.5 * mean)
        return false;
    c->max_warp_insns = (uint64_t)mean;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "the longest warp executes %.0f instructions, an average one %.0f", longest, mean);
    out->action = "spread the work evenly: no loop that one warp or one thread runs alone, and tiles of "
                  "equal cost for all blocks";
    return true;
}

static bool barriers(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double each = d(c->barrier_waits) / fmax(d(c->warps), 1);
    if (each < 4)
        return false;
    c->barrier_waits = scaled(c->barrier_waits, 0.25);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(&f->arena, "%.1f barriers a warp, for %.0f instructions", each,
                                    d(c->warp_insns) / fmax(d(c->warps), 1));
    out->action = "fewer __syncthreads: warp shuffles for the last 5 steps of a reduction, a larger tile "
                  "for each barrier, two buffers so that one barrier a step is enough";
    return true;
}

/* ---- units ---- */

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
    c->max_warp_insns = scaled(c->max_warp_insns, d(c->warp_insns) / before);
    c->f64 = 0;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%.1f double-precision instructions a warp where the operation is in %s; the GPU has "
                   "%.0fx fewer units for them", each, ws_dtype_name(f->spec->precision),
        f->gpu->f32_flops / f->gpu->f64_flops);
    out->action = "write literals as 1.0f and functions as expf, sqrtf, ...; where a sum needs more digits "
                  "use several float partial sums";
    return true;
}

static bool index_arithmetic(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double whole = d(c->i32 + c->imul + c->cmp_sel + c->branch), all = fmax(d(c->warp_insns), 1);
    const tim_launch_estimate *e = &f->launch[i].time;
    if (whole < 0.5 * all || e->compute_s < 0.3 * longest_part(e))
        return false;
    double before = d(c->warp_insns);
    c->i32 /= 2;
    c->imul /= 2;
    c->cmp_sel /= 2;
    c->branch /= 2;
    c->warp_insns = (uint64_t)(before - whole / 2);
    c->max_warp_insns = scaled(c->max_warp_insns, d(c->warp_insns) / before);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%.0f %% of instructions are integer arithmetic, comparisons and branches; %.0f %% "
                   "are floating point", 100 * whole / all,
        100 * d(c->f32 + c->f16 + c->f64 + c->sfu + c->tensor) / all);
    out->action = "move index arithmetic out of the inner loop (advance pointers), divide by the macros "
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
    if (!c->sfu || e->compute_s < 0.4 * longest_part(e) || d(c->sfu) < 1.5 * outputs)
        return false;
    double each = d(c->sfu) / fmax(outputs, 1);
    double keep = fmax(1 / each, 0.5);
    c->warp_insns -= scaled(c->sfu, 8 * (1 - keep)) < c->warp_insns / 2
                         ? scaled(c->sfu, 8 * (1 - keep))
                         : c->warp_insns / 2;
    c->sfu = scaled(c->sfu, keep);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%s special-function results where the operation has %s",
        ev_count(f, d(f->launch[i].counted.counters.sfu) * WARP), ev_count(f, f->cost.unit[REF_SFU]));
    out->action = "compute each exponential or root once and keep it; multiply by a reciprocal in the place "
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

/* The launch that computes most, when none of the plan uses tensor cores. */
static bool computes_most(const ev_facts *f, int i)
{
    for (int k = 0; k < f->n_launches; k++)
        if (f->launch[k].counted.counters.tensor ||
            f->launch[k].time.compute_s > f->launch[i].time.compute_s)
            return false;
    return true;
}

static bool tensor_cores(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double scale = then.scale > 0 ? then.scale : 1;
    if (!(tensor_products(f) > 0.5 * f->cost.flops) || !computes_most(f, i))
        return false;
    /* What feeds the multiply-adds goes with them: a matrix step has a tenth of the instructions. */
    c->tensor_flops = (uint64_t)(tensor_products(f) / scale);
    scale_insns(c, 0.1);
    c->shared_requests = scaled(c->shared_requests, 0.25);
    c->shared_wavefronts = scaled(c->shared_wavefronts, 0.25);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%s multiply-adds of %s run on plain units; the tensor cores do %.0fx as many a second",
        ev_count(f, tensor_products(f) / 2), ws_dtype_name(f->spec->tensor[0].dtype),
        f->gpu->tensor_f16_flops / f->gpu->f32_flops);
    out->action = "use tensor cores: nvcuda::wmma with 16x16x16 fragments (#include <mma.h>) that sum in "
                  "float, each warp several output tiles, operands staged in shared memory with padded rows";
    return true;
}

/* Loads that feed multiply-adds: a thread's tile of t x t outputs needs 2 t of them for t * t. */
static bool register_tile(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double fma = d(c->f32_fma_lanes + c->f64_fma_lanes) / WARP;
    double loads = d(c->shared_requests + c->global_ld_requests);
    if (fma < 0.05 * d(c->warp_insns) || loads < 0.4 * fma || !f->has_cost ||
        f->cost.flops < 16 * f->cost.min_bytes)
        return false;
    double keep = 0.25 * fma / loads;
    double dropped = loads * (1 - keep) + 0.25 * d(c->i32);
    double left = fmax(1 - dropped / d(c->warp_insns), 0.2);
    c->shared_requests = scaled(c->shared_requests, keep);
    c->shared_wavefronts = scaled(c->shared_wavefronts, keep);
    c->global_ld_requests = scaled(c->global_ld_requests, keep);
    c->global_ld_sectors = scaled(c->global_ld_sectors, keep);
    c->warp_insns = scaled(c->warp_insns, left);
    c->max_warp_insns = scaled(c->max_warp_insns, left);
    c->i32 = scaled(c->i32, 0.75);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(&f->arena,
                                    "%.2f loads for each multiply-add: the data path to registers is the "
                                    "limit, not the arithmetic", loads / fma);
    out->action = "let each thread compute a tile of 8x8 (or 4x4) outputs: 8 + 8 loads from shared memory, "
                  "as float4, then feed 64 multiply-adds from registers";
    return true;
}

static const char *instruction_advice(const char *unit)
{
    static const struct {
        const char *unit, *advice;
    } by_unit[] = {
        {"shuffles", "reduce within a thread first: each thread takes 4 to 16 elements, then one shuffle "
                     "tree a warp for all of them"},
        {"special functions", "fewer exponentials and roots: compute each once, exp2f of a scaled value in "
                              "the place of expf, a reciprocal in the place of divisions"},
        {"conversions", "convert two at once (__half22float2, __floats2half2_rn), and once an element"},
        {"integer multiply", "replace divisions and remainders of indices: a 2-D grid, the macros DIM_*, "
                             "or pointers that advance by a constant"},
        {"fp16", "__half2 arithmetic does two elements an instruction"},
    };
    for (size_t k = 0; k < sizeof by_unit / sizeof *by_unit; k++)
        if (strcmp(by_unit[k].unit, unit) == 0)
            return by_unit[k].advice;
    return "let each thread take several neighbouring elements (4 to 16) in registers, so that index "
           "arithmetic, shuffles, barriers and loop control are shared by them; unroll; move what does not "
           "change out of the loop";
}

/* Instructions decide, and no rule above says more about them. */
static bool instructions(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    const tim_launch_estimate *e = &f->launch[i].time;
    double all = fmax(d(c->warp_insns), 1), threads = fmax(d(c->threads), 1);
    if (!c->warp_insns || e->compute_s < 0.6 * longest_part(e))
        return false;
    double real = d(c->f32 + c->f16 + c->f64 + c->sfu + c->tensor) / all;
    scale_insns(c, fmax(0.5, real));
    c->shuffle_vote /= 2;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "instructions decide (%s): %.0f a thread, %.0f %% of them floating point, %.0f %% "
                   "integer and compare, %.0f %% memory, %.0f %% shuffles", e->unit,
        d(f->launch[i].counted.counters.thread_insns) / threads, 100 * real,
        100 * d(f->launch[i].counted.counters.i32 + f->launch[i].counted.counters.imul +
                f->launch[i].counted.counters.cmp_sel) / all,
        100 * d(c->mem_insns) / all, 100 * d(f->launch[i].counted.counters.shuffle_vote) / all);
    out->action = instruction_advice(e->unit);
    return true;
}

const ev_rule ev_machine_rules[] = {
    {"few-blocks", "fewer blocks than SMs", few_blocks, false},
    {"ragged-waves", "the last wave of blocks is mostly empty", ragged_waves, false},
    {"occupancy", "at most half of the warps are resident and waiting for memory matters",
     low_occupancy, false},
    {"serial-threads", "the time is one warp's path while the GPU has room", serial_threads, false},
    {"imbalance", "the longest warp executes 1.5 times what an average one does", imbalance, false},
    {"idle-lanes", "an average instruction runs with fewer than 26 of 32 lanes", idle_lanes, false},
    {"barriers", "four barriers a warp and more", barriers, false},
    {"double-arithmetic", "double precision where the spec asks for less", double_arithmetic, false},
    {"index-arithmetic", "half of the instructions are no arithmetic of the operation",
     index_arithmetic, false},
    {"special-functions", "more special functions than the operation has", special_functions, false},
    {"tensor-cores", "products of few bits without tensor cores", tensor_cores, false},
    {"register-tile", "more than 0.4 loads for each multiply-add", register_tile, false},
    {"instructions", "instructions decide and fewer would do", instructions, false},
    {NULL, NULL, NULL, false}};
