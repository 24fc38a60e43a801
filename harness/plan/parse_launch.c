/* The launches of a plan: sizes, tensor maps, arguments. */
#include "harness/plan/internal.h"

#include "base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static bool read_text_arg(plan_parser *s, const char *at, const char *where, plan_arg *arg)
{
    ws_err err = {0};
    if ((arg->index = plan_find_map(s->launch, arg->text)) >= 0) {
        arg->kind = PLAN_ARG_MAP;
        return true;
    }
    if ((arg->index = plan_find_name(s->names->tensor, s->names->n_tensors, arg->text)) >= 0) {
        arg->kind = PLAN_ARG_TENSOR;
        return true;
    }
    if ((arg->index = plan_find_scratch(s->p, arg->text)) >= 0) {
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
        return plan_bad_err(s, at, &err);
    }
    return plan_check_names(s, at, where, arg->value, true);
}

static bool read_arg(plan_parser *s, const char *at, const char *where, const cJSON *v,
                     plan_arg *arg)
{
    if (cJSON_IsString(v)) {
        arg->text = ws_arena_strdup(s->a, v->valuestring);
        return read_text_arg(s, at, where, arg);
    }
    if (!cJSON_IsNumber(v))
        return plan_bad(s, at, "%s: expected a name, an expression or a number", where);
    if (!at) /* its place is looked for by the names as they are written */
        return plan_bad(s, at, "%s: a number cannot be found where member names have escapes",
                        where);
    /* As written: 1.0 is a float, 1 an integer; cJSON keeps the value only. */
    arg->text = ws_arena_strndup(s->a, at, (size_t)(plan_json_end(at) - at));
    if (strpbrk(arg->text, ".eE")) {
        arg->kind = PLAN_ARG_FLOAT;
        arg->number = v->valuedouble;
        return true;
    }
    arg->kind = PLAN_ARG_INT;
    return plan_read_expr(s, at, where, v, &arg->value);
}

static bool read_args(plan_parser *s, const cJSON *o, const char *at, const char *where,
                      plan_launch *l)
{
    const cJSON *list, *v;
    if (!cJSON_HasObjectItem(o, "args"))
        return plan_bad(s, at, "%s: missing 'args'", where);
    if (!plan_array_member(s, o, at, ws_arena_printf(s->a, "%s.", where), "args", PLAN_MAX_ARGS,
                           &list))
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
static bool read_extents(plan_parser *s, const cJSON *v, const char *at, const char *where,
                         const ws_expr *out[3], int *n)
{
    const cJSON *e = cJSON_IsArray(v) ? v->child : v;
    int count = cJSON_IsArray(v) ? cJSON_GetArraySize(v) : 1;
    if (count < 1 || count > 3)
        return plan_bad(s, at, "%s: %d extents, expected 1 to 3", where, count);
    for (*n = 0; *n < count; ++*n, e = e->next) {
        const char *w = count > 1 ? ws_arena_printf(s->a, "%s[%d]", where, *n) : where;
        const char *here = cJSON_IsArray(v) ? plan_json_element(at, *n) : at;
        if (!plan_read_expr(s, here, w, e, &out[*n]))
            return false;
    }
    for (int i = count; i < 3; i++)
        out[i] = ws_expr_const(s->a, 1);
    return true;
}

static bool read_geometry(plan_parser *s, const cJSON *o, const char *at, const char *where,
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
            return plan_bad(s, at, "%s: missing '%s'", where, extents[i].key);
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
        if (v &&
            !plan_read_expr(s, plan_json_member(at, sizes[i].key),
                            ws_arena_printf(s->a, "%s.%s", where, sizes[i].key), v, sizes[i].out))
            return false;
    }
    return true;
}

static bool check_maps_passed(plan_parser *s, const char *at, const char *where,
                              const plan_launch *l)
{
    for (int m = 0; m < l->n_maps; m++) {
        int a = 0;
        while (a < l->n_args && (l->arg[a].kind != PLAN_ARG_MAP || l->arg[a].index != m))
            a++;
        if (a == l->n_args)
            return plan_bad(s, plan_json_member(at, "args"),
                            "%s.args: the tensor map '%s' is not passed to the kernel", where,
                            l->map[m].name);
    }
    return true;
}

static bool read_launch(plan_parser *s, const cJSON *o, const char *at, int i)
{
    static const char *const known[] = {
        "kernel",     "grid",        "block",   "shared",
        "args",       "cooperative", "cluster", "max_dynamic_shared",
        "tensormaps", NULL};
    plan_launch *l = &s->p->launch[i];
    const char *where = ws_arena_printf(s->a, "launch[%d]", i), *kernel;
    ws_err err = {0};
    int column;
    l->line = plan_place(s, at, &column);
    s->launch = l;
    if (ws_json_string(o, where, "kernel", &kernel, &err) || ws_json_only(o, where, known, &err))
        return plan_bad_err(s, at, &err);
    if (!plan_is_identifier(kernel))
        return plan_bad(
            s, plan_json_member(at, "kernel"),
            "%s.kernel: '%s' is not a name; a kernel is declared extern \"C\" and is no template",
            where, kernel);
    l->kernel = ws_arena_strdup(s->a, kernel);
    const cJSON *c = cJSON_GetObjectItemCaseSensitive(o, "cooperative");
    if (c && !cJSON_IsBool(c))
        return plan_bad(s, plan_json_member(at, "cooperative"),
                        "%s.cooperative: expected true or false", where);
    l->cooperative = cJSON_IsTrue(c);
    return read_geometry(s, o, at, where, l) && plan_read_maps(s, o, at, where, l) &&
           read_args(s, o, at, where, l) && check_maps_passed(s, at, where, l);
}

bool plan_read_launches(plan_parser *s, const cJSON *root)
{
    const char *at = plan_json_member(s->text->json, "launch");
    const cJSON *list, *o;
    if (!plan_array_member(s, root, s->text->json, "", "launch", PLAN_MAX_LAUNCHES, &list))
        return false;
    if (!list || !list->child)
        return plan_bad(s, at, "the plan launches nothing: 'launch' must list at least one kernel");
    s->p->launch = WS_ARENA_NEW(s->a, plan_launch, cJSON_GetArraySize(list));
    cJSON_ArrayForEach(o, list)
    {
        if (!read_launch(s, o, plan_json_element(at, s->p->n_launches), s->p->n_launches))
            return false;
        s->p->n_launches++;
    }
    return true;
}
