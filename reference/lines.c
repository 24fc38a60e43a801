/* A line whose elements lie together is used in place. Others are copied into an array and back,
 * a block of neighbouring lines at a time, so that every cache line is read once. */
#include "reference/lines.h"
#include "reference/order.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_BLOCK = 8, MAX_BLOCK = 64, BLOCK_ELEMENTS = 1 << 17 };

typedef struct lines {
    const ref_call *c;
    void (*body)(void *ud, const ref_line *line);
    void *ud;
    bool writes;
    int64_t n, count, inner; /* elements a line; lines; lines that lie side by side, step 1 */
    int64_t run;             /* elements of a line that lie together */
    int64_t *run_at;         /* n / run offsets in a line */
    int64_t kept[SPEC_MAX_RANK], kept_step[SPEC_MAX_RANK];
    int n_kept;
    atomic_int failed;
} lines;

/* Axes of the kind asked for, with their steps; neighbours are merged. */
static int pick_axes(const ref_shape *s, unsigned mask, int64_t dim[SPEC_MAX_RANK],
                     int64_t step[SPEC_MAX_RANK])
{
    int64_t steps[SPEC_MAX_RANK], all = 1;
    int n = 0;
    for (int d = s->rank - 1; d >= 0; d--) {
        steps[d] = all;
        all *= s->dim[d];
    }
    for (int d = 0; d < s->rank; d++) {
        if (!(mask >> d & 1) || s->dim[d] == 1)
            continue;
        if (n && step[n - 1] == steps[d] * s->dim[d]) {
            dim[n - 1] *= s->dim[d];
            step[n - 1] = steps[d];
        } else {
            dim[n] = s->dim[d];
            step[n++] = steps[d];
        }
    }
    return n;
}

static int64_t offset_of(int64_t i, int n, const int64_t *dim, const int64_t *step)
{
    int64_t at = 0;
    for (int d = n - 1; d >= 0; d--) {
        at += i % dim[d] * step[d];
        i /= dim[d];
    }
    return at;
}

static void plan_lines(lines *l, unsigned axes)
{
    const ref_shape *s = &l->c->in[0]->shape;
    int64_t dim[SPEC_MAX_RANK], step[SPEC_MAX_RANK];
    int n = pick_axes(s, axes, dim, step);
    l->n_kept = pick_axes(s, ~axes, l->kept, l->kept_step);
    l->n = l->count = l->inner = l->run = 1;
    for (int d = 0; d < n; d++)
        l->n *= dim[d];
    for (int d = 0; d < l->n_kept; d++)
        l->count *= l->kept[d];
    if (l->n_kept && l->kept_step[l->n_kept - 1] == 1)
        l->inner = l->kept[l->n_kept - 1];
    if (n && step[n - 1] == 1)
        l->run = dim[--n];
    int64_t n_runs = l->run ? l->n / l->run : 0;
    l->run_at = ws_malloc((size_t)(n_runs + 1) * sizeof *l->run_at);
    for (int64_t i = 0; i < n_runs; i++)
        l->run_at[i] = offset_of(i, n, dim, step);
}

static void copy_runs(const lines *l, double *array, double *tensor, bool in)
{
    for (int64_t r = 0; r < l->n / l->run; r++) {
        double *a = array + r * l->run, *t = tensor + l->run_at[r];
        memcpy(in ? a : t, in ? t : a, (size_t)l->run * sizeof *a);
    }
}

/* Lines in an array are this far apart: an odd number of cache lines, so that the same elements of
 * neighbouring lines do not compete for one place in the cache. */
static int64_t line_step(const lines *l)
{
    return l->run > 1 ? l->n : ((l->n + 15) / 16 * 2 + 1) * 8;
}

/* `count` lines side by side: element r of line k is array[k * line_step + r]. ROWS elements of a
 * line at a time, because an array's lines lie in different pages: many short turns between them
 * cost a translation each. */
enum { ROWS = 8, CACHE_LINE = 8 };

static void copy_in(const lines *l, const double *from, int count, double *to)
{
    int64_t step = line_step(l), r = 0;
    for (; r + ROWS <= l->n; r += ROWS) {
        const double *row[ROWS];
        for (int i = 0; i < ROWS; i++) {
            row[i] = from + l->run_at[r + i];
            for (int k = 0; k < count && r + 2 * ROWS <= l->n; k += CACHE_LINE)
                __builtin_prefetch(from + l->run_at[r + ROWS + i] + k);
        }
        for (int k = 0; k < count; k++)
            for (int i = 0; i < ROWS; i++)
                to[k * step + r + i] = row[i][k];
    }
    for (; r < l->n; r++)
        for (int k = 0; k < count; k++)
            to[k * step + r] = from[l->run_at[r] + k];
}

static void copy_out(const lines *l, const double *from, int count, double *to)
{
    int64_t step = line_step(l);
    for (int64_t r = 0; r < l->n; r++)
        for (int k = 0; k < count; k++)
            to[l->run_at[r] + k] = from[k * step + r];
}

static void take(const lines *l, double *tensor, int count, double *array)
{
    if (l->run > 1)
        copy_runs(l, array, tensor, true);
    else
        copy_in(l, tensor, count, array);
}

static void give(const lines *l, double *array, int count, double *tensor)
{
    if (l->run > 1)
        copy_runs(l, array, tensor, false);
    else
        copy_out(l, array, count, tensor);
}

/* `count` lines that lie side by side, through arrays. */
static void run_copied(lines *l, int64_t index, int count, double *buffer)
{
    const ref_call *c = l->c;
    const ref_tensor *x = c->in[0], *out = c->out;
    int64_t at = offset_of(index, l->n_kept, l->kept, l->kept_step), block = count * line_step(l);
    double *bx = buffer, *be = bx + block, *by = be + block, *bey = by + block;
    take(l, x->v + at, count, bx);
    if (x->e)
        take(l, x->e + at, count, be);
    for (int k = 0; k < count; k++) {
        int64_t own = k * line_step(l);
        ref_line line = {index + k,
                         l->n,
                         bx + own,
                         x->e ? be + own : NULL,
                         l->writes ? by + own : NULL,
                         l->writes && out->e ? bey + own : NULL};
        l->body(l->ud, &line);
    }
    if (!l->writes)
        return;
    give(l, by, count, out->v + at);
    if (out->e)
        give(l, bey, count, out->e + at);
}

static void run_in_place(const lines *l, int64_t index)
{
    const ref_tensor *x = l->c->in[0], *out = l->c->out;
    int64_t at = offset_of(index, l->n_kept, l->kept, l->kept_step);
    ref_line line = {index,
                     l->n,
                     x->v + at,
                     x->e ? x->e + at : NULL,
                     l->writes ? out->v + at : NULL,
                     l->writes && out->e ? out->e + at : NULL};
    l->body(l->ud, &line);
}

/* This thread runs the only line of a tensor: sums over it may use the other cores. */
static _Thread_local bool has_only_line;

static void run_range(void *ud, int64_t first, int64_t end)
{
    lines *l = ud;
    if (l->run == l->n) {
        has_only_line = l->count == 1;
        for (int64_t i = first; i < end; i++)
            run_in_place(l, i);
        has_only_line = false;
        return;
    }
    /* lines of runs are taken one at a time, as their runs fill cache lines */
    int64_t fit = BLOCK_ELEMENTS / (l->n ? l->n : 1);
    int width = l->run > 1        ? 1
                : fit < MIN_BLOCK ? MIN_BLOCK
                : fit > MAX_BLOCK ? MAX_BLOCK
                                  : (int)fit;
    double *buffer =
        ws_alloc_tensor_unset((size_t)line_step(l) * (size_t)width * 4 * sizeof *buffer);
    if (!buffer) {
        l->failed = 1;
        return;
    }
    while (first < end) {
        int64_t row = l->inner - first % l->inner, left = end - first;
        int64_t count = row < left ? row : left;
        count = count < width ? count : width;
        run_copied(l, first, (int)count, buffer);
        first += count;
    }
    free(buffer);
}

ws_status ref_each_line(const ref_call *c, unsigned axes, bool writes, double work,
                        void (*body)(void *ud, const ref_line *line), void *ud)
{
    lines l = {.c = c, .body = body, .ud = ud, .writes = writes};
    plan_lines(&l, axes);
    ref_for_ranges(l.count, (double)l.n * work, run_range, &l);
    free(l.run_at);
    return l.failed
               ? ws_fail(c->err, WS_ELIMIT, "no memory for lines of %lld elements", (long long)l.n)
               : WS_OK;
}

/* ---- across lines ---- */

typedef struct across {
    lines l;
    void (*body)(void *ud, int64_t index, int64_t n, const double *x, bool first);
    void *ud;
    int64_t width, per_row; /* lines of a block; blocks of `inner` lines */
} across;

static void run_across(void *ud, int64_t i)
{
    const across *a = ud;
    const lines *l = &a->l;
    const ref_tensor *x = l->c->in[0];
    int64_t first = i % a->per_row * a->width, n = l->inner - first;
    int64_t index = i / a->per_row * l->inner + first;
    int64_t at = offset_of(index, l->n_kept, l->kept, l->kept_step);
    n = n < a->width ? n : a->width;
    for (int64_t r = 0; r < l->n; r++) {
        int64_t row = at + l->run_at[r];
        a->body(a->ud, index, n, x->v + row, r == 0);
    }
}

bool ref_across_lines(const ref_call *c, unsigned axes,
                      void (*body)(void *ud, int64_t index, int64_t n, const double *x, bool first),
                      void *ud)
{
    const int64_t width = 1024, worth_it = 16;
    across a = {.l = {.c = c}, .body = body, .ud = ud, .width = width};
    plan_lines(&a.l, axes);
    bool apart = !ref_order_now && a.l.run == 1 && a.l.n > 1 && a.l.inner >= worth_it;
    if (apart) {
        a.per_row = (a.l.inner + width - 1) / width;
        ref_for(a.l.count / a.l.inner * a.per_row, (double)a.l.n * (double)width, run_across, &a);
    }
    free(a.l.run_at);
    return apart;
}

/* ---- sums ---- */

enum { LANES = 8, CHUNK = 1 << 16 };

static double total(const double part[LANES])
{
    return ((part[0] + part[1]) + (part[2] + part[3])) +
           ((part[4] + part[5]) + (part[6] + part[7]));
}

#define SUM(name, term)                                                                            \
    static double name(const double *x, int64_t n, double by)                                      \
    {                                                                                              \
        double part[LANES] = {0};                                                                  \
        int64_t k = 0;                                                                             \
        (void)by;                                                                                  \
        for (; k + LANES <= n; k += LANES)                                                         \
            for (int i = 0; i < LANES; i++)                                                        \
                part[i] += term(x[k + i]);                                                         \
        for (; k < n; k++)                                                                         \
            part[k % LANES] += term(x[k]);                                                         \
        return total(part);                                                                        \
    }
#define ITSELF(x)  (x)
#define SQUARED(x) (((x)-by) * ((x)-by))
SUM(sum_values, ITSELF)
SUM(sum_sizes, fabs)
SUM(sum_squares, SQUARED)

typedef double sum_fn(const double *x, int64_t n, double by);

typedef struct chunks {
    const double *x;
    int64_t n;
    sum_fn *sum;
    double by, *part;
} chunks;

static void sum_chunk(void *ud, int64_t i)
{
    const chunks *c = ud;
    int64_t left = c->n - i * CHUNK;
    c->part[i] = c->sum(c->x + i * CHUNK, left < CHUNK ? left : CHUNK, c->by);
}

/* A long array in chunks, on all cores where this thread has the only line of a tensor. The result
 * is the same on any number of cores. */
static double sum_all(const double *x, int64_t n, sum_fn *sum, double by)
{
    const int64_t count = (n + CHUNK - 1) / CHUNK;
    if (count < 2)
        return sum(x, n, by);
    chunks c = {x, n, sum, by, ws_malloc((size_t)count * sizeof *c.part)};
    if (has_only_line)
        ref_for(count, CHUNK, sum_chunk, &c);
    else
        for (int64_t i = 0; i < count; i++)
            sum_chunk(&c, i);
    double v = sum_all(c.part, count, sum_values, 0);
    free(c.part);
    return v;
}

double ref_sum(const double *x, int64_t n)
{
    return ref_order_now ? ref_ordered_sum(x, n, NULL, 0) : sum_all(x, n, sum_values, 0);
}

double ref_sum_abs(const double *x, int64_t n)
{
    return sum_all(x, n, sum_sizes, 0);
}

double ref_sum_squares(const double *x, int64_t n, double by)
{
    return ref_order_now ? ref_ordered_sum(x, n, ref_term_square, by)
                         : sum_all(x, n, sum_squares, by);
}

double ref_sum_errors(const double *e, int64_t n)
{
    return e ? ref_sum(e, n) : 0;
}

/* Multiples of v up to `size` have no more digits than sums keep. */
static bool adds_exactly(double v, double ua, double size)
{
    int exponent;
    double digits = frexp(fabs(v), &exponent), unit = 1;
    if (v == 0 || !isfinite(v))
        return true;
    while (digits != floor(digits)) {
        digits *= 2;
        unit /= 2;
    }
    return size * ua * 2 <= ldexp(unit, exponent);
}

double ref_sum_factor(const double *x, int64_t n, double (*term)(double x, double by), double by,
                      double ua, double size)
{
    double end[2] = {(double)INFINITY, -(double)INFINITY}, same = 0;
    int64_t count[2] = {0};
    for (int64_t k = 0; k < n; k++) {
        end[0] = fmin(end[0], x[k]);
        end[1] = fmax(end[1], x[k]);
    }
    for (int64_t k = 0; k < n; k++) {
        count[0] += x[k] == end[0];
        count[1] += x[k] == end[1];
    }
    for (int i = 0; i < (end[0] == end[1] ? 1 : 2); i++)
        if (count[i] > 1 && !adds_exactly(term ? term(end[i], by) : end[i], ua, size))
            same += (double)count[i];
    return REF_SUM * sqrt((double)n) + same / 2;
}
