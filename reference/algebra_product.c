/* Rules about sums of products: a sum goes through them to their factors, and products change their
 * order. */
#include "reference/algebra_rules.h"

#include <string.h>

/* ---- sums ---- */

/* Which axes a reduction sums, seen from a value that has them all. */
typedef struct sum {
    bool axis[SPEC_MAX_RANK];
    int rank;
    bool mean;
} sum;

static const char *fn_of(const sum *s)
{
    return s->mean ? "mean" : "sum";
}

static bool is_flat(const ref_rewriter *r, const sum *s, int v)
{
    for (int d = 0; d < s->rank; d++)
        if (s->axis[d] && !ref_is_flat(ref_val(r, v), s->rank, d))
            return false;
    return true;
}

/* Reduced along one of its own axes, which stays with extent 1. */
static const char *reduce_axis(ref_rewriter *r, const sum *s, const char *x, int axis)
{
    return ref_write(r,
                     "\"op\":\"reduce\",\"in\":[%s],\"fn\":\"%s\",\"dims\":[%d],\"keepdim\":true",
                     x, fn_of(s), axis);
}

static const char *sum_value(ref_rewriter *r, const sum *s, int v, bool *reached);

/* v as it is: what is flat along a summed axis counts as often as that is long. */
static const char *sum_plain(ref_rewriter *r, const sum *s, int v, int like)
{
    const ref_value *value = ref_val(r, v);
    const char *dims = "", *x = ref_text(r, v);
    bool repeated[SPEC_MAX_RANK] = {0}, repeats = false;
    for (int d = 0; d < s->rank; d++) {
        int own = d - (s->rank - value->rank);
        bool flat = ref_is_flat(value, s->rank, d);
        repeated[d] = s->axis[d] && flat;
        repeats |= repeated[d];
        if (s->axis[d] && !flat)
            dims = ws_arena_printf(&r->a, "%s%s%d", dims, *dims ? "," : "", own);
    }
    if (*dims)
        x = ref_write(r,
                      "\"op\":\"reduce\",\"in\":[%s],\"fn\":\"%s\",\"dims\":[%s],\"keepdim\":true",
                      x, fn_of(s), dims);
    if (repeats && !s->mean)
        x = ref_write(r, "\"op\":\"mul\",\"in\":[%s,%s]", x, ref_write_count(r, like, repeated));
    return x;
}

/* The axes but for `but`, as a list; "" when there are none. */
static const char *axes_but(ref_rewriter *r, const sum *s, int but)
{
    const char *out = "";
    for (int d = 0; d < s->rank; d++)
        if (s->axis[d] && d != but)
            out = ws_arena_printf(&r->a, "%s%s%d", out, *out ? "," : "", d);
    return out;
}

/* Features are rows of the weights; what else is summed goes to x, and counts the bias as often. */
static const char *sum_linear(ref_rewriter *r, const sum *s, const ref_node *n)
{
    int last = s->rank - 1;
    const char *rows = axes_but(r, s, last), *x = ref_text(r, n->in[0]), *w = ref_text(r, n->in[1]);
    const char *b = n->n_in > 2 ? ref_text(r, n->in[2]) : NULL;
    if (*rows)
        x = ref_write(r,
                      "\"op\":\"reduce\",\"in\":[%s],\"fn\":\"%s\",\"dims\":[%s],\"keepdim\":true",
                      x, fn_of(s), rows);
    if (s->axis[last])
        w = reduce_axis(r, s, w, 0);
    if (b && s->axis[last])
        b = reduce_axis(r, s, b, 0);
    if (!b || !*rows || s->mean)
        return ref_write_like(r, n,
                              ws_arena_printf(&r->a, "%s,%s%s%s", x, w, b ? "," : "", b ? b : ""));
    bool counted[SPEC_MAX_RANK];
    for (int d = 0; d < SPEC_MAX_RANK; d++)
        counted[d] = d < last && s->axis[d];
    b = ref_write(r, "\"op\":\"mul\",\"in\":[%s,%s]", b, ref_write_count(r, n->out, counted));
    const char *y = ref_write_like(r, n, ws_arena_printf(&r->a, "%s,%s", x, w));
    return ref_write(r, "\"op\":\"add\",\"in\":[%s,%s]", y, b);
}

/* Rows are of the left matrix, columns of the right one. */
static const char *sum_matmul(ref_rewriter *r, const sum *s, const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    int rank[2] = {ref_val(r, n->in[0])->rank, ref_val(r, n->in[1])->rank};
    const char *in[2] = {ref_text(r, n->in[0]), ref_text(r, n->in[1])};
    if (rank[0] < 2 || rank[1] < 2)
        return NULL;
    for (int d = 0; d < s->rank - 2; d++)
        if (s->axis[d])
            return NULL;
    if (s->axis[s->rank - 2])
        in[0] = reduce_axis(r, s, in[0], rank[0] - (at->trans_a ? 1 : 2));
    if (s->axis[s->rank - 1])
        in[1] = reduce_axis(r, s, in[1], rank[1] - (at->trans_b ? 2 : 1));
    return ref_write_like(r, n, ws_arena_printf(&r->a, "%s,%s", in[0], in[1]));
}

/* a + b, a - b: each alone. */
static const char *sum_sum(ref_rewriter *r, const sum *s, const ref_node *n, bool *reached)
{
    const char *in[2];
    for (int i = 0; i < 2; i++) {
        const ref_value *v = ref_val(r, n->in[i]);
        bool full = !v->is_literal && ref_same_form(v, ref_val(r, n->out));
        in[i] = full ? sum_value(r, s, n->in[i], reached) : NULL;
        if (!in[i])
            in[i] = sum_plain(r, s, n->in[i], n->out);
    }
    return ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s]", n->op->name, in[0], in[1]);
}

/* The sum of value v, which has all axes, with extents of 1 left; NULL: no product is reached. */
static const char *sum_value(ref_rewriter *r, const sum *s, int v, bool *reached)
{
    const ref_node *n = ref_maker(r, v, NULL);
    const char *out = NULL;
    if (!n || r->visits++ > REF_MAX_VISITS)
        return NULL;
    if (ref_is_op(n, "linear"))
        out = sum_linear(r, s, n);
    else if (ref_is_op(n, "matmul"))
        out = sum_matmul(r, s, n);
    else if (ref_is_op(n, "conv") || ref_is_op(n, "conv_transpose"))
        out = ref_sum_windows(r, n, s->axis, s->mean);
    *reached |= out != NULL;
    if (ref_is_op(n, "add") || ref_is_op(n, "sub")) {
        bool below = false;
        out = sum_sum(r, s, n, &below);
        *reached |= below;
        return below ? out : NULL;
    }
    for (int i = 0; i < 2 && !out && n->n_in == 2; i++) {
        bool product = ref_is_op(n, "mul") || (ref_is_op(n, "div") && i == 0);
        const ref_value *x = ref_val(r, n->in[i]);
        if (!product || !is_flat(r, s, n->in[!i]) || x->is_literal ||
            !ref_same_form(x, ref_val(r, v)) || !(out = sum_value(r, s, n->in[i], reached)))
            continue;
        const char *c = ref_text(r, n->in[!i]);
        return ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s]", n->op->name, out, c);
    }
    return out;
}

const char *ref_rule_sum(ref_rewriter *r, const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    if (!ref_is_op(n, "reduce") || (at->fn != REF_SUM_OF && at->fn != REF_MEAN))
        return NULL;
    sum s = {.rank = ref_val(r, n->in[0])->rank, .mean = at->fn == REF_MEAN};
    bool reached = false;
    for (int i = 0; i < at->n_dims; i++)
        s.axis[at->dims[i]] = true;
    const char *out = sum_value(r, &s, n->in[0], &reached);
    if (!out || !reached)
        return NULL;
    return at->keepdim ? out
                       : ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":%s", out,
                                   ref_text_shape(r, n->out));
}

/* avg_pool over the features of a linear layer, which a reshape made an axis of a plane. */
const char *ref_rule_pool_features(ref_rewriter *r, const ref_node *n)
{
    const ref_node *shape = ref_is_op(n, "avg_pool") ? ref_maker(r, n->in[0], "reshape") : NULL;
    const ref_node *layer = shape ? ref_maker(r, shape->in[0], "linear") : NULL;
    if (!layer || ref_val(r, n->in[0])->rank != 3 || ref_val(r, layer->out)->rank != 2)
        return NULL;
    const ref_value *plane = ref_val(r, n->in[0]), *w = ref_val(r, layer->in[1]);
    const char *k = ref_text_dim(r, w->dim[1]), *features = ref_text_dim(r, w->dim[0]);
    if (!ref_is_one(plane->dim[1]) || !ws_expr_same(plane->dim[2], w->dim[0]))
        return NULL;
    const char *pooled = ref_text_dim(r, ref_val(r, n->out)->dim[2]);
    const char *t =
        ref_write(r, "\"op\":\"permute\",\"in\":[%s],\"dims\":[1,0]", ref_text(r, layer->in[1]));
    t = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s,1,%s]", t, k, features);
    t = ref_write_like(r, n, t);
    t = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s,%s]", t, k, pooled);
    t = ref_write(r, "\"op\":\"matmul\",\"in\":[%s,%s]", ref_text(r, layer->in[0]), t);
    if (layer->n_in > 2) {
        const char *b = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[1,1,%s]",
                                  ref_text(r, layer->in[2]), features);
        b = ref_write_like(r, n, b);
        b = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s]", b, pooled);
        t = ref_write(r, "\"op\":\"add\",\"in\":[%s,%s]", t, b);
    }
    return ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":%s", t,
                     ref_text_shape(r, n->out));
}

/* ---- products ---- */

static bool is_plain_product(const ref_rewriter *r, const ref_node *n)
{
    return n && ref_is_op(n, "matmul") && !ref_at(n)->trans_a && !ref_at(n)->trans_b &&
           ref_val(r, n->in[0])->rank == 2 && ref_val(r, n->in[1])->rank == 2;
}

/* (A B) C and A (B C) */
const char *ref_rule_order(ref_rewriter *r, const ref_node *n)
{
    if (!is_plain_product(r, n))
        return NULL;
    for (int side = 0; side < 2; side++) {
        const ref_node *in = ref_maker(r, n->in[side], "matmul");
        if (!is_plain_product(r, in))
            continue;
        const char *a = ref_text(r, side ? n->in[0] : in->in[0]);
        const char *b = ref_text(r, side ? in->in[0] : in->in[1]);
        const char *c = ref_text(r, side ? in->in[1] : n->in[1]);
        const char *first = side ? a : b, *second = side ? b : c;
        const char *ab = ref_write(r, "\"op\":\"matmul\",\"in\":[%s,%s]", first, second);
        return side ? ref_write(r, "\"op\":\"matmul\",\"in\":[%s,%s]", ab, c)
                    : ref_write(r, "\"op\":\"matmul\",\"in\":[%s,%s]", a, ab);
    }
    return NULL;
}

/* y = W2 (W1 x + b1) + b2 is (W2 W1) x + (W2 b1 + b2) */
const char *ref_rule_linear(ref_rewriter *r, const ref_node *n)
{
    const ref_node *in = ref_is_op(n, "linear") ? ref_maker(r, n->in[0], "linear") : NULL;
    if (!in)
        return NULL;
    const char *w = ref_write(r, "\"op\":\"matmul\",\"in\":[%s,%s]", ref_text(r, n->in[1]),
                              ref_text(r, in->in[1]));
    const char *b = n->n_in > 2 ? ref_text(r, n->in[2]) : NULL;
    if (in->n_in > 2) {
        const char *inner = ref_text_dim(r, ref_val(r, in->in[2])->dim[0]);
        const char *t = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[1,%s]",
                                  ref_text(r, in->in[2]), inner);
        t = ref_write_with(r, n, t);
        b = ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s]", t,
                      ref_text_dim(r, ref_val(r, n->in[1])->dim[0]));
    }
    return ref_write(r, "\"op\":\"linear\",\"in\":[%s,%s%s%s]", ref_text(r, in->in[0]), w,
                     b ? "," : "", b ? b : "");
}
