/* Rules about bytes: how they are asked for, how often, and where they wait. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <string.h>

/* Sectors that would do for what the lanes ask for: at least one a request. */
static double ideal_sectors(uint64_t bytes, uint64_t requests)
{
    return fmax(d(bytes) / SECTOR, d(requests));
}

/* ---- how accesses fall on sectors ---- */

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
    out->certain = is > 4 * ideal && f->launch[i].time.seconds > 0.1 * f->seconds;
    *sectors = as_count(ideal);
    *unique = *unique < *sectors ? *unique : *sectors;
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(&f->arena,
                                    "a warp's %s touches %.1f sectors of 32 bytes on average where "
                                    "%.1f hold what its lanes ask for; %s move for %s used",
                                    stores ? "store" : "load", is / d(requests),
                                    ideal / d(requests), ev_bytes(f, scale_of(l) * is * SECTOR),
                                    ev_bytes(f, scale_of(l) * d(bytes)));
    if (is <= 4 * ideal)
        out->action = ws_arena_printf(&f->arena,
                                      "the lanes of a warp %s every second or fourth element, or "
                                      "rows that begin in the middle of a sector: let a lane take "
                                      "neighbouring elements as one vector, or pass whole rows "
                                      "through shared memory",
                                      stores ? "write" : "read");
    else
        out->action = ws_arena_printf(
            &f->arena,
            "let threadIdx.x run along the innermost axis, so that the 32 lanes of a warp %s "
            "neighbouring addresses; where the other side of a copy needs the other order, go "
            "through a tile in shared memory",
            stores ? "write" : "read");
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

/* Full warps that ask for 4 bytes a lane or fewer, in a row. */
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
    out->gain = ev_saved(f, i, &then);
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

/* ---- how often ---- */

static bool is_contraction(const ev_facts *f)
{
    double products = 0;
    for (int u = REF_PRODUCT_F64; u < REF_UNIT_COUNT; u++)
        products += f->cost.unit[u];
    return f->has_cost && products > 0.5 * f->cost.flops;
}

/* "a row of x takes 32.8 kB" for the largest input: what would have to be kept. */
static const char *row_size(ev_facts *f)
{
    const spec *s = f->spec;
    double most = 0;
    const char *text = "";
    for (int i = 0; i < s->n_inputs; i++) {
        const spec_tensor *x = &s->tensor[i];
        int64_t dim[SPEC_MAX_RANK], count;
        ws_err ignored = {0};
        if (x->rank < 2 || spec_tensor_dims(x, &f->dims, dim, &count, &ignored) ||
            (double)count <= most)
            continue;
        most = (double)count;
        text = ws_arena_printf(
            &f->arena, " (a row of %s takes %s, a block may have %s of shared memory)", x->name,
            ev_bytes(f, (double)dim[x->rank - 1] * (double)ws_dtype_bytes(x->dtype)),
            ev_bytes(f, f->gpu->shared_per_block));
    }
    return text;
}

/* Bytes of the operands that are much smaller than the largest one, and their names: every block
 * may read all of them. */
static double small_operands(ev_facts *f, const char **names)
{
    const spec *s = f->spec;
    double size[SPEC_MAX_OPERANDS] = {0}, most = 0, sum = 0;
    int n = s->n_inputs + s->n_weights < SPEC_MAX_OPERANDS ? s->n_inputs + s->n_weights
                                                           : SPEC_MAX_OPERANDS;
    ws_buf text = {0};
    for (int i = 0; i < n; i++) {
        int64_t dim[SPEC_MAX_RANK], count;
        ws_err ignored = {0};
        if (!spec_tensor_dims(&s->tensor[i], &f->dims, dim, &count, &ignored))
            size[i] = (double)ws_dtype_size(s->tensor[i].dtype, (size_t)count);
        most = fmax(most, size[i]);
    }
    for (int i = 0; i < n; i++) {
        if (size[i] > most / 16 || size[i] < 1024)
            continue;
        sum += size[i];
        ws_buf_printf(&text, "%s%s", text.n ? ", " : "", s->tensor[i].name);
    }
    *names = ws_arena_strdup(&f->arena, ws_buf_z(&text));
    ws_buf_release(&text);
    return sum;
}

/* The share of what is read again that is the small operands, once by every block; and a sentence
 * about them. */
static double shared_operands(ev_facts *f, const ev_launch *l, double again_bytes,
                              const char **sentence)
{
    const char *names = "";
    double by_blocks = small_operands(f, &names) * (double)l->counted.blocks;
    if (!l->index || !*names || !(by_blocks <= 1.25 * again_bytes))
        return 0;
    *sentence = ws_arena_printf(&f->arena,
                                "every block reads all of %s, %s in all: let a block take several "
                                "rows and keep them in registers or shared memory meanwhile",
                                names, ev_bytes(f, by_blocks));
    return by_blocks / again_bytes;
}

/* The graph slides a window over an input. */
static bool has_windows(const spec *s)
{
    for (int i = 0; i < s->n_nodes; i++)
        if (strcmp(s->node[i].op, "max_pool") == 0 || strcmp(s->node[i].op, "avg_pool") == 0)
            return true;
    return false;
}

static bool reread(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double once = d(c->unique_ld_sectors);
    double asked =
        fmin(d(c->global_ld_sectors), ideal_sectors(c->global_ld_bytes, c->global_ld_requests));
    double times = asked / fmax(once, 1);
    if (!once || times < 1.3)
        return false;
    double left = 1 / times;
    ev_drop_insns(c, d(c->global_ld_requests) * (1 - left));
    c->global_ld_sectors = scaled(c->global_ld_sectors, left);
    c->global_ld_requests = scaled(c->global_ld_requests, left);
    c->mem_insns = scaled(c->mem_insns, left);
    out->gain = ev_saved(f, i, &then);
    out->evidence = ws_arena_printf(
        &f->arena,
        "global memory is read %.1f times over: %s are asked for, %s of them are distinct", times,
        ev_bytes(f, scale_of(l) * asked * SECTOR), ev_bytes(f, scale_of(l) * once * SECTOR));
    const char *operands = "";
    double share = shared_operands(f, l, (asked - once) * SECTOR, &operands);
    if (share > 0.75) {
        out->action = operands;
        return true;
    }
    if (is_contraction(f) && f->cost.flops < 8 * f->cost.min_bytes)
        out->action =
            "let each warp or block take several rows at once, so that what is loaded of the "
            "operand that they share (the vector) is used for all of them";
    else if (is_contraction(f))
        out->action = c->shared_requests ? "make the tile in shared memory larger, and the tile of "
                                           "each thread (8x8 outputs in registers): bytes read "
                                           "fall with the tile's edge"
                                         : "stage tiles of both operands in shared memory and let "
                                           "each thread compute several outputs from registers, so "
                                           "that every element that was loaded is used many times";
    else if (has_windows(f->spec))
        out->action =
            "windows overlap: let a thread compute a strip of neighbouring outputs from values "
            "that it keeps in registers, or stage the input's tile and its border in shared memory";
    else
        out->action = ws_arena_printf(
            &f->arena,
            "read each element once: keep what later passes need in registers or shared memory%s, "
            "or merge the passes (running maximum and sum; sum and sum of squares about a "
            "shift)%s%s",
            row_size(f), share > 0.25 ? "; " : "", share > 0.25 ? operands : "");
    return true;
}

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
    double launches = (f->plan_launches - 1) * f->gpu->launch_s;
    out->gain = ev_limit(f, saved + launches);
    if (f->total_sectors < 1.1 * least && launches < 0.02 * f->seconds)
        return false;
    out->evidence = ws_arena_printf(
        &f->arena,
        "%d launches, of %s each; together they move %s through DRAM where the operation needs %s",
        f->plan_launches, ev_time(f, f->gpu->launch_s), ev_bytes(f, f->total_sectors * SECTOR),
        ev_bytes(f, f->cost.min_bytes));
    out->action =
        "fuse launches: pass values on in registers or shared memory in the place of scratch; a "
        "pointwise step belongs into the kernel that makes or reads its operand";
    return true;
}

/* ---- shared and local memory ---- */

/* 8 and 16 bytes a lane take 2 and 4 wavefronts without any conflict. */
static bool has_wide_types(const ev_facts *f)
{
    static const char *const wide[] = {"float4", "float2",   "int4",     "int2",    "double",
                                       "wmma",   "ldmatrix", "longlong", "uint64_t"};
    const char *source = f->subject->candidate ? f->subject->candidate->source : NULL;
    for (size_t k = 0; source && k < sizeof wide / sizeof *wide; k++)
        if (strstr(source, wide[k]))
            return true;
    return false;
}

static bool bank_conflicts(ev_facts *f, int i, ev_finding *out)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    bool wide = has_wide_types(f);
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

static bool local_memory(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    if (!c->local_requests && l->spill_bytes <= 0)
        return false;
    ev_drop_insns(c, d(c->local_requests));
    c->local_requests = 0;
    out->gain = ev_saved(f, i, &then);
    bool spills = l->spill_bytes > 0;
    double a_warp = d(l->counted.counters.local_requests) / fmax(d(c->warps), 1);
    out->evidence =
        spills
            ? ws_arena_printf(
                  &f->arena,
                  "%d bytes of registers spill to local memory; %.1f accesses to it a warp",
                  l->spill_bytes, a_warp)
            : ws_arena_printf(&f->arena,
                              "%.1f accesses to local memory a warp: an array that is indexed by a "
                              "variable cannot live in registers",
                              a_warp);
    out->action =
        spills ? "keep fewer values alive: a smaller tile for each thread, less unrolling, or more "
                 "registers by smaller blocks (__launch_bounds__)"
               : "unroll the loops over the array (#pragma unroll with constant bounds) so that "
                 "every index is known to the compiler";
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

const ev_rule ev_memory_rules[] = {
    {"uncoalesced-loads", "sectors of a warp's loads above 1.5 times what its lanes ask for",
     uncoalesced_loads, false},
    {"uncoalesced-stores", "sectors of a warp's stores above 1.5 times what its lanes write",
     uncoalesced_stores, false},
    {"narrow-accesses", "coalesced accesses of at most 8 bytes a lane take 16 at once",
     narrow_accesses, false},
    {"re-reads", "a launch reads the same memory more than 1.3 times", reread, false},
    {"fuse", "launches pass data through DRAM, or the launches themselves take time", fuse, true},
    {"bank-conflicts", "wavefronts of shared memory above 1.25 times the requests", bank_conflicts,
     false},
    {"local-memory", "registers spill, or arrays live in local memory", local_memory, false},
    {"atomics", "global atomics of single threads", atomics, false},
    {NULL, NULL, NULL, false}};
