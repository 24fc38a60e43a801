#include "verifier/reach.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

/* Operations, and an eighth of the bytes: some tenths of a second on the engine. The shape that is
 * like the benchmark's in all dims may take more, and one where a grid is cut off, as few are,
 * takes seconds. */
static const double UNREAD = 2; /* bytes of inputs that are made and not read, for an operation */
static const double MOST_WORK = 4e6, MOST_WORK_OF_ALL = 8e6, MOST_WORK_FULL_GRID = 4e7;

double vfy_reach_input_bytes(const ref_graph *g, const ws_env *env)
{
    const spec *s = g->spec;
    double bytes = 0;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        int64_t dim[SPEC_MAX_RANK], count;
        ws_err ignored = {0};
        if (spec_tensor_dims(&s->tensor[i], env, dim, &count, &ignored))
            return (double)INFINITY;
        bytes += 4 * (double)count;
    }
    return bytes;
}

static bool is_cheap(const ref_graph *g, const ws_env *env, double most, double *work)
{
    ws_err ignored = {0};
    ref_cost cost;
    if (ref_cost_at(g, env, &cost, &ignored))
        return false;
    *work = cost.flops + cost.min_bytes / 8 +
            fmax(vfy_reach_input_bytes(g, env) - cost.min_bytes, 0) / UNREAD;
    return *work <= most;
}

/* Dims but d that are more than 1: where they are, mistakes show. */
static int width(const spec *s, const ws_binding *row, int d)
{
    int n = 0;
    for (int k = 0; k < s->n_dims; k++)
        n += k != d && row[k].value > 1;
    return n;
}

/* The check shape `row` with dim d at its benchmark value, or halved until it is cheap. false: it
 * is not far beyond the check shape then. */
static bool stretch(const ref_graph *g, ws_binding *row, int d, double *work)
{
    const spec *s = g->spec;
    const int64_t from = row[d].value;
    ws_env env = {row, (size_t)s->n_dims, NULL};
    for (row[d].value = s->dim[d].value; row[d].value >= 2 * from; row[d].value /= 2)
        if (is_cheap(g, &env, MOST_WORK, work))
            return true;
    return false;
}

/* The benchmark shape with its largest dim halved until it is cheap: what divides the benchmark's
 * dims divides these, and several are large at once. */
static bool shrink(const ref_graph *g, ws_binding *row)
{
    const spec *s = g->spec;
    ws_env env = {row, (size_t)s->n_dims, NULL};
    double work = 0;
    for (int d = 0; d < s->n_dims; d++)
        row[d] = (ws_binding){s->dim[d].name, s->dim[d].value};
    while (!is_cheap(g, &env, MOST_WORK_OF_ALL, &work)) {
        int largest = -1;
        for (int d = 0; d < s->n_dims; d++)
            if (row[d].value >= 4 && (largest < 0 || row[d].value > row[largest].value))
                largest = d;
        if (largest < 0)
            return false;
        row[largest].value /= 2;
    }
    return true;
}

int vfy_reach_shapes(const ref_graph *g, ws_arena *a, ws_env *out, int max)
{
    const spec *s = g->spec;
    int n = 0;
    ws_binding *all = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
    if (n < max && shrink(g, all))
        out[n++] = (ws_env){all, (size_t)s->n_dims, NULL};
    const bool alone = n && s->n_dims == 1; /* its shape is there */
    for (int d = 0; d < s->n_dims && n < max && !alone; d++) {
        const ws_binding *best = NULL;
        double least = 0;
        for (int c = 0; c < s->n_checks; c++) {
            double work = 0;
            ws_binding *row = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
            memcpy(row, s->check[c], (size_t)s->n_dims * sizeof *row);
            if (!stretch(g, row, d, &work))
                continue;
            const int more = best ? width(s, row, d) - width(s, best, d) : 1;
            const bool further = best && row[d].value > best[d].value;
            if (best && !further &&
                (row[d].value < best[d].value || more < 0 || (more == 0 && work >= least)))
                continue;
            best = row;
            least = work;
        }
        if (best)
            out[n++] = (ws_env){best, (size_t)s->n_dims, NULL};
    }
    return n;
}

int vfy_reach_aligned(const ref_graph *g, ws_arena *a, ws_env *out, int max)
{
    static const int64_t others[] = {128, 64, 32, 16};
    const spec *s = g->spec;
    const ws_env bench = spec_env(s, -1);
    int n = 0;
    for (int d = 0; d < s->n_dims && s->n_dims > 1 && n < max; d++) {
        ws_binding *row = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
        const ws_env env = {row, (size_t)s->n_dims, NULL};
        bool any = false, found = false;
        double work;
        for (size_t k = 0; k < WS_COUNT(others) && !found; k++) {
            for (int e = 0; e < s->n_dims; e++) {
                row[e] = bench.item[e];
                if (e != d && row[e].value > others[k] && row[e].value % others[k] == 0) {
                    row[e].value = others[k];
                    any = true;
                }
            }
            found = any && bench.item[d].value > others[k] && is_cheap(g, &env, MOST_WORK, &work);
        }
        if (found)
            out[n++] = env;
    }
    return n;
}

bool vfy_reach_ragged(const ref_graph *g, const plan *p, const int64_t *tune, ws_arena *a,
                      ws_env *out)
{
    enum { SMALLEST = 16 }; /* what is less at the benchmark shape is a number of things, no size */
    static const int64_t odd[] = {9, 11, 13, 7};
    const spec *s = g->spec;
    ws_binding *row = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
    const ws_env env = {row, (size_t)s->n_dims, NULL};
    for (int64_t step = 2; step <= 64; step *= 2) {
        plan_bound *b;
        hx_diag why = {0};
        double work;
        for (int d = 0, k = 0; d < s->n_dims; d++) {
            row[d] = (ws_binding){s->dim[d].name, s->dim[d].value};
            if (row[d].value >= SMALLEST)
                row[d].value = step * odd[k++ % (int)WS_COUNT(odd)];
        }
        if (is_cheap(g, &env, MOST_WORK_OF_ALL, &work) && plan_bind(a, p, &env, tune, &b, &why)) {
            *out = env;
            return true;
        }
    }
    return false;
}

/* ---- where a grid stops growing ---- */

/* The search for a shape. */
typedef struct full_grid {
    const ref_graph *g;
    const plan *p;
    const int64_t *tune;
    ws_arena *a;
    const plan_bound *bench;
    bool *cut; /* of each launch: its grid is cut off */
} full_grid;

static int64_t blocks_of(const plan_bound_launch *l)
{
    return l->grid[0] * l->grid[1] * l->grid[2];
}

/* NULL: the plan cannot be bound there. */
static const plan_bound *bind_at(const full_grid *f, const ws_binding *row)
{
    ws_env env = {row, (size_t)f->g->spec->n_dims, NULL};
    plan_bound *b = NULL;
    hx_diag ignored = {0};
    return plan_bind(f->a, f->p, &env, f->tune, &b, &ignored) ? b : NULL;
}

/* Whether the launches that are cut off have all their blocks. */
static bool is_full(const full_grid *f, const ws_binding *row)
{
    const plan_bound *b = bind_at(f, row);
    for (int l = 0; b && l < b->n_launches; l++)
        if (f->cut[l] && blocks_of(&b->launch[l]) < blocks_of(&f->bench->launch[l]))
            return false;
    return b != NULL;
}

/* The plan at the benchmark shape with every dim doubled, or halved. */
static const plan_bound *bind_scaled(const full_grid *f, bool doubled)
{
    const spec *s = f->g->spec;
    ws_env bench = spec_env(s, -1);
    ws_binding *row = WS_ARENA_NEW(f->a, ws_binding, s->n_dims + 1);
    for (int d = 0; d < s->n_dims; d++) {
        const int64_t v = bench.item[d].value;
        row[d] = (ws_binding){bench.item[d].name, doubled ? 2 * v : v > 1 ? v / 2 : 1};
    }
    return bind_at(f, row);
}

/* A launch is cut off when shapes of twice the size, or of half, have as many blocks, and a check
 * shape fewer. */
static bool find_cut(const full_grid *f)
{
    const spec *s = f->g->spec;
    const plan_bound *scaled[] = {bind_scaled(f, true), bind_scaled(f, false)};
    bool any = false;
    for (int l = 0; l < f->bench->n_launches; l++) {
        const int64_t most = blocks_of(&f->bench->launch[l]);
        bool fewer = false, as_many = false;
        for (int k = 0; k < 2; k++)
            as_many |= scaled[k] && blocks_of(&scaled[k]->launch[l]) == most;
        for (int c = 0; c < s->n_checks && as_many; c++) {
            const plan_bound *b = bind_at(f, s->check[c]);
            fewer |= b && blocks_of(&b->launch[l]) < most;
        }
        f->cut[l] = fewer;
        any |= fewer;
    }
    return any;
}

/* What a check shape has of dim d, at least or at most. */
static int64_t checked(const spec *s, int d, bool most)
{
    int64_t v = s->check[0][d].value;
    for (int c = 1; c < s->n_checks; c++) {
        const int64_t w = s->check[c][d].value;
        v = (w > v) == most ? w : v;
    }
    return v;
}

static bool exists(const full_grid *f, const ws_binding *row)
{
    double work;
    ws_env env = {row, (size_t)f->g->spec->n_dims, NULL};
    return is_cheap(f->g, &env, (double)INFINITY, &work);
}

/* Halves the dims in turn as long as the grid is full, but not below what the check shapes have. */
static void shrink_full(const full_grid *f, ws_binding *row, bool most)
{
    const spec *s = f->g->spec;
    for (bool changed = true; changed;) {
        changed = false;
        for (int d = 0; d < s->n_dims; d++) {
            const int64_t was = row[d].value;
            row[d].value = was / 2;
            if (row[d].value >= checked(s, d, most) && row[d].value > 0 && is_full(f, row) &&
                exists(f, row))
                changed = true;
            else
                row[d].value = was;
        }
    }
}

/* Twice as large in a dim that the grid follows: every block has work more than once. */
static void grow(const full_grid *f, ws_binding *row)
{
    const spec *s = f->g->spec;
    ws_env bench = spec_env(s, -1), env = {row, (size_t)s->n_dims, NULL};
    for (int d = 0; d < s->n_dims; d++) {
        const int64_t was = row[d].value;
        double work;
        row[d].value = was / 2;
        const bool follows = was > 1 && !is_full(f, row);
        row[d].value = 2 * was;
        if (follows && 2 * was <= bench.item[d].value && is_full(f, row) &&
            is_cheap(f->g, &env, MOST_WORK_FULL_GRID, &work))
            return;
        row[d].value = was;
    }
}

bool vfy_reach_full_grid(const ref_graph *g, const plan *p, const int64_t *tune, ws_arena *a,
                         ws_env *out)
{
    const spec *s = g->spec;
    ws_env bench = spec_env(s, -1);
    full_grid f = {
        .g = g, .p = p, .tune = tune, .a = a, .cut = WS_ARENA_NEW(a, bool, p->n_launches + 1)};
    double work;
    if (!s->n_checks || !(f.bench = bind_at(&f, bench.item)) || !find_cut(&f))
        return false;
    ws_binding *row = WS_ARENA_NEW(a, ws_binding, s->n_dims + 1);
    memcpy(row, bench.item, (size_t)s->n_dims * sizeof *row);
    *out = (ws_env){row, (size_t)s->n_dims, NULL};
    for (int most = 1; most >= 0; most--) {
        shrink_full(&f, row, most);
        if (!is_cheap(g, out, MOST_WORK_FULL_GRID, &work))
            continue;
        grow(&f, row);
        return true;
    }
    return false;
}
