/* scan: a loop over an axis of x that carries a state.
 *
 *     carry = in[1];  for t: x_t = x[.., t, ..];  body;  carry = body[carry];  out[.., t, ..] =
 * body[emit]
 *
 * The bound. As in lstm, adding the worst case of every step has no limit, so errors are propagated
 * by trial: each step's own bound, for an exact carry, comes from the ops of the body; SCAN_TRIALS
 * further loops start every step from a carry that is off by a random fraction of it, and what they
 * differ by from the exact loop, times SCAN_FACTOR, is added to the step's own bound. A trial's
 * deviation is at least the root of the mean square along the last axis: no element is lucky. */
#include "reference/ops.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SCAN_TRIALS = 4 };
#define SCAN_FACTOR 2.0
#define SCAN_SEED   0x5ca9u

/* ---- shapes ---- */

static ws_status infer_scan(ref_infer *f)
{
    const ref_value *x = f->in[0];
    int dim = f->at->dim;
    if (!x->rank)
        return ref_infer_fail(f, "a scan needs an axis");
    ref_value step = *x;
    for (int d = dim; d + 1 < x->rank; d++)
        step.dim[d] = x->dim[d + 1];
    step.rank--;
    f->self->x_t = ref_body_value(f, "x_t", &step);
    f->self->carry = ref_body_value(f, "carry", f->in[1]);
    if (ref_infer_body(f))
        return f->err->status;
    f->self->next = ref_find_in_body(f, f->spec->carry);
    f->self->emit = ref_find_in_body(f, f->spec->emit);
    const ref_value *next = &f->graph->value[f->self->next],
                    *emit = &f->graph->value[f->self->emit];
    if (next->rank != f->in[1]->rank || next->dtype != f->in[1]->dtype)
        return ref_infer_fail(f, "'%s' has another rank or dtype than the first carry", next->name);
    for (int d = 0; d < next->rank; d++)
        ref_need_equal(f, next->dim[d], f->in[1]->dim[d], "the carry keeps its shape");
    if (dim > emit->rank || emit->rank == SPEC_MAX_RANK)
        return ref_infer_fail(f, "'%s' of rank %d cannot be stacked along axis %d", emit->name,
                              emit->rank, dim);
    f->out->dtype = emit->dtype;
    f->out->rank = emit->rank + 1;
    for (int d = 0; d < f->out->rank; d++)
        f->out->dim[d] = d < dim ? emit->dim[d] : d == dim ? x->dim[dim] : emit->dim[d - 1];
    return WS_OK;
}

/* ---- evaluation ---- */

typedef struct loop {
    const ref_call *c;
    ref_tensor *value; /* per value of the graph; those of the body are made anew each step */
    int64_t t;
} loop;

static void release_body(loop *l)
{
    const ref_node *n = l->c->node;
    ref_tensor_release(&l->value[n->x_t]);
    for (int k = 0; k < n->n_body; k++)
        ref_tensor_release(&l->value[n->body[k].out]);
}

/* x_t: element i of outer x inner comes from step t of the axis. */
static ws_status slice_step(loop *l)
{
    const ref_tensor *x = l->c->in[0];
    ref_tensor *out = &l->value[l->c->node->x_t];
    int64_t outer, n, inner;
    ref_split(&x->shape, l->c->at->dim, &outer, &n, &inner);
    out->shape = l->c->bound->shape[l->c->node->x_t];
    if (ref_tensor_alloc(out, x->e != NULL, "x_t", l->c->err))
        return l->c->err->status;
    for (int64_t o = 0; o < outer; o++) {
        int64_t from = (o * n + l->t) * inner;
        memcpy(out->v + o * inner, x->v + from, (size_t)inner * sizeof *x->v);
        if (x->e)
            memcpy(out->e + o * inner, x->e + from, (size_t)inner * sizeof *x->e);
    }
    return WS_OK;
}

/* One step from the carry that value[carry] holds. */
static ws_status run_body(loop *l, bool with_bounds)
{
    const ref_node *n = l->c->node;
    if (slice_step(l))
        return l->c->err->status;
    for (int k = 0; k < n->n_body; k++)
        if (ref_eval_node(l->c->bound, &n->body[k], l->value, with_bounds, l->c->err))
            return ws_wrap(l->c->err, "step %lld, body[%d]", (long long)l->t, k);
    return WS_OK;
}

/* d[i] = max(d[i], what the trial's emitted value differs by). */
static void add_deviation(const ref_tensor *exact, const ref_tensor *trial, double *d)
{
    int64_t n = exact->shape.rank ? exact->shape.dim[exact->shape.rank - 1] : 1;
    for (int64_t row = 0; row < exact->shape.count; row += n) {
        double square = 0;
        for (int64_t i = row; i < row + n; i++)
            square += pow(trial->v[i] - exact->v[i], 2);
        for (int64_t i = row; i < row + n; i++)
            d[i] = fmax(d[i], fmax(fabs(trial->v[i] - exact->v[i]), sqrt(square / (double)n)));
    }
}

typedef struct states {
    ref_tensor exact, trial[SCAN_TRIALS];
    double *step_error; /* of the next carry, from this step alone; NULL: exact */
    double *deviation;  /* of what is emitted */
} states;

/* out[.., t, ..] = the emitted value, with its bound. */
static void store_step(const loop *l, const ref_tensor *emit, const double *own, const states *s)
{
    ref_tensor *out = l->c->out;
    int64_t outer, n, inner;
    ref_split(&out->shape, l->c->at->dim, &outer, &n, &inner);
    for (int64_t o = 0; o < outer; o++)
        for (int64_t i = 0; i < inner; i++) {
            int64_t to = (o * n + l->t) * inner + i, from = o * inner + i;
            out->v[to] = emit->v[from];
            if (out->e)
                out->e[to] = (own ? own[from] : 0) + SCAN_FACTOR * s->deviation[from];
        }
}

static double *copy_of(const double *v, int64_t n)
{
    double *out = v ? ws_malloc((size_t)n * sizeof *v + 1) : NULL;
    if (v)
        memcpy(out, v, (size_t)n * sizeof *v);
    return out;
}

/* A trial's step: from its own carry, and the step's error with random sign and size. */
static ws_status run_trial(loop *l, states *s, int p, const ref_tensor *emit)
{
    const ref_node *n = l->c->node;
    ref_tensor *carry = &s->trial[p];
    l->value[n->carry] = *carry;
    if (run_body(l, false))
        return l->c->err->status;
    const ref_tensor *next = &l->value[n->next];
    add_deviation(emit, &l->value[n->emit], s->deviation);
    for (int64_t i = 0; i < carry->shape.count; i++) {
        uint64_t at = (uint64_t)(l->t * carry->shape.count + i);
        double off = s->step_error && isfinite(s->step_error[i]) ? s->step_error[i] : 0;
        carry->v[i] = next->v[i] + off * (2 * ws_philox_uniform(SCAN_SEED, (uint64_t)p, at) - 1);
    }
    release_body(l);
    return WS_OK;
}

static ws_status run_step(loop *l, states *s)
{
    const ref_node *n = l->c->node;
    bool with_bounds = l->c->out->e != NULL;
    ws_status st = WS_OK;
    l->value[n->carry] = s->exact;
    if (run_body(l, with_bounds))
        return l->c->err->status;
    const ref_tensor *e = &l->value[n->emit], *next = &l->value[n->next];
    ref_tensor emit = {.shape = e->shape, .v = copy_of(e->v, e->shape.count)};
    double *own = copy_of(e->e, e->shape.count);
    free(s->step_error);
    s->step_error = copy_of(next->e, next->shape.count);
    memcpy(s->exact.v, next->v, (size_t)next->shape.count * sizeof *next->v);
    release_body(l);
    memset(s->deviation, 0, (size_t)emit.shape.count * sizeof *s->deviation);
    for (int p = 0; p < SCAN_TRIALS && with_bounds && !st; p++)
        st = run_trial(l, s, p, &emit);
    if (!st)
        store_step(l, &emit, own, s);
    free(own);
    ref_tensor_release(&emit);
    return st;
}

/* The first carry; the trials' is off by its own error. */
static ws_status start(const ref_call *c, states *s)
{
    const ref_tensor *first = c->in[1];
    for (int p = -1; p < SCAN_TRIALS; p++) {
        ref_tensor *t = p < 0 ? &s->exact : &s->trial[p];
        t->shape = first->shape;
        if (ref_tensor_alloc(t, false, "carry", c->err))
            return c->err->status;
        for (int64_t i = 0; i < first->shape.count; i++) {
            double r = 2 * ws_philox_uniform(~SCAN_SEED, (uint64_t)p, (uint64_t)i) - 1;
            t->v[i] = first->v[i] + (p < 0 ? 0 : r * ref_err(first, i));
        }
    }
    s->deviation =
        ws_calloc((size_t)c->bound->shape[c->node->emit].count + 1, sizeof *s->deviation);
    return WS_OK;
}

/* The body reads x_t, carry, the operands from the third on, and literals. */
static ws_status bind_operands(loop *l)
{
    const ref_call *c = l->c;
    const ref_graph *g = c->bound->graph;
    for (int i = 2; i < c->n_in; i++)
        l->value[c->node->in[i]] = *c->in[i];
    for (int k = 0; k < c->node->n_body; k++)
        for (int i = 0; i < c->node->body[k].n_in; i++) {
            int v = c->node->body[k].in[i];
            if (g->value[v].is_literal && !l->value[v].v &&
                ref_make_literal(c->bound, v, &l->value[v], c->err))
                return c->err->status;
        }
    return WS_OK;
}

static void finish(loop *l, states *s)
{
    const ref_graph *g = l->c->bound->graph;
    release_body(l);
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].is_literal)
            ref_tensor_release(&l->value[v]);
    ref_tensor_release(&s->exact);
    for (int p = 0; p < SCAN_TRIALS; p++)
        ref_tensor_release(&s->trial[p]);
    free(s->step_error);
    free(s->deviation);
    free(l->value);
}

static ws_status eval_scan(const ref_call *c)
{
    loop l = {.c = c};
    states s = {0};
    l.value = ws_calloc((size_t)c->bound->graph->n_values, sizeof *l.value);
    ws_status st = bind_operands(&l);
    if (!st)
        st = start(c, &s);
    for (l.t = 0; !st && l.t < c->in[0]->shape.dim[c->at->dim]; l.t++)
        st = run_step(&l, &s);
    finish(&l, &s);
    return st;
}

const ref_op ref_ops_scan[] = {{.name = "scan",
                                .min_in = 2,
                                .max_in = SPEC_MAX_OPERANDS,
                                .attrs = "dim",
                                .infer = infer_scan,
                                .eval = eval_scan}, /* work: that of the body, in cost.c */
                               {0}};
