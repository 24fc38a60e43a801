/* Labs of lint: the spec at the check shape at hand, and at wider ones. */
#include "verifier/lint_bench.h"

#include "reference/ops.h"

#include <stdio.h>
#include <stdlib.h>

ws_status lint_lab_init(const linter *l, int check, vfy_inputs kind, lint_lab *b)
{
    int n = lint_count_tensors(l->s);
    b->g = l->g;
    if (vfy_case_init(&b->c, l->g, check, kind, l->seed, l->err))
        return l->err->status;
    b->ready = true;
    b->env = spec_env(l->s, check);
    b->in = ws_calloc((size_t)n + 1, sizeof *b->in);
    for (int i = 0; i < n; i++) {
        b->in[i].shape = b->c.bound->shape[i];
        if (ref_tensor_alloc(&b->in[i], false, l->s->tensor[i].name, l->err))
            return l->err->status;
        ws_dtype_load(l->s->tensor[i].dtype, b->in[i].v, b->c.in[i], (size_t)b->in[i].shape.count);
    }
    return WS_OK;
}

ws_status lint_lab_open(linter *l, vfy_inputs kind)
{
    return l->lab[kind].ready ? WS_OK : lint_lab_init(l, l->check, kind, &l->lab[kind]);
}

void lint_lab_close(lint_lab *b)
{
    for (int i = 0; b->ready && i < lint_count_tensors(b->g->spec); i++)
        ref_tensor_release(&b->in[i]);
    free(b->in);
    vfy_case_release(&b->c);
}

/* Which dims the wide shape k widens: all; those that no output has, which are summed over; one
 * alone. */
static bool widens(const linter *l, int k, int d)
{
    ws_arena a = {0};
    ws_err err = {0};
    ref_bound *b;
    if (k != 1)
        return !k || k == d + 2;
    ws_binding *dim = WS_ARENA_NEW(&a, ws_binding, l->s->n_dims);
    for (int i = 0; i < l->s->n_dims; i++)
        dim[i] = (ws_binding){l->s->dim[i].name,
                              i == d ? l->s->dim[i].value : l->s->check[l->check][i].value};
    ws_env env = {dim, (size_t)l->s->n_dims, NULL};
    const ref_shape *shape = l->lab[VFY_INPUTS_RANDOM].c.bound->shape;
    bool same = !ref_bind(l->g, &env, &a, &b, &err);
    for (int o = 0; o < l->g->n_outputs && same; o++)
        same = b->shape[l->g->output[o]].count == shape[l->g->output[o]].count;
    ws_arena_release(&a);
    return same;
}

/* Dims of the benchmark halved so many times, but no smaller than those of the check shape; false
 * when that is the check shape. */
static bool halve(const linter *l, int k, int times, ws_binding *dim)
{
    bool wider = false;
    for (int d = 0; d < l->s->n_dims; d++) {
        int64_t least = l->s->check[l->check][d].value, most = l->s->dim[d].value;
        int64_t n = times < 62 && widens(l, k, d) ? most >> times : 0;
        dim[d] = (ws_binding){l->s->dim[d].name, n > least ? n : least};
        wider |= dim[d].value > least;
    }
    return wider;
}

static bool is_affordable(const ref_bound *b, int k)
{
    double most = k < 2 ? 1 : 0.25;
    double elements = 0;
    ref_cost cost;
    for (int v = 0; v < b->graph->n_values; v++)
        elements += (double)b->shape[v].count;
    ref_cost_of(b, &cost);
    return elements < most * 0x1p22 && cost.flops < most * 4e8;
}

static bool fill_wide(linter *l, lint_lab *w, ref_bound *bound)
{
    int n = lint_count_tensors(l->s);
    ws_err err = {0};
    w->c.bound = bound;
    w->c.in = WS_ARENA_NEW(&w->c.arena, void *, n + 1);
    w->c.want = WS_ARENA_NEW(&w->c.arena, ref_tensor, l->g->n_outputs);
    w->c.of = WS_ARENA_NEW(&w->c.arena, ref_tensor, l->g->n_outputs);
    w->in = ws_calloc((size_t)n + 1, sizeof *w->in);
    w->ready = true;
    for (int i = 0; i < n; i++)
        if (ref_make_input(bound, i, l->seed, &w->in[i], &err))
            return false;
    return !ref_eval(bound, w->in, false, w->c.want, &err);
}

bool lint_open_wide(linter *l, int k)
{
    lint_lab *w = &l->wide[k];
    bool good = false;
    if (l->wide_tried[k])
        return w->ready && w->c.seed;
    l->wide_tried[k] = true;
    w->g = l->g;
    ws_binding *dim = WS_ARENA_NEW(&w->c.arena, ws_binding, l->s->n_dims + 1);
    for (int times = 0; !good && halve(l, k, times, dim); times++) {
        ref_bound *bound;
        ws_err err = {0};
        w->env = (ws_env){dim, (size_t)l->s->n_dims, NULL};
        if (ref_bind(l->g, &w->env, &w->c.arena, &bound, &err) || !is_affordable(bound, k))
            continue;
        good = fill_wide(l, w, bound);
        break;
    }
    w->c.seed = good ? l->seed : 0; /* 0: nothing here */
    return good;
}

