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
    "\"lo\":100000001,\"hi\":100000003}},"                                                         \
    "{\"name\":\"id\",\"dtype\":\"i32\",\"shape\":[\"N\"],\"init\":{\"dist\":\"const\",\"value\":" \
    "0}}"                                                                                          \
    "],\"graph\":["

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

/* ---- sums inside of other ops ---- */

/* The terms of element e of the result in t, and how many they are. */
typedef int terms_fn(const fixture *f, int e, float *t);

static int terms_of_product(const fixture *f, int e, float *t)
{
    for (int i = 0; i < N; i++)
        t[i] = (float)f->in[0].v[e / M * N + i] * (float)f->in[1].v[i * M + e % M];
    return N;
}

static int terms_of_row(const fixture *f, int e, float *t)
{
    for (int i = 0; i < N; i++)
        t[i] = (float)f->in[0].v[e * N + i];
    return N;
}

/* What is there, then the rows that come to it. */
static int terms_of_scatter(const fixture *f, int e, float *t)
{
    t[0] = (float)f->in[1].v[e];
    for (int i = 0; i < N; i++)
        t[i + 1] = (float)f->in[1].v[i * M + e];
    return N + 1;
}

/* Every element of the result is the ordered sum of its terms over `divisor`. */
static void test_terms(const char *what, const char *nodes, terms_fn *terms, int elements,
                       float divisor)
{
    fixture f = {0};
    float t[N + 1];
    bool good = open_graph(&f, nodes);
    double seen[REF_ORDER_COUNT][M * M] = {0};
    for (ref_order o = REF_ORDER_SEQUENTIAL; o < REF_ORDER_COUNT && good; o++) {
        int wrong = 0;
        good = !ref_eval_in_order(f.bound, f.in, o, f.out, &f.err);
        good = good && f.out[0].shape.count == elements;
        for (int e = 0; good && e < elements; e++) {
            int n = terms(&f, e, t);
            wrong += f.out[0].v[e] != (double)(sum(o, t, n) / divisor);
            seen[o][e] = f.out[0].v[e];
        }
        ok(good && !wrong, "%s, %s: %d elements differ %s", what, ref_order_name(o), wrong,
           f.err.msg);
        ref_tensor_release(&f.out[0]);
    }
    ok(memcmp(seen[1], seen[2], sizeof seen[0]) && memcmp(seen[2], seen[3], sizeof seen[0]) &&
           memcmp(seen[1], seen[3], sizeof seen[0]),
       "%s: the orders differ", what);
    fixture_close(&f);
}

/* ---- scans ---- */

static float joined(float a, float b, bool product)
{
    return product ? a * b : a + b;
}

/* Of a block of 2^k terms: halves of halves. */
static float tree(const float *x, int n, bool product)
{
    return n == 1 ? x[0]
                  : joined(tree(x, n / 2, product), tree(x + n / 2, n / 2, product), product);
}

/* Of the first n terms: blocks of falling powers of two, from the left. */
static float blocks(const float *x, int n, bool product)
{
    int size = 1, at;
    while (2 * size <= n)
        size *= 2;
    float v = tree(x, size, product);
    for (at = size; at < n; at += size) {
        while (at + size > n)
            size /= 2;
        v = joined(v, tree(x + at, size, product), product);
    }
    return v;
}

static float prefix(ref_order order, const float *x, int n, bool product)
{
    enum { PIECE = (N + 31) / 32 };
    float before = product ? 1 : 0, own;
    if (order == REF_ORDER_PAIRWISE)
        return blocks(x, n, product);
    for (int first = 0; first < n;) {
        int end = order == REF_ORDER_LANES && first + PIECE < n ? first + PIECE : n;
        own = x[first];
        for (int i = first + 1; i < end; i++)
            own = joined(own, x[i], product);
        before = joined(before, own, product);
        first = end;
    }
    return before;
}

static void test_scan(const char *op, bool product)
{
    fixture f = {0};
    float t[N];
    ws_buf nodes = {0};
    /* numbers around 1, so that products stay numbers */
    ws_buf_printf(&nodes,
                  "{\"out\":\"d\",\"op\":\"mul\",\"in\":[\"x\",0.125]},{\"out\":\"g\",\"op\":"
                  "\"add\",\"in\":[\"d\",1]},{\"out\":\"y\",\"op\":\"%s\",\"in\":[\"g\"],"
                  "\"dim\":1}",
                  op);
    bool good = open_graph(&f, ws_buf_z(&nodes));
    double last[REF_ORDER_COUNT] = {0};
    for (ref_order o = REF_ORDER_SEQUENTIAL; o < REF_ORDER_COUNT && good; o++) {
        int wrong = 0;
        good = !ref_eval_in_order(f.bound, f.in, o, f.out, &f.err);
        for (int i = 0; i < N && good; i++)
            t[i] = (float)f.in[0].v[i] * 0.125F + 1;
        for (int i = 0; i < N && good; i++)
            wrong += f.out[0].v[i] != (double)prefix(o, t, i + 1, product);
        last[o] = good ? f.out[0].v[N - 1] : 0;
        ok(good && !wrong, "%s, %s: %d elements differ %s", op, ref_order_name(o), wrong,
           f.err.msg);
        ref_tensor_release(&f.out[0]);
    }
    ok(last[1] != last[2] || last[1] != last[3], "%s: the orders differ", op);
    ws_buf_release(&nodes);
    fixture_close(&f);
}

/* Gates of a cell are functions of sums; orders show in the state, which is still within a bound of
 * what double gives. */
static void test_cell(const char *op, int gates)
{
    fixture f = {0};
    ws_buf nodes = {0};
    ref_tensor exact = {0};
    double seen[REF_ORDER_COUNT][M * M] = {0};
    ws_buf_printf(
        &nodes,
        "{\"out\":\"s\",\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[1,\"M\",\"N\"]},"
        "{\"out\":\"h\",\"op\":\"full\",\"in\":[],\"shape\":[1,\"M\",1],\"value\":0.5},"
        "{\"out\":\"p\",\"op\":\"slice\",\"in\":[\"x\"],\"dim\":0,\"start\":0,\"stop\":1},"
        "{\"out\":\"i\",\"op\":\"expand\",\"in\":[\"p\"],\"shape\":[%d,\"N\"]},"
        "{\"out\":\"q\",\"op\":\"full\",\"in\":[],\"shape\":[%d,1],\"value\":0.5},"
        "{\"out\":\"b\",\"op\":\"full\",\"in\":[],\"shape\":[%d],\"value\":-0.25},"
        "{\"out\":\"y\",\"op\":\"%s\",\"in\":[\"s\",\"h\"%s,\"i\",\"q\",\"b\",\"b\"],"
        "\"num_layers\":1}",
        gates, gates, gates, op, gates == 4 ? ",\"h\"" : "");
    bool good = open_graph(&f, ws_buf_z(&nodes)) && !ref_eval(f.bound, f.in, true, &exact, &f.err);
    for (ref_order o = REF_ORDER_SEQUENTIAL; o < REF_ORDER_COUNT && good; o++) {
        int wrong = 0;
        good = !ref_eval_in_order(f.bound, f.in, o, f.out, &f.err);
        for (int e = 0; e < M && good; e++) {
            seen[o][e] = f.out[0].v[e];
            wrong += !(fabs(seen[o][e] - exact.v[e]) <= exact.e[e]);
        }
        ok(good && !wrong, "%s, %s: %d states out of bound %s", op, ref_order_name(o), wrong,
           f.err.msg);
        ref_tensor_release(&f.out[0]);
    }
    ok(memcmp(seen[1], seen[2], sizeof seen[0]) && memcmp(seen[1], seen[3], sizeof seen[0]),
       "%s: the orders differ", op);
    ref_tensor_release(&exact);
    ws_buf_release(&nodes);
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
    test_terms(
        "grouped_matmul",
        "{\"out\":\"g\",\"op\":\"reshape\",\"in\":[\"w\"],\"shape\":[1,\"N\",\"M\"]},"
        "{\"out\":\"i\",\"op\":\"slice\",\"in\":[\"id\"],\"dim\":0,\"start\":0,\"stop\":\"M\","
        "\"dtype\":\"i32\"},"
        "{\"out\":\"y\",\"op\":\"grouped_matmul\",\"in\":[\"x\",\"g\",\"i\"]}",
        terms_of_product, M * M, 1);
    test_terms("conv_transpose",
               "{\"out\":\"t\",\"op\":\"permute\",\"in\":[\"x\"],\"dims\":[1,0]},"
               "{\"out\":\"i\",\"op\":\"reshape\",\"in\":[\"t\"],\"shape\":[1,\"N\",\"M\"]},"
               "{\"out\":\"g\",\"op\":\"reshape\",\"in\":[\"w\"],\"shape\":[\"N\",\"M\",1]},"
               "{\"out\":\"c\",\"op\":\"conv_transpose\",\"in\":[\"i\",\"g\"]},"
               "{\"out\":\"r\",\"op\":\"reshape\",\"in\":[\"c\"],\"shape\":[\"M\",\"M\"]},"
               "{\"out\":\"y\",\"op\":\"permute\",\"in\":[\"r\"],\"dims\":[1,0]}",
               terms_of_product, M * M, 1);
    test_terms("avg_pool",
               "{\"out\":\"i\",\"op\":\"reshape\",\"in\":[\"x\"],\"shape\":[1,\"M\",\"N\"]},"
               "{\"out\":\"y\",\"op\":\"avg_pool\",\"in\":[\"i\"],\"kernel\":517}",
               terms_of_row, M, N);
    test_terms("scatter",
               "{\"out\":\"o\",\"op\":\"slice\",\"in\":[\"w\"],\"dim\":0,\"start\":0,\"stop\":1},"
               "{\"out\":\"y\",\"op\":\"scatter\",\"in\":[\"o\",\"id\",\"w\"],\"dim\":0,\"mode\":"
               "\"add\"}",
               terms_of_scatter, M, 1);
    test_terms("einsum over an own letter",
               "{\"out\":\"y\",\"op\":\"einsum\",\"in\":[\"x\"],\"equation\":\"ab->a\"}",
               terms_of_row, M, 1);
    test_scan("cumsum", false);
    test_scan("cumprod", true);
    test_cell("lstm", 4);
    test_cell("gru", 3);
    test_exact();
    test_after();
    return tap_done();
}
