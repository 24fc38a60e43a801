/* Rules about single elements: scales, clamps, what a value lies between, what cancels. */
#include "reference/algebra_rules.h"

#include <math.h>
#include <string.h>

/* ---- what values lie between ---- */

typedef struct range {
    double low, high;
} range;

static const range anything = {-(double)INFINITY, (double)INFINITY};

#define INF ((double)INFINITY)

/* What functions of one number are never below or above, however large or small that is. */
static const struct {
    const char *op;
    double low, high;
} bounded[] = {
    {"sigmoid", 0, 1},        {"hardsigmoid", 0, 1}, {"tanh", -1, 1},  {"erf", -1, 1},
    {"sin", -1, 1},           {"cos", -1, 1},        {"exp", 0, INF},  {"softplus", 0, INF},
    {"square", 0, INF},       {"abs", 0, INF},       {"sqrt", 0, INF}, {"softmax", 0, 1},
    {"log_softmax", -INF, 0},
};

/* Functions with a dip below 0, f(x) <= max(x, 0), which rise from 0 on: what they never go below.
 */
static const struct {
    const char *op;
    double least;
} dips[] = {{"gelu", -0.2}, {"silu", -0.3}, {"mish", -0.32}, {"hardswish", -0.4}};

static range product(range a, range b)
{
    double v[] = {a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high};
    range r = {(double)INFINITY, -(double)INFINITY};
    for (int i = 0; i < 4; i++) {
        double x = isnan(v[i]) ? 0 : v[i]; /* 0 times any number: operands are finite */
        r.low = fmin(r.low, x);
        r.high = fmax(r.high, x);
    }
    return r;
}

static range of_unary(const char *op, const ref_attrs *at, range x)
{
    if (strcmp(op, "clamp") == 0)
        return (range){fmin(fmax(x.low, at->least), at->most),
                       fmin(fmax(x.high, at->least), at->most)};
    if (strcmp(op, "relu") == 0)
        return (range){fmax(x.low, 0), fmax(x.high, 0)};
    if (strcmp(op, "leaky_relu") == 0 && at->slope >= 0)
        return (range){x.low < 0 ? x.low * at->slope : x.low,
                       x.high < 0 ? x.high * at->slope : x.high};
    if (strcmp(op, "neg") == 0)
        return (range){-x.high, -x.low};
    for (size_t i = 0; i < WS_COUNT(dips); i++)
        if (strcmp(op, dips[i].op) == 0)
            return (range){x.low >= 0 ? 0 : dips[i].least, fmax(x.high, 0)};
    for (size_t i = 0; i < WS_COUNT(bounded); i++)
        if (strcmp(op, bounded[i].op) == 0)
            return (range){bounded[i].low, bounded[i].high};
    return anything;
}

static range of_binary(const ref_rewriter *r, const ref_node *n, range a, range b)
{
    const char *op = n->op->name;
    if (strcmp(op, "add") == 0)
        return (range){a.low + b.low, a.high + b.high};
    if (strcmp(op, "sub") == 0 && n->in[0] == n->in[1] && !ref_val(r, n->in[0])->is_literal)
        return (range){0, 0};
    if (strcmp(op, "sub") == 0)
        return (range){a.low - b.high, a.high - b.low};
    if (strcmp(op, "mul") == 0 && n->in[0] == n->in[1])
        return (range){0, (double)INFINITY};
    if (strcmp(op, "mul") == 0)
        return product(a, b);
    if (strcmp(op, "div") == 0 && b.low == b.high && b.low != 0)
        return product(a, (range){1 / b.low, 1 / b.low});
    if (strcmp(op, "maximum") == 0)
        return (range){fmax(a.low, b.low), fmax(a.high, b.high)};
    if (strcmp(op, "minimum") == 0)
        return (range){fmin(a.low, b.low), fmin(a.high, b.high)};
    return anything;
}

/* Results that are some element of the operand, or between two. */
static bool selects(const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    static const char *const ops[] = {"reshape", "flatten", "permute", "transpose", "expand",
                                      "slice",   "flip",    "roll",    "max_pool"};
    if (ref_is_op(n, "reduce"))
        return at->fn == REF_MEAN || at->fn == REF_MAX || at->fn == REF_MIN;
    for (size_t i = 0; i < WS_COUNT(ops); i++)
        if (ref_is_op(n, ops[i]))
            return true;
    return false;
}

static range of_node(const ref_rewriter *r, const ref_node *n)
{
    range in[2] = {anything, anything};
    for (int i = 0; i < n->n_in && i < 2; i++)
        in[i] = (range){r->low[n->in[i]], r->high[n->in[i]]};
    if (!ws_dtype_is_float(ref_val(r, n->out)->dtype))
        return anything;
    if (ref_is_op(n, "full") && !ref_at(n)->value_expr)
        return (range){ref_at(n)->value, ref_at(n)->value};
    if (ref_is_op(n, "softmax") && ref_is_one(ref_val(r, n->in[0])->dim[ref_at(n)->dim]))
        return (range){1, 1};
    if (selects(n))
        return in[0];
    if (n->n_in == 1)
        return of_unary(n->op->name, n->attrs, in[0]);
    range out = n->n_in == 2 ? of_binary(r, n, in[0], in[1]) : anything;
    return isnan(out.low) || isnan(out.high) ? anything : out;
}

void ref_find_ranges(ref_rewriter *r)
{
    const ref_graph *g = r->g;
    r->low = WS_ARENA_NEW(&r->a, double, g->n_values + 1);
    r->high = WS_ARENA_NEW(&r->a, double, g->n_values + 1);
    for (int v = 0; v < g->n_values; v++) {
        r->low[v] = g->value[v].is_literal ? g->value[v].literal : anything.low;
        r->high[v] = g->value[v].is_literal ? g->value[v].literal : anything.high;
    }
    for (int k = 0; k < g->n_nodes; k++) {
        range of = of_node(r, &g->node[k]);
        r->low[g->node[k].out] = of.low;
        r->high[g->node[k].out] = of.high;
    }
}

/* ---- what does nothing ---- */

const char *ref_rule_range(ref_rewriter *r, const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    double low = n->n_in ? r->low[n->in[0]] : 0, high = n->n_in ? r->high[n->in[0]] : 0;
    bool two = ref_is_op(n, "maximum") || ref_is_op(n, "minimum");
    bool idle = ref_is_op(n, "clamp") && low >= at->least && high <= at->most;
    idle |= (ref_is_op(n, "relu") || ref_is_op(n, "leaky_relu") || ref_is_op(n, "abs")) && low >= 0;
    idle |= ref_is_op(n, "elu") && low >= 0;
    for (int i = 0; two && i < 2; i++) { /* the side that always wins */
        const ref_value *own = ref_val(r, n->in[i]);
        int other = n->in[!i];
        bool wins = ref_is_op(n, "maximum") ? r->low[n->in[i]] >= r->high[other]
                                            : r->high[n->in[i]] <= r->low[other];
        if (wins && !own->is_literal && ref_same_form(own, ref_val(r, n->out)))
            return ref_text(r, n->in[i]);
    }
    return idle ? ref_text(r, n->in[0]) : NULL;
}

const char *ref_rule_constant(ref_rewriter *r, const ref_node *n)
{
    double v = r->low[n->out];
    if (v != r->high[n->out] || !isfinite(v) || ref_is_op(n, "full"))
        return NULL;
    return ref_write(r, "\"op\":\"full\",\"in\":[],\"shape\":%s,\"value\":%.17g",
                     ref_text_shape(r, n->out), v);
}

const char *ref_rule_one(ref_rewriter *r, const ref_node *n)
{
    const ref_attrs *at = n->attrs;
    if (!ref_is_op(n, "reduce") || ref_is_index_fn(at->fn) || at->fn == REF_L2NORM)
        return NULL;
    for (int i = 0; i < at->n_dims; i++)
        if (!ref_is_one(ref_val(r, n->in[0])->dim[at->dims[i]]))
            return NULL;
    if (ref_same_form(ref_val(r, n->in[0]), ref_val(r, n->out)))
        return ref_text(r, n->in[0]);
    return ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":%s", ref_text(r, n->in[0]),
                     ref_text_shape(r, n->out));
}

/* ---- scales ---- */

/* v is `factor` times the result; v itself when it is no multiple. */
static int strip_scale(const ref_rewriter *r, int v, double *factor)
{
    *factor = 1;
    for (;;) {
        const ref_node *n = ref_maker(r, v, NULL);
        if (!n || !ref_same_form(ref_val(r, n->out), ref_val(r, n->in[0])))
            break;
        bool by_number = n->n_in == 2 && ref_val(r, n->in[1])->is_literal;
        double c = by_number ? ref_val(r, n->in[1])->literal : 0;
        if (ref_is_op(n, "mul") && by_number)
            *factor *= c;
        else if (ref_is_op(n, "div") && by_number && c != 0)
            *factor /= c;
        else if (ref_is_op(n, "neg"))
            *factor = -*factor;
        else
            break;
        v = n->in[0];
    }
    return v;
}

/* x + x, 0.5 x + x, 3 x - x */
const char *ref_rule_multiples(ref_rewriter *r, const ref_node *n)
{
    double f[2];
    if (!ref_is_op(n, "add") && !ref_is_op(n, "sub"))
        return NULL;
    int a = strip_scale(r, n->in[0], &f[0]), b = strip_scale(r, n->in[1], &f[1]);
    if (a != b || ref_val(r, a)->is_literal)
        return NULL;
    double c = ref_is_op(n, "add") ? f[0] + f[1] : f[0] - f[1];
    return c == 0 || !isfinite(c)
               ? NULL
               : ref_write(r, "\"op\":\"mul\",\"in\":[%s,%.17g]", ref_text(r, a), c);
}

/* clamp(s x, low, high) */
typedef struct ramp {
    int x, nodes;
    double s, low, high;
} ramp;

static bool add_to_ramp(const ref_rewriter *r, const ref_node *n, ramp *p)
{
    const ref_attrs *at = n->attrs;
    double low = -(double)INFINITY, high = (double)INFINITY, c = 1;
    bool number = n->n_in == 2 && ref_val(r, n->in[1])->is_literal;
    double v = number ? ref_val(r, n->in[1])->literal : 0;
    if (ref_is_op(n, "clamp"))
        low = at->least, high = at->most;
    else if (ref_is_op(n, "relu"))
        low = 0;
    else if (number && ref_is_op(n, "maximum"))
        low = v;
    else if (number && ref_is_op(n, "minimum"))
        high = v;
    else if (number && v != 0 && (ref_is_op(n, "mul") || ref_is_op(n, "div")))
        c = ref_is_op(n, "mul") ? v : 1 / v;
    else if (ref_is_op(n, "neg"))
        c = -1;
    else
        return false;
    double from = c < 0 ? p->high * c : p->low * c, to = c < 0 ? p->low * c : p->high * c;
    p->s *= c;
    p->low = fmin(fmax(from, low), high);
    p->high = fmin(fmax(to, low), high);
    p->nodes++;
    return true;
}

/* The ramp that ends in value v. */
static ramp ramp_of(const ref_rewriter *r, int v)
{
    const ref_node *n = ref_maker(r, v, NULL);
    ramp p = {v, 0, 1, -(double)INFINITY, (double)INFINITY};
    if (!n || !n->n_in || !ref_same_form(ref_val(r, v), ref_val(r, n->in[0])))
        return p;
    p = ramp_of(r, n->in[0]);
    return add_to_ramp(r, n, &p) ? p : (ramp){v, 0, 1, -(double)INFINITY, (double)INFINITY};
}

const char *ref_rule_scales(ref_rewriter *r, const ref_node *n)
{
    ramp p = ramp_of(r, n->out);
    bool clamps = isfinite(p.low) || isfinite(p.high);
    if (p.nodes <= (p.s != 1) + clamps || !isfinite(p.s) || p.s == 0)
        return NULL;
    const char *x = ref_text(r, p.x);
    if (p.s != 1)
        x = ref_write(r, "\"op\":\"mul\",\"in\":[%s,%.17g]", x, p.s);
    if (!clamps)
        return x;
    const char *low = isfinite(p.low) ? ws_arena_printf(&r->a, ",\"min\":%.17g", p.low) : "";
    const char *high = isfinite(p.high) ? ws_arena_printf(&r->a, ",\"max\":%.17g", p.high) : "";
    return ref_write(r, "\"op\":\"clamp\",\"in\":[%s]%s%s", x, low, high);
}

/* ---- what is added and taken away again ---- */

/* The operand of an add or sub without what is flat along the axes; -1: nothing is. */
static int strip_shift(const ref_rewriter *r, int v, const bool *axis)
{
    const ref_node *n = ref_maker(r, v, NULL);
    if (!n || (!ref_is_op(n, "add") && !ref_is_op(n, "sub")))
        return -1;
    for (int i = 0; i < (ref_is_op(n, "add") ? 2 : 1); i++) {
        const ref_value *rest = ref_val(r, n->in[i]), *shift = ref_val(r, n->in[!i]);
        bool flat = !rest->is_literal && ref_same_form(rest, ref_val(r, v));
        for (int d = 0; d < rest->rank && flat; d++)
            flat = !axis[d] || ref_is_flat(shift, rest->rank, d);
        if (flat)
            return n->in[i];
    }
    return -1;
}

/* A layer's bias, one number a channel, and what else is added to whole channels. */
const char *ref_rule_shift_norm(ref_rewriter *r, const ref_node *n)
{
    static const char *const layers[] = {"conv", "conv_transpose", "linear"};
    if (!ref_is_op(n, "batch_norm"))
        return NULL;
    const ref_value *x = ref_val(r, n->in[0]);
    bool axis[SPEC_MAX_RANK];
    for (int d = 0; d < SPEC_MAX_RANK; d++)
        axis[d] = d != 1;
    int rest = strip_shift(r, n->in[0], axis);
    const char *u = rest >= 0 ? ref_text(r, rest) : NULL;
    for (size_t i = 0; i < WS_COUNT(layers) && !u; i++) {
        const ref_node *layer = ref_maker(r, n->in[0], layers[i]);
        if (!layer || layer->n_in < 3 || (i == 2 && x->rank != 2))
            continue;
        const char *in =
            ws_arena_printf(&r->a, "%s,%s", ref_text(r, layer->in[0]), ref_text(r, layer->in[1]));
        u = ref_write_like(r, layer, in);
    }
    return u ? ref_write_with(r, n, u) : NULL;
}

/* x - mean(x) */
const char *ref_rule_shift_mean(ref_rewriter *r, const ref_node *n)
{
    const ref_node *mean = n->n_in == 2 ? ref_maker(r, n->in[1], "reduce") : NULL;
    bool axis[SPEC_MAX_RANK] = {0};
    if (!ref_is_op(n, "sub") || !mean || ref_at(mean)->fn != REF_MEAN || !ref_at(mean)->keepdim ||
        mean->in[0] != n->in[0])
        return NULL;
    for (int i = 0; i < ref_at(mean)->n_dims; i++)
        axis[ref_at(mean)->dims[i]] = true;
    int rest = strip_shift(r, n->in[0], axis);
    const ref_node *norm = ref_maker(r, n->in[0], "batch_norm");
    const char *u = rest >= 0 ? ref_text(r, rest) : NULL;
    if (!u && norm && norm->n_in == 3 && !axis[1])
        u = ref_write_like(
            r, norm,
            ws_arena_printf(&r->a, "%s,%s", ref_text(r, norm->in[0]), ref_text(r, norm->in[1])));
    return u ? ref_write(r, "\"op\":\"sub\",\"in\":[%s,%s]", u, ref_write_like(r, mean, u)) : NULL;
}

const char *ref_rule_shift_softmax(ref_rewriter *r, const ref_node *n)
{
    bool axis[SPEC_MAX_RANK] = {0};
    if (!ref_is_op(n, "softmax") && !ref_is_op(n, "log_softmax"))
        return NULL;
    axis[ref_at(n)->dim] = true;
    int rest = strip_shift(r, n->in[0], axis);
    return rest >= 0 ? ref_write_like(r, n, ref_text(r, rest)) : NULL;
}
