/* Pooling: the largest element, or the mean, of each window. */
#include "reference/order.h"
#include "reference/window.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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
    if (ref_check_spatial(f))
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
        f->out->dim[2 + s] =
            ref_window_extent(f, x->dim[2 + s], ws_expr_const(&f->graph->arena, at->kernel[s]), s);
    }
    return WS_OK;
}

typedef struct pool_job {
    const ref_call *c;
    ref_window w;
} pool_job;

/* The part [first, end) of a kernel axis whose places lie inside the plane. */
typedef struct span {
    int64_t first, end;
} span;

static span inside(const ref_window *w, int axis, int64_t o)
{
    int64_t at = ref_window_at(w, axis, o, 0), d = w->dilation[axis];
    span s = {at < 0 ? (-at + d - 1) / d : 0,
              at < w->plane[axis] ? (w->plane[axis] - at + d - 1) / d : 0};
    s.end = s.end < w->kernel[axis] ? s.end : w->kernel[axis];
    return s;
}

/* What a window holds: extremum or sum, magnitudes, and errors. */
typedef struct window_stats {
    double max, e_max, sum, size, e_sum;
    int64_t n; /* elements inside the operand */
    double *term; /* room for them; NULL: they are not wanted */
} window_stats;

static void add_element(window_stats *r, double v, double e)
{
    if (v > r->max || isnan(v))
        r->max = v, r->e_max = e;
    r->sum += v;
    if (r->term)
        r->term[r->n] = v;
    r->size += fabs(v);
    r->e_sum += e;
    r->n++;
}

static window_stats scan_window(const pool_job *j, int64_t i, double *term)
{
    const ref_window *w = &j->w;
    const ref_tensor *x = j->c->in[0];
    window_stats r = {.max = -(double)INFINITY, .term = term};
    int64_t plane = i / w->n_windows * w->plane_size, o = i % w->n_windows;
    int64_t at[3] = {o / (w->windows[1] * w->windows[2]), o / w->windows[2] % w->windows[1],
                     o % w->windows[2]};
    span s[3] = {inside(w, 0, at[0]), inside(w, 1, at[1]), inside(w, 2, at[2])};
    for (int pass = 0; pass < (x->e ? 2 : 1); pass++)
        for (int64_t a = s[0].first; a < s[0].end; a++)
            for (int64_t b = s[1].first; b < s[1].end; b++) {
                int64_t row = plane + (ref_window_at(w, 0, at[0], a) * w->plane[1] +
                                       ref_window_at(w, 1, at[1], b)) *
                                          w->plane[2];
                for (int64_t k = s[2].first; k < s[2].end; k++) {
                    int64_t p = row + ref_window_at(w, 2, at[2], k);
                    if (pass == 0)
                        add_element(&r, x->v[p], ref_err(x, p));
                    else if (x->v[p] + x->e[p] >= r.max - r.e_max) /* it may win */
                        r.e_max = fmax(r.e_max, x->e[p]);
                }
            }
    return r;
}

static void max_pool_one(void *ud, int64_t i)
{
    const pool_job *j = ud;
    window_stats r = scan_window(j, i, NULL);
    j->c->out->v[i] = r.max;
    if (j->c->out->e)
        j->c->out->e[i] = r.e_max;
}

/* What the mean divides by, as PyTorch does: the elements inside or, padding included, those of the
 * window that do not lie behind the padding (ceil_mode). */
static double divisor(const pool_job *j, int64_t o, int64_t n_inside)
{
    const ref_window *w = &j->w;
    int64_t at[3] = {o / (w->windows[1] * w->windows[2]), o / w->windows[2] % w->windows[1],
                     o % w->windows[2]};
    int64_t n = 1;
    if (!j->c->at->count_include_pad)
        return (double)n_inside;
    for (int a = 0; a < REF_SPATIAL; a++) {
        int64_t room = w->plane[a] + w->padding[a] - ref_window_at(w, a, at[a], 0);
        n *= room < w->kernel[a] ? room : w->kernel[a];
    }
    return (double)n;
}

static void avg_pool_one(void *ud, int64_t i)
{
    const pool_job *j = ud;
    const ref_call *c = j->c;
    double *term = ref_order_now ? ws_malloc((size_t)j->w.taps * sizeof *term + 1) : NULL;
    window_stats r = scan_window(j, i, term);
    if (term)
        r.sum = ref_ordered_sum(term, r.n, NULL, 0);
    free(term);
    double n = divisor(j, i % j->w.n_windows, r.n), v = r.sum / n;
    c->out->v[i] = v;
    if (c->out->e)
        c->out->e[i] =
            (r.e_sum + REF_SUM * sqrt((double)r.n) * c->ua * r.size) / n + 2 * c->u * fabs(v);
}

static ws_status eval_pool(const ref_call *c)
{
    pool_job j = {c, ref_window_of(c->at, &c->in[0]->shape, &c->out->shape, NULL)};
    bool mean = strcmp(c->op->name, "avg_pool") == 0;
    ref_for(c->out->shape.count, (double)j.w.taps * 4, mean ? avg_pool_one : max_pool_one, &j);
    return WS_OK;
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

const ref_op ref_ops_pool[] = {{.name = "max_pool",
                                .min_in = 1,
                                .max_in = 1,
                                .attrs = "kernel stride padding dilation ceil_mode",
                                .infer = infer_pool,
                                .eval = eval_pool,
                                .flops = flops_pool,
                                .fills = true},
                               {.name = "avg_pool",
                                .min_in = 1,
                                .max_in = 1,
                                .attrs = "kernel stride padding ceil_mode count_include_pad",
                                .infer = infer_pool,
                                .eval = eval_pool,
                                .flops = flops_pool,
                                .fills = true},
                               {0}};
