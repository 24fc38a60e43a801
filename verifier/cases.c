#include "verifier/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kind_names[] = {
#define X(id, name) name,
    VFY_INPUTS_LIST(X)
#undef X
};

const char *vfy_inputs_name(vfy_inputs k)
{
    return kind_names[k];
}

static double transform(vfy_inputs kind, ws_dtype t, double v)
{
    switch (kind) {
    case VFY_INPUTS_NEGATIVE: return -fabs(v) - 0.125;
    case VFY_INPUTS_LARGE: return (ws_dtype_roundoff(t) > 0x1p-20 ? 16 : 64) * v;
    default: return v;
    }
}

static void apply_kind(const spec_tensor *t, vfy_inputs kind, ref_tensor *x)
{
    if (kind == VFY_INPUTS_RANDOM || t->is_weight || !ws_dtype_is_float(t->dtype))
        return;
    for (int64_t i = 0; i < x->shape.count; i++)
        x->v[i] = ws_dtype_round(t->dtype, transform(kind, t->dtype, x->v[i]));
}

static bool all_finite(const ref_tensor *t)
{
    for (int64_t i = 0; i < t->shape.count; i++)
        if (!isfinite(t->v[i]))
            return false;
    return true;
}

static ws_status make_inputs(vfy_case *c, const ref_graph *g, ref_tensor *input, ws_err *err)
{
    const spec *s = g->spec;
    for (int i = 0; i < s->n_inputs + s->n_weights; i++) {
        if (ref_make_input(c->bound, i, c->seed, &input[i], err))
            return err->status;
        const spec_tensor *t = &s->tensor[i];
        apply_kind(t, c->inputs, &input[i]);
        size_t n = (size_t)input[i].shape.count;
        c->in_bytes[i] = ws_dtype_size(t->dtype, n);
        if (!(c->in[i] = ws_alloc_tensor(c->in_bytes[i])))
            return ws_fail(err, WS_ELIMIT, "no memory for input '%s' of %zu bytes", t->name,
                           c->in_bytes[i]);
        ws_dtype_store(t->dtype, c->in[i], input[i].v, n);
    }
    return WS_OK;
}

ws_status vfy_case_init(vfy_case *c, const ref_graph *g, int check, vfy_inputs kind, uint64_t seed,
                        ws_err *err)
{
    const spec *s = g->spec;
    int n = s->n_inputs + s->n_weights;
    *c = (vfy_case){.check = check, .inputs = kind, .seed = seed};
    ws_env *env = WS_ARENA_NEW(&c->arena, ws_env, 1);
    *env = spec_env(s, check);
    ws_buf shape = {0};
    spec_env_print(env, &shape);
    snprintf(c->shape, sizeof c->shape, "%s", ws_buf_z(&shape));
    ws_buf_release(&shape);
    c->in = WS_ARENA_NEW(&c->arena, void *, n + 1);
    c->in_bytes = WS_ARENA_NEW(&c->arena, size_t, n + 1);
    c->want = WS_ARENA_NEW(&c->arena, ref_tensor, g->n_outputs);
    c->of = WS_ARENA_NEW(&c->arena, ref_tensor, g->n_outputs);
    ref_tensor *input = ws_calloc((size_t)n + 1, sizeof *input);
    ws_status st = ref_bind(g, env, &c->arena, &c->bound, err);
    if (!st)
        st = make_inputs(c, g, input, err);
    if (!st)
        st = ref_eval_full(c->bound, input, true, c->want, c->of, err);
    for (int o = 0; !st && o < g->n_outputs; o++)
        c->meaningless |= !all_finite(&c->want[o]);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&input[i]);
    free(input);
    if (st)
        vfy_case_release(c);
    return st ? ws_wrap(err, "check shape %d", check) : WS_OK;
}

void vfy_case_release(vfy_case *c)
{
    if (c->bound) {
        const ref_graph *g = c->bound->graph;
        for (int i = 0; i < g->spec->n_inputs + g->spec->n_weights; i++)
            free(c->in[i]);
        for (int o = 0; o < g->n_outputs; o++) {
            ref_tensor_release(&c->want[o]);
            ref_tensor_release(&c->of[o]);
        }
    }
    ws_arena_release(&c->arena);
    *c = (vfy_case){0};
}
