/* Rules that take a scale or a shift of whole channels into the weights of the layer before it. */
#include "reference/algebra_rules.h"

#include <string.h>

/* Layers: the axis of their results that channels have (-1: the last), that of their weights (-1:
 * there is none, one number for all is folded), and whether their weights are one number a channel,
 * then a shift. */
typedef struct layer {
    const char *op;
    int out_axis, w_axis;
    bool norm;
} layer;
static const layer layers[] = {
    {"linear", -1, 0, false},     {"conv", 1, 0, false},      {"conv_transpose", 1, 1, false},
    {"matmul", -1, -1, false},    {"batch_norm", 1, 0, true}, {"group_norm", 1, 0, true},
    {"layer_norm", -1, -1, true},
};

static const layer *layer_of(const ref_node *n)
{
    for (size_t i = 0; n && i < WS_COUNT(layers); i++)
        if (ref_is_op(n, layers[i].op))
            return &layers[i];
    return NULL;
}

static bool has_groups(const ref_node *n)
{
    int64_t groups = 1;
    return ref_at(n)->groups && (!ws_expr_is_const(ref_at(n)->groups, &groups) || groups != 1);
}

/* c is one number for all of n's result, or one a channel, which *vector says. */
static bool fits(const ref_rewriter *r, const ref_node *n, const layer *y, int c, bool *vector)
{
    const ref_value *v = ref_val(r, c), *out = ref_val(r, n->out);
    int channel = y->out_axis < 0 ? out->rank - 1 : y->out_axis;
    *vector = false;
    if (v->is_literal || !v->rank)
        return true;
    if (v->rank > out->rank || y->w_axis < 0 || (y->w_axis == 1 && has_groups(n)))
        return false;
    for (int d = 0; d < out->rank; d++) {
        int own = d - (out->rank - v->rank);
        if (ref_is_flat(v, out->rank, d))
            continue;
        if (d != channel || !ws_expr_same(v->dim[own], out->dim[d]))
            return false;
        *vector = true;
    }
    return true;
}

/* c as a factor or a summand of a tensor of `rank` axes, the channels of which are `axis`. */
static const char *as_channels(ref_rewriter *r, const ref_node *n, const layer *y, int c, int rank,
                               int axis, bool vector)
{
    const ref_value *out = ref_val(r, n->out);
    int channel = y->out_axis < 0 ? out->rank - 1 : y->out_axis;
    const char *shape = "";
    if (ref_val(r, c)->is_literal || !ref_val(r, c)->rank)
        return ref_text(r, c);
    for (int d = 0; d < rank; d++)
        shape = ws_arena_printf(&r->a, "%s%s%s", shape, d ? "," : "",
                                vector && d == axis ? ref_text_dim(r, out->dim[channel]) : "1");
    return ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s]", ref_text(r, c), shape);
}

/* c (W x + b) is (c W) x + c b, and c (g z + b) of a norm (c g) z + c b. */
const char *ref_rule_fold_scale(ref_rewriter *r, const ref_node *n)
{
    bool div = ref_is_op(n, "div"), vector;
    if (!div && !ref_is_op(n, "mul"))
        return NULL;
    for (int side = 0; side < (div ? 1 : 2); side++) {
        const ref_node *in = ref_maker(r, n->in[side], NULL);
        const layer *y = layer_of(in);
        int c = n->in[!side];
        if (!y || in->n_in < 2 || (y->norm && in->n_in < 3) || !fits(r, in, y, c, &vector) ||
            !ref_same_form(ref_val(r, in->out), ref_val(r, n->out)))
            continue;
        const char *operands = ref_text(r, in->in[0]);
        for (int k = 1; k < in->n_in; k++) {
            int rank = ref_val(r, in->in[k])->rank;
            const char *by = as_channels(r, in, y, c, rank, k == 1 ? y->w_axis : 0, vector);
            const char *w = ref_text(r, in->in[k]);
            w = ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s]", n->op->name, w, by);
            operands = ws_arena_printf(&r->a, "%s,%s", operands, w);
        }
        return ref_write_like(r, in, operands);
    }
    return NULL;
}

/* W x + b + c is W x + (b + c). */
const char *ref_rule_fold_shift(ref_rewriter *r, const ref_node *n)
{
    bool sub = ref_is_op(n, "sub"), vector;
    if (!sub && !ref_is_op(n, "add"))
        return NULL;
    for (int side = 0; side < (sub ? 1 : 2); side++) {
        const ref_node *in = ref_maker(r, n->in[side], NULL);
        const layer *y = layer_of(in);
        int c = n->in[!side];
        if (!y || y->w_axis < 0 || in->n_in < 3 || !fits(r, in, y, c, &vector) ||
            !ref_same_form(ref_val(r, in->out), ref_val(r, n->out)))
            continue;
        const char *b = ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s]", n->op->name,
                                  ref_text(r, in->in[2]), as_channels(r, in, y, c, 1, 0, vector));
        return ref_write_like(
            r, in,
            ws_arena_printf(&r->a, "%s,%s,%s", ref_text(r, in->in[0]), ref_text(r, in->in[1]), b));
    }
    return NULL;
}
