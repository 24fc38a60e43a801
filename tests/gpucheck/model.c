/* The cost model's times beside measured ones, at benchmark shapes. */
#include "tests/gpucheck/subject.h"

#include "verifier/calibration.h"
#include "verifier/repeat.h"
#include "verifier/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 20, MOST = 512, LEAST_KERNELS = 60 };
static const double LEAST_RANK = 0.8;

static struct sample {
    double modelled, measured;
} sample[MOST];
static int n_samples;

/* What the model says, after the quick runs; NaN: nothing. */
static ws_status modelled(gc_subject *s, vfy_verdict *v, double *out, ws_err *err)
{
    vfy_session *session;
    const vfy_options o = {.arch = s->c->arch, .gpu = s->c->gpu, .device = "cpu", .seed = 1,
                           .depth = VFY_QUICK, .wall_seconds = 20};
    *out = (double)NAN;
    if (vfy_session_open(s->spec, s->c->comp, &session, err))
        return err->status;
    if (!vfy_verify(session, ws_buf_z(&s->source), s->source.n, &o, v, err) && v->has_model)
        *out = v->model.seconds;
    vfy_session_close(session);
    return err->status;
}

/* What the engine counted of all launches, for 'warpsmith calibrate'. */
static void put_counts(gc_subject *s, const vfy_verdict *v, cJSON *row)
{
    const ws_env env = spec_env(s->spec, -1);
    tim_launch l[VFY_MAX_LAUNCHES];
    ref_cost cost;
    ws_err ignored = {0};
    if (v->n_launches != v->plan_launches || !v->launch[0].index ||
        ref_cost_at(s->graph, &env, &cost, &ignored))
        return;
    for (int i = 0; i < v->n_launches; i++)
        l[i] = v->launch[i].counted;
    vfy_calibration_put(row, l, v->n_launches, &cost);
}

static void compare(gc_check *c, const char *file, const char *spec_name, const char *expect)
{
    gc_subject s;
    hx_diag d;
    ws_err err = {0};
    ws_env small;
    gc_ran ran;
    bool possible = false;
    double model = (double)NAN;
    char text[160];
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    (void)expect;
    if (gc_open(&s, c, spec_name, file, &d, &err) || d.reason != HX_PASS)
        gc_say(&s, "", GC_FAILED, NULL, err.status ? err.msg : d.text);
    else if (n_samples == MOST || !vfy_repeat_shape(s.graph, 1, &s.arena, &small))
        gc_say(&s, "", GC_SKIPPED, NULL, "no dim of it repeats");
    else if (gc_at_benchmark(&s, &small, REPEATS, &ran, &possible, &err) ||
             modelled(&s, v, &model, &err))
        gc_say(&s, "", GC_FAILED, NULL, err.msg);
    else if (!possible || ran.reason != HX_PASS || !isfinite(model))
        gc_say(&s, "", GC_SKIPPED, &ran, "it has no two times");
    else {
        sample[n_samples++] = (struct sample){model, ran.seconds};
        snprintf(text, sizeof text, "%.2f us measured, %.2f us modelled: %.2f", ran.seconds * 1e6,
                 model * 1e6, model / ran.seconds);
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "spec", s.spec->name);
        cJSON_AddNumberToObject(row, "measured_s", ran.seconds);
        cJSON_AddNumberToObject(row, "modelled_s", model);
        put_counts(&s, v, row);
        gc_add(c, row, GC_PASSED, s.name, text);
    }
    free(v);
    gc_close(&s);
}

/* ---- ranks ---- */

static const double *compared;

static int by_value(const void *a, const void *b)
{
    const double x = compared[*(const int *)a], y = compared[*(const int *)b];
    return (x > y) - (x < y);
}

/* Equal values share the mean of their ranks. */
static void ranks(const double *v, int n, double *out)
{
    int at[MOST];
    for (int i = 0; i < n; i++)
        at[i] = i;
    compared = v;
    qsort(at, (size_t)n, sizeof *at, by_value);
    for (int i = 0, end; i < n; i = end) {
        for (end = i; end < n && v[at[end]] == v[at[i]]; end++)
            ;
        for (int k = i; k < end; k++)
            out[at[k]] = (i + end - 1) / 2.0;
    }
}

/* Spearman's: the correlation of the ranks. */
static double rank_correlation(void)
{
    double x[MOST] = {0}, y[MOST] = {0}, rx[MOST], ry[MOST], xy = 0, xx = 0, yy = 0;
    const int n = n_samples;
    for (int i = 0; i < n; i++) {
        x[i] = sample[i].modelled;
        y[i] = sample[i].measured;
    }
    ranks(x, n, rx);
    ranks(y, n, ry);
    for (int i = 0; i < n; i++) {
        const double a = rx[i] - (n - 1) / 2.0, b = ry[i] - (n - 1) / 2.0;
        xy += a * b;
        xx += a * a;
        yy += b * b;
    }
    return xy / sqrt(xx * yy);
}

ws_status gc_model(gc_check *c, ws_err *err)
{
    n_samples = 0;
    if (!c->gpu) {
        gc_add(c, cJSON_CreateObject(), GC_SKIPPED, "the cost model",
               "this GPU is not in its table (harness/timing/gpus.c)");
        return WS_OK;
    }
    gc_each_file(c, "tests/kernels/honest", compare);
    if (gc_each_emitted(c, compare, err) || !n_samples)
        return err->status;
    cJSON *row = cJSON_CreateObject();
    const double rank = rank_correlation();
    char text[128];
    cJSON_AddNumberToObject(row, "spearman", rank);
    cJSON_AddNumberToObject(row, "kernels", n_samples);
    snprintf(text, sizeof text, "%.3f over %d kernels", rank, n_samples);
    /* Wall times of the CPU driver say nothing about a GPU. */
    const gc_end end = c->engine || n_samples < LEAST_KERNELS ? GC_SKIPPED
                       : rank >= LEAST_RANK                   ? GC_PASSED
                                                              : GC_FAILED;
    gc_add(c, row, end, "rank correlation of modelled and measured times", text);
    return WS_OK;
}
