/* At the benchmark shape: on inputs that repeat those of a smaller one, whose reference then is that
 * of every element (verifier/repeat.h). */
#include "tests/gpucheck/subject.h"
#include "verifier/reach.h"
#include "verifier/repeat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The small case, repeated to the benchmark shape in every tensor. */
typedef struct tiled {
    vfy_case small;
    run_tile tile[GC_MAX_TENSORS];
} tiled;

static size_t elements(const run_tile *t)
{
    size_t n = 1;
    for (int a = 0; a < t->rank; a++)
        n *= (size_t)t->dim[a];
    return n;
}

/* The inputs at the benchmark shape, with the values of the small ones; false: they take too much. */
static bool make_large(gc_subject *s, const tiled *t, void **in)
{
    const double most = 4e9;
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    double bytes = 0;
    for (int i = 0; i < n_in + s->graph->n_outputs; i++)
        bytes += (double)elements(&t->tile[i]) * (double)t->tile[i].element_bytes;
    if (bytes > most)
        return false;
    for (int i = 0; i < n_in; i++) {
        const size_t n = elements(&t->tile[i]), size = t->tile[i].element_bytes;
        unsigned char *to = in[i] = ws_alloc_tensor_unset(n * size);
        const unsigned char *from = t->small.in[i];
        for (size_t e = 0; to && e < n; e++)
            memcpy(to + e * size, from + (size_t)vfy_repeat_source(&t->tile[i], e) * size, size);
        if (!to)
            return false;
    }
    return true;
}

static void compare_large(gc_subject *s, const tiled *t, const run_tensor *out, gc_ran *ran)
{
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    for (int o = 0; o < s->graph->n_outputs && ran->reason == HX_PASS; o++) {
        const run_tile *tile = &t->tile[n_in + o];
        const ws_dtype dtype = s->graph->value[s->graph->output[o]].dtype;
        const size_t n = elements(tile), size = tile->element_bytes;
        size_t wrong = 0;
        for (size_t e = 0; e < n; e++) {
            double got, tolerance;
            const int64_t at = vfy_repeat_source(tile, e);
            ws_dtype_load(dtype, &got, (const unsigned char *)out[o].out + e * size, 1);
            const double ratio = vfy_compare_element(&t->small, o, at, got, &tolerance);
            ran->worst = ratio > ran->worst ? ratio : ran->worst;
            if (ratio <= 1 || wrong++)
                continue;
            snprintf(ran->text, sizeof ran->text, "%s at element %zu: %g for %g", out[o].name, e, got,
                     t->small.want[o].v[at]);
        }
        if (wrong)
            ran->reason = HX_WRONG_RESULT;
    }
}

static double median(double *v, int n)
{
    for (int i = 1; i < n; i++)
        for (int k = i; k > 0 && v[k] < v[k - 1]; k--) {
            const double x = v[k];
            v[k] = v[k - 1];
            v[k - 1] = x;
        }
    return n ? v[n / 2] : (double)NAN;
}

static ws_status run_large(gc_subject *s, const gc_built *b, const tiled *t, void **in, int repeats,
                           gc_ran *ran, ws_err *err)
{
    const int n_in = s->spec->n_inputs + s->spec->n_weights, n = n_in + s->graph->n_outputs;
    run_tensor *x = WS_ARENA_NEW(&s->arena, run_tensor, n + 1);
    for (int i = 0; i < n; i++) {
        const size_t bytes = elements(&t->tile[i]) * t->tile[i].element_bytes;
        x[i] = (run_tensor){.name = s->names.tensor[i], .bytes = bytes,
                            .role = i < n_in ? RUN_INPUT : RUN_OUTPUT,
                            .in = i < n_in ? in[i] : NULL,
                            .out = i < n_in ? NULL : ws_alloc_tensor_unset(bytes)};
    }
    run_request r = {.device = s->c->device,
                     .image = s->c->engine ? (const void *)b->compiled.ptx : b->compiled.cubin,
                     .image_bytes = s->c->engine ? b->compiled.ptx_bytes + 1 : b->compiled.cubin_bytes,
                     .kernel = b->compiled.kernel, .n_kernels = b->compiled.n_kernels,
                     .plan = b->plan, .scratch_name = plan_scratch_names(s->plan, &s->arena),
                     .tensor = x, .n_tensors = n, .poison = 0xa5, .repeats = repeats,
                     .wall_seconds = 30};
    run_report rep;
    const ws_status st = run_execute(&r, &rep, err);
    if (!st) {
        ran->reason = rep.reason;
        ran->seconds = repeats > 1 ? median(rep.ms, rep.n_ms) * 1e-3 : rep.seconds;
        snprintf(ran->text, sizeof ran->text, "%.590s", rep.text);
        if (rep.reason == HX_PASS)
            compare_large(s, t, x + n_in, ran);
    }
    run_report_release(&rep);
    for (int i = n_in; i < n; i++)
        ws_free_tensor(x[i].out);
    return st;
}

ws_status gc_at_benchmark(gc_subject *s, const ws_env *small, int repeats, gc_ran *ran, bool *possible,
                          ws_err *err)
{
    const int n_in = s->spec->n_inputs + s->spec->n_weights;
    const ws_env env = spec_env(s->spec, -1);
    tiled *t = ws_calloc(1, sizeof *t);
    void **large = ws_calloc((size_t)n_in + 1, sizeof *large);
    gc_built b;
    *ran = (gc_ran){.reason = HX_PASS};
    *possible = false;
    ws_status st = gc_build(s, &env, &b, err);
    if (!st)
        st = vfy_reach_case(&t->small, s->graph, small, VFY_INPUTS_RANDOM, 1, NULL, err);
    for (int i = 0; !st && i < n_in + s->graph->n_outputs; i++) {
        const ref_value *v = i < n_in ? NULL : &s->graph->value[s->graph->output[i - n_in]];
        const spec_tensor *x = v ? NULL : &s->spec->tensor[i];
        vfy_repeat_tile(s->spec, v ? v->dim : x->shape, v ? v->rank : x->rank,
                        ws_dtype_bytes(v ? v->dtype : x->dtype), &t->small.bound->env, &t->tile[i]);
    }
    if (!st && b.why.reason == HX_PASS && !t->small.meaningless) {
        *possible = make_large(s, t, large);
        if (*possible)
            st = run_large(s, &b, t, large, repeats, ran, err);
        for (int i = 0; i < n_in; i++)
            ws_free_tensor(large[i]);
    } else if (!st) {
        ran->reason = b.why.reason;
        snprintf(ran->text, sizeof ran->text, "%.590s", b.why.text);
    }
    vfy_case_release(&t->small);
    free(large);
    free(t);
    return st;
}

static void check_benchmark(gc_check *c, const char *file, const char *spec_name, const char *expect)
{
    gc_subject s;
    hx_diag d;
    ws_err err = {0};
    ws_env small;
    gc_ran ran;
    bool possible;
    (void)expect;
    if (gc_open(&s, c, spec_name, file, &d, &err) || d.reason != HX_PASS)
        gc_say(&s, "", GC_FAILED, NULL, err.status ? err.msg : d.text);
    else if (!vfy_repeat_shape(s.graph, 1, &s.arena, &small))
        gc_say(&s, "benchmark", GC_SKIPPED, NULL, "no dim of it repeats");
    else if (gc_at_benchmark(&s, &small, 1, &ran, &possible, &err))
        gc_say(&s, "benchmark", GC_FAILED, NULL, err.msg);
    else if (c->engine && ran.reason == HX_ENDLESS)
        gc_say(&s, "benchmark", GC_SKIPPED, &ran, "too much work for the CPU driver");
    else if (!possible && ran.reason == HX_PASS)
        gc_say(&s, "benchmark", GC_SKIPPED, NULL, "its tensors take more than 4 GB, or its values say nothing");
    else
        gc_say(&s, "benchmark", ran.reason == HX_PASS ? GC_PASSED : GC_FAILED, &ran, ran.text);
    gc_close(&s);
}

ws_status gc_benchmark(gc_check *c, ws_err *err)
{
    return gc_each_emitted(c, check_benchmark, err);
}
