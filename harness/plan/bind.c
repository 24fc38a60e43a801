/* A plan at concrete dims and tunables: sizes, limits, the tune space. */
#include "harness/plan/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Compute capability 9.0 (CUDA programming guide, table of technical specifications). */
#define MAX_SCRATCH_BYTES (INT64_C(32) << 30)
#define MAX_GRID_X        INT64_C(0x7fffffff)
enum {
    MAX_GRID_YZ = 65535,
    MAX_BLOCK_THREADS = 1024,
    MAX_BLOCK_Z = 64,
    MAX_SHARED = 227 * 1024,
    MAX_CLUSTER = 8, /* more needs an opt-in that does not run everywhere */
};

bool plan_evaluate(plan_binder *s, const ws_expr *e, int line, const char *what, int64_t *out)
{
    ws_err err = {0};
    if (ws_expr_eval(e, &s->env, out, &err))
        return hx_reject(s->d, HX_PLAN_INVALID, line, 0, "%s: %s", what, err.msg);
    return true;
}

/* Dims of `env` and its parents, the shadowed ones left out. */
static size_t collect_dims(const ws_env *env, ws_binding *out)
{
    size_t n = 0;
    for (const ws_env *e = env; e; e = e->parent)
        for (size_t i = 0; i < e->n; i++) {
            size_t j = 0;
            while (j < n && strcmp(out[j].name, e->item[i].name))
                j++;
            if (j == n && ws_env_find(env, e->item[i].name, &out[n].value))
                out[n++].name = e->item[i].name;
        }
    return n;
}

/* plan_bound.macro: DIM_<dim> for each dim, then the tunables; env gets the tunables over the
 * dims. */
static void bind_names(plan_binder *s, const ws_env *dims, const int64_t *tune)
{
    const plan *p = s->p;
    size_t total = (size_t)p->n_tune;
    for (const ws_env *e = dims; e; e = e->parent)
        total += e->n;
    ws_binding *m = WS_ARENA_NEW(s->a, ws_binding, total + 1);
    size_t n = collect_dims(dims, m);
    for (size_t i = 0; i < n; i++)
        m[i].name = ws_arena_printf(s->a, "DIM_%s", m[i].name);
    for (int i = 0; i < p->n_tune; i++)
        m[n + (size_t)i] = (ws_binding){p->tune[i].name, tune ? tune[i] : p->tune[i].value[0]};
    s->b->macro = m;
    s->b->n_macros = n + (size_t)p->n_tune;
    s->env = (ws_env){m + n, (size_t)p->n_tune, dims};
}

typedef struct value_list {
    const ws_env *env;
    ws_buf text;
} value_list;

static void add_value(void *ud, const char *name)
{
    value_list *v = ud;
    int64_t value;
    char part[100];
    if (!ws_env_find(v->env, name, &value))
        return;
    snprintf(part, sizeof part, "%s = %" PRId64, name, value);
    if (!v->text.n || !strstr(ws_buf_z(&v->text), part))
        ws_buf_printf(&v->text, "%s%s", v->text.n ? ", " : "", part);
}

static bool check_require(plan_binder *s)
{
    for (int i = 0; i < s->p->n_require; i++) {
        const plan_require *r = &s->p->require[i];
        int64_t holds;
        if (!plan_evaluate(s, r->condition, s->p->line, r->text, &holds))
            return false;
        if (holds)
            continue;
        value_list v = {&s->env, {.max = 300}};
        ws_expr_names(r->condition, add_value, &v);
        hx_reject(s->d, HX_SHAPE_REFUSED, s->p->line, 0,
                  "the plan's require '%s' does not hold%s%s", r->text, v.text.n ? " at " : "",
                  ws_buf_z(&v.text));
        ws_buf_release(&v.text);
        return false;
    }
    return true;
}

static bool bind_scratch(plan_binder *s)
{
    int64_t total = 0;
    s->b->n_scratch = s->p->n_scratch;
    s->b->scratch_bytes = WS_ARENA_NEW(s->a, int64_t, s->p->n_scratch + 1);
    for (int i = 0; i < s->p->n_scratch; i++) {
        const plan_scratch *sc = &s->p->scratch[i];
        int64_t count, *bytes = &s->b->scratch_bytes[i];
        if (!plan_evaluate(s, sc->count, s->p->line, sc->name, &count))
            return false;
        if (count < 1)
            return hx_reject(s->d, HX_INVALID_LAUNCH, s->p->line, 0,
                             "scratch '%s' has %" PRId64 " elements, expected at least 1", sc->name,
                             count);
        if (__builtin_mul_overflow(count, (int64_t)ws_dtype_bytes(sc->dtype), bytes) ||
            __builtin_add_overflow(total, *bytes, &total) || total > MAX_SCRATCH_BYTES)
            return hx_reject(s->d, HX_INVALID_LAUNCH, s->p->line, 0,
                             "the scratch buffers are over the limit of 32 GiB at '%s' (%" PRId64
                             " elements of %s)",
                             sc->name, count, ws_dtype_name(sc->dtype));
    }
    return true;
}

/* ---- launches ---- */

static bool bind_extents(plan_binder *s, const plan_launch *l, const char *what,
                         const ws_expr *const e[3], const int64_t max[3], int64_t out[3])
{
    for (int i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s.%c", what, "xyz"[i]);
        if (!plan_evaluate(s, e[i], l->line, name, &out[i]))
            return false;
        if (out[i] < 1 || out[i] > max[i])
            return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                             "kernel '%s': %s is %" PRId64 ", expected 1 to %" PRId64, l->kernel,
                             name, out[i], max[i]);
    }
    return true;
}

static bool bind_shared(plan_binder *s, const plan_launch *l, plan_bound_launch *o)
{
    if (!plan_evaluate(s, l->shared, l->line, "shared", &o->shared))
        return false;
    if (o->shared < 0 || o->shared > MAX_SHARED)
        return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                         "kernel '%s': %" PRId64
                         " bytes of dynamic shared memory, expected 0 to %d",
                         l->kernel, o->shared, MAX_SHARED);
    o->max_dynamic_shared = o->shared;
    if (!l->max_dynamic_shared)
        return true;
    if (!plan_evaluate(s, l->max_dynamic_shared, l->line, "max_dynamic_shared", &o->max_dynamic_shared))
        return false;
    if (o->max_dynamic_shared < o->shared || o->max_dynamic_shared > MAX_SHARED)
        return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                         "kernel '%s': max_dynamic_shared is %" PRId64 ", expected %" PRId64
                         " (shared) to %d",
                         l->kernel, o->max_dynamic_shared, o->shared, MAX_SHARED);
    return true;
}

static bool bind_cluster(plan_binder *s, const plan_launch *l, plan_bound_launch *o)
{
    static const int64_t max[3] = {MAX_CLUSTER, MAX_CLUSTER, MAX_CLUSTER};
    if (!l->cluster[0])
        return true; /* zeros: none */
    if (!bind_extents(s, l, "cluster", l->cluster, max, o->cluster))
        return false;
    if (o->cluster[0] * o->cluster[1] * o->cluster[2] > MAX_CLUSTER)
        return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                         "kernel '%s': a cluster of %" PRId64 " blocks, at most %d", l->kernel,
                         o->cluster[0] * o->cluster[1] * o->cluster[2], MAX_CLUSTER);
    for (int i = 0; i < 3; i++)
        if (o->grid[i] % o->cluster[i])
            return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                             "kernel '%s': grid.%c (%" PRId64
                             ") is not a multiple of cluster.%c (%" PRId64 ")",
                             l->kernel, "xyz"[i], o -> grid[i], "xyz"[i], o -> cluster[i]);
    return true;
}

static bool bind_args(plan_binder *s, const plan_launch *l, plan_bound_launch *o)
{
    o->n_args = l->n_args;
    o->arg = WS_ARENA_NEW(s->a, plan_bound_arg, l->n_args + 1);
    for (int i = 0; i < l->n_args; i++) {
        const plan_arg *from = &l->arg[i];
        o->arg[i] = (plan_bound_arg){.kind = from->kind, .index = from->index,
                                     .number = from->number};
        if (from->kind == PLAN_ARG_INT &&
            !plan_evaluate(s, from->value, l->line, from->text, &o->arg[i].integer))
            return false;
    }
    return true;
}

static bool bind_launch(plan_binder *s, const plan_launch *l, plan_bound_launch *o)
{
    static const int64_t max_grid[3] = {MAX_GRID_X, MAX_GRID_YZ, MAX_GRID_YZ};
    static const int64_t max_block[3] = {MAX_BLOCK_THREADS, MAX_BLOCK_THREADS, MAX_BLOCK_Z};
    *o = (plan_bound_launch){.kernel = l->kernel, .line = l->line, .cooperative = l->cooperative};
    if (!bind_extents(s, l, "grid", l->grid, max_grid, o->grid) ||
        !bind_extents(s, l, "block", l->block, max_block, o->block))
        return false;
    int64_t threads = o->block[0] * o->block[1] * o->block[2];
    if (threads > MAX_BLOCK_THREADS)
        return hx_reject(s->d, HX_INVALID_LAUNCH, l->line, 0,
                         "kernel '%s': a block of %" PRId64 " x %" PRId64 " x %" PRId64
                         " = %" PRId64 " threads, at most %d",
                         l->kernel, o->block[0], o->block[1], o->block[2], threads,
                         MAX_BLOCK_THREADS);
    return bind_shared(s, l, o) && bind_cluster(s, l, o) && plan_bind_maps(s, l, o) &&
           bind_args(s, l, o);
}

bool plan_bind(ws_arena *a, const plan *p, const ws_env *dims, const int64_t *tune,
               plan_bound **out, hx_diag *d)
{
    plan_bound *b = WS_ARENA_NEW(a, plan_bound, 1);
    plan_binder s = {.a = a, .p = p, .b = b, .d = d};
    *d = (hx_diag){0};
    bind_names(&s, dims, tune);
    if (!check_require(&s) || !bind_scratch(&s))
        return false;
    b->n_launches = p->n_launches;
    b->launch = WS_ARENA_NEW(a, plan_bound_launch, p->n_launches);
    for (int i = 0; i < p->n_launches; i++)
        if (!bind_launch(&s, &p->launch[i], &b->launch[i]))
            return false;
    *out = b;
    return true;
}

/* ---- the tune space ---- */

/* The next choice, the last tunable running fastest; false after the last one. */
static bool next_choice(const plan *p, int *choice)
{
    for (int i = p->n_tune - 1; i >= 0; i--) {
        if (++choice[i] < p->tune[i].n_values)
            return true;
        choice[i] = 0;
    }
    return false;
}

int plan_enumerate(ws_arena *a, const plan *p, const ws_env *dims, int max, int64_t **rows)
{
    enum { MAX_TRIED = 1 << 20 };
    int choice[PLAN_MAX_TUNE] = {0}, n = 0, cap = 0, tried = 0;
    int64_t *found = NULL;
    size_t width = (size_t)(p->n_tune > 0 ? p->n_tune : 1);
    do {
        int64_t row[PLAN_MAX_TUNE] = {0};
        ws_arena scratch = {0};
        plan_bound *b;
        hx_diag d;
        for (int i = 0; i < p->n_tune; i++)
            row[i] = p->tune[i].value[choice[i]];
        /* The whole binding: a choice that cannot be launched is none. */
        bool fits = plan_bind(&scratch, p, dims, row, &b, &d);
        ws_arena_release(&scratch);
        if (!fits)
            continue;
        if (n == cap) {
            cap = cap ? 2 * cap : 16;
            found = ws_realloc(found, (size_t)cap * width * sizeof *found);
        }
        memcpy(found + (size_t)n++ * width, row, width * sizeof *found);
    } while (n < max && ++tried < MAX_TRIED && next_choice(p, choice));
    *rows = WS_ARENA_NEW(a, int64_t, (size_t)n * width + 1);
    if (n)
        memcpy(*rows, found, (size_t)n * width * sizeof *found);
    free(found);
    return n;
}

const char *const *plan_scratch_names(const plan *p, ws_arena *a)
{
    const char **name = WS_ARENA_NEW(a, const char *, p->n_scratch + 1);
    for (int i = 0; i < p->n_scratch; i++)
        name[i] = p->scratch[i].name;
    return name;
}
