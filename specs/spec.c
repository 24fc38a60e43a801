/* Loader and checker of spec files. One function per part of the format; each error begins with the
 * place. */
#include "specs/load.h"

#include "base/file.h"
#include "base/json.h"
#include "base/sha256.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ws_status spec_load_fail(spec_loader *l, const char *where, const char *what)
{
    return ws_fail(l->err, WS_EINPUT, "%s: %s", where, what);
}

char *spec_load_place(spec_loader *l, const char *array, int i)
{
    return ws_arena_printf(&l->s->arena, "%s[%d]", array, i);
}

bool spec_load_identifier(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

ws_status spec_load_number(spec_loader *l, const cJSON *o, const char *where, const char *key,
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

ws_status spec_load_dtype(spec_loader *l, const char *where, const char *key, const char *name,
                          ws_dtype *out)
{
    if (ws_dtype_parse(name, out))
        return WS_OK;
    return ws_fail(l->err, WS_EINPUT, "%s%s%s: unknown dtype '%s'", where, *where ? "." : "", key,
                   name);
}

/* ---- dims and check shapes ---- */

static ws_status load_binding(spec_loader *l, const char *where, const cJSON *v, ws_binding *out)
{
    char path[256];
    snprintf(path, sizeof path, "%s.%s", where, v->string);
    out->name = v->string;
    if (!spec_load_identifier(v->string))
        return spec_load_fail(l, path, "a dim's name is letters, digits and _");
    if (!ws_json_whole(v, &out->value) || out->value < 0)
        return spec_load_fail(l, path, "expected a whole number of at least 0");
    return WS_OK;
}

static ws_status load_dims(spec_loader *l)
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

static ws_status load_check_row(spec_loader *l, const cJSON *row, int i)
{
    spec *s = l->s;
    const cJSON *v;
    const char *where = spec_load_place(l, "check", i);
    ws_binding *b = WS_ARENA_NEW(&s->arena, ws_binding, s->n_dims + 1);
    if (!cJSON_IsObject(row))
        return spec_load_fail(l, where, "expected an object of dims");
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

static ws_status load_checks(spec_loader *l)
{
    spec *s = l->s;
    const cJSON *check, *row;
    if (ws_json_array(s->root, "", "check", &check, l->err))
        return l->err->status;
    int n = cJSON_GetArraySize(check);
    if (!n)
        return spec_load_fail(l, "check", "at least one shape to prove correctness at is needed");
    s->check = WS_ARENA_NEW(&s->arena, ws_binding *, n);
    cJSON_ArrayForEach(row, check)
    {
        if (load_check_row(l, row, s->n_checks))
            return l->err->status;
        s->n_checks++;
    }
    return WS_OK;
}

/* A list of names that must exist: outputs (nodes, or inputs that are mutated) and mutates
 * (inputs). */
static ws_status load_names(spec_loader *l, const char *key, bool required, const char ***out,
                            int *n)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(l->s->root, key), *v;
    if (!list)
        return required ? ws_fail(l->err, WS_EINPUT, "missing '%s'", key) : WS_OK;
    if (!cJSON_IsArray(list) || (required && !cJSON_GetArraySize(list)))
        return spec_load_fail(l, key, "expected an array of names");
    *out = WS_ARENA_NEW(&l->s->arena, const char *, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(v, list)
    {
        if (!cJSON_IsString(v) || !spec_load_defined(l->s, v->valuestring))
            return ws_fail(l->err, WS_EINPUT, "%s[%d]: no tensor or node is called '%s'", key, *n,
                           cJSON_IsString(v) ? v->valuestring : "?");
        (*out)[(*n)++] = v->valuestring;
    }
    return WS_OK;
}

static ws_status load_outputs(spec_loader *l)
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

static ws_status load_graph(spec_loader *l)
{
    const cJSON *graph;
    if (ws_json_array(l->s->root, "", "graph", &graph, l->err))
        return l->err->status;
    return spec_load_graph(l, graph, "graph");
}

/* ---- setup ---- */

/* Each value that an init names is an output of the setup graph, once. */
static ws_status name_setup_values(spec_loader *l, spec *setup)
{
    spec *s = l->s;
    int n = s->n_inputs + s->n_weights;
    setup->output = WS_ARENA_NEW(&s->arena, const char *, n + 1);
    for (int i = 0; i < n; i++) {
        const spec_tensor *t = &s->tensor[i];
        int o = 0;
        if (t->init.dist != SPEC_DIST_SETUP)
            continue;
        if (spec_find_tensor(setup, t->init.setup) || !spec_load_defined(setup, t->init.setup))
            return ws_fail(l->err, WS_EINPUT, "init of '%s': no node of 'setup' is called '%s'",
                           t->name, t->init.setup);
        while (o < setup->n_outputs && strcmp(setup->output[o], t->init.setup))
            o++;
        if (o == setup->n_outputs)
            setup->output[setup->n_outputs++] = t->init.setup;
    }
    return setup->n_outputs ? WS_OK : spec_load_fail(l, "setup", "no init reads it");
}

static ws_status load_setup(spec_loader *l)
{
    static const char *const known[] = {"tensors", "graph", NULL};
    spec *s = l->s;
    const cJSON *o = cJSON_GetObjectItemCaseSensitive(s->root, "setup"), *tensors, *graph;
    spec *setup = ws_calloc(1, sizeof *setup);
    spec_loader inner = {setup, l->err};
    s->setup = setup; /* released with its owner */
    *setup = (spec){.path = s->path,
                    .name = s->name,
                    .dim = s->dim,
                    .n_dims = s->n_dims,
                    .check = s->check,
                    .n_checks = s->n_checks,
                    .precision = WS_F64,
                    .accumulate = WS_F64,
                    .rtol = -1,
                    .atol = -1};
    if (!cJSON_IsObject(o))
        return o ? spec_load_fail(l, "setup", "expected an object") : name_setup_values(l, setup);
    if (ws_json_only(o, "setup", known, l->err) ||
        ws_json_array(o, "setup", "tensors", &tensors, l->err) ||
        ws_json_array(o, "setup", "graph", &graph, l->err))
        return l->err->status;
    setup->tensor = WS_ARENA_NEW(&setup->arena, spec_tensor, cJSON_GetArraySize(tensors) + 1);
    if (spec_load_tensor_list(&inner, tensors, "setup.tensors", false) ||
        spec_load_graph(&inner, graph, "setup.graph"))
        return l->err->status;
    for (int i = 0; i < setup->n_inputs; i++)
        if (setup->tensor[i].init.dist == SPEC_DIST_SETUP)
            return ws_fail(l->err, WS_EINPUT, "setup.tensors[%d].init: a setup in a setup", i);
    return name_setup_values(l, setup);
}

static bool wants_setup(const spec *s)
{
    bool wants = cJSON_GetObjectItemCaseSensitive(s->root, "setup") != NULL;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++)
        wants |= s->tensor[i].init.dist == SPEC_DIST_SETUP;
    return wants;
}

/* ---- the rest ---- */

static ws_status optional_string(spec_loader *l, const char *key, const char **out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(l->s->root, key);
    if (!v)
        return WS_OK;
    if (!cJSON_IsString(v))
        return spec_load_fail(l, key, "expected a string");
    *out = v->valuestring;
    return WS_OK;
}

static ws_status optional_dtype(spec_loader *l, const char *key, ws_dtype *out)
{
    const char *name = NULL;
    if (optional_string(l, key, &name))
        return l->err->status;
    return name ? spec_load_dtype(l, "", key, name, out) : WS_OK;
}

static ws_status load_tolerance(spec_loader *l)
{
    static const char *const known[] = {"rtol", "atol", NULL};
    spec *s = l->s;
    const cJSON *t = cJSON_GetObjectItemCaseSensitive(s->root, "tolerance");
    s->rtol = s->atol = -1;
    if (!t)
        return WS_OK;
    if (!cJSON_IsObject(t))
        return spec_load_fail(l, "tolerance", "expected an object with rtol and atol");
    if (ws_json_only(t, "tolerance", known, l->err) ||
        spec_load_number(l, t, "tolerance", "rtol", 0, &s->rtol) ||
        spec_load_number(l, t, "tolerance", "atol", 0, &s->atol))
        return l->err->status;
    return s->rtol >= 0 && s->atol >= 0 ? WS_OK : spec_load_fail(l, "tolerance", "below zero");
}

static ws_status load_head(spec_loader *l)
{
    static const char *const known[] = {
        "schema",     "name",      "title",   "suite",     "source",  "notes",   "dims",
        "check",      "inputs",    "weights", "graph",     "outputs", "mutates", "precision",
        "accumulate", "tolerance", "generic", "economics", "setup",   NULL};
    spec *s = l->s;
    const cJSON *schema = cJSON_GetObjectItemCaseSensitive(s->root, "schema");
    const cJSON *generic = cJSON_GetObjectItemCaseSensitive(s->root, "generic");
    if (!cJSON_IsObject(s->root))
        return ws_fail(l->err, WS_EINPUT, "expected an object");
    if (!cJSON_IsNumber(schema) || schema->valuedouble != 1)
        return spec_load_fail(l, "schema", "expected 1");
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
        return spec_load_fail(l, "generic", "expected true or false");
    s->generic = cJSON_IsTrue(generic);
    return load_tolerance(l);
}

ws_status spec_from_text(const char *text, size_t n, const char *path, spec **out, ws_err *err)
{
    spec *s = ws_calloc(1, sizeof *s);
    spec_loader l = {s, err};
    ws_buf canonical = {0};
    s->path = ws_arena_strdup(&s->arena, path);
    if (ws_json_parse(text, n, &s->root, err) || load_head(&l) || load_dims(&l) ||
        load_checks(&l) || spec_load_economics(&l) || spec_load_tensors(&l) ||
        load_graph(&l) || load_outputs(&l) || (wants_setup(s) && load_setup(&l))) {
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
    spec_free(s->setup);
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
