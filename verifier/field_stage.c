#include "verifier/field_stage.h"

#include "reference/ops.h"

#include <stdio.h>

/* Whether something that is not of the field reads the value. */
static bool is_last(const ref_graph *g, const ref_field_value *value, int v)
{
    for (int k = 0; k < g->n_nodes; k++)
        for (int i = 0; i < g->node[k].n_in; i++)
            if (g->node[k].in[i] == v && value[g->node[k].out].kind == REF_FIELD_NONE)
                return true;
    return false;
}

/* What copies alone make of inputs shows nothing. */
static bool is_computed(const ref_graph *g, int v)
{
    return g->value[v].node >= 0 && !g->node[g->value[v].node].op->moves;
}

void vfy_stages_begin(const ref_graph *g, const ref_field_value *value, vfy_field *f)
{
    f->n_stages = 0;
    for (int v = 0; v < g->n_values && f->n_stages < VFY_FIELD_STAGES; v++) {
        if (g->value[v].scope || value[v].kind != REF_FIELD_ELEMENT || value[v].degree < 1 ||
            !is_computed(g, v) || !is_last(g, value, v))
            continue;
        f->degree = value[v].degree > f->degree ? value[v].degree : f->degree;
        f->held_in[f->n_stages] = ~0ull;
        f->stage[f->n_stages++] = v;
    }
}

const plan_bound *vfy_stages_plan(const plan_bound *b, int n_tensors, ws_arena *a)
{
    plan_bound *p = WS_ARENA_NEW(a, plan_bound, 1);
    *p = *b;
    p->n_scratch = 0;
    p->launch = WS_ARENA_NEW(a, plan_bound_launch, b->n_launches + 1);
    for (int i = 0; i < b->n_launches; i++) {
        const plan_bound_launch *from = &b->launch[i];
        plan_bound_launch *to = &p->launch[i];
        *to = *from;
        to->arg = WS_ARENA_NEW(a, plan_bound_arg, from->n_args + 1);
        to->map = WS_ARENA_NEW(a, plan_bound_map, from->n_maps + 1);
        for (int k = 0; k < from->n_maps; k++) {
            to->map[k] = from->map[k];
            if (from->map[k].is_scratch) {
                to->map[k].is_scratch = false;
                to->map[k].index = n_tensors + from->map[k].index;
            }
        }
        for (int k = 0; k < from->n_args; k++) {
            to->arg[k] = from->arg[k];
            if (from->arg[k].kind == PLAN_ARG_SCRATCH) {
                to->arg[k].kind = PLAN_ARG_TENSOR;
                to->arg[k].index = n_tensors + from->arg[k].index;
            }
        }
    }
    return p;
}

void vfy_stages_name(const ref_graph *g, const plan *p, vfy_field *f)
{
    size_t at = 0;
    f->stages[0] = 0;
    for (int k = 0; k < f->n_stages && f->stage_shapes && at < sizeof f->stages; k++)
        for (int i = 0; i < p->n_scratch && i < 64; i++) {
            if (!(f->held_in[k] >> i & 1))
                continue;
            at += (size_t)snprintf(f->stages + at, sizeof f->stages - at, "%s'%s' in scratch '%s'",
                                   at ? ", " : "", g->value[f->stage[k]].name, p->scratch[i].name);
            break;
        }
}
