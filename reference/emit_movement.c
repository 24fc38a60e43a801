/* Copies, one thread an element: the same maps of coordinates as in op_movement.c. */
#include "reference/emit_ops.h"

#include <inttypes.h>
#include <string.h>

/* An element of operand k as one of the result: as it is when the dtypes agree. */
static const char *copied(em_node *n, int k, const char *index)
{
    const ref_value *x = n->in[k];
    if (x->dtype == n->out->dtype && !x->is_literal)
        return em_text(n, "x[%s]", index);
    return em_store(n, n->out->dtype, em_load(n, x, "x", index));
}

/* out[i] = value, one thread an element of the result. */
static ws_status close_copy(em_node *n, const char *value)
{
    const em_param p[] = {{.role = "x", .value = n->in[0]},
                          {.role = "out", .value = n->out, .written = true}};
    em_put(n, "out[i] = %s;", value);
    return em_kernel(n, "", "one thread an element", p, 2, em_blocks(n, em_count(n, n->out)),
                     false);
}

/* Thread index and the result's coordinates at0, at1, ...; at[] names them. */
static void put_coords(em_node *n, const char *at[SPEC_MAX_RANK])
{
    em_thread_index(n, em_count(n, n->out));
    em_coords(n, "i", "at", n->out->dim, n->out->rank, (1u << n->out->rank) - 1);
    for (int d = 0; d < n->out->rank; d++)
        at[d] = em_text(n, "at%d", d);
}

static ws_status emit_same_order(em_node *n)
{
    em_thread_index(n, em_count(n, n->out));
    return close_copy(n, copied(n, 0, "i"));
}

static ws_status emit_permute(em_node *n)
{
    const char *at[SPEC_MAX_RANK], *from[SPEC_MAX_RANK];
    put_coords(n, at);
    for (int d = 0; d < n->out->rank; d++)
        from[n->at->dims[d]] = at[d];
    return close_copy(n, copied(n, 0, em_offset(n, from, n->in[0]->dim, n->in[0]->rank)));
}

static ws_status emit_expand(em_node *n)
{
    const char *at[SPEC_MAX_RANK];
    unsigned needed = 0;
    em_thread_index(n, em_count(n, n->out));
    em_broadcast(n, n->in[0], n->out->dim, n->out->rank, "at", at, &needed);
    em_coords(n, "i", "at", n->out->dim, n->out->rank, needed);
    return close_copy(n, copied(n, 0, em_offset(n, at, n->in[0]->dim, n->in[0]->rank)));
}

static ws_status emit_slice(em_node *n)
{
    const char *at[SPEC_MAX_RANK];
    int d = n->at->dim;
    put_coords(n, at);
    at[d] = em_text(n, "(%s + at%d * %" PRId64 ")", em_expr(n, n->at->start), d, n->at->step);
    return close_copy(n, copied(n, 0, em_offset(n, at, n->in[0]->dim, n->in[0]->rank)));
}

/* The coordinate that p, which may lie outside of an axis of `extent`, stands for. */
static const char *folded(em_node *n, const char *p, const char *extent)
{
    switch (n->at->mode) {
    case REF_CIRCULAR: return em_text(n, "((%s %% %s + %s) %% %s)", p, extent, extent, extent);
    case REF_REPLICATE:
        return em_text(n, "(%s < 0 ? 0 : %s >= %s ? %s - 1 : %s)", p, p, extent, extent, p);
    case REF_REFLECT:
        return em_text(n, "(%s < 0 ? -%s : %s >= %s ? 2 * (%s - 1) - %s : %s)", p, p, p, extent,
                       extent, p, p);
    default: return p;
    }
}

static ws_status emit_pad(em_node *n)
{
    const ref_value *x = n->in[0];
    const char *at[SPEC_MAX_RANK];
    const char *inside = "";
    put_coords(n, at);
    for (int d = 0; d < x->rank; d++) {
        if (em_is_const(n->at->pad_before[d], 0) && em_is_const(n->at->pad_after[d], 0))
            continue;
        em_put(n, "const long long p%d = at%d - %s;", d, d, em_expr(n, n->at->pad_before[d]));
        at[d] = folded(n, em_text(n, "p%d", d), em_expr(n, x->dim[d]));
        if (n->at->mode != REF_CONSTANT)
            continue;
        inside = em_text(n, "%s%sp%d >= 0 && p%d < %s", inside, *inside ? " && " : "", d, d,
                         em_expr(n, x->dim[d]));
    }
    const char *value = copied(n, 0, em_offset(n, at, x->dim, x->rank));
    const char *fill = em_store(n, n->out->dtype, em_number(n, n->at->value));
    return close_copy(n, *inside ? em_text(n, "%s ? %s : %s", inside, value, fill) : value);
}

static ws_status emit_flip(em_node *n)
{
    const char *at[SPEC_MAX_RANK];
    put_coords(n, at);
    for (int i = 0; i < n->at->n_dims; i++) {
        int d = n->at->dims[i];
        at[d] = em_text(n, "(%s - 1 - at%d)", em_expr(n, n->in[0]->dim[d]), d);
    }
    return close_copy(n, copied(n, 0, em_offset(n, at, n->in[0]->dim, n->in[0]->rank)));
}

static ws_status emit_roll(em_node *n)
{
    const char *at[SPEC_MAX_RANK];
    put_coords(n, at);
    for (int i = 0; i < n->at->n_dims; i++) {
        int d = n->at->dims[i];
        const char *extent = em_expr(n, n->in[0]->dim[d]);
        at[d] = em_text(n, "(((at%d - %s) %% %s + %s) %% %s)", d, em_expr(n, n->at->shift[i]),
                        extent, extent, extent);
    }
    return close_copy(n, copied(n, 0, em_offset(n, at, n->in[0]->dim, n->in[0]->rank)));
}

/* The formula is the comparison of column - row with the diagonal. */
static ws_status emit_triangle(em_node *n)
{
    int rank = n->out->rank;
    em_thread_index(n, em_count(n, n->out));
    em_coords(n, "i", "at", n->out->dim, rank, 3u << (rank - 2));
    const char *zero = em_store(n, n->out->dtype, em_number(n, 0));
    return close_copy(n, em_text(n, "at%d - at%d %s %" PRId64 " ? %s : %s", rank - 1, rank - 2,
                                 n->formula, n->at->diagonal, copied(n, 0, "i"), zero));
}

/* One kernel an operand: it copies its elements to their place. */
static ws_status emit_concat(em_node *n)
{
    ws_arena *a = &n->job->arena;
    const ws_expr *first = ws_expr_const(a, 0);
    int dim = n->at->dim;
    for (int k = 0; k < n->n_in; k++) {
        const ref_value *x = n->in[k];
        const ws_expr *count = em_count(n, x);
        const char *at[SPEC_MAX_RANK];
        em_thread_index(n, count);
        em_coords(n, "i", "at", x->dim, x->rank, (1u << x->rank) - 1);
        for (int d = 0; d < x->rank; d++)
            at[d] = d == dim && k ? em_text(n, "(%s + at%d)", em_expr(n, first), d)
                                  : em_text(n, "at%d", d);
        em_put(n, "out[%s] = %s;", em_offset(n, at, n->out->dim, n->out->rank), copied(n, k, "i"));
        const em_param p[] = {{.role = "x", .value = x},
                              {.role = "out", .value = n->out, .written = true}};
        if (em_kernel(n, em_text(n, "_%d", k), em_text(n, "operand %d, one thread an element", k),
                      p, 2, em_blocks(n, count), false))
            return n->job->err->status;
        first = ws_expr_binary(a, WS_X_ADD, first, x->dim[dim]);
    }
    return WS_OK;
}

/* along: the index has the result's coordinates.
 * select: out[A..., I..., B...] = x[A..., index[I...], B...]; one_per_row: the index has the
 * result's coordinates. */
static ws_status emit_gather(em_node *n)
{
    const ref_value *x = n->in[0], *index = n->in[1];
    const char *at[SPEC_MAX_RANK], *from[SPEC_MAX_RANK];
    bool own = n->at->mode != REF_SELECT;
    int dim = n->at->dim;
    int indexed = n->at->mode == REF_ONE_PER_ROW ? 0 : own ? 1 : index->rank;
    em_choose_type(n, 1, false);
    put_coords(n, at);
    const char *k = own ? "i" : em_offset(n, at + dim, index->dim, index->rank);
    em_put(n, "const long long k = (long long)index[%s];", k);
    for (int d = 0; d < x->rank; d++)
        from[d] = d < dim ? at[d] : d == dim ? "k" : at[d - 1 + indexed];
    em_put(n, "out[i] = %s;", copied(n, 0, em_offset(n, from, x->dim, x->rank)));
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "index", .value = index},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 3, em_blocks(n, em_count(n, n->out)),
                     false);
}

/* full, iota */
static ws_status emit_made(em_node *n)
{
    ws_dtype t = n->out->dtype;
    if (t == WS_F64 || t == WS_I64 || t == WS_I32)
        n->type = "double"; /* float has no room for their whole numbers */
    em_thread_index(n, em_count(n, n->out));
    const char *v = strcmp(n->node->op->name, "iota") == 0 ? em_text(n, "(%s)i", n->type)
                    : n->at->value_expr
                        ? em_text(n, "(%s)%s", n->type, em_expr(n, n->at->value_expr))
                        : em_number(n, n->at->value);
    em_put(n, "out[i] = %s;", em_store(n, t, v));
    const em_param p[] = {{.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 1, em_blocks(n, em_count(n, n->out)),
                     false);
}

const em_op em_ops_movement[] = {
    {.name = "reshape", .emit = emit_same_order}, {.name = "flatten", .emit = emit_same_order},
    {.name = "permute", .emit = emit_permute},    {.name = "transpose", .emit = emit_permute},
    {.name = "expand", .emit = emit_expand},      {.name = "slice", .emit = emit_slice},
    {.name = "pad", .emit = emit_pad},            {.name = "flip", .emit = emit_flip},
    {.name = "roll", .emit = emit_roll},          {.name = "concat", .emit = emit_concat},
    {.name = "gather", .emit = emit_gather},      {.name = "full", .emit = emit_made},
    {.name = "iota", .emit = emit_made},
    {.name = "tril", .emit = emit_triangle, .formula = "<="},
    {.name = "triu", .emit = emit_triangle, .formula = ">="},
    {0}};
