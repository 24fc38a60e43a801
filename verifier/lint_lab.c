/* Labs of lint: the spec at the check shape at hand, and at wider ones. */
#include "verifier/lint_bench.h"

#include "reference/ops.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ws_status lint_lab_init(const linter *l, int check, vfy_inputs kind, lint_lab *b)
{
    int n = lint_count_tensors(l->s);
    b->g = l->g;
    if (vfy_case_init(&b->c, l->g, check, kind, l->seed, l->err))
        return l->err->status;
    b->ready = true;
    b->values = lint_values_new(l->g, true);
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
    lint_values_free(b->g, b->values);
    free(b->in);
    vfy_case_release(&b->c);
}

static void mark(void *ud, const char *name)
{
    linter *l = ud;
    for (int d = 0; d < l->s->n_dims; d++)
        if (strcmp(l->s->dim[d].name, name) == 0)
            l->summed[d] = false;
}

void lint_find_summed(linter *l)
{
    l->summed = ws_calloc((size_t)l->s->n_dims + 1, sizeof *l->summed);
    for (int d = 0; d < l->s->n_dims; d++)
        l->summed[d] = true;
    for (int o = 0; o < l->g->n_outputs; o++) {
        const ref_value *v = &l->g->value[l->g->output[o]];
        for (int a = 0; a < v->rank; a++)
            ws_expr_names(v->dim[a], mark, l);
    }
}

/* Which dims the wide shape k widens: all; those that are summed over; one alone. */
static bool widens(const linter *l, int k, int d)
{
    return k == 1 ? l->summed[d] : !k || k == d + 2;
}

/* Dims of the benchmark halved so many times, but no smaller than those of the check shape; false
 * when that is the check shape. */
static bool halve(const linter *l, int k, int times, ws_binding *dim)
{
    enum { SOME = 8 };
    bool wider = false;
    for (int d = 0; d < l->s->n_dims; d++) {
        int64_t least = l->s->check[l->check][d].value, most = l->s->dim[d].value;
        int64_t n = times < 62 && widens(l, k, d) ? most >> times : 0;
        if (k == 1 && !l->summed[d]) /* so that a spread shows */
            n = most < SOME ? most : SOME;
        dim[d] = (ws_binding){l->s->dim[d].name, n > least ? n : least};
        wider |= widens(l, k, d) && dim[d].value > least;
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
    w->values = lint_values_new(l->g, false);
    w->c.seed = l->seed;
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

/* ---- shapes to extrapolate from ---- */

/* Dims of shape i of a series that begins with those of the benchmark halved `times`: what is
 * widened is halved each time, other dims are few, so that a sum can be long. */
static void place(const linter *l, bool summed_only, int times, int i, int64_t rows,
                  ws_binding *dim)
{
    enum { SMALL = 64 };
    for (int d = 0; d < l->s->n_dims; d++) {
        int64_t least = l->s->check[l->check][d].value, most = l->s->dim[d].value;
        int64_t few = least > rows ? least : most < rows ? most : rows;
        if (summed_only && !l->summed[d])
            dim[d].value = few;
        else if (most > least && most >> (times + LINT_SERIES) > 0)
            dim[d].value = most >> (times + i);
        else
            dim[d].value = most <= SMALL ? most : least;
        dim[d].name = l->s->dim[d].name;
    }
}

static bool open_member(linter *l, lint_series *s, bool summed_only, int i, int64_t rows)
{
    lint_lab *w = &s->lab[i];
    ws_binding *dim = WS_ARENA_NEW(&w->c.arena, ws_binding, l->s->n_dims + 1);
    ref_bound *bound;
    ws_err err = {0};
    w->g = l->g;
    place(l, summed_only, s->times, i, rows, dim);
    w->env = (ws_env){dim, (size_t)l->s->n_dims, NULL};
    return !ref_bind(l->g, &w->env, &w->c.arena, &bound, &err) && is_affordable(bound, 0) &&
           fill_wide(l, w, bound);
}

/* Some dim grows from the largest shape to the benchmark's. */
static bool grows(const linter *l, const ws_env *env, bool summed_only)
{
    for (int d = 0; d < l->s->n_dims; d++)
        if ((!summed_only || l->summed[d]) && env->item[d].value < l->s->dim[d].value)
            return true;
    return false;
}

const lint_series *lint_open_series(linter *l, bool summed_only)
{
    enum { FAR = 8 }; /* further is not extrapolated */
    static const int64_t rows[] = {256, 64, 16};
    lint_series *s = &l->series[summed_only];
    if (s->tried)
        return s;
    s->tried = true;
    for (size_t r = 0; r < (summed_only ? WS_COUNT(rows) : 1) && !s->n; r++)
        for (s->times = 1; s->times <= FAR && !s->n; s->times++) {
            if (!open_member(l, s, summed_only, 0, rows[r])) {
                lint_lab_close(&s->lab[0]);
                s->lab[0] = (lint_lab){0};
            } else {
                s->rows = rows[r];
                s->n = grows(l, &s->lab[0].env, summed_only);
                break;
            }
        }
    while (s->n && s->n < LINT_SERIES && open_member(l, s, summed_only, s->n, s->rows))
        s->n++;
    return s;
}
