/* Useful work by unit and least traffic of a bound graph, as it is written: what no output needs is
 * not counted. */
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const unit_names[] = {
#define X(id, name) name,
    REF_UNITS(X)
#undef X
};

const char *ref_unit_name(ref_unit u)
{
    return unit_names[u];
}

/* ---- what an op runs on ---- */

/* Sums of products, which tensor cores take when the operands are of few bits. */
static const char *const product_ops[] = {
    "matmul", "linear", "conv", "conv_transpose", "grouped_matmul", "einsum", "lstm", "gru", NULL};
/* One special function an element of the result, or of the operand. */
static const char *const sfu_of_out[] = {
    "exp", "log",  "tanh", "sigmoid", "silu",  "gelu",    "erf", "sin",         "cos", "softplus",
    "elu", "selu", "mish", "sqrt",    "rsqrt", "softmax", "pow", "log_softmax", NULL};
static const char *const order_ops[] = {"sort", "argsort", "topk", NULL};

static bool is_in(const char *const *list, const char *name)
{
    while (*list && strcmp(*list, name))
        list++;
    return *list != NULL;
}

/* ---- the numbers that products multiply ---- */

/* The format whose numbers a value holds, whatever it is stored as: copies, casts up and scaled
 * numbers of few bits can be multiplied as they were. */
typedef struct tracer {
    const ref_bound *b;
    ws_dtype *source; /* per value */
    bool *live;       /* per value: an output needs it */
    double count[REF_UNIT_COUNT];
} tracer;

static ws_dtype narrower(ws_dtype a, ws_dtype b)
{
    return ws_dtype_roundoff(a) >= ws_dtype_roundoff(b) ? a : b;
}

static void trace(tracer *t, const ref_node *n)
{
    const ref_graph *g = t->b->graph;
    ws_dtype dtype = g->value[n->out].dtype, from = n->n_in ? t->source[n->in[0]] : dtype;
    if (n->n_body) {
        t->source[n->x_t] = from;
        t->source[n->carry] = g->value[n->carry].dtype;
    }
    for (int k = 0; k < n->n_body; k++)
        trace(t, &n->body[k]);
    bool keeps = n->op->moves || strcmp(n->op->name, "dequantize") == 0;
    bool cast = strcmp(n->op->name, "cast") == 0 && ws_dtype_is_float(from);
    if (keeps)
        t->source[n->out] = from;
    else if (!ws_dtype_is_float(dtype))
        t->source[n->out] = dtype;
    else
        t->source[n->out] = narrower(cast ? narrower(from, dtype) : dtype, g->spec->precision);
}

/* What honest arithmetic may make of a factor: no wider than the precision. */
static ws_dtype factor(const tracer *t, int v)
{
    ws_dtype from = t->source[v];
    return ws_dtype_is_float(from) ? narrower(from, t->b->graph->spec->precision) : from;
}

/* The unit that multiplies two such numbers and adds in the spec's accumulation. */
static ref_unit product_unit(ws_dtype a, ws_dtype b)
{
    static const ref_unit of[WS_DTYPE_COUNT] = {
        [WS_F64] = REF_PRODUCT_F64, [WS_F32] = REF_PRODUCT_F32,  [WS_TF32] = REF_PRODUCT_TF32,
        [WS_F16] = REF_PRODUCT_F16, [WS_BF16] = REF_PRODUCT_F16, [WS_E4M3] = REF_PRODUCT_F8,
        [WS_E5M2] = REF_PRODUCT_F8, [WS_E2M1] = REF_PRODUCT_F4,  [WS_I64] = REF_PRODUCT_I32,
        [WS_I32] = REF_PRODUCT_I32, [WS_I16] = REF_PRODUCT_I32,  [WS_I8] = REF_PRODUCT_I8,
        [WS_U8] = REF_PRODUCT_I8,   [WS_BOOL] = REF_PRODUCT_I8};
    bool whole_a = !ws_dtype_is_float(a), whole_b = !ws_dtype_is_float(b);
    if (whole_a !=
        whole_b) { /* whole numbers become those of the other operand, of 16 bits at least */
        ref_unit other = of[whole_a ? b : a];
        return other > REF_PRODUCT_F16 ? REF_PRODUCT_F16 : other;
    }
    return of[a] < of[b] ? of[a] : of[b]; /* units are listed from wide to narrow */
}

/* ---- counting ---- */

static void count_node(tracer *t, const ref_node *n, double times)
{
    const ref_bound *b = t->b;
    const ref_graph *g = b->graph;
    const ref_shape *in[SPEC_MAX_OPERANDS];
    const ref_attrs *at = n->attrs;
    double out = (double)b->shape[n->out].count;
    for (int i = 0; i < n->n_in; i++)
        in[i] = &b->shape[n->in[i]];
    for (int k = 0; k < n->n_body; k++) /* of a scan, once a step */
        count_node(t, &n->body[k], times * (double)in[0]->dim[at->dim]);
    double work = n->op->flops ? times * n->op->flops(at, in, n->n_in, &b->shape[n->out]) : 0;
    ws_dtype dtype = g->value[n->out].dtype;
    ref_unit unit = dtype == WS_F64 ? REF_F64 : ws_dtype_is_float(dtype) ? REF_F32 : REF_INT;
    if (is_in(product_ops, n->op->name)) {
        bool rnn = strcmp(n->op->name, "lstm") == 0 || strcmp(n->op->name, "gru") == 0;
        int w = rnn ? n->n_in - 4 : 1; /* w_ih of the last pass */
        unit = product_unit(factor(t, n->in[0]), factor(t, n->in[w < n->n_in ? w : 0]));
    } else if (is_in(order_ops, n->op->name)) {
        unit = REF_F32;
    }
    t->count[unit] += work;
    bool folds = strcmp(n->op->name, "reduce") == 0 && at->fn == REF_LOGSUMEXP;
    if (folds || is_in(sfu_of_out, n->op->name))
        t->count[REF_SFU] += times * (folds ? (double)in[0]->count : out);
}

/* Marks what the outputs need, from the last node to the first. */
static void find_live(tracer *t)
{
    const ref_graph *g = t->b->graph;
    for (int o = 0; o < g->n_outputs; o++)
        t->live[g->output[o]] = true;
    for (int k = g->n_nodes - 1; k >= 0; k--)
        for (int i = 0; i < g->node[k].n_in && t->live[g->node[k].out]; i++)
            t->live[g->node[k].in[i]] = true;
}

static double bytes_of(const ref_bound *b, int v, ws_dtype dtype)
{
    return (double)ws_dtype_size(dtype, (size_t)b->shape[v].count);
}

/* Bytes of a tensor that must be read: all of it, or what slices and gathers take when nothing else
 * reads it (rows that an index names twice are counted twice). */
static double read_bytes(const tracer *t, int v)
{
    const ref_graph *g = t->b->graph;
    double all = bytes_of(t->b, v, g->value[v].dtype), taken = 0;
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        for (int i = 0; i < n->n_in; i++) {
            if (n->in[i] != v || !t->live[n->out])
                continue;
            bool part =
                i == 0 && (strcmp(n->op->name, "slice") == 0 || strcmp(n->op->name, "gather") == 0);
            taken += part ? bytes_of(t->b, n->out, g->value[v].dtype) : all;
        }
    }
    return fmin(all, taken);
}

void ref_cost_of(const ref_bound *b, ref_cost *out)
{
    const ref_graph *g = b->graph;
    tracer t = {.b = b};
    t.source = ws_calloc((size_t)g->n_values + 1, sizeof *t.source);
    t.live = ws_calloc((size_t)g->n_values + 1, sizeof *t.live);
    *out = (ref_cost){0};
    find_live(&t);
    for (int v = 0; v < g->n_values; v++)
        t.source[v] = g->value[v].dtype;
    for (int k = 0; k < g->n_nodes; k++) {
        trace(&t, &g->node[k]);
        if (t.live[g->node[k].out])
            count_node(&t, &g->node[k], 1);
    }
    for (int u = 0; u < REF_UNIT_COUNT; u++) {
        out->unit[u] = t.count[u];
        out->flops += u == REF_SFU ? 0 : t.count[u]; /* each is counted as one already */
    }
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor >= 0 && t.live[v])
            out->min_bytes += read_bytes(&t, v);
    for (int o = 0; o < g->n_outputs; o++)
        out->min_bytes += bytes_of(b, g->output[o], g->value[g->output[o]].dtype);
    free(t.source);
    free(t.live);
}

ws_status ref_cost_at(const ref_graph *g, const ws_env *env, ref_cost *out, ws_err *err)
{
    ws_arena a = {0};
    ref_bound *b = NULL;
    ws_status st = ref_bind(g, env, &a, &b, err);
    if (!st)
        ref_cost_of(b, out);
    ws_arena_release(&a);
    return st;
}
