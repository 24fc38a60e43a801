#include "verifier/classes.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const bool is_even[] = {
#define X(id, even) even,
    VFY_CLASSES(X)
#undef X
};

bool vfy_class_is_even(vfy_class c)
{
    return is_even[c];
}

/* One stretch of a tensor that gets one class. */
typedef struct stretch {
    const spec_tensor *t;
    double *v;
    int64_t first, end; /* flat */
    int64_t row;        /* extent of the last axis */
    int64_t chosen;     /* first element of one row at random */
    uint64_t seed, stream;
    double gain, peak; /* of many elements, of a few */
} stretch;

/* Streams of the choices that one element, or one stretch, needs; no input draws from them. */
enum { SIGNS = 1 << 24, TAILS, POWERS, PLACES, LENGTHS, CLASSES, AMOUNTS, EXTREMES };

static double draw(const stretch *s, uint64_t what, int64_t i)
{
    return ws_philox_uniform(s->seed ^ what << 32, s->stream, (uint64_t)i);
}

static bool is_half(ws_dtype t)
{
    return ws_dtype_roundoff(t) > 0x1p-20;
}

/* ---- element by element ---- */

static double element(const stretch *s, vfy_class c, int64_t i)
{
    double v = s->v[i], sign = draw(s, SIGNS, i) < 0.5 ? -1 : 1;
    int least = is_half(s->t->dtype) ? -8 : -20, most = is_half(s->t->dtype) ? 4 : 6;
    switch (c) {
    case VFY_CLASS_NEGATIVE:
        return -fabs(v) - 0.125;
    case VFY_CLASS_LARGE:
        return s->gain * v;
    case VFY_CLASS_LOW: /* steps of 16 bits are wide there */
        return -128 - (is_half(s->t->dtype) ? 8 : 1) * fabs(v);
    case VFY_CLASS_SIGNED:
        return sign * v;
    case VFY_CLASS_HEAVY:
        return sign * v * fmin(s->peak, pow(1 - draw(s, TAILS, i), -0.7));
    case VFY_CLASS_TINY:
        return sign * v * (s->t->dtype == WS_F16 ? 0x1p-16 : 0x1p-130);
    case VFY_CLASS_RANGE:
        return sign * ldexp(v, least + (int)(draw(s, POWERS, i) * (most - least + 1)));
    case VFY_CLASS_ZERO:
        return 0;
    case VFY_CLASS_PERTURBED: {
        double amount = 0.05 + 0.2 * draw(s, AMOUNTS, i);
        return v != 0 ? v * (1 + sign * amount) : sign * amount;
    }
    default:
        return v;
    }
}

/* To three bits: sums of the same number over and over round the same way every time, which no
 * bound for honest arithmetic allows for, unless they are exact. */
static double coarse(double v)
{
    int power;
    double m = frexp(v, &power);
    return ldexp(rint(m * 8) / 8, power);
}

/* ---- row by row ---- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* First, last, and others take turns, so that a few rows have them all. */
static void raise_one(const stretch *s, int64_t first, int64_t n)
{
    const double room = 128; /* exp(89) is an infinity in f32 */
    const int64_t turn = first / s->row % 3;
    double *v = s->v + first, most = v[0];
    for (int64_t i = 1; i < n; i++)
        most = fmax(most, v[i]);
    const int64_t between = (int64_t)(draw(s, PLACES, first) * (double)n);
    v[turn == 0 ? 0 : turn == 1 ? n - 1 : between] = most + room;
}

static void change_row(const stretch *s, vfy_class c, int64_t first, int64_t end)
{
    int64_t n = end - first;
    double *v = s->v + first;
    int64_t place = first + (int64_t)(draw(s, PLACES, first) * (double)n);
    switch (c) {
    case VFY_CLASS_SORTED:
        qsort(v, (size_t)n, sizeof *v, ascending);
        break;
    case VFY_CLASS_SPIKE:
        s->v[place] *= s->peak;
        break;
    case VFY_CLASS_CANCEL:
        for (int64_t i = 0; i + 1 < n; i += 2)
            v[i + 1] = -v[i] + v[i + 1] / 16;
        break;
    case VFY_CLASS_TIES:
        for (int64_t i = 0; i < n && i < 3; i++)
            v[i] = coarse(v[i]);
        for (int64_t i = n - 1; i >= 3; i--)
            v[i] = v[(int64_t)(3 * draw(s, PLACES, first + i))];
        break;
    case VFY_CLASS_SPECIAL: {
        const double special[] = {(double)NAN, (double)INFINITY, -(double)INFINITY};
        if (draw(s, CLASSES, first) < 0.125 || first == s->chosen)
            s->v[place] = special[(int)(3 * draw(s, AMOUNTS, first))];
        break;
    }
    case VFY_CLASS_PEAK:
        raise_one(s, first, n);
        break;
    default:
        break;
    }
}

/* What takes rows for each other by a few of their elements, or by their sum to a few bits. */
static void make_alike(const stretch *s)
{
    const int64_t n = s->row;
    for (int64_t i = s->first + n; i < s->end; i++) {
        const int64_t at = (i - s->first) % n;
        if (at < n / 4 || at >= n - n / 4 || !(draw(s, CLASSES, i) < 0.125))
            s->v[i] = s->v[s->first + at];
    }
}

static bool goes_by_rows(vfy_class c)
{
    return c == VFY_CLASS_SORTED || c == VFY_CLASS_SPIKE || c == VFY_CLASS_CANCEL ||
           c == VFY_CLASS_TIES || c == VFY_CLASS_SPECIAL || c == VFY_CLASS_PEAK;
}

/* The sign follows from the row alone, so that tensors that are compared with each other are
 * neighbours, too. */
static void make_neighbours(const stretch *s)
{
    const double step = 2 * ws_dtype_roundoff(s->t->dtype);
    const double most = fmin(1 / step, (double)s->row / 2 + 1);
    for (int64_t i = s->first; i < s->end; i++)
        s->v[i] = (i / s->row % 2 ? -1 : 1) * (1 + step * floor(draw(s, AMOUNTS, i) * most));
}

static void change(const stretch *s, vfy_class c)
{
    if (c == VFY_CLASS_ALIKE) {
        make_alike(s);
    } else if (c == VFY_CLASS_NEXT) {
        make_neighbours(s);
    } else if (c == VFY_CLASS_EQUAL) {
        for (int64_t i = s->end - 1; i >= s->first; i--)
            s->v[i] = coarse(s->v[s->first]);
    } else if (goes_by_rows(c)) {
        for (int64_t at = s->first; at < s->end;) {
            int64_t end = (at / s->row + 1) * s->row;
            end = end < s->end ? end : s->end;
            change_row(s, c, at, end);
            at = end;
        }
    } else {
        for (int64_t i = s->first; i < s->end; i++)
            s->v[i] = element(s, c, i);
    }
}

/* ---- stretches ---- */

/* Lengths from one element to an eighth of the tensor, as likely short as long. */
static void mix(stretch *s, int64_t count)
{
    static const vfy_class parts[] = {VFY_CLASS_AS_INIT, VFY_CLASS_SIGNED,  VFY_CLASS_HEAVY,
                                      VFY_CLASS_SPIKE,   VFY_CLASS_RANGE,   VFY_CLASS_LARGE,
                                      VFY_CLASS_CANCEL,  VFY_CLASS_EQUAL,   VFY_CLASS_ZERO,
                                      VFY_CLASS_TINY,    VFY_CLASS_AS_INIT, VFY_CLASS_SIGNED};
    double longest = log((double)(count < 16 ? 2 : count / 8));
    for (s->first = 0; s->first < count; s->first = s->end) {
        s->end = s->first + (int64_t)exp(longest * draw(s, LENGTHS, s->first));
        s->end = s->end < count ? s->end : count;
        /* What looks at the first elements often sees what it hopes for. */
        if (s->first || draw(s, CLASSES, -1) < 0.5)
            change(s, parts[(int)(draw(s, CLASSES, s->first) * (double)WS_COUNT(parts))]);
    }
}

/* ---- whole numbers and flags ---- */

/* The least and the greatest value that the init draws. */
static bool find_range(const spec_tensor *t, const ws_env *env, double *least, double *most)
{
    const spec_init *init = &t->init;
    int64_t lo = (int64_t)init->lo, hi = (int64_t)init->hi;
    ws_err ignored = {0};
    if (init->dist != SPEC_DIST_RANDINT)
        return false;
    if ((init->lo_expr && ws_expr_eval(init->lo_expr, env, &lo, &ignored)) ||
        (init->hi_expr && ws_expr_eval(init->hi_expr, env, &hi, &ignored)))
        return false;
    *least = (double)lo;
    *most = (double)hi - 1;
    return true;
}

static bool change_flags(const stretch *s, vfy_class c, int64_t count)
{
    if (c != VFY_CLASS_ONE_TRUE && c != VFY_CLASS_ALL_TRUE && c != VFY_CLASS_ONE_FALSE)
        return false;
    for (int64_t i = 0; i < count; i++) {
        int64_t first = i / s->row * s->row;
        bool placed = i - first == (int64_t)(draw(s, PLACES, first) * (double)s->row);
        s->v[i] = c == VFY_CLASS_ALL_TRUE || placed == (c == VFY_CLASS_ONE_TRUE);
    }
    return true;
}

static bool ascends(const double *v, int64_t n, double least_step)
{
    for (int64_t i = 1; i < n; i++)
        if (!(v[i] - v[i - 1] >= least_step))
            return false;
    return n > 1;
}

static void exchange(const stretch *s, int64_t first, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t k = (int64_t)(draw(s, PLACES, first + i) * (double)(i + 1));
        const double v = s->v[first + i];
        s->v[first + i] = s->v[first + k];
        s->v[first + k] = v;
    }
}

/* Between the same first and last values, ascending still, and all different if they were. */
static void redraw_ascending(const stretch *s, int64_t first, int64_t n)
{
    double *v = s->v + first;
    const double least = v[0], most = v[n - 1], room = most - least - (double)(n - 1);
    const bool apart = ascends(v, n, 1);
    for (int64_t i = 1; i + 1 < n; i++)
        v[i] = floor(draw(s, AMOUNTS, first + i) * ((apart ? room : most - least) + 1));
    if (n > 2)
        qsort(v + 1, (size_t)(n - 2), sizeof *v, ascending);
    for (int64_t i = 1; i + 1 < n; i++)
        v[i] += least + (apart ? (double)i : 0);
}

/* Whole numbers and flags that an expression gives are data all the same: what else may stand there
 * is taken from what does. Rows of offsets stay ascending; others, and flags row by row, change
 * places. */
static bool change_given(const stretch *s, int64_t count)
{
    const spec_dist d = s->t->init.dist;
    if ((d != SPEC_DIST_EXPR && d != SPEC_DIST_ARANGE) || count < 2)
        return false;
    bool sorted = s->row > 2;
    for (int64_t at = 0; at < count && sorted; at += s->row)
        sorted = ascends(s->v + at, s->row, 0) &&
                 s->v[at + s->row - 1] - s->v[at] != (double)(s->row - 1);
    const int64_t per = sorted || s->t->dtype == WS_BOOL ? s->row : count;
    for (int64_t at = 0; at < count; at += per)
        if (sorted)
            redraw_ascending(s, at, per);
        else
            exchange(s, at, per);
    return true;
}

static bool change_numbers(const stretch *s, vfy_class c, const ws_env *env, int64_t count)
{
    double least, most;
    if (s->t->init.dist == SPEC_DIST_BERNOULLI)
        return change_flags(s, c, count);
    if (c == VFY_CLASS_PERTURBED)
        return change_given(s, count);
    if ((c != VFY_CLASS_LEAST && c != VFY_CLASS_MOST && c != VFY_CLASS_SAME) ||
        !find_range(s->t, env, &least, &most))
        return false;
    double same = least + floor((most - least + 1) * draw(s, EXTREMES, 0));
    for (int64_t i = 0; i < count; i++)
        s->v[i] = c == VFY_CLASS_LEAST ? least : c == VFY_CLASS_MOST ? most : same;
    return true;
}

/* The first element of each row gets no larger than it was: honest code takes it for a shift, which
 * must not be an outlier, and what only looks at first elements sees nothing. */
static bool keeps_first(vfy_class c, int64_t row)
{
    return row > 1 && (c == VFY_CLASS_HEAVY || c == VFY_CLASS_SPIKE || c == VFY_CLASS_RANGE ||
                       c == VFY_CLASS_MIXED);
}

static void change_all(stretch *s, vfy_class c, int64_t count)
{
    const int64_t rows = keeps_first(c, s->row) ? count / s->row : 0;
    double *first = ws_malloc(((size_t)rows + 1) * sizeof *first);
    for (int64_t r = 0; r < rows; r++)
        first[r] = s->v[r * s->row];
    if (c == VFY_CLASS_MIXED)
        mix(s, count);
    else
        change(s, c);
    for (int64_t r = 0; r < rows; r++)
        if (!(fabs(s->v[r * s->row]) <= fabs(first[r])))
            s->v[r * s->row] = first[r];
    free(first);
}

bool vfy_class_apply(vfy_class c, const spec_tensor *t, const ref_shape *shape, const ws_env *env,
                     uint64_t seed, uint64_t stream, double *v)
{
    stretch s = {.t = t,
                 .v = v,
                 .end = shape->count,
                 .seed = seed,
                 .stream = stream,
                 .row = shape->rank ? shape->dim[shape->rank - 1] : 1,
                 .gain = is_half(t->dtype) ? 16 : 64,
                 .peak = is_half(t->dtype) ? 16 : 256};
    if (!shape->count || c == VFY_CLASS_AS_INIT)
        return false;
    if (!ws_dtype_is_float(t->dtype) || c >= VFY_CLASS_LEAST)
        return change_numbers(&s, c, env, shape->count);
    s.chosen = (int64_t)(draw(&s, PLACES, -1) * (double)(shape->count / s.row)) * s.row;
    change_all(&s, c, shape->count);
    for (int64_t i = 0; i < shape->count; i++)
        v[i] = ws_dtype_round(t->dtype, v[i]);
    return true;
}
