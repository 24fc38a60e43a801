/* Which scratch holds which intermediate. Values of one dtype that are not needed at the same time
 * share scratch, so that a deep graph takes little more memory than its widest place. */
#include "reference/emit_ops.h"

#include <string.h>

typedef struct slot {
    ws_dtype dtype;
    const ws_expr *count; /* the largest of its values' */
    const ws_expr **counts;
    int n_counts, n_values;
    double size;    /* elements at the benchmark shape */
    int free_after; /* the last step that reads it */
    const char *name;
} slot;

typedef struct slots {
    em_job *job;
    ws_env env;
    slot *slot;
    int n;
    int *last; /* per value: the last step that reads it; -1: nobody does */
} slots;

static int step_of(const em_job *j, int node)
{
    return j->step_of ? j->step_of[node] : node;
}

static void find_last_uses(slots *s)
{
    const ref_graph *g = s->job->graph;
    for (int v = 0; v < g->n_values; v++)
        s->last[v] = -1;
    for (int k = 0; k < g->n_nodes; k++)
        for (int i = 0; i < g->node[k].n_in; i++) {
            int *last = &s->last[g->node[k].in[i]], step = step_of(s->job, k);
            *last = step > *last ? step : *last;
        }
    for (int v = 0; v < g->n_values && s->job->view_of; v++) {
        int of = s->job->view_of[v];
        if (of >= 0 && s->last[v] > s->last[of])
            s->last[of] = s->last[v];
    }
}

static const ws_expr *count_of(em_job *j, const ref_value *v)
{
    const ws_expr *e = ws_expr_const(&j->arena, 1);
    for (int d = 0; d < v->rank; d++)
        e = ws_expr_binary(&j->arena, WS_X_MUL, e, v->dim[d]);
    return e;
}

static double size_at_benchmark(const slots *s, const ws_expr *count)
{
    int64_t n = 0;
    ws_err err = {0};
    return ws_expr_eval(count, &s->env, &n, &err) ? 0 : (double)n;
}

static bool has_count(const slot *t, const ws_expr *count)
{
    for (int i = 0; i < t->n_counts; i++)
        if (ws_expr_same(t->counts[i], count))
            return true;
    return false;
}

/* Lower is better: of the right extent, then large enough but no larger than needed, then the
 * largest of those that must grow. */
static double misfit(const slot *t, const ws_expr *count, double size)
{
    if (has_count(t, count))
        return -1;
    return t->size >= size ? t->size - size : 1e18 - t->size;
}

static void add_count(em_job *j, slot *t, const ws_expr *count, double size)
{
    t->n_values++;
    if (has_count(t, count))
        return;
    const ws_expr **counts = WS_ARENA_NEW(&j->arena, const ws_expr *, t->n_counts + 1);
    if (t->n_counts)
        memcpy(counts, t->counts, (size_t)t->n_counts * sizeof *counts);
    counts[t->n_counts++] = count;
    t->counts = counts;
    t->count = t->count ? ws_expr_binary(&j->arena, WS_X_MAX, t->count, count) : count;
    t->size = size > t->size ? size : t->size;
}

/* The plan reads the maximum of a slot's extents as one expression, whose length has a limit. */
static bool has_room(const slot *t, const ws_expr *count)
{
    const int most = 2000; /* of the 4096 parts that base/expr.c reads */
    return has_count(t, count) || !t->count || ws_expr_size(t->count) + ws_expr_size(count) < most;
}

/* A slot for a value that step `step` writes. */
static int take_slot(slots *s, const ref_value *v, int step, int last)
{
    const ws_expr *count = count_of(s->job, v);
    double size = size_at_benchmark(s, count);
    int best = -1;
    for (int i = 0; i < s->n; i++)
        if (s->slot[i].dtype == v->dtype && s->slot[i].free_after < step &&
            has_room(&s->slot[i], count) &&
            (best < 0 || misfit(&s->slot[i], count, size) < misfit(&s->slot[best], count, size)))
            best = i;
    if (best < 0) {
        best = s->n++;
        s->slot[best] = (slot){.dtype = v->dtype};
    }
    add_count(s->job, &s->slot[best], count, size);
    s->slot[best].free_after = last > step ? last : step;
    return best;
}

static bool is_taken(const ref_graph *g, const char *name)
{
    for (int v = 0; v < g->n_values; v++)
        if (g->value[v].name && strcmp(g->value[v].name, name) == 0)
            return true;
    for (int d = 0; d < g->spec->n_dims; d++)
        if (strcmp(g->spec->dim[d].name, name) == 0)
            return true;
    return false;
}

/* The value's own name where it has the slot to itself. */
static const char *slot_name(em_job *j, const slot *t, int index, const ref_value *v)
{
    const char *name = v->name;
    if (t->n_values > 1)
        for (name = ws_arena_printf(&j->arena, "buffer%d", index); is_taken(j->graph, name);)
            name = ws_arena_printf(&j->arena, "%s_", name);
    for (int d = 0; d < j->graph->spec->n_dims; d++)
        if (strcmp(j->graph->spec->dim[d].name, name) == 0)
            return ws_arena_printf(&j->arena, "%s_", name);
    return name;
}

ws_status em_plan_slots(em_job *j)
{
    const ref_graph *g = j->graph;
    slots s = {.job = j, .env = spec_env(g->spec, -1)};
    s.slot = WS_ARENA_NEW(&j->arena, slot, g->n_nodes + 1);
    s.last = WS_ARENA_NEW(&j->arena, int, g->n_values + 1);
    int *slot_of = WS_ARENA_NEW(&j->arena, int, g->n_values + 1);
    j->slot_name = WS_ARENA_NEW(&j->arena, const char *, g->n_values + 1);
    find_last_uses(&s);
    for (int v = 0; v < g->n_values; v++) {
        slot_of[v] = -1;
        j->slot_name[v] = NULL;
    }
    for (int k = 0; k < g->n_nodes; k++) {
        int v = g->node[k].out, step = step_of(j, k);
        bool inside = step != k && s.last[v] <= step; /* of a step that does not store it */
        if (!inside && !em_is_output(g, &g->value[v]) && !em_is_view(j, k))
            slot_of[v] = take_slot(&s, &g->value[v], step, s.last[v]);
    }
    for (int k = 0; k < g->n_nodes; k++) {
        int v = g->node[k].out;
        slot *t = slot_of[v] < 0 ? NULL : &s.slot[slot_of[v]];
        if (t && !t->name)
            t->name = slot_name(j, t, slot_of[v], &g->value[v]);
        j->slot_name[v] = t ? t->name : NULL;
    }
    for (int i = 0; i < s.n; i++)
        if (em_scratch(j, s.slot[i].name, s.slot[i].dtype, s.slot[i].count))
            return j->err->status;
    return WS_OK;
}
