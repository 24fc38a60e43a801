/* Building the graph of a spec: operands, attributes, symbolic shapes; binding it to dims. */
#include "reference/ops.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const ref_op *const families[] = {
    ref_ops_unary,
    ref_ops_elementwise,
    ref_ops_reduce,
    ref_ops_norm,
    ref_ops_matmul,
    ref_ops_einsum,
    ref_ops_movement,
    ref_ops_conv,
    ref_ops_pool,
    ref_ops_recurrent,
    ref_ops_scan,
    ref_ops_order,
    ref_ops_index,
    ref_ops_quantize,
};
/* clang-format on */

enum { MAX_EXTENT = 1 << 14 }; /* terms of an extent */

static const ref_op *find_op(const char *name)
{
    for (size_t f = 0; f < WS_COUNT(families); f++)
        for (const ref_op *op = families[f]; op->name; op++)
            if (strcmp(op->name, name) == 0)
                return op;
    return NULL;
}

const char *const *ref_op_names(void)
{
    static const char *names[128];
    int n = 0;
    if (names[0])
        return names;
    for (size_t f = 0; f < WS_COUNT(families); f++)
        for (const ref_op *op = families[f]; op->name && n < 127; op++)
            names[n++] = op->name;
    return names;
}

/* ---- helpers of inference ---- */

ws_status ref_infer_fail(ref_infer *f, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return ws_fail(f->err, WS_EINPUT, "graph[%d] (%s): %s", f->node, f->spec->op, text);
}

void ref_same_shape(ref_value *out, const ref_value *v)
{
    out->rank = v->rank;
    memcpy(out->dim, v->dim, sizeof out->dim);
}

void ref_need_that(ref_infer *f, const ws_expr *condition, const char *text)
{
    ref_graph *g = f->graph;
    int64_t known;
    if (ws_expr_is_const(condition, &known) && known)
        return;
    ref_need *grown = WS_ARENA_NEW(&g->arena, ref_need, g->n_needs + 1);
    if (g->n_needs)
        memcpy(grown, g->need, (size_t)g->n_needs * sizeof *grown);
    grown[g->n_needs++] = (ref_need){condition, text, f->node};
    g->need = grown;
}

void ref_need_equal(ref_infer *f, const ws_expr *a, const ws_expr *b, const char *text)
{
    if (!ws_expr_same(a, b))
        ref_need_that(f, ws_expr_binary(&f->graph->arena, WS_X_EQ, a, b), text);
}

/* The same number whatever the dims are, as far as a few samples tell: "1 + T*T" and "T*T + 1". Who
 * relies on it records that it must hold. */
static bool seem_equal(const ref_graph *g, const ws_expr *a, const ws_expr *b)
{
    const spec *s = g->spec;
    ws_binding *dim = ws_calloc((size_t)s->n_dims + 1, sizeof *dim);
    ws_env env = {dim, (size_t)s->n_dims, NULL};
    uint64_t state = 1;
    bool equal = true;
    for (int round = 0; equal && round < 6; round++) {
        int64_t va = 0, vb = 0;
        ws_err err = {0};
        for (int d = 0; d < s->n_dims; d++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            dim[d] = (ws_binding){s->dim[d].name, 2 + (int64_t)(state >> 33) % 5000};
        }
        equal = !ws_expr_eval(a, &env, &va, &err) && !ws_expr_eval(b, &env, &vb, &err) && va == vb;
    }
    free(dim);
    return equal;
}

static const ws_expr *shorter(const ws_expr *a, const ws_expr *b)
{
    ws_buf ta = {0}, tb = {0};
    ws_expr_print(a, &ta);
    ws_expr_print(b, &tb);
    const ws_expr *best = tb.n < ta.n ? b : a;
    ws_buf_release(&ta);
    ws_buf_release(&tb);
    return best;
}

/* The extent of a and b broadcast: whichever is not 1; both equal is the common case. */
static const ws_expr *broadcast_extent(ref_infer *f, const ws_expr *a, const ws_expr *b)
{
    ws_arena *m = &f->graph->arena;
    int64_t v = 0;
    if (ws_expr_same(a, b) || (ws_expr_is_const(b, &v) && v == 1))
        return a;
    if (ws_expr_is_const(a, &v) && v == 1)
        return b;
    if (seem_equal(f->graph, a, b)) {
        ref_need_equal(f, a, b, "operands broadcast together");
        return shorter(a, b);
    }
    const ws_expr *one = ws_expr_const(m, 1);
    const ws_expr *a_is_1 = ws_expr_binary(m, WS_X_EQ, a, one);
    const ws_expr *fits = ws_expr_binary(m, WS_X_OR, ws_expr_binary(m, WS_X_EQ, a, b),
                                         ws_expr_binary(m, WS_X_OR, a_is_1,
                                                        ws_expr_binary(m, WS_X_EQ, b, one)));
    ref_need_that(f, fits, "operands broadcast together");
    return ws_expr_select(m, a_is_1, b, a);
}

ws_status ref_broadcast(ref_infer *f)
{
    int rank = 0;
    for (int i = 0; i < f->n_in; i++)
        rank = f->in[i]->rank > rank ? f->in[i]->rank : rank;
    f->out->rank = rank;
    for (int d = 0; d < rank; d++) {
        const ws_expr *e = NULL;
        for (int i = 0; i < f->n_in; i++) {
            int own = d - (rank - f->in[i]->rank);
            if (own >= 0)
                e = e ? broadcast_extent(f, e, f->in[i]->dim[own]) : f->in[i]->dim[own];
        }
        f->out->dim[d] = e;
    }
    return WS_OK;
}

/* ---- attributes ---- */

typedef struct attr_reader {
    ref_infer *f;
    const spec_attr *a;
} attr_reader;

static ws_status bad(attr_reader *r, const char *expected)
{
    return ref_infer_fail(r->f, "attribute '%s': expected %s", r->a->name, expected);
}

static ws_status read_whole(attr_reader *r, const spec_attr *a, int64_t *out)
{
    if (a->kind != SPEC_ATTR_NUMBER || !(fabs(a->number) < 0x1p53) || floor(a->number) != a->number)
        return bad(r, "a whole number");
    *out = (int64_t)a->number;
    return WS_OK;
}

static ws_status read_expr(attr_reader *r, const spec_attr *a, const ws_expr **out)
{
    int64_t v = 0;
    if (a->kind == SPEC_ATTR_STRING)
        return ws_expr_parse(&r->f->graph->arena, a->string, out, r->f->err)
                   ? ws_wrap(r->f->err, "graph[%d].%s", r->f->node, r->a->name)
                   : WS_OK;
    if (read_whole(r, a, &v))
        return r->f->err->status;
    *out = ws_expr_const(&r->f->graph->arena, v);
    return WS_OK;
}

static ws_status read_axis(attr_reader *r, const spec_attr *a, int *out)
{
    int64_t v = 0;
    int rank = r->f->n_in ? r->f->in[0]->rank : 0;
    if (read_whole(r, a, &v))
        return r->f->err->status;
    if (v < -rank || v >= rank)
        return ref_infer_fail(r->f, "axis %" PRId64 " of a tensor of rank %d", v, rank);
    *out = (int)(v < 0 ? v + rank : v);
    return WS_OK;
}

static ws_status read_axes(attr_reader *r, ref_attrs *at)
{
    const spec_attr *a = r->a;
    int n = a->kind == SPEC_ATTR_LIST ? a->n_items : 1;
    if (n > SPEC_MAX_RANK)
        return bad(r, "at most 8 axes");
    for (int i = 0; i < n; i++) {
        if (read_axis(r, a->kind == SPEC_ATTR_LIST ? &a->item[i] : a, &at->dims[i]))
            return r->f->err->status;
        for (int k = 0; k < i; k++)
            if (at->dims[k] == at->dims[i])
                return ref_infer_fail(r->f, "axis %d is named twice", at->dims[i]);
    }
    at->n_dims = n;
    return WS_OK;
}

/* One value a spatial axis, or one number for all of them. */
static ws_status read_spatial(attr_reader *r, int64_t out[3], int64_t least)
{
    const spec_attr *a = r->a;
    int spatial = r->f->in[0]->rank - 2;
    if (spatial < 1 || spatial > 3)
        return ref_infer_fail(
            r->f, "the operand has rank %d; expected [N, C] and one to three spatial axes",
            r->f->in[0]->rank);
    if (a->kind == SPEC_ATTR_LIST && a->n_items != spatial)
        return ref_infer_fail(r->f, "attribute '%s' has %d values for %d spatial axes", a->name,
                              a->n_items, spatial);
    for (int i = 0; i < spatial; i++) {
        if (read_whole(r, a->kind == SPEC_ATTR_LIST ? &a->item[i] : a, &out[i]))
            return r->f->err->status;
        if (out[i] < least || out[i] > 1 << 20)
            return ref_infer_fail(r->f, "attribute '%s' is out of range", a->name);
    }
    return WS_OK;
}

/* PyTorch's order: before and after for the last axis, then for the one before it, ... */
static ws_status read_pad(attr_reader *r, ref_attrs *at)
{
    const spec_attr *a = r->a;
    int rank = r->f->in[0]->rank;
    if (a->kind != SPEC_ATTR_LIST || a->n_items % 2 || a->n_items > 2 * rank)
        return bad(r, "two numbers an axis, the last axis first");
    for (int i = 0; i < a->n_items; i++) {
        const ws_expr **out = &(i % 2 ? at->pad_after : at->pad_before)[rank - 1 - i / 2];
        if (read_expr(r, &a->item[i], out))
            return r->f->err->status;
    }
    return WS_OK;
}

static ws_status read_shifts(attr_reader *r, ref_attrs *at)
{
    const spec_attr *a = r->a;
    bool list = a->kind == SPEC_ATTR_LIST;
    if (list && a->n_items > SPEC_MAX_RANK)
        return bad(r, "at most 8 numbers");
    at->n_shifts = list ? a->n_items : 1;
    for (int i = 0; i < at->n_shifts; i++)
        if (read_expr(r, list ? &a->item[i] : a, &at->shift[i]))
            return r->f->err->status;
    return WS_OK;
}

/* The index of the attribute's word among `names`, or 0; names[0] is none. */
static size_t read_word(attr_reader *r, const char *const *names, size_t n)
{
    for (size_t i = 1; r->a->kind == SPEC_ATTR_STRING && i < n; i++)
        if (strcmp(r->a->string, names[i]) == 0)
            return i;
    return 0;
}

/* Which of them an op has is its own matter: ref_check_mode(). */
static ws_status read_mode(attr_reader *r, ref_attrs *at)
{
    static const char *const names[] = {
        [REF_SELECT] = "select", [REF_ONE_PER_ROW] = "one_per_row", [REF_ALONG] = "along",
        [REF_REPLACE] = "replace", [REF_ADD_ROWS] = "add", [REF_IDS] = "ids",
        [REF_OFFSETS] = "offsets", [REF_CONSTANT] = "constant", [REF_REFLECT] = "reflect",
        [REF_REPLICATE] = "replicate", [REF_CIRCULAR] = "circular"};
    at->mode = (ref_mode)read_word(r, names, WS_COUNT(names));
    return at->mode ? WS_OK : bad(r, "a mode of the op");
}

/* For an op whose modes are those from `first` to `last`: the first is the default. */
ws_status ref_check_mode(ref_infer *f, ref_mode first, ref_mode last, const char *text)
{
    if (!f->at->mode)
        f->at->mode = first;
    return f->at->mode >= first && f->at->mode <= last
               ? WS_OK
               : ref_infer_fail(f, "attribute 'mode': expected %s", text);
}

/* Numbers of elements along each axis; -1: the whole axis. */
static ws_status read_block(attr_reader *r, ref_attrs *at)
{
    const spec_attr *a = r->a;
    if (a->kind != SPEC_ATTR_LIST || a->n_items > SPEC_MAX_RANK)
        return bad(r, "a list of at most 8 numbers");
    for (int i = 0; i < a->n_items; i++) {
        if (read_whole(r, &a->item[i], &at->block[i]))
            return r->f->err->status;
        if (at->block[i] == 0 || at->block[i] < -1 || at->block[i] > INT32_MAX)
            return bad(r, "numbers from 1 up, or -1 for the whole axis");
    }
    at->n_block = a->n_items;
    return WS_OK;
}

static ws_status read_output(attr_reader *r, ref_attrs *at)
{
    static const char *const names[] = {
        [REF_RNN_Y] = "y", [REF_RNN_H] = "h_n", [REF_RNN_C] = "c_n", [REF_VALUES] = "values",
        [REF_INDICES] = "indices"};
    at->output = (ref_output)read_word(r, names, WS_COUNT(names));
    return at->output ? WS_OK : bad(r, "y, h_n, c_n, values or indices");
}

static ws_status read_layers(attr_reader *r, ref_attrs *at)
{
    int64_t v = 0;
    if (read_whole(r, r->a, &v))
        return r->f->err->status;
    if (v < 1 || v > SPEC_MAX_OPERANDS / 4)
        return bad(r, "a whole number of at least 1, as many as the operands are for");
    at->num_layers = (int)v;
    return WS_OK;
}

static ws_status read_equation(attr_reader *r, ref_attrs *at)
{
    if (r->a->kind != SPEC_ATTR_STRING)
        return bad(r, "a string like \"bij,jk->bik\"");
    at->equation = r->a->string;
    return WS_OK;
}

static ws_status read_shape(attr_reader *r, ref_attrs *at)
{
    const spec_attr *a = r->a;
    if (a->kind != SPEC_ATTR_LIST || a->n_items > SPEC_MAX_RANK)
        return bad(r, "a list of at most 8 extents");
    for (int i = 0; i < a->n_items; i++)
        if (read_expr(r, &a->item[i], &at->shape[i]))
            return r->f->err->status;
    at->n_shape = a->n_items;
    return WS_OK;
}

static ws_status read_fn(attr_reader *r, ref_attrs *at)
{
    static const char *const names[] = {"sum",    "mean",   "max",       "min",   "prod",
                                        "argmax", "argmin", "logsumexp", "l2norm"};
    for (size_t i = 0; r->a->kind == SPEC_ATTR_STRING && i < WS_COUNT(names); i++)
        if (strcmp(r->a->string, names[i]) == 0) {
            at->fn = (ref_reduce_fn)i;
            return WS_OK;
        }
    return bad(r, "sum, mean, max, min, prod, argmax, argmin, logsumexp or l2norm");
}

static ws_status read_bool(attr_reader *r, bool *out)
{
    if (r->a->kind != SPEC_ATTR_BOOL)
        return bad(r, "true or false");
    *out = r->a->boolean;
    return WS_OK;
}

static ws_status read_number(attr_reader *r, double *out)
{
    if (r->a->kind != SPEC_ATTR_NUMBER)
        return bad(r, "a number");
    *out = r->a->number;
    return WS_OK;
}

static ws_status read_value(attr_reader *r, ref_attrs *at)
{
    return r->a->kind == SPEC_ATTR_STRING ? read_expr(r, r->a, &at->value_expr)
                                          : read_number(r, &at->value);
}

static ws_status read_approximate(attr_reader *r, ref_attrs *at)
{
    const char *s = r->a->kind == SPEC_ATTR_STRING ? r->a->string : "";
    at->tanh_approximation = strcmp(s, "tanh") == 0;
    return at->tanh_approximation || strcmp(s, "none") == 0 ? WS_OK : bad(r, "none or tanh");
}

static ws_status read_count(attr_reader *r, int *out)
{
    int64_t v = 0;
    if (read_whole(r, r->a, &v))
        return r->f->err->status;
    if (v < 1 || v > r->f->in[0]->rank)
        return bad(r, "a number of axes of the operand");
    *out = (int)v;
    return WS_OK;
}

static ws_status read_attr(attr_reader *r, ref_attrs *at)
{
    const char *name = r->a->name;
#define IS(text) (strcmp(name, text) == 0)
    if (IS("dim") || IS("axis")) return read_axis(r, r->a, &at->dim);
    if (IS("dims")) return read_axes(r, at);
    if (IS("keepdim")) return read_bool(r, &at->keepdim);
    if (IS("trans_a")) return read_bool(r, &at->trans_a);
    if (IS("trans_b")) return read_bool(r, &at->trans_b);
    if (IS("approximate")) return read_approximate(r, at);
    if (IS("fn")) return read_fn(r, at);
    if (IS("normalized_dims")) return read_count(r, &at->normalized_dims);
    if (IS("eps")) return read_number(r, &at->eps);
    if (IS("value")) return read_value(r, at);
    if (IS("slope")) return read_number(r, &at->slope);
    if (IS("alpha")) return read_number(r, &at->alpha);
    if (IS("beta")) return read_number(r, &at->beta);
    if (IS("threshold")) return read_number(r, &at->threshold);
    if (IS("exponent")) return read_number(r, &at->exponent);
    if (IS("min")) return read_number(r, &at->least);
    if (IS("max")) return read_number(r, &at->most);
    if (IS("p")) return read_number(r, &at->p);
    if (IS("training")) return read_bool(r, &at->training);
    if (IS("diagonal")) return read_whole(r, r->a, &at->diagonal);
    if (IS("shape")) return read_shape(r, at);
    if (IS("length")) return at->n_shape = 1, read_expr(r, r->a, &at->shape[0]);
    if (IS("kernel")) return read_spatial(r, at->kernel, 1);
    if (IS("stride")) return read_spatial(r, at->stride, 1);
    if (IS("padding")) return read_spatial(r, at->padding, 0);
    if (IS("dilation")) return read_spatial(r, at->dilation, 1);
    if (IS("output_padding")) return read_spatial(r, at->output_padding, 0);
    if (IS("ceil_mode")) return read_bool(r, &at->ceil_mode);
    if (IS("count_include_pad")) return read_bool(r, &at->count_include_pad);
    if (IS("groups") || IS("num_groups")) return read_expr(r, r->a, &at->groups);
    if (IS("start")) return read_expr(r, r->a, &at->start);
    if (IS("stop")) return read_expr(r, r->a, &at->stop);
    if (IS("step")) return read_whole(r, r->a, &at->step);
    if (IS("start_dim")) return read_axis(r, r->a, &at->first_dim);
    if (IS("end_dim")) return read_axis(r, r->a, &at->last_dim);
    if (IS("shifts")) return read_shifts(r, at);
    if (IS("pad")) return read_pad(r, at);
    if (IS("num_layers")) return read_layers(r, at);
    if (IS("bidirectional")) return read_bool(r, &at->bidirectional);
    if (IS("batch_first")) return read_bool(r, &at->batch_first);
    if (IS("output")) return read_output(r, at);
    if (IS("k")) return read_expr(r, r->a, &at->k);
    if (IS("descending")) return read_bool(r, &at->descending);
    if (IS("largest")) return read_bool(r, &at->largest);
    if (IS("block")) return read_block(r, at);
    if (IS("equation")) return read_equation(r, at);
    if (IS("mode")) return read_mode(r, at);
#undef IS
    return ref_infer_fail(r->f, "unknown attribute '%s'", name);
}

static bool op_takes(const ref_op *op, const char *attr)
{
    size_t n = strlen(attr);
    if (strcmp(attr, "axis") == 0)
        return op_takes(op, "dim");
    for (const char *p = op->attrs; *p; p += strcspn(p, " "), p += *p == ' ')
        if (strncmp(p, attr, n) == 0 && (p[n] == ' ' || !p[n]))
            return true;
    return false;
}

static ws_status read_attrs(ref_infer *f, const ref_op *op)
{
    int last = f->n_in && f->in[0]->rank ? f->in[0]->rank - 1 : 0;
    *f->at = (ref_attrs){.eps = 1e-5, .alpha = 1, .slope = 0.01, .beta = 1, .threshold = 20,
                         .exponent = 1, .least = -(double)INFINITY, .most = (double)INFINITY,
                         .p = 0.5, .training = true, .count_include_pad = true,
                         .normalized_dims = 1, .dim = last, .last_dim = last, .step = 1,
                         .num_layers = 1, .largest = true,
                         .kernel = {1, 1, 1}, .stride = {1, 1, 1}, .dilation = {1, 1, 1}};
    for (int i = 0; i < f->spec->n_attrs; i++) {
        attr_reader r = {f, &f->spec->attr[i]};
        if (!op_takes(op, r.a->name))
            return ref_infer_fail(f, "the op has no attribute '%s'; it has: %s", r.a->name,
                                  *op->attrs ? op->attrs : "none");
        if (read_attr(&r, f->at))
            return f->err->status;
    }
    return WS_OK;
}

/* ---- building ---- */

static int find_in_scope(const ref_graph *g, const char *name, int scope)
{
    for (int i = 0; i < g->n_values; i++)
        if (g->value[i].name && g->value[i].scope == scope && strcmp(g->value[i].name, name) == 0)
            return i;
    return -1;
}

/* A body sees its own names, then those of the graph. */
static int find_value(const ref_graph *g, const char *name, int scope)
{
    int v = scope ? find_in_scope(g, name, scope) : -1;
    return v >= 0 ? v : find_in_scope(g, name, 0);
}

/* Of the arithmetic that reads it: f32 where the result is asked for in f32. */
static ws_dtype literal_dtype(const ref_graph *g, const spec_node *sn)
{
    return sn->dtype == WS_F32 && ws_dtype_roundoff(g->spec->precision) > 0x1p-24
               ? WS_F32
               : g->spec->precision;
}

static int add_literal(ref_graph *g, double v, ws_dtype dtype)
{
    g->value[g->n_values] =
        (ref_value){.dtype = dtype, .tensor = -1, .node = -1, .is_literal = true, .literal = v};
    return g->n_values++;
}

/* `scope` 0: node `index` of the graph; else a node of the body of the scan at `index`. */
static ws_status add_node(ref_graph *g, ref_node *n, const spec_node *sn, int index, int scope,
                          ws_err *err)
{
    ref_infer f = {
        .graph = g, .spec = sn, .node = index, .self = n, .n_in = sn->n_in, .err = err};
    ref_value out = {.name = sn->out, .dtype = g->spec->precision, .tensor = -1,
                     .node = scope ? -1 : index, .scope = scope};
    n->spec = sn;
    if (!(n->op = find_op(sn->op))) {
        ref_infer_fail(&f, "unknown op '%s'", sn->op);
        const char *near = ws_nearest(sn->op, ref_op_names());
        return near ? ws_hint(err, "did you mean '%s'?", near) : err->status;
    }
    if (sn->n_in < n->op->min_in || sn->n_in > n->op->max_in)
        return ref_infer_fail(&f, "%d operands; the op takes %d to %d", sn->n_in, n->op->min_in,
                              n->op->max_in);
    for (int i = 0; i < sn->n_in; i++) {
        n->in[i] = sn->in[i].name ? find_value(g, sn->in[i].name, scope)
                                  : add_literal(g, sn->in[i].literal, literal_dtype(g, sn));
        f.in[i] = &g->value[n->in[i]];
    }
    n->n_in = sn->n_in;
    n->attrs = f.at = WS_ARENA_NEW(&g->arena, ref_attrs, 1);
    f.out = &out;
    if (read_attrs(&f, n->op) || n->op->infer(&f))
        return err->status;
    if (sn->dtype != WS_DTYPE_COUNT)
        out.dtype = sn->dtype;
    for (int d = 0; d < out.rank; d++)
        if (ws_expr_size(out.dim[d]) > MAX_EXTENT)
            return ref_infer_fail(&f, "extent %d of the result is an expression of more than %d terms", d,
                                  MAX_EXTENT);
    out.exact = n->op->moves || strcmp(sn->op, "cast") == 0;
    for (int i = 0; i < n->n_in; i++)
        out.exact &= g->value[n->in[i]].exact;
    n->out = g->n_values;
    g->value[g->n_values++] = out;
    return WS_OK;
}

int ref_body_value(ref_infer *f, const char *name, const ref_value *like)
{
    ref_value *v = &f->graph->value[f->graph->n_values];
    *v = (ref_value){
        .name = name, .dtype = like->dtype, .tensor = -1, .node = -1, .scope = 1 + f->node};
    ref_same_shape(v, like);
    return f->graph->n_values++;
}

ws_status ref_infer_body(ref_infer *f)
{
    ref_node *n = f->self;
    n->n_body = f->spec->n_body;
    n->body = WS_ARENA_NEW(&f->graph->arena, ref_node, n->n_body + 1);
    for (int k = 0; k < n->n_body; k++)
        if (add_node(f->graph, &n->body[k], &f->spec->body[k], f->node, 1 + f->node, f->err))
            return ws_wrap(f->err, "body[%d]", k);
    return WS_OK;
}

int ref_find_in_body(const ref_infer *f, const char *name)
{
    return find_value(f->graph, name, 1 + f->node);
}

static int count_literals(const spec_node *n)
{
    int count = 0;
    for (int k = 0; k < n->n_in; k++)
        count += !n->in[k].name;
    return count;
}

/* Room for every tensor, literal and result. */
static int count_values(const spec *s)
{
    int n = s->n_inputs + s->n_weights + s->n_nodes;
    for (int i = 0; i < s->n_nodes; i++) {
        const spec_node *sn = &s->node[i];
        n += count_literals(sn) + sn->n_body + 2; /* x_t and carry */
        for (int k = 0; k < sn->n_body; k++)
            n += count_literals(&sn->body[k]);
    }
    return n;
}

static void add_tensors(ref_graph *g)
{
    for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++) {
        const spec_tensor *t = &g->spec->tensor[i];
        ref_value *v = &g->value[g->n_values++];
        *v = (ref_value){
            .name = t->name, .dtype = t->dtype, .rank = t->rank, .tensor = i, .node = -1,
            .exact = true};
        memcpy(v->dim, t->shape, sizeof v->dim);
    }
}

/* The setup graph makes values of the ranks that it is asked for; ref_bind compares the extents. */
static ws_status add_setup(ref_graph *g, ws_err *err)
{
    const spec *s = g->spec;
    if (ref_graph_new(s->setup, &g->setup, err))
        return ws_wrap(err, "setup");
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        const spec_tensor *t = &s->tensor[i];
        if (t->init.dist != SPEC_DIST_SETUP)
            continue;
        const ref_value *v = &g->setup->value[find_value(g->setup, t->init.setup, 0)];
        if (v->rank != t->rank)
            return ws_fail(err, WS_EINPUT, "init of '%s': '%s' has rank %d, not %d", t->name,
                           v->name, v->rank, t->rank);
    }
    return WS_OK;
}

ws_status ref_graph_new(const spec *s, ref_graph **out, ws_err *err)
{
    ref_graph *g = ws_calloc(1, sizeof *g);
    g->spec = s;
    g->value = WS_ARENA_NEW(&g->arena, ref_value, count_values(s));
    g->node = WS_ARENA_NEW(&g->arena, ref_node, s->n_nodes);
    g->output = WS_ARENA_NEW(&g->arena, int, s->n_outputs);
    add_tensors(g);
    for (int i = 0; i < s->n_nodes; i++, g->n_nodes++)
        if (add_node(g, &g->node[i], &s->node[i], i, 0, err)) {
            ref_graph_free(g);
            return err->status;
        }
    if (s->setup && add_setup(g, err)) {
        ref_graph_free(g);
        return err->status;
    }
    for (int o = 0; o < s->n_outputs; o++)
        g->output[g->n_outputs++] = find_value(g, s->output[o], 0);
    *out = g;
    return WS_OK;
}

void ref_graph_free(ref_graph *g)
{
    if (!g)
        return;
    ref_graph_free(g->setup);
    ws_arena_release(&g->arena);
    free(g);
}

/* ---- binding ---- */

static ws_status bind_shape(const ref_value *v, const ws_env *env, ref_shape *s, ws_err *err)
{
    s->rank = v->rank;
    return spec_shape(v->name, v->dim, v->rank, env, s->dim, &s->count, err);
}

static ws_status bind_setup(ref_bound *b, ws_arena *a, ws_err *err)
{
    const ref_graph *g = b->graph;
    if (ref_bind(g->setup, &b->env, a, &b->setup, err))
        return ws_wrap(err, "setup");
    for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++) {
        const spec_init *init = &g->spec->tensor[i].init;
        const ref_shape *s = &b->shape[i];
        if (init->dist != SPEC_DIST_SETUP)
            continue;
        const ref_shape *made = &b->setup->shape[find_value(g->setup, init->setup, 0)];
        if (memcmp(made->dim, s->dim, (size_t)s->rank * sizeof *s->dim))
            return ws_fail(err, WS_EINPUT, "init of '%s': '%s' of the setup has another shape",
                           g->spec->tensor[i].name, init->setup);
    }
    return WS_OK;
}

ws_status ref_bind(const ref_graph *g, const ws_env *env, ws_arena *a, ref_bound **out, ws_err *err)
{
    ref_bound *b = WS_ARENA_NEW(a, ref_bound, 1);
    *b = (ref_bound){.graph = g, .env = *env, .shape = WS_ARENA_NEW(a, ref_shape, g->n_values)};
    for (int i = 0; i < g->n_needs; i++) {
        const ref_need *n = &g->need[i];
        int64_t holds;
        if (ws_expr_eval(n->condition, env, &holds, err))
            return ws_wrap(err, "graph[%d]", n->node);
        if (!holds) {
            ws_buf text = {.max = 300};
            ws_expr_print(n->condition, &text);
            ws_fail(err, WS_EINPUT, "graph[%d] (%s): %s: '%s' does not hold", n->node,
                    g->spec->node[n->node].op, n->text, ws_buf_z(&text));
            ws_buf_release(&text);
            return err->status;
        }
    }
    for (int i = 0; i < g->n_values; i++)
        if (bind_shape(&g->value[i], env, &b->shape[i], err))
            return err->status;
    if (g->setup && bind_setup(b, a, err))
        return err->status;
    *out = b;
    return WS_OK;
}
