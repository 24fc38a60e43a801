/* Evaluation for trials. What a lab's graph comes to on its own inputs is kept, so that a trial
 * evaluates only the nodes that its change reaches, and no further than the change goes on. */
#include "verifier/lint_bench.h"

#include "reference/ops.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* Values are kept when all of them take no more than 256 MiB. */
#define MOST_ELEMENTS 0x1p25

struct lint_values {
    ref_tensor *v; /* per value, of nodes and literals; the lab's inputs are its own */
    int *last;     /* per value: the last node that reads it; INT_MAX: it is an output */
    bool keep, tried, kept;
};

static void find_last_uses(const ref_graph *g, int *last)
{
    for (int k = 0; k < g->n_nodes; k++)
        for (int i = 0; i < g->node[k].n_in; i++)
            last[g->node[k].in[i]] = k;
    for (int o = 0; o < g->n_outputs; o++)
        last[g->output[o]] = INT_MAX;
}

/* Literals, and all nodes on the lab's inputs if there is room. */
static bool fill(const lint_lab *b, lint_values *s)
{
    const ref_graph *g = b->g;
    ws_err err = {0};
    double elements = 0;
    for (int v = 0; v < g->n_values; v++) {
        elements += (double)b->c.bound->shape[v].count;
        if (g->value[v].is_literal && ref_make_literal(b->c.bound, v, &s->v[v], &err))
            return false;
    }
    if (!s->keep || elements > MOST_ELEMENTS)
        return true;
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor >= 0)
            s->v[v] = b->in[g->value[v].tensor];
    for (int k = 0; k < g->n_nodes; k++)
        if (ref_eval_node(b->c.bound, &g->node[k], s->v, false, &err))
            return false;
    s->kept = true;
    return true;
}

lint_values *lint_values_new(const ref_graph *g, bool keep)
{
    lint_values *s = ws_calloc(1, sizeof *s);
    s->v = ws_calloc((size_t)g->n_values + 1, sizeof *s->v);
    s->last = ws_calloc((size_t)g->n_values + 1, sizeof *s->last);
    s->keep = keep;
    find_last_uses(g, s->last);
    return s;
}

/* Filled when the first trial comes. */
static lint_values *open_values(const lint_lab *b)
{
    lint_values *s = b->values;
    if (!s->tried && !fill(b, s))
        s->kept = false;
    s->tried = true;
    return s;
}

void lint_values_free(const ref_graph *g, lint_values *s)
{
    for (int v = 0; s && v < g->n_values; v++)
        if (g->value[v].tensor < 0)
            ref_tensor_release(&s->v[v]);
    if (s) {
        free(s->v);
        free(s->last);
    }
    free(s);
}

/* ---- one trial ---- */

/* The values of a trial: own ones, or the lab's. */
typedef struct work {
    const lint_lab *b;
    const lint_values *s;
    ref_tensor *v;
    bool *own, *changed;
    int alias; /* the value that stands for another one, too: it stays to the end; or -1 */
} work;

static bool reaches(const work *w, const ref_node *n)
{
    bool any = !w->s->kept;
    for (int i = 0; i < n->n_in; i++)
        any |= w->changed[n->in[i]];
    return any;
}

static bool evaluate(work *w, const ref_node *n)
{
    ws_err err = {0};
    ref_tensor *out = &w->v[n->out];
    const ref_tensor *old = &w->s->v[n->out];
    if (!reaches(w, n)) {
        *out = *old;
        return true;
    }
    *out = (ref_tensor){0};
    w->own[n->out] = w->changed[n->out] = true;
    if (ref_eval_node(w->b->c.bound, n, w->v, false, &err))
        return false;
    size_t bytes = (size_t)out->shape.count * sizeof *out->v;
    if (w->s->kept && memcmp(out->v, old->v, bytes) == 0) { /* the change ends here */
        ref_tensor_release(out);
        *out = *old;
        w->own[n->out] = w->changed[n->out] = false;
    }
    return true;
}

static void release_read(work *w, int k)
{
    const ref_node *n = &w->b->g->node[k];
    for (int i = 0; i < n->n_in; i++) {
        int v = n->in[i];
        if (w->s->last[v] != k || !w->own[v] || v == w->alias)
            continue;
        ref_tensor_release(&w->v[v]);
        w->own[v] = false;
    }
}

static bool run(work *w, const ref_tensor *in, int gone, int operand)
{
    const ref_graph *g = w->b->g;
    for (int v = 0; v < g->n_values; v++) {
        int t = g->value[v].tensor;
        w->v[v] = t >= 0 ? in[t] : w->s->v[v];
        w->changed[v] = t >= 0 && in[t].v != w->b->in[t].v;
    }
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        if (k == gone) {
            w->alias = n->in[operand];
            w->v[n->out] = w->v[w->alias];
            w->changed[n->out] = true;
        } else if (!evaluate(w, n)) {
            return false;
        }
        release_read(w, k);
    }
    return true;
}

bool lint_passes(const lint_lab *b, const lint_trial *t, const ref_tensor *in, double *excess)
{
    const ref_graph *g = b->g;
    ws_arena a = {0};
    work w = {b,
              open_values(b),
              WS_ARENA_NEW(&a, ref_tensor, g->n_values + 1),
              WS_ARENA_NEW(&a, bool, g->n_values + 1),
              WS_ARENA_NEW(&a, bool, g->n_values + 1),
              -1};
    ref_tensor *out = WS_ARENA_NEW(&a, ref_tensor, g->n_outputs + 1);
    /* an index that is off ends the trial: it does not pass */
    bool right = run(&w, in, t->kind == LINT_OP ? t->node : -1, t->operand);
    for (int o = 0; o < g->n_outputs && right; o++)
        out[o] = w.v[g->output[o]];
    right = right && lint_all_right(b, t, out, excess);
    for (int v = 0; v < g->n_values; v++)
        if (w.own[v])
            ref_tensor_release(&w.v[v]);
    ws_arena_release(&a);
    return right;
}
