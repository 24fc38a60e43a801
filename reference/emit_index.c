/* scatter, grouped_matmul: one thread an element of the result. */
#include "reference/emit_ops.h"

/* The coordinate of element i along the axis, and the offset of its line's first element; a line of
 * the rows has m elements. */
static void put_line(em_node *n, const ref_value *v, const char *extent)
{
    int dim = n->at->dim;
    em_put(n, "const long long step = %s;",
           em_expr(n, em_product(n, v->dim + dim + 1, v->rank - dim - 1)));
    em_put(n, "const long long k = i / step %% %s;", extent);
    em_put(n, "const long long line = i / (step * %s), column = i %% step;", extent);
}

static ws_status emit_scatter_add(em_node *n)
{
    const ref_value *x = n->in[0], *rows = n->in[2];
    em_choose_type(n, 1, true);
    em_thread_index(n, em_count(n, n->out));
    em_put(n, "const long long m = %s;", em_expr(n, n->in[1]->dim[0]));
    put_line(n, x, em_text(n, "(%s)", em_expr(n, x->dim[n->at->dim])));
    em_put(n, "%s sum = %s;", n->type, em_load(n, x, "x", "i"));
    em_put(n, "for (long long j = 0; j < m; j++)");
    em_put(n, "    if ((long long)index[j] == k)");
    em_put(n, "        sum += %s;", em_load(n, rows, "rows", "(line * m + j) * step + column"));
    em_put(n, "out[i] = %s;", em_store(n, n->out->dtype, "sum"));
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "index", .value = n->in[1]},
                          {.role = "rows", .value = rows},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 4, em_blocks(n, em_count(n, n->out)),
                     false);
}

/* The operand is copied, then the rows go to their places. */
static ws_status emit_scatter(em_node *n)
{
    const ref_value *x = n->in[0], *rows = n->in[2];
    if (n->at->mode == REF_ADD_ROWS)
        return emit_scatter_add(n);
    em_thread_index(n, em_count(n, n->out));
    em_put(n, "out[i] = x[i];");
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "out", .value = n->out, .written = true}};
    if (em_kernel(n, "_copy", "one thread an element of the operand", p, 2,
                  em_blocks(n, em_count(n, n->out)), false))
        return n->job->err->status;
    em_thread_index(n, em_count(n, rows));
    em_put(n, "const long long m = %s, n = %s;", em_expr(n, n->in[1]->dim[0]),
           em_expr(n, x->dim[n->at->dim]));
    put_line(n, rows, "m");
    em_put(n, "out[(line * n + (long long)index[k]) * step + column] = rows[i];");
    const em_param q[] = {{.role = "index", .value = n->in[1]},
                          {.role = "rows", .value = rows},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "_rows", "one thread an element of the rows", q, 3,
                     em_blocks(n, em_count(n, rows)), false);
}

static ws_status emit_grouped(em_node *n)
{
    const ref_value *x = n->in[0], *w = n->in[1];
    em_choose_type(n, 2, true);
    em_thread_index(n, em_count(n, n->out));
    em_put(n, "const long long N = %s, K = %s, row = i / N, col = i %% N;",
           em_expr(n, n->out->dim[1]), em_expr(n, x->dim[1]));
    if (n->at->mode == REF_IDS) {
        em_put(n, "const long long e = (long long)groups[row];");
    } else {
        em_put(n, "long long e = 0;");
        em_put(n, "while (e + 1 < %s && (long long)groups[e + 1] <= row)", em_expr(n, w->dim[0]));
        em_put(n, "    e++;");
    }
    em_put(n, "%s sum = 0;", n->type);
    em_put(n, "for (long long k = 0; k < K; k++)");
    em_put(n, "    sum += %s * %s;", em_load(n, x, "x", "row * K + k"),
           em_load(n, w, "w", n->at->trans_b ? "(e * N + col) * K + k" : "(e * K + k) * N + col"));
    em_put(n, "out[i] = %s;", em_store(n, n->out->dtype, "sum"));
    const em_param p[] = {{.role = "x", .value = x},
                          {.role = "w", .value = w},
                          {.role = "groups", .value = n->in[2]},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element", p, 4, em_blocks(n, em_count(n, n->out)),
                     false);
}

const em_op em_ops_index[] = {{.name = "scatter", .emit = emit_scatter},
                              {.name = "grouped_matmul", .emit = emit_grouped},
                              {0}};
