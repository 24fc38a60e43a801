#include "reference/slide_plan.h"
#include "reference/order.h"

#include <math.h>
#include <stdlib.h>

/* Terms of a panel, which is read from the caches next to the core; elements of a block's tiles,
 * which a level-2 cache holds beside as many weights; and of the copy of a channel. */
enum { TERMS = 256, TILE_ELEMENTS = 1 << 16, COPY_ELEMENTS = 1 << 16 };

static int64_t lowest_tap(const ref_slide_axis *a)
{
    return at_most(0, (a->taps - 1) * a->slope);
}

static int64_t span(const ref_slide_axis *a)
{
    return a->taps ? llabs((a->taps - 1) * a->slope) + 1 : 0;
}

/* Where each tap begins in the copy of a channel: [depth tap][row][phase][column]. */
static void place_taps(plan *p)
{
    const ref_slide_axis *a = p->s->axis;
    int64_t tap = 0;
    for (int64_t d = 0; d < a[0].taps; d++)
        for (int64_t r = 0; r < a[1].taps; r++)
            for (int64_t q = 0; q < a[2].taps; q++) {
                int64_t row = d * p->copied + r * a[1].slope - p->lowest;
                int64_t column = q * a[2].slope - p->left;
                p->tap_at[tap++] =
                    (row * p->phases + column % a[2].split) * p->width + column / a[2].split;
            }
}

/* Blocks of at most `places` places, and how much of a channel one reads. */
static void cut(plan *p, int64_t places)
{
    const ref_slide_axis *a = p->s->axis;
    p->columns = at_least(at_most(a[2].count, places), 1);
    p->rows = at_least(at_most(a[1].count, places / p->columns), 1);
    p->copied = (p->rows - 1) * a[1].split + span(&a[1]);
    p->phases = at_most(a[2].split, span(&a[2]));
    p->width = p->columns + at_least(span(&a[2]) - 1, 0) / a[2].split;
    p->channel_size = a[0].taps * p->copied * p->phases * p->width;
}

void ref_plan_init(const ref_sliding *s, const ref_slide *slide, plan *p)
{
    const ref_slide_axis *a = slide->axis;
    *p = (plan){.s = slide, .taps = a[0].taps * a[1].taps * a[2].taps};
    p->terms = s->c_in * p->taps;
    p->channels = ref_order_now ? s->c_in : at_most(s->c_in, TERMS / at_least(p->taps, 1));
    p->channels = at_least(p->channels, 1);
    p->panels = ceil_div(s->c_out, ROWS);
    p->panel_step = p->panels * p->terms * ROWS;
    int64_t places = TILE_ELEMENTS / at_least(p->panels * ROWS, 1);
    places = at_least(at_most(places, PLACES), LANES);
    for (cut(p, places); p->channel_size > COPY_ELEMENTS && places > 1; cut(p, places))
        places /= 2;
    p->down = ceil_div(a[1].count, p->rows);
    p->across = ceil_div(a[2].count, p->columns);
    p->blocks = a[0].count * p->down * p->across;
    p->lowest = lowest_tap(&a[1]);
    p->left = lowest_tap(&a[2]);
    p->tap_at = ws_malloc((size_t)(p->taps + 1) * sizeof *p->tap_at);
    p->is_read = ws_calloc((size_t)p->copied + 1, sizeof *p->is_read);
    place_taps(p);
    for (int64_t row = 0; p->taps && row < p->rows; row++)
        for (int64_t i = 0; i < a[1].taps; i++)
            p->is_read[row * a[1].split + i * a[1].slope - p->lowest] = true;
}

static double weight_of(const ref_tensor *w, int64_t i, slide_pass pass)
{
    return pass == VALUES ? w->v[i] : pass == WEIGHTED ? fabs(w->v[i]) : w->e[i];
}

/* to[c][tap][ROWS]: the weights of channels m0 to m1 of group g. */
static void pack_weights(const ref_sliding *s, const plan *p, int64_t g, int64_t m0, int64_t m1,
                         slide_pass pass, double *to)
{
    const ref_slide_axis *a = p->s->axis;
    const int64_t *kernel = s->kernel, taps = kernel[0] * kernel[1] * kernel[2];
    for (int64_t c = 0; c < s->c_in; c++)
        for (int64_t tap = 0; tap < p->taps; tap++, to += ROWS) {
            int64_t q = a[2].first + tap % a[2].taps * a[2].period;
            int64_t r = a[1].first + tap / a[2].taps % a[1].taps * a[1].period;
            int64_t d = a[0].first + tap / a[2].taps / a[1].taps * a[0].period;
            int64_t at =
                (g * s->c_out * s->c_in + c * s->to_c) * taps + (d * kernel[1] + r) * kernel[2] + q;
            for (int64_t m = m0; m < m1; m++)
                to[m - m0] = weight_of(s->c->in[1], at + m * s->to_m * taps, pass);
        }
}

typedef struct pack_job {
    const ref_sliding *s;
    const plan *p;
    slide_pass pass;
} pack_job;

static void pack_panel(void *ud, int64_t i)
{
    const pack_job *k = ud;
    const plan *p = k->p;
    int64_t g = i / p->panels, m = i % p->panels * ROWS;
    pack_weights(k->s, p, g, m, at_most(m + ROWS, k->s->c_out), k->pass,
                 p->w[k->pass] + i * p->terms * ROWS);
}

ws_status ref_plan_pack(const ref_sliding *s, plan *p, slide_pass pass, ws_err *err)
{
    pack_job k = {s, p, pass};
    p->w[pass] = ws_alloc_tensor((size_t)(s->groups * p->panel_step) * sizeof(double));
    if (!p->w[pass])
        return ws_fail(err, WS_ELIMIT, "no memory for a convolution's weights");
    ref_for(s->groups * p->panels, (double)(p->terms * ROWS) * 2, pack_panel, &k);
    return WS_OK;
}

void ref_plan_release(plan *p)
{
    free(p->tap_at);
    free(p->is_read);
    for (int i = 0; i < N_PASSES; i++)
        ws_free_tensor(p->w[i]);
}
