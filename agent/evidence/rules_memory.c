/* Rules about bytes: how they are asked for, how often, and where they wait. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <string.h>

/* ---- how accesses fall on sectors ---- */

/* What the stores of a single launch write, "" where it may be several tensors. */
static const char *only_output(const ev_facts *f, bool stores)
{
    return stores && f->plan_launches == 1 && f->spec->n_outputs == 1 ? f->spec->output[0] : "";
}

static const char *access_advice(ev_facts *f, bool stores, bool pieces, bool far)
{
    const char *does = stores ? "write" : "read";
    if (pieces && far)
        return ws_arena_printf(
            &f->arena,
            "each lane %ss a row or a run of its own, element after element: let the 32 lanes of a "
            "warp share one (threadIdx.x along the innermost axis, lane k takes element k, then k + "
            "32), or pass tiles through shared memory",
            does);
    if (pieces)
        return ws_arena_printf(
            &f->arena,
            "each lane %ss a run of neighbouring elements of its own, one access after the other: "
            "give the lanes of one access neighbouring vectors (lane k takes vector k, then k + "
            "32, in the place of 2 k and 2 k + 1), by another assignment of elements to lanes "
            "rather than by shuffles afterwards",
            does);
    if (!far)
        return ws_arena_printf(
            &f->arena,
            "the lanes of a warp %s every second or fourth element, or rows that begin in the "
            "middle of a sector: let a lane take neighbouring elements as one vector, or pass "
            "whole rows through shared memory",
            does);
    return ws_arena_printf(
        &f->arena,
        "let threadIdx.x run along the innermost axis, so that the 32 lanes of a warp %s "
        "neighbouring addresses; where the other side of a copy needs the other order, go through "
        "a tile in shared memory",
        does);
}

/* `by` warps do what one did. */
static void share_rows(tim_launch *l, uint64_t by)
{
    l->blocks *= by;
    l->counters.blocks *= by;
    l->counters.warps *= by;
    l->counters.max_warp_insns /= by;
    l->counters.max_block_warp_insns /= by;
}

static bool uncoalesced(ev_facts *f, int i, bool stores, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    uint64_t *sectors = stores ? &c->global_st_sectors : &c->global_ld_sectors;
    uint64_t *unique = stores ? &c->unique_st_sectors : &c->unique_ld_sectors;
    uint64_t bytes = stores ? c->global_st_bytes : c->global_ld_bytes;
    uint64_t requests = stores ? c->global_st_requests : c->global_ld_requests;
    double ideal = ideal_sectors(bytes, requests), is = d(*sectors);
    if (!requests || is < 1.5 * ideal)
        return false;
    /* Several accesses share each sector, and none is made twice: DRAM has it once, L2 as often as
     * it is asked. */
    double once = SECTOR * d(*unique);
    bool pieces = is >= 1.5 * d(*unique) && once < 1.1 * d(bytes) && once > 0.9 * d(bytes);
    bool runs = is >= 1.5 * d(*unique) && once < 1.1 * d(bytes) && requests >= WARP * c->warps;
    out->certain = is > 4 * ideal && !pieces && f->launch[i].time.seconds > 0.1 * f->seconds;
    *sectors = as_count(ideal);
    *unique = *unique < *sectors ? *unique : *sectors;
    if (runs) /* of each lane: a warp takes one of them in the place of 32 */
        share_rows(&then, WARP);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "a warp's %s%s%s touches %.1f sectors of 32 bytes on average where %.1f hold the %.0f "
        "bytes "
        "that its lanes ask for; %s move for %s used%s",
        stores ? "store" : "load", *only_output(f, stores) ? " of " : "", only_output(f, stores),
        is / d(requests), ideal / d(requests), d(bytes) / d(requests),
        ev_bytes(f, scale_of(l) * is * SECTOR), ev_bytes(f, scale_of(l) * d(bytes)),
        pieces ? stores ? ", in L1 and L2: each sector is written in pieces, and DRAM gets it once"
                        : ", in L1 and L2: each sector is read in pieces, from DRAM once"
               : "");
    out->action = access_advice(f, stores, pieces, is > 4 * ideal);
    return true;
}

static bool uncoalesced_loads(ev_facts *f, int i, ev_finding *out)
{
    return uncoalesced(f, i, false, out);
}

static bool uncoalesced_stores(ev_facts *f, int i, ev_finding *out)
{
    return uncoalesced(f, i, true, out);
}

/* Check shapes at which rows do not begin at multiples of 16 bytes: "N=257, N=1". */
static const char *ragged_shapes(ev_facts *f)
{
    ws_buf t = {0};
    int shown = 0;
    for (int k = 0; k < f->spec->n_checks && shown < 3; k++) {
        const spec_tensor *x = &f->spec->tensor[0];
        ws_env env = spec_env(f->spec, k);
        int64_t dim[SPEC_MAX_RANK], count;
        ws_err ignored = {0};
        if (!x->rank || spec_tensor_dims(x, &env, dim, &count, &ignored) ||
            dim[x->rank - 1] * (int64_t)ws_dtype_bytes(x->dtype) % 16 == 0)
            continue;
        ws_buf_adds(&t, shown++ ? "; " : "");
        spec_env_print(&env, &t);
    }
    const char *z = ws_arena_strdup(&f->arena, ws_buf_z(&t));
    ws_buf_release(&t);
    return z;
}

/* Full warps that ask for 4 bytes a lane or fewer, in a row. A copy of 4 bytes a lane reaches some
 * per cent less than one of 16; of what the model promises half is taken. */
static const double HALF = 0.5;
static void fewer_threads(tim_launch *l, double by)
{
    ptx_counters *c = &l->counters;
    double mean = d(c->warp_insns) / fmax(d(c->warps), 1);
    l->blocks = as_count(ceil(d(l->blocks) * by));
    c->blocks = as_count(ceil(d(c->blocks) * by));
    c->warps = as_count(ceil(d(c->warps) * by));
    c->max_warp_insns =
        scaled(c->max_warp_insns, d(c->warp_insns) / fmax(d(c->warps), 1) / fmax(mean, 1));
}

static bool narrow_accesses(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double requests = d(c->global_ld_requests + c->global_st_requests);
    double bytes = d(c->global_ld_bytes + c->global_st_bytes);
    double sectors = d(c->global_ld_sectors + c->global_st_sectors);
    double a_lane = bytes / fmax(requests, 1) / WARP;
    if (!requests || a_lane > 8.5 || a_lane < 0.9 || sectors > 1.2 * bytes / SECTOR)
        return false;
    double fewer = fmax(a_lane / 16, 1.0 / 16);
    ev_drop_insns(c, requests * (1 - fewer));
    c->mem_insns = scaled(c->mem_insns, fewer);
    c->global_ld_requests = scaled(c->global_ld_requests, fewer);
    c->global_st_requests = scaled(c->global_st_requests, fewer);
    /* Where waiting decides and the SMs have room, others are to blame first: as many bytes are in
     * flight as before. Else a thread of few loads takes more elements, and there are fewer of them. */
    const tim_launch_estimate *e = &f->launch[i].time;
    bool waits = e->latency_s >= 0.8 * longest_part(e) && e->occupancy * fmin(e->waves, 1) < 0.75;
    if (waits)
        then.loads_together = fmax(fewer * (then.loads_together > 0
                                                ? then.loads_together
                                                : tim_constants_of(f->gpu).loads_in_flight), 1e-3);
    else if (requests <= 8 * d(c->warps))
        fewer_threads(&then, fewer);
    out->gain = HALF * ev_saved(f, i, &then);
    out->certain = a_lane < 4.5 && f->launch[i].time.memory_s >= longest_part(&f->launch[i].time) &&
                   f->launch[i].time.seconds > 0.1 * f->seconds;
    const char *ragged = ragged_shapes(f);
    out->evidence = ws_arena_printf(
        &f->arena, "global accesses are coalesced but narrow: %.1f bytes a lane, %s requests",
        a_lane, ev_count(f, requests * scale_of(&f->launch[i])));
    out->action = ws_arena_printf(
        &f->arena,
        "load and store 16 bytes a lane (float4, or eight 16-bit values), which also keeps more "
        "bytes in flight%s%s%s",
        *ragged ? "; a scalar path must remain where rows are not multiples of 16 bytes (" : "",
        ragged, *ragged ? ")" : "");
    return true;
}

/* ---- between launches ---- */

/* Intermediates that go through DRAM between launches. */
static bool fuse(ev_facts *f, int i, ev_finding *out)
{
    double least = f->cost.min_bytes / SECTOR, saved = 0;
    (void)i;
    if (!f->has_cost || f->plan_launches < 2 || !f->n_launches)
        return false;
    double left = fmin(least / fmax(f->total_sectors, 1), 1);
    for (int k = 0; k < f->n_launches; k++) {
        tim_launch then = f->launch[k].counted;
        ptx_counters *c = &then.counters;
        c->unique_ld_sectors = scaled(c->unique_ld_sectors, left);
        c->unique_st_sectors = scaled(c->unique_st_sectors, left);
        c->global_ld_sectors = scaled(c->global_ld_sectors, left);
        c->global_st_sectors = scaled(c->global_st_sectors, left);
        saved += ev_saved(f, k, &then);
    }
    double launches = (f->plan_launches - 1) * tim_constants_of(f->gpu).launch_s;
    out->gain = ev_limit(f, saved + launches);
    if (f->total_sectors < 1.1 * least && launches < 0.02 * f->seconds)
        return false;
    out->evidence = ws_arena_printf(
        &f->arena,
        "%d launches, of %s each; together they move %s through DRAM where the operation needs %s",
        f->plan_launches, ev_time(f, tim_constants_of(f->gpu).launch_s), ev_bytes(f, f->total_sectors * SECTOR),
        ev_bytes(f, f->cost.min_bytes));
    out->action =
        "fuse launches: pass values on in registers or shared memory in the place of scratch; a "
        "pointwise step belongs into the kernel that makes or reads its operand";
    return true;
}

/* ---- shared memory and atomics ---- */

static bool bank_conflicts(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    bool wide = ev_has_wide_types(f);
    double ways = d(c->shared_wavefronts) / fmax(d(c->shared_requests), 1);
    double fine = wide ? 4 : 1;
    if (!c->shared_requests || ways < 1.25 * fine)
        return false;
    c->shared_wavefronts = scaled(c->shared_requests, fine);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "bank conflicts: a shared memory access takes %.1f wavefronts on average, where %s do",
        ways, wide ? "1 (4 for 16 bytes a lane)" : "1");
    out->action =
        "pad rows of the shared array by one element ([32][33]) or swizzle the column with the "
        "row, so that the lanes of a warp fall on 32 different banks";
    return true;
}

/* The same place is stored to again and again: a sum that is kept in memory. */
static bool rewrites(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double stored = d(c->global_st_bytes), once = SECTOR * d(c->unique_st_sectors);
    double times = stored / fmax(once, 1);
    if (!c->global_st_requests || times < 1.5 || c->global_atomic_lanes)
        return false;
    double gone = d(c->global_st_requests) * (1 - 1 / times);
    double loads = fmin(gone, d(c->global_ld_requests) / 2); /* what is added to is loaded, too */
    double sectors = loads / fmax(d(c->global_ld_requests), 1);
    ev_drop_insns(c, gone + loads);
    c->global_st_sectors = scaled(c->global_st_sectors, 1 / times);
    c->global_st_bytes = scaled(c->global_st_bytes, 1 / times);
    c->global_st_requests = scaled(c->global_st_requests, 1 / times);
    c->global_ld_sectors = scaled(c->global_ld_sectors, 1 - sectors);
    c->global_ld_bytes = scaled(c->global_ld_bytes, 1 - sectors);
    c->global_ld_requests -= as_count(loads);
    /* A store between loads has each wait for the one before. */
    then.loads_together = then.loads_together > 0 ? fmax(then.loads_together, 4) : 0;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "stores of %s go to %s of memory: each place is written %.0f times",
        ev_bytes(f, scale_of(&f->launch[i]) * stored), ev_bytes(f, scale_of(&f->launch[i]) * once),
        times);
    out->action = "keep the sum in a register, and store it once after the loop: a store to global "
                  "memory in a loop also has the next loads wait, as they may read what it wrote";
    return true;
}

static bool atomics(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    if (c->global_atomic_lanes < 32)
        return false;
    double lanes = d(c->global_atomic_lanes) * scale_of(&f->launch[i]);
    c->global_atomic_lanes = scaled(c->global_atomic_lanes, 1.0 / WARP);
    c->global_atomic_requests = scaled(c->global_atomic_requests, 1.0 / 8);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%s atomic updates of global memory, %.2f a thread", ev_count(f, lanes),
        d(f->launch[i].counted.counters.global_atomic_lanes) / fmax(d(c->threads), 1));
    out->action =
        "reduce in registers, then by warp shuffles and shared memory, and update global memory "
        "once a block";
    return true;
}

/* Lanes of a warp that update the same word of shared memory go one after the other. */
static bool shared_atomics(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double warps = d(c->shared_atomic_lanes) / WARP, passes = d(c->shared_atomic_passes);
    if (passes < 1.5 * warps || warps < 1)
        return false;
    c->shared_atomic_passes = as_count(warps / WARP);
    c->shared_atomic_lanes = as_count(warps);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena, "%s updates of shared memory, of which on average %.1f of 32 lanes hit the same word "
        "and go one after the other",
        ev_count(f, warps * WARP * scale_of(&f->launch[i])), passes / warps);
    out->action =
        "let each thread add up what it can in a register, then a warp by shuffles, and one lane update "
        "shared memory; a histogram gets several copies, one for each warp or lane group";
    return true;
}

const ev_rule ev_memory_rules[] = {
    {"uncoalesced-loads", "sectors of a warp's loads above 1.5 times what its lanes ask for",
     uncoalesced_loads, false},
    {"uncoalesced-stores", "sectors of a warp's stores above 1.5 times what its lanes write",
     uncoalesced_stores, false},
    {"narrow-accesses", "coalesced accesses of at most 8 bytes a lane take 16 at once",
     narrow_accesses, false},
    {"rewrites", "a launch stores to the same memory more than 1.5 times", rewrites, false},
    {"fuse", "launches pass data through DRAM, or the launches themselves take time", fuse, true},
    {"bank-conflicts", "wavefronts of shared memory above 1.25 times the requests", bank_conflicts,
     false},
    {"atomics", "global atomics of single threads", atomics, false},
    {"shared-atomics", "lanes of a warp update the same word of shared memory", shared_atomics,
     false},
    {NULL, NULL, NULL, false}};
