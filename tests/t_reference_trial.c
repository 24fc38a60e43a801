/* Bounds by trial: deep networks have bounds that say something; an evaluation with tf32 or bf16
 * weights is out of them (times the verifier's factor), one whose sums are off by float's rounding
 * is in. */
#include "reference/trial.h"
#include "tests/reference_fixture.h"

#include "base/philox.h"

#include <stdlib.h>

static bool open_spec(fixture *f, const char *name, int shape)
{
    return !spec_find(name, &f->spec, &f->err) && !fixture_bind(f, shape);
}

/* The largest |got - want| / (REF_SAFETY e) over an output. */
static double worst_ratio(const ref_tensor *want, const ref_tensor *got)
{
    double worst = 0;
    for (int64_t i = 0; i < want->shape.count; i++)
        worst = fmax(worst, fabs(got->v[i] - want->v[i]) / (REF_SAFETY * want->e[i]));
    return worst;
}

static double root_mean_square(const double *x, int64_t n)
{
    double s = 0;
    for (int64_t i = 0; i < n; i++)
        s += x[i] * x[i] / (double)n;
    return sqrt(s);
}

/* The ratio of an evaluation whose inputs and weights are rounded to `dtype`. */
static double ratio_in(fixture *f, ws_dtype dtype)
{
    int n = f->spec->n_inputs + f->spec->n_weights;
    ref_tensor *in = ws_calloc((size_t)n, sizeof *in), out[4] = {0};
    for (int i = 0; i < n; i++) {
        in[i] = f->in[i];
        in[i].v = ws_alloc_tensor((size_t)in[i].shape.count * sizeof(double));
        for (int64_t k = 0; k < in[i].shape.count; k++)
            in[i].v[k] = ws_dtype_round(dtype, f->in[i].v[k]);
    }
    double ratio = ref_eval(f->bound, in, false, out, &f->err) ? (double)NAN
                                                               : worst_ratio(&f->out[0], &out[0]);
    for (int i = 0; i < n; i++)
        ref_tensor_release(&in[i]);
    ref_tensor_release(&out[0]);
    free(in);
    return ratio;
}

static void test_network(const char *name, int which)
{
    fixture f = {0};
    bool good = open_spec(&f, name, which) && !fixture_eval(&f);
    if (!ok(good && ref_is_deep(f.graph) && f.out[0].by_trial, "%s is bounded by trial", name)) {
        printf("# %s\n", f.err.msg);
    } else {
        double size = root_mean_square(f.out[0].v, f.out[0].shape.count);
        double bound = root_mean_square(f.out[0].e, f.out[0].shape.count);
        ok(bound < 1e-3 * size, "its bound is %.1e of its values", bound / size);
        double tf32 = ratio_in(&f, WS_TF32), bf16 = ratio_in(&f, WS_BF16);
        ok(tf32 > 1, "with weights in tf32 it is %.1f times out of tolerance", tf32);
        ok(bf16 > 1, "with weights in bf16 %.1f times", bf16);
    }
    fixture_close(&f);
}

/* y = tanh(... tanh(x w) w ...) in float arithmetic, summed in the order of `step`. */
static void float_layers(const double *x, const double *w, int n, int layers, int step, double *y)
{
    float *a = ws_calloc((size_t)n, sizeof *a), *b = ws_calloc((size_t)n, sizeof *b);
    for (int i = 0; i < n; i++)
        a[i] = (float)x[i];
    for (int l = 0; l < layers; l++) {
        for (int j = 0; j < n; j++) {
            float part[4] = {0};
            for (int k = 0; k < n; k++)
                part[k % step] +=
                    a[step == 3 ? n - 1 - k : k] * (float)w[(step == 3 ? n - 1 - k : k) * n + j];
            b[j] = tanhf((part[0] + part[1]) + (part[2] + part[3]));
        }
        memcpy(a, b, (size_t)n * sizeof *a);
    }
    for (int i = 0; i < n; i++)
        y[i] = (double)a[i];
    free(a);
    free(b);
}

/* Eight layers, against loops in float. */
static void test_honest(void)
{
    enum { N = 96, LAYERS = 8 };
    ws_buf text = {0};
    fixture f = {0};
    double y[N];
    ws_buf_adds(
        &text,
        "{\"schema\":1,\"name\":\"deep\",\"dims\":{\"N\":96},\"check\":[{}],\"inputs\":[{\"name\":"
        "\"x\",\"dtype\":\"f32\",\"shape\":[1,\"N\"],\"init\":{\"dist\":\"normal\",\"mean\":0,"
        "\"std\":1}}],\"weights\":[{\"name\":\"w\",\"dtype\":\"f32\",\"shape\":[\"N\",\"N\"],"
        "\"init\":{\"dist\":\"normal\",\"mean\":0.02,\"std\":0.15}}],\"graph\":[");
    for (int l = 0; l < LAYERS; l++)
        ws_buf_printf(
            &text,
            "%s{\"out\":\"m%d\",\"op\":\"matmul\",\"in\":[\"%s%d\",\"w\"]},{\"out\":\"t%d\",\"op\":"
            "\"tanh\",\"in\":[\"m%d\"]}",
            l ? "," : "", l, "t", l - 1, l, l);
    ws_buf_adds(&text, "],\"outputs\":[\"t7\"]}");
    char *first = strstr(ws_buf_z(&text), "\"t-1\"");
    memcpy(first, "\"x\"  ", 5);
    bool good = !spec_from_text(text.p, text.n, "deep.json", &f.spec, &f.err) &&
                !fixture_bind(&f, -1) && !fixture_eval(&f);
    if (!ok(good && f.out[0].by_trial, "eight layers are bounded by trial"))
        printf("# %s\n", f.err.msg);
    for (int step = 1; good && step <= 4; step++) {
        ref_tensor got = {.shape = f.out[0].shape, .v = y};
        float_layers(f.in[0].v, f.in[1].v, N, LAYERS, step, y);
        double ratio = worst_ratio(&f.out[0], &got);
        ok(ratio > 0 && ratio < 0.5, "float in order %d is at %.3f of the tolerance", step, ratio);
    }
    if (good)
        ok(ratio_in(&f, WS_TF32) > 1, "weights in tf32 are out of it");
    ws_buf_release(&text);
    fixture_close(&f);
}

static void test_shallow(const char *name)
{
    fixture f = {0};
    ok(open_spec(&f, name, 1) && !fixture_eval(&f) && !ref_is_deep(f.graph) && !f.out[0].by_trial,
       "%s is not", name);
    fixture_close(&f);
}

int main(void)
{
    test_network("kernelbench/level3/003_deepnarrowmlp", 1);
    test_network("kernelbench/level3/009_resnet18", 0);
    test_honest();
    test_shallow("basics/causal_attention");
    test_shallow("basics/matmul");
    test_shallow("basics/gelu");
    return tap_done();
}
