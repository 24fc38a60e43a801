/* The keys of a spec: which ops carry the work, on what numbers, in which shape. */
#include "agent/evidence/memory.h"
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPS = 4 };

/* Ops that prepare or finish what others do: they are named when there is nothing else. */
static const char *const plain[] = {
    "reshape", "flatten", "permute", "transpose",  "slice",       "concat", "expand",
    "full",    "iota",    "cast",    "pad",        "roll",        "flip",   "gather",
    "add",     "sub",     "mul",     "div",        "neg",         "abs",    "sqrt",
    "square",  "maximum", "minimum", "clamp",      "gt",          "ge",     "lt",
    "le",      "eq",      "ne",      "logical_or", "logical_and", "where",  "masked_fill",
    "tril",    "triu",    NULL};
/* What is done alike goes by one name. */
static const char *const alike[][2] = {
    {"linear", "matmul"},       {"einsum", "matmul"},         {"grouped_matmul", "matmul"},
    {"log_softmax", "softmax"}, {"cross_entropy", "softmax"}, {"layer_norm", "row_norm"},
    {"rms_norm", "row_norm"},   {"cumprod", "cumsum"},        {"max_pool", "pool"},
    {"avg_pool", "pool"},       {"argsort", "sort"}};
/* Ops of one element each: kernels for one of them serve the others with little change. */
static const char *const pointwise[] = {
    "relu",    "leaky_relu", "gelu",        "silu",     "sigmoid", "tanh", "elu",   "selu",
    "mish",    "hardswish",  "hardsigmoid", "softplus", "exp",     "log",  "sin",   "cos",
    "add",     "sub",        "mul",         "div",      "abs",     "neg",  "clamp", "maximum",
    "minimum", "square",     "sqrt",        "pow",      "where",   NULL};

static bool is_in(const char *const *list, const char *name, size_t n)
{
    for (int i = 0; list[i]; i++)
        if (strlen(list[i]) == n && strncmp(list[i], name, n) == 0)
            return true;
    return false;
}

static const char *family_name(const char *op)
{
    for (size_t i = 0; i < WS_COUNT(alike); i++)
        if (strcmp(alike[i][0], op) == 0)
            return alike[i][1];
    return op;
}

typedef struct work {
    const char *name;
    double flops;
    bool plain;
} work;

static void add_work(work *list, int *n, const char *name, double flops)
{
    int i = 0;
    while (i < *n && strcmp(list[i].name, name) != 0)
        i++;
    if (i == *n)
        list[(*n)++] = (work){name, 0, is_in(plain, name, strlen(name))};
    list[i].flops += flops;
}

static int more_work(const void *a, const void *b)
{
    const work *x = a, *y = b;
    if (x->plain != y->plain)
        return x->plain - y->plain;
    return x->flops != y->flops ? (x->flops < y->flops ? 1 : -1) : strcmp(x->name, y->name);
}

static double node_work(const ref_bound *b, const ref_node *n)
{
    const ref_shape *in[SPEC_MAX_OPERANDS];
    for (int i = 0; i < n->n_in; i++)
        in[i] = &b->shape[n->in[i]];
    double flops = n->op->flops ? n->op->flops(n->attrs, in, n->n_in, &b->shape[n->out]) : 0;
    return fmax(flops, 1e-3 * (double)b->shape[n->out].count);
}

static const char *family_of(const spec *s, const ref_bound *b, ws_arena *a)
{
    work *list = ws_calloc((size_t)s->n_nodes + 1, sizeof *list);
    ws_buf out = {0};
    int n = 0;
    if (b)
        for (int i = 0; i < b->graph->n_nodes; i++)
            add_work(list, &n, family_name(b->graph->node[i].op->name),
                     node_work(b, &b->graph->node[i]));
    else
        for (int i = 0; i < s->n_nodes; i++)
            add_work(list, &n, family_name(s->node[i].op), 1);
    qsort(list, (size_t)n, sizeof *list, more_work);
    for (int i = 0; i < n && i < MAX_OPS && (!i || !list[i].plain); i++)
        ws_buf_printf(&out, "%s%s", i ? "+" : "", list[i].name);
    const char *z = ws_arena_strdup(a, ws_buf_z(&out));
    ws_buf_release(&out);
    free(list);
    return z;
}

/* The largest of the first `n` tensors: its numbers are what is moved. */
static const spec_tensor *largest(const spec *s, int tensors, const ws_env *env,
                                  int64_t dim[SPEC_MAX_RANK], int64_t *count)
{
    const spec_tensor *most = NULL;
    *count = 0;
    for (int i = 0; i < tensors; i++) {
        int64_t d[SPEC_MAX_RANK], n;
        ws_err ignored = {0};
        if (spec_tensor_dims(&s->tensor[i], env, d, &n, &ignored) || (most && n <= *count))
            continue;
        most = &s->tensor[i];
        *count = n;
        memcpy(dim, d, sizeof d);
    }
    return most;
}

/* m x k times k x n, where the ends are what the output has. */
static const char *contraction_class(const ref_shape *in, const ref_shape *out)
{
    double m = out->rank > 1 ? (double)out->dim[out->rank - 2] : 1;
    double n = out->rank ? (double)out->dim[out->rank - 1] : 1;
    double k = in->rank ? (double)in->dim[in->rank - 1] : 1, batch = (double)out->count / (m * n);
    double small = fmin(m, n), large = fmax(m, n);
    if (batch > 1 && large <= 512)
        return "batch-small";
    if (small <= 32)
        return "skinny";
    if (k > 8 * large)
        return "deep";
    if (m * n * batch < 512.0 * 512)
        return "square-small";
    return large > 8 * small ? "wide" : "square-large";
}

static const char *shape_class_of(const ref_bound *b, const spec_tensor *x, const int64_t *dim,
                                  int64_t count)
{
    double most = 0;
    const char *by_product = NULL;
    for (int i = 0; b && i < b->graph->n_nodes; i++) {
        const ref_node *n = &b->graph->node[i];
        const char *name = family_name(n->op->name);
        double w = node_work(b, n);
        if (w <= most)
            continue;
        most = w;
        by_product = strcmp(name, "matmul") == 0
                         ? contraction_class(&b->shape[n->in[0]], &b->shape[n->out])
                         : NULL;
    }
    if (by_product)
        return by_product;
    if (!x || x->rank == 0)
        return "scalar";
    int64_t last = dim[x->rank - 1];
    if (x->rank == 1 || last == count)
        return count >= 1 << 20 ? "flat-large" : "flat-small";
    if (x->rank >= 4)
        return last * dim[x->rank - 2] >= 64 * 64 ? "planes-large" : "planes-small";
    return last >= 1024 ? "rows-long" : "rows-short";
}

void memory_keys_of(const spec *s, ws_arena *a, memory_keys *out)
{
    ws_arena scratch = {0};
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ws_err ignored = {0};
    ws_env env = spec_env(s, -1);
    int64_t dim[SPEC_MAX_RANK] = {0}, count;
    if (ref_graph_new(s, &g, &ignored) || ref_bind(g, &env, &scratch, &b, &ignored))
        b = NULL; /* what cannot be bound has a name and ops all the same */
    const spec_tensor *any = largest(s, s->n_inputs + s->n_weights, &env, dim, &count);
    const spec_tensor *x = largest(s, s->n_inputs ? s->n_inputs : s->n_weights, &env, dim, &count);
    *out = (memory_keys){.family = family_of(s, b, a),
                         .dtype = ws_dtype_name(any ? any->dtype : s->precision),
                         .shape_class = shape_class_of(b, x, dim, count)};
    ref_graph_free(g);
    ws_arena_release(&scratch);
}

/* ---- relation ---- */

/* How much of op p[0..n) the list b has: all of it, half when both are pointwise, or nothing. */
static double share_of(const char *p, size_t n, const char *b)
{
    double share = 0;
    for (const char *q = b; *q;) {
        size_t m = strcspn(q, "+");
        if (n == m && strncmp(p, q, n) == 0)
            return 1;
        if (is_in(pointwise, p, n) && is_in(pointwise, q, m))
            share = 0.5;
        q += m + (q[m] != 0);
    }
    return share;
}

/* Weight of the ops of `a` that `b` has too; the first op counts double. */
static double shared_ops(const char *a, const char *b, double *all)
{
    double found = 0, weight = 2;
    *all = 0;
    for (const char *p = a; *p;) {
        size_t n = strcspn(p, "+");
        found += weight * share_of(p, n, b);
        *all += weight;
        weight = 1;
        p += n + (p[n] != 0);
    }
    return found;
}

double memory_relation(const memory_keys *a, const memory_keys *b)
{
    double all_a, all_b;
    double found =
        shared_ops(a->family, b->family, &all_a) + shared_ops(b->family, a->family, &all_b);
    double first = share_of(a->family, strcspn(a->family, "+"), b->family) +
                   share_of(b->family, strcspn(b->family, "+"), a->family);
    if (!(first > 0)) /* what they share is not what takes the time */
        return 0;
    return 4 * found / (all_a + all_b) + (strcmp(a->dtype, b->dtype) == 0) +
           (strcmp(a->shape_class, b->shape_class) == 0);
}
