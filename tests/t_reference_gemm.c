/* Products of matrices, convolutions and transposed convolutions, values and bounds, against plain
 * loops written here; with OpenBLAS and without. Shapes are large enough to be split in blocks. */
#include "reference/gemm.h"
#include "reference/ops.h"
#include "tests/tap.h"

#include <stdlib.h>

#define F32_ROUNDOFF 0x1p-24

static double noise(int64_t i)
{
    uint64_t x = (uint64_t)i * 0x9e3779b97f4a7c15u;
    x ^= x >> 29;
    x *= 0xbf58476d1ce4e5b9u;
    return (double)(x >> 11) * 0x1p-53 - 0.5;
}

static double *noises(int64_t n, int64_t from, double scale)
{
    double *x = ws_malloc((size_t)n * sizeof *x);
    for (int64_t i = 0; i < n; i++)
        x[i] = scale * noise(from + i);
    return x;
}

static bool is_near(double got, double want)
{
    return fabs(got - want) <= 1e-12 * fmax(1, fabs(want));
}

/* ---- ref_multiply ---- */

enum { M = 37, N = 53, K = 41 };

static void test_multiply(bool trans_a, bool trans_b)
{
    double *a = noises(M * K, 1, 1), *b = noises(K * N, 5000, 1);
    double *ea = noises(M * K, 9000, 1e-6), *eb = noises(K * N, 20000, 1e-6);
    double *v = noises(M * N, 0, 0), *e = noises(M * N, 0, 0);
    ref_factor fa, fb;
    ws_err err = {0};
    int64_t wrong = 0;
    const double f = 0x1p-20, u = 0x1p-11;
    for (int i = 0; i < M * K; i++)
        ea[i] = fabs(ea[i]);
    for (int i = 0; i < K * N; i++)
        eb[i] = fabs(eb[i]);
    bool good = !ref_factor_init(&fa, a, ea, M * K, true, -1, true, &err) &&
                !ref_factor_init(&fb, b, eb, K * N, true, f, true, &err);
    ref_product p = {.a = &fa,
                     .b = &fb,
                     .m = M,
                     .n = N,
                     .k = K,
                     .a_step = trans_a ? M : K,
                     .b_step = trans_b ? K : N,
                     .c_step = N,
                     .trans_a = trans_a,
                     .trans_b = trans_b,
                     .v = v,
                     .e = e,
                     .u = u};
    good = good && !ref_multiply(&p, &err);
    for (int i = 0; good && i < M * N; i++) {
        double want = 0, bound = 0, square = 0;
        for (int k = 0; k < K; k++) {
            int x = trans_a ? k * M + i / N : i / N * K + k;
            int y = trans_b ? i % N * K + k : k * N + i % N;
            want += a[x] * b[y];
            bound += fabs(a[x]) * (f * fabs(b[y]) + eb[y]) + ea[x] * fabs(b[y]);
            square += a[x] * a[x] * b[y] * b[y];
        }
        wrong += !is_near(v[i], want) || !is_near(e[i], bound + u * sqrt(square));
    }
    ok(good && wrong == 0, "a product, %s, %s", trans_a ? "a'" : "a", trans_b ? "b'" : "b");
    ref_factor_release(&fa);
    ref_factor_release(&fb);
    free(a), free(b), free(ea), free(eb), free(v), free(e);
}

static void test_unbounded(void)
{
    const double a[] = {0, 1}, ea[] = {(double)INFINITY, 0}, b[] = {0, 1};
    double v[1], e[1];
    ref_factor fa, fb;
    ws_err err = {0};
    bool good = !ref_factor_init(&fa, a, ea, 2, true, -1, false, &err) &&
                !ref_factor_init(&fb, b, NULL, 2, true, 0, false, &err);
    ref_product p = {.a = &fa,
                     .b = &fb,
                     .m = 1,
                     .n = 1,
                     .k = 2,
                     .a_step = 2,
                     .b_step = 1,
                     .c_step = 1,
                     .v = v,
                     .e = e};
    ok(good && !ref_multiply(&p, &err) && v[0] == 1 && isinf(e[0]),
       "an unbounded error stays one, and is no NaN");
    ref_factor_release(&fa);
    ref_factor_release(&fb);
}

/* ---- convolutions ---- */

/* Of the specs below. */
enum { ITEMS = 2, GROUPS = 2, C_IN = 3, C_OUT = 5, ROWS = 90, COLUMNS = 121, KR = 3, KC = 2 };
enum { STRIDE_R = 1, STRIDE_C = 2, PAD_R = 1, PAD_C = 0, DIL_R = 2, DIL_C = 3 };

static const char spec_text[] =
    "{\"schema\":1,\"name\":\"conv\",\"dims\":{\"R\":90,\"C\":121},\"check\":[{}],\"inputs\":["
    "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[2,%s,\"R\",\"C\"],\"init\":{\"dist\":\"const\","
    "\"value\":0}},{\"name\":\"w\",\"dtype\":\"f32\",\"shape\":[%s,3,2],\"init\":{\"dist\":"
    "\"const\",\"value\":0}},{\"name\":\"b\",\"dtype\":\"f32\",\"shape\":[10],\"init\":{\"dist\":"
    "\"const\",\"value\":0}}],\"weights\":[],\"graph\":[{\"out\":\"y\",\"op\":\"%s\",\"in\":[\"x\","
    "\"w\",\"b\"],\"stride\":[1,2],\"padding\":[1,0],\"dilation\":[2,3],\"groups\":2}],"
    "\"outputs\":[\"y\"]}";

/* Calls add(place in y, w, x) for every product of a plain or a transposed convolution. */
typedef struct sums {
    double *v, *size;
} sums;

static void add_product(sums *s, int64_t y, double w, double x)
{
    s->v[y] += w * x;
    s->size[y] += fabs(w * x);
}

static int64_t place(int64_t channel, int64_t row, int64_t column, int64_t rows, int64_t columns)
{
    return (channel * rows + row) * columns + column;
}

/* `wide`: the padded side; windows lie over it. Indices run over all pairs (window, tap). */
static void convolve(const double *x, const double *w, bool transposed, const int64_t wide[2],
                     const int64_t windows[2], sums *s)
{
    for (int64_t i = 0; i < (int64_t)ITEMS * GROUPS * C_IN * C_OUT * KR * KC; i++) {
        int64_t kc = i % KC, kr = i / KC % KR, k = i / KC / KR % C_OUT;
        int64_t c = i / KC / KR / C_OUT % C_IN, ng = i / KC / KR / C_OUT / C_IN, g = ng % GROUPS;
        int64_t wk = transposed ? ((g * C_IN + c) * C_OUT + k) : (g * C_OUT + k) * C_IN + c;
        double weight = w[(wk * KR + kr) * KC + kc];
        for (int64_t r = 0; r < windows[0]; r++)
            for (int64_t q = 0; q < windows[1]; q++) {
                int64_t pr = r * STRIDE_R - PAD_R + kr * DIL_R;
                int64_t pq = q * STRIDE_C - PAD_C + kc * DIL_C;
                if (pr < 0 || pr >= wide[0] || pq < 0 || pq >= wide[1])
                    continue;
                if (transposed)
                    add_product(s, place(ng * C_OUT + k, pr, pq, wide[0], wide[1]), weight,
                                x[place(ng * C_IN + c, r, q, windows[0], windows[1])]);
                else
                    add_product(s, place(ng * C_OUT + k, r, q, windows[0], windows[1]), weight,
                                x[place(ng * C_IN + c, pr, pq, wide[0], wide[1])]);
            }
    }
}

/* With two spec tensors and their contents; out: y with bounds. */
static ws_status evaluate(const char *text, ref_tensor in[3], ref_tensor *out, ws_err *err)
{
    spec *s = NULL;
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ws_arena a = {0};
    ws_status st = spec_from_text(text, strlen(text), "conv.json", &s, err);
    ws_env env = st ? (ws_env){0} : spec_env(s, -1);
    if (!st && !(st = ref_graph_new(s, &g, err)) && !(st = ref_bind(g, &env, &a, &b, err))) {
        for (int i = 0; i < 3; i++) {
            in[i].shape = b->shape[i];
            in[i].v = noises(b->shape[i].count, 1000000 * i, 1);
            for (int64_t k = 0; k < b->shape[i].count; k++)
                in[i].v[k] = (double)(float)in[i].v[k];
        }
        st = ref_eval(b, in, true, out, err);
    }
    ref_graph_free(g);
    spec_free(s);
    ws_arena_release(&a);
    return st;
}

static void test_conv(bool transposed)
{
    char text[2000];
    ref_tensor in[3] = {0}, out[1] = {0};
    ws_err err = {0};
    snprintf(text, sizeof text, spec_text, "6", transposed ? "6,5" : "10,3",
             transposed ? "conv_transpose" : "conv");
    bool good = !evaluate(text, in, out, &err);
    int64_t side[2] = {ROWS, COLUMNS}, y[2] = {0}, wrong = 0;
    for (int i = 0; good && i < 2; i++)
        y[i] = out->shape.dim[2 + i];
    bool shaped = transposed ? y[0] == 89 + 4 + 1 - 2 && y[1] == 120 * 2 + 3 + 1
                             : y[0] == 90 + 2 - 4 && y[1] == (121 - 3 - 1) / 2 + 1;
    sums s = {noises(good ? out->shape.count : 1, 0, 0), noises(good ? out->shape.count : 1, 0, 0)};
    if (good && shaped)
        convolve(in[0].v, in[1].v, transposed, transposed ? y : side, transposed ? side : y, &s);
    /* Along a row of the transposed result the two taps, 3 apart, never meet at stride 2. */
    double terms = transposed ? C_IN * KR * 1.0 : C_IN * KR * KC;
    double factor = REF_SUM * sqrt(terms) * F32_ROUNDOFF;
    for (int64_t i = 0; good && shaped && i < out->shape.count; i++) {
        double bias = in[2].v[i / (y[0] * y[1]) % (GROUPS * C_OUT)], v = s.v[i] + bias;
        double e = factor * s.size[i] + F32_ROUNDOFF * fabs(v);
        e += F32_ROUNDOFF * fabs(v) + 0x1p-126; /* storing */
        wrong += !is_near(out->v[i], v) || !(fabs(out->e[i] - e) <= 1e-9 * e);
    }
    if (!ok(good && shaped && wrong == 0, "%s", transposed ? "conv_transpose" : "conv"))
        printf("# %s, %d wrong\n", err.msg, (int)wrong);
    for (int i = 0; i < 3; i++)
        ref_tensor_release(&in[i]);
    ref_tensor_release(out);
    free(s.v), free(s.size);
}

int main(void)
{
    for (int plain = 0; plain < 2; plain++) {
        ref_gemm_plain(plain);
        printf("# with %s\n", ref_gemm_name());
        for (int t = 0; t < 4; t++)
            test_multiply(t & 1, t & 2);
        test_unbounded();
        test_conv(false);
        test_conv(true);
    }
    is_str(ref_gemm_name(), "own loops", "OpenBLAS can be left out");
    return tap_done();
}
