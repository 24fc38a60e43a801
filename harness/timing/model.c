/* The cost model. For each launch, five times that the hardware cannot beat, each from counted
 * events:
 *
 *   dram     distinct 32-byte sectors / 0.9 of the DRAM peak
 *   l2       sectors that miss L1, and atomics / L2 bandwidth, or the ports of the SMs that have
 * work compute  warp instructions / issue slots, or the busiest unit class / its width shared
 * wavefronts of shared, local and global accesses through the SM's L1 data path, one a clock
 *   latency  waves of blocks x the dependent path of the longest warp
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
 * global loads, DRAM row misses, independent instructions of one warp, loads in flight of one warp.
 */
#include "harness/timing/model.h"

#include "harness/timing/arch.h"
#include "harness/timing/occupancy.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>

enum { WARP = 32, SECTOR = 32 };

static const tim_constants estimates = {
    .dram_efficiency = 0.9, /* a copy on an H200 moves 4.3 of the 4.8 TB/s */
    .l1_repeat_hit = 0.5,
    .dependent_clocks = 2,  /* 4 clocks, 2 in flight */
    .loads_in_flight = 4,
    .overlap = 4,           /* two equal parts take 1.19 of one */
};
static const double BARRIER_CLOCKS = 30;
/* cooperative_groups' grid.sync with a few blocks a SM: 1.4 us and more on Volta (Zhang et al.
 * 2020, arXiv:2004.05371), two trips to L2 and the slowest block's way there on later ones. */
static const double GRID_BARRIER_S = 1.5e-6;

tim_constants tim_constants_default(const tim_gpu *gpu)
{
    tim_constants c = estimates;
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

static double overlapped(const tim_launch_estimate *e, double norm)
{
    double part[] = {e->compute_s, e->memory_s, e->l2_s, e->shared_s, e->latency_s}, sum = 0;
    double most = max2(max2(max2(part[0], part[1]), max2(part[2], part[3])), part[4]);
    if (!(most > 0))
        return 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        sum += pow(part[i] / most, norm);
    return most * pow(sum, 1 / norm);
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

/* Clocks of one SM that the unit classes need for all the launch's instructions; the largest
 * decides. */
static double unit_clocks(const tim_gpu *g, const tim_arch *a, const ptx_counters *c,
                          const char **unit)
{
    double tensor_per_clock = g->tensor_f16_flops / g->clock_hz / g->sms; /* flops, one SM */
    const struct {
        const char *name;
        double clocks;
    } class[] = {{"issue", (double)c->warp_insns / a->issue},
                 {"fp32", (double)c->f32 * WARP / a->f32},
                 {"fp64", (double)c->f64 * WARP / a->f64},
                 {"fp16", (double)c->f16 * WARP / a->f16},
                 {"integer", (double)(c->i32 + c->cmp_sel) * WARP / a->i32},
                 {"integer multiply", (double)c->imul * WARP / a->imul},
                 {"special functions", (double)c->sfu * WARP / a->sfu},
                 {"conversions", (double)c->cvt * WARP / a->cvt},
                 {"shuffles", (double)c->shuffle_vote * WARP / a->shuffle},
                 {"tensor", (double)c->tensor_flops / tensor_per_clock}};
    size_t most = 0;
    for (size_t i = 1; i < sizeof class / sizeof *class; i++)
        most = class[i].clocks > class[most].clocks ? i : most;
    *unit = class[most].name;
    return class[most].clocks;
}

/* Wavefronts of global accesses in L1: one a request, or one per 128 bytes of sectors. */
static double global_wavefronts(const tim_arch *a, const ptx_counters *c)
{
    double requests = (double)(c->global_ld_requests + c->global_st_requests);
    double sectors = (double)(c->global_ld_sectors + c->global_st_sectors);
    return max2(requests, sectors * SECTOR / a->l1_bytes) + (double)c->global_atomic_requests;
}

/* Wavefronts of everything that stays in the SM; an atomic reads and writes. */
static double shared_wavefronts(const tim_arch *a, const ptx_counters *c)
{
    return ((double)c->shared_wavefronts + (double)c->local_requests) * 128 / a->l1_bytes +
           2 * (double)c->shared_atomic_lanes / WARP;
}

/* Bytes that pass between the SMs and L2; an atomic lane counts as one sector. */
static double l2_bytes(const tim_constants *k, const ptx_counters *c)
{
    double loads = (double)c->global_ld_sectors, once = (double)c->unique_ld_sectors;
    double repeated = loads > once ? loads - once : 0;
    return SECTOR * (once + repeated * (1 - k->l1_repeat_hit) + (double)c->global_st_sectors +
                     (double)c->global_atomic_lanes);
}

double tim_uneven(const ptx_counters *c)
{
    double mean = c->blocks ? (double)c->warp_insns / (double)c->blocks : 0;
    return mean > 0 ? max2((double)c->max_block_warp_insns / mean, 1) : 1;
}

static double uneven_of(const tim_launch *l)
{
    return max2(l->uneven, 1);
}

/* Clocks from the first to the last instruction of the longest warp, when nothing else holds it up,
 * in `deep` blocks one after the other, of which the last is the longest. What an average warp does
 * is stretched by longest / average; in an average block by as much less as that is shorter. */
static double path_clocks(const tim_constants *k, const tim_arch *a, const tim_launch *l,
                          double deep)
{
    const ptx_counters *c = &l->counters;
    if (!c->warps || !c->warp_insns)
        return 0;
    double warps = (double)c->warps, mean = (double)c->warp_insns / warps;
    double stretch = max2((double)c->max_warp_insns / mean, 1);
    double average = max2(stretch / uneven_of(l), 1);
    double sectors = (double)c->global_ld_sectors;
    double cold = sectors > 0 ? fmin((double)c->unique_ld_sectors / sectors, 1) : 1;
    double again = k->l1_repeat_hit * a->shared_latency + (1 - k->l1_repeat_hit) * a->l2_latency;
    double load = cold * a->dram_latency + (1 - cold) * again;
    double waits = (double)c->global_ld_requests * load / k->loads_in_flight +
                   (double)c->global_atomic_requests * a->l2_latency / k->loads_in_flight +
                   (double)(c->shared_requests + c->local_requests) * a->shared_latency /
                       k->loads_in_flight +
                   (double)c->shuffle_vote * a->shared_latency / 2 +
                   (double)c->barrier_waits * BARRIER_CLOCKS;
    return (stretch + (deep - 1) * average) * (mean * k->dependent_clocks + waits / warps);
}

void tim_model_launch(const tim_gpu *g, const tim_launch *l, tim_launch_estimate *out)
{
    const tim_arch *a = tim_arch_of(g->arch);
    const tim_constants k = tim_constants_of(g);
    const ptx_counters *c = &l->counters;
    tim_launch_estimate e = {0};
    double scale = l->scale > 0 ? l->scale : 1;
    double blocks = l->blocks ? (double)l->blocks : 1;
    /* Average blocks' worth of work on the SM that has the most, one of them the longest. */
    double busiest = ceil(blocks / g->sms) - 1 + uneven_of(l);
    double share = busiest / blocks;             /* of the work, on that SM */
    double per_block = c->blocks ? scale * (double)c->blocks / blocks : 1; /* growth of one block */
    double here = global_wavefronts(a, c), inside = shared_wavefronts(a, c);
    double to_l2 = scale * l2_bytes(&k, c);

    occupy(g, l, &e);
    e.waves = blocks / ((double)e.resident_blocks * g->sms);
    e.memory_s = scale * SECTOR * (double)(c->unique_ld_sectors + c->unique_st_sectors) /
                 (k.dram_efficiency * g->dram_bytes_per_s);
    e.l2_s = max2(to_l2 / g->l2_bytes_per_s, to_l2 * share / (a->l2_bytes * g->clock_hz));
    e.compute_s = scale * unit_clocks(g, a, c, &e.unit) * share / g->clock_hz;
    e.shared_s = scale * (here + inside) * share / g->clock_hz;
    e.l1_is_global = here > inside;
    e.latency_s = per_block * path_clocks(&k, a, l, ceil(e.waves)) / g->clock_hz;
    e.sync_s = c->blocks ? (double)c->grid_arrivals / (double)c->blocks * GRID_BARRIER_S : 0;
    e.seconds = overlapped(&e, k.overlap) + e.sync_s;
    *out = e;
}

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
                {"launch", e->launch_s}};
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
