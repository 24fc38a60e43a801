#include "reference/algebra_rules.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* name, what holds, and whether it is worth naming when it saves no operation. */
static const struct {
    const char *name, *text;
    ref_rule_fn apply;
    bool equal;
} rules[] = {
    {"range", "the operand is never where this does anything", ref_rule_range, true},
    {"constant", "the result is one number for any inputs", ref_rule_constant, true},
    {"one element", "over one element this is a copy", ref_rule_one, true},
    {"multiples", "a x + b x is (a + b) x", ref_rule_multiples, true},
    {"scales and clamps", "scales and clamps in a row are one of each", ref_rule_scales, true},
    {"shift before norm", "what is added to a whole channel, the norm takes away",
     ref_rule_shift_norm, true},
    {"shift before mean", "what is added to all, x - mean(x) takes away", ref_rule_shift_mean,
     true},
    {"shift before softmax", "softmax(x + c) is softmax(x)", ref_rule_shift_softmax, true},
    {"sum of a product", "the sum over products is the product with summed factors", ref_rule_sum,
     false},
    {"pool of a convolution", "the average over windows is one convolution", ref_rule_pool, false},
    {"pool of features", "the average over features is the product with averaged weights",
     ref_rule_pool_features, false},
    {"order of products", "(A B) C is A (B C)", ref_rule_order, false},
    {"layer on layer", "two linear layers are one", ref_rule_linear, false},
    {"scale of a layer", "a scale is folded into the weights", ref_rule_fold_scale, false},
    {"shift of a layer", "a shift is folded into the bias", ref_rule_fold_shift, false},
};

/* ---- reading ---- */

bool ref_is_op(const ref_node *n, const char *op)
{
    return strcmp(n->op->name, op) == 0;
}

const ref_node *ref_maker(const ref_rewriter *r, int v, const char *op)
{
    int k = r->g->value[v].node;
    if (k < 0 || r->g->node[k].spec->dtype != WS_DTYPE_COUNT ||
        !ws_dtype_is_float(r->g->value[v].dtype)) /* whole numbers truncate */
        return NULL;
    return !op || ref_is_op(&r->g->node[k], op) ? &r->g->node[k] : NULL;
}

bool ref_is_one(const ws_expr *e)
{
    int64_t v = 0;
    return ws_expr_is_const(e, &v) && v == 1;
}

bool ref_same_form(const ref_value *a, const ref_value *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++)
        same = ws_expr_same(a->dim[d], b->dim[d]);
    return same;
}

bool ref_is_flat(const ref_value *v, int rank, int d)
{
    int own = d - (rank - v->rank);
    return own < 0 || ref_is_one(v->dim[own]);
}

/* ---- writing ---- */

const char *ref_text(ref_rewriter *r, int v)
{
    const ref_value *value = &r->g->value[v];
    if (value->is_literal && isinf(value->literal)) /* as JSON can have it */
        return value->literal > 0 ? "1e999" : "-1e999";
    return value->is_literal ? ws_arena_printf(&r->a, "%.17g", value->literal)
                             : ws_arena_printf(&r->a, "\"%s\"", value->name);
}

const char *ref_text_dim(ref_rewriter *r, const ws_expr *e)
{
    ws_buf text = {0};
    ws_expr_print(e, &text);
    const char *out = ws_arena_printf(&r->a, "\"%s\"", ws_buf_z(&text));
    ws_buf_release(&text);
    return out;
}

const char *ref_text_shape(ref_rewriter *r, int v)
{
    const ref_value *value = &r->g->value[v];
    const char *out = "";
    for (int d = 0; d < value->rank; d++)
        out = ws_arena_printf(&r->a, "%s%s%s", out, d ? "," : "", ref_text_dim(r, value->dim[d]));
    return ws_arena_printf(&r->a, "[%s]", out);
}

/* A name that nothing has. */
static const char *new_name(ref_rewriter *r)
{
    for (;;) {
        const char *name = ws_arena_printf(&r->a, "r%d_", r->fresh++);
        bool taken = false;
        for (int v = 0; v < r->g->n_values && !taken; v++)
            taken = strcmp(r->g->value[v].name ? r->g->value[v].name : "", name) == 0;
        if (!taken)
            return name;
    }
}

const char *ref_write(ref_rewriter *r, const char *fmt, ...)
{
    ws_buf body = {0};
    va_list ap;
    const char *name = new_name(r);
    va_start(ap, fmt);
    ws_buf_vprintf(&body, fmt, ap);
    va_end(ap);
    cJSON *node = cJSON_Parse(ws_arena_printf(&r->a, "{\"out\":\"%s\",%s}", name, ws_buf_z(&body)));
    ws_buf_release(&body);
    if (!node)
        ws_bug("a rule wrote a node that is no JSON");
    cJSON_AddItemToArray(r->nodes, node);
    return ws_arena_printf(&r->a, "\"%s\"", name);
}

const char *ref_write_like(ref_rewriter *r, const ref_node *n, const char *in)
{
    const char *name = new_name(r);
    cJSON *graph = cJSON_GetObjectItemCaseSensitive(r->g->spec->root, "graph");
    cJSON *node = cJSON_Duplicate(cJSON_GetArrayItem(graph, (int)(n - r->g->node)), true);
    cJSON_ReplaceItemInObject(node, "out", cJSON_CreateString(name));
    cJSON_ReplaceItemInObject(node, "in", cJSON_Parse(ws_arena_printf(&r->a, "[%s]", in)));
    cJSON_AddItemToArray(r->nodes, node);
    return ws_arena_printf(&r->a, "\"%s\"", name);
}

const char *ref_write_with(ref_rewriter *r, const ref_node *n, const char *first)
{
    for (int i = 1; i < n->n_in; i++)
        first = ws_arena_printf(&r->a, "%s,%s", first, ref_text(r, n->in[i]));
    return ref_write_like(r, n, first);
}

const char *ref_write_table(ref_rewriter *r, const char *rows, const char *columns,
                            const char *value)
{
    const char *name = new_name(r);
    cJSON *t = cJSON_Parse(ws_arena_printf(&r->a,
                                           "{\"name\":\"%s\",\"dtype\":\"f32\",\"shape\":[%s,%s],"
                                           "\"init\":{\"dist\":\"expr\",\"value\":\"%s\"}}",
                                           name, rows, columns, value));
    if (!t)
        ws_bug("a rule wrote a table that is no JSON");
    cJSON_AddItemToArray(r->weights, t);
    return ws_arena_printf(&r->a, "\"%s\"", name);
}

const char *ref_write_count(ref_rewriter *r, int v, const bool *axis)
{
    const ref_value *value = &r->g->value[v];
    const ws_expr *n = ws_expr_const(&r->a, 1);
    for (int d = 0; d < value->rank; d++)
        if (axis[d])
            n = ws_expr_binary(&r->a, WS_X_MUL, n, value->dim[d]);
    return ref_write(r, "\"op\":\"full\",\"in\":[],\"shape\":[1],\"value\":%s", ref_text_dim(r, n));
}

/* ---- applying a rule ---- */

static void rename_in(cJSON *list, const char *from, const cJSON *to)
{
    for (int i = 0; i < cJSON_GetArraySize(list); i++) {
        const cJSON *v = cJSON_GetArrayItem(list, i);
        if (cJSON_IsString(v) && strcmp(v->valuestring, from) == 0)
            cJSON_ReplaceItemInArray(list, i, cJSON_Duplicate(to, true));
    }
}

static bool names(const cJSON *list, const char *name)
{
    const cJSON *v;
    cJSON_ArrayForEach(v, list)
    {
        if (cJSON_IsString(v) && strcmp(v->valuestring, name) == 0)
            return true;
    }
    return false;
}

static cJSON *member(const cJSON *o, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(o, name);
}

/* Drops nodes that no output needs. */
static void prune(cJSON *root)
{
    cJSON *graph = member(root, "graph");
    for (int k = cJSON_GetArraySize(graph) - 1; k >= 0; k--) {
        const char *out = member(cJSON_GetArrayItem(graph, k), "out")->valuestring;
        bool live = names(member(root, "outputs"), out);
        for (int i = k + 1; i < cJSON_GetArraySize(graph) && !live; i++)
            live = names(member(cJSON_GetArrayItem(graph, i), "in"), out);
        if (!live)
            cJSON_DeleteItemFromArray(graph, k);
    }
}

static void move_all(cJSON *from, cJSON *to)
{
    cJSON *item;
    while ((item = cJSON_DetachItemFromArray(from, 0)))
        cJSON_AddItemToArray(to, item);
}

/* The spec's JSON with `text` in place of node k. */
static cJSON *replace_node(ref_rewriter *r, int k, const char *text)
{
    const spec *s = r->g->spec;
    cJSON *root = cJSON_Duplicate(s->root, true), *old = member(root, "graph");
    cJSON *graph = cJSON_CreateArray(), *to = cJSON_Parse(text), *node;
    const cJSON *last = cJSON_GetArrayItem(r->nodes, cJSON_GetArraySize(r->nodes) - 1);
    const char *out = s->node[k].out;
    bool is_new = last && cJSON_IsString(to) &&
                  strcmp(to->valuestring, member(last, "out")->valuestring) == 0;
    if (is_new) /* it takes the name that readers know */
        cJSON_SetValuestring(member(last, "out"), out);
    for (int i = 0; (node = cJSON_DetachItemFromArray(old, 0)); i++) {
        if (i != k) {
            cJSON_AddItemToArray(graph, node);
            continue;
        }
        cJSON_Delete(node);
        move_all(r->nodes, graph);
    }
    cJSON_ReplaceItemInObject(root, "graph", graph);
    if (!is_new) {
        cJSON_ArrayForEach(node, graph)
        {
            rename_in(member(node, "in"), out, to);
        }
        rename_in(member(root, "outputs"), out, to);
    }
    if (cJSON_GetArraySize(r->weights) && !member(root, "weights"))
        cJSON_AddItemToObject(root, "weights", cJSON_CreateArray());
    move_all(r->weights, member(root, "weights"));
    cJSON_Delete(to);
    prune(root);
    return root;
}

/* An output must stay a node: what is there already is copied for it. */
static const char *keep_output(ref_rewriter *r, const ref_node *n, const char *text)
{
    const ref_graph *g = r->g;
    bool is_output = false, is_node = false;
    for (int o = 0; o < g->n_outputs; o++)
        is_output |= g->output[o] == n->out;
    if (!is_output || cJSON_GetArraySize(r->nodes))
        return text;
    for (int k = 0; k < g->n_nodes; k++)
        is_node |= text[0] == '"' && strlen(text) == strlen(g->node[k].spec->out) + 2 &&
                   strncmp(text + 1, g->node[k].spec->out, strlen(text) - 2) == 0;
    if (is_node)
        return text;
    return ref_write(r, "\"op\":\"reshape\",\"in\":[%s],\"shape\":%s", text,
                     ref_text_shape(r, n->out));
}

static bool count_work(const spec *s, double *flops)
{
    ws_err err = {0};
    ref_graph *g = NULL;
    ref_cost cost;
    ws_env env = spec_env(s, -1);
    bool good = !ref_graph_new(s, &g, &err) && !ref_cost_at(g, &env, &cost, &err);
    if (good)
        *flops = cost.flops;
    ref_graph_free(g);
    return good;
}

/* The spec with rule q at node k, when it applies. */
static spec *apply(ref_rewriter *r, size_t q, int k)
{
    const ref_node *n = &r->g->node[k];
    ws_buf text = {0};
    ws_err err = {0};
    spec *out = NULL;
    r->visits = 0;
    r->nodes = cJSON_CreateArray();
    r->weights = cJSON_CreateArray();
    const char *with = ref_maker(r, n->out, NULL) ? rules[q].apply(r, n) : NULL;
    if (with) {
        cJSON *root = replace_node(r, k, keep_output(r, n, with));
        ws_json_print(root, false, &text);
        if (spec_from_text(text.p, text.n, r->g->spec->path, &out, &err))
            out = NULL;
        cJSON_Delete(root);
    }
    cJSON_Delete(r->nodes);
    cJSON_Delete(r->weights);
    ws_buf_release(&text);
    return out;
}

/* ---- the whole graph ---- */

/* Pairs of rule and node that saved nothing: they are not tried again. */
typedef struct refusals {
    char (*what)[96];
    int n, max;
} refusals;

static bool is_refused(const refusals *f, size_t q, const char *node)
{
    char what[96];
    snprintf(what, sizeof what, "%zu %s", q, node);
    for (int i = 0; i < f->n; i++)
        if (strcmp(f->what[i], what) == 0)
            return true;
    return false;
}

/* One step: the first rule that saves something. *s becomes the spec after it. */
static bool step(spec **s, ref_rewriting *out, refusals *f, int *fresh, ws_err *err)
{
    ref_rewriter r = {.fresh = *fresh};
    ref_graph *g = NULL;
    double before, after;
    bool done = false;
    if (!count_work(*s, &before) || ref_graph_new(*s, &g, err))
        return false;
    r.g = g;
    ref_find_ranges(&r);
    for (size_t q = 0; q < WS_COUNT(rules) && !done; q++)
        for (int k = 0; k < g->n_nodes && !done && f->n < f->max; k++) {
            const char *name = g->node[k].spec->out;
            spec *next = is_refused(f, q, name) ? NULL : apply(&r, q, k);
            if (!next)
                continue;
            done =
                count_work(next, &after) && (after < before || (rules[q].equal && after <= before));
            if (!done) {
                snprintf(f->what[f->n++], sizeof *f->what, "%zu %s", q, name);
                spec_free(next);
                continue;
            }
            ref_step *to = &out->step[out->n++];
            *to = (ref_step){
                .rule = rules[q].name, .text = rules[q].text, .before = before, .after = after};
            snprintf(to->node, sizeof to->node, "%s", name);
            ref_graph_free(g);
            g = NULL;
            spec_free(*s);
            *s = next;
        }
    *fresh = r.fresh;
    ref_graph_free(g);
    ws_arena_release(&r.a);
    return done;
}

ws_status ref_rewrite(const spec *s, ref_rewriting *out, ws_err *err)
{
    enum { MAX_REFUSED = 256 };
    refusals f = {ws_calloc(MAX_REFUSED, sizeof *f.what), 0, MAX_REFUSED};
    int fresh = 0;
    *out = (ref_rewriting){0};
    spec *now = NULL;
    ws_buf text = {0};
    ws_json_print(s->root, false, &text);
    ws_status st = spec_from_text(text.p, text.n, s->path, &now, err);
    while (!st && out->n < REF_MAX_STEPS && step(&now, out, &f, &fresh, err)) {
    }
    if (!st && out->n)
        out->s = now;
    else
        spec_free(now);
    free(f.what);
    ws_buf_release(&text);
    return st;
}

void ref_rewriting_release(ref_rewriting *r)
{
    spec_free(r->s);
    *r = (ref_rewriting){0};
}
