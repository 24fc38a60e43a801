#include "verifier/full.h"

#include "verifier/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one run may take for a check shape to get everything: warp instructions of the candidate,
 * and work of the reference in operations and bytes. By work, not by time: the same kernel is
 * judged alike everywhere. */
#define AFFORDABLE_INSNS 1000000
#define AFFORDABLE_WORK  1e7
#define RELATED_INSNS    3000000 /* at the one shape where relations are tried */
#define RELATED_WORK     1e8

void vfy_try_release(vfy_try *t, int n_outputs)
{
    for (int o = 0; t->out && o < n_outputs; o++)
        free(t->out[o]);
    free(t->out);
    t->out = NULL;
}

int64_t vfy_first_difference(const vfy_full *f, int o, const void *a, const void *b)
{
    const ref_graph *g = f->s->graph;
    ws_dtype t = g->value[g->output[o]].dtype;
    size_t size = ws_dtype_bytes(t), n = ws_dtype_size(t, (size_t)f->base.want[o].shape.count);
    const unsigned char *x = a, *y = b;
    if (memcmp(x, y, n) == 0)
        return -1;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            return (int64_t)(i / size) * ws_dtype_per_byte(t);
    return -1;
}

/* ---- inputs ---- */

enum { AT_ONCE = 8 };

/* A candidate that takes long at a small shape, whatever for, is not spared the kinds that show
 * most. */
static bool is_tried(const vfy_full *f, int kind)
{
    switch (kind) {
    case VFY_INPUTS_OTHER:
    case VFY_INPUTS_MIXED:
        return true;
    case VFY_INPUTS_MIXED_2:
    case VFY_INPUTS_SPIKE:
    case VFY_INPUTS_RANGE:
    case VFY_INPUTS_LEAST:
    case VFY_INPUTS_MOST:
        return f->small;
    default:
        return f->affordable;
    }
}

/* The kinds beyond the quick list, some at a time. */
ws_status vfy_full_inputs(vfy_full *f, ws_err *err)
{
    const int n_outputs = f->s->graph->n_outputs;
    ws_status st = WS_OK;
    int kind = VFY_INPUTS_QUICK;
    while (kind < VFY_INPUTS_COUNT && !st && f->v->reason == HX_PASS) {
        vfy_case own[AT_ONCE] = {0};
        vfy_try t[AT_ONCE] = {0};
        int made = 0, n = 0;
        for (; made < AT_ONCE && kind < VFY_INPUTS_COUNT && !st; kind++) {
            if (!is_tried(f, kind))
                continue;
            const vfy_case *c;
            st = vfy_kept_get(&f->s->kept, f->s->graph, f->check, NULL, (vfy_inputs)kind, f->seed,
                              &own[made], &c, err);
            if (!st && !c->meaningless)
                t[n++] = (vfy_try){.c = c, .judged = true};
            made += !st;
        }
        if (!st)
            st = f->run(f->ud, t, n, err);
        for (int i = 0; i < n; i++)
            vfy_try_release(&t[i], n_outputs);
        for (int i = 0; i < made; i++)
            vfy_case_release(&own[i]);
    }
    return st;
}

/* ---- one check shape ---- */

static double work_at(const vfy_full *f, int check)
{
    ws_env env = spec_env(f->s->spec, check);
    ws_err ignored = {0};
    ref_cost cost;
    return ref_cost_at(f->s->graph, &env, &cost, &ignored) ? (double)INFINITY
                                                           : cost.flops + cost.min_bytes;
}

/* The check shape with most work that is affordable; if none is, the one with least. */
static int find_main(const vfy_full *f)
{
    int best = 0;
    for (int c = 1; c < f->s->spec->n_checks; c++) {
        double w = work_at(f, c), b = work_at(f, best);
        bool fits = w < AFFORDABLE_WORK, best_fits = b < AFFORDABLE_WORK;
        if (fits ? !best_fits || w > b : !best_fits && w < b)
            best = c;
    }
    return best;
}

static ws_status prepare(vfy_full *f, ws_err *err)
{
    const ref_graph *g = f->s->graph;
    int n = g->spec->n_inputs + g->spec->n_weights;
    f->in = ws_calloc((size_t)n + 1, sizeof *f->in);
    if (vfy_case_init(&f->base, g, f->check, VFY_INPUTS_RANDOM, f->seed, err) ||
        vfy_case_inputs(f->base.bound, VFY_INPUTS_RANDOM, f->seed, f->in, err))
        return err->status;
    f->first = (vfy_try){.c = &f->base, .judged = true};
    ws_status st = f->run(f->ud, &f->first, 1, err);
    f->small = work_at(f, f->check) < AFFORDABLE_WORK;
    f->affordable = f->small && f->first.insns < AFFORDABLE_INSNS;
    f->main = f->check == find_main(f);
    f->repeats = f->first.insns < RELATED_INSNS && work_at(f, f->check) < RELATED_WORK;
    f->relates = f->main && f->repeats;
    return st;
}

ws_status vfy_full_shape(vfy_full *f, ws_err *err)
{
    static ws_status (*const steps[])(vfy_full *f, ws_err *err) = {
        vfy_full_inputs,   vfy_full_schedules, vfy_full_relations,
        vfy_full_launches, vfy_full_faithful,
    };
    const spec *s = f->s->spec;
    ws_status st = prepare(f, err);
    for (size_t i = 0; i < WS_COUNT(steps) && !st && f->v->reason == HX_PASS; i++)
        st = steps[i](f, err);
    if (!st && f->v->reason == HX_WRONG_RESULT &&
        strcmp(f->v->inputs, vfy_inputs_name(VFY_INPUTS_OTHER)) == 0)
        st = vfy_full_name_ignored(f, err);
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        ref_tensor_release(&f->in[i]);
    free(f->in);
    vfy_try_release(&f->first, f->s->graph->n_outputs);
    vfy_case_release(&f->base);
    return st;
}
