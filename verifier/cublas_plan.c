#include "verifier/cublas_plan.h"

#include "harness/baseline/cublaslt_api.h"
#include "reference/ops.h"

#include <stdio.h>
#include <string.h>

static bool refuse(char *why, size_t size, const char *text)
{
    snprintf(why, size, "%s", text);
    return false;
}

static bool is_op(const ref_node *n, const char *name)
{
    return strcmp(n->op->name, name) == 0;
}

/* All operands of one dtype that tensor cores or FMA units take, and how their sums are kept. */
static bool choose_types(const ref_bound *b, const ref_node *n, lt_problem *out)
{
    static const struct {
        ws_dtype dtype;
        int type, compute;
    } types[] = {{WS_F32, LT_R_32F, LT_COMPUTE_32F},
                 {WS_TF32, LT_R_32F, LT_COMPUTE_32F_TF32},
                 {WS_F16, LT_R_16F, LT_COMPUTE_32F},
                 {WS_BF16, LT_R_16BF, LT_COMPUTE_32F},
                 {WS_F64, LT_R_64F, LT_COMPUTE_64F}};
    const ref_graph *g = b->graph;
    const ws_dtype dtype = g->value[n->in[0]].dtype;
    for (int i = 1; i < n->n_in; i++)
        if (g->value[n->in[i]].dtype != dtype)
            return false;
    if (g->value[n->out].dtype != dtype)
        return false;
    for (size_t i = 0; i < WS_COUNT(types); i++)
        if (types[i].dtype == dtype) {
            out->type = types[i].type;
            out->compute = dtype == WS_F32 && g->spec->precision == WS_TF32 ? LT_COMPUTE_32F_TF32
                                                                            : types[i].compute;
            return true;
        }
    return false;
}

/* Rows and columns of the last two dims as stored, and how many such matrices. */
static void matrix(const ref_shape *s, int64_t *rows, int64_t *columns, int64_t *batch)
{
    *rows = s->dim[s->rank - 2];
    *columns = s->dim[s->rank - 1];
    *batch = 1;
    for (int i = 0; i < s->rank - 2; i++)
        *batch *= s->dim[i];
}

static bool plan_matmul(const ref_bound *b, const ref_node *n, lt_problem *out, char *why,
                        size_t size)
{
    const ref_attrs *at = n->attrs;
    const ref_shape *x = &b->shape[n->in[0]], *y = &b->shape[n->in[1]];
    int64_t rows, columns, y_rows, y_columns, x_batch, y_batch;
    if (x->rank < 2 || y->rank < 2)
        return refuse(why, size, "a product with a vector is none of cuBLASLt's");
    matrix(x, &rows, &columns, &x_batch);
    matrix(y, &y_rows, &y_columns, &y_batch);
    if (x_batch != y_batch && y_batch == 1 &&
        !at->trans_a) { /* one b for all: rows of one large a */
        rows *= x_batch;
        x_batch = 1;
    }
    if (x_batch != y_batch || (x_batch > 1 && x->rank != y->rank))
        return refuse(why, size, "batches that are broadcast are none of cuBLASLt's");
    out->trans_a = at->trans_a;
    out->trans_b = at->trans_b;
    out->m = at->trans_a ? columns : rows;
    out->k = at->trans_a ? rows : columns;
    out->n = at->trans_b ? y_rows : y_columns;
    out->batch = x_batch;
    return true;
}

/* x[..., K], w[N, K], bias[N] */
static void plan_linear(const ref_bound *b, const ref_node *n, lt_problem *out)
{
    const ref_shape *x = &b->shape[n->in[0]], *w = &b->shape[n->in[1]];
    out->k = x->dim[x->rank - 1];
    out->m = out->k ? x->count / out->k : 0;
    out->n = w->dim[0];
    out->batch = 1;
    out->trans_b = true;
    out->bias = n->n_in == 3;
}

static bool is_given(const ref_graph *g, const ref_node *n)
{
    for (int i = 0; i < n->n_in; i++)
        if (g->value[n->in[i]].tensor < 0)
            return false;
    return true;
}

bool vfy_cublas_plan(const ref_bound *b, lt_problem *out, char *why, size_t size)
{
    const ref_graph *g = b->graph;
    const ref_node *n = &g->node[0];
    *out = (lt_problem){0};
    if (g->n_nodes < 1 || g->n_nodes > 2 || (!is_op(n, "matmul") && !is_op(n, "linear")) ||
        !is_given(g, n))
        return refuse(why, size, "the spec is no single product of matrices");
    if (g->n_nodes == 2 && (!is_op(&g->node[1], "relu") || g->node[1].in[0] != n->out))
        return refuse(why, size,
                      "after the product cuBLASLt does a bias and a relu, and nothing else here");
    out->relu = g->n_nodes == 2;
    if (g->n_outputs != 1 || g->output[0] != g->node[g->n_nodes - 1].out)
        return refuse(why, size, "the spec has other outputs than the product");
    if (!choose_types(b, n, out))
        return refuse(why, size,
                      "cuBLASLt is asked for products of f64, f32, tf32, f16 and bf16, with "
                      "results of the same dtype");
    if (is_op(n, "linear"))
        plan_linear(b, n, out);
    else if (!plan_matmul(b, n, out, why, size))
        return false;
    return out->m > 0 && out->n > 0 && out->k > 0 ? true : refuse(why, size, "an empty product");
}
