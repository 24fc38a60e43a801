#include "reference/trial.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TRIALS = 4 };
#define FACTOR 3.0
#define SEED   0x7121a1u

/* ---- which graphs ---- */

static bool sums(const char *op)
{
    static const char *const ops[] = {
        "matmul",      "linear",     "einsum",   "conv",       "conv_transpose", "softmax",
        "log_softmax", "layer_norm", "rms_norm", "batch_norm", "group_norm",     "reduce",
        "lstm",        "gru",        "scan",     "cumsum",     "cumprod"};
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

static bool is_stepwise(ws_dtype t)
{
    return (!ws_dtype_is_float(t) && t != WS_BOOL) ||
           (ws_dtype_is_float(t) && ws_dtype_bytes(t) == 1);
}

bool ref_is_deep(const ref_graph *g)
{
    int *depth = ws_calloc((size_t)g->n_values + 1, sizeof *depth), deepest = 0;
    bool stepwise = false;
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        int *own = &depth[n->out];
        for (int i = 0; i < n->n_in; i++)
            *own = depth[n->in[i]] > *own ? depth[n->in[i]] : *own;
        stepwise |= *own > 0 && is_stepwise(g->value[n->out].dtype);
        *own += sums(n->op->name);
        deepest = *own > deepest ? *own : deepest;
    }
    free(depth);
    return deepest >= REF_DEEP && !stepwise;
}

/* ---- a trial ---- */

typedef struct trial {
    ref_tensor *value;
    double **own; /* per value: the bound of its own op, of outputs; else NULL */
    int number;
} trial;

typedef struct shake_job {
    ref_tensor *t;
    uint64_t stream;
    int64_t channels, inner; /* of axis 1 */
} shake_job;

static int64_t channel_of(int64_t i, int64_t channels, int64_t inner)
{
    return i / inner % channels;
}

static void find_channels(const ref_shape *s, int64_t *channels, int64_t *inner)
{
    *channels = s->rank > 1 ? s->dim[1] : 1;
    *inner = 1;
    for (int d = 2; d < s->rank; d++)
        *inner *= s->dim[d];
    if (s->rank < 2)
        *inner = s->count;
}

static void shake_range(void *ud, int64_t first, int64_t end)
{
    enum { SOME = 256 };
    const shake_job *j = ud;
    double own[SOME], common = 0;
    int64_t last = -1;
    for (int64_t i = first; i < end; i++) {
        int64_t channel = channel_of(i, j->channels, j->inner), k = (i - first) % SOME;
        if (k == 0)
            ws_philox_uniforms(SEED, j->stream, (uint64_t)i, end - i < SOME ? end - i : SOME, own);
        if (channel != last)
            common = ws_philox_uniform(SEED + 1, j->stream, (uint64_t)channel);
        last = channel;
        double e = j->t->e[i];
        if (isfinite(e) && isfinite(j->t->v[i]))
            j->t->v[i] += e * (own[k] + common - 1);
    }
}

static bool is_output(const ref_graph *g, int v)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (g->output[o] == v)
            return true;
    return false;
}

/* Moves t by a part of its bound, which goes to *own when that is wanted. */
static void shake(ref_tensor *t, const trial *r, int node, double **own)
{
    shake_job j = {.t = t, .stream = (uint64_t)node * TRIALS + (uint64_t)r->number};
    if (!t->e || !t->shape.count)
        return;
    find_channels(&t->shape, &j.channels, &j.inner);
    ref_for_ranges(t->shape.count, 40, shake_range, &j);
    if (own) {
        free(*own);
        *own = t->e;
    } else {
        free(t->e);
    }
    t->e = NULL;
}

static ws_status run_trial(const ref_bound *b, const trial *r, const int *last_use, ws_err *err)
{
    const ref_graph *g = b->graph;
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        if (ref_eval_node(b, n, r->value, true, err))
            return ws_wrap(err, "graph[%d] (%s)", k, n->op->name);
        shake(&r->value[n->out], r, k, is_output(g, n->out) ? &r->own[n->out] : NULL);
        for (int i = 0; i < n->n_in; i++)
            if (last_use[n->in[i]] == k && g->value[n->in[i]].tensor < 0)
                ref_tensor_release(&r->value[n->in[i]]);
        if (last_use[n->out] == k)
            ref_tensor_release(&r->value[n->out]);
    }
    return WS_OK;
}

/* Inputs are the caller's; literals are those that the arithmetic has. */
static ws_status open_trial(const ref_bound *b, const ref_tensor *input, trial *r, ws_err *err)
{
    const ref_graph *g = b->graph;
    for (int v = 0; v < g->n_values; v++) {
        const ref_value *value = &g->value[v];
        if (value->tensor >= 0) {
            r->value[v] = input[value->tensor];
        } else if (value->is_literal) {
            if (ref_make_literal(b, v, &r->value[v], err))
                return err->status;
            r->value[v].v[0] = ws_dtype_round(value->dtype, r->value[v].v[0]);
            free(r->value[v].e);
            r->value[v].e = NULL;
        }
    }
    return WS_OK;
}

static void close_trial(const ref_graph *g, trial *r)
{
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor < 0)
            ref_tensor_release(&r->value[v]);
}

/* ---- bounds ---- */

/* Per output: sums of squares a channel, and the largest difference of each element. */
typedef struct spread {
    double *square, *largest;
    int64_t channels, inner;
} spread;

static void add_spread(spread *s, const ref_tensor *exact, const ref_tensor *t)
{
    for (int64_t i = 0; i < exact->shape.count; i++) {
        double d = fabs(t->v[i] - exact->v[i]);
        if (!isfinite(exact->v[i]) || isnan(d))
            d = isfinite(exact->v[i]) ? (double)INFINITY : 0;
        s->square[channel_of(i, s->channels, s->inner)] += d * d;
        s->largest[i] = fmax(s->largest[i], d);
    }
}

static void lower_bounds(const spread *s, const double *own, ref_tensor *out)
{
    double each = (double)out->shape.count / (double)s->channels * TRIALS;
    for (int64_t i = 0; i < out->shape.count; i++) {
        double rms = sqrt(s->square[channel_of(i, s->channels, s->inner)] / each);
        double e = FACTOR * fmax(rms, s->largest[i] / 2);
        e = own ? fmax(e, own[i]) : e;
        out->by_trial |= e < out->e[i];
        out->e[i] = fmin(out->e[i], e);
    }
}

ws_status ref_bound_by_trial(const ref_bound *b, const ref_tensor *input, const int *last_use,
                             ref_tensor *output, ws_err *err)
{
    const ref_graph *g = b->graph;
    ws_status st = WS_OK;
    spread *s = ws_calloc((size_t)g->n_outputs, sizeof *s);
    double **own = ws_calloc((size_t)g->n_values + 1, sizeof *own);
    for (int o = 0; o < g->n_outputs; o++) {
        find_channels(&output[o].shape, &s[o].channels, &s[o].inner);
        s[o].square = ws_calloc((size_t)s[o].channels + 1, sizeof(double));
        s[o].largest = ws_calloc((size_t)output[o].shape.count + 1, sizeof(double));
    }
    for (int t = 0; t < TRIALS && !st; t++) {
        trial r = {ws_calloc((size_t)g->n_values + 1, sizeof *r.value), own, t};
        st = open_trial(b, input, &r, err);
        if (!st)
            st = run_trial(b, &r, last_use, err);
        for (int o = 0; o < g->n_outputs && !st; o++)
            add_spread(&s[o], &output[o], &r.value[g->output[o]]);
        close_trial(g, &r);
        free(r.value);
    }
    for (int o = 0; o < g->n_outputs; o++) {
        if (!st && output[o].e && output[o].shape.count)
            lower_bounds(&s[o], own[g->output[o]], &output[o]);
        free(s[o].square);
        free(s[o].largest);
    }
    for (int v = 0; v < g->n_values; v++)
        free(own[v]);
    free(own);
    free(s);
    return st;
}
