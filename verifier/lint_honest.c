/* Honest arithmetic, in every order of summation, must be within the bounds. */
#include "verifier/lint_bench.h"

#include "base/json.h"
#include "reference/ops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* The worst error over its tolerance on the lab's inputs. */
static ws_status try_honest(const linter *l, const lint_lab *b, ref_order order, double *excess)
{
    ref_tensor *out = ws_calloc((size_t)l->g->n_outputs + 1, sizeof *out);
    lint_trial t = {.kind = LINT_HONEST};
    ws_status st = ref_eval_in_order(b->c.bound, b->in, order, out, l->err);
    if (!st)
        lint_all_right(b, &t, out, excess);
    for (int o = 0; o < l->g->n_outputs; o++)
        ref_tensor_release(&out[o]);
    free(out);
    return st;
}

/* Every order at one check shape. */
static ws_status try_orders(linter *l, int check)
{
    lint_lab own = {0}, *b = &l->lab[VFY_INPUTS_RANDOM];
    ws_status st = WS_OK;
    if (check != l->check) {
        b = &own;
        st = lint_lab_init(l, check, VFY_INPUTS_RANDOM, b);
    }
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT && !st; o++)
        st = try_honest(l, b, o, &l->rep->honest[o]);
    if (own.ready)
        lint_lab_close(&own);
    return st;
}

ws_status lint_examine_orders(linter *l)
{
    for (int c = 0; c < l->s->n_checks; c++)
        if (try_orders(l, c))
            return l->err->status;
    bool derived = l->s->rtol < 0 && l->s->atol < 0;
    l->rep->honest_limit = derived ? (1 + 1e-9) / VFY_SAFETY : 1;
    for (ref_order o = REF_ORDER_EXACT + 1; o < REF_ORDER_COUNT; o++)
        if (!(l->rep->honest[o] <= l->rep->honest_limit))
            lint_add(l, LINT_HONEST, ref_order_name(o), true);
    return WS_OK;
}

/* ---- tf32 ---- */

/* The spec with every result in tf32; NULL: it is not one of f32. */
static spec *spec_in_tf32(const spec *s)
{
    ws_buf text = {0};
    ws_err err = {0};
    spec *out = NULL;
    if (s->precision != WS_F32)
        return NULL;
    cJSON *root = cJSON_Duplicate(s->root, true);
    cJSON_DeleteItemFromObject(root, "precision");
    cJSON_AddStringToObject(root, "precision", "tf32");
    ws_json_print(root, false, &text);
    if (spec_from_text(text.p, text.n, s->path, &out, &err))
        out = NULL;
    ws_buf_release(&text);
    cJSON_Delete(root);
    return out;
}

/* The inputs as tensor cores see them. */
static bool round_inputs(const lint_lab *b, ref_tensor *in)
{
    const spec *s = b->g->spec;
    ws_err err = {0};
    for (int i = 0; i < lint_count_tensors(s); i++) {
        in[i].shape = b->in[i].shape;
        if (ref_tensor_alloc(&in[i], false, s->tensor[i].name, &err))
            return false;
        for (int64_t k = 0; k < in[i].shape.count; k++)
            in[i].v[k] = s->tensor[i].dtype == WS_F32 ? ws_dtype_round(WS_TF32, b->in[i].v[k])
                                                      : b->in[i].v[k];
    }
    return true;
}

/* The worst difference in units of allclose(1e-2, 1e-2), and how many elements are beyond it. */
static double count_far(const lint_lab *b, const ref_tensor *got, int64_t *far, int64_t *all)
{
    double worst = 0;
    for (int o = 0; o < b->g->n_outputs; o++)
        for (int64_t i = 0; i < got[o].shape.count; i++) {
            double want = b->c.want[o].v[i];
            double d = fabs(got[o].v[i] - want) / (1e-2 + 1e-2 * fabs(want));
            *far += !(d <= 1);
            *all += 1;
            worst = d > worst || isnan(d) ? (isnan(d) ? (double)INFINITY : d) : worst;
        }
    return worst;
}

void lint_examine_tf32(linter *l)
{
    const lint_lab *b = &l->lab[VFY_INPUTS_RANDOM];
    spec *s = spec_in_tf32(l->s);
    ws_arena a = {0};
    ws_err err = {0};
    ref_graph *g = NULL;
    ref_bound *bound;
    int axis, n = lint_count_tensors(l->s);
    ref_tensor *in = WS_ARENA_NEW(&a, ref_tensor, n + 1);
    ref_tensor *got = WS_ARENA_NEW(&a, ref_tensor, l->g->n_outputs);
    int64_t far = 0, all = 0;
    double worst = 0;
    bool by_index = false;
    for (int o = 0; o < l->g->n_outputs; o++)
        by_index |= ref_output_compare(l->g, o, &axis) == REF_COMPARE_INDEX;
    if (s && !by_index && !b->c.meaningless && !ref_graph_new(s, &g, &err) &&
        !ref_bind(g, &b->env, &a, &bound, &err) && round_inputs(b, in) &&
        !ref_eval_in_order(bound, in, REF_ORDER_PAIRWISE, got, &err))
        worst = count_far(b, got, &far, &all);
    lint_finding *f = far * 100 > all ? lint_add(l, LINT_ILL_CONDITIONED, "", false) : NULL;
    if (f)
        snprintf(f->text, sizeof f->text,
                 "ill conditioned: honest arithmetic in tf32 is off by up to %.3g times what 1e-2 "
                 "allows; %.2g %% of the elements are beyond that",
                 worst, 100 * (double)far / (double)all);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    for (int o = 0; o < l->g->n_outputs; o++)
        ref_tensor_release(&got[o]);
    ref_graph_free(g);
    spec_free(s);
    ws_arena_release(&a);
}
