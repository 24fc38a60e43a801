/* The rule about memory that a launch reads more than once: which tensors it may be, and what to
 * keep where. */
#include "agent/evidence/rules.h"
#include "agent/evidence/what_if.h"

#include <math.h>
#include <string.h>

enum { SHOWN_OPERANDS = 6 };
static const double GOOD_TILE = 0.32;   /* wavefronts a product: 8x8 outputs and what fills tiles */
static const double LARGER_TILE = 0.75; /* of the bytes, when one edge of a tile is twice as long */

static bool is_contraction(const ev_facts *f)
{
    double products = 0;
    for (int u = REF_PRODUCT_F64; u < REF_UNIT_COUNT; u++)
        products += f->cost.unit[u];
    return f->has_cost && products > 0.5 * f->cost.flops;
}

/* Operands by size: what can be read again, and how much of it there is. */
typedef struct operand_sizes {
    const spec_tensor *largest;
    double most, row, rows; /* bytes of the largest and of one of its rows; how many rows */
    double small;           /* bytes of those that are much smaller than the largest, together */
    const char *small_names;
    const char *all; /* "x 134 MB, gamma 32.8 kB" */
} operand_sizes;

static double tensor_bytes(const ev_facts *f, const spec_tensor *x, double *row)
{
    int64_t dim[SPEC_MAX_RANK], count;
    ws_err ignored = {0};
    if (spec_tensor_dims(x, &f->dims, dim, &count, &ignored))
        return 0;
    *row = x->rank ? (double)dim[x->rank - 1] * (double)ws_dtype_bytes(x->dtype) : 0;
    return (double)ws_dtype_size(x->dtype, (size_t)count);
}

static void measure_operands(ev_facts *f, operand_sizes *o)
{
    const spec *s = f->spec;
    int n = s->n_inputs + s->n_weights;
    ws_buf all = {0}, small = {0};
    *o = (operand_sizes){0};
    for (int i = 0; i < n; i++) {
        double row = 0, size = tensor_bytes(f, &s->tensor[i], &row);
        if (i < SHOWN_OPERANDS)
            ws_buf_printf(&all, "%s%s %s", i ? ", " : "", s->tensor[i].name, ev_bytes(f, size));
        if (size > o->most)
            *o = (operand_sizes){.largest = &s->tensor[i], .most = size, .row = row};
    }
    if (n > SHOWN_OPERANDS)
        ws_buf_adds(&all, ", ...");
    o->rows = o->row > 0 ? o->most / o->row : 0;
    for (int i = 0; i < n; i++) {
        double row = 0, size = tensor_bytes(f, &s->tensor[i], &row);
        if (size > o->most / 16 || size < 1024)
            continue;
        o->small += size;
        ws_buf_printf(&small, "%s%s", small.n ? ", " : "", s->tensor[i].name);
    }
    o->all = ws_arena_strdup(&f->arena, ws_buf_z(&all));
    o->small_names = ws_arena_strdup(&f->arena, ws_buf_z(&small));
    ws_buf_release(&all);
    ws_buf_release(&small);
}

static bool about(double a, double b, double within)
{
    return a > b * (1 - within) && a < b * (1 + within);
}

/* Counters do not tell tensors apart: what is read again is compared with what the small operands
 * come to when each block, or each row, reads all of them, and with the largest one read a whole
 * number of times more. Both may fit: then both are said. */
static const char *keep_advice(ev_facts *f, const ev_launch *l, double again)
{
    operand_sizes o;
    measure_operands(f, &o);
    double blocks = (double)l->counted.blocks, times = o.most > 0 ? again / o.most : 0;
    bool by_block = l->index && o.small > 0 && about(o.small * blocks, again, 0.25);
    bool by_row = l->index && o.small > 0 && !by_block && about(o.small * o.rows, again, 0.1);
    bool largest = o.most > 0 && times > 0.9 && fabs(times - round(times)) < 0.03 * times;
    const char *small = "", *large = "";
    if (by_block || by_row)
        small = ws_arena_printf(
            &f->arena,
            "every %s reads all of %s, %s in all: let a block take several rows%s and "
            "keep them in registers or shared memory meanwhile",
            by_block ? "block" : "row", o.small_names,
            ev_bytes(f, o.small * (by_block ? blocks : o.rows)), by_row ? " at once" : "");
    if (largest)
        large = ws_arena_printf(
            &f->arena,
            "%s is read %.0f times: keep what later passes need in registers or shared memory (a "
            "row of it takes %s, a block may have %s of shared memory), or merge the passes "
            "(running maximum and sum; sum and sum of squares about a shift)",
            o.largest->name, round(times) + 1, ev_bytes(f, o.row),
            ev_bytes(f, f->gpu->shared_per_block));
    if (*small || *large)
        return ws_arena_printf(&f->arena, "%s%s%s%s", *small && *large ? "either " : "", small,
                               *small && *large ? "; or " : "", large);
    return "find the loads that are repeated by several threads, blocks or passes, and keep what "
           "they share in registers or shared memory";
}

/* The graph slides a window over an input. */
static bool has_windows(const spec *s)
{
    for (int i = 0; i < s->n_nodes; i++)
        if (strcmp(s->node[i].op, "max_pool") == 0 || strcmp(s->node[i].op, "avg_pool") == 0)
            return true;
    return false;
}

/* Wavefronts of shared memory, and loads of global memory, for each multiply-add of a warp. */
static double waves_a_product(const ptx_counters *c)
{
    double products = d(c->f32_fma_lanes + c->f64_fma_lanes) / WARP;
    return d(c->shared_wavefronts + c->global_ld_requests) / fmax(products, 1);
}

/* Reads of a contraction fall with the edges of the tile that a block computes. */
static const char *tile_advice(ev_facts *f, const ev_launch *l)
{
    const ptx_counters *c = &l->counted.counters;
    double tile = f->outputs / (double)l->counted.blocks;
    if (f->cost.flops < 8 * f->cost.min_bytes)
        return "let each warp or block take several rows at once, so that what is loaded of the "
               "operand that they share (the vector) is used for all of them";
    if (!c->shared_requests)
        return "stage tiles of both operands in shared memory and let each thread compute several "
               "outputs from registers, so that every element that was loaded is used many times";
    const char *now =
        l->index && f->plan_launches == 1 ? ws_arena_printf(&f->arena, " (%.0f now)", tile) : "";
    bool by_threads = !c->tensor && waves_a_product(c) > GOOD_TILE;
    return ws_arena_printf(&f->arena,
                           "a larger tile of outputs for each block%s%s: bytes read fall with the "
                           "tile's edges",
                           now,
                           by_threads ? ", by a larger tile of each thread (8x8 outputs in "
                                        "registers)"
                                      : "");
}

/* Seconds that coalesced loads would save alone: what is read again is judged by what is left then. */
static double scattered(ev_facts *f, int i)
{
    tim_launch then = f->launch[i].counted;
    ptx_counters *c = &then.counters;
    double ideal = ideal_sectors(c->global_ld_bytes, c->global_ld_requests);
    if (d(c->global_ld_sectors) < 1.5 * ideal)
        return 0;
    c->global_ld_sectors = as_count(ideal);
    c->unique_ld_sectors = fmin(d(c->unique_ld_sectors), ideal);
    return ev_saved(f, i, &then);
}

static bool reread(ev_facts *f, int i, ev_finding *out)
{
    const ev_launch *l = &f->launch[i];
    tim_launch then = l->counted;
    ptx_counters *c = &then.counters;
    double once = d(c->unique_ld_sectors);
    double asked = fmin(d(c->global_ld_sectors), d(c->global_ld_bytes) / SECTOR);
    double times = asked / fmax(once, 1), again = scale_of(l) * (asked - once) * SECTOR;
    bool tiles = is_contraction(f) && c->shared_requests;
    if (!once || times < 1.3)
        return false;
    /* Tiles are what makes products reuse anything: a step is one with twice the outputs. */
    double left = fmax(1 / times, tiles ? LARGER_TILE : 0);
    ev_drop_insns(c, d(c->global_ld_requests) * (1 - left));
    c->global_ld_sectors = scaled(c->global_ld_sectors, left);
    c->global_ld_requests = scaled(c->global_ld_requests, left);
    c->mem_insns = scaled(c->mem_insns, left);
    out->gain = ev_saved(f, i, &then) - scattered(f, i);
    operand_sizes o;
    measure_operands(f, &o);
    out->evidence = ws_arena_printf(&f->arena,
                                    "loads ask for %s of global memory, and %s of that are "
                                    "distinct: %.1f times on average over "
                                    "all tensors (%s)",
                                    ev_bytes(f, scale_of(l) * asked * SECTOR),
                                    ev_bytes(f, scale_of(l) * once * SECTOR), times, o.all);
    if (is_contraction(f))
        out->action = tile_advice(f, l);
    else if (has_windows(f->spec))
        out->action =
            "windows overlap: let a thread compute a strip of neighbouring outputs from values "
            "that it keeps in registers, or stage the input's tile and its border in shared memory";
    else
        out->action = keep_advice(f, l, again);
    return true;
}

const ev_rule ev_reuse_rules[] = {
    {"re-reads", "a launch reads the same memory more than 1.3 times", reread, false},
    {NULL, NULL, NULL, false}};
