/* The plan's JSON to a `plan`: form, names and expressions. */
#include "harness/plan/internal.h"

#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct parser {
    ws_arena *a;
    const plan_names *names;
    const plan_text *text;
    plan *p;
    hx_diag *d;
} parser;

/* Line and column of a place in the text, which are those of the source. */
static int place(const parser *s, const char *at, int *column)
{
    int line = 1;
    *column = 1;
    for (const char *c = s->text->text; c < at; c++, ++*column)
        if (*c == '\n')
            line++, *column = 0;
    return line;
}

/* PLAN_INVALID at the place `at` of the text (NULL: where the JSON begins). */
WS_PRINTF(3, 4) static bool bad(parser *s, const char *at, const char *fmt, ...)
{
    char text[sizeof s->d->text];
    int column, line = place(s, at ? at : s->text->json, &column);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return hx_reject(s->d, HX_PLAN_INVALID, line, column, "%s", text);
}

static bool bad_err(parser *s, const char *at, const ws_err *err)
{
    return bad(s, at, "%s%s%s", err->msg, *err->hint ? "; " : "", err->hint);
}

/* ---- names ---- */

static int find_name(const char *const *list, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    return -1;
}

static int find_scratch(const plan *p, const char *name)
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

static bool is_identifier(const char *z)
{
    if (!isalpha((unsigned char)*z) && *z != '_')
        return false;
    while (isalnum((unsigned char)*z) || *z == '_')
        z++;
    return *z == '\0';
}

/* What `name` is already, or NULL. */
static const char *taken_as(const parser *s, const char *name)
{
    if (find_name(s->names->tensor, s->names->n_tensors, name) >= 0)
        return "a tensor of the spec";
    if (find_name(s->names->dim, s->names->n_dims, name) >= 0)
        return "a dimension of the spec";
    if (find_scratch(s->p, name) >= 0)
        return "a scratch buffer of this plan";
    return find_tune(s->p, name) >= 0 ? "a tunable of this plan" : NULL;
}

static bool new_name(parser *s, const char *at, const char *where, const char *name)
{
    const char *taken = taken_as(s, name);
    if (!is_identifier(name) || strlen(name) > 63)
        return bad(s, at, "%s: '%s' is not a name", where, name);
    if (taken)
        return bad(s, at, "%s: '%s' is %s already", where, name, taken);
    return true;
}

/* All names that an expression (with tensors: an argument) may use. */
static void suggest(const parser *s, const char *word, bool tensors, ws_buf *out)
{
    const char *list[256];
    int n = 0;
    for (int i = 0; i < s->names->n_dims && n < 64; i++)
        list[n++] = s->names->dim[i];
    for (int i = 0; i < s->p->n_tune; i++)
        list[n++] = s->p->tune[i].name;
    for (int i = 0; tensors && i < s->names->n_tensors && n < 160; i++)
        list[n++] = s->names->tensor[i];
    for (int i = 0; tensors && i < s->p->n_scratch; i++)
        list[n++] = s->p->scratch[i].name;
    if (strncmp(word, "DIM_", 4) == 0 && find_name(list, n, word + 4) >= 0)
        ws_buf_printf(out, "; the plan says '%s', DIM_%s is its macro in the source", word + 4,
                      word + 4);
    else
        plan_suggest(word, list, n, out);
}

/* ---- expressions ---- */

typedef struct unknown_name {
    const parser *s;
    const char *name;
} unknown_name;

static void note_unknown(void *ud, const char *name)
{
    unknown_name *u = ud;
    if (!u->name && find_name(u->s->names->dim, u->s->names->n_dims, name) < 0 &&
        find_tune(u->s->p, name) < 0)
        u->name = name;
}

/* Every name of `e` is a dim or a tunable. */
static bool check_names(parser *s, const char *at, const char *where, const ws_expr *e,
                        bool tensors)
{
    unknown_name u = {s, NULL};
    ws_expr_names(e, note_unknown, &u);
    if (!u.name)
        return true;
    const char *taken = taken_as(s, u.name);
    if (taken)
        return bad(s, at, "%s: '%s' is %s; an expression takes dims and tunables only", where,
                   u.name, taken);
    ws_buf near = {.max = 200};
    suggest(s, u.name, tensors, &near);
    bad(s, at, "%s: unknown name '%s'%s", where, u.name, ws_buf_z(&near));
    ws_buf_release(&near);
    return false;
}

static bool read_expr(parser *s, const char *at, const char *where, const cJSON *v,
                      const ws_expr **out)
{
    ws_err err = {0};
    if (ws_expr_from_json(s->a, v, out, &err)) {
        ws_wrap(&err, "%s", where);
        return bad_err(s, at, &err);
    }
    return check_names(s, at, where, *out, false);
}

/* ---- members ---- */

/* An optional array member; false when it is of another type. */
static bool array_member(parser *s, const cJSON *o, const char *at, const char *where,
                         const char *key, int max, const cJSON **out)
{
    *out = cJSON_GetObjectItemCaseSensitive(o, key);
    if (*out && !cJSON_IsArray(*out))
        return bad(s, plan_json_member(at, key), "%s%s: expected an array", where, key);
    if (*out && cJSON_GetArraySize(*out) > max)
        return bad(s, plan_json_member(at, key), "%s%s: %d entries, at most %d", where, key,
                   cJSON_GetArraySize(*out), max);
    return true;
}

/* Scratch is only bytes to the harness, so that other usual names of its types do no harm. */
static bool read_dtype(const char *name, ws_dtype *out)
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

static bool read_scratch(parser *s, const cJSON *root)
{
    static const char *const known[] = {"name", "dtype", "count", NULL};
    const char *at = plan_json_member(s->text->json, "scratch");
    const cJSON *list, *o;
    if (!array_member(s, root, s->text->json, "", "scratch", PLAN_MAX_SCRATCH, &list))
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
            return bad_err(s, here, &err);
        if (!new_name(s, here, where, name))
            return false;
        if (!read_dtype(dtype, &sc->dtype))
            return bad(s, plan_json_member(here, "dtype"),
                       "%s.dtype: unknown dtype '%s', expected one such as "
                       "f32, f16, bf16, f64, i32, i64 or u8",
                       where, dtype);
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(o, "count");
        if (!count)
            return bad(s, here, "%s: missing 'count'", where);
        where = ws_arena_printf(s->a, "scratch[%d].count", i);
        if (!read_expr(s, plan_json_member(here, "count"), where, count, &sc->count))
            return false;
        sc->name = ws_arena_strdup(s->a, name);
        s->p->n_scratch++;
    }
    return true;
}

static bool read_tunable(parser *s, const char *at, const cJSON *v)
{
    const char *where = ws_arena_printf(s->a, "tune.%s", v->string);
    plan_tunable *t = &s->p->tune[s->p->n_tune];
    const cJSON *e = cJSON_IsArray(v) ? v->child : v;
    int n = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : 1;
    if (!new_name(s, at, where, v->string))
        return false;
    if (n == 0 || n > 256)
        return bad(s, at, "%s: %d choices, expected 1 to 256", where, n);
    t->value = WS_ARENA_NEW(s->a, int64_t, n);
    for (int i = 0; i < n; i++, e = e->next)
        if (!ws_json_whole(e, &t->value[t->n_values++]))
            return bad(s, at, "%s: choice %d is not a whole number", where, i + 1);
    t->name = ws_arena_strdup(s->a, v->string);
    s->p->n_tune++;
    return true;
}

static bool read_tune(parser *s, const cJSON *root)
{
    const cJSON *tune = cJSON_GetObjectItemCaseSensitive(root, "tune"), *v;
    const char *at = plan_json_member(s->text->json, "tune");
    if (!tune)
        return true;
    if (!cJSON_IsObject(tune))
        return bad(s, at, "tune: expected an object such as { \"BLOCK\": [128, 256] }");
    if (cJSON_GetArraySize(tune) > PLAN_MAX_TUNE)
        return bad(s, at, "tune: %d tunables, at most %d", cJSON_GetArraySize(tune), PLAN_MAX_TUNE);
    s->p->tune = WS_ARENA_NEW(s->a, plan_tunable, cJSON_GetArraySize(tune) + 1);
    cJSON_ArrayForEach(v, tune)
    {
        if (!read_tunable(s, plan_json_member(at, v->string), v))
            return false;
    }
    return true;
}

static bool read_require(parser *s, const cJSON *root)
{
    const char *at = plan_json_member(s->text->json, "require");
    const cJSON *list, *v;
    if (!array_member(s, root, s->text->json, "", "require", 64, &list))
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
            return bad(s, here, "%s: expected a condition such as \"N %% 4 == 0\"", where);
        if (!read_expr(s, here, where, v, &s->p->require[i].condition))
            return false;
        s->p->require[i].text = ws_arena_strdup(s->a, v->valuestring);
        s->p->n_require++;
    }
    return true;
}

/* ---- launches ---- */

/* "0.125", "1e-5", "0.5f", "-INFINITY"; whole numbers and expressions are not literals of this
 * kind. */
static bool float_literal(const char *z, double *out)
{
    const char *digits = z + (*z == '-' || *z == '+');
    char *end;
    if (strcmp(digits, "INFINITY") == 0 || strcmp(digits, "inf") == 0) {
        *out = *z == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if ((!isdigit((unsigned char)*digits) && *digits != '.') || !strpbrk(z, ".eEpP"))
        return false;
    *out = strtod(z, &end);
    end += *end == 'f' || *end == 'F';
    return end > digits && *end == '\0';
}

static bool read_text_arg(parser *s, const char *at, const char *where, plan_arg *arg)
{
    ws_err err = {0};
    if ((arg->index = find_name(s->names->tensor, s->names->n_tensors, arg->text)) >= 0) {
        arg->kind = PLAN_ARG_TENSOR;
        return true;
    }
    if ((arg->index = find_scratch(s->p, arg->text)) >= 0) {
        arg->kind = PLAN_ARG_SCRATCH;
        return true;
    }
    if (float_literal(arg->text, &arg->number)) {
        arg->kind = PLAN_ARG_FLOAT;
        return true;
    }
    arg->kind = PLAN_ARG_INT;
    if (ws_expr_parse(s->a, arg->text, &arg->value, &err)) {
        if (strchr(arg->text, '.'))
            ws_hint(
                &err,
                "an expression is over whole numbers; compute a fraction in the kernel, from the "
                "DIM_ macros");
        ws_wrap(&err, "%s", where);
        return bad_err(s, at, &err);
    }
    return check_names(s, at, where, arg->value, true);
}

static bool read_arg(parser *s, const char *at, const char *where, const cJSON *v, plan_arg *arg)
{
    if (cJSON_IsString(v)) {
        arg->text = ws_arena_strdup(s->a, v->valuestring);
        return read_text_arg(s, at, where, arg);
    }
    if (!cJSON_IsNumber(v))
        return bad(s, at, "%s: expected a name, an expression or a number", where);
    if (!at) /* its place is looked for by the names as they are written */
        return bad(s, at, "%s: a number cannot be found where member names have escapes", where);
    /* As written: 1.0 is a float, 1 an integer; cJSON keeps the value only. */
    arg->text = ws_arena_strndup(s->a, at, (size_t)(plan_json_end(at) - at));
    if (strpbrk(arg->text, ".eE")) {
        arg->kind = PLAN_ARG_FLOAT;
        arg->number = v->valuedouble;
        return true;
    }
    arg->kind = PLAN_ARG_INT;
    return read_expr(s, at, where, v, &arg->value);
}

static bool read_args(parser *s, const cJSON *o, const char *at, const char *where, plan_launch *l)
{
    const cJSON *list, *v;
    if (!cJSON_HasObjectItem(o, "args"))
        return bad(s, at, "%s: missing 'args'", where);
    if (!array_member(s, o, at, ws_arena_printf(s->a, "%s.", where), "args", PLAN_MAX_ARGS, &list))
        return false;
    const char *args_at = plan_json_member(at, "args");
    l->arg = WS_ARENA_NEW(s->a, plan_arg, cJSON_GetArraySize(list) + 1);
    cJSON_ArrayForEach(v, list)
    {
        const char *w = ws_arena_printf(s->a, "%s.args[%d]", where, l->n_args);
        if (!read_arg(s, plan_json_element(args_at, l->n_args), w, v, &l->arg[l->n_args]))
            return false;
        l->n_args++;
    }
    return true;
}

/* One to three extents; a lone number or expression is the first. */
static bool read_extents(parser *s, const cJSON *v, const char *at, const char *where,
                         const ws_expr *out[3], int *n)
{
    const cJSON *e = cJSON_IsArray(v) ? v->child : v;
    int count = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : 1;
    if (count < 1 || count > 3)
        return bad(s, at, "%s: %d extents, expected 1 to 3", where, count);
    for (*n = 0; *n < count; ++*n, e = e->next) {
        const char *w = count > 1 ? ws_arena_printf(s->a, "%s[%d]", where, *n) : where;
        const char *here = cJSON_IsArray(v) ? plan_json_element(at, *n) : at;
        if (!read_expr(s, here, w, e, &out[*n]))
            return false;
    }
    for (int i = count; i < 3; i++)
        out[i] = ws_expr_const(s->a, 1);
    return true;
}

static bool read_geometry(parser *s, const cJSON *o, const char *at, const char *where,
                          plan_launch *l)
{
    int n_cluster;
    struct {
        const char *key;
        const ws_expr **out;
        int *n;
        bool required;
    } extents[] = {{"grid", l->grid, &l->n_grid, true},
                   {"block", l->block, &l->n_block, true},
                   {"cluster", l->cluster, &n_cluster, false}};
    for (size_t i = 0; i < WS_COUNT(extents); i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, extents[i].key);
        if (!v && extents[i].required)
            return bad(s, at, "%s: missing '%s'", where, extents[i].key);
        if (v && !read_extents(s, v, plan_json_member(at, extents[i].key),
                               ws_arena_printf(s->a, "%s.%s", where, extents[i].key),
                               extents[i].out, extents[i].n))
            return false;
    }
    struct {
        const char *key;
        const ws_expr **out;
    } sizes[] = {{"shared", &l->shared}, {"max_dynamic_shared", &l->max_dynamic_shared}};
    l->shared = ws_expr_const(s->a, 0);
    for (size_t i = 0; i < WS_COUNT(sizes); i++) {
        const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, sizes[i].key);
        if (v && !read_expr(s, plan_json_member(at, sizes[i].key),
                            ws_arena_printf(s->a, "%s.%s", where, sizes[i].key), v, sizes[i].out))
            return false;
    }
    return true;
}

static bool read_launch(parser *s, const cJSON *o, const char *at, int i)
{
    static const char *const known[] = {"kernel",      "grid",    "block", "shared", "args",
                                        "cooperative", "cluster", "max_dynamic_shared", NULL};
    plan_launch *l = &s->p->launch[i];
    const char *where = ws_arena_printf(s->a, "launch[%d]", i), *kernel;
    ws_err err = {0};
    int column;
    l->line = place(s, at, &column);
    if (ws_json_string(o, where, "kernel", &kernel, &err) || ws_json_only(o, where, known, &err))
        return bad_err(s, at, &err);
    if (!is_identifier(kernel))
        return bad(
            s, plan_json_member(at, "kernel"),
            "%s.kernel: '%s' is not a name; a kernel is declared extern \"C\" and is no template",
            where, kernel);
    l->kernel = ws_arena_strdup(s->a, kernel);
    const cJSON *c = cJSON_GetObjectItemCaseSensitive(o, "cooperative");
    if (c && !cJSON_IsBool(c))
        return bad(s, plan_json_member(at, "cooperative"), "%s.cooperative: expected true or false",
                   where);
    l->cooperative = cJSON_IsTrue(c);
    return read_geometry(s, o, at, where, l) && read_args(s, o, at, where, l);
}

static bool read_launches(parser *s, const cJSON *root)
{
    const char *at = plan_json_member(s->text->json, "launch");
    const cJSON *list, *o;
    if (!array_member(s, root, s->text->json, "", "launch", PLAN_MAX_LAUNCHES, &list))
        return false;
    if (!list || !list->child)
        return bad(s, at, "the plan launches nothing: 'launch' must list at least one kernel");
    s->p->launch = WS_ARENA_NEW(s->a, plan_launch, cJSON_GetArraySize(list));
    cJSON_ArrayForEach(o, list)
    {
        if (!read_launch(s, o, plan_json_element(at, s->p->n_launches), s->p->n_launches))
            return false;
        s->p->n_launches++;
    }
    return true;
}

static bool read_root(parser *s, const cJSON *root)
{
    static const char *const known[] = {"scratch", "tune", "require", "launch", NULL};
    ws_err err = {0};
    if (!cJSON_IsObject(root))
        return bad(s, NULL, "the plan must be a JSON object");
    if (ws_json_only(root, "", known, &err)) {
        const cJSON *c = root->child;
        while (c && (!strcmp(c->string, "scratch") || !strcmp(c->string, "tune") ||
                     !strcmp(c->string, "require") || !strcmp(c->string, "launch")))
            c = c->next;
        return bad_err(s, c ? plan_json_member(s->text->json, c->string) : NULL, &err);
    }
    /* Tunables first: the counts of scratch may use them. */
    return read_tune(s, root) && read_scratch(s, root) && read_require(s, root) &&
           read_launches(s, root);
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
    parser s = {a, names, &text, p, d};
    bool good = read_root(&s, root);
    cJSON_Delete(root);
    if (good)
        *out = p;
    return good;
}
