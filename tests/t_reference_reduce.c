/* Reductions of tensors large enough for blocks, along every choice of axes, with bounds and
 * without: against sums over indices. */
#include "reference/lines.h"
#include "reference/ops.h"
#include "tests/tap.h"

#include <stdlib.h>

enum { A = 3, B = 70, C = 41, N = A * B * C };

static const char spec_text[] =
    "{\"schema\":1,\"name\":\"reduce\",\"dims\":{\"N\":1},\"check\":[{}],\"inputs\":[{\"name\":"
    "\"x\",\"dtype\":\"f32\",\"shape\":[3,70,41],\"init\":{\"dist\":\"uniform\",\"lo\":-1,\"hi\":2}"
    "}],\"weights\":[],\"graph\":[{\"out\":\"y\",\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"%s\","
    "\"dims\":[%s]}],\"outputs\":[\"y\"]}";

static const char *const axes[] = {"0", "1", "2", "0,1", "0,2", "1,2", "0,1,2"};
static const int masks[] = {1, 2, 4, 3, 5, 6, 7};

/* The place of element i in the result. */
static int place(int i, int mask)
{
    int at[3] = {i / (B * C), i / C % B, i % C}, dim[3] = {A, B, C}, to = 0;
    for (int d = 0; d < 3; d++)
        if (!(mask >> d & 1))
            to = to * dim[d] + at[d];
    return to;
}

static double fold(const char *fn, double acc, double x, bool first)
{
    if (strcmp(fn, "max") == 0)
        return first || x > acc ? x : acc;
    if (strcmp(fn, "min") == 0)
        return first || x < acc ? x : acc;
    return strcmp(fn, "l2norm") == 0 ? acc + x * x : acc + x;
}

static int count_wrong(const char *fn, int mask, const double *x, const ref_tensor *y)
{
    double *want = ws_calloc(N, sizeof *want);
    int *n = ws_calloc(N, sizeof *n), wrong = 0;
    for (int i = 0; i < N; i++) {
        int to = place(i, mask);
        want[to] = fold(fn, want[to], x[i], n[to]++ == 0);
    }
    for (int i = 0; i < y->shape.count; i++) {
        double w = strcmp(fn, "mean") == 0     ? want[i] / n[i]
                   : strcmp(fn, "l2norm") == 0 ? sqrt(want[i])
                                               : want[i];
        wrong += !(fabs(y->v[i] - w) <= 1e-11);
    }
    free(want);
    free(n);
    return wrong;
}

static void test_reduce(const char *fn, int which, bool bounds)
{
    char text[1000];
    spec *s = NULL;
    ref_graph *g = NULL;
    ref_bound *b = NULL;
    ws_arena a = {0};
    ws_err err = {0};
    ref_tensor x = {0}, y = {0};
    snprintf(text, sizeof text, spec_text, fn, axes[which]);
    bool good = !spec_from_text(text, strlen(text), "reduce.json", &s, &err);
    ws_env env = good ? spec_env(s, -1) : (ws_env){0};
    good = good && !ref_graph_new(s, &g, &err) && !ref_bind(g, &env, &a, &b, &err) &&
           !ref_make_input(b, 0, 1, &x, &err) && !ref_eval(b, &x, bounds, &y, &err);
    int wrong = good ? count_wrong(fn, masks[which], x.v, &y) : -1;
    if (!ok(wrong == 0, "%s of axes %s%s", fn, axes[which], bounds ? ", with bounds" : ""))
        printf("# %d wrong %s\n", wrong, err.msg);
    ref_tensor_release(&x);
    ref_tensor_release(&y);
    ref_graph_free(g);
    spec_free(s);
    ws_arena_release(&a);
}

/* ---- lines longer than a chunk ---- */

static void test_sums(int64_t n)
{
    double *x = ws_malloc((size_t)n * sizeof *x);
    long double sum = 0, size = 0, squares = 0;
    for (int64_t i = 0; i < n; i++) {
        x[i] = (double)(i * 7919 % 10007) - 5000.25;
        sum += x[i];
        size += fabsl(x[i]);
        squares += (x[i] - 3.5L) * (x[i] - 3.5L);
    }
    ok(fabsl(ref_sum(x, n) - sum) <= 1e-14L * size &&
           fabsl(ref_sum_abs(x, n) - size) <= 1e-14L * size &&
           fabsl(ref_sum_squares(x, n, 3.5) - squares) <= 1e-14L * squares,
       "sums of %d elements", (int)n);
    free(x);
}

/* All cores add up the only line of a tensor: the same number as one core. */
static void sum_line(void *ud, const ref_line *l)
{
    *(double *)ud = ref_sum(l->x, l->n);
}

static void test_only_line(void)
{
    enum { LONG = 1 << 20 };
    double *x = ws_malloc(LONG * sizeof *x), all = 0;
    for (int i = 0; i < LONG; i++)
        x[i] = sin(i) * 1e6;
    ref_tensor in = {.shape = {.rank = 1, .dim = {LONG}, .count = LONG}, .v = x};
    ref_call c = {.in = {&in}, .n_in = 1, .out = &in};
    ws_status st = ref_each_line(&c, 1, false, 4, sum_line, &all);
    ok(!st && all == ref_sum(x, LONG) && all != 0, "the only line is the same sum on all cores");
    free(x);
}

int main(void)
{
    for (int64_t n = (1 << 16) - 1; n <= (1 << 16) + 9; n += 5)
        test_sums(n);
    test_sums(300001);
    test_only_line();
    static const char *const fns[] = {"sum", "mean", "max", "min", "l2norm"};
    for (size_t f = 0; f < WS_COUNT(fns); f++)
        for (size_t i = 0; i < WS_COUNT(axes); i++)
            for (int bounds = 0; bounds < 2; bounds++)
                test_reduce(fns[f], (int)i, bounds);
    return tap_done();
}
