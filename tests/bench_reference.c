/* `make bench-reference`: how fast the references are, beside OpenBLAS and a memory copy of the
 * same run: matmul and convolutions as a share of dgemm's rate, elementwise ops and reductions as a
 * share of what a copy moves. All sides use all cores. In every round the rival runs just before;
 * what is printed is the median of the rounds, as what else the machine does hits both sides. */
#include "base/clock.h"
#include "base/pool.h"
#include "reference/gemm.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* OpenBLAS's threads go on asking for work for some 30 ms after a product, on cores that the next
 * measurement is to have. */
enum { SETTLE_MS = 100 };
enum { ROUNDS = 9, SIDE = 2048, COPY_ELEMENTS = 1 << 24 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double *random_doubles(int64_t n)
{
    double *x = ws_alloc_tensor((size_t)n * sizeof *x);
    uint64_t state = 1;
    for (int64_t i = 0; x && i < n; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        x[i] = (double)(float)((double)(state >> 40) * 0x1p-24 - 0.5);
    }
    return x;
}

/* ---- what it is measured against ---- */

typedef void dgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                      const double *a, int lda, const double *b, int ldb, double beta, double *c,
                      int ldc);
enum { ROW_MAJOR = 101, NO_TRANS = 111 };

typedef struct rival {
    double *from, *to, *c; /* c: of dgemm */
    dgemm_fn *dgemm;       /* NULL: not there */
    void (*set_threads)(int);
} rival;

static void find_dgemm(rival *r)
{
    void *library = dlopen("libopenblas.so.0", RTLD_NOW);
    void *symbol = library ? dlsym(library, "cblas_dgemm") : NULL;
    void *threads = library ? dlsym(library, "openblas_set_num_threads") : NULL;
    if (!symbol || !threads)
        return;
    memcpy(&r->dgemm, &symbol, sizeof r->dgemm);
    memcpy(&r->set_threads, &threads, sizeof r->set_threads);
}

/* OpenBLAS's own product of SIDE^3 with its own threads: seconds. */
static double time_dgemm(const rival *r)
{
    r->set_threads(ws_cpu_count());
    double start = now_s();
    r->dgemm(ROW_MAJOR, NO_TRANS, NO_TRANS, SIDE, SIDE, SIDE, 1, r->from, SIDE, r->to, SIDE, 0,
             r->c, SIDE);
    double took = now_s() - start;
    r->set_threads(1);
    ws_sleep_ms(SETTLE_MS);
    return took;
}

typedef struct copy_job {
    const double *from;
    double *to;
} copy_job;

static void copy_range(void *ud, int64_t first, int64_t end)
{
    const copy_job *j = ud;
    memcpy(j->to + first, j->from + first, (size_t)(end - first) * sizeof *j->to);
}

/* A copy between touched arrays: seconds. */
static double time_copy(const rival *r)
{
    copy_job j = {r->from, r->to};
    double start = now_s();
    ref_for_ranges(COPY_ELEMENTS, 4, copy_range, &j);
    return now_s() - start;
}

/* ---- what is measured ---- */

typedef struct row {
    const char *name, *inputs, *node; /* members of the spec's lists */
    bool bounds;
    double floor; /* share that the row is to reach; 0: for information */
} row;

#define T(name, shape)                                                                             \
    "{\"name\":\"" name "\",\"dtype\":\"f32\",\"shape\":[" shape "],\"init\":{\"dist\":\"const\"," \
    "\"value\":0}}"
#define MATRICES T("x", "2048,2048") "," T("w", "2048,2048")
#define IMAGE    T("x", "16,64,56,56") "," T("w", "128,64,3,3")
#define LONG     T("x", "4096,4096")

static const row products[] = {
    {"matmul 2048^3", MATRICES, "\"op\":\"matmul\",\"in\":[\"x\",\"w\"]", false, 0.7},
    {"the same with bounds", MATRICES, "\"op\":\"matmul\",\"in\":[\"x\",\"w\"]", true, 0},
    {"conv 16x64x56x56, 128 of 3x3", IMAGE, "\"op\":\"conv\",\"in\":[\"x\",\"w\"],\"padding\":1",
     false, 0.4},
    {"the same with bounds", IMAGE, "\"op\":\"conv\",\"in\":[\"x\",\"w\"],\"padding\":1", true, 0},
    {"conv 1x256x96x96, 256 of 3x3, stride 2", T("x", "1,256,96,96") "," T("w", "256,256,3,3"),
     "\"op\":\"conv\",\"in\":[\"x\",\"w\"],\"padding\":1,\"stride\":2", false, 0.4},
    {"conv 2x32x24x48x48, 64 of 3x3x3", T("x", "2,32,24,48,48") "," T("w", "64,32,3,3,3"),
     "\"op\":\"conv\",\"in\":[\"x\",\"w\"]", false, 0.4},
    {"conv_transpose 16x128x28x28, 64 of 3x3", T("x", "16,128,28,28") "," T("w", "128,64,3,3"),
     "\"op\":\"conv_transpose\",\"in\":[\"x\",\"w\"],\"stride\":2", false, 0.4},
};

static const row streams[] = {
    {"add", LONG "," T("w", "4096,4096"), "\"op\":\"add\",\"in\":[\"x\",\"w\"]", false, 0.3},
    {"mul by a row", LONG "," T("w", "4096"), "\"op\":\"mul\",\"in\":[\"x\",\"w\"]", false, 0.3},
    {"relu", LONG, "\"op\":\"relu\",\"in\":[\"x\"]", false, 0.3},
    {"clamp", LONG, "\"op\":\"clamp\",\"in\":[\"x\"],\"min\":0", false, 0.3},
    {"sigmoid", LONG, "\"op\":\"sigmoid\",\"in\":[\"x\"]", false, 0.3},
    {"tanh", LONG, "\"op\":\"tanh\",\"in\":[\"x\"]", false, 0.3},
    {"gelu", LONG, "\"op\":\"gelu\",\"in\":[\"x\"]", false, 0.3},
    {"sum of the last axis", LONG, "\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[1]",
     false, 0.3},
    {"sum of the first axis", LONG, "\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"sum\",\"dims\":[0]",
     false, 0.3},
    {"max of the last axis", LONG, "\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"max\",\"dims\":[1]",
     false, 0.3},
    {"l2norm of all", LONG, "\"op\":\"reduce\",\"in\":[\"x\"],\"fn\":\"l2norm\"", false, 0.3},
    {"add with bounds", LONG "," T("w", "4096,4096"), "\"op\":\"add\",\"in\":[\"x\",\"w\"]", true,
     0},
    {"softmax", LONG, "\"op\":\"softmax\",\"in\":[\"x\"],\"dim\":1", false, 0},
    {"layer_norm", LONG, "\"op\":\"layer_norm\",\"in\":[\"x\"]", false, 0},
};

typedef struct bound_row {
    spec *spec;
    ref_graph *graph;
    ref_bound *bound;
    ws_arena arena;
    ref_tensor in[2];
} bound_row;

static void close_row(bound_row *b)
{
    for (int i = 0; i < 2; i++)
        ref_tensor_release(&b->in[i]);
    ref_graph_free(b->graph);
    spec_free(b->spec);
    ws_arena_release(&b->arena);
}

static ws_status open_row(const row *r, bound_row *b, ws_err *err)
{
    ws_buf text = {0};
    *b = (bound_row){0};
    ws_buf_printf(
        &text,
        "{\"schema\":1,\"name\":\"bench\",\"dims\":{\"N\":1},\"check\":[{}],\"inputs\":[%s],"
        "\"weights\":[],\"graph\":[{\"out\":\"y\",%s}],\"outputs\":[\"y\"]}",
        r->inputs, r->node);
    ws_status st = spec_from_text(text.p, text.n, "bench.json", &b->spec, err);
    ws_buf_release(&text);
    if (st || (st = ref_graph_new(b->spec, &b->graph, err)))
        return st;
    ws_env env = spec_env(b->spec, -1);
    if ((st = ref_bind(b->graph, &env, &b->arena, &b->bound, err)))
        return st;
    for (int i = 0; i < b->spec->n_inputs; i++) {
        b->in[i].shape = b->bound->shape[i];
        b->in[i].v = random_doubles(b->bound->shape[i].count);
    }
    return WS_OK;
}

/* Of the rounds: seconds of an evaluation and of the rival before it, and how they compare. */
typedef struct rounds {
    double own[ROUNDS], rival[ROUNDS], ratio[ROUNDS]; /* ratio: rival / own */
} rounds;

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static double median(double *v)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    return v[ROUNDS / 2];
}

static ws_status run_rounds(const row *r, const bound_row *b, const rival *v, bool is_product,
                            rounds *out, ws_err *err)
{
    for (int i = 0; i < ROUNDS; i++) {
        ref_tensor y[1];
        double rival_s = is_product ? time_dgemm(v) : time_copy(v), start = now_s();
        if (ref_eval(b->bound, b->in, r->bounds, y, err))
            return err->status;
        out->own[i] = now_s() - start;
        out->rival[i] = rival_s;
        out->ratio[i] = rival_s / out->own[i];
        ref_tensor_release(y);
    }
    return WS_OK;
}

static double bytes_moved(const bound_row *b)
{
    double n = 0;
    for (int v = 0; v < b->graph->n_values; v++)
        n += (double)b->bound->shape[v].count * sizeof(double);
    return n;
}

/* Returns whether the share was reached. */
static bool run_row(const row *r, bool is_product, const rival *v)
{
    bound_row b;
    ws_err err = {0};
    rounds t;
    ref_cost cost = {0};
    if (open_row(r, &b, &err) || run_rounds(r, &b, v, is_product, &t, &err)) {
        fprintf(stderr, "bench: %s: %s\n", r->name, err.msg);
        close_row(&b);
        return false;
    }
    ref_cost_of(b.bound, &cost);
    double work = is_product ? 2.0 * SIDE * SIDE * SIDE : 2.0 * sizeof(double) * COPY_ELEMENTS;
    double own_work = is_product ? cost.flops : bytes_moved(&b),
           share = median(t.ratio) * own_work / work;
    double seconds = median(t.own), rate = own_work / seconds, rival_s = median(t.rival);
    printf("%-40s %8.1f ms %7.1f %s, %s %7.1f: %4.0f %%", r->name, seconds * 1e3, rate * 1e-9,
           is_product ? "GF/s" : "GB/s", is_product ? "dgemm" : "copy", work / rival_s * 1e-9,
           share * 100);
    if (r->floor > 0)
        printf(" (at least %.0f %%%s)", r->floor * 100, share >= r->floor ? "" : ": MISSED");
    printf("\n");
    fflush(stdout);
    close_row(&b);
    return share >= r->floor;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : ""; /* rows whose name holds it */
    rival v = {random_doubles(COPY_ELEMENTS), random_doubles(COPY_ELEMENTS),
               random_doubles(COPY_ELEMENTS), NULL, NULL};
    int missed = 0;
    find_dgemm(&v);
    printf(
        "%d cores; products by %s against OpenBLAS's dgemm 2048^3, streams against a copy of 128 "
        "MiB, read and written\n",
        ws_cpu_count(), ref_gemm_name());
    for (size_t i = 0; v.dgemm && i < WS_COUNT(products); i++)
        missed += strstr(products[i].name, only) && !run_row(&products[i], true, &v);
    if (!v.dgemm)
        printf("OpenBLAS is not installed: nothing to measure products against\n");
    for (size_t i = 0; i < WS_COUNT(streams); i++)
        missed += strstr(streams[i].name, only) && !run_row(&streams[i], false, &v);
    free(v.from);
    free(v.to);
    free(v.c);
    return missed > 0;
}
