/* The plan's JSON to a `plan`: form, names and expressions. */
#include "harness/plan/internal.h"

#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int plan_place(const plan_parser *s, const char *at, int *column)
{
    int line = 1;
    *column = 1;
    for (const char *c = s->text->text; c < at; c++, ++*column)
        if (*c == '\n')
            line++, *column = 0;
    return line;
}

bool plan_bad(plan_parser *s, const char *at, const char *fmt, ...)
{
    char text[sizeof s->d->text];
    int column, line = plan_place(s, at ? at : s->text->json, &column);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hx_reject(s->d, HX_PLAN_INVALID, line, column, "%s", text);
}

bool plan_bad_err(plan_parser *s, const char *at, const ws_err *err)
{
    return plan_bad(s, at, "%s%s%s", err->msg, *err->hint ? "; " : "", err->hint);
}

/* ---- names ---- */

int plan_find_name(const char *const *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    return -1;
}

int plan_find_scratch(const plan *p, const char *name)
{
    for (int i = 0; i < p->n_scratch; i++)
        if (strcmp(p->scratch[i].name, name) == 0)
            return i;
    return -1;
}

static int find_tune(const plan *p, const char *name)
{
    for (int i = 0; i < p->n_tune; i++)
        if (strcmp(p->tune[i].name, name) == 0)
            return i;
    return -1;
}

bool plan_is_identifier(const char *z)
{
    if (!isalpha((unsigned char)*z) && *z != '_')
        return false;
    while (isalnum((unsigned char)*z) || *z == '_')
        z++;
    return *z == '\0';
}

/* What `name` is already, or NULL. */
static const char *taken_as(const plan_parser *s, const char *name)
{
    if (plan_find_name(s->names->tensor, s->names->n_tensors, name) >= 0)
        return "a tensor of the spec";
    if (plan_find_name(s->names->dim, s->names->n_dims, name) >= 0)
        return "a dimension of the spec";
    if (plan_find_scratch(s->p, name) >= 0)
        return "a scratch buffer of this plan";
    if (s->launch && plan_find_map(s->launch, name) >= 0)
        return "a tensor map of this launch";
    return find_tune(s->p, name) >= 0 ? "a tunable of this plan" : NULL;
}

bool plan_new_name(plan_parser *s, const char *at, const char *where, const char *name)
{
    const char *taken = taken_as(s, name);
    if (!plan_is_identifier(name) || strlen(name) > 63)
        return plan_bad(s, at, "%s: '%s' is not a name", where, name);
    if (taken)
        return plan_bad(s, at, "%s: '%s' is %s already", where, name, taken);
    return true;
}

/* All names that an expression (with tensors: an argument) may use. */
static void suggest(const plan_parser *s, const char *word, bool tensors, ws_buf *out)
{
    const char *list[256];
    int n = 0;
    for (int i = 0; i < s->names->n_dims && n < 64; i++)
        list[n++] = s->names->dim[i];
    for (int i = 0; i < s->p->n_tune; i++)
        list[n++] = s->p->tune[i].name;
    for (int i = 0; tensors && i < s->names->n_tensors && n < 160; i++)
        list[n++] = s->names->tensor[i];
    for (int i = 0; tensors && i < s->p->n_scratch && n < 224; i++)
        list[n++] = s->p->scratch[i].name;
    for (int i = 0; tensors && s->launch && i < s->launch->n_maps; i++)
        list[n++] = s->launch->map[i].name;
    if (strncmp(word, "DIM_", 4) == 0 && plan_find_name(list, n, word + 4) >= 0)
        ws_buf_printf(out, "; the plan says '%s', DIM_%s is its macro in the source", word + 4,
                      word + 4);
    else
        plan_suggest(word, list, n, out);
}

/* ---- expressions ---- */

typedef struct unknown_name {
    const plan_parser *s;
    const char *name;
} unknown_name;

static void note_unknown(void *ud, const char *name)
{
    unknown_name *u = ud;
    if (!u->name && plan_find_name(u->s->names->dim, u->s->names->n_dims, name) < 0 &&
        find_tune(u->s->p, name) < 0)
        u->name = name;
}

bool plan_check_names(plan_parser *s, const char *at, const char *where, const ws_expr *e,
                      bool tensors)
{
    unknown_name u = {s, NULL};
    ws_expr_names(e, note_unknown, &u);
    if (!u.name)
        return true;
    const char *taken = taken_as(s, u.name);
    if (taken)
        return plan_bad(s, at, "%s: '%s' is %s; an expression takes dims and tunables only", where,
                   u.name, taken);
    ws_buf near = {.max = 200};
    suggest(s, u.name, tensors, &near);
    plan_bad(s, at, "%s: unknown name '%s'%s", where, u.name, ws_buf_z(&near));
    ws_buf_release(&near);
    return false;
}

bool plan_read_expr(plan_parser *s, const char *at, const char *where, const cJSON *v,
                    const ws_expr **out)
{
    ws_err err = {0};
    if (ws_expr_from_json(s->a, v, out, &err)) {
        ws_wrap(&err, "%s", where);
        return plan_bad_err(s, at, &err);
    }
    return plan_check_names(s, at, where, *out, false);
}

/* ---- members ---- */

bool plan_array_member(plan_parser *s, const cJSON *o, const char *at, const char *where,
                       const char *key, int max, const cJSON **out)
{
    *out = cJSON_GetObjectItemCaseSensitive(o, key);
    if (*out && !cJSON_IsArray(*out))
        return plan_bad(s, plan_json_member(at, key), "%s%s: expected an array", where, key);
    if (*out && cJSON_GetArraySize(*out) > max)
        return plan_bad(s, plan_json_member(at, key), "%s%s: %d entries, at most %d", where, key,
                   cJSON_GetArraySize(*out), max);
    return true;
}

bool plan_read_dtype(const char *name, ws_dtype *out)
{
    static const struct {
        const char *name;
        ws_dtype dtype;
    } other[] = {
        {"float", WS_F32},  {"float32", WS_F32},  {"double", WS_F64},  {"float64", WS_F64},
        {"half", WS_F16},
        {"float16", WS_F16}, {"bfloat16", WS_BF16}, {"int", WS_I32},     {"int32", WS_I32},
        {"int64", WS_I64},
        {"int16", WS_I16},  {"int8", WS_I8},      {"uint8", WS_U8},    {"u16", WS_I16},
        {"uint16", WS_I16},
        {"u32", WS_I32},    {"uint32", WS_I32},   {"uint", WS_I32},    {"u64", WS_I64},
        {"uint64", WS_I64},
    };
    for (size_t n = 0; n < WS_COUNT(other); n++)
        if (strcmp(name, other[n].name) == 0) {
            *out = other[n].dtype;
            return true;
        }
    return ws_dtype_parse(name, out);
}

static bool read_scratch(plan_parser *s, const cJSON *root)
{
    static const char *const known[] = {"name", "dtype", "count", NULL};
    const char *at = plan_json_member(s->text->json, "scratch");
    const cJSON *list, *o;
    if (!plan_array_member(s, root, s->text->json, "", "scratch", PLAN_MAX_SCRATCH, &list))
        return false;
    if (!list)
        return true;
    s->p->scratch = WS_ARENA_NEW(s->a, plan_scratch, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(o, list)
    {
        int i = s->p->n_scratch;
        const char *here = plan_json_element(at, i), *name, *dtype;
        const char *where = ws_arena_printf(s->a, "scratch[%d]", i);
        plan_scratch *sc = &s->p->scratch[i];
        ws_err err = {0};
        if (ws_json_string(o, where, "name", &name, &err) ||
            ws_json_string(o, where, "dtype", &dtype, &err) || ws_json_only(o, where, known, &err))
            return plan_bad_err(s, here, &err);
        if (!plan_new_name(s, here, where, name))
            return false;
        if (!plan_read_dtype(dtype, &sc->dtype))
            return plan_bad(s, plan_json_member(here, "dtype"),
                       "%s.dtype: unknown dtype '%s', expected one such as "
                       "f32, f16, bf16, f64, i32, i64 or u8",
                       where, dtype);
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(o, "count");
        if (!count)
            return plan_bad(s, here, "%s: missing 'count'", where);
        where = ws_arena_printf(s->a, "scratch[%d].count", i);
        if (!plan_read_expr(s, plan_json_member(here, "count"), where, count, &sc->count))
            return false;
        sc->name = ws_arena_strdup(s->a, name);
        s->p->n_scratch++;
    }
    return true;
}

static bool read_tunable(plan_parser *s, const char *at, const cJSON *v)
{
    const char *where = ws_arena_printf(s->a, "tune.%s", v->string);
    plan_tunable *t = &s->p->tune[s->p->n_tune];
    const cJSON *e = cJSON_IsArray(v) ? v->child : v;
    int n = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : 1;
    if (!plan_new_name(s, at, where, v->string))
        return false;
    if (n == 0 || n > 256)
        return plan_bad(s, at, "%s: %d choices, expected 1 to 256", where, n);
    t->value = WS_ARENA_NEW(s->a, int64_t, n);
    for (int i = 0; i < n; i++, e = e->next)
        if (!ws_json_whole(e, &t->value[t->n_values++]))
            return plan_bad(s, at, "%s: choice %d is not a whole number", where, i + 1);
    t->name = ws_arena_strdup(s->a, v->string);
    s->p->n_tune++;
    return true;
}

static bool read_tune(plan_parser *s, const cJSON *root)
{
    const cJSON *tune = cJSON_GetObjectItemCaseSensitive(root, "tune"), *v;
    const char *at = plan_json_member(s->text->json, "tune");
    if (!tune)
        return true;
    if (!cJSON_IsObject(tune))
        return plan_bad(s, at, "tune: expected an object such as { \"BLOCK\": [128, 256] }");
    if (cJSON_GetArraySize(tune) > PLAN_MAX_TUNE)
        return plan_bad(s, at, "tune: %d tunables, at most %d", cJSON_GetArraySize(tune),
                        PLAN_MAX_TUNE);
    s->p->tune = WS_ARENA_NEW(s->a, plan_tunable, cJSON_GetArraySize(tune) + 1);
    cJSON_ArrayForEach(v, tune)
    {
        if (!read_tunable(s, plan_json_member(at, v->string), v))
            return false;
    }
    return true;
}

static bool read_require(plan_parser *s, const cJSON *root)
{
    const char *at = plan_json_member(s->text->json, "require");
    const cJSON *list, *v;
    if (!plan_array_member(s, root, s->text->json, "", "require", 64, &list))
        return false;
    if (!list)
        return true;
    s->p->require = WS_ARENA_NEW(s->a, plan_require, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(v, list)
    {
        int i = s->p->n_require;
        const char *where = ws_arena_printf(s->a, "require[%d]", i);
        const char *here = plan_json_element(at, i);
        if (!cJSON_IsString(v))
            return plan_bad(s, here, "%s: expected a condition such as \"N %% 4 == 0\"", where);
        if (!plan_read_expr(s, here, where, v, &s->p->require[i].condition))
            return false;
        s->p->require[i].text = ws_arena_strdup(s->a, v->valuestring);
        s->p->n_require++;
    }
    return true;
}

static bool read_root(plan_parser *s, const cJSON *root)
{
    static const char *const known[] = {"scratch", "tune", "require", "launch", NULL};
    ws_err err = {0};
    if (!cJSON_IsObject(root))
        return plan_bad(s, NULL, "the plan must be a JSON object");
    if (ws_json_only(root, "", known, &err)) {
        const cJSON *c = root->child;
        while (c && (!strcmp(c->string, "scratch") || !strcmp(c->string, "tune") ||
                     !strcmp(c->string, "require") || !strcmp(c->string, "launch")))
            c = c->next;
        return plan_bad_err(s, c ? plan_json_member(s->text->json, c->string) : NULL, &err);
    }
    /* Tunables first: the counts of scratch may use them. */
    return read_tune(s, root) && read_scratch(s, root) && read_require(s, root) &&
           plan_read_launches(s, root);
}

bool plan_parse(ws_arena *a, const char *source, size_t n, const plan_names *names, plan **out,
                hx_diag *d)
{
    plan_text text;
    ws_err err = {0};
    cJSON *root = NULL;
    *d = (hx_diag){0};
    if (!plan_find(a, source, n, &text, d))
        return false;
    if (ws_json_parse(text.text, text.n, &root, &err)) {
        int line = text.line, column = 0;
        const char *place = strstr(err.msg, "line ");
        if (place)
            sscanf(place, "line %d, column %d", &line, &column);
        return hx_reject(d, HX_PLAN_INVALID, line, column, "the plan is %s%s",
                         strncmp(err.msg, "not", 3) ? "not valid JSON: " : "", err.msg);
    }
    plan *p = WS_ARENA_NEW(a, plan, 1);
    p->line = text.line;
    p->json = text.json;
    plan_parser s = {.a = a, .names = names, .text = &text, .p = p, .d = d};
    bool good = read_root(&s, root);
    cJSON_Delete(root);
    if (good)
        *out = p;
    return good;
}
