/* The cost model. For each launch, times that the hardware cannot beat, each from counted events
 * (terms.c):
 *
 *   dram     distinct 32-byte sectors, what L2 has lost, and stacks / a share of the DRAM peak
 *   l2       sectors that miss L1, and atomics / L2 bandwidth, or the ports of the SMs that have work
 *   compute  warp instructions / issue slots, or the busiest unit class / its width
 *   shared   wavefronts of shared, local and global accesses through the SM's L1 data path, one a
 *            clock
 *   latency  waves of blocks x the dependent path of the longest warp
 *   atomics  lanes that update one sector, one after the other
 *
 * The launch takes their OVERLAP-norm plus the launch overhead; launches add up. The norm is near
 * the largest of them when that one stands out, and above it when several are alike, because units
 * do not overlap perfectly. Blocks are whole: the SM with the most blocks decides compute and
 * shared, and the number of waves decides latency, so tails and small grids cost what they cost.
 * Where blocks are uneven the last one to end is the longest. Grid-wide barriers come on top. No
 * estimate is below the time that DRAM takes for the operation's least traffic. Operations are no
 * such bound: what the graph counts as written a kernel may skip, and what it executes is counted.
 *
 * What is not simulated, and has a constant that stands for it (tim_constants): L1 hits of repeated
 * global loads, DRAM row misses; and where the text of the kernel is not at hand, independent
 * instructions and loads in flight of one warp.
 */
#include "harness/timing/model.h"

#include "harness/timing/arch.h"
#include "harness/timing/explain.h"
#include "harness/timing/occupancy.h"
#include "harness/timing/terms.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

tim_constants tim_constants_default(const tim_gpu *gpu)
{
    tim_constants c = tim_estimates;
    c.launch_s = gpu->launch_s;
    return c;
}

void tim_calibration_text(const tim_gpu *gpu, char *out, size_t size)
{
    const tim_constants c = tim_constants_of(gpu);
    if (c.calibrated)
        snprintf(out, size, "calibrated to %.0f %%", 100 * expm1(c.error));
    else
        snprintf(out, size, "uncalibrated");
}

static double max2(double a, double b)
{
    return a > b ? a : b;
}

/* At least 1 block: one that does not fit would not launch at all. */
static void occupy(const tim_gpu *g, const tim_launch *l, tim_launch_estimate *e)
{
    const tim_block b = {.threads = l->threads_per_block ? (int)l->threads_per_block : 1,
                         .registers = l->registers > 0 ? l->registers : 32,
                         .shared_bytes = l->shared_bytes > 0 ? l->shared_bytes : 0,
                         .barriers = l->barriers};
    tim_occupancy o;
    tim_occupancy_of(g, &b, &o);
    e->resident_blocks = o.blocks > 0 ? o.blocks : 1;
    e->resident_by = o.by;
    e->occupancy = (double)e->resident_blocks * o.warps / g->max_warps_per_sm;
}

double tim_uneven(const ptx_counters *c)
{
    double mean = c->blocks ? (double)c->warp_insns / (double)c->blocks : 0;
    return mean > 0 ? max2((double)c->max_block_warp_insns / mean, 1) : 1;
}

/* ---- a launch ---- */

static tim_term_fn *const terms[TIM_TERMS] = {
    [TIM_DRAM] = tim_term_dram,       [TIM_L2] = tim_term_l2,
    [TIM_SHARED] = tim_term_shared,   [TIM_COMPUTE] = tim_term_compute,
    [TIM_LATENCY] = tim_term_latency, [TIM_ATOMICS] = tim_term_atomics,
    [TIM_GRID_BARRIERS] = tim_term_grid_barriers,
};

static tim_view view_of(const tim_gpu *g, const tim_launch *l, const tim_launch_estimate *e)
{
    tim_view v = {.gpu = g, .arch = tim_arch_of(g->arch), .launch = l, .k = tim_constants_of(g),
                  .scale = l->scale > 0 ? l->scale : 1,
                  .blocks = l->blocks ? (double)l->blocks : 1,
                  .uneven = max2(l->uneven, 1),
                  .resident = e->resident_blocks,
                  .waves = ceil(e->waves)};
    /* Average blocks' worth of work on the SM that has the most, one of them the longest. */
    v.busiest_share = (ceil(v.blocks / g->sms) - 1 + v.uneven) / v.blocks;
    return v;
}

/* (sum of x^norm)^(1/norm); sums in units of the largest, as powers of seconds are small. */
static double norm_of(const double *x, int n, double norm)
{
    double most = 0, sum = 0;
    for (int i = 0; i < n; i++)
        most = max2(most, x[i]);
    for (int i = 0; i < n && most > 0; i++)
        sum += pow(x[i] / most, norm);
    return most > 0 ? most * pow(sum, 1 / norm) : 0;
}

/* Of the terms that overlap. DRAM and L2 are first put together by a norm of their own, as every
 * byte from DRAM passes L2 as well. */
static double overlapped(const tim_term *t, double norm)
{
    double memory[] = {t[TIM_DRAM].seconds, t[TIM_L2].seconds}, part[TIM_OVERLAPPED];
    int n = 0;
    part[n++] = norm_of(memory, 2, TIM_MEMORY_NORM);
    for (int i = TIM_SHARED; i < TIM_OVERLAPPED; i++)
        part[n++] = t[i].seconds;
    return norm_of(part, n, norm);
}

static const char *largest(const tim_term *t)
{
    int most = 0;
    for (int i = 1; i < TIM_OVERLAPPED; i++)
        most = t[i].seconds > t[most].seconds ? i : most;
    return t[most].name;
}

void tim_explain_launch(const tim_gpu *g, const tim_launch *l, tim_breakdown *out)
{
    tim_launch_estimate e = {0};
    *out = (tim_breakdown){0};
    occupy(g, l, &e);
    e.waves = (l->blocks ? (double)l->blocks : 1) / ((double)e.resident_blocks * g->sms);
    const tim_view v = view_of(g, l, &e);
    for (int i = 0; i < TIM_TERMS; i++)
        terms[i](&v, &e, &out->term[i]);
    out->norm = v.k.overlap;
    out->overlapped_s = overlapped(out->term, v.k.overlap);
    out->decides = largest(out->term);
    e.seconds = out->overlapped_s + e.sync_s;
    out->result = e;
}

void tim_model_launch(const tim_gpu *g, const tim_launch *l, tim_launch_estimate *out)
{
    tim_breakdown b;
    tim_explain_launch(g, l, &b);
    *out = b.result;
}

/* ---- a plan ---- */

/* Peak of the fastest unit that the launches used: what the operation could at best run at
 * there. */
static double peak_flops(const tim_gpu *g, const tim_launch *launch, int n)
{
    bool tensor = false, f16 = false, f64 = false, f32 = false;
    for (int i = 0; i < n; i++) {
        const ptx_counters *c = &launch[i].counters;
        tensor |= c->tensor_flops != 0;
        f16 |= c->f16 != 0;
        f64 |= c->f64 != 0;
        f32 |= c->f32 != 0;
    }
    if (tensor)
        return g->tensor_f16_flops;
    if (f16)
        return max2(g->f16_flops, g->f32_flops);
    return f64 && !f32 ? g->f64_flops : g->f32_flops;
}

static void name_bound(tim_estimate *e, bool l1_is_global)
{
    const struct {
        const char *name;
        double seconds;
    } part[] = {{"dram", e->memory_s}, {"l2", e->l2_s},           {"compute", e->compute_s},
                {"latency", e->latency_s}, {l1_is_global ? "l1" : "shared", e->shared_s},
                {"atomics", e->atomic_s},  {"launch", e->launch_s}};
    double most = -1;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++) {
        if (part[i].seconds <= most)
            continue;
        most = part[i].seconds;
        e->bound = part[i].name;
    }
}

void tim_model(const tim_gpu *gpu, const tim_launch *launch, int n, double flops, double min_bytes,
               tim_estimate *out)
{
    tim_estimate e = {.bound = "launch"};
    const double launch_s = tim_constants_of(gpu).launch_s;
    double busy = 0, global_s = 0, occupied = 0, weight = 0;
    for (int i = 0; i < n; i++) {
        tim_launch_estimate p;
        tim_model_launch(gpu, &launch[i], &p);
        double w = p.seconds > 0 ? p.seconds : 1e-12;
        busy += p.seconds;
        e.compute_s += p.compute_s;
        e.memory_s += p.memory_s;
        e.l2_s += p.l2_s;
        e.shared_s += p.shared_s;
        e.atomic_s += p.atomic_s;
        e.latency_s += p.latency_s + p.sync_s;
        e.launch_s += launch_s;
        global_s += p.l1_is_global ? p.shared_s : 0;
        occupied += w * p.occupancy;
        weight += w;
    }
    double by_bytes = min_bytes / gpu->dram_bytes_per_s;
    e.memory_s = max2(e.memory_s, by_bytes);
    e.seconds = e.launch_s + max2(busy, by_bytes);
    e.written_s = max2(by_bytes, flops / peak_flops(gpu, launch, n));
    e.floor_s = e.written_s <= e.seconds ? e.written_s : by_bytes;
    e.occupancy = weight > 0 ? fmin(occupied / weight, 1) : 0;
    name_bound(&e, global_s > e.shared_s / 2);
    *out = e;
}
