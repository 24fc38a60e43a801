#include "reference/field.h"

#include "base/field.h"
#include "base/philox.h"
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- ops that have a meaning over a field ---- */

/* How the degree of a result follows from those of the operands. */
typedef enum degree { MOST, SUM, POWER } degree;

typedef struct field_op field_op;
typedef struct field_call {
    ref_call call;
    uint32_t p;
} field_call;

struct field_op {
    const char *name;
    degree degree;
    bool (*fits)(const ref_attrs *at, int n_in); /* NULL: with all attributes */
    /* Gives elements, or WS_FIELD_OUTSIDE where there is none; no operand is outside. NULL: the
     * op's own evaluation, exact in whole numbers, which are taken modulo the prime. */
    ws_status (*eval)(const field_call *c);
};

/* v is whole, and |v| < 2^53. */
static uint32_t modulo(uint32_t p, double v)
{
    int64_t r = (int64_t)v % (int64_t)p;
    return (uint32_t)(r < 0 ? r + p : r);
}

/* Makes elements of whole numbers. What no double holds exactly is refused: sums of products of two
 * elements may have 2^20 terms. */
static ws_status take_modulo(const field_call *c)
{
    const double most = 0x1p53;
    ref_tensor *out = c->call.out;
    for (int64_t i = 0; i < out->shape.count; i++) {
        if (!(fabs(out->v[i]) < most) || out->v[i] != nearbyint(out->v[i]))
            return ws_fail(c->call.err, WS_ELIMIT, "a sum is too long for exact elements");
        out->v[i] = modulo(c->p, out->v[i]);
    }
    return WS_OK;
}

/* Binary digits of literals: those of the arithmetic that reads them. */
static int digits_of(const ref_graph *g)
{
    return g->spec->precision == WS_F64 ? 53 : 24;
}

static double literal_of(const ref_graph *g, double v)
{
    return g->spec->precision == WS_F64 ? v : (double)(float)v;
}

static uint32_t number_of(const ref_graph *g, uint32_t p, double literal)
{
    return ws_field_number(p, literal_of(g, literal), digits_of(g));
}

/* The op's own evaluation, with other attributes perhaps. */
static ws_status eval_with(const field_call *c, const ref_attrs *at)
{
    ref_call call = c->call;
    call.at = at;
    return call.op->eval(&call);
}

static ws_status eval_div(const field_call *c)
{
    const ref_tensor *a = c->call.in[0], *b = c->call.in[1];
    ref_tensor *out = c->call.out;
    for (int64_t i = 0; i < out->shape.count; i++) {
        uint32_t x = modulo(c->p, a->v[ref_broadcast_index(&out->shape, &a->shape, i)]);
        uint32_t y = modulo(c->p, b->v[ref_broadcast_index(&out->shape, &b->shape, i)]);
        out->v[i] = y ? (double)((uint64_t)x * ws_field_inverse(c->p, y) % c->p) : WS_FIELD_OUTSIDE;
    }
    return WS_OK;
}

/* exponent: a whole number, perhaps below zero */
static ws_status power(const field_call *c, double exponent)
{
    const ref_tensor *x = c->call.in[0];
    ref_tensor *out = c->call.out;
    uint64_t n = (uint64_t)fabs(exponent);
    for (int64_t i = 0; i < out->shape.count; i++) {
        uint32_t e = ws_field_power(c->p, modulo(c->p, x->v[i]), n);
        out->v[i] = exponent >= 0 ? e : e ? ws_field_inverse(c->p, e) : WS_FIELD_OUTSIDE;
    }
    return WS_OK;
}

static ws_status eval_reciprocal(const field_call *c)
{
    return power(c, -1);
}

static ws_status eval_pow(const field_call *c)
{
    return power(c, c->call.at->exponent);
}

static bool fits_pow(const ref_attrs *at, int n_in)
{
    (void)n_in;
    return at->exponent == trunc(at->exponent) && fabs(at->exponent) <= 16;
}

static bool fits_reduce(const ref_attrs *at, int n_in)
{
    (void)n_in;
    return at->fn == REF_SUM_OF || at->fn == REF_MEAN;
}

/* The whole numbers of the result, as elements, by n. */
static ws_status divide_all(const field_call *c, int64_t n)
{
    ref_tensor *out = c->call.out;
    uint32_t inverse = ws_field_inverse(c->p, ws_field_integer(c->p, n));
    if (take_modulo(c))
        return c->call.err->status;
    for (int64_t i = 0; i < out->shape.count; i++)
        out->v[i] = inverse ? (double)((uint64_t)out->v[i] * inverse % c->p) : WS_FIELD_OUTSIDE;
    return WS_OK;
}

static ws_status eval_reduce(const field_call *c)
{
    ref_attrs at = *c->call.at;
    at.fn = REF_SUM_OF;
    if (eval_with(c, &at))
        return c->call.err->status;
    return c->call.at->fn != REF_MEAN
               ? take_modulo(c)
               : divide_all(c, c->call.in[0]->shape.count / c->call.out->shape.count);
}

static bool fits_avg_pool(const ref_attrs *at, int n_in)
{
    bool padded = at->padding[0] || at->padding[1] || at->padding[2];
    (void)n_in;
    return !at->ceil_mode && (!padded || at->count_include_pad);
}

/* Every window is as large as the kernel. */
static ws_status eval_avg_pool(const field_call *c)
{
    ref_tensor *out = c->call.out;
    int64_t n = 1;
    for (int s = 0; s < out->shape.rank - 2; s++)
        n *= c->call.at->kernel[s];
    if (c->call.op->eval(&c->call))
        return c->call.err->status;
    for (int64_t i = 0; i < out->shape.count; i++)
        out->v[i] = nearbyint(out->v[i] * (double)n);
    return divide_all(c, n);
}

/* Fills with NaN, which no operand has, so that the value's places are known afterwards. */
static ws_status eval_masked_fill(const field_call *c)
{
    ref_attrs at = *c->call.at;
    ref_tensor *out = c->call.out;
    const uint32_t value = number_of(c->call.bound->graph, c->p, at.value);
    at.value = (double)NAN;
    if (eval_with(c, &at))
        return c->call.err->status;
    for (int64_t i = 0; i < out->shape.count; i++)
        out->v[i] = isnan(out->v[i]) ? value : modulo(c->p, out->v[i]);
    return WS_OK;
}

static bool fits_masked_fill(const ref_attrs *at, int n_in)
{
    (void)n_in;
    return isfinite(at->value);
}

/* Nothing is rounded. */
static ws_status eval_cast(const field_call *c)
{
    const ref_tensor *x = c->call.in[0];
    for (int64_t i = 0; i < x->shape.count; i++)
        c->call.out->v[i] = modulo(c->p, x->v[i]);
    return WS_OK;
}

static bool fits_two(const ref_attrs *at, int n_in)
{
    (void)at;
    return n_in <= 2;
}

static const field_op field_ops[] = {
    {"add", MOST, NULL, NULL},       {"sub", MOST, NULL, NULL},
    {"mul", SUM, NULL, NULL},        {"div", SUM, NULL, eval_div},
    {"neg", MOST, NULL, NULL},       {"square", POWER, NULL, NULL},
    {"reciprocal", MOST, NULL, eval_reciprocal}, {"pow", POWER, fits_pow, eval_pow},
    {"matmul", SUM, NULL, NULL},     {"linear", SUM, NULL, NULL},
    {"einsum", SUM, fits_two, NULL}, {"conv", SUM, NULL, NULL},
    {"conv_transpose", SUM, NULL, NULL}, {"grouped_matmul", SUM, NULL, NULL},
    {"reduce", MOST, fits_reduce, eval_reduce}, {"cumsum", MOST, NULL, NULL},
    {"avg_pool", MOST, fits_avg_pool, eval_avg_pool},
    {"cast", MOST, NULL, eval_cast}, {"dropout", MOST, NULL, eval_cast},
    {"reshape", MOST, NULL, NULL},   {"flatten", MOST, NULL, NULL},
    {"permute", MOST, NULL, NULL},   {"transpose", MOST, NULL, NULL},
    {"expand", MOST, NULL, NULL},    {"slice", MOST, NULL, NULL},
    {"pad", MOST, fits_masked_fill, eval_masked_fill}, {"flip", MOST, NULL, NULL},
    {"roll", MOST, NULL, NULL},      {"tril", MOST, NULL, NULL},
    {"triu", MOST, NULL, NULL},      {"concat", MOST, NULL, NULL},
    {"gather", MOST, NULL, NULL},    {"scatter", MOST, NULL, NULL},
    {"where", MOST, NULL, NULL},     {"masked_fill", MOST, fits_masked_fill, eval_masked_fill},
};

static const field_op *find_op(const ref_node *n)
{
    for (size_t k = 0; k < WS_COUNT(field_ops); k++)
        if (strcmp(field_ops[k].name, n->op->name) == 0)
            return !field_ops[k].fits || field_ops[k].fits(n->attrs, n->n_in) ? &field_ops[k]
                                                                              : NULL;
    return NULL;
}

/* ---- which values ---- */

/* Operands that name places or choose, and so must be whole. */
static bool must_be_whole(const ref_node *n, int operand)
{
    static const struct {
        const char *op;
        int operand;
    } indices[] = {{"where", 0}, {"masked_fill", 1}, {"gather", 1}, {"scatter", 1},
                   {"grouped_matmul", 2}};
    for (size_t k = 0; k < WS_COUNT(indices); k++)
        if (indices[k].operand == operand && strcmp(indices[k].op, n->op->name) == 0)
            return true;
    return false;
}

static bool is_narrow(ws_dtype t)
{
    return t == WS_E4M3 || t == WS_E5M2 || t == WS_E2M1;
}

static ref_field_value leaf_of(const ref_value *v)
{
    if (is_narrow(v->dtype))
        return (ref_field_value){REF_FIELD_NONE, 0, ws_dtype_name(v->dtype)};
    if (!ws_dtype_is_float(v->dtype))
        return (ref_field_value){REF_FIELD_WHOLE, 0, NULL};
    return (ref_field_value){REF_FIELD_ELEMENT, v->is_literal ? 0 : 1, NULL};
}

static double degree_of(const ref_node *n, const field_op *op, const ref_field_value *value)
{
    double most = 0, sum = 0;
    for (int i = 0; i < n->n_in; i++) {
        double d = value[n->in[i]].degree;
        most = fmax(most, d);
        sum += d;
    }
    if (op->degree == POWER)
        return most * (strcmp(op->name, "square") == 0
                           ? 2
                           : fmax(1, fabs(((const ref_attrs *)n->attrs)->exponent)));
    return op->degree == SUM ? sum : most;
}

/* The op, as the verdict names it. */
static const char *name_of(const ref_node *n)
{
    static const char *const reductions[] = {
        [REF_SUM_OF] = "reduce (sum)",       [REF_MEAN] = "reduce (mean)",
        [REF_MAX] = "reduce (max)",          [REF_MIN] = "reduce (min)",
        [REF_PROD] = "reduce (prod)",        [REF_ARGMAX] = "reduce (argmax)",
        [REF_ARGMIN] = "reduce (argmin)",    [REF_LOGSUMEXP] = "reduce (logsumexp)",
        [REF_L2NORM] = "reduce (l2norm)",
    };
    return strcmp(n->op->name, "reduce") == 0 ? reductions[((const ref_attrs *)n->attrs)->fn]
                                              : n->op->name;
}

static ref_field_value node_of(const ref_graph *g, const ref_node *n, const ref_field_value *value)
{
    const ref_value *out = &g->value[n->out];
    bool whole = n->n_in > 0 || strcmp(n->op->name, "iota") == 0 || !ws_dtype_is_float(out->dtype);
    for (int i = 0; i < n->n_in; i++) {
        if (value[n->in[i]].kind == REF_FIELD_NONE)
            return value[n->in[i]];
        whole &= value[n->in[i]].kind == REF_FIELD_WHOLE;
        if (must_be_whole(n, i) && value[n->in[i]].kind != REF_FIELD_WHOLE)
            return (ref_field_value){REF_FIELD_NONE, 0, name_of(n)};
    }
    if (whole && !ws_dtype_is_float(out->dtype))
        return (ref_field_value){REF_FIELD_WHOLE, 0, NULL};
    if (strcmp(n->op->name, "full") == 0)
        return (ref_field_value){REF_FIELD_ELEMENT, 0, NULL};
    const field_op *op = find_op(n);
    if (!op || !ws_dtype_is_float(out->dtype) || is_narrow(out->dtype) || n->n_body)
        return (ref_field_value){REF_FIELD_NONE, 0, name_of(n)};
    return (ref_field_value){REF_FIELD_ELEMENT, degree_of(n, op, value), NULL};
}

/* Means: kernels multiply by the inverse of a count. */
static bool divides_by_count(const ref_node *n)
{
    return strcmp(n->op->name, "avg_pool") == 0 ||
           (strcmp(n->op->name, "reduce") == 0 && ((const ref_attrs *)n->attrs)->fn == REF_MEAN);
}

ref_field_value *ref_field_values(const ref_graph *g, ws_arena *a, bool *simple)
{
    ref_field_value *value = WS_ARENA_NEW(a, ref_field_value, g->n_values + 1);
    int rounded = 0; /* constants that f32 holds rounded: two may stand in a kernel as one */
    *simple = true;
    for (int v = 0; v < g->n_values; v++) {
        if (g->value[v].node >= 0)
            continue;
        value[v] = leaf_of(&g->value[v]);
        if (!g->value[v].is_literal)
            continue;
        *simple &= ws_field_is_simple(literal_of(g, g->value[v].literal), digits_of(g));
        rounded += (double)(float)g->value[v].literal != g->value[v].literal;
    }
    for (int k = 0; k < g->n_nodes; k++) {
        value[g->node[k].out] = node_of(g, &g->node[k], value);
        rounded += divides_by_count(&g->node[k]);
    }
    *simple &= rounded < 2;
    return value;
}

/* ---- evaluation ---- */

/* An operand that has elements outside makes the results that need it such; as it is not known
 * which those are, nothing is said then. */
static bool has_outside(const ref_tensor *t)
{
    for (int64_t i = 0; i < t->shape.count; i++)
        if (t->v[i] == WS_FIELD_OUTSIDE)
            return true;
    return false;
}

static ws_status eval_element(const ref_bound *b, const ref_node *n, uint32_t p,
                              const ref_field_value *value, ref_tensor *t, ws_err *err)
{
    const field_op *op = find_op(n);
    ref_tensor *out = &t[n->out];
    field_call c = {.call = {.op = n->op, .at = n->attrs, .env = &b->env, .n_in = n->n_in,
                             .out = out, .err = err, .bound = b, .node = n},
                    .p = p};
    for (int i = 0; i < n->n_in; i++) {
        c.call.in[i] = &t[n->in[i]];
        if (value[n->in[i]].kind == REF_FIELD_ELEMENT && has_outside(&t[n->in[i]]))
            return ws_fail(err, WS_ELIMIT, "an intermediate divides by zero over the field");
    }
    *out = (ref_tensor){.shape = b->shape[n->out]};
    if (ref_tensor_alloc(out, false, b->graph->value[n->out].name, err))
        return err->status;
    if (!out->shape.count)
        return WS_OK;
    if (!op) { /* full */
        if (n->op->eval(&c.call))
            return err->status;
        uint32_t e = number_of(b->graph, p, out->v[0]);
        for (int64_t i = 0; i < out->shape.count; i++)
            out->v[i] = e;
        return WS_OK;
    }
    if (op->eval)
        return op->eval(&c);
    return n->op->eval(&c.call) ? err->status : take_modulo(&c);
}

static ws_status make_leaf(const ref_bound *b, int v, uint32_t p, const ref_field_value *value,
                           ref_tensor *t, ws_err *err)
{
    const ref_graph *g = b->graph;
    if (!g->value[v].is_literal)
        return WS_OK;
    if (value[v].kind == REF_FIELD_WHOLE)
        return ref_make_literal(b, v, t, err);
    *t = (ref_tensor){.shape = b->shape[v]};
    if (ref_tensor_alloc(t, false, "a literal", err))
        return err->status;
    t->v[0] = number_of(g, p, g->value[v].literal);
    return WS_OK;
}

static ws_status eval_all(const ref_bound *b, uint32_t p, const ref_field_value *value,
                          ref_tensor *t, ws_err *err)
{
    const ref_graph *g = b->graph;
    for (int v = 0; v < g->n_values; v++)
        if (make_leaf(b, v, p, value, &t[v], err))
            return err->status;
    for (int k = 0; k < g->n_nodes; k++) {
        const ref_node *n = &g->node[k];
        ref_field_kind kind = value[n->out].kind;
        if ((kind == REF_FIELD_WHOLE && ref_eval_node(b, n, t, false, err)) ||
            (kind == REF_FIELD_ELEMENT && eval_element(b, n, p, value, t, err)))
            return ws_wrap(err, "graph[%d] (%s)", k, n->op->name);
    }
    return WS_OK;
}

static ws_status take_output(ref_tensor *from, ref_tensor *to, ws_err *err)
{
    *to = (ref_tensor){.shape = from->shape};
    if (!from->v)
        return WS_OK;
    if (ref_tensor_alloc(to, false, "an output", err))
        return err->status;
    memcpy(to->v, from->v, (size_t)from->shape.count * sizeof *to->v);
    return WS_OK;
}

ws_status ref_field_eval(const ref_bound *b, uint32_t prime, const ref_tensor *input,
                         ref_tensor *output, ws_err *err)
{
    return ref_field_eval_values(b, prime, input, b->graph->output, b->graph->n_outputs, output,
                                 err);
}

ws_status ref_field_eval_values(const ref_bound *b, uint32_t prime, const ref_tensor *input,
                                const int *wanted, int n, ref_tensor *output, ws_err *err)
{
    const ref_graph *g = b->graph;
    ws_arena a = {0};
    bool simple;
    const ref_field_value *value = ref_field_values(g, &a, &simple);
    ref_tensor *t = WS_ARENA_NEW(&a, ref_tensor, g->n_values + 1);
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor >= 0)
            t[v] = input[g->value[v].tensor];
    for (int o = 0; o < n; o++)
        output[o] = (ref_tensor){.shape = b->shape[wanted[o]]};
    ws_status st = eval_all(b, prime, value, t, err);
    for (int o = 0; !st && o < n; o++)
        if (value[wanted[o]].kind == REF_FIELD_ELEMENT)
            st = take_output(&t[wanted[o]], &output[o], err);
    for (int o = 0; st && o < n; o++)
        ref_tensor_release(&output[o]);
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].tensor < 0)
            ref_tensor_release(&t[v]);
    ws_arena_release(&a);
    return st;
}

/* ---- inputs ---- */

static void fill_by_chance(const ref_tensor *t, uint32_t p, uint64_t seed, uint64_t stream)
{
    ws_philox_uniforms(seed, stream, 0, t->shape.count, t->v);
    for (int64_t i = 0; i < t->shape.count; i++)
        t->v[i] = fmin(floor(t->v[i] * p), p - 1);
}

static ws_status whole_input(const ref_bound *b, uint32_t p, int tensor, uint64_t seed,
                             ref_tensor *out, ws_err *err)
{
    const spec_tensor *t = &b->graph->spec->tensor[tensor];
    if (ref_make_input(b, tensor, seed, out, err))
        return err->status;
    for (int64_t i = 0; ws_dtype_is_float(t->dtype) && i < out->shape.count; i++)
        out->v[i] = ws_field_number(p, out->v[i], 24);
    return WS_OK;
}

static ws_status input_by_setup(const ref_bound *b, uint32_t p, const spec_tensor *t, uint64_t seed,
                                ref_tensor *out, ws_err *err)
{
    const ref_bound *sb = b->setup;
    const spec *s = sb->graph->spec;
    ref_tensor *in = ws_calloc((size_t)s->n_inputs + 1, sizeof *in);
    ref_tensor *made = ws_calloc((size_t)s->n_outputs, sizeof *made);
    ws_status st = WS_OK;
    for (int i = 0; !st && i < s->n_inputs; i++)
        st = ref_field_input(sb, p, i, seed + 1, &in[i], err);
    if (!st)
        st = ref_field_eval(sb, p, in, made, err);
    for (int o = 0; !st && o < s->n_outputs; o++)
        if (strcmp(s->output[o], t->init.setup) == 0) {
            *out = made[o];
            made[o] = (ref_tensor){0};
        }
    if (!st && !out->v)
        st = ws_fail(err, WS_EINPUT, "it is made by what is not of the field");
    for (int i = 0; i < s->n_inputs; i++)
        ref_tensor_release(&in[i]);
    for (int o = 0; o < s->n_outputs; o++)
        ref_tensor_release(&made[o]);
    free(in);
    free(made);
    return st;
}

ws_status ref_field_input(const ref_bound *b, uint32_t prime, int tensor, uint64_t seed,
                          ref_tensor *out, ws_err *err)
{
    const spec_tensor *t = &b->graph->spec->tensor[tensor];
    const spec_dist d = t->init.dist;
    bool chance = d == SPEC_DIST_UNIFORM || d == SPEC_DIST_NORMAL || d == SPEC_DIST_FAN_IN ||
                  d == SPEC_DIST_CONST;
    *out = (ref_tensor){.shape = b->shape[tensor]};
    if (!ws_dtype_is_float(t->dtype))
        return ref_make_input(b, tensor, seed, out, err);
    if (d == SPEC_DIST_SETUP) {
        if (input_by_setup(b, prime, t, seed, out, err))
            return ws_wrap(err, "input '%s'", t->name);
        return WS_OK;
    }
    if (!chance)
        return whole_input(b, prime, tensor, seed, out, err);
    if (ref_tensor_alloc(out, false, t->name, err))
        return err->status;
    fill_by_chance(out, prime, seed, (uint64_t)tensor);
    return WS_OK;
}
