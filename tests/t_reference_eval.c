/* Error bounds: an honest f32 evaluation and perturbed inputs stay inside, lower precision does
 * not. Index outputs, inputs, cost, and the limit on memory. */
#include "tests/reference_fixture.h"

#include <stdlib.h>

/* ---- propagation: inputs that are off by their error ---- */

static const char *const graphs[] = {"vector_add",       "gelu",
                                     "row_sum",          "row_max",
                                     "softmax",          "log_softmax",
                                     "layer_norm",       "rms_norm",
                                     "matmul",           "batched_matmul",
                                     "matvec",           "transpose",
                                     "cumsum",           "conv2d",
                                     "max_pool2d",       "cross_entropy",
                                     "causal_attention", "relpos_attention"};

/* The largest |a - b| / bound. */
static double worst_ratio(const ref_tensor *a, const ref_tensor *b, const double *bound)
{
    double worst = 0;
    for (int64_t k = 0; k < a->shape.count; k++) {
        double d = fabs(a->v[k] - b->v[k]);
        double r = d == 0 ? 0 : d / (bound ? bound[k] : 0);
        worst = r <= worst ? worst : r; /* NaN counts */
    }
    return worst;
}

/* Moves each element of a float tensor by its error, up or down at random. */
static void perturb(ref_tensor *t, const double *from, unsigned *state)
{
    for (int64_t k = 0; k < t->shape.count; k++) {
        *state = *state * 1664525u + 1013904223u;
        t->v[k] = from[k] + (*state >> 31 ? t->e[k] : -t->e[k]);
    }
}

static void test_propagation(const char *name)
{
    fixture f = {0}, g = {0};
    unsigned state = 7;
    if (fixture_open(&f, name, 1) || fixture_open(&g, name, 1)) {
        ok(false, "%s: %s%s", name, f.err.msg, g.err.msg);
        return;
    }
    int n = f.spec->n_inputs + f.spec->n_weights;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < 2 && ws_dtype_is_float(f.spec->tensor[i].dtype); j++) {
            ref_tensor *t = j ? &g.in[i] : &f.in[i];
            t->e = ws_alloc_tensor((size_t)t->shape.count * sizeof *t->e);
            for (int64_t k = 0; k < t->shape.count; k++)
                t->e[k] = fabs(t->v[k]) * 0x1p-20;
        }
    double worst = fixture_eval(&f) ? (double)NAN : 0;
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < n; i++)
            if (g.in[i].e)
                perturb(&g.in[i], f.in[i].v, &state);
        if (ref_eval(g.bound, g.in, false, g.out, &g.err))
            worst = (double)NAN;
        else
            worst = fmax(worst, worst_ratio(&f.out[0], &g.out[0], f.out[0].e));
        ref_tensor_release(&g.out[0]);
    }
    ok(worst > 0 && worst <= 1, "%s: inputs off by 2^-20 move the result by %.2f of the bound",
       name, worst);
    fixture_close(&f);
    fixture_close(&g);
}

/* ---- honest evaluations in float ---- */

static void float_softmax(const fixture *f, double *y)
{
    int64_t rows = f->in[0].shape.dim[0], n = f->in[0].shape.dim[1];
    for (int64_t r = 0; r < rows; r++) {
        const double *x = f->in[0].v + r * n;
        float m = -INFINITY, s = 0;
        for (int64_t k = 0; k < n; k++)
            m = fmaxf(m, (float)x[k]);
        for (int64_t k = 0; k < n; k++)
            s += expf((float)x[k] - m);
        for (int64_t k = 0; k < n; k++)
            y[r * n + k] = (double)(expf((float)x[k] - m) / s);
    }
}

static void float_layer_norm(const fixture *f, double *y)
{
    int64_t rows = f->in[0].shape.dim[0], n = f->in[0].shape.dim[1];
    for (int64_t r = 0; r < rows; r++) {
        const double *x = f->in[0].v + r * n;
        float mean = 0, var = 0;
        for (int64_t k = 0; k < n; k++)
            mean += (float)x[k];
        mean /= (float)n;
        for (int64_t k = 0; k < n; k++)
            var += ((float)x[k] - mean) * ((float)x[k] - mean);
        float scale = 1 / sqrtf(var / (float)n + 1e-5f);
        for (int64_t k = 0; k < n; k++)
            y[r * n + k] = (double)(((float)x[k] - mean) * scale * (float)f->in[1].v[k] +
                                    (float)f->in[2].v[k]);
    }
}

/* c[m, n] = a[m, k] b[k, n] */
static void float_matmul(const fixture *f, double *y)
{
    const ref_tensor *a = &f->in[0], *b = &f->in[1];
    int64_t m = a->shape.dim[0], k = a->shape.dim[1], n = b->shape.dim[1];
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            float sum = 0;
            for (int64_t t = 0; t < k; t++)
                sum += (float)a->v[i * k + t] * (float)b->v[t * n + j];
            y[i * n + j] = (double)sum;
        }
}

static void float_gelu(const fixture *f, double *y)
{
    for (int64_t k = 0; k < f->in[0].shape.count; k++) {
        float x = (float)f->in[0].v[k];
        y[k] = (double)(0.5f * x * (1 + erff(x * 0.70710678f)));
    }
}

static void float_cumsum(const fixture *f, double *y)
{
    int64_t n = f->in[0].shape.dim[1];
    float sum = 0;
    for (int64_t k = 0; k < f->in[0].shape.count; k++) {
        sum = k % n ? sum + (float)f->in[0].v[k] : (float)f->in[0].v[k];
        y[k] = (double)sum;
    }
}

static const struct {
    const char *name;
    void (*run)(const fixture *f, double *y);
} honest[] = {{"softmax", float_softmax},
              {"layer_norm", float_layer_norm},
              {"matmul", float_matmul},
              {"gelu", float_gelu},
              {"cumsum", float_cumsum}};

static double largest(const double *v, int64_t n)
{
    double m = 0;
    for (int64_t k = 0; k < n; k++)
        m = fmax(m, fabs(v[k]));
    return m;
}

static void test_honest(void)
{
    for (size_t i = 0; i < WS_COUNT(honest); i++)
        for (int which = 0; which < 4; which++) {
            fixture f = {0};
            if (fixture_open(&f, honest[i].name, which) || fixture_eval(&f)) {
                ok(false, "%s: %s", honest[i].name, f.err.msg);
                continue;
            }
            ref_tensor y = {.shape = f.out[0].shape};
            y.v = ws_alloc_tensor((size_t)y.shape.count * sizeof *y.v);
            honest[i].run(&f, y.v);
            double worst = worst_ratio(&f.out[0], &y, f.out[0].e);
            ok(worst <= 1, "%s, shape %d: float arithmetic is off by %.2f of the bound",
               honest[i].name, which, worst);
            double size = largest(f.out[0].v, y.shape.count),
                   slack = largest(f.out[0].e, y.shape.count);
            ok(slack <= 5e-4 * size, "its bound is tight: %.1e of the largest element",
               slack / size);
            ref_tensor_release(&y);
            fixture_close(&f);
        }
}

/* Inputs rounded to half precision: what a silent drop of precision does at the least. */
static void test_lower_is_caught(void)
{
    static const struct {
        const char *name;
        ws_dtype lower;
    } rows[] = {{"vector_add", WS_F16}, {"softmax", WS_F16}, {"layer_norm", WS_F16},
                {"matmul", WS_F16}, {"conv2d", WS_F16}, {"row_sum", WS_F16},
                {"causal_attention", WS_F16}, {"llm/attention_causal", WS_E4M3},
                {"llm/attention_f16", WS_E4M3}, {"llm/decode_paged", WS_E4M3},
                {"llm/decode_latent", WS_E4M3}, {"llm/rms_norm_residual", WS_E4M3},
                {"llm/swiglu", WS_E4M3}, {"llm/moe_grouped_gemm", WS_E4M3}};
    for (size_t i = 0; i < WS_COUNT(rows); i++) {
        fixture f = {0}, g = {0};
        const char *name = rows[i].name;
        if (fixture_open(&f, name, 1) || fixture_eval(&f) || fixture_open(&g, name, 1)) {
            ok(false, "%s: %s%s", name, f.err.msg, g.err.msg);
            continue;
        }
        for (int t = 0; t < g.spec->n_inputs + g.spec->n_weights; t++)
            for (int64_t k = 0; k < g.in[t].shape.count; k++)
                if (ws_dtype_is_float(g.spec->tensor[t].dtype))
                    g.in[t].v[k] = ws_dtype_round(rows[i].lower, g.in[t].v[k]);
        bool ran = fixture_eval(&g) == WS_OK;
        double worst = ran ? worst_ratio(&f.out[0], &g.out[0], f.out[0].e) : 0;
        ok(worst > 4, "%s: inputs in %s are off by %.0f times the bound", name,
           ws_dtype_name(rows[i].lower), worst);
        fixture_close(&f);
        fixture_close(&g);
    }
}

/* Nothing is rounded in these, so nothing may differ. */
static void test_exact(void)
{
    static const char *const names[] = {"relu", "transpose", "row_max", "argmax", "max_pool2d"};
    for (size_t i = 0; i < WS_COUNT(names); i++) {
        fixture f = {0};
        bool ran = fixture_open(&f, names[i], 1) == WS_OK && fixture_eval(&f) == WS_OK;
        ok(ran && (!f.out[0].e || largest(f.out[0].e, f.out[0].shape.count) == 0),
           "%s has no error", names[i]);
        fixture_close(&f);
    }
}

static void test_index(void)
{
    fixture f = {0};
    int axis = -1;
    ok(fixture_open(&f, "argmax", 1) == WS_OK && fixture_eval(&f) == WS_OK, "argmax evaluates");
    is_int(ref_output_compare(f.graph, 0, &axis), REF_COMPARE_INDEX, "an index output");
    is_int(axis, 1, "along axis 1");
    ok(f.of[0].v && f.of[0].shape.count == f.in[0].shape.count && f.of[0].v[5] == f.in[0].v[5],
       "the tensor pointed into comes with it");
    fixture_close(&f);
    f = (fixture){0};
    ok(fixture_open(&f, "softmax", 1) == WS_OK, "softmax binds");
    is_int(ref_output_compare(f.graph, 0, &axis), REF_COMPARE_VALUE, "a value output");
    fixture_close(&f);
}

/* Storing in half precision adds its rounding; past its range there is no bound. */
static void test_storing(void)
{
    fixture f = {0};
    ok(fixture_case(&f, "{\"out\":\"h\",\"op\":\"mul\",\"in\":[\"x\",1.3],\"dtype\":\"f16\"},"
                        "{\"out\":\"y\",\"op\":\"mul\",\"in\":[\"h\",20000],\"dtype\":\"f16\"}") ==
               WS_OK &&
           fixture_eval(&f) == WS_OK,
       "half-precision results evaluate");
    const ref_tensor *y = &f.out[0];
    ok(y->e[0] == 0, "zero is exact");
    ok(y->e[1] >= 2 * 0x1p-12 * y->v[1] && y->e[1] <= 3 * 0x1p-11 * y->v[1],
       "two roundings to half");
    ok(isinf(y->e[3]), "what may overflow has no bound");
    fixture_close(&f);
}

/* exp(-100) is subnormal in f32: kept, rounded or flushed to zero, it is right; 2^-120 is not. */
static void test_underflow(void)
{
    fixture f = {0};
    ok(fixture_case(&f, "{\"out\":\"t\",\"op\":\"mul\",\"in\":[\"x\",-100]},"
                        "{\"out\":\"y\",\"op\":\"exp\",\"in\":[\"t\"]}") == WS_OK &&
           fixture_eval(&f) == WS_OK,
       "exp of large negative numbers evaluates");
    const ref_tensor *y = &f.out[0];
    ok(y->v[1] > 0 && y->e[1] >= y->v[1] && y->e[1] < 0x1p-120, "a subnormal may be flushed");
    fixture_close(&f);
}

/* A masked element adds nothing to a row's sum, and nothing to its bound. */
static void test_masked_rows(void)
{
    static const char *const ops[] = {"\"op\":\"softmax\",\"in\":[\"h\"],\"dim\":1",
                                      "\"op\":\"log_softmax\",\"in\":[\"h\"],\"dim\":1",
                                      "\"op\":\"reduce\",\"in\":[\"h\"],\"fn\":\"logsumexp\",\"dims\":[1]"};
    for (size_t i = 0; i < WS_COUNT(ops); i++) {
        fixture f = {0};
        char nodes[512];
        snprintf(nodes, sizeof nodes,
                 "{\"out\":\"c\",\"op\":\"eq\",\"in\":[\"z\",0]},{\"out\":\"h\",\"op\":\"where\","
                 "\"in\":[\"c\",\"-inf\",\"z\"]},{\"out\":\"y\",%s}", ops[i]);
        bool good = fixture_case(&f, nodes) == WS_OK && fixture_eval(&f) == WS_OK;
        for (int64_t k = 0; good && k < f.out[0].shape.count; k++)
            good = f.out[0].e[k] >= 0 && f.out[0].e[k] < 1e-5;
        ok(good, "a row with -inf has a bound: %s", ops[i]);
        fixture_close(&f);
    }
}

static void test_inputs(void)
{
    fixture f = {0}, g = {0};
    ref_tensor again = {0}, other = {0};
    ok(fixture_open(&f, "cross_entropy", 2) == WS_OK &&
           fixture_open(&g, "cross_entropy", 1) == WS_OK &&
           ref_make_input(f.bound, 0, 1, &again, &f.err) == WS_OK &&
           ref_make_input(f.bound, 0, 2, &other, &f.err) == WS_OK,
       "inputs are made");
    int64_t n = f.in[0].shape.count, same = 0;
    double sum = 0, square = 0;
    bool rounded = true, in_range = true;
    for (int64_t k = 0; k < n; k++) {
        same += other.v[k] == f.in[0].v[k];
        sum += f.in[0].v[k];
        square += f.in[0].v[k] * f.in[0].v[k];
        rounded &= (double)(float)f.in[0].v[k] == f.in[0].v[k];
    }
    for (int64_t k = 0; k < f.in[1].shape.count; k++)
        in_range &= f.in[1].v[k] >= 0 && f.in[1].v[k] < 1000 && floor(f.in[1].v[k]) == f.in[1].v[k];
    ok(memcmp(again.v, f.in[0].v, (size_t)n * sizeof *again.v) == 0,
       "a seed gives the same contents again");
    ok(same * 100 < n, "another seed gives others");
    ok(g.in[0].v[100] == f.in[0].v[100], "an element does not depend on the shape");
    ok(fabs(sum / (double)n) < 0.02 && fabs(square / (double)n - 1) < 0.02, "a standard normal");
    ok(rounded, "rounded to f32");
    ok(in_range, "targets are classes");
    ref_tensor_release(&again);
    ref_tensor_release(&other);
    fixture_close(&f);
    fixture_close(&g);
}

static void test_cost(void)
{
    fixture f = {0};
    ref_cost cost = {0};
    if (fixture_open(&f, "matmul", 1) == WS_OK) /* M 33, N 65, K 17 */
        ref_cost_of(f.bound, &cost);
    is_close(cost.flops, 2.0 * 33 * 65 * 17, 0, "2 M N K");
    is_close(cost.min_bytes, 4.0 * (33 * 17 + 17 * 65 + 33 * 65), 0, "operands once, result once");
    fixture_close(&f);
}

/* y = tanh(W tanh(W ... x)), 40 times, W with rows whose magnitudes add up to 3: the worst case
 * grows like 3^40, honest errors do not. */
static void test_deep(void)
{
    enum { LAYERS = 40, N = 16, B = 8 };
    ws_buf text = {0};
    fixture f = {0};
    ws_buf_adds(&text, "{\"schema\":1,\"name\":\"deep\",\"dims\":{\"B\":8},\"check\":[{}],\"inputs\":["
                       "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"B\",16]},{\"name\":\"w\",\"dtype\":"
                       "\"f32\",\"shape\":[16,16],\"init\":{\"dist\":\"normal\",\"std\":0.25}}],\"graph\":[");
    for (int k = 1; k <= LAYERS; k++)
        ws_buf_printf(&text, "%s{\"out\":\"p%d\",\"op\":\"linear\",\"in\":[\"%s%d\",\"w\"]},{\"out\":\"h%d\","
                             "\"op\":\"tanh\",\"in\":[\"p%d\"]}",
                      k > 1 ? "," : "", k, k > 1 ? "h" : "x", k > 1 ? k - 1 : 0, k, k);
    char *first = strstr(ws_buf_z(&text), "\"x0\"");
    memcpy(first, "\"x\" ", 4);
    ws_buf_printf(&text, "],\"outputs\":[\"h%d\"]}", LAYERS);
    ws_status st = spec_from_text(text.p, text.n, "deep.json", &f.spec, &f.err);
    if (!st)
        st = fixture_bind(&f, 0);
    if (!st)
        st = fixture_eval(&f);
    if (!ok(!st && f.out[0].by_trial, "a deep graph has bounds by trial %s", f.err.msg))
        return;
    float h[B][N], next[N];
    for (int b = 0; b < B; b++)
        for (int i = 0; i < N; i++)
            h[b][i] = (float)f.in[0].v[b * N + i];
    for (int k = 0; k < LAYERS; k++)
        for (int b = 0; b < B; b++) {
            for (int o = 0; o < N; o++) {
                float s = 0;
                for (int i = 0; i < N; i++)
                    s += h[b][i] * (float)f.in[1].v[o * N + i];
                next[o] = tanhf(s);
            }
            memcpy(h[b], next, sizeof next);
        }
    double worst = 0, size = 0, bound = 0;
    for (int i = 0; i < B * N; i++) {
        worst = fmax(worst, fabs((double)h[i / N][i % N] - f.out[0].v[i]) / f.out[0].e[i]);
        size += fabs(f.out[0].v[i]);
        bound += f.out[0].e[i];
    }
    ok(worst < 1, "single precision is within them (%.2g of them)", worst);
    ok(bound < 1e-4 * size, "they are small (%.2g of the values)", bound / size);
    ws_buf_release(&text);
    fixture_close(&f);
}

static void test_memory(void)
{
    static const char text[] =
        "{\"schema\":1,\"name\":\"big\",\"dims\":{\"N\":274877906944},\"check\":[{\"N\":1}],"
        "\"weights\":[],"
        "\"inputs\":[{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"N\"]}],"
        "\"graph\":[{\"out\":\"y\",\"op\":\"relu\",\"in\":[\"x\"]}],\"outputs\":[\"y\"]}";
    fixture f = {0};
    ws_status st = spec_from_text(text, strlen(text), "big.json", &f.spec, &f.err);
    is_int(st ? st : fixture_bind(&f, -1), WS_ELIMIT, "2^38 elements in double are too many");
    has_str(f.err.msg, "no memory for 'x'", "and it says so");
    fixture_close(&f);
}

int main(void)
{
    for (size_t i = 0; i < WS_COUNT(graphs); i++)
        test_propagation(graphs[i]);
    test_honest();
    test_lower_is_caught();
    test_exact();
    test_index();
    test_storing();
    test_underflow();
    test_masked_rows();
    test_inputs();
    test_cost();
    test_deep();
    test_memory();
    return tap_done();
}
