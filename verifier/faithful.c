#include "verifier/faithful.h"

#include "base/philox.h"
#include "reference/ops.h"
#include "verifier/full.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rounding moves a number by up to u of its power of two: on average over a binade, 0.72 of u of
 * the number itself. */
#define MOVED (0.72 * 0x1p-11)

enum { PERTURBED = 1 << 27 };

bool vfy_is_narrow_code(const char *ptx)
{
    static const char *const marks[] = {".f16", ".bf16", ".tf32", ".e4m3", ".e5m2", ".e2m1"};
    for (size_t i = 0; i < WS_COUNT(marks); i++)
        if (strstr(ptx, marks[i]))
            return true;
    return false;
}

/* Between the roundoffs of two formats the geometric mean decides, but where f32 ends: long sums in
 * order lose bits, and are f32 all the same as long as nothing narrower is in the code. */
const char *vfy_precision_label(double u, const char *ptx)
{
    bool narrow = vfy_is_narrow_code(ptx);
    if (u == 0)
        return "exact";
    if (u < 0x1p-36)
        return "f64";
    if (u < (narrow ? 0x1p-21 : 0x1p-13))
        return "f32";
    if (u < 0x1p-13)
        return "split";
    if (u < 0x1p-9)
        return strstr(ptx, ".f16") && !strstr(ptx, ".tf32") ? "f16" : "tf32";
    return u < 0x1p-6 ? "bf16" : "fp8";
}

/* Root of the mean square over the elements that are compared. */
static double spread(const vfy_case *c, int o, const double *a, const double *b)
{
    const ref_tensor *want = &c->want[o];
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < want->shape.count; i++) {
        double d = a[i] - b[i];
        if ((c->open[o] && c->open[o][i]) || !isfinite(d))
            continue;
        sum += d * d;
        n++;
    }
    return n ? sqrt(sum / (double)n) : 0;
}

/* 1, off by MOVED at most. */
static double factor(const vfy_full *f, int stream, int64_t i)
{
    double u = ws_philox_uniform(f->seed, PERTURBED + (uint64_t)stream, (uint64_t)i);
    return 1 + MOVED * (2 * u - 1);
}

/* The exact result of operands, and itself, moved by MOVED. */
static ws_status move(const vfy_full *f, const ref_tensor *in, ref_tensor *out, ws_err *err)
{
    const spec *s = f->s->spec;
    int n = s->n_inputs + s->n_weights;
    ref_tensor *moved = ws_calloc((size_t)n + 1, sizeof *moved);
    ws_status st = WS_OK;
    for (int t = 0; t < n && !st; t++) {
        moved[t].shape = in[t].shape;
        if ((st = ref_tensor_alloc(&moved[t], false, s->tensor[t].name, err)))
            break;
        bool floats = ws_dtype_is_float(s->tensor[t].dtype);
        for (int64_t i = 0; i < in[t].shape.count; i++)
            moved[t].v[i] = in[t].v[i] * (floats ? factor(f, t, i) : 1);
    }
    if (!st)
        st = ref_eval(f->base.bound, moved, false, out, err);
    for (int o = 0; o < f->s->graph->n_outputs && !st; o++)
        for (int64_t i = 0; i < out[o].shape.count; i++)
            out[o].v[i] *= factor(f, n + o, i);
    for (int t = 0; t < n; t++)
        ref_tensor_release(&moved[t]);
    free(moved);
    return st;
}

/* The candidate's effective roundoff on one case: the worst of its outputs; negative: none shows
 * it. */
static ws_status measure(const vfy_full *f, const vfy_case *c, const ref_tensor *in,
                         void *const *got, double *u, ws_err *err)
{
    const ref_graph *g = f->s->graph;
    ref_tensor *out = ws_calloc((size_t)g->n_outputs + 1, sizeof *out);
    ws_status st = move(f, in, out, err);
    *u = -1;
    for (int o = 0; o < g->n_outputs && !st; o++) {
        ws_dtype type = g->value[g->output[o]].dtype;
        size_t n = (size_t)c->want[o].shape.count;
        if (!ws_dtype_is_float(type) || !n)
            continue;
        double *v = ws_malloc((n + 1) * sizeof *v);
        ws_dtype_load(type, v, got[o], n);
        double off = spread(c, o, v, c->want[o].v), unit = spread(c, o, out[o].v, c->want[o].v);
        bool nearest = true;
        for (size_t i = 0; i < n && nearest; i++)
            nearest = v[i] == ws_dtype_round(type, c->want[o].v[i]) || isnan(c->want[o].v[i]);
        if (nearest)
            *u = fmax(*u, 0);
        else if (unit > 0)
            *u = fmax(*u, off / unit * 0x1p-11);
        free(v);
    }
    for (int o = 0; o < g->n_outputs; o++)
        ref_tensor_release(&out[o]);
    free(out);
    return st;
}

/* On numbers of both signs too: sums of positive numbers lose more than others. */
ws_status vfy_full_faithful(vfy_full *f, ws_err *err)
{
    const ref_graph *g = f->s->graph;
    int n = g->spec->n_inputs + g->spec->n_weights;
    double u = -1, other = -1;
    if (!f->main || !f->first.out || f->base.meaningless)
        return WS_OK;
    ws_status st = measure(f, &f->base, f->in, f->first.out, &u, err);
    ref_tensor *in = ws_calloc((size_t)n + 1, sizeof *in);
    vfy_case c = {0};
    if (!st && u > 0)
        st = vfy_case_init(&c, g, f->check, VFY_INPUTS_SIGNED, f->seed, err);
    if (!st && u > 0 && !c.meaningless) {
        vfy_try t = {.c = &c, .judged = true};
        st = vfy_case_inputs(f->base.bound, VFY_INPUTS_SIGNED, f->seed, in, err);
        if (!st)
            st = f->run(f->ud, &t, 1, err);
        if (!st && t.out)
            st = measure(f, &c, in, t.out, &other, err);
        vfy_try_release(&t, g->n_outputs);
    }
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    free(in);
    vfy_case_release(&c);
    if (st || u < 0)
        return st;
    u = other >= 0 ? fmin(u, other) : u;
    f->v->roundoff = u;
    snprintf(f->v->precision, sizeof f->v->precision, "%s", vfy_precision_label(u, f->ptx));
    return WS_OK;
}
