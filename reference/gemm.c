#include "reference/gemm.h"
#include "reference/order.h"

#include <dlfcn.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- OpenBLAS ----
 *
 * Loaded at the first product, not linked: starting its threads takes a few milliseconds, which
 * every child process would pay. One thread a call: the callers split the work over the cores
 * themselves (ref_for), also where it is many small products, and several programs that share a
 * machine keep to their cores. */

typedef void dgemm_fn(int order, int trans_a, int trans_b, int m, int n, int k, double alpha,
                      const double *a, int lda, const double *b, int ldb, double beta, double *c,
                      int ldc);
enum { ROW_MAJOR = 101, NO_TRANS = 111, TRANS = 112 }; /* CBLAS */

static dgemm_fn *dgemm;
static atomic_bool own_loops;

static void load_blas(void)
{
    static const char variable[] = "OPENBLAS_NUM_THREADS";
    bool was_set = getenv(variable) != NULL;
    setenv(variable, "1", 0);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!was_set)
        unsetenv(variable);
    if (!library)
        return;
    void *symbol = dlsym(library, "cblas_dgemm"),
         *threads = dlsym(library, "openblas_set_num_threads");
    void (*set_threads)(int) = NULL;
    if (!symbol || !threads)
        return;
    memcpy(&set_threads, &threads, sizeof set_threads); /* ISO C has no cast to a function */
    memcpy(&dgemm, &symbol, sizeof dgemm);
    set_threads(1);
}

static bool has_blas(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load_blas);
    return dgemm && !own_loops;
}

void ref_gemm_plain(bool plain)
{
    own_loops = plain;
}

const char *ref_gemm_name(void)
{
    return has_blas() ? "OpenBLAS" : "own loops";
}

/* ---- products ---- */

static double element(const ref_matrix *x, int64_t row, int64_t column)
{
    return x->transposed ? x->v[column * x->step + row] : x->v[row * x->step + column];
}

/* c += a b */
static void plain_gemm(int64_t m, int64_t n, int64_t k, const ref_matrix *a, const ref_matrix *b,
                       double *c, int64_t c_step)
{
    for (int64_t i = 0; i < m; i++, c += c_step) {
        if (b->transposed) {
            for (int64_t j = 0; j < n; j++)
                for (int64_t l = 0; l < k; l++)
                    c[j] += element(a, i, l) * b->v[j * b->step + l];
            continue;
        }
        for (int64_t l = 0; l < k; l++) {
            const double x = element(a, i, l), *row = b->v + l * b->step;
            for (int64_t j = 0; j < n; j++)
                c[j] += x * row[j];
        }
    }
}

/* In f32, in the order of ref_order_now. */
static void gemm_in_order(int64_t m, int64_t n, int64_t k, const ref_matrix *a,
                          const ref_matrix *b, double *c, int64_t c_step)
{
    enum { WIDTH = 128 };
    float *right = ws_malloc((size_t)(k * WIDTH) * sizeof *right + 1);
    float rows[REF_ADDER_ROWS * WIDTH];
    for (int64_t first = 0; first < n; first += WIDTH) {
        int64_t width = n - first < WIDTH ? n - first : WIDTH;
        for (int64_t l = 0; l < k; l++)
            for (int64_t j = 0; j < width; j++)
                right[l * width + j] = (float)element(b, l, first + j);
        for (int64_t i = 0; i < m; i++) {
            ref_adder sum;
            double *to = c + i * c_step + first;
            ref_adder_init(&sum, rows, width);
            for (int64_t l = 0; l < k; l++)
                ref_adder_push(&sum, (float)element(a, i, l), right + l * width);
            const float *v = ref_adder_finish(&sum);
            for (int64_t j = 0; j < width; j++)
                to[j] = ref_partial(to[j] + (double)v[j]);
        }
    }
    free(right);
}

void ref_gemm(int64_t m, int64_t n, int64_t k, ref_matrix a, ref_matrix b, double *c,
              int64_t c_step, bool add)
{
    const double worth_a_call = 1000;
    int64_t longest = m > n ? m : n;
    longest = longest > k ? longest : k;
    longest = longest > a.step ? longest : a.step;
    longest = longest > b.step ? longest : b.step;
    longest = longest > c_step ? longest : c_step;
    for (int64_t i = 0; !add && i < m; i++)
        memset(c + i * c_step, 0, (size_t)n * sizeof *c);
    if (!m || !n || !k)
        return;
    if (ref_order_now) {
        gemm_in_order(m, n, k, &a, &b, c, c_step);
        return;
    }
    if (longest > INT_MAX || (double)m * (double)n * (double)k < worth_a_call || !has_blas()) {
        plain_gemm(m, n, k, &a, &b, c, c_step);
        return;
    }
    dgemm(ROW_MAJOR, a.transposed ? TRANS : NO_TRANS, b.transposed ? TRANS : NO_TRANS, (int)m,
          (int)n, (int)k, 1, a.v, (int)a.step, b.v, (int)b.step, add ? 1 : 0, c, (int)c_step);
}

/* ---- factors ---- */

typedef struct fill_job {
    ref_factor *x;
    double f;
} fill_job;

static void fill_factor(void *ud, int64_t first, int64_t end)
{
    const fill_job *j = ud;
    const ref_factor *x = j->x;
    for (int64_t i = first; i < end; i++)
        x->size[i] = fabs(x->v[i]);
    for (int64_t i = first; x->weighted && i < end; i++)
        x->weighted[i] = j->f * x->size[i] + (x->e ? x->e[i] : 0);
    for (int64_t i = first; x->square && i < end; i++)
        x->square[i] = x->v[i] * x->v[i];
}

ws_status ref_factor_init(ref_factor *x, const double *v, const double *e, int64_t count,
                          bool bounds, double f, bool squares, ws_err *err)
{
    size_t bytes = (size_t)count * sizeof(double);
    fill_job j = {x, f};
    *x = (ref_factor){.v = v, .e = e};
    if (!bounds)
        return WS_OK;
    x->size = ws_alloc_tensor_unset(bytes);
    x->weighted = f < 0 ? NULL : ws_alloc_tensor_unset(bytes);
    x->square = squares ? ws_alloc_tensor_unset(bytes) : NULL;
    if (!x->size || (f >= 0 && !x->weighted) || (squares && !x->square)) {
        ref_factor_release(x);
        return ws_fail(err, WS_ELIMIT, "no memory for the magnitudes of an operand");
    }
    ref_for_ranges(count, 4, fill_factor, &j);
    return WS_OK;
}

void ref_factor_release(ref_factor *x)
{
    if (!x)
        return;
    ws_free_tensor(x->size);
    ws_free_tensor(x->weighted);
    ws_free_tensor(x->square);
    *x = (ref_factor){0};
}

static ref_matrix left(const ref_product *p, const double *v)
{
    return (ref_matrix){v + p->a_at, p->a_step, p->trans_a};
}

static ref_matrix right(const ref_product *p, const double *v)
{
    return (ref_matrix){v + p->b_at, p->b_step, p->trans_b};
}

/* e += u sqrt(a^2 b^2) */
static ws_status add_products(const ref_product *p, ws_err *err)
{
    double *sum = ws_alloc_tensor_unset((size_t)p->m * (size_t)p->n * sizeof *sum);
    if (!sum)
        return ws_fail(err, WS_ELIMIT, "no memory for a product's bounds");
    ref_gemm(p->m, p->n, p->k, left(p, p->a->square), right(p, p->b->square), sum, p->n, false);
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            p->e[i * p->c_step + j] += p->u * sqrt(sum[i * p->n + j]);
    ws_free_tensor(sum);
    return WS_OK;
}

ws_status ref_multiply(const ref_product *p, ws_err *err)
{
    ref_gemm(p->m, p->n, p->k, left(p, p->a->v), right(p, p->b->v), p->v, p->c_step, false);
    if (!p->e)
        return WS_OK;
    ref_gemm(p->m, p->n, p->k, left(p, p->a->size), right(p, p->b->weighted), p->e, p->c_step,
             false);
    if (p->a->e)
        ref_gemm(p->m, p->n, p->k, left(p, p->a->e), right(p, p->b->size), p->e, p->c_step, true);
    if (p->a->square && p->b->square && add_products(p, err))
        return err->status;
    for (int64_t i = 0; i < p->m; i++)
        for (int64_t j = 0; j < p->n; j++)
            if (isnan(p->e[i * p->c_step + j])) /* an unbounded error times zero */
                p->e[i * p->c_step + j] = (double)INFINITY;
    return WS_OK;
}
