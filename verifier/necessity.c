/* What a plan could do without: launches that change nothing, inputs that are ignored. */
#include "verifier/full.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LAUNCHES = 16 };

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

/* Each launch replaced by nothing must break the result. One that does not may still be for other
 * shapes or other inputs: the verdict says so, and does not reject. */
ws_status vfy_full_launches(vfy_full *f, ws_err *err)
{
    const int n = f->bound->n_launches;
    vfy_try t[MOST_LAUNCHES] = {0};
    if (!f->relates || n < 2 || n > MOST_LAUNCHES)
        return WS_OK;
    for (int i = 0; i < n; i++)
        t[i] = (vfy_try){.c = &f->base, .without = i + 1};
    ws_status st = f->run(f->ud, t, n, err);
    char *text = f->v->launches_needed;
    size_t at = 0, size = sizeof f->v->launches_needed;
    for (int i = 0; i < n && !st; i++) {
        if (t[i].reason == HX_PASS && at < size)
            at +=
                (size_t)snprintf(text + at, size - at, "%slaunch %d ('%s') changes nothing at %s",
                                 at ? "; " : "", i + 1, f->bound->launch[i].kernel, f->base.shape);
        vfy_try_release(&t[i], f->s->graph->n_outputs);
    }
    if (!at && !st)
        snprintf(text, size, "without any one of the %d launches the result is wrong", n);
    return st;
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
    bool same = !st && t.out != NULL;
    for (int o = 0; same && o < f->s->graph->n_outputs; o++)
        same = vfy_first_difference(f, o, f->first.out[o], t.out[o]) < 0;
    *ignored = same && t.reason != HX_PASS;
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
