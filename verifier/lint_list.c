/* Which trials suit a spec. */
#include "verifier/lint_bench.h"

static bool same_form(const ref_value *a, const ref_value *b)
{
    bool same = a->dtype == b->dtype && a->rank == b->rank;
    for (int d = 0; same && d < a->rank; d++)
        same = ws_expr_same(a->dim[d], b->dim[d]);
    return same;
}

static bool is_output(const ref_graph *g, int v)
{
    for (int o = 0; o < g->n_outputs; o++)
        if (g->output[o] == v)
            return true;
    return false;
}

/* An op can give way to an operand of its result's shape and dtype; an output must stay a node. */
static bool can_give_way(const ref_graph *g, int node, int operand)
{
    const ref_node *n = &g->node[node];
    const ref_value *in = &g->value[n->in[operand]], *out = &g->value[n->out];
    return !in->is_literal && same_form(in, out) && !(in->tensor >= 0 && is_output(g, n->out));
}

static bool has_elements(const linter *l)
{
    bool several = false;
    for (int o = 0; o < l->g->n_outputs; o++)
        several |= l->lab[VFY_INPUTS_RANDOM].c.want[o].shape.count > 1;
    return several;
}

/* At the benchmark's shape, where a check shape may have one element. */
static bool has_more(const linter *l)
{
    ws_arena a = {0};
    ws_env env = spec_env(l->s, -1);
    ws_err err = {0};
    ref_bound *b;
    bool several = false;
    if (!ref_bind(l->g, &env, &a, &b, &err))
        for (int o = 0; o < l->g->n_outputs; o++)
            several |= b->shape[l->g->output[o]].count > 1;
    ws_arena_release(&a);
    return several;
}

lint_trial *lint_list_trials(const linter *l, ws_arena *a, int *n)
{
    static const lint_kind of_tensor[] = {LINT_COPY, LINT_IGNORED, LINT_WITHOUT, LINT_ONES};
    const bool indices = ref_has_index_output(l->g);
    int tensors = lint_count_tensors(l->s), k = 0;
    lint_trial *t = WS_ARENA_NEW(a, lint_trial, 9 + l->s->n_dims + tensors * 5 + l->g->n_nodes * 2);
    t[k++] = (lint_trial){.kind = LINT_ZEROS};
    if (has_elements(l)) /* of one number alone, some constant is always right */
        t[k++] = (lint_trial){.kind = LINT_CONSTANT};
    t[k++] = (lint_trial){.kind = LINT_OTHER_INPUTS};
    if (lint_rounds_something(&l->lab[VFY_INPUTS_RANDOM]))
        t[k++] = (lint_trial){.kind = LINT_LOWER};
    for (int i = 0; i < tensors; i++) /* before the loose ones, which take long */
        if (!l->s->tensor[i].is_weight)
            t[k++] = (lint_trial){.kind = LINT_COPY, .tensor = i};
    for (int q = LINT_LOOSE_ZEROS; q <= LINT_LOOSE_OTHER && !indices; q++)
        if (q != LINT_LOOSE_CONSTANT || has_more(l))
            t[k++] = (lint_trial){.kind = (lint_kind)q};
    for (int d = 0; d < l->s->n_dims && !indices; d++)
        if (l->summed[d])
            t[k++] = (lint_trial){.kind = LINT_LOOSE_SAMPLE, .dim = d};
    for (int weights = 0; weights < 2; weights++) {
        for (int i = 0; i < tensors; i++)
            for (size_t q = 0; q < WS_COUNT(of_tensor); q++) {
                bool numbers = q < 2 || ws_dtype_is_float(l->s->tensor[i].dtype);
                bool listed = !weights && of_tensor[q] == LINT_COPY;
                if (l->s->tensor[i].is_weight == weights && numbers && !listed)
                    t[k++] = (lint_trial){.kind = of_tensor[q], .tensor = i};
            }
        for (int i = 0; i < tensors && !weights && has_elements(l) && !indices; i++)
            if (!l->s->tensor[i].is_weight)
                t[k++] = (lint_trial){.kind = LINT_LOOSE_COPY, .tensor = i};
        for (int i = 0; !weights && i < l->g->n_nodes; i++)
            for (int o = 0; o < l->g->node[i].n_in && o < 2; o++)
                if (can_give_way(l->g, i, o))
                    t[k++] = (lint_trial){.kind = LINT_OP, .node = i, .operand = o};
    }
    *n = k;
    return t;
}
