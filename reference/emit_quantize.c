/* quantize, dequantize: one thread an element; of e2m1, two a byte, one thread a byte. */
#include "reference/emit_ops.h"

#include <inttypes.h>
#include <string.h>

/* Offset of the scale of element `flat`, whose coordinates are <prefix>0, ... */
static const char *scale_offset(em_node *n, const char *flat, const char *prefix)
{
    const ref_value *x = n->in[0], *s = n->in[1];
    const char *at[SPEC_MAX_RANK];
    unsigned needed = 0;
    if (!n->at->n_block)
        return "0";
    for (int d = 0; d < x->rank; d++) {
        at[d] = "0";
        if (n->at->block[d] <= 0)
            continue;
        needed |= 1u << d;
        at[d] = em_text(n, "%s%d / %" PRId64, prefix, d, n->at->block[d]);
    }
    em_coords(n, flat, prefix, x->dim, x->rank, needed);
    return em_offset(n, at, s->dim, s->rank);
}

static const char *quotient(em_node *n, const char *flat, const char *prefix)
{
    const char *s = em_load(n, n->in[1], "s", scale_offset(n, flat, prefix));
    return em_text(n, "%s / %s", em_load(n, n->in[0], "x", flat), s);
}

static ws_status close_scaled(em_node *n, const char *how, const ws_expr *threads)
{
    const em_param p[] = {{.role = "x", .value = n->in[0]},
                          {.role = "s", .value = n->in[1]},
                          {.role = "out", .value = n->out, .written = true}};
    return em_kernel(n, "", how, p, 3, em_blocks(n, threads), false);
}

/* The low half of byte i holds element 2 i. */
static ws_status emit_pairs(em_node *n)
{
    ws_arena *a = &n->job->arena;
    const ws_expr *count = em_count(n, n->out);
    const ws_expr *bytes = ws_expr_binary(a, WS_X_CEIL_DIV, count, ws_expr_const(a, 2));
    n->job->helpers |= EM_E2M1;
    em_thread_index(n, bytes);
    em_put(n, "const long long even = 2 * i, odd = even + 1 < %s ? even + 1 : even;",
           em_expr(n, count));
    const char *low = quotient(n, "even", "at"), *high = quotient(n, "odd", "to");
    em_put(n, "const unsigned char low = e2m1_bits(%s), high = e2m1_bits(%s);", low, high);
    em_put(n, "out[i] = odd == even ? low : (unsigned char)(low | high << 4);");
    return close_scaled(n, "one thread two elements, which share a byte", bytes);
}

static ws_status emit_quantize(em_node *n)
{
    em_choose_type(n, 2, false);
    if (n->out->dtype == WS_E2M1)
        return emit_pairs(n);
    em_thread_index(n, em_count(n, n->out));
    em_put(n, "out[i] = %s;", em_store(n, n->out->dtype, quotient(n, "i", "at")));
    return close_scaled(n, "one thread an element", em_count(n, n->out));
}

static ws_status emit_dequantize(em_node *n)
{
    em_choose_type(n, 2, false);
    em_thread_index(n, em_count(n, n->out));
    const char *s = em_load(n, n->in[1], "s", scale_offset(n, "i", "at"));
    em_put(n, "out[i] = %s;",
           em_store(n, n->out->dtype, em_text(n, "%s * %s", em_load(n, n->in[0], "x", "i"), s)));
    return close_scaled(n, "one thread an element", em_count(n, n->out));
}

const em_op em_ops_quantize[] = {{.name = "quantize", .emit = emit_quantize},
                                 {.name = "dequantize", .emit = emit_dequantize},
                                 {0}};
