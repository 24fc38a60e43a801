/* Rules about registers, shared memory and what spills from them: how many warps an SM can hold. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <inttypes.h>
#include <string.h>

enum {
    REGISTER_STEP = 8, /* the hardware hands out registers of a thread by eights */
    FEWEST_REGISTERS = 32,
    LEAST_SHARED = 1024, /* bytes; a tile of less is none */
    LEAST_SPILL = 16     /* bytes of spill stores and loads in the code */
};

/* ---- how many blocks fit ---- */

static int blocks_with(const ev_facts *f, const ev_launch *l, int registers, int shared_bytes)
{
    tim_launch with = l->counted;
    tim_launch_estimate e;
    with.registers = registers;
    with.shared_bytes = shared_bytes;
    tim_model_launch(f->gpu, &with, &e);
    return e.resident_blocks;
}

/* What an SM would need to hold `blocks`: a half more than now. */
typedef struct resident_plan {
    int blocks;
    int registers, shared_bytes;   /* that a thread and a block may then have at most */
    bool by_registers, by_shared;  /* has to shrink */
    int fit_registers, fit_shared; /* blocks that each of the two allows now */
} resident_plan;

static bool plan_more(const ev_facts *f, const ev_launch *l, resident_plan *p)
{
    int warps = (int)((l->counted.threads_per_block + WARP - 1) / WARP);
    int most = f->gpu->max_warps_per_sm / (warps ? warps : 1), now = l->time.resident_blocks;
    int has = l->counted.registers > 0 ? l->counted.registers : FEWEST_REGISTERS;
    int shared = l->counted.shared_bytes > 0 ? l->counted.shared_bytes : 0;
    *p = (resident_plan){.blocks = now + (now + 1) / 2, .registers = has, .shared_bytes = shared};
    most = most < f->gpu->max_blocks_per_sm ? most : f->gpu->max_blocks_per_sm;
    p->blocks = p->blocks < most ? p->blocks : most;
    if (p->blocks <= now)
        return false;
    p->fit_registers = blocks_with(f, l, has, 0);
    p->fit_shared = blocks_with(f, l, FEWEST_REGISTERS, shared);
    p->by_registers = p->fit_registers < p->blocks;
    p->by_shared = p->fit_shared < p->blocks;
    if (p->by_registers)
        p->registers -= p->registers % REGISTER_STEP;
    while (p->registers > FEWEST_REGISTERS && blocks_with(f, l, p->registers, 0) < p->blocks)
        p->registers -= REGISTER_STEP;
    while (p->shared_bytes > LEAST_SHARED &&
           blocks_with(f, l, FEWEST_REGISTERS, p->shared_bytes) < p->blocks)
        p->shared_bytes -= LEAST_SHARED;
    return (p->by_registers || p->by_shared) &&
           blocks_with(f, l, p->registers, p->shared_bytes) >= p->blocks;
}

/* Bytes of shared memory that a block can have touched at most, when every access was to others: 16
 * bytes a lane. */
static double touched_shared(const ev_launch *l)
{
    const ptx_counters *c = &l->counted.counters;
    return 16.0 * WARP * d(c->shared_requests + c->shared_atomic_lanes) / fmax(d(c->blocks), 1);
}

/* ---- occupancy ---- */

/* Every limit that stands in the way is named; a kernel that spills is not asked for fewer
 * registers at the same work. */
static const char *shrink_advice(ev_facts *f, const ev_launch *l, const resident_plan *p)
{
    const char *registers = "", *shared = "";
    if (p->by_shared)
        shared = ws_arena_printf(
            &f->arena,
            "%sshared memory allows %d: %d need at most %s a block (it has %s), by a smaller tile, "
            "fewer stages, or more threads that share one tile",
            p->by_registers ? "; " : "", p->fit_shared, p->blocks, ev_bytes(f, p->shared_bytes),
            ev_bytes(f, l->counted.shared_bytes));
    if (p->by_registers && l->spill_bytes > 0)
        registers = ws_arena_printf(
            &f->arena,
            "%d registers a thread allow %d block%s and %d bytes spill already, so a launch bound "
            "would only add to that: fewer values alive in a thread (a smaller tile of each "
            "thread, less unrolling); %d blocks need at most %d registers",
            l->counted.registers, p->fit_registers, p->fit_registers == 1 ? "" : "s",
            l->spill_bytes, p->blocks, p->registers);
    else if (p->by_registers)
        registers = ws_arena_printf(
            &f->arena,
            "%d registers a thread allow %d block%s; %d need at most %d registers: "
            "__launch_bounds__(%" PRIu32
            ", %d) if nothing spills then, else fewer values alive in a thread",
            l->counted.registers, p->fit_registers, p->fit_registers == 1 ? "" : "s", p->blocks,
            p->registers, l->counted.threads_per_block, p->blocks);
    return ws_arena_printf(&f->arena, "%s%s", registers, shared);
}

static const char *resize_advice(ev_facts *f, const ev_launch *l)
{
    if (strcmp(l->time.resident_by, "blocks") == 0)
        return ws_arena_printf(&f->arena,
                               "blocks of %" PRIu32
                               " threads limit it, since an SM holds %d blocks: take 128 to 256 "
                               "threads a block",
                               l->counted.threads_per_block, f->gpu->max_blocks_per_sm);
    return ws_arena_printf(&f->arena,
                           "blocks of %" PRIu32
                           " threads do not divide the %d threads of an SM well: take 256 or 512",
                           l->counted.threads_per_block, f->gpu->max_warps_per_sm * WARP);
}

static bool low_occupancy(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    resident_plan p;
    if (!l->index || l->time.occupancy > 0.5 || l->time.waves < 1 ||
        l->time.latency_s < 0.4 * longest_part(&l->time))
        return false;
    if (strcmp(l->time.resident_by, "blocks") == 0 || strcmp(l->time.resident_by, "warps") == 0) {
        then.threads_per_block = 256;
        then.blocks = (l->counted.blocks * l->counted.threads_per_block + 255) / 256;
        then.counters.blocks = scaled(then.counters.blocks, d(then.blocks) / d(l->counted.blocks));
        out->action = resize_advice(f, l);
    } else if (touched_shared(l) < 0.25 * l->counted.shared_bytes) {
        then.shared_bytes = (int)touched_shared(l);
        out->certain = true;
        out->action = ws_arena_printf(
            &f->arena,
            "ask for less shared memory: each block has %s, and its accesses cannot have touched "
            "more than %s of it",
            ev_bytes(f, l->counted.shared_bytes), ev_bytes(f, touched_shared(l)));
    } else {
        if (!plan_more(f, l, &p))
            return false;
        /* A smaller tile costs what it feeds from memory: no trade where waiting does not decide.
         */
        if (p.by_registers && l->spill_bytes > 0 && l->time.latency_s < longest_part(&l->time))
            return false;
        then.registers = p.registers;
        then.shared_bytes = p.shared_bytes;
        out->action = shrink_advice(f, l, &p);
    }
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "occupancy %.0f %%: %d block%s of %" PRIu32 " threads fit on an SM; waiting for memory "
        "and for results is %s of the launch's %s",
        100 * l->time.occupancy, l->time.resident_blocks, l->time.resident_blocks == 1 ? "" : "s",
        l->counted.threads_per_block, ev_time(f, l->time.latency_s), ev_time(f, l->time.seconds));
    return true;
}

/* ---- local memory ---- */

static bool arrays_in_memory(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    if (!c->local_requests)
        return false;
    out->evidence = ws_arena_printf(&f->arena,
                                    "%.1f accesses to local memory a warp: an array that is "
                                    "indexed by a variable cannot live in registers",
                                    d(c->local_requests) / fmax(d(c->warps), 1));
    ev_drop_insns(c, d(c->local_requests));
    c->local_requests = 0;
    if (!then.spill_requests)
        then.local_bytes = 0;
    out->gain = ev_saved(f, i, &then);
    out->certain = f->launch[i].time.seconds > 0.1 * f->seconds;
    out->action =
        "unroll the loops over the array (#pragma unroll with constant bounds) so that every index "
        "is known to the compiler";
    return true;
}

/* The source holds registers down by __launch_bounds__(threads, blocks). */
static bool bounds_blocks(const ev_facts *f)
{
    static const char bounds[] = "__launch_bounds__(";
    const char *z = f->subject->candidate ? f->subject->candidate->source : NULL;
    while (z && (z = strstr(z, bounds))) {
        z += sizeof bounds - 1;
        if (z[strcspn(z, ",)\n")] == ',')
            return true;
    }
    return false;
}

/* The engine counts PTX, in which registers have no end: what spills is in no counter, and how often
 * is estimated (verifier/model.c). */
static bool spills(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    if (l->spill_bytes < LEAST_SPILL)
        return false;
    tim_launch then = l->counted;
    then.spill_requests = 0;
    if (!then.counters.local_requests)
        then.local_bytes = 0;
    out->gain = ev_saved(f, i, &then);
    out->uncounted = !(l->counted.spill_requests > 0);
    out->certain = l->time.seconds > 0.1 * f->seconds;
    out->evidence = ws_arena_printf(
        &f->arena,
        "registers spill: the compiled code has %d bytes of spill stores and loads at %d registers "
        "a thread; how often they run is %s",
        l->spill_bytes, l->counted.registers,
        out->uncounted ? "not counted, the real time is longer than the modelled one"
                       : "estimated, as often as an average instruction of the kernel");
    if (bounds_blocks(f))
        out->action = "lower or drop the second number of __launch_bounds__, which holds registers "
                      "down; or keep fewer values alive: a smaller tile of each thread, less "
                      "unrolling";
    else if (l->counted.registers >= 248)
        out->action = "a thread has all 255 registers: keep fewer values alive by a smaller tile "
                      "of each thread or less unrolling";
    else
        out->action = ws_arena_printf(&f->arena,
                                      "smaller blocks than %" PRIu32
                                      " threads leave each more registers; or keep fewer "
                                      "values alive: a smaller tile of each thread, less unrolling",
                                      l->counted.threads_per_block);
    return true;
}

const ev_rule ev_resident_rules[] = {
    {"occupancy", "at most half of the warps are resident and waiting matters", low_occupancy,
     false},
    {"spills", "the compiler moves registers to memory and back", spills, false},
    {"local-memory", "arrays live in local memory", arrays_in_memory, false},
    {NULL, NULL, NULL, false}};
