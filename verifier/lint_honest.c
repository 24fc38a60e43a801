/* Honest arithmetic, in every order of summation, must be within the bounds. */
#include "verifier/lint_bench.h"

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
