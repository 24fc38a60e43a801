/* Honest arithmetic: each order of summation has the bits of plain loops in float, whole numbers
 * stay exact, and the evaluator is in double again afterwards. */
#include "reference/order.h"
#include "tests/reference_fixture.h"

#include <stdlib.h>

enum { N = 517, M = 3, HALF_MAX = 1024 };

#define HEAD                                                                                       \
    "{\"schema\":1,\"name\":\"t\",\"dims\":{\"M\":3,\"N\":517},\"check\":[{}],\"inputs\":["        \
    "{\"name\":\"x\",\"dtype\":\"f32\",\"shape\":[\"M\",\"N\"]},"                                  \
    "{\"name\":\"w\",\"dtype\":\"f32\",\"shape\":[\"N\",\"M\"]},"                                  \
    "{\"name\":\"k\",\"dtype\":\"i32\",\"shape\":[\"M\",\"N\"],\"init\":{\"dist\":\"randint\","    \
    "\"lo\":100000001,\"hi\":100000003}}],\"graph\":["

static float sequential(const float *x, int n)
{
    float s = 0;
    for (int i = 0; i < n; i++)
        s += x[i];
    return s;
}

/* Neighbours first; what is left over at the end is added from the small to the large. */
static float pairwise(const float *x, int n)
{
    float level[HALF_MAX], sum = 0;
    int size = 1, at = n;
    memcpy(level, x, (size_t)n * sizeof *x);
    for (; size <= n; size *= 2) {
        if (at % 2)
            sum += level[at - 1];
        at /= 2;
        for (int i = 0; i < at; i++)
            level[i] = level[2 * i + 1] + level[2 * i];
    }
    return sum;
}

static float lanes(const float *x, int n)
{
    float part[32] = {0};
    for (int i = 0; i < n; i++)
        part[i % 32] += x[i];
    for (int half = 16; half; half /= 2)
        for (int i = 0; i < half; i++)
            part[i] += part[i + half];
    return part[0];
}

static float sum(ref_order order, const float *x, int n)
{
    return order == REF_ORDER_SEQUENTIAL ? sequential(x, n)
           : order == REF_ORDER_PAIRWISE ? pairwise(x, n)
                                         : lanes(x, n);
}

static bool open_graph(fixture *f, const char *nodes)
{
    ws_buf text = {0};
    ws_buf_printf(&text, HEAD "%s],\"outputs\":[\"y\"]}", nodes);
    bool good =
        !spec_from_text(text.p, text.n, "t.json", &f->spec, &f->err) && !fixture_bind(f, -1);
    ws_buf_release(&text);
    return good;
}

/* y[M] sums x times `square` ? x : 1; y[M, M] is x w. */
static void test_bits(const char *what, const char *nodes, bool is_matmul, bool square)
{
    fixture f = {0};
    float t[N];
    bool good = open_graph(&f, nodes);
    double seen[REF_ORDER_COUNT][M * M] = {0};
    for (ref_order o = REF_ORDER_SEQUENTIAL; o < REF_ORDER_COUNT && good; o++) {
        good = !ref_eval_in_order(f.bound, f.in, o, f.out, &f.err);
        int columns = is_matmul ? M : 1, wrong = 0;
        for (int e = 0; good && e < M * columns; e++) {
            for (int i = 0; i < N; i++) {
                float x = (float)f.in[0].v[e / columns * N + i];
                t[i] = is_matmul ? x * (float)f.in[1].v[i * M + e % columns] : square ? x * x : x;
            }
            float want = sum(o, t, N);
            wrong += f.out[0].v[e] != (double)(square ? sqrtf(want) : want);
        }
        ok(good && !wrong, "%s, %s: %d elements differ %s", what, ref_order_name(o), wrong,
           f.err.msg);
        if (good)
            memcpy(seen[o], f.out[0].v, (size_t)(M * columns) * sizeof(double));
        ref_tensor_release(&f.out[0]);
    }
    size_t size = sizeof seen[0];
    if (!square) /* a root hides what differs in the last bit */
        ok(memcmp(seen[1], seen[2], size) && memcmp(seen[2], seen[3], size) &&
               memcmp(seen[1], seen[3], size),
           "%s: the orders differ", what);
    fixture_close(&f);
}

static void test_exact(void)
{
    fixture f = {0};
    bool good = open_graph(&f, "{\"out\":\"s\",\"op\":\"reduce\",\"in\":[\"k\"],\"fn\":\"sum\","
                               "\"dims\":[1],\"dtype\":\"i64\"},{\"out\":\"y\",\"op\":\"cast\","
                               "\"in\":[\"s\"],\"dtype\":\"i64\"}") &&
                !ref_eval_in_order(f.bound, f.in, REF_ORDER_SEQUENTIAL, f.out, &f.err);
    int wrong = 0;
    for (int r = 0; good && r < M; r++) {
        int64_t want = 0;
        for (int i = 0; i < N; i++)
            want += (int64_t)f.in[2].v[r * N + i];
        wrong += (int64_t)f.out[0].v[r] != want;
    }
    ok(good && !wrong, "whole numbers are summed exactly %s", f.err.msg);
    fixture_close(&f);
}

static void test_after(void)
{
    fixture f = {0};
    double want = 0;
    bool good = open_graph(&f, "{\"out\":\"y\",\"op\":\"matmul\",\"in\":[\"x\",\"w\"]}") &&
                !ref_eval_in_order(f.bound, f.in, REF_ORDER_LANES, f.out, &f.err);
    ref_tensor_release(&f.out[0]);
    good = good && !ref_eval(f.bound, f.in, false, f.out, &f.err);
    for (int i = 0; good && i < N; i++)
        want += f.in[0].v[i] * f.in[1].v[i * M];
    ok(good && fabs(f.out[0].v[0] - want) < 1e-13 * N, "afterwards sums are in double %s",
       f.err.msg);
    fixture_close(&f);
}

int main(void)
{
    test_bits("reduce",
              "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1]}", false,
              false);
    test_bits("l2norm",
              "{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"l2norm\",\"dims\":[1]}",
              false, true);
    test_bits("matmul", "{\"out\":\"y\",\"op\":\"matmul\",\"in\":[\"x\",\"w\"]}", true, false);
    test_exact();
    test_after();
    return tap_done();
}
