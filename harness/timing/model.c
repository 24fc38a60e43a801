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
 * shared, and the number of waves decides latency, so tails and small grids cost what they cost. No
 * estimate is below the operation's roofline.
 *
 * What is not simulated, and the constant that stands for it: L1 hits of repeated global loads,
 * DRAM row misses, independent instructions of one warp, loads in flight of one warp. */
#include "harness/timing/model.h"

#include "harness/timing/arch.h"

#include <math.h>
#include <stddef.h>

enum { WARP = 32, SECTOR = 32, REGISTER_UNIT = 256, WARP_UNIT = 4 };

const double tim_dram_efficiency = 0.9; /* a copy on an H200 moves 4.3 of the 4.8 TB/s */
static const double L1_REPEAT_HIT = 0.5;    /* of loads of a sector that the launch loads again */
static const double DEPENDENT_CLOCKS = 2;   /* per instruction of one warp: 4 clocks, 2 in flight */
static const double LOADS_IN_FLIGHT = 4;    /* of one warp */
static const double BARRIER_CLOCKS = 30;
static const double OVERLAP = 4; /* two equal parts take 1.19 of one; infinity: the largest */

static double max2(double a, double b)
{
    return a > b ? a : b;
}

static double overlapped(const tim_launch_estimate *e)
{
    double part[] = {e->compute_s, e->memory_s, e->l2_s, e->shared_s, e->latency_s}, sum = 0;
    double most = max2(max2(max2(part[0], part[1]), max2(part[2], part[3])), part[4]);
    if (!(most > 0))
        return 0;
    for (size_t i = 0; i < sizeof part / sizeof *part; i++)
        sum += pow(part[i] / most, OVERLAP);
    return most * pow(sum, 1 / OVERLAP);
}

static int warps_per_block(const tim_launch *l)
{
    uint32_t threads = l->threads_per_block ? l->threads_per_block : 1;
    return (int)((threads + WARP - 1) / WARP);
}

/* Blocks that fit on one SM together, at least 1: a block that does not fit would not launch at
 * all. `by` is what keeps the next one out. */
static int resident_blocks(const tim_gpu *g, const tim_arch *a, const tim_launch *l,
                           const char **by)
{
    int warps = warps_per_block(l), registers = l->registers > 0 ? l->registers : 32;
    int per_warp = (registers * WARP + REGISTER_UNIT - 1) / REGISTER_UNIT * REGISTER_UNIT;
    int shared = l->shared_bytes > 0 ? g->shared_per_sm / (l->shared_bytes + a->shared_reserved)
                                     : g->max_blocks_per_sm;
    const struct {
        const char *name;
        int blocks;
    } limit[] = {{"warps", g->max_warps_per_sm / warps},
                 {"blocks", g->max_blocks_per_sm},
                 {"registers", g->registers_per_sm / per_warp / WARP_UNIT * WARP_UNIT / warps},
                 {"shared memory", shared}};
    size_t least = 0;
    for (size_t i = 1; i < sizeof limit / sizeof *limit; i++)
        least = limit[i].blocks < limit[least].blocks ? i : least;
    *by = limit[least].name;
    return limit[least].blocks > 0 ? limit[least].blocks : 1;
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
static double l2_bytes(const ptx_counters *c)
{
    double loads = (double)c->global_ld_sectors, once = (double)c->unique_ld_sectors;
    double repeated = loads > once ? loads - once : 0;
    return SECTOR * (once + repeated * (1 - L1_REPEAT_HIT) + (double)c->global_st_sectors +
                     (double)c->global_atomic_lanes);
}

/* Clocks from the first to the last instruction of the longest warp, when nothing else holds it up.
 * What an average warp does is stretched by longest / average. */
static double warp_clocks(const tim_arch *a, const ptx_counters *c)
{
    if (!c->warps || !c->warp_insns)
        return 0;
    double warps = (double)c->warps, mean = (double)c->warp_insns / warps;
    double stretch = max2((double)c->max_warp_insns / mean, 1);
    double sectors = (double)c->global_ld_sectors;
    double cold = sectors > 0 ? fmin((double)c->unique_ld_sectors / sectors, 1) : 1;
    double again = L1_REPEAT_HIT * a->shared_latency + (1 - L1_REPEAT_HIT) * a->l2_latency;
    double load = cold * a->dram_latency + (1 - cold) * again;
    double waits = (double)c->global_ld_requests * load / LOADS_IN_FLIGHT +
                   (double)c->global_atomic_requests * a->l2_latency / LOADS_IN_FLIGHT +
                   (double)(c->shared_requests + c->local_requests) * a->shared_latency /
                       LOADS_IN_FLIGHT +
                   (double)c->shuffle_vote * a->shared_latency / 2 +
                   (double)c->barrier_waits * BARRIER_CLOCKS;
    return stretch * (mean * DEPENDENT_CLOCKS + waits / warps);
}

void tim_model_launch(const tim_gpu *g, const tim_launch *l, tim_launch_estimate *out)
{
    const tim_arch *a = tim_arch_of(g->arch);
    const ptx_counters *c = &l->counters;
    tim_launch_estimate e = {0};
    double scale = l->scale > 0 ? l->scale : 1;
    double blocks = l->blocks ? (double)l->blocks : 1;
    double busiest = ceil(blocks / g->sms);      /* blocks of the SM that has the most */
    double share = busiest / blocks;             /* of the work, on that SM */
    double per_block = c->blocks ? scale * (double)c->blocks / blocks : 1; /* growth of one block */
    double here = global_wavefronts(a, c), inside = shared_wavefronts(a, c);
    double to_l2 = scale * l2_bytes(c);

    e.resident_blocks = resident_blocks(g, a, l, &e.resident_by);
    e.waves = blocks / ((double)e.resident_blocks * g->sms);
    e.occupancy = (double)e.resident_blocks * warps_per_block(l) / g->max_warps_per_sm;
    e.memory_s = scale * SECTOR * (double)(c->unique_ld_sectors + c->unique_st_sectors) /
                 (tim_dram_efficiency * g->dram_bytes_per_s);
    e.l2_s = max2(to_l2 / g->l2_bytes_per_s, to_l2 * share / (a->l2_bytes * g->clock_hz));
    e.compute_s = scale * unit_clocks(g, a, c, &e.unit) * share / g->clock_hz;
    e.shared_s = scale * (here + inside) * share / g->clock_hz;
    e.l1_is_global = here > inside;
    e.latency_s = ceil(e.waves) * per_block * warp_clocks(a, c) / g->clock_hz;
    e.seconds = overlapped(&e);
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
        e.latency_s += p.latency_s;
        e.launch_s += gpu->launch_s;
        global_s += p.l1_is_global ? p.shared_s : 0;
        occupied += w * p.occupancy;
        weight += w;
    }
    double by_bytes = min_bytes / gpu->dram_bytes_per_s;
    double by_flops = flops / peak_flops(gpu, launch, n);
    e.memory_s = max2(e.memory_s, by_bytes);
    e.compute_s = max2(e.compute_s, by_flops);
    e.floor_s = max2(by_bytes, by_flops);
    e.seconds = e.launch_s + max2(busy, e.floor_s);
    e.occupancy = weight > 0 ? fmin(occupied / weight, 1) : 0;
    name_bound(&e, global_s > e.shared_s / 2);
    *out = e;
}
