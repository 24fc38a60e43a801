/* One block a line of the operand: reductions, scans, softmax, normalisation, cross-entropy. */
#include "reference/emit_ops.h"

#include <string.h>

/* The lines that blocks walk: `count` lines of `n` elements; `index` is the offset of element k. */
typedef struct lines {
    const ws_expr *count, *n;
    const char *index;
} lines;

static const ws_expr *product_of(em_node *n, const ref_value *v, int from, int to)
{
    return em_product(n, v->dim + from, to - from);
}

/* `const long long line`, n, and where the line starts: the axes [from, to) of x, adjacent. */
static lines put_lines(em_node *n, const ref_value *x, int from, int to)
{
    ws_arena *a = &n->job->arena;
    const ws_expr *outer = product_of(n, x, 0, from), *inner = product_of(n, x, to, x->rank);
    lines l = {ws_expr_binary(a, WS_X_MUL, outer, inner), product_of(n, x, from, to), "first + k"};
    em_put(n, "const long long line = blockIdx.x, n = %s;", em_expr(n, l.n));
    em_put(n, "if (line >= %s)", em_expr(n, l.count));
    em_put(n, "    return;");
    if (em_is_const(inner, 1)) {
        em_put(n, "const long long first = line * n;");
        return l;
    }
    em_put(n, "const long long step = %s;", em_expr(n, inner));
    em_put(n, "const long long first = line / step * n * step + line %% step;");
    l.index = "first + k * step";
    return l;
}

/* var = update(var, v) over the line's elements v, then over the block. */
static void put_fold(em_node *n, const lines *l, const ref_value *x, const char *var,
                     const char *start, const char *update, em_helper helper)
{
    static const struct {
        em_helper bit;
        const char *name;
    } rows[] = {{EM_SUM, "block_sum"},
                {EM_PROD, "block_prod"},
                {EM_MAX, "block_max"},
                {EM_MIN, "block_min"}};
    em_put(n, "%s %s = %s;", n->type, var, start);
    em_put(n, "for (long long k = threadIdx.x; k < n; k += %d) {", EM_THREADS);
    em_put(n, "    const %s v = %s;", n->type, em_load(n, x, "x", l->index));
    em_put(n, "    %s = %s;", var, update);
    em_put(n, "}");
    n->job->helpers |= helper;
    for (size_t i = 0; i < WS_COUNT(rows); i++)
        if (rows[i].bit == helper)
            em_put(n, "%s = %s(%s);", var, rows[i].name, var);
}

static void put_max(em_node *n, const lines *l, const ref_value *x)
{
    put_fold(n, l, x, "m", em_text(n, "-(%s)INFINITY", n->type), "v > m || v != v ? v : m", EM_MAX);
}

/* m = max, s = sum exp(v - m) */
static void put_exp_sum(em_node *n, const lines *l, const ref_value *x)
{
    put_max(n, l, x);
    put_fold(n, l, x, "s", "0", "s + exp(v - m)", EM_SUM);
}

/* The axes of x in the mask as a list: coordinates <prefix>0, ... over extents dim; other
 * coordinates are 0. */
static int pick_axes(em_node *n, const ref_value *x, unsigned mask, const char *prefix,
                     const ws_expr *dim[SPEC_MAX_RANK], const char *at[SPEC_MAX_RANK])
{
    int count = 0;
    for (int d = 0; d < x->rank; d++) {
        at[d] = "0";
        if (mask >> d & 1) {
            at[d] = em_text(n, "%s%d", prefix, count);
            dim[count++] = x->dim[d];
        }
    }
    return count;
}

/* Reduced axes that are not adjacent: `element` gives the offset of the k-th reduced element. */
static lines put_scattered(em_node *n, const ref_value *x, unsigned mask)
{
    const ws_expr *dim[SPEC_MAX_RANK], *kept[SPEC_MAX_RANK];
    const char *at[SPEC_MAX_RANK];
    int n_reduced = pick_axes(n, x, mask, "r", dim, at);
    em_put(n, "const auto element = [=](const long long k) {");
    n->indent += 4;
    em_coords(n, "k", "r", dim, n_reduced, (1u << n_reduced) - 1);
    em_put(n, "return %s;", em_offset(n, at, x->dim, x->rank));
    n->indent -= 4;
    em_put(n, "};");
    int n_kept = pick_axes(n, x, ~mask, "at", kept, at);
    lines l = {em_product(n, kept, n_kept), em_product(n, dim, n_reduced),
               "first + element(k)"};
    em_put(n, "const long long line = blockIdx.x, n = %s;", em_expr(n, l.n));
    em_put(n, "if (line >= %s)", em_expr(n, l.count));
    em_put(n, "    return;");
    em_coords(n, "line", "at", kept, n_kept, (1u << n_kept) - 1);
    em_put(n, "const long long first = %s;", em_offset(n, at, x->dim, x->rank));
    return l;
}

/* ---- softmax, log_softmax: the formula over v, m and s ---- */

static ws_status emit_softmax(em_node *n)
{
    const ref_value *x = n->in[0];
    em_choose_type(n, 1, true);
    lines l = put_lines(n, x, n->at->dim, n->at->dim + 1);
    put_exp_sum(n, &l, x);
    em_put(n, "for (long long k = threadIdx.x; k < n; k += %d) {", EM_THREADS);
    em_put(n, "    const %s v = %s;", n->type, em_load(n, x, "x", l.index));
    em_put_result(n, "    ", l.index, n->formula);
    em_put(n, "}");
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one block a line: maximum, sum, result", p, 2, l.count, false);
}

/* ---- layer_norm, rms_norm, batch_norm, group_norm ---- */

/* mean (when centred) and r = 1 / sqrt(var + eps) of the line. */
static void put_moments(em_node *n, const lines *l, const ref_value *x, bool centred)
{
    if (centred) {
        put_fold(n, l, x, "mean", "0", "mean + v", EM_SUM);
        em_put(n, "mean = mean / n;");
    }
    put_fold(n, l, x, "s", "0", centred ? "s + (v - mean) * (v - mean)" : "s + v * v", EM_SUM);
    em_put(n, "const %s r = 1 / sqrt(s / n + %s);", n->type, em_number(n, n->at->eps));
}

/* `channel`: which element of gamma and beta element k of the line takes. */
static ws_status put_normalised(em_node *n, const lines *l, bool centred, const char *channel)
{
    const ref_value *x = n->in[0];
    put_moments(n, l, x, centred);
    em_put(n, "for (long long k = threadIdx.x; k < n; k += %d) {", EM_THREADS);
    em_put(n, "    const %s v = %s;", n->type, em_load(n, x, "x", l->index));
    const char *y = centred ? "(v - mean) * r" : "v * r";
    if (n->n_in > 1)
        y = em_text(n, "%s * %s", y, em_load(n, n->in[1], "gamma", channel));
    if (n->n_in > 2)
        y = em_text(n, "%s + %s", y, em_load(n, n->in[2], "beta", channel));
    em_put_result(n, "    ", l->index, y);
    em_put(n, "}");
    em_param p[4] = {{.role = "x", .value = x}};
    for (int i = 1; i < n->n_in; i++)
        p[i] = (em_param){.role = i == 1 ? "gamma" : "beta", .value = n->in[i]};
    p[n->n_in] = (em_param){.role = "out", .value = n->out, .written = true};
    return em_kernel(n, "", "one block a line", p, n->n_in + 1, l->count, false);
}

static ws_status emit_norm(em_node *n)
{
    const ref_value *x = n->in[0];
    em_choose_type(n, 1, true);
    lines l = put_lines(n, x, x->rank - n->at->normalized_dims, x->rank);
    return put_normalised(n, &l, strcmp(n->node->op->name, "layer_norm") == 0, "k");
}

/* A line is a channel: every axis but the second. */
static ws_status emit_batch_norm(em_node *n)
{
    const ref_value *x = n->in[0];
    em_choose_type(n, 1, true);
    lines l = put_scattered(n, x, ~2u);
    return put_normalised(n, &l, true, "line");
}

/* A line is a group of channels of one item, which lie together. */
static ws_status emit_group_norm(em_node *n)
{
    ref_value groups = *n->in[0];
    ws_arena *a = &n->job->arena;
    const ws_expr *spatial = product_of(n, &groups, 2, groups.rank);
    const ws_expr *per_group = ws_expr_binary(a, WS_X_DIV, groups.dim[1], n->at->groups);
    groups.rank = 2;
    groups.dim[0] = ws_expr_binary(a, WS_X_MUL, groups.dim[0], n->at->groups);
    groups.dim[1] = ws_expr_binary(a, WS_X_MUL, per_group, spatial);
    em_choose_type(n, 1, true);
    lines l = put_lines(n, &groups, 1, 2);
    if (n->n_in > 1)
        em_put(n, "const long long group = line %% %s * %s; /* its first channel */",
               em_expr(n, n->at->groups), em_expr(n, per_group));
    return put_normalised(n, &l, true, em_text(n, "group + k / %s", em_expr(n, spatial)));
}

/* ---- reductions ---- */

static unsigned reduced_axes(const ref_attrs *at)
{
    unsigned mask = 0;
    for (int i = 0; i < at->n_dims; i++)
        mask |= 1u << at->dims[i];
    return mask;
}

static lines put_reduced_lines(em_node *n, const ref_value *x)
{
    unsigned mask = reduced_axes(n->at);
    int from = 0;
    while (from < x->rank && !(mask >> from & 1))
        from++;
    int to = from;
    while (to < x->rank && mask >> to & 1)
        to++;
    return mask >> to ? put_scattered(n, x, mask) : put_lines(n, x, from, to);
}

/* The first index of the extremum; NaN wins, as in the reference. */
static const char *put_arg(em_node *n, const lines *l, const ref_value *x, const char *sign)
{
    n->job->helpers |= EM_MAX | EM_MIN;
    em_put(n, "%s best = -(%s)INFINITY;", n->type, n->type);
    em_put(n, "long long at = n; /* none yet */");
    em_put(n, "for (long long k = threadIdx.x; k < n; k += %d) {", EM_THREADS);
    em_put(n, "    const %s v = %s%s;", n->type, sign, em_load(n, x, "x", l->index));
    em_put(n, "    if (at == n || v > best || (v != v && best == best)) {");
    em_put(n, "        best = v;");
    em_put(n, "        at = k;");
    em_put(n, "    }");
    em_put(n, "}");
    em_put(n, "const %s top = block_max(best);", n->type);
    em_put(n, "at = block_min(best == top || (best != best && top != top) ? at : n);");
    return "at";
}

/* Puts the folds of a function; returns the result over what they computed. */
static const char *put_reduction(em_node *n, const lines *l, const ref_value *x)
{
    switch (n->at->fn) {
    case REF_SUM_OF: put_fold(n, l, x, "s", "0", "s + v", EM_SUM); return "s";
    case REF_MEAN: put_fold(n, l, x, "s", "0", "s + v", EM_SUM); return "s / n";
    case REF_PROD: put_fold(n, l, x, "p", "1", "p * v", EM_PROD); return "p";
    case REF_L2NORM: put_fold(n, l, x, "s", "0", "s + v * v", EM_SUM); return "sqrt(s)";
    case REF_MAX: put_max(n, l, x); return "m";
    case REF_MIN:
        put_fold(n, l, x, "m", em_text(n, "(%s)INFINITY", n->type), "v < m || v != v ? v : m",
                 EM_MIN);
        return "m";
    case REF_LOGSUMEXP: put_exp_sum(n, l, x); return "m + log(s)";
    case REF_ARGMAX: return put_arg(n, l, x, "");
    case REF_ARGMIN: return put_arg(n, l, x, "-");
    }
    ws_bug("unknown reduction");
}

static ws_status emit_reduce(em_node *n)
{
    const ref_value *x = n->in[0];
    bool index = ref_is_index_fn(n->at->fn);
    em_choose_type(n, 1, true);
    lines l = put_reduced_lines(n, x);
    const char *result = put_reduction(n, &l, x);
    em_put(n, "if (threadIdx.x == 0)");
    if (index)
        em_put(n, "    out[line] = (%s)%s;", ws_dtype_cuda(n->out->dtype), result);
    else
        em_put_result(n, "    ", "line", result);
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one block a result", p, 2, l.count, false);
}

/* ---- scans ---- */

static ws_status emit_scan(em_node *n)
{
    const ref_value *x = n->in[0];
    bool product = strcmp(n->node->op->name, "cumprod") == 0;
    const char *one = product ? "1" : "0", *op = product ? "*" : "+";
    n->job->helpers |= product ? EM_SCAN_PROD : EM_SCAN_SUM;
    em_choose_type(n, 1, true);
    lines l = put_lines(n, x, n->at->dim, n->at->dim + 1);
    em_put(n, "%s before = %s; /* of the elements in front of k0 */", n->type, one);
    em_put(n, "for (long long k0 = 0; k0 < n; k0 += %d) {", EM_THREADS);
    em_put(n, "    const long long k = k0 + threadIdx.x;");
    em_put(n, "    %s total;", n->type);
    em_put(n, "    const %s v = block_scan_%s(k < n ? %s : (%s)%s, total);", n->type,
           product ? "prod" : "sum", em_load(n, x, "x", l.index), n->type, one);
    em_put(n, "    if (k < n)");
    em_put(n, "        out[%s] = %s;", l.index,
           em_store(n, n->out->dtype, em_text(n, "before %s v", op)));
    em_put(n, "    before = before %s total;", op);
    em_put(n, "}");
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one block a line, 256 elements at a time", p, 2, l.count, false);
}

/* ---- cross_entropy ---- */

static ws_status emit_cross_entropy(em_node *n)
{
    const ref_value *x = n->in[0], *t = n->in[1];
    em_choose_type(n, 1, true);
    ws_dtype dtype = n->type[0] == 'd' ? WS_F64 : WS_F32;
    const char *losses = em_unused_name(n, em_text(n, "%s_rows", n->out->name));
    if (em_scratch(n->job, losses, dtype, x->dim[0]))
        return n->job->err->status;
    lines l = put_lines(n, x, 1, 2);
    put_exp_sum(n, &l, x);
    em_put(n, "if (threadIdx.x == 0) {");
    em_put(n, "    const long long k = (long long)target[line];");
    em_put(n, "    out[line] = m - %s + log(s);", em_load(n, x, "x", l.index));
    em_put(n, "}");
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "target", .value = t},
                          {.role = "out", .scratch = losses, .dtype = dtype, .written = true}};
    if (em_kernel(n, "_rows", "one block a row's loss", p, 3, l.count, false))
        return n->job->err->status;
    em_put(n, "const long long n = %s;", em_expr(n, x->dim[0]));
    em_put(n, "%s s = 0;", n->type);
    em_put(n, "for (long long k = threadIdx.x; k < n; k += %d)", EM_THREADS);
    em_put(n, "    s += x[k];");
    em_put(n, "s = block_sum(s);");
    em_put(n, "if (threadIdx.x == 0)");
    em_put(n, "    out[0] = %s;", em_store(n, n->out->dtype, "s / n"));
    const em_param q[] = {{.role = "x", .scratch = losses, .dtype = dtype},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "_mean", "one block: the mean of the losses", q, 2,
                     ws_expr_const(&n->job->arena, 1), false);
}

const em_op em_ops_rows[] = {
    {.name = "softmax", .emit = emit_softmax, .formula = "exp(v - m) / s"},
    {.name = "log_softmax", .emit = emit_softmax, .formula = "v - m - log(s)"},
    {.name = "layer_norm", .emit = emit_norm},
    {.name = "rms_norm", .emit = emit_norm},
    {.name = "batch_norm", .emit = emit_batch_norm},
    {.name = "group_norm", .emit = emit_group_norm},
    {.name = "reduce", .emit = emit_reduce},
    {.name = "cumsum", .emit = emit_scan},
    {.name = "cumprod", .emit = emit_scan},
    {.name = "cross_entropy", .emit = emit_cross_entropy},
    {0}};

/* ---- in groups ---- */

bool em_walks_rows(const char *op)
{
    static const char *const ops[] = {"softmax",  "log_softmax", "layer_norm", "rms_norm",
                                      "batch_norm", "group_norm", "reduce"};
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return false;
}

bool em_is_producer(const ref_node *node)
{
    static const char *const ops[] = {"matmul", "linear",   "einsum",  "conv", "conv_transpose",
                                      "max_pool", "avg_pool"};
    const char *op = node->op->name;
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (strcmp(op, ops[i]) == 0)
            return true;
    return em_walks_rows(op) && !(strcmp(op, "reduce") == 0 &&
                                  ref_is_index_fn(((const ref_attrs *)node->attrs)->fn));
}
