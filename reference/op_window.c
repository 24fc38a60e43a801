/* Sliding windows over one to three spatial axes: convolution and pooling.
 *
 * x[N, C, spatial...]. Fewer than three axes are padded in front with extents of 1, so that every
 * loop runs over (depth, row, column). */
#include "reference/ops.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SPATIAL = 3 };

/* ---- shapes ---- */

static const ws_expr *plus(ws_arena *m, const ws_expr *e, int64_t v)
{
    return v < 0 ? ws_expr_binary(m, WS_X_SUB, e, ws_expr_const(m, -v))
                 : ws_expr_binary(m, WS_X_ADD, e, ws_expr_const(m, v));
}

/* floor((x + 2 padding - dilation (kernel - 1) - 1) / stride) + 1 */
static const ws_expr *window_extent(ref_infer *f, const ws_expr *x, const ws_expr *kernel, int axis)
{
    ws_arena *m = &f->graph->arena;
    const ref_attrs *at = f->at;
    const ws_expr *one = ws_expr_const(m, 1);
    const ws_expr *reach = ws_expr_binary(m, WS_X_MUL, ws_expr_const(m, at->dilation[axis]),
                                          ws_expr_binary(m, WS_X_SUB, kernel, one));
    const ws_expr *padded = ws_expr_binary(m, WS_X_ADD, x, ws_expr_const(m, 2 * at->padding[axis]));
    ref_need_that(f, ws_expr_binary(m, WS_X_GT, padded, reach),
                  "the window fits into the padded operand");
    int64_t known = 0;
    const ws_expr *room = ws_expr_is_const(reach, &known)
                              ? plus(m, x, 2 * at->padding[axis] - known)
                              : ws_expr_binary(m, WS_X_SUB, padded, reach);
    if (at->stride[axis] == 1)
        return room;
    room = ws_expr_is_const(reach, &known) ? plus(m, x, 2 * at->padding[axis] - known - 1)
                                           : plus(m, room, -1);
    return plus(m, ws_expr_binary(m, WS_X_DIV, room, ws_expr_const(m, at->stride[axis])), 1);
}

static ws_status check_spatial(ref_infer *f)
{
    int spatial = f->in[0]->rank - 2;
    if (spatial < 1 || spatial > MAX_SPATIAL)
        return ref_infer_fail(
            f, "the operand has rank %d; expected [N, C] and one to three spatial axes",
            f->in[0]->rank);
    return WS_OK;
}

/* x[N, C, ...], w[K, C / groups, ...], b[K] -> [N, K, ...] */
static ws_status infer_conv(ref_infer *f)
{
    ws_arena *m = &f->graph->arena;
    const ref_value *x = f->in[0], *w = f->in[1];
    if (check_spatial(f))
        return f->err->status;
    if (w->rank != x->rank)
        return ref_infer_fail(f, "weights of rank %d for an operand of rank %d", w->rank, x->rank);
    if (!f->at->groups)
        f->at->groups = ws_expr_const(m, 1);
    const ws_expr *groups = f->at->groups;
    ref_need_that(f, ws_expr_binary(m, WS_X_GE, groups, ws_expr_const(m, 1)),
                  "'groups' is at least 1");
    ref_need_equal(f, x->dim[1], ws_expr_binary(m, WS_X_MUL, w->dim[1], groups),
                   "channels are those of the weights times groups");
    ref_need_equal(f, ws_expr_binary(m, WS_X_MOD, w->dim[0], groups), ws_expr_const(m, 0),
                   "output channels divide into groups");
    if (f->n_in > 2) {
        if (f->in[2]->rank != 1)
            return ref_infer_fail(f, "the bias has rank %d", f->in[2]->rank);
        ref_need_equal(f, f->in[2]->dim[0], w->dim[0], "one bias a channel");
    }
    f->out->rank = x->rank;
    f->out->dim[0] = x->dim[0];
    f->out->dim[1] = w->dim[0];
    for (int s = 0; s < x->rank - 2; s++) {
        ref_need_that(f, ws_expr_binary(m, WS_X_GT, w->dim[2 + s], ws_expr_const(m, 0)),
                      "the window is not empty");
        f->out->dim[2 + s] = window_extent(f, x->dim[2 + s], w->dim[2 + s], s);
    }
    return WS_OK;
}

static bool is_given(const spec_node *n, const char *attr)
{
    for (int i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attr[i].name, attr) == 0)
            return true;
    return false;
}

/* Without a stride, windows lie side by side, as in PyTorch. */
static ws_status infer_pool(ref_infer *f)
{
    const ref_value *x = f->in[0];
    ref_attrs *at = f->at;
    if (check_spatial(f))
        return f->err->status;
    if (!is_given(f->spec, "kernel"))
        return ref_infer_fail(f, "missing 'kernel'");
    if (!is_given(f->spec, "stride"))
        memcpy(at->stride, at->kernel, sizeof at->stride);
    f->out->rank = x->rank;
    f->out->dim[0] = x->dim[0];
    f->out->dim[1] = x->dim[1];
    for (int s = 0; s < x->rank - 2; s++) {
        if (2 * at->padding[s] > at->kernel[s])
            return ref_infer_fail(f, "padding is more than half of the window");
        f->out->dim[2 + s] = window_extent(f, x->dim[2 + s],
                                           ws_expr_const(&f->graph->arena, at->kernel[s]), s);
    }
    return WS_OK;
}

/* ---- evaluation ---- */

typedef struct window_job {
    const ref_call *c;
    int64_t in[3], out[3], kernel[3], stride[3], padding[3], dilation[3];
    int64_t in_plane, out_plane, window; /* products */
    int64_t c_in, c_out;                 /* channels */
} window_job;

static void set_window(window_job *j, const ref_call *c, const ref_shape *kernel)
{
    const ref_shape *x = &c->in[0]->shape, *y = &c->out->shape;
    int spatial = x->rank - 2, first = MAX_SPATIAL - spatial;
    *j = (window_job){.c = c, .in_plane = 1, .out_plane = 1, .window = 1, .c_in = x->dim[1],
                      .c_out = y->dim[1]};
    for (int a = 0; a < MAX_SPATIAL; a++) {
        int s = a - first;
        j->in[a] = s < 0 ? 1 : x->dim[2 + s];
        j->out[a] = s < 0 ? 1 : y->dim[2 + s];
        j->kernel[a] = s < 0 ? 1 : kernel ? kernel->dim[2 + s] : c->at->kernel[s];
        j->stride[a] = s < 0 ? 1 : c->at->stride[s];
        j->padding[a] = s < 0 ? 0 : c->at->padding[s];
        j->dilation[a] = s < 0 ? 1 : c->at->dilation[s];
        j->in_plane *= j->in[a];
        j->out_plane *= j->out[a];
        j->window *= j->kernel[a];
    }
}

/* Position in the operand of window element k of output o along an axis; outside it is padding. */
static int64_t source(const window_job *j, int axis, int64_t o, int64_t k)
{
    return o * j->stride[axis] - j->padding[axis] + k * j->dilation[axis];
}

static bool inside(const window_job *j, int axis, int64_t at)
{
    return at >= 0 && at < j->in[axis];
}

/* The outputs [*first, *end) whose window element k lies inside the operand along an axis. */
static void valid_outputs(const window_job *j, int axis, int64_t k, int64_t *first, int64_t *end)
{
    *first = 0;
    *end = j->out[axis];
    while (*first < *end && source(j, axis, *first, k) < 0)
        ++*first;
    while (*end > *first && source(j, axis, *end - 1, k) >= j->in[axis])
        --*end;
}

/* Adds w[k] x to a whole output plane: v, the sum of magnitudes, and the propagated error. */
static void add_tap(const window_job *j, const int64_t k[3], int64_t x_at, double w, double ew,
                    double *v, double *size, double *e)
{
    const ref_tensor *x = j->c->in[0];
    int64_t first, end;
    valid_outputs(j, 2, k[2], &first, &end);
    for (int64_t od = 0; od < j->out[0]; od++)
        for (int64_t oh = 0; oh < j->out[1]; oh++) {
            int64_t d = source(j, 0, od, k[0]), h = source(j, 1, oh, k[1]);
            if (!inside(j, 0, d) || !inside(j, 1, h))
                continue;
            int64_t row = x_at + (d * j->in[1] + h) * j->in[2],
                    y = (od * j->out[1] + oh) * j->out[2];
            for (int64_t ow = first; ow < end; ow++) {
                int64_t at = row + source(j, 2, ow, k[2]);
                v[y + ow] += w * x->v[at];
                size[y + ow] += fabs(w * x->v[at]);
                if (x->e || ew > 0)
                    e[y + ow] += fabs(w) * ref_err(x, at) + fabs(x->v[at]) * ew;
            }
        }
}

/* One plane y[n, k, ...]. */
static void conv_plane(void *ud, int64_t plane)
{
    const window_job *j = ud;
    const ref_call *c = j->c;
    const ref_tensor *w = c->in[1], *bias = c->n_in > 2 ? c->in[2] : NULL;
    int64_t n = plane / j->c_out, channel = plane % j->c_out, per_group = w->shape.dim[1];
    int64_t groups = per_group ? j->c_in / per_group : 1;
    int64_t group = channel / (j->c_out / groups), y_at = plane * j->out_plane;
    double *size = ws_calloc((size_t)j->out_plane * 2, sizeof *size), *e = size + j->out_plane;
    double factor = REF_SUM * sqrt((double)(per_group * j->window)) * c->ua;
    for (int64_t i = 0; i < per_group; i++)
        for (int64_t t = 0; t < j->window; t++) {
            int64_t k[3] = {t / (j->kernel[1] * j->kernel[2]), t / j->kernel[2] % j->kernel[1],
                            t % j->kernel[2]};
            int64_t at = (channel * per_group + i) * j->window + t;
            add_tap(j, k, (n * j->c_in + group * per_group + i) * j->in_plane, w->v[at],
                    ref_err(w, at), c->out->v + y_at, size, e);
        }
    for (int64_t i = 0; i < j->out_plane; i++) {
        double *v = &c->out->v[y_at + i];
        e[i] += factor * size[i];
        if (bias) {
            *v += bias->v[channel];
            e[i] += ref_err(bias, channel) + c->u * fabs(*v);
        }
        if (c->out->e)
            c->out->e[y_at + i] = e[i];
    }
    free(size);
}

static ws_status eval_conv(const ref_call *c)
{
    window_job j;
    set_window(&j, c, &c->in[1]->shape);
    ref_for(c->in[0]->shape.dim[0] * j.c_out,
            (double)j.out_plane * (double)j.window * (double)c->in[1]->shape.dim[1] * 2,
            conv_plane, &j);
    return WS_OK;
}

/* What a window holds: extremum or sum, magnitudes, and errors. */
typedef struct window_stats {
    double max, e_max, sum, size, e_sum;
} window_stats;

static window_stats scan_window(const window_job *j, int64_t i)
{
    const ref_tensor *x = j->c->in[0];
    window_stats r = {.max = -(double)INFINITY};
    int64_t plane = i / j->out_plane * j->in_plane, o = i % j->out_plane;
    int64_t at[3] = {o / (j->out[1] * j->out[2]), o / j->out[2] % j->out[1], o % j->out[2]};
    for (int pass = 0; pass < 2; pass++) /* the second finds what may win within its error */
        for (int64_t t = 0; t < j->window; t++) {
            int64_t d = source(j, 0, at[0], t / (j->kernel[1] * j->kernel[2]));
            int64_t h = source(j, 1, at[1], t / j->kernel[2] % j->kernel[1]);
            int64_t w = source(j, 2, at[2], t % j->kernel[2]);
            if (!inside(j, 0, d) || !inside(j, 1, h) || !inside(j, 2, w))
                continue;
            int64_t p = plane + (d * j->in[1] + h) * j->in[2] + w;
            double v = x->v[p], e = ref_err(x, p);
            if (pass == 0) {
                if (v > r.max || isnan(v))
                    r.max = v, r.e_max = e;
                r.sum += v;
                r.size += fabs(v);
                r.e_sum += e;
            } else if (v + e >= r.max - r.e_max) {
                r.e_max = fmax(r.e_max, e);
            }
        }
    return r;
}

static void max_pool_one(void *ud, int64_t i)
{
    const window_job *j = ud;
    window_stats r = scan_window(j, i);
    j->c->out->v[i] = r.max;
    if (j->c->out->e)
        j->c->out->e[i] = r.e_max;
}

/* Padding counts as zeros, as PyTorch's default count_include_pad does. */
static void avg_pool_one(void *ud, int64_t i)
{
    const window_job *j = ud;
    const ref_call *c = j->c;
    window_stats r = scan_window(j, i);
    double n = (double)j->window, v = r.sum / n;
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] = (r.e_sum + REF_SUM * sqrt(n) * c->ua * r.size) / n + 2 * c->u * fabs(v);
}

static ws_status run_pool(const ref_call *c, void (*body)(void *, int64_t))
{
    window_job j;
    set_window(&j, c, NULL);
    ref_for(c->out->shape.count, (double)j.window * 10, body, &j);
    return WS_OK;
}

static ws_status eval_max_pool(const ref_call *c)
{
    return run_pool(c, max_pool_one);
}

static ws_status eval_avg_pool(const ref_call *c)
{
    return run_pool(c, avg_pool_one);
}

static double flops_conv(const ref_attrs *at, const ref_shape *const *in, int n_in,
                         const ref_shape *out)
{
    double taps = 1;
    (void)at;
    for (int d = 1; d < in[1]->rank; d++)
        taps *= (double)in[1]->dim[d];
    return (double)out->count * (2 * taps + (n_in > 2));
}

static double flops_pool(const ref_attrs *at, const ref_shape *const *in, int n_in,
                         const ref_shape *out)
{
    double window = 1;
    (void)n_in;
    for (int s = 0; s < in[0]->rank - 2; s++)
        window *= (double)at->kernel[s];
    return (double)out->count * window;
}

const ref_op ref_ops_window[] = {
    {.name = "conv", .min_in = 2, .max_in = 3, .attrs = "stride padding dilation groups",
     .infer = infer_conv, .eval = eval_conv, .flops = flops_conv},
    {.name = "max_pool", .min_in = 1, .max_in = 1, .attrs = "kernel stride padding dilation",
     .infer = infer_pool, .eval = eval_max_pool, .flops = flops_pool},
    {.name = "avg_pool", .min_in = 1, .max_in = 1, .attrs = "kernel stride padding",
     .infer = infer_pool, .eval = eval_avg_pool, .flops = flops_pool},
    {0}};
