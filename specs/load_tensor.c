/* Tensors of a spec file and what they contain at first. */
#include "specs/load.h"

#include "base/json.h"

#include <string.h>

/* The members that an init may have: a number with its default, or a required expression or text.
 */
typedef enum member_kind {
    MEMBER_NUMBER,
    MEMBER_EXPR,
    MEMBER_OPTIONAL_EXPR,
    MEMBER_TEXT
} member_kind;
typedef struct member {
    const char *name;
    member_kind kind;
    size_t offset; /* in spec_init */
    double fallback;
    bool coordinates; /* the expression may name i0..i7 */
} member;

#define AT(field) offsetof(spec_init, field)
static const struct {
    const char *name;
    spec_dist dist;
    member member[3];
} kinds[] = {
    {"uniform",
     SPEC_DIST_UNIFORM,
     {{"lo", MEMBER_NUMBER, AT(lo), 0, false}, {"hi", MEMBER_NUMBER, AT(hi), 1, false}}},
    {"normal",
     SPEC_DIST_NORMAL,
     {{"mean", MEMBER_NUMBER, AT(mean), 0, false},
      {"std", MEMBER_NUMBER, AT(std), 1, false},
      {"fan_in", MEMBER_OPTIONAL_EXPR, AT(fan_in), 0, false}}},
    {"randint",
     SPEC_DIST_RANDINT,
     {{"lo", MEMBER_EXPR, AT(lo_expr), 0, false}, {"hi", MEMBER_EXPR, AT(hi_expr), 0, false}}},
    {"const", SPEC_DIST_CONST, {{"value", MEMBER_NUMBER, AT(value), 0, false}}},
    {"arange",
     SPEC_DIST_ARANGE,
     {{"value", MEMBER_NUMBER, AT(value), 0, false}, {"step", MEMBER_NUMBER, AT(step), 1, false}}},
    {"fan_in",
     SPEC_DIST_FAN_IN,
     {{"fan_in", MEMBER_EXPR, AT(fan_in), 0, false}, {"gain", MEMBER_NUMBER, AT(gain), 1, false}}},
    {"bernoulli", SPEC_DIST_BERNOULLI, {{"p", MEMBER_NUMBER, AT(p), 0.5, false}}},
    {"expr", SPEC_DIST_EXPR, {{"value", MEMBER_EXPR, AT(expr), 0, true}}},
    {"setup", SPEC_DIST_SETUP, {{"value", MEMBER_TEXT, AT(setup), 0, false}}},
};
#undef AT

typedef struct name_check {
    const spec *s;
    int coordinates; /* i0 .. i<n-1> are known */
    const char *unknown;
} name_check;

static void check_dim_name(void *ud, const char *name)
{
    name_check *c = ud;
    if (name[0] == 'i' && name[1] >= '0' && name[1] < '0' + c->coordinates && !name[2])
        return;
    for (int d = 0; d < c->s->n_dims; d++)
        if (strcmp(c->s->dim[d].name, name) == 0)
            return;
    c->unknown = name;
}

ws_status spec_load_expr(spec_loader *l, const cJSON *v, const char *where, int coordinates,
                         const ws_expr **out)
{
    name_check c = {l->s, coordinates, NULL};
    if (ws_expr_from_json(&l->s->arena, v, out, l->err))
        return ws_wrap(l->err, "%s", where);
    ws_expr_names(*out, check_dim_name, &c);
    if (!c.unknown)
        return WS_OK;
    return ws_fail(l->err, WS_EINPUT, "%s: unknown dim '%s'", where, c.unknown);
}

static ws_status load_member(spec_loader *l, const cJSON *o, const char *where, const member *m,
                             int rank, spec_init *out)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, m->name);
    void *at = (char *)out + m->offset;
    if (m->kind == MEMBER_NUMBER)
        return spec_load_number(l, o, where, m->name, m->fallback, at);
    if (m->kind == MEMBER_TEXT)
        return ws_json_string(o, where, m->name, at, l->err);
    if (!v)
        return m->kind == MEMBER_OPTIONAL_EXPR
                   ? WS_OK
                   : ws_fail(l->err, WS_EINPUT, "%s: missing '%s'", where, m->name);
    return spec_load_expr(l, v, ws_arena_printf(&l->s->arena, "%s.%s", where, m->name),
                          m->coordinates ? rank : 0, at);
}

static ws_status unknown_dist(spec_loader *l, const char *where, const char *dist)
{
    ws_buf list = {0};
    for (size_t i = 0; i < WS_COUNT(kinds); i++)
        ws_buf_printf(&list, "%s%s", i ? ", " : "", kinds[i].name);
    ws_fail(l->err, WS_EINPUT, "%s.dist: unknown '%s'; there are %s", where, dist, ws_buf_z(&list));
    ws_buf_release(&list);
    return l->err->status;
}

static ws_status load_init(spec_loader *l, const cJSON *o, const char *where, int rank,
                           spec_init *out)
{
    const char *dist, *known[6] = {"dist"};
    size_t k = 0;
    if (!cJSON_IsObject(o))
        return spec_load_fail(l, where, "expected an object");
    if (ws_json_string(o, where, "dist", &dist, l->err))
        return l->err->status;
    while (k < WS_COUNT(kinds) && strcmp(kinds[k].name, dist))
        k++;
    if (k == WS_COUNT(kinds))
        return unknown_dist(l, where, dist);
    *out = (spec_init){.dist = kinds[k].dist};
    for (size_t m = 0; m < WS_COUNT(kinds[k].member) && kinds[k].member[m].name; m++)
        known[m + 1] = kinds[k].member[m].name;
    if (ws_json_only(o, where, known, l->err))
        return l->err->status;
    for (size_t m = 0; m < WS_COUNT(kinds[k].member) && kinds[k].member[m].name; m++)
        if (load_member(l, o, where, &kinds[k].member[m], rank, out))
            return l->err->status;
    if (!(out->p >= 0 && out->p <= 1))
        return ws_fail(l->err, WS_EINPUT, "%s.p: a probability is in [0, 1]", where);
    return WS_OK;
}

static ws_status load_shape(spec_loader *l, const cJSON *shape, const char *where, spec_tensor *t)
{
    const cJSON *v;
    if (cJSON_GetArraySize(shape) > SPEC_MAX_RANK)
        return spec_load_fail(l, where, "more than 8 dimensions");
    cJSON_ArrayForEach(v, shape)
    {
        const char *at = ws_arena_printf(&l->s->arena, "%s.shape[%d]", where, t->rank);
        if (spec_load_expr(l, v, at, 0, &t->shape[t->rank]))
            return l->err->status;
        t->rank++;
    }
    return WS_OK;
}

static ws_status load_tensor(spec_loader *l, const cJSON *o, const char *where, bool is_weight)
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
        spec_load_dtype(l, where, "dtype", dtype, &t->dtype) ||
        ws_json_array(o, where, "shape", &shape, l->err) || load_shape(l, shape, where, t))
        return l->err->status;
    if (!spec_load_identifier(t->name))
        return spec_load_fail(l, where, "a tensor's name is letters, digits and _");
    for (const spec_tensor *p = s->tensor; p < t; p++)
        if (strcmp(p->name, t->name) == 0)
            return ws_fail(l->err, WS_EINPUT, "%s: a tensor '%s' exists already", where, t->name);
    for (int d = 0; d < s->n_dims; d++)
        if (strcmp(s->dim[d].name, t->name) == 0)
            return ws_fail(l->err, WS_EINPUT, "%s: '%s' is a dim", where, t->name);
    t->init = (spec_init){.dist = SPEC_DIST_NORMAL, .std = 1};
    if (!(init = cJSON_GetObjectItemCaseSensitive(o, "init")))
        return WS_OK;
    return load_init(l, init, ws_arena_printf(&s->arena, "%s.init", where), t->rank, &t->init);
}

ws_status spec_load_tensor_list(spec_loader *l, const cJSON *list, const char *where,
                                bool is_weight)
{
    const cJSON *o;
    int i = 0;
    cJSON_ArrayForEach(o, list)
    {
        if (load_tensor(l, o, spec_load_place(l, where, i++), is_weight))
            return l->err->status;
        *(is_weight ? &l->s->n_weights : &l->s->n_inputs) += 1;
    }
    return WS_OK;
}

ws_status spec_load_tensors(spec_loader *l)
{
    spec *s = l->s;
    const cJSON *inputs, *weights = cJSON_GetObjectItemCaseSensitive(s->root, "weights");
    if (ws_json_array(s->root, "", "inputs", &inputs, l->err))
        return l->err->status;
    if (weights && !cJSON_IsArray(weights))
        return spec_load_fail(l, "weights", "expected an array");
    s->tensor = WS_ARENA_NEW(&s->arena, spec_tensor,
                             cJSON_GetArraySize(inputs) + cJSON_GetArraySize(weights) + 1);
    return spec_load_tensor_list(l, inputs, "inputs", false)
               ? l->err->status
               : spec_load_tensor_list(l, weights, "weights", true);
}
