/* What a launch cannot beat, term by term. A term is computed from inputs that it lists: whoever
 * changes one changes its formula with it (tests/t_profile_explain.sh evaluates them). */
#include "harness/timing/terms.h"

#include <math.h>
#include <string.h>

enum { WARP = 32, SECTOR = 32, LINE = 128 };

/* Estimates that no fit changes.
 * BLOCK_START   from the end of one block to the first instruction of the next in its place
 * BARRIER       of __syncthreads in a block of one warp (20 to 25 from Volta on, Jia et al. 2018),
 *               and for each further warp of the block to arrive
 * ATOMICS       of one 32-byte sector in L2, a clock: one lane of each
 * GRID_BARRIER  cooperative_groups' grid.sync with a few blocks a SM: 1.4 us and more on Volta
 *               (Zhang et al. 2020, arXiv:2004.05371): two trips to L2, and the slowest block's way
 */
static const double BLOCK_START_CLOCKS = 200, BARRIER_CLOCKS = 20, BARRIER_WARP_CLOCKS = 2,
                    ATOMICS_A_CLOCK = 1, GRID_BARRIER_S = 1.5e-6;

const tim_constants tim_estimates = {
    .dram_efficiency = 0.9, /* a copy on an H200 moves 4.3 of the 4.8 TB/s */
    .l1_repeat_hit = 0.5,
    .dependent_clocks = 2, /* 4 clocks, 2 in flight; where the text tells, in proportion to 2 */
    .loads_in_flight = 4,  /* where the text tells, in proportion to 4 */
    .overlap = 3,          /* two equal parts take 1.26 of one */
};

static double max2(double a, double b)
{
    return a > b ? a : b;
}

static double input(tim_term *t, const char *name, double value, const char *unit, tim_source from,
                    const char *note)
{
    if (t->n < TIM_MAX_INPUTS)
        t->in[t->n++] = (tim_input){name, value, unit, from, note};
    return value;
}

static tim_source constant_source(const tim_view *v)
{
    return v->k.calibrated ? TIM_FITTED : TIM_ESTIMATE;
}

static double clock_of(const tim_view *v, tim_term *t)
{
    return input(t, "clock", v->gpu->clock_hz, "Hz", TIM_DATASHEET, "of the SMs, boost");
}

static double share_of(const tim_view *v, tim_term *t)
{
    return input(t, "busiest_share", v->busiest_share, "", TIM_DERIVED,
                 "of the launch's work on the SM that has most: whole blocks, one the longest");
}

/* ---- bytes ---- */

/* Part of what is asked for again that a cache of `size` bytes has lost, when `used` bytes are in
 * turn. */
static double lost(double used, double size)
{
    return used > size ? 1 - size / used : 0;
}

/* Bytes that all blocks on the machine at once read and write: as many as threads allow, whatever
 * else limits them, so that fewer registers are never slower. */
static double in_turn_bytes(const tim_view *v)
{
    const ptx_counters *c = &v->launch->counters;
    double warps = ceil((double)v->launch->threads_per_block / WARP);
    double at_once = floor(v->gpu->max_warps_per_sm / max2(warps, 1)) * v->gpu->sms;
    double part = v->blocks > at_once ? at_once / v->blocks : 1;
    return v->scale * SECTOR * part * (double)(c->unique_ld_sectors + c->unique_st_sectors);
}

/* Bytes that are asked for again after all others in turn were: pieces of a sector come at once,
 * and small operands, of which each warp may read all, stay in L2. */
static double far_again_bytes(const tim_view *v)
{
    const ptx_counters *c = &v->launch->counters;
    double asked = fmin((double)c->global_ld_bytes / SECTOR, (double)c->global_ld_sectors);
    double kept = (double)c->warps * v->launch->small_bytes / SECTOR;
    return v->scale * SECTOR * max2(asked - (double)c->unique_ld_sectors - kept, 0);
}

/* The engine's cache model was on. */
static bool has_caches(const ptx_counters *c)
{
    return c->l1_ld_sectors || c->l2_ld_sectors;
}

/* Bytes that the cache model reads from DRAM beyond distinct ones; without it, `all`. Of a sample
 * its L2 is the part that the blocks' share comes to: what neighbours share it reads too often. */
static double cache_again_bytes(const tim_view *v, double all)
{
    const ptx_counters *c = &v->launch->counters;
    double once = SECTOR * (double)c->unique_ld_sectors;
    return has_caches(c) ? v->scale * max2((double)c->dram_ld_bytes - once, 0) : all;
}

/* Part of the sectors loaded again that L1 has. The cache model's L1 keeps more than one that many
 * warps fight for: the constant is the most. */
static double l1_hit(const tim_view *v, tim_source *from)
{
    const ptx_counters *c = &v->launch->counters;
    double again = max2((double)c->global_ld_sectors - (double)c->unique_ld_sectors, 0);
    double counted = again > 0 ? (double)c->l1_hit_sectors / again : 0;
    if (!has_caches(c) || counted >= v->k.l1_repeat_hit) {
        *from = constant_source(v);
        return v->k.l1_repeat_hit;
    }
    *from = TIM_COUNTED;
    return counted;
}

static double local_requests(const tim_view *v)
{
    return v->scale * ((double)v->launch->counters.local_requests + v->launch->spill_requests);
}

/* Of all threads that an SM holds. */
static double stacks_of_sm(const tim_view *v)
{
    return (double)v->launch->local_bytes * v->launch->threads_per_block * v->resident;
}

/* Bytes of local memory that L1 has no room for. */
static double local_below_l1(const tim_view *v)
{
    double room = v->arch->unified_bytes / 2.0; /* the other half serves what is not local */
    return local_requests(v) * LINE * lost(stacks_of_sm(v), room);
}

void tim_term_dram(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const ptx_counters *c = &v->launch->counters;
    t->name = "DRAM";
    t->says = "bytes that L2 does not have, at the rate that good kernels reach";
    t->formula = "(unique_bytes + min(far_again_bytes * l2_lost, cache_bytes) + local_bytes) / "
                 "(dram_efficiency * dram_bandwidth)";
    double once =
        input(t, "unique_bytes",
              v->scale * SECTOR * (double)(c->unique_ld_sectors + c->unique_st_sectors), "bytes",
              TIM_COUNTED, "distinct sectors of 32 bytes that the launch loads, and stores");
    double again =
        input(t, "far_again_bytes", far_again_bytes(v), "bytes", TIM_COUNTED,
              "loaded once more; no pieces of sectors, and no small operands, which L2 keeps");
    double missed = input(
        t, "l2_lost", lost(in_turn_bytes(v), v->gpu->l2_bytes), "", TIM_DERIVED,
        "part of them that L2 has dropped: 1 - its size / what the blocks on the GPU use in turn");
    double cache =
        input(t, "cache_bytes", cache_again_bytes(v, again), "bytes", TIM_COUNTED,
              "the most of them that DRAM delivers once more in the engine's cache model");
    double local = input(
        t, "local_bytes", local_below_l1(v) * lost(stacks_of_sm(v) * v->gpu->sms, v->gpu->l2_bytes),
        "bytes", TIM_DERIVED, "of stacks and spills that neither L1 nor L2 has room for");
    double eff = input(t, "dram_efficiency", v->k.dram_efficiency, "", constant_source(v),
                       "what good kernels reach of the peak");
    double bw = input(t, "dram_bandwidth", v->gpu->dram_bytes_per_s, "bytes/s", TIM_DATASHEET, "");
    t->seconds = e->memory_s = (once + fmin(again * missed, cache) + local) / (eff * bw);
}

void tim_term_l2(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const ptx_counters *c = &v->launch->counters;
    t->name = "L2";
    t->says = "bytes between the SMs and L2, by L2's rate or the ports of the SMs that have work";
    t->formula = "(new_bytes + again_bytes * (1 - l1_repeat_hit) + store_bytes + atomic_bytes + "
                 "local_bytes) * max(1 / l2_bandwidth, busiest_share / (l2_port * clock))";
    double new = input(t, "new_bytes", v->scale * SECTOR * (double)c->unique_ld_sectors, "bytes",
                       TIM_COUNTED, "distinct sectors of loads");
    double again = input(t, "again_bytes",
                         v->scale * SECTOR *
                             max2((double)c->global_ld_sectors - (double)c->unique_ld_sectors, 0),
                         "bytes", TIM_COUNTED, "sectors of loads that were loaded before");
    tim_source from;
    const double in_l1 = l1_hit(v, &from);
    double hit =
        input(t, "l1_repeat_hit", in_l1, "", from,
              "part of those that L1 still has: as the cache model counts, at most a constant");
    double stores = input(t, "store_bytes", v->scale * SECTOR * (double)c->global_st_sectors,
                          "bytes", TIM_COUNTED, "sectors of all requests: L1 writes through");
    double atomics = input(t, "atomic_bytes", v->scale * SECTOR * (double)c->global_atomic_lanes,
                           "bytes", TIM_COUNTED, "a sector for each lane of an atomic");
    double local = input(t, "local_bytes", local_below_l1(v), "bytes", TIM_DERIVED,
                         "of stacks and spills that L1 has no room for");
    double bw = input(t, "l2_bandwidth", v->gpu->l2_bytes_per_s, "bytes/s", TIM_DATASHEET, "");
    double share = share_of(v, t);
    double port = input(t, "l2_port", v->arch->l2_bytes, "bytes/clock", TIM_DATASHEET, "of one SM");
    double clock = clock_of(v, t);
    t->seconds = e->l2_s =
        (new + again *(1 - hit) + stores + atomics + local) * max2(1 / bw, share / (port * clock));
}

/* ---- in the SM ---- */

/* Wavefronts of global accesses in L1: one a request, or one per 128 bytes of sectors. */
static double global_wavefronts(const tim_arch *a, const ptx_counters *c)
{
    double requests = (double)(c->global_ld_requests + c->global_st_requests);
    double sectors = (double)(c->global_ld_sectors + c->global_st_sectors);
    return max2(requests, sectors * SECTOR / a->l1_bytes) + (double)c->global_atomic_requests;
}

/* Bulk copies and the operands of wgmma are no requests, but take the same path. */
static double wavefronts_of_all(const ptx_counters *c)
{
    return (double)c->shared_wavefronts +
           (double)(c->bulk_ld_bytes + c->bulk_st_bytes + c->tensor_shared_bytes) / LINE;
}

/* Reads and writes of atomics in shared memory: lanes at one address go one after the other. */
static double shared_atomics(const ptx_counters *c)
{
    return 2 * max2((double)c->shared_atomic_lanes / WARP, (double)c->shared_atomic_passes);
}

void tim_term_shared(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const tim_arch *a = v->arch;
    const ptx_counters *c = &v->launch->counters;
    t->name = "L1 and shared memory";
    t->says = "wavefronts through the SM's one data path, one a clock";
    t->formula = "(global_wavefronts + (shared_wavefronts + local_requests) * line / path + "
                 "shared_atomics) * busiest_share / clock";
    double here =
        input(t, "global_wavefronts", v->scale * global_wavefronts(a, c), "wavefronts", TIM_COUNTED,
              "a request of a warp, or 128 bytes of its sectors, whichever is more");
    double shared = input(
        t, "shared_wavefronts", v->scale * wavefronts_of_all(c), "wavefronts", TIM_COUNTED,
        "of shared memory: bank conflicts make more of them; bulk copies and wgmma a line each");
    double local = input(t, "local_requests", local_requests(v), "wavefronts", TIM_COUNTED,
                         "of arrays in local memory, and spills (estimated)");
    double line = input(t, "line", LINE, "bytes", TIM_DATASHEET, "of a warp's 4-byte access");
    double path = input(t, "path", a->l1_bytes, "bytes/clock", TIM_DATASHEET, "");
    double atomics =
        input(t, "shared_atomics", v->scale * shared_atomics(c), "wavefronts", TIM_COUNTED,
              "an atomic reads and writes, once for each lane at the same address");
    double share = share_of(v, t), clock = clock_of(v, t);
    e->l1_is_global = here > shared + local + atomics;
    t->seconds = e->shared_s = (here + (shared + local) * line / path + atomics) * share / clock;
}

static double machine_of(const tim_launch *l)
{
    return l->machine_insns > 0 ? l->machine_insns : 1;
}

/* Of the units of an SM the one that is busy longest. */
void tim_term_compute(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const tim_arch *a = v->arch;
    const ptx_counters *c = &v->launch->counters;
    double tensor = v->gpu->tensor_f16_flops / v->gpu->clock_hz / v->gpu->sms; /* of one SM */
    const struct {
        const char *unit;
        double work, rate;
        const char *what;
    } class[] = {
        {"issue", (double)c->warp_insns * machine_of(v->launch) + v->launch->spill_requests,
         a->issue, "instructions of warps, where one of PTX is several of the machine as so many"},
        {"fp32", (double)c->f32 * WARP, a->f32, "lanes of instructions"},
        {"fp64", (double)c->f64 * WARP * (v->launch->machine_f64 > 0 ? v->launch->machine_f64 : 1),
         a->f64, "lanes of instructions, where one of PTX is several of the machine as so many"},
        {"fp16", (double)c->f16 * WARP, a->f16, "lanes of instructions"},
        {"integer", (double)(c->i32 + c->cmp_sel) * WARP, a->i32, "lanes of instructions"},
        {"integer multiply", (double)c->imul * WARP, a->imul, "lanes of instructions"},
        {"special functions", (double)c->sfu * WARP, a->sfu, "lanes of instructions"},
        {"conversions", (double)c->cvt * WARP, a->cvt, "lanes of instructions"},
        {"shuffles", (double)c->shuffle_vote * WARP, a->shuffle, "lanes of instructions"},
        {"tensor", (double)c->tensor_flops, tensor, "operations"}};
    size_t most = 0;
    for (size_t i = 1; i < sizeof class / sizeof *class; i++)
        if (class[i].work / class[i].rate > class[most].work / class[most].rate)
            most = i;
    t->name = "instructions";
    t->says = "the unit of an SM that is busy longest; the other units are busy for less";
    t->formula = "work / rate * busiest_share / clock";
    double work = input(t, "work", v->scale * class[most].work, class[most].unit, TIM_COUNTED,
                        class[most].what);
    double rate = input(t, "rate", class[most].rate, "a clock", TIM_DATASHEET, "of one SM");
    double share = share_of(v, t), clock = clock_of(v, t);
    e->unit = class[most].unit;
    t->seconds = e->compute_s = work / rate * share / clock;
}

/* ---- waiting ---- */

static double load_latency(const tim_view *v)
{
    const ptx_counters *c = &v->launch->counters;
    double sectors = (double)c->global_ld_sectors;
    double cold = sectors > 0 ? fmin((double)c->unique_ld_sectors / sectors, 1) : 1;
    tim_source from;
    double hit = l1_hit(v, &from);
    double again = hit * v->arch->shared_latency + (1 - hit) * v->arch->l2_latency;
    return cold * v->arch->dram_latency + (1 - cold) * again;
}

/* Clocks that an average warp waits for what is neither arithmetic nor a load of global memory. */
static double other_waits(const tim_view *v, double warps, double growth)
{
    const ptx_counters *c = &v->launch->counters;
    double known = v->launch->chain_clocks > 0; /* shared memory and shuffles are in the chain */
    double waits = (double)c->global_atomic_requests * v->arch->l2_latency / v->k.loads_in_flight +
                   ((double)c->local_requests + v->launch->spill_requests) *
                       v->arch->shared_latency / v->k.loads_in_flight;
    if (!known)
        waits += (double)c->shared_requests * v->arch->shared_latency / v->k.loads_in_flight +
                 (double)c->shuffle_vote * v->arch->shared_latency / 2;
    return growth * waits / warps;
}

/* How the latest of what an SM runs one after the other is longer than an average warp. */
static void stretch(const tim_view *v, double *longest, double *average)
{
    const ptx_counters *c = &v->launch->counters;
    double mean = (double)c->warp_insns / (double)c->warps;
    *longest = max2((double)c->max_warp_insns / mean, 1);
    *average = max2(*longest / v->uneven, 1);
}

void tim_term_latency(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const tim_launch *l = v->launch;
    const ptx_counters *c = &l->counters;
    t->name = "waiting";
    t->says = "from the first to the last instruction of an SM's longest warps, one wave of blocks "
              "after the other, when nothing else holds them up";
    t->formula =
        "(longest + (waves - 1) * average) * (block_start + instructions * chain + "
        "loads / loads_together * load_latency + other_waits + barriers * barrier) / clock";
    if (!c->warps || !c->warp_insns) {
        t->formula = "0";
        return;
    }
    /* Of a launch counted at a smaller shape: its blocks have grown, or are more. */
    double growth = c->blocks ? v->scale * (double)c->blocks / v->blocks : 1;
    double warps = (double)c->warps, longest, average;
    bool told = l->chain_clocks > 0, told_loads = l->loads_together > 0;
    stretch(v, &longest, &average);
    input(t, "longest", longest, "", TIM_COUNTED, "longest warp / average warp");
    input(t, "average", average, "", TIM_COUNTED, "the same in an average block");
    double waves = input(t, "waves", v->waves, "", TIM_DERIVED,
                         "blocks / (blocks that an SM holds x SMs), rounded up");
    double start = input(t, "block_start", BLOCK_START_CLOCKS, "clocks", TIM_ESTIMATE,
                         "until a block's first instruction");
    double insns = input(t, "instructions", growth * (double)c->warp_insns / warps, "", TIM_COUNTED,
                         "of an average warp");
    double chain =
        input(t, "chain",
              told ? l->chain_clocks * v->k.dependent_clocks / tim_estimates.dependent_clocks
                   : v->k.dependent_clocks,
              "clocks", told ? TIM_COMPILED : constant_source(v),
              "of a warp alone for an instruction: what waits for what");
    double loads = input(t, "loads", growth * (double)c->global_ld_requests / warps, "",
                         TIM_COUNTED, "of global memory, of an average warp");
    double together =
        input(t, "loads_together",
              told_loads ? l->loads_together * v->k.loads_in_flight / tim_estimates.loads_in_flight
                         : v->k.loads_in_flight,
              "", told_loads ? TIM_COMPILED : constant_source(v),
              "loads of a warp in flight when it waits for one");
    double latency = input(t, "load_latency", load_latency(v), "clocks", TIM_DATASHEET,
                           "of DRAM for sectors that are new, of L2 and L1 for others");
    double other =
        input(t, "other_waits", other_waits(v, warps, growth), "clocks", TIM_DERIVED,
              "for atomics, local memory, and shared memory where the text does not tell");
    double barriers = input(t, "barriers", growth * (double)c->barrier_waits / warps, "",
                            TIM_COUNTED, "of an average warp");
    double barrier =
        input(t, "barrier", BARRIER_CLOCKS + BARRIER_WARP_CLOCKS * l->threads_per_block / WARP,
              "clocks", TIM_ESTIMATE, "20, and 2 for each warp of the block");
    double clock = clock_of(v, t);
    t->seconds = e->latency_s =
        (longest + (waves - 1) * average) *
        (start + insns * chain + loads / together * latency + other + barriers * barrier) / clock;
}

void tim_term_atomics(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const ptx_counters *c = &v->launch->counters;
    t->name = "atomics";
    t->says = "lanes that update the same sector of 32 bytes go one after the other in L2";
    t->formula = "lanes / (sectors * a_clock) / clock";
    if (!c->global_atomic_lanes) {
        t->formula = "0";
        return;
    }
    double lanes = input(t, "lanes", v->scale * (double)c->global_atomic_lanes, "", TIM_COUNTED,
                         "of atomics on global memory");
    double sectors = input(t, "sectors", max2(v->scale * (double)c->unique_st_sectors, 1), "",
                           TIM_COUNTED, "distinct, that are updated or stored to");
    double rate =
        input(t, "a_clock", ATOMICS_A_CLOCK, "lanes/clock", TIM_ESTIMATE, "of one sector");
    double clock = clock_of(v, t);
    t->seconds = e->atomic_s = lanes / (sectors * rate) / clock;
}

void tim_term_grid_barriers(const tim_view *v, tim_launch_estimate *e, tim_term *t)
{
    const ptx_counters *c = &v->launch->counters;
    t->name = "grid barriers";
    t->says = "every block waits for all others; overlaps with nothing";
    t->formula = "arrivals / blocks * grid_barrier";
    double arrivals = input(t, "arrivals", (double)c->grid_arrivals, "", TIM_COUNTED, "of blocks");
    double blocks = input(t, "blocks", c->blocks ? (double)c->blocks : 1, "", TIM_COUNTED, "");
    double each = input(t, "grid_barrier", GRID_BARRIER_S, "s", TIM_ESTIMATE, "");
    t->seconds = e->sync_s = arrivals / blocks * each;
}
