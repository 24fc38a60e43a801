#include "reference/order.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 32 };

ref_order ref_order_now;
bool ref_rounds_results;
static ref_order chosen;

const char *ref_order_name(ref_order o)
{
    static const char *const names[] = {
#define X(id, name) [REF_ORDER_##id] = name,
        REF_ORDERS(X)
#undef X
    };
    return names[o];
}

void ref_order_enter(const ref_graph *g, ws_dtype result)
{
    bool sums = ws_dtype_is_float(result) && g->spec->accumulate == WS_F32;
    ref_order_now = sums ? chosen : REF_ORDER_EXACT;
}

ws_status ref_eval_in_order(const ref_bound *b, const ref_tensor *input, ref_order order,
                            ref_tensor *output, ws_err *err)
{
    chosen = order;
    ref_rounds_results = order != REF_ORDER_EXACT;
    ws_status st = ref_eval(b, input, false, output, err);
    ref_order_now = chosen = REF_ORDER_EXACT;
    ref_rounds_results = false;
    return st;
}

/* ---- sums ---- */

static float *row_of(const ref_adder *a, uint64_t i)
{
    return a->row + (int64_t)i * a->width;
}

static void add_row(float *to, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        to[i] += x[i];
}

void ref_adder_init(ref_adder *a, float *row, int64_t width)
{
    int64_t rows = ref_order_now == REF_ORDER_LANES ? LANES : 1;
    *a = (ref_adder){.width = width, .row = row};
    memset(row, 0, (size_t)(rows * width) * sizeof *row);
    memset(row_of(a, REF_ADDER_ROWS - 1), 0, (size_t)width * sizeof *row);
}

void ref_adder_push(ref_adder *a, float factor, const float *x)
{
    uint64_t at = ref_order_now == REF_ORDER_LANES ? a->n % LANES : 0;
    if (ref_order_now == REF_ORDER_PAIRWISE)
        while (a->n >> at & 1)
            at++;
    float *to = row_of(a, at);
    if (ref_order_now == REF_ORDER_PAIRWISE) {
        for (int64_t i = 0; i < a->width; i++)
            to[i] = factor * x[i];
        for (uint64_t i = 0; i < at; i++)
            add_row(to, row_of(a, i), a->width);
    } else {
        for (int64_t i = 0; i < a->width; i++)
            to[i] += factor * x[i];
    }
    a->n++;
}

const float *ref_adder_finish(ref_adder *a)
{
    if (ref_order_now == REF_ORDER_LANES) {
        for (uint64_t step = LANES / 2; step; step /= 2)
            for (uint64_t i = 0; i < step; i++)
                add_row(row_of(a, i), row_of(a, i + step), a->width);
    } else if (ref_order_now == REF_ORDER_PAIRWISE) {
        float *sum = row_of(a, REF_ADDER_ROWS - 1);
        for (uint64_t i = 0; i < REF_ADDER_ROWS - 1; i++)
            if (a->n >> i & 1)
                add_row(sum, row_of(a, i), a->width);
        return sum;
    }
    return a->row;
}

double ref_term_square(double x, double by)
{
    float d = (float)(x - by);
    return (double)(d * d);
}

double ref_term_exp(double x, double by)
{
    return exp((double)(float)(x - by));
}

double ref_ordered_sum(const double *x, int64_t n, double (*term)(double x, double by), double by)
{
    float rows[REF_ADDER_ROWS];
    ref_adder a;
    ref_adder_init(&a, rows, 1);
    for (int64_t k = 0; k < n; k++) {
        float t = (float)(term ? term(x[k], by) : x[k]);
        ref_adder_push(&a, 1, &t);
    }
    return (double)ref_adder_finish(&a)[0];
}

/* ---- scans ---- */

static float join(float a, float b, bool product)
{
    return product ? a * b : a + b;
}

/* Sums of pairs, scanned in turn, are the odd results; an even one has one term more than the pairs
 * before it. */
static void scan_pairs(float *x, int64_t n, bool product)
{
    int64_t pairs = n / 2;
    if (n < 2)
        return;
    float *pair = ws_malloc((size_t)pairs * sizeof *pair);
    for (int64_t i = 0; i < pairs; i++)
        pair[i] = join(x[2 * i], x[2 * i + 1], product);
    scan_pairs(pair, pairs, product);
    for (int64_t i = 0; i < pairs; i++) {
        x[2 * i + 1] = pair[i];
        if (2 * i + 2 < n)
            x[2 * i + 2] = join(pair[i], x[2 * i + 2], product);
    }
    free(pair);
}

/* Every piece alone, then joined to what all before it come to. */
static void scan_pieces(float *x, int64_t n, int64_t piece, bool product)
{
    for (int64_t k = 0; k < n; k++)
        if (k % piece)
            x[k] = join(x[k - 1], x[k], product);
    for (int64_t first = piece; first < n; first += piece) {
        float before = x[first - 1];
        for (int64_t k = first; k < n && k < first + piece; k++)
            x[k] = join(before, x[k], product);
    }
}

void ref_ordered_scan(const double *x, int64_t n, bool product, double *y)
{
    float *t = ws_malloc((size_t)n * sizeof *t + 1);
    for (int64_t k = 0; k < n; k++)
        t[k] = (float)x[k];
    if (ref_order_now == REF_ORDER_PAIRWISE)
        scan_pairs(t, n, product);
    else if (n)
        scan_pieces(t, n, ref_order_now == REF_ORDER_LANES ? (n + LANES - 1) / LANES : n, product);
    for (int64_t k = 0; k < n; k++)
        y[k] = (double)t[k];
    free(t);
}
