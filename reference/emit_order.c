/* sort, argsort, topk, top_p: one thread an element, which looks at its whole line and counts what
 * stands in front of it. */
#include "reference/emit_ops.h"

#include <string.h>

/* Element i of the operand: its line's first element and its place k; v is the element. */
static void put_element(em_node *n)
{
    const ref_value *x = n->in[0];
    int dim = n->at->dim;
    em_thread_index(n, em_count(n, x));
    em_put(n, "const long long n = %s, step = %s;", em_expr(n, x->dim[dim]),
           em_expr(n, em_product(n, x->dim + dim + 1, x->rank - dim - 1)));
    em_put(n, "const long long line = i / (n * step), k = i / step %% n;");
    em_put(n, "const long long first = line * n * step + i %% step;");
    em_put(n, "const %s v = %s;", n->type, em_load(n, x, "x", "i"));
}

/* `update` for every element w in front of v. Equal elements keep their order; NaN is largest. */
static void put_count(em_node *n, bool falls, const char *update)
{
    em_put(n, "for (long long j = 0; j < n; j++) {");
    em_put(n, "    const %s w = %s;", n->type, em_load(n, n->in[0], "x", "first + j * step"));
    em_put(n, "    const bool equal = w == v || (w != w && v != v);");
    em_put(n, falls ? "    if (equal ? j < k : w > v || w != w)"
                    : "    if (equal ? j < k : w < v || v != v)");
    em_put(n, "        %s;", update);
    em_put(n, "}");
}

static ws_status close_order(em_node *n)
{
    const em_param p[] = {{.role = "x", .value = n->in[0]},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", "one thread an element of the operand", p, 2,
                     em_blocks(n, em_count(n, n->in[0])), false);
}

static ws_status emit_sort(em_node *n)
{
    const ref_value *x = n->in[0];
    const char *op = n->node->op->name;
    bool topk = strcmp(op, "topk") == 0, falls = topk ? n->at->largest : n->at->descending;
    bool index = topk ? n->at->output == REF_INDICES : strcmp(op, "argsort") == 0;
    put_element(n);
    em_put(n, "long long place = 0;");
    put_count(n, falls, "place++");
    em_put(n, "const long long kept = %s;", em_expr(n, n->out->dim[n->at->dim]));
    em_put(n, "if (place < kept)");
    const char *value = index ? em_text(n, "(%s)k", ws_dtype_cuda(n->out->dtype))
                        : x->dtype == n->out->dtype ? "x[i]"
                                                    : em_store(n, n->out->dtype, "v");
    em_put(n, "    out[(line * kept + place) * step + i %% step] = %s;", value);
    return close_order(n);
}

static ws_status emit_top_p(em_node *n)
{
    em_choose_type(n, 1, true);
    put_element(n);
    em_put(n, "%s before = 0;", n->type);
    put_count(n, true, "before += w");
    em_put(n, "out[i] = %s;",
           em_store(n, n->out->dtype,
                    em_text(n, "before < %s ? v : (%s)0", em_number(n, n->at->p), n->type)));
    return close_order(n);
}

const em_op em_ops_order[] = {{.name = "sort", .emit = emit_sort},
                              {.name = "argsort", .emit = emit_sort},
                              {.name = "topk", .emit = emit_sort},
                              {.name = "top_p", .emit = emit_top_p},
                              {0}};
