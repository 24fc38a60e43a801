#include "verifier/reach.h"

#include "base/mem.h"

#include <string.h>

/* Operations, and an eighth of the bytes: some tenths of a second on the engine. The shape that is
 * like the benchmark's in all dims may take more. */
static const double MOST_WORK = 4e6, MOST_WORK_OF_ALL = 8e6;

static bool is_cheap(const ref_graph *g, const ws_env *env, double most, double *work)
{
    ws_err ignored = {0};
    ref_cost cost;
    if (ref_cost_at(g, env, &cost, &ignored))
        return false;
    *work = cost.flops + cost.min_bytes / 8;
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
            if (best && !further && (row[d].value < best[d].value || more < 0 ||
                                     (more == 0 && work >= least)))
                continue;
            best = row;
            least = work;
        }
        if (best)
            out[n++] = (ws_env){best, (size_t)s->n_dims, NULL};
    }
    return n;
}
