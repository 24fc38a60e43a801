/* Rules about windows that slide: sums and averages of what a convolution gives.
 *
 * A convolution reads, and a transposed one writes, the positions o s - p + k d for window o and
 * tap k. Whether a position takes part is a table of zeros and ones, a spec's own weight of dist
 * expr, and sums over positions are products with it. */
#include "reference/algebra_rules.h"

#include <string.h>

enum { AXES = 3 };

/* A convolution of one group, x[B, C, ...], w[K, C, ...] or, transposed, [C, K, ...]. */
typedef struct conv {
    const ref_node *n;
    const ref_attrs *at;
    bool transposed;
    int spatial; /* axes */
    int64_t kernel[AXES];
} conv;

static bool read_conv(const ref_rewriter *r, const ref_node *n, conv *c)
{
    int64_t groups = 1;
    if (!n || (!ref_is_op(n, "conv") && !ref_is_op(n, "conv_transpose")))
        return false;
    *c = (conv){n, n->attrs, ref_is_op(n, "conv_transpose"), ref_val(r, n->out)->rank - 2, {0}};
    if (c->at->groups && (!ws_expr_is_const(c->at->groups, &groups) || groups != 1))
        return false;
    for (int i = 0; i < c->spatial; i++)
        if (!ws_expr_is_const(ref_val(r, n->in[1])->dim[2 + i], &c->kernel[i]))
            return false;
    return true;
}

static const char *list_of(ref_rewriter *r, const int64_t *v, int n)
{
    const char *out = "";
    for (int i = 0; i < n; i++)
        out = ws_arena_printf(&r->a, "%s%s%lld", out, i ? "," : "", (long long)v[i]);
    return ws_arena_printf(&r->a, "[%s]", out);
}

/* The expression without its quotes. */
static const char *bare(ref_rewriter *r, const ws_expr *e)
{
    const char *quoted = ref_text_dim(r, e);
    return ws_arena_strndup(&r->a, quoted + 1, strlen(quoted) - 2);
}

/* x with axis `at` of `rank`, of positions, replaced by the rows of a table [rows][positions]. */
static const char *contract(ref_rewriter *r, const char *x, const char *table, int rank, int at)
{
    char from[SPEC_MAX_RANK + 1] = {0}, to[SPEC_MAX_RANK + 1] = {0};
    for (int d = 0; d < rank; d++)
        from[d] = to[d] = (char)('a' + d);
    to[at] = 'z';
    return ref_write(r, "\"op\":\"einsum\",\"in\":[%s,%s],\"equation\":\"%s,z%c->%s\"", x, table,
                     from, from[at], to);
}

/* ---- sums over windows ---- */

/* [taps][positions of x]: tap k meets position i in some window. */
static const char *tap_table(ref_rewriter *r, const conv *c, int i)
{
    const ref_attrs *at = c->at;
    long long s = at->stride[i], p = at->padding[i], d = at->dilation[i];
    const ref_value *x = ref_val(r, c->n->in[0]), *out = ref_val(r, c->n->out);
    const char *windows = bare(r, out->dim[2 + i]);
    const char *place = c->transposed
                            ? ws_arena_printf(&r->a, "(i1*%lld + i0*%lld - %lld)", s, d, p)
                            : ws_arena_printf(&r->a, "(i1 + %lld - i0*%lld)", p, d);
    const char *value =
        c->transposed ? ws_arena_printf(&r->a, "%s >= 0 && %s < (%s)", place, place, windows)
                      : ws_arena_printf(&r->a, "%s >= 0 && %s %% %lld == 0 && %s / %lld < (%s)",
                                        place, place, s, place, s, windows);
    return ref_write_table(r, ws_arena_printf(&r->a, "%lld", (long long)c->kernel[i]),
                           ref_text_dim(r, x->dim[2 + i]), value);
}

/* Axes in an order that has the summed ones after the first axis of x; of the weights, after that
 * of the input channels. */
static const char *order_of(ref_rewriter *r, const conv *c, const bool *axis, bool weights)
{
    bool late = weights && c->transposed; /* [C, K, ...]: summed taps join C */
    const char *out = weights && c->transposed ? "0" : "0,1";
    for (int pass = 0; pass < 2; pass++) {
        if (pass && late)
            out = ws_arena_printf(&r->a, "%s,1", out);
        for (int i = 0; i < c->spatial; i++)
            if (axis[2 + i] != pass)
                out = ws_arena_printf(&r->a, "%s,%d", out, 2 + i);
    }
    return ws_arena_printf(&r->a, "[%s]", out);
}

/* `x` (or w) with the summed taps as channels: these axes have extent 1. */
static const char *join_channels(ref_rewriter *r, const conv *c, const bool *axis, const char *x,
                                 int like, bool weights)
{
    const ref_value *v = ref_val(r, like);
    int channels = weights && c->transposed ? 0 : 1;
    int64_t taps = 1;
    const char *shape = "", *dim;
    for (int i = 0; i < c->spatial; i++)
        taps *= axis[2 + i] ? c->kernel[i] : 1;
    for (int d = 0; d < v->rank; d++) {
        dim = ref_text_dim(r, v->dim[d]);
        if (d == channels)
            dim = ws_arena_printf(&r->a, "\"(%s)*%lld\"", bare(r, v->dim[d]), (long long)taps);
        if (d >= 2 && axis[d])
            dim = "1";
        shape = ws_arena_printf(&r->a, "%s%s%s", shape, d ? "," : "", dim);
    }
    x = ref_write(r, "\"op\":\"permute\",\"in\":[%s],\"dims\":%s", x,
                  order_of(r, c, axis, weights));
    return ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s]", x, shape);
}

static const char *add_bias(ref_rewriter *r, const conv *c, const char *y, const char *count)
{
    const char *ones = "";
    if (c->n->n_in < 3)
        return y;
    for (int i = 0; i < c->spatial; i++)
        ones = ws_arena_printf(&r->a, "%s,1", ones);
    const char *b =
        ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":[%s%s]", ref_text(r, c->n->in[2]),
                  ref_text_dim(r, ref_val(r, c->n->in[2])->dim[0]), ones);
    if (count)
        b = ref_write(r, "\"op\":\"mul\",\"in\":[%s,%s]", b, count);
    return ref_write(r, "\"op\":\"add\",\"in\":[%s,%s]", y, b);
}

const char *ref_sum_windows(ref_rewriter *r, const ref_node *n, const bool *axis, bool mean)
{
    conv c;
    if (!read_conv(r, n, &c) || axis[0] || axis[1])
        return NULL;
    int64_t stride[AXES], padding[AXES], dilation[AXES], extra[AXES];
    const char *x = ref_text(r, n->in[0]);
    for (int i = 0; i < c.spatial; i++) {
        bool summed = axis[2 + i];
        stride[i] = summed ? 1 : c.at->stride[i];
        padding[i] = summed ? 0 : c.at->padding[i];
        dilation[i] = summed ? 1 : c.at->dilation[i];
        extra[i] = summed ? 0 : c.at->output_padding[i];
        if (summed)
            x = contract(r, x, tap_table(r, &c, i), c.spatial + 2, 2 + i);
    }
    x = join_channels(r, &c, axis, x, n->in[0], false);
    const char *w = join_channels(r, &c, axis, ref_text(r, n->in[1]), n->in[1], true);
    const char *more = c.transposed ? ws_arena_printf(&r->a, ",\"output_padding\":%s",
                                                      list_of(r, extra, c.spatial))
                                    : "";
    const char *y =
        ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s],\"stride\":%s,\"padding\":%s,\"dilation\":%s%s",
                  n->op->name, x, w, list_of(r, stride, c.spatial), list_of(r, padding, c.spatial),
                  list_of(r, dilation, c.spatial), more);
    const char *count = ref_write_count(r, n->out, axis);
    if (mean)
        y = ref_write(r, "\"op\":\"div\",\"in\":[%s,%s]", y, count);
    return add_bias(r, &c, y, mean ? NULL : count);
}

/* ---- averages over windows ---- */

/* The weights [K, C, ...], every spatial axis multiplied with its table. */
static const char *pool_weights(ref_rewriter *r, const conv *c, const ref_attrs *pool,
                                const int64_t *first, const int64_t *taps)
{
    const char *w = ref_text(r, c->n->in[1]);
    int64_t cells = 1;
    if (c->transposed) {
        static const char *const order[] = {"[1,0,2]", "[1,0,2,3]", "[1,0,2,3,4]"};
        w = ref_write(r, "\"op\":\"permute\",\"in\":[%s],\"dims\":%s", w, order[c->spatial - 1]);
    }
    for (int i = 0; i < c->spatial; i++) {
        long long s = c->at->stride[i], d = c->at->dilation[i], p = c->at->padding[i],
                  q = pool->kernel[i];
        const char *place = c->transposed
                                ? ws_arena_printf(&r->a, "((i0 + (%lld))*%lld + i1*%lld - %lld)",
                                                  (long long)first[i], s, d, p)
                                : ws_arena_printf(&r->a, "(i0 - i1*%lld)", d);
        const char *value =
            c->transposed ? ws_arena_printf(&r->a, "%s >= 0 && %s < %lld", place, place, q)
                          : ws_arena_printf(&r->a, "%s >= 0 && %s %% %lld == 0 && %s / %lld < %lld",
                                            place, place, s, place, s, q);
        const char *table =
            ref_write_table(r, ws_arena_printf(&r->a, "%lld", (long long)taps[i]),
                            ws_arena_printf(&r->a, "%lld", (long long)c->kernel[i]), value);
        w = contract(r, w, table, c->spatial + 2, 2 + i);
        cells *= pool->kernel[i];
    }
    return ref_write(r, "\"op\":\"div\",\"in\":[%s,%lld]", w, (long long)cells);
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b != 0 && (a < 0) != (b < 0));
}

/* x so that window j begins at j step: places before and behind it are zeros. */
static const char *pad_for(ref_rewriter *r, const conv *c, const ref_node *pool,
                           const int64_t *first, const int64_t *taps, const int64_t *step)
{
    const char *pads = "";
    for (int i = c->spatial - 1; i >= 0; i--)
        pads = ws_arena_printf(
            &r->a, "%s%s%lld,\"max(0, (%s - 1)*%lld + (%lld) - (%s) + 1)\"", pads, *pads ? "," : "",
            (long long)-first[i], bare(r, ref_val(r, pool->out)->dim[2 + i]), (long long)step[i],
            (long long)(first[i] + taps[i] - 1), bare(r, ref_val(r, c->n->in[0])->dim[2 + i]));
    return ref_write(r, "\"op\":\"pad\",\"in\":[%s],\"pad\":[%s],\"value\":0",
                     ref_text(r, c->n->in[0]), pads);
}

/* Steps of 1: the average of x before the convolution, of fewer positions where it has one tap. */
static const char *pool_first(ref_rewriter *r, const conv *c, const ref_node *pool)
{
    const ref_attrs *at = pool->attrs;
    static const int64_t ones[AXES] = {1, 1, 1}, none[AXES] = {0};
    const char *x = ref_text(r, c->n->in[0]), *pads = "", *w = ref_text(r, c->n->in[1]);
    bool pads_any = false, one_tap = true;
    for (int i = c->spatial - 1; i >= 0; i--) {
        long long p = c->at->padding[i];
        pads = ws_arena_printf(&r->a, "%s%s%lld,%lld", pads, *pads ? "," : "", p, p);
        pads_any |= p > 0;
        one_tap &= c->kernel[i] == 1;
    }
    if (pads_any)
        x = ref_write(r, "\"op\":\"pad\",\"in\":[%s],\"pad\":[%s],\"value\":0", x, pads);
    x = ref_write(r, "\"op\":\"avg_pool\",\"in\":[%s],\"kernel\":%s,\"stride\":%s", x,
                  list_of(r, at->kernel, c->spatial),
                  list_of(r, one_tap ? at->stride : ones, c->spatial));
    if (c->n->n_in > 2)
        w = ws_arena_printf(&r->a, "%s,%s", w, ref_text(r, c->n->in[2]));
    return ref_write(r,
                     "\"op\":\"conv\",\"in\":[%s,%s],\"stride\":%s,\"padding\":%s,\"dilation\":%s",
                     x, w, list_of(r, one_tap ? ones : at->stride, c->spatial),
                     list_of(r, none, c->spatial), list_of(r, c->at->dilation, c->spatial));
}

static const char *pool_conv(ref_rewriter *r, const conv *c, const ref_node *pool)
{
    const ref_attrs *at = pool->attrs;
    int64_t first[AXES] = {0}, taps[AXES], step[AXES], padding[AXES];
    bool steps_of_1 = !c->transposed;
    for (int i = 0; i < c->spatial; i++) {
        int64_t s = c->at->stride[i], d = c->at->dilation[i], p = c->at->padding[i],
                q = at->kernel[i], t = at->stride[i];
        step[i] = c->transposed ? t / s : t * s;
        padding[i] = c->transposed ? 0 : p;
        taps[i] = (q - 1) * s + (c->kernel[i] - 1) * d + 1;
        if (c->transposed) { /* position j t/s + m of x reaches cell r of window j by tap k when
                              * m s = r + p - k d */
            first[i] = -floor_div((c->kernel[i] - 1) * d - p, s);
            taps[i] = floor_div(q - 1 + p, s) - first[i] + 1;
        }
        if (at->padding[i] || (c->transposed && (t % s || first[i] > 0 || taps[i] < 1)))
            return NULL;
        steps_of_1 &= s == 1;
    }
    if (steps_of_1)
        return pool_first(r, c, pool);
    const char *x =
        c->transposed ? pad_for(r, c, pool, first, taps, step) : ref_text(r, c->n->in[0]);
    const char *w = pool_weights(r, c, at, first, taps);
    const char *b = c->n->n_in > 2 ? ws_arena_printf(&r->a, ",%s", ref_text(r, c->n->in[2])) : "";
    const char *y = ref_write(r, "\"op\":\"conv\",\"in\":[%s,%s%s],\"stride\":%s,\"padding\":%s", x,
                              w, b, list_of(r, step, c->spatial), list_of(r, padding, c->spatial));
    for (int i = 0; i < c->spatial && c->transposed; i++)
        y = ref_write(r, "\"op\":\"slice\",\"in\":[%s],\"dim\":%d,\"start\":0,\"stop\":%s", y,
                      2 + i, ref_text_dim(r, ref_val(r, pool->out)->dim[2 + i]));
    return y;
}

/* The average of value v, through scales and shifts that are the same all over a plane. */
static const char *pool_value(ref_rewriter *r, const ref_node *pool, int v)
{
    const ref_node *n = ref_maker(r, v, NULL);
    conv c;
    if (r->visits++ > REF_MAX_VISITS)
        return NULL;
    if (n && read_conv(r, n, &c))
        return pool_conv(r, &c, pool);
    bool product = n && (ref_is_op(n, "mul") || ref_is_op(n, "div"));
    bool shift = n && (ref_is_op(n, "add") || ref_is_op(n, "sub"));
    for (int i = 0; i < 2 && (product || shift); i++) {
        const ref_value *x = ref_val(r, n->in[i]), *other = ref_val(r, n->in[!i]);
        bool flat = !x->is_literal && ref_same_form(x, ref_val(r, v)) &&
                    !(i && (ref_is_op(n, "div") || ref_is_op(n, "sub")));
        for (int d = 2; d < x->rank && flat; d++)
            flat = ref_is_flat(other, x->rank, d);
        const char *y = flat ? pool_value(r, pool, n->in[i]) : NULL;
        if (y)
            return ref_write(r, "\"op\":\"%s\",\"in\":[%s,%s]", n->op->name, y,
                             ref_text(r, n->in[!i]));
    }
    return NULL;
}

const char *ref_rule_pool(ref_rewriter *r, const ref_node *n)
{
    return ref_is_op(n, "avg_pool") && !ref_at(n)->ceil_mode ? pool_value(r, n, n->in[0]) : NULL;
}
