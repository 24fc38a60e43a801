/* Rules about lanes, warps and blocks: which of the machine's places for them are taken. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <inttypes.h>
#include <string.h>

static bool idle_lanes(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double busy = d(c->thread_insns) / fmax(d(c->warp_insns), 1);
    double diverged = d(c->divergent_branch) / fmax(d(c->branch), 1);
    uint32_t threads = l->counted.threads_per_block;
    if (!c->warp_insns || busy > 0.9 * WARP)
        return false;
    ev_scale_insns(c, busy / WARP);
    c->global_ld_requests = scaled(c->global_ld_requests, busy / WARP);
    c->global_st_requests = scaled(c->global_st_requests, busy / WARP);
    c->shared_requests = scaled(c->shared_requests, busy / WARP);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "an average instruction runs with %.1f of 32 lanes; %.0f %% of branches diverge",
        busy, 100 * diverged);
    if (threads % WARP)
        out->action =
            ws_arena_printf(&f->arena,
                            "a block of %" PRIu32 " threads leaves lanes of its last warp idle: "
                            "take a multiple of 32",
                            threads);
    else
        out->action =
            "let all lanes share work that single threads do now (if (threadIdx.x == 0) loops "
            "become warp shuffles), and fit the threads of a block to the length of a row";
    return true;
}

/* Most warps load nothing: the block is larger than what it has to do. */
static bool idle_warps(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double loads = d(c->global_ld_requests + c->global_atomic_requests);
    double busy = loads / fmax(d(c->warps), 1), threads = l->counted.threads_per_block;
    if (!c->global_ld_requests || busy > 0.75 || threads < 2 * WARP)
        return false;
    then.threads_per_block = (uint32_t)fmax(WARP, ceil(threads * busy / WARP) * WARP);
    double left = then.threads_per_block / threads;
    ev_scale_insns(c, left);
    c->max_warp_insns = l->counted.counters.max_warp_insns;
    c->warps = scaled(c->warps, left);
    c->barrier_waits = then.threads_per_block == WARP ? 0 : scaled(c->barrier_waits, left);
    c->shared_requests = scaled(c->shared_requests, left);
    c->shared_wavefronts = scaled(c->shared_wavefronts, left);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%.0f %% of the warps load nothing: blocks of %.0f threads have work for about %.0f",
        100 * (1 - busy), threads, fmax(threads * busy, 1));
    out->action = ws_arena_printf(
        &f->arena,
        "blocks of %" PRIu32 " threads, or several rows a block: a warp for each row needs no "
        "barrier and no shared memory for its sum",
        then.threads_per_block);
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
    out->action =
        "start more blocks: where elements are independent a grid over all of them; where they are "
        "summed several blocks a row, combined through scratch in a second launch or by one atomic "
        "a block";
    return true;
}

static bool ragged_waves(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    double waves = l->time.waves, whole = ceil(waves);
    double by_sm = ceil((double)l->counted.blocks / f->gpu->sms);
    double loss =
        fmax(waves > 1 ? whole / waves : 1, by_sm * f->gpu->sms / (double)l->counted.blocks);
    if (!l->index || (double)l->counted.blocks < f->gpu->sms || loss < 1.15)
        return false;
    double per_wave = (double)l->time.resident_blocks * f->gpu->sms;
    then.blocks = as_count(waves > 1 ? whole * per_wave : by_sm * f->gpu->sms);
    out->gain = ev_saved(f, i, &then);
    if (waves > 1)
        out->evidence = ws_arena_printf(
            &f->arena,
            "%" PRIu64
            " blocks on %d SMs with room for %d each are %.2f waves: the last is mostly empty",
            l->counted.blocks, f->gpu->sms, l->time.resident_blocks, waves);
    else
        out->evidence = ws_arena_printf(
            &f->arena, "%" PRIu64 " blocks on %d SMs: the busiest has %.0f, an average one %.2f",
            l->counted.blocks, f->gpu->sms, by_sm, (double)l->counted.blocks / f->gpu->sms);
    out->action = ws_arena_printf(&f->arena,
                                  "choose the tile so that the number of blocks is a multiple of "
                                  "%d or just below, or run %.0f blocks that take tiles in a loop",
                                  f->gpu->sms, waves > 1 ? per_wave : f->gpu->sms);
    return true;
}

/* Time is the path of the longest warp, and the machine has room for more of them. */
static bool serial_threads(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double warps = d(c->warps) * (l->counted.scale > 0 ? l->counted.scale : 1);
    /* As many as fit with the registers and the shared memory that each takes. */
    double room = l->time.waves > 0 ? warps / l->time.waves : 0;
    if (!l->index || l->time.latency_s < 0.8 * longest_part(&l->time) || warps * 2 > room ||
        d(c->warp_insns) < 64 * d(c->warps))
        return false;
    double each = d(c->warp_insns) / fmax(d(c->warps), 1);
    then.blocks *= 2;
    c->blocks *= 2;
    c->warps *= 2;
    c->max_warp_insns /= 2;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(&f->arena,
                                    "%.0f warps of %.0f that the GPU holds do %.0f instructions "
                                    "each, one after the other: the time is one warp's path",
                                    warps, room, each);
    out->action =
        "give each thread less to do and start more of them: a warp or a block for each row, whose "
        "threads take neighbouring elements, with a shuffle reduction; unroll so that loads do not "
        "wait for each other";
    return true;
}

/* The longest of the blocks that were counted against an average one. */
static double block_ratio(const ev_launch *l)
{
    return l->block_insns.mean > 0 ? l->block_insns.max / l->block_insns.mean : 1;
}

static bool uneven_blocks(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double ratio = block_ratio(l);
    if (!l->index || l->counted.blocks < 2 || ratio < 1.3)
        return false;
    c->max_warp_insns = scaled(c->max_warp_insns, 1 / ratio);
    c->max_block_warp_insns = as_count(l->block_insns.mean);
    then.uneven = 0;
    out->gain = ev_saved(f, i, &then);
    out->certain = ratio > 1.5 && l->time.seconds > 0.1 * f->seconds;
    out->evidence = ws_arena_printf(
        &f->arena,
        "blocks are uneven: %s to %s warp instructions in a block, %s on average; the "
        "last to end holds the launch up",
        ev_count(f, l->block_insns.min), ev_count(f, l->block_insns.max),
        ev_count(f, l->block_insns.mean));
    out->action =
        "blocks of equal cost: in a triangle let one block take a long tile and a short one (tile "
        "i and then tile n - 1 - i), or split the long ones into several blocks";
    return true;
}

static bool imbalance(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double mean = d(c->warp_insns) / fmax(d(c->warps), 1), longest = d(c->max_warp_insns);
    double ratio = block_ratio(&f->launch[i]); /* uneven blocks are another rule's */
    if (!f->launch[i].index || !c->warps || longest < 1.5 * mean * ratio)
        return false;
    c->max_warp_insns = as_count(mean * ratio);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "the longest warp executes %.0f instructions, an average one %.0f", longest,
        mean);
    out->action =
        f->launch[i].block_insns.mean > 0
            ? "spread the work of a block evenly over its warps: no loop that one warp or one "
              "thread runs alone"
            : "spread the work evenly: no loop that one warp or one thread runs alone, and tiles "
              "of equal cost for all blocks; in a triangle pair a long tile with a short one, or "
              "start the long ones first";
    return true;
}

enum { TOGETHER = 8 }; /* loads in flight that unrolling can reach */

/* Loads come one or two from barrier to barrier. */
static bool parts_loads(const ptx_counters *c, const tim_launch *l)
{
    return d(l->counters.barrier_waits) >= 0.5 * d(c->global_ld_requests);
}

/* A barrier after each step of a tree in shared memory costs the step's own instructions too: the
 * comparison, the loads, the store. Of a large tile it costs itself alone. */
static bool barriers(ev_facts *f, int i, ev_finding *out)
{
    enum { STEP = 40 }; /* instructions of a warp from barrier to barrier, at most, of a tree */
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double each = d(c->barrier_waits) / fmax(d(c->warps), 1);
    double apart = d(c->warp_insns) / fmax(d(c->barrier_waits), 1);
    bool tree = apart < STEP && c->shared_requests;
    if (each < 4)
        return false;
    if (tree) {
        ev_drop_insns(c, 0.75 * 0.75 * d(c->warp_insns));
        c->shared_requests = scaled(c->shared_requests, 0.25);
        c->shared_wavefronts = scaled(c->shared_wavefronts, 0.25);
    }
    c->barrier_waits = scaled(c->barrier_waits, 0.25);
    if (parts_loads(c, &f->launch[i].counted) && then.loads_together > 0)
        then.loads_together = fmin(4 * then.loads_together, TOGETHER);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%.1f barriers a warp, %.0f instructions apart%s", each, apart,
        tree ? ": a tree in shared memory, whose every step ends in a barrier"
        : parts_loads(c, &f->launch[i].counted)
            ? ", which keep loads apart: none is issued before the barrier that stands before it"
            : "");
    out->action =
        tree ? "add up within a warp by __shfl_xor_sync (5 steps without a barrier), let each warp "
               "store one value, and the first warp add up those: one barrier in the place of one "
               "a step; before that each thread adds up several elements of its own"
             : "fewer __syncthreads: warp shuffles for the last 5 steps of a reduction, a larger tile for "
               "each barrier, two buffers so that one barrier a step is enough";
    return true;
}

/* ---- what a warp waits for ---- */

static bool waits_most(const tim_launch_estimate *e)
{
    return e->latency_s >= 0.6 * longest_part(e);
}

/* The text says how many loads are in flight: with few warps on the SM nothing else hides them. */
static bool dependent_loads(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    const ptx_counters *c = &then.counters;
    double each = d(c->global_ld_requests) / fmax(d(c->warps), 1), now = then.loads_together;
    if (!(now > 0) || now > 3 || each < 2 * now || !waits_most(&l->time) || parts_loads(c, &then))
        return false;
    then.loads_together = fmin(TOGETHER, each);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "each warp loads %.0f times, and waits when %.1f load%s in flight: %s of the launch's %s "
        "is waiting, with %.0f %% of the warps that an SM could hold at work",
        each, now, now < 1.5 ? " is" : "s are", ev_time(f, l->time.latency_s),
        ev_time(f, l->time.seconds), 100 * l->time.occupancy * fmin(l->time.waves, 1));
    out->action =
        "unroll so that 4 to 8 loads are issued before the first is used (load into an array of "
        "registers, then compute; several sums in the place of one); mark pointers __restrict__ and "
        "const, as a store to memory that may be the same ends every batch of loads";
    return true;
}

/* One instruction waits for the one before it. */
static bool dependent_chain(ev_facts *f, int i, ev_finding *out)
{
    static const double FINE = 1; /* clock of an instruction of a warp alone */
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    const ptx_counters *c = &then.counters;
    if (!(then.chain_clocks > 2.2) || !waits_most(&l->time) || d(c->warp_insns) < 64 * d(c->warps))
        return false;
    then.chain_clocks = FINE;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "a warp's instructions wait for each other: %.1f clocks each for a warp alone, where "
        "independent ones take 1; %s of the launch's %s is waiting",
        l->counted.chain_clocks, ev_time(f, l->time.latency_s), ev_time(f, l->time.seconds));
    out->action =
        "break the chain: several independent accumulators (4 sums of every fourth element, added "
        "at the end), or several outputs a thread, unrolled so that their instructions alternate";
    return true;
}

const ev_rule ev_machine_rules[] = {
    {"idle-warps", "a quarter of the warps and more load nothing", idle_warps, false},
    {"few-blocks", "fewer blocks than SMs", few_blocks, false},
    {"ragged-waves", "the last wave of blocks is mostly empty", ragged_waves, false},
    {"serial-threads", "the time is one warp's path while the GPU has room", serial_threads, false},
    {"uneven-blocks", "the longest block executes 1.3 times what an average one does",
     uneven_blocks, false},
    {"imbalance", "the longest warp executes 1.5 times what an average one does", imbalance, false},
    {"idle-lanes", "an average instruction runs with fewer than 29 of 32 lanes", idle_lanes, false},
    {"barriers", "four barriers a warp and more", barriers, false},
    {"dependent-loads", "waiting decides, and at most three loads of a warp are in flight",
     dependent_loads, false},
    {"dependent-chain", "waiting decides, and instructions wait for each other", dependent_chain,
     false},
    {NULL, NULL, NULL, false}};
