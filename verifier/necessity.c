/* What a plan could do without: launches that change nothing, inputs that are ignored. */
#include "verifier/full.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const plan_bound *vfy_plan_without(ws_arena *a, const plan_bound *b, int without)
{
    plan_bound *p = WS_ARENA_NEW(a, plan_bound, 1);
    *p = *b;
    p->launch = WS_ARENA_NEW(a, plan_bound_launch, b->n_launches + 1);
    p->n_launches = 0;
    for (int i = 0; i < b->n_launches; i++)
        if (i != without - 1)
            p->launch[p->n_launches++] = b->launch[i];
    return p;
}

static bool same_bits(const vfy_full *f, const vfy_try *a, const vfy_try *b)
{
    bool same = a->out && b->out;
    for (int o = 0; same && o < f->s->graph->n_outputs; o++)
        same = vfy_first_difference(f, o, a->out[o], b->out[o]) < 0;
    return same;
}

static int pending(const vfy_full *f)
{
    int n = 0;
    for (int i = 0; i < f->bound->n_launches; i++)
        n += !f->needed[i];
    return n;
}

/* Leaves out each launch of which no need is known; `whole` is the run with all of them. */
static ws_status try_without(vfy_full *f, const vfy_case *c, const vfy_try *whole, ws_err *err)
{
    vfy_try t[VFY_MOST_LAUNCHES] = {0};
    int n = 0;
    for (int i = 0; i < f->bound->n_launches; i++)
        if (!f->needed[i])
            t[n++] = (vfy_try){.c = c, .without = i + 1};
    ws_status st = f->run(f->ud, t, n, err);
    for (int k = 0; k < n; k++) {
        if (!st)
            f->needed[t[k].without - 1] = t[k].reason != HX_PASS || !same_bits(f, whole, &t[k]);
        vfy_try_release(&t[k], f->s->graph->n_outputs);
    }
    return st;
}

/* A launch may be for inputs that are rare. */
static ws_status try_kinds(vfy_full *f, ws_err *err)
{
    ws_status st = WS_OK;
    for (int kind = VFY_INPUTS_RANDOM + 1; kind < VFY_INPUTS_COUNT && !st && pending(f); kind++) {
        vfy_case c = {0};
        st = vfy_case_init(&c, f->s->graph, f->check, (vfy_inputs)kind, f->seed, err);
        vfy_try whole = {.c = &c, .judged = true};
        if (!st && !c.meaningless)
            st = f->run(f->ud, &whole, 1, err);
        if (!st && whole.out)
            st = try_without(f, &c, &whole, err);
        vfy_try_release(&whole, f->s->graph->n_outputs);
        vfy_case_release(&c);
    }
    return st;
}

/* Each launch replaced by nothing must break the result, or change its bits, at some shape. */
ws_status vfy_full_launches(vfy_full *f, ws_err *err)
{
    if (!f->needed || !f->repeats || !f->first.out || !pending(f))
        return WS_OK;
    ws_status st = try_without(f, &f->base, &f->first, err);
    return !st && f->main && f->affordable && pending(f) ? try_kinds(f, err) : st;
}

/* ---- ignored inputs ---- */

/* The random inputs, but for tensor `other`, whose values are those of the kind OTHER. */
static ws_status make_case(vfy_full *f, int other, vfy_case *c, ws_err *err)
{
    const spec *s = f->s->spec;
    int n = s->n_inputs + s->n_weights;
    char name[64];
    ref_tensor *in = ws_calloc((size_t)n + 1, sizeof *in),
               *mixed = ws_calloc((size_t)n + 1, sizeof *in);
    ws_status st = vfy_case_inputs(f->base.bound, VFY_INPUTS_OTHER, f->seed, in, err);
    for (int i = 0; i < n; i++)
        mixed[i] = i == other ? in[i] : f->in[i];
    snprintf(name, sizeof name, "other values of %.40s", s->tensor[other].name);
    if (!st)
        st = vfy_case_of(c, f->s->graph, f->check, name, f->seed, mixed, err);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    free(in);
    free(mixed);
    return st;
}

/* Other values of tensor i leave the candidate's result as it was, which is wrong. */
static ws_status is_ignored(vfy_full *f, int i, bool *ignored, ws_err *err)
{
    vfy_case c = {0};
    *ignored = false;
    if (make_case(f, i, &c, err))
        return err->status;
    vfy_try t = {.c = &c};
    ws_status st = c.meaningless ? WS_OK : f->run(f->ud, &t, 1, err);
    *ignored = !st && same_bits(f, &f->first, &t) && t.reason != HX_PASS;
    vfy_try_release(&t, f->s->graph->n_outputs);
    vfy_case_release(&c);
    return st;
}

ws_status vfy_full_name_ignored(vfy_full *f, ws_err *err)
{
    enum { MOST_TENSORS = 32 };
    const spec *s = f->s->spec;
    int n = s->n_inputs + s->n_weights;
    vfy_verdict *v = f->v, *found = ws_malloc(sizeof *found);
    ws_status st = WS_OK;
    bool ignored = false;
    *found = *v;
    v->reason = HX_PASS; /* so that more runs are made */
    for (int i = 0; i < n && i < MOST_TENSORS && !st && !ignored && f->first.out; i++) {
        st = is_ignored(f, i, &ignored, err);
        size_t at = strlen(found->text);
        if (ignored)
            snprintf(
                found->text + at, sizeof found->text - at,
                "; %s '%s' is ignored: other values of it leave every bit of the result as it was",
                i < s->n_inputs ? "input" : "weight", s->tensor[i].name);
    }
    *v = *found;
    free(found);
    return st;
}
