#include "verifier/pattern.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 8 }; /* wrong elements from which shares of them mean something */

typedef struct text {
    char *p;
    size_t n, size;
} text;

__attribute__((format(printf, 2, 3))) static void say(text *t, const char *fmt, ...)
{
    va_list ap;
    if (t->n + 2 >= t->size)
        return;
    size_t before = t->n;
    if (t->n)
        t->p[t->n++] = '\n';
    va_start(ap, fmt);
    int n = vsnprintf(t->p + t->n, t->size - t->n, fmt, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= t->size - t->n) { /* half a line says nothing */
        t->n = before;
        t->p[before] = 0;
        return;
    }
    t->n += (size_t)n;
}

static int64_t count_wrong(const vfy_pattern *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->shape->count; i++)
        n += p->wrong[i];
    return n;
}

/* ---- where ---- */

/* Elements between two neighbours along axis d. */
static int64_t stride_of(const ref_shape *s, int d)
{
    int64_t stride = 1;
    for (int k = d + 1; k < s->rank; k++)
        stride *= s->dim[k];
    return stride;
}

/* "axis 1 (N)" */
static const char *axis_name(const vfy_pattern *p, int d, char *out, size_t size)
{
    ws_buf e = {0};
    if (p->axis)
        ws_expr_print(p->axis[d], &e);
    bool number = !e.n || strspn(e.p, "0123456789") == e.n;
    if (number)
        snprintf(out, size, "axis %d", d);
    else
        snprintf(out, size, "axis %d (%.40s)", d, e.p);
    ws_buf_release(&e);
    return out;
}

/* Indices along one axis at which something is wrong. */
typedef struct hits {
    bool *at;
    int64_t n, first, last;
} hits;

static hits hits_along(const vfy_pattern *p, int d)
{
    int64_t extent = p->shape->dim[d], stride = stride_of(p->shape, d);
    hits h = {ws_calloc((size_t)extent + 1, sizeof *h.at), 0, -1, -1};
    for (int64_t i = 0; i < p->shape->count; i++)
        if (p->wrong[i])
            h.at[i / stride % extent] = true;
    for (int64_t i = 0; i < extent; i++) {
        if (!h.at[i])
            continue;
        h.n++;
        h.first = h.first < 0 ? i : h.first;
        h.last = i;
    }
    return h;
}

/* The largest power of two, 1024 at most, that divides n. */
static int64_t power_in(int64_t n)
{
    int64_t p = 1;
    while (n && p < 1024 && n % (2 * p) == 0)
        p *= 2;
    return p;
}

/* "; 256 is a multiple of 256: ..." where a boundary is one of a warp or a block. */
static const char *boundary(int64_t at, char *out, size_t size)
{
    int64_t p = power_in(at);
    out[0] = 0;
    if (at >= 32 && p >= 32)
        snprintf(out, size, "; %" PRId64 " is %s, where a %s of threads begins", at,
                 at == p ? "a power of two" : "a multiple of 32",
                 p == 32 ? "warp" : "warp or block");
    return out;
}

/* All wrong indices are `*rest` modulo the result, the largest such number. 0: there is none; two
 * indices have one always, and count where it is a power of two. */
static int64_t common_modulus(const hits *h, int64_t *rest)
{
    int64_t m = 0;
    for (int64_t i = h->first; i <= h->last; i++)
        for (int64_t a = h->at[i] ? i - h->first : 0; a;) {
            int64_t r = m % a; /* Euclid: m and a become their greatest common divisor */
            m = a;
            a = r;
        }
    *rest = m ? h->first % m : 0;
    return m > 1 && (h->n > 2 || (h->n == 2 && (m & (m - 1)) == 0)) ? m : 0;
}

/* "33rd" */
static const char *ordinal(int64_t n, char out[32])
{
    static const char *const ends[] = {"th", "st", "nd", "rd"};
    bool teen = n / 10 % 10 == 1;
    snprintf(out, 32, "%" PRId64 "%s", n, ends[teen || n % 10 > 3 ? 0 : n % 10]);
    return out;
}

static void say_axis(const vfy_pattern *p, int d, const hits *h, text *t)
{
    char name[64], edge[96];
    int64_t extent = p->shape->dim[d], rest = 0, modulus = common_modulus(h, &rest);
    bool whole = h->n == h->last - h->first + 1; /* one range */
    axis_name(p, d, name, sizeof name);
    if (h->n == extent || extent < 2)
        return;
    if (h->n == 1 && h->last == extent - 1)
        say(t, "only the last index of %s (%" PRId64 " of %" PRId64 ") is wrong: the tail", name,
            h->last, extent);
    else if (h->n == 1)
        say(t, "only index %" PRId64 " of %s, which has %" PRId64 ", is wrong", h->first, name,
            extent);
    else if (whole && h->last == extent - 1 && h->first == 1)
        say(t, "along %s only index 0 is right, 1..%" PRId64 " are wrong", name, h->last);
    else if (whole && h->last == extent - 1)
        say(t,
            "along %s indices 0..%" PRId64 " are right and %" PRId64 "..%" PRId64 " are wrong%s%s",
            name, h->first - 1, h->first, h->last, 2 * h->n <= extent ? ": the tail" : "",
            boundary(h->first, edge, sizeof edge));
    else if (whole && h->first == 0)
        say(t, "along %s indices 0..%" PRId64 " are wrong and %" PRId64 "..%" PRId64 " are right%s",
            name, h->last, h->last + 1, extent - 1, boundary(h->last + 1, edge, sizeof edge));
    else if (modulus)
        say(t, "along %s only indices that are %" PRId64 " modulo %" PRId64 " are wrong%s%s", name,
            rest, modulus, h->n == (extent - rest + modulus - 1) / modulus ? ": every " : "",
            h->n == (extent - rest + modulus - 1) / modulus ? ordinal(modulus, edge) : "");
    else
        say(t,
            "along %s %" PRId64 " of %" PRId64 " indices have wrong elements, from %" PRId64
            " to %" PRId64,
            name, h->n, extent, h->first, h->last);
}

/* Rows of a flattened tensor that one grid walks through: the end is missing. */
static bool say_flat_tail(const vfy_pattern *p, int64_t wrong, text *t)
{
    char edge[96];
    int64_t n = p->shape->count, first = 0;
    while (first < n && !p->wrong[first])
        first++;
    if (p->shape->rank < 2 || first == 0 || n - first != wrong || wrong == n)
        return false;
    if (first % p->shape->dim[p->shape->rank - 1] == 0)
        return false; /* whole rows: the axes say it better */
    say(t, "the flat tensor is right up to element %" PRId64 " and wrong from there to its end%s",
        first - 1, boundary(first, edge, sizeof edge));
    return true;
}

static void say_where(const vfy_pattern *p, int64_t wrong, text *t)
{
    size_t before = t->n;
    int64_t box = 1;
    if (wrong == p->shape->count) {
        say(t, "every element is wrong");
        return;
    }
    if (say_flat_tail(p, wrong, t))
        return;
    for (int d = 0; d < p->shape->rank; d++) {
        hits h = hits_along(p, d);
        say_axis(p, d, &h, t);
        box *= h.n;
        free(h.at);
    }
    double share = 100.0 * (double)wrong / (double)box;
    if (wrong >= MANY && wrong < box)
        say(t,
            t->n > before ? "%.*f %% of the elements at those indices are wrong"
                          : "%.*f %% of the elements are wrong, at indices all over",
            share < 1 || share > 99 ? 2 : 0, share);
}

/* ---- what ---- */

typedef struct values {
    int64_t nan, inf, zero, same, negated;
    double ratio_lo, ratio_hi, difference_lo, difference_hi, relative;
    bool any_ratio;
} values;

static void look(const vfy_pattern *p, int64_t i, bool first, values *v)
{
    double got = p->got[i], want = p->want[i];
    if (!isfinite(got)) {
        v->nan += isnan(got);
        v->inf += !isnan(got);
        return;
    }
    double difference = got - want, ratio = want != 0 ? got / want : (double)NAN;
    v->zero += got == 0;
    v->negated += got == -want && want != 0;
    v->difference_lo = first ? difference : fmin(v->difference_lo, difference);
    v->difference_hi = first ? difference : fmax(v->difference_hi, difference);
    if (want == 0) {
        v->relative = (double)INFINITY;
        return;
    }
    v->relative = fmax(v->relative, fabs(ratio - 1));
    v->ratio_lo = v->any_ratio ? fmin(v->ratio_lo, ratio) : ratio;
    v->ratio_hi = v->any_ratio ? fmax(v->ratio_hi, ratio) : ratio;
    v->any_ratio = true;
}

static values look_at_all(const vfy_pattern *p)
{
    values v = {0};
    bool first = true;
    for (int64_t i = 0; i < p->shape->count; i++) {
        if (!p->wrong[i])
            continue;
        look(p, i, first, &v);
        first &= !isfinite(p->got[i]);
    }
    return v;
}

static bool near(double lo, double hi, double within)
{
    return hi - lo <= within * fmax(fabs(lo), fabs(hi));
}

static void say_values(const vfy_pattern *p, int64_t wrong, text *t)
{
    values v = look_at_all(p);
    if (v.nan == wrong || v.inf == wrong)
        say(t, "%s wrong %s", wrong > 1 ? "all of the" : "the",
            v.nan ? (wrong > 1 ? "elements are NaN" : "element is NaN")
                  : (wrong > 1 ? "elements are infinite" : "element is infinite"));
    else if (v.nan || v.inf)
        say(t, "of the %" PRId64 " wrong elements %" PRId64 " are NaN and %" PRId64 " infinite",
            wrong, v.nan, v.inf);
    else if (wrong > 1 && v.zero == wrong)
        say(t, "all of the wrong elements are 0");
    else if (wrong > 1 && v.negated == wrong)
        say(t, "all of the wrong elements have the right magnitude and the wrong sign");
    else if (wrong > 1 && v.any_ratio && v.ratio_lo > 0 && near(v.ratio_lo, v.ratio_hi, 1e-3) &&
             fabs(v.ratio_lo - 1) > 1e-3)
        say(t, "all of the wrong elements are %.6g times the reference: a factor", v.ratio_lo);
    else if (wrong > 1 && near(v.difference_lo, v.difference_hi, 1e-3) && v.difference_lo != 0)
        say(t, "all of the wrong elements differ from the reference by %.6g: an offset",
            v.difference_lo);
    else if (v.relative < 0.01)
        say(t,
            "they are near: within %.2g of the reference, relatively: rounding, an approximation, "
            "a wrong small constant, or a few terms of a long sum",
            v.relative);
    else if (v.zero * 2 > wrong && wrong >= MANY)
        say(t, "%" PRId64 " of the %" PRId64 " wrong elements are 0", v.zero, wrong);
}

/* ---- the reference's values at other places ---- */

static bool alike(double got, double want)
{
    return fabs(got - want) <= 1e-5 * fmax(fabs(got), fabs(want));
}

/* The share of wrong elements that hold what belongs `by` elements further on. */
static double share_shifted(const vfy_pattern *p, int64_t by)
{
    int64_t looked = 0, found = 0, n = p->shape->count;
    for (int64_t i = 0; i < n; i++) {
        if (!p->wrong[i] || i + by < 0 || i + by >= n)
            continue;
        looked++;
        found += alike(p->got[i], p->want[i + by]);
    }
    return looked >= MANY ? (double)found / (double)looked : 0;
}

/* The share of wrong elements that hold what belongs at the place with the last two axes
 * exchanged. */
static double share_transposed(const vfy_pattern *p)
{
    const ref_shape *s = p->shape;
    if (s->rank < 2)
        return 0;
    int64_t columns = s->dim[s->rank - 1], rows = s->dim[s->rank - 2], plane = rows * columns;
    int64_t looked = 0, found = 0;
    for (int64_t i = 0; i < s->count && rows > 1 && columns > 1; i++) {
        int64_t at = i % plane; /* as if the plane had been written as [columns][rows] */
        int64_t from = i - at + at % rows * columns + at / rows;
        if (!p->wrong[i] || from == i)
            continue;
        looked++;
        found += alike(p->got[i], p->want[from]);
    }
    return looked >= MANY ? (double)found / (double)looked : 0;
}

static void say_moved(const vfy_pattern *p, text *t)
{
    const ref_shape *s = p->shape;
    char name[64];
    if (share_transposed(p) > 0.9) {
        say(t,
            "the values are right but stand at transposed places: the last two axes are exchanged");
        return;
    }
    for (int d = s->rank - 1; d >= 0; d--)
        for (int by = -1; by <= 1; by += 2) {
            if (s->dim[d] < 3 || share_shifted(p, by * stride_of(s, d)) <= 0.9)
                continue;
            say(t,
                "wrong elements hold the value that belongs one %s along %s: an index off by one",
                by > 0 ? "further" : "before", axis_name(p, d, name, sizeof name));
            return;
        }
}

void vfy_pattern_describe(const vfy_pattern *p, char *out, size_t size)
{
    text t = {out, 0, size};
    int64_t wrong = count_wrong(p);
    out[0] = 0;
    if (!wrong)
        return;
    if (p->shape->count > 1)
        say_where(p, wrong, &t);
    if (!p->got) /* only that they are wrong is known */
        return;
    say_values(p, wrong, &t);
    if (wrong >= MANY)
        say_moved(p, &t);
}
