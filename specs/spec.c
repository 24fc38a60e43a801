/* Loader and checker of spec files. One function per part of the format; each error begins with the
 * place. */
#include "specs/spec.h"

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct loader {
    spec *s;
    ws_err *err;
} loader;

static ws_status fail(loader *l, const char *where, const char *what)
{
    return ws_fail(l->err, WS_EINPUT, "%s: %s", where, what);
}

static char *place(loader *l, const char *array, int i)
{
    return ws_arena_printf(&l->s->arena, "%s[%d]", array, i);
}

static bool is_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

/* "-inf", "inf" and "nan" stand for the values that JSON lacks. */
static bool special_number(const char *text, double *out)
{
    static const struct {
        const char *text;
        double value;
    } table[] = {{"inf", (double)INFINITY}, {"-inf", -(double)INFINITY}, {"nan", (double)NAN}};
    for (size_t i = 0; i < WS_COUNT(table); i++)
        if (strcmp(text, table[i].text) == 0) {
            *out = table[i].value;
            return true;
        }
    return false;
}

/* ---- dims and check shapes ---- */

static ws_status load_binding(loader *l, const char *where, const cJSON *v, ws_binding *out)
{
    char path[256];
    snprintf(path, sizeof path, "%s.%s", where, v->string);
    out->name = v->string;
    if (!is_identifier(v->string))
        return fail(l, path, "a dim's name is letters, digits and _");
    if (!ws_json_whole(v, &out->value) || out->value < 0)
        return fail(l, path, "expected a whole number of at least 0");
    return WS_OK;
}

static ws_status load_dims(loader *l)
{
    spec *s = l->s;
    const cJSON *dims, *v;
    if (ws_json_object(s->root, "", "dims", &dims, l->err))
        return l->err->status;
    s->dim = WS_ARENA_NEW(&s->arena, ws_binding, cJSON_GetArraySize(dims) + 1);
    cJSON_ArrayForEach(v, dims)
    {
        if (load_binding(l, "dims", v, &s->dim[s->n_dims++]))
            return l->err->status;
    }
    return WS_OK;
}

static ws_status load_check_row(loader *l, const cJSON *row, int i)
{
    spec *s = l->s;
    const cJSON *v;
    const char *where = place(l, "check", i);
    ws_binding *b = WS_ARENA_NEW(&s->arena, ws_binding, s->n_dims + 1);
    if (!cJSON_IsObject(row))
        return fail(l, where, "expected an object of dims");
    memcpy(b, s->dim, (size_t)s->n_dims * sizeof *b);
    cJSON_ArrayForEach(v, row)
    {
        int d = 0;
        while (d < s->n_dims && strcmp(s->dim[d].name, v->string))
            d++;
        if (d == s->n_dims)
            return ws_fail(l->err, WS_EINPUT, "%s: unknown dim '%s'", where, v->string);
        if (load_binding(l, where, v, &b[d]))
            return l->err->status;
    }
    s->check[i] = b;
    return WS_OK;
}

static ws_status load_checks(loader *l)
{
    spec *s = l->s;
    const cJSON *check, *row;
    if (ws_json_array(s->root, "", "check", &check, l->err))
        return l->err->status;
    int n = cJSON_GetArraySize(check);
    if (!n)
        return fail(l, "check", "at least one shape to prove correctness at is needed");
    s->check = WS_ARENA_NEW(&s->arena, ws_binding *, n);
    cJSON_ArrayForEach(row, check)
    {
        if (load_check_row(l, row, s->n_checks))
            return l->err->status;
        s->n_checks++;
    }
    return WS_OK;
}

/* ---- tensors ---- */

static ws_status init_number(loader *l, const cJSON *o, const char *where, const char *key,
                             double fallback, double *out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    *out = fallback;
    if (!v)
        return WS_OK;
    if (!cJSON_IsNumber(v))
        return ws_fail(l->err, WS_EINPUT, "%s.%s: expected a number", where, key);
    *out = v->valuedouble;
    return WS_OK;
}

/* randint bounds may be expressions; without one the number stands. */
static ws_status init_bound(loader *l, const cJSON *o, const char *where, const char *key,
                            const ws_expr **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    if (!v)
        return ws_fail(l->err, WS_EINPUT, "%s: missing '%s'", where, key);
    return ws_expr_from_json(&l->s->arena, v, out, l->err) ? ws_wrap(l->err, "%s.%s", where, key)
                                                          : WS_OK;
}

static ws_status load_init(loader *l, const cJSON *o, const char *where, spec_init *out)
{
    static const struct {
        const char *name;
        spec_dist dist;
        const char *known[5];
    } kinds[] = {
        {"uniform", SPEC_DIST_UNIFORM, {"dist", "lo", "hi"}},
        {"normal", SPEC_DIST_NORMAL, {"dist", "mean", "std"}},
        {"randint", SPEC_DIST_RANDINT, {"dist", "lo", "hi"}},
        {"const", SPEC_DIST_CONST, {"dist", "value"}},
        {"arange", SPEC_DIST_ARANGE, {"dist", "value", "step"}},
    };
    const char *dist;
    size_t k = 0;
    if (ws_json_string(o, where, "dist", &dist, l->err))
        return l->err->status;
    while (k < WS_COUNT(kinds) && strcmp(kinds[k].name, dist))
        k++;
    if (k == WS_COUNT(kinds))
        return ws_fail(l->err, WS_EINPUT,
                       "%s.dist: unknown '%s'; there are uniform, normal, randint, const, arange",
                       where, dist);
    out->dist = kinds[k].dist;
    if (ws_json_only(o, where, kinds[k].known, l->err))
        return l->err->status;
    if (out->dist == SPEC_DIST_RANDINT)
        return init_bound(l, o, where, "lo", &out->lo_expr)
                   ? l->err->status
                   : init_bound(l, o, where, "hi", &out->hi_expr);
    if (init_number(l, o, where, "lo", 0, &out->lo) ||
        init_number(l, o, where, "hi", 1, &out->hi) ||
        init_number(l, o, where, "mean", 0, &out->mean) ||
        init_number(l, o, where, "std", 1, &out->std) ||
        init_number(l, o, where, "value", 0, &out->value) ||
        init_number(l, o, where, "step", 1, &out->step))
        return l->err->status;
    return WS_OK;
}

typedef struct name_check {
    const spec *s;
    const char *unknown;
} name_check;

static void check_dim_name(void *ud, const char *name)
{
    name_check *c = ud;
    for (int d = 0; d < c->s->n_dims; d++)
        if (strcmp(c->s->dim[d].name, name) == 0)
            return;
    c->unknown = name;
}

static ws_status load_shape(loader *l, const cJSON *shape, const char *where, spec_tensor *t)
{
    const cJSON *v;
    if (cJSON_GetArraySize(shape) > SPEC_MAX_RANK)
        return fail(l, where, "more than 8 dimensions");
    cJSON_ArrayForEach(v, shape)
    {
        name_check c = {l->s, NULL};
        if (ws_expr_from_json(&l->s->arena, v, &t->shape[t->rank], l->err))
            return ws_wrap(l->err, "%s.shape[%d]", where, t->rank);
        ws_expr_names(t->shape[t->rank], check_dim_name, &c);
        if (c.unknown)
            return ws_fail(l->err, WS_EINPUT, "%s.shape[%d]: unknown dim '%s'", where, t->rank,
                           c.unknown);
        t->rank++;
    }
    return WS_OK;
}

static ws_status load_dtype(loader *l, const char *where, const char *key, const char *name,
                            ws_dtype *out)
{
    if (ws_dtype_parse(name, out))
        return WS_OK;
    return ws_fail(l->err, WS_EINPUT, "%s%s%s: unknown dtype '%s'", where, *where ? "." : "", key,
                   name);
}

static ws_status load_tensor(loader *l, const cJSON *o, const char *where, bool is_weight)
{
    static const char *const known[] = {"name", "dtype", "shape", "init", NULL};
    spec *s = l->s;
    spec_tensor *t = &s->tensor[s->n_inputs + s->n_weights];
    const char *dtype;
    const cJSON *shape, *init;
    t->is_weight = is_weight;
    if (ws_json_string(o, where, "name", &t->name, l->err) ||
        ws_json_only(o, where, known, l->err) ||
        ws_json_string(o, where, "dtype", &dtype, l->err) ||
        load_dtype(l, where, "dtype", dtype, &t->dtype) ||
        ws_json_array(o, where, "shape", &shape, l->err) || load_shape(l, shape, where, t))
        return l->err->status;
    if (!is_identifier(t->name))
        return fail(l, where, "a tensor's name is letters, digits and _");
    for (const spec_tensor *p = s->tensor; p < t; p++)
        if (strcmp(p->name, t->name) == 0)
            return ws_fail(l->err, WS_EINPUT, "%s: a tensor '%s' exists already", where, t->name);
    for (int d = 0; d < s->n_dims; d++)
        if (strcmp(s->dim[d].name, t->name) == 0)
            return ws_fail(l->err, WS_EINPUT, "%s: '%s' is a dim", where, t->name);
    t->init = (spec_init){.dist = SPEC_DIST_NORMAL, .std = 1};
    if (!(init = cJSON_GetObjectItemCaseSensitive(o, "init")))
        return WS_OK;
    return load_init(l, init, ws_arena_printf(&s->arena, "%s.init", where), &t->init);
}

static ws_status load_tensors(loader *l)
{
    spec *s = l->s;
    const cJSON *inputs, *weights = cJSON_GetObjectItemCaseSensitive(s->root, "weights"), *o;
    int i = 0;
    if (ws_json_array(s->root, "", "inputs", &inputs, l->err))
        return l->err->status;
    if (weights && !cJSON_IsArray(weights))
        return fail(l, "weights", "expected an array");
    s->tensor = WS_ARENA_NEW(&s->arena, spec_tensor,
                             cJSON_GetArraySize(inputs) + cJSON_GetArraySize(weights) + 1);
    cJSON_ArrayForEach(o, inputs)
    {
        if (load_tensor(l, o, place(l, "inputs", i++), false))
            return l->err->status;
        s->n_inputs++;
    }
    i = 0;
    cJSON_ArrayForEach(o, weights)
    {
        if (load_tensor(l, o, place(l, "weights", i++), true))
            return l->err->status;
        s->n_weights++;
    }
    return WS_OK;
}

/* ---- graph ---- */

static bool is_defined(const spec *s, const char *name)
{
    if (spec_find_tensor(s, name))
        return true;
    for (int i = 0; i < s->n_nodes; i++)
        if (strcmp(s->node[i].out, name) == 0)
            return true;
    return false;
}

static ws_status load_operand(loader *l, const cJSON *v, const char *where, int i,
                              spec_operand *out)
{
    if (cJSON_IsNumber(v)) {
        out->literal = v->valuedouble;
        return WS_OK;
    }
    if (!cJSON_IsString(v))
        return ws_fail(l->err, WS_EINPUT, "%s.in[%d]: expected a tensor's name or a number", where,
                       i);
    if (!is_defined(l->s, v->valuestring)) {
        if (special_number(v->valuestring, &out->literal))
            return WS_OK;
        return ws_fail(l->err, WS_EINPUT, "%s.in[%d]: no tensor or earlier node is called '%s'",
                       where, i, v->valuestring);
    }
    out->name = v->valuestring;
    return WS_OK;
}

static ws_status load_attr(loader *l, const cJSON *v, const char *where, spec_attr *out)
{
    const cJSON *item;
    out->name = v->string;
    if (cJSON_IsNumber(v)) {
        out->kind = SPEC_ATTR_NUMBER;
        out->number = v->valuedouble;
    } else if (cJSON_IsBool(v)) {
        out->kind = SPEC_ATTR_BOOL;
        out->boolean = cJSON_IsTrue(v);
    } else if (cJSON_IsString(v) && special_number(v->valuestring, &out->number)) {
        out->kind = SPEC_ATTR_NUMBER;
    } else if (cJSON_IsString(v)) {
        out->kind = SPEC_ATTR_STRING;
        out->string = v->valuestring;
    } else if (cJSON_IsArray(v)) {
        out->kind = SPEC_ATTR_LIST;
        out->item = WS_ARENA_NEW(&l->s->arena, spec_attr, cJSON_GetArraySize(v) + 1);
        cJSON_ArrayForEach(item, v)
        {
            if (cJSON_IsArray(item))
                return ws_fail(l->err, WS_EINPUT, "%s: a list in a list", where);
            if (load_attr(l, item, where, &out->item[out->n_items++]))
                return l->err->status;
        }
    } else {
        return ws_fail(l->err, WS_EINPUT, "%s.%s: expected a number, bool, string or list", where,
                       v->string ? v->string : "item");
    }
    return WS_OK;
}

static ws_status load_node_dtype(loader *l, const cJSON *o, const char *where, spec_node *n)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, "dtype");
    n->dtype = WS_DTYPE_COUNT;
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v))
        return ws_fail(l->err, WS_EINPUT, "%s.dtype: expected a string", where);
    return load_dtype(l, where, "dtype", v->valuestring, &n->dtype);
}

static ws_status load_node(loader *l, const cJSON *o, int index)
{
    spec *s = l->s;
    spec_node *n = &s->node[index];
    const char *where = place(l, "graph", index);
    const cJSON *in = cJSON_GetObjectItemCaseSensitive(o, "in"), *v;
    n->index = index;
    if (ws_json_string(o, where, "out", &n->out, l->err) ||
        ws_json_string(o, where, "op", &n->op, l->err) || load_node_dtype(l, o, where, n))
        return l->err->status;
    if (!is_identifier(n->out))
        return fail(l, where, "'out' is letters, digits and _");
    if (is_defined(s, n->out))
        return ws_fail(l->err, WS_EINPUT, "%s: '%s' exists already", where, n->out);
    if (in && !cJSON_IsArray(in))
        return ws_fail(l->err, WS_EINPUT, "%s.in: expected an array", where);
    if (cJSON_GetArraySize(in) > SPEC_MAX_OPERANDS)
        return fail(l, where, "more than 8 operands");
    cJSON_ArrayForEach(v, in)
    {
        if (load_operand(l, v, where, n->n_in, &n->in[n->n_in]))
            return l->err->status;
        n->n_in++;
    }
    n->attr = WS_ARENA_NEW(&s->arena, spec_attr, cJSON_GetArraySize(o) + 1);
    cJSON_ArrayForEach(v, o)
    {
        if (!strcmp(v->string, "out") || !strcmp(v->string, "op") || !strcmp(v->string, "in") ||
            !strcmp(v->string, "dtype"))
            continue;
        if (load_attr(l, v, where, &n->attr[n->n_attrs++]))
            return l->err->status;
    }
    return WS_OK;
}

static ws_status load_graph(loader *l)
{
    spec *s = l->s;
    const cJSON *graph, *o;
    if (ws_json_array(s->root, "", "graph", &graph, l->err))
        return l->err->status;
    s->node = WS_ARENA_NEW(&s->arena, spec_node, cJSON_GetArraySize(graph) + 1);
    cJSON_ArrayForEach(o, graph)
    {
        if (load_node(l, o, s->n_nodes))
            return l->err->status;
        s->n_nodes++;
    }
    return s->n_nodes ? WS_OK : fail(l, "graph", "no node");
}

/* A list of names that must exist: outputs (nodes, or inputs that are mutated) and mutates
 * (inputs). */
static ws_status load_names(loader *l, const char *key, bool required, const char ***out, int *n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(l->s->root, key), *v;
    if (!list)
        return required ? ws_fail(l->err, WS_EINPUT, "missing '%s'", key) : WS_OK;
    if (!cJSON_IsArray(list) || (required && !cJSON_GetArraySize(list)))
        return fail(l, key, "expected an array of names");
    *out = WS_ARENA_NEW(&l->s->arena, const char *, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(v, list)
    {
        if (!cJSON_IsString(v) || !is_defined(l->s, v->valuestring))
            return ws_fail(l->err, WS_EINPUT, "%s[%d]: no tensor or node is called '%s'", key, *n,
                           cJSON_IsString(v) ? v->valuestring : "?");
        (*out)[(*n)++] = v->valuestring;
    }
    return WS_OK;
}

static ws_status load_outputs(loader *l)
{
    spec *s = l->s;
    if (load_names(l, "outputs", true, &s->output, &s->n_outputs) ||
        load_names(l, "mutates", false, &s->mutates, &s->n_mutates))
        return l->err->status;
    for (int i = 0; i < s->n_mutates; i++)
        if (!spec_find_tensor(s, s->mutates[i]))
            return ws_fail(l->err, WS_EINPUT, "mutates[%d]: '%s' is not an input", i,
                           s->mutates[i]);
    for (int o = 0; o < s->n_outputs; o++) {
        bool mutated = false;
        for (int i = 0; i < s->n_mutates; i++)
            mutated |= strcmp(s->mutates[i], s->output[o]) == 0;
        if (spec_find_tensor(s, s->output[o]) && !mutated)
            return ws_fail(l->err, WS_EINPUT,
                           "outputs[%d]: '%s' is an input that the spec does not list in 'mutates'",
                           o, s->output[o]);
    }
    return WS_OK;
}

/* ---- the rest ---- */

static ws_status optional_string(loader *l, const char *key, const char **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(l->s->root, key);
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v))
        return fail(l, key, "expected a string");
    *out = v->valuestring;
    return WS_OK;
}

static ws_status optional_dtype(loader *l, const char *key, ws_dtype *out)
{
    const char *name = NULL;
    if (optional_string(l, key, &name))
        return l->err->status;
    return name ? load_dtype(l, "", key, name, out) : WS_OK;
}

static ws_status load_tolerance(loader *l)
{
    static const char *const known[] = {"rtol", "atol", NULL};
    spec *s = l->s;
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(s->root, "tolerance");
    s->rtol = s->atol = -1;
    if (!t)
        return WS_OK;
    if (!cJSON_IsObject(t))
        return fail(l, "tolerance", "expected an object with rtol and atol");
    if (ws_json_only(t, "tolerance", known, l->err) ||
        init_number(l, t, "tolerance", "rtol", 0, &s->rtol) ||
        init_number(l, t, "tolerance", "atol", 0, &s->atol))
        return l->err->status;
    return s->rtol >= 0 && s->atol >= 0 ? WS_OK : fail(l, "tolerance", "below zero");
}

static ws_status load_head(loader *l)
{
    static const char *const known[] = {"schema",  "name",      "title",     "suite",     "source",
                                        "notes",   "dims",      "check",     "inputs",    "weights",
                                        "graph",   "outputs",   "mutates",   "precision",
                                        "accumulate", "tolerance", "generic", "economics", NULL};
    spec *s = l->s;
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(s->root, "schema");
    const cJSON *generic = cJSON_GetObjectItemCaseSensitive(s->root, "generic");
    if (!cJSON_IsObject(s->root))
        return ws_fail(l->err, WS_EINPUT, "expected an object");
    if (!cJSON_IsNumber(schema) || schema->valuedouble != 1)
        return fail(l, "schema", "expected 1");
    if (ws_json_only(s->root, "", known, l->err) ||
        ws_json_string(s->root, "", "name", &s->name, l->err) ||
        optional_string(l, "title", &s->title) || optional_string(l, "suite", &s->suite) ||
        optional_string(l, "source", &s->source) || optional_string(l, "notes", &s->notes))
        return l->err->status;
    s->precision = WS_F32;
    if (optional_dtype(l, "precision", &s->precision))
        return l->err->status;
    s->accumulate = s->precision == WS_F64 ? WS_F64 : WS_F32;
    if (optional_dtype(l, "accumulate", &s->accumulate))
        return l->err->status;
    if (generic && !cJSON_IsBool(generic))
        return fail(l, "generic", "expected true or false");
    s->generic = cJSON_IsTrue(generic);
    s->economics = cJSON_GetObjectItemCaseSensitive(s->root, "economics");
    return load_tolerance(l);
}

ws_status spec_from_text(const char *text, size_t n, const char *path, spec **out, ws_err *err)
{
    spec *s = ws_calloc(1, sizeof *s);
    loader l = {s, err};
    ws_buf canonical = {0};
    s->path = ws_arena_strdup(&s->arena, path);
    if (ws_json_parse(text, n, &s->root, err) || load_head(&l) || load_dims(&l) ||
        load_checks(&l) || load_tensors(&l) || load_graph(&l) || load_outputs(&l)) {
        spec_free(s);
        return ws_wrap(err, "spec '%s'", path);
    }
    ws_json_print(s->root, false, &canonical);
    ws_sha256_of(canonical.p, canonical.n, s->sha256);
    ws_buf_release(&canonical);
    *out = s;
    return WS_OK;
}

ws_status spec_load(const char *path, spec **out, ws_err *err)
{
    ws_buf text = {0};
    ws_status st = ws_read_file(path, SPEC_MAX_BYTES, &text, err);
    if (st)
        ws_wrap(err, "spec");
    else
        st = spec_from_text(ws_buf_z(&text), text.n, path, out, err);
    ws_buf_release(&text);
    return st;
}

void spec_free(spec *s)
{
    if (!s)
        return;
    cJSON_Delete(s->root);
    ws_arena_release(&s->arena);
    free(s);
}

const spec_tensor *spec_find_tensor(const spec *s, const char *name)
{
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        if (strcmp(s->tensor[i].name, name) == 0)
            return &s->tensor[i];
    return NULL;
}

ws_env spec_env(const spec *s, int which)
{
    return (ws_env){which < 0 ? s->dim : s->check[which], (size_t)s->n_dims, NULL};
}

void spec_env_print(const ws_env *env, ws_buf *out)
{
    for (size_t i = 0; i < env->n; i++)
        ws_buf_printf(out, "%s%s=%" PRId64, i ? " " : "", env->item[i].name, env->item[i].value);
}

ws_status spec_shape(const char *name, const ws_expr *const *shape, int rank, const ws_env *env,
                     int64_t dim[SPEC_MAX_RANK], int64_t *count, ws_err *err)
{
    int64_t total = 1;
    for (int d = 0; d < rank; d++) {
        if (ws_expr_eval(shape[d], env, &dim[d], err))
            return ws_wrap(err, "shape of '%s'", name);
        if (dim[d] < 0)
            return ws_fail(err, WS_EINPUT, "dimension %d of '%s' is %" PRId64, d, name, dim[d]);
        if (__builtin_mul_overflow(total, dim[d], &total) || total > INT64_C(1) << 40)
            return ws_fail(err, WS_EINPUT, "'%s' has more than 2^40 elements", name);
    }
    *count = total;
    return WS_OK;
}

ws_status spec_tensor_dims(const spec_tensor *t, const ws_env *env, int64_t dim[SPEC_MAX_RANK],
                           int64_t *count, ws_err *err)
{
    return spec_shape(t->name, t->shape, t->rank, env, dim, count, err);
}
