#include "verifier/names.h"

plan_names vfy_plan_names(ref_graph *g)
{
    const spec *s = g->spec;
    const int n_given = s->n_inputs + s->n_weights, most = n_given + s->n_outputs;
    const char **tensor = WS_ARENA_NEW(&g->arena, const char *, most + 1);
    const char **dim = WS_ARENA_NEW(&g->arena, const char *, s->n_dims + 1);
    plan_shape *shape = WS_ARENA_NEW(&g->arena, plan_shape, most + 1);
    int n = 0;
    for (; n < n_given; n++) {
        const spec_tensor *t = &s->tensor[n];
        tensor[n] = t->name;
        shape[n] = (plan_shape){t->dtype, t->rank, t->shape};
    }
    for (int o = 0; o < s->n_outputs; o++) {
        const ref_value *v = &g->value[g->output[o]];
        if (spec_find_tensor(s, s->output[o]))
            continue;
        tensor[n] = s->output[o];
        shape[n++] = (plan_shape){v->dtype, v->rank, v->dim};
    }
    for (int i = 0; i < s->n_dims; i++)
        dim[i] = s->dim[i].name;
    return (plan_names){tensor, n, dim, s->n_dims, shape};
}
