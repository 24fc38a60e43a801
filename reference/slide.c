/* Sums go through tiles of REF_TILE_ROWS channels and REF_TILE_LANES places (tile.h). A block is a
 * rectangle of places of one item and group at one depth. For some of its channels at a time, the
 * part of x that its sums read is copied with zeros around it, every split-th column apart, so that
 * what one tap reads along a row lies together; from there a panel of terms is filled, lanes side
 * by side, and multiplied with the panels of all weights. */
#include "base/pool.h"
#include "reference/slide_plan.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)
#define VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VECTORISED
#endif

typedef struct slide_job {
    const ref_sliding *s;
    plan *plan;
    bool passes[N_PASSES];
    int64_t units;       /* items times groups */
    int64_t unit_blocks; /* turns of a unit: n_slides times the most blocks */
    int64_t tasks, blocks;
    ref_tile_fn *tile;
    struct block *worker; /* each with its own arrays */
    atomic_int failed;
} slide_job;

/* ---- the copy of x ---- */

/* A run of lanes whose places lie in one row: terms of a tap begin at `from` behind it. */
typedef struct run {
    int64_t lane, n, from, row, column; /* row and column of the block */
} run;

/* Where a block lies, and the working arrays of its task. */
typedef struct block {
    const slide_job *j;
    const plan *p;
    int64_t unit, depth, row, column; /* first place */
    int64_t rows, columns;
    int64_t x, width;     /* column of x where the copy begins; columns of a phase */
    int64_t *first, *end; /* per phase: those in x */
    double *copy, *panel, *tiles;
    run runs[PLACES]; /* those of panel i from runs[panel_at[i]] on */
    int panel_at[PLACES / LANES + 1];
} block;

/* to[i] = x[at + i * step], as the pass wants it. */
static void copy_run(const ref_sliding *s, slide_pass pass, int64_t at, int64_t step, int64_t n,
                     double *restrict to)
{
    const double *x = s->c->in[0]->v + at, *e = s->c->in[0]->e;
    if (pass == VALUES && step == 1) {
        memcpy(to, x, (size_t)n * sizeof *to);
        return;
    }
    for (int64_t i = 0; i < n; i++)
        to[i] = x[i * step];
    if (pass == VALUES)
        return;
    const double f = pass == WEIGHTED ? s->f : 1;
    for (int64_t i = 0; i < n; i++)
        to[i] = f * fabs(to[i]);
    for (int64_t i = 0; pass == WEIGHTED && e && i < n; i++)
        to[i] += e[at + i * step];
}

/* Of the columns of each phase that the block reads, those that lie in x. */
static void find_columns(block *b)
{
    const plan *p = b->p;
    const ref_slide_axis *a = &p->s->axis[2];
    const int64_t extent = b->j->s->x[2], n = p->width - (p->columns - b->columns);
    b->x = a->from + b->column * a->split + p->left;
    b->width = n;
    for (int64_t phase = 0; phase < p->phases; phase++) {
        int64_t x = b->x + phase;
        int64_t end = x < extent ? at_most(ceil_div(extent - x, a->split), n) : 0;
        b->end[phase] = end;
        b->first[phase] = x < 0 ? at_most(ceil_div(-x, a->split), end) : 0;
    }
}

/* The row of x that begins at element `at`; a row of zeros when that is below 0. */
static void copy_row(const block *b, slide_pass pass, int64_t at, double *to)
{
    const int64_t split = b->p->s->axis[2].split;
    for (int64_t phase = 0; phase < b->p->phases; phase++, to += b->p->width) {
        int64_t first = b->first[phase], end = at < 0 ? first : b->end[phase];
        for (int64_t i = 0; i < first; i++)
            to[i] = 0;
        if (first < end)
            copy_run(b->j->s, pass, at + b->x + phase + first * split, split, end - first,
                     to + first);
        for (int64_t i = end; i < b->width; i++)
            to[i] = 0;
    }
}

/* The channels [c0, c1) of x, as far as the block reads them. */
static void copy_channels(const block *b, slide_pass pass, int64_t c0, int64_t c1)
{
    const plan *p = b->p;
    const ref_slide_axis *a = p->s->axis;
    const int64_t *x = b->j->s->x, rows = p->copied - (p->rows - b->rows) * a[1].split;
    for (int64_t c = c0; c < c1; c++) {
        int64_t plane = (b->unit * b->j->s->c_in + c) * x[0] * x[1] * x[2];
        double *to = b->copy + (c - c0) * p->channel_size;
        for (int64_t i = 0; i < a[0].taps; i++)
            for (int64_t r = 0; r < rows; r++) {
                int64_t d = a[0].from + i * a[0].slope + b->depth * a[0].split;
                int64_t h = a[1].from + b->row * a[1].split + p->lowest + r;
                bool inside = d >= 0 && d < x[0] && h >= 0 && h < x[1];
                if (p->is_read[r])
                    copy_row(b, pass, inside ? plane + (d * x[1] + h) * x[2] : -1,
                             to + (i * p->copied + r) * p->phases * p->width);
            }
    }
}

/* ---- panels of terms ---- */

static void find_runs(block *b)
{
    const plan *p = b->p;
    const int64_t places = b->rows * b->columns, step = p->s->axis[1].split * p->phases * p->width;
    int count = 0;
    for (int64_t at = 0; at < places; count++) {
        int64_t row = at / b->columns, column = at % b->columns, lane = at % LANES;
        if (lane == 0)
            b->panel_at[at / LANES] = count;
        int64_t n = at_most(at_most(b->columns - column, LANES - lane), places - at);
        b->runs[count] = (run){lane, n, row * step + column, row, column};
        at += n;
    }
    b->panel_at[ceil_div(places, LANES)] = count;
}

typedef double eight __attribute__((vector_size(64), aligned(8), may_alias));

/* panel[c][tap][lane]. A run is copied with a full line, of which the rest is written over by the
 * next run or the next tap. */
VECTORISED static void fill_panel(const block *b, int64_t channels, int64_t panel)
{
    const int few = 3, runs = b->panel_at[panel + 1] - b->panel_at[panel];
    const run *r = b->runs + b->panel_at[panel];
    const plan *p = b->p;
    double *to = b->panel;
    int32_t from[LANES] = {0};
    for (int i = 0; i < runs; i++)
        for (int64_t k = 0; k < r[i].n; k++)
            from[r[i].lane + k] = (int32_t)(r[i].from + k);
    for (int64_t c = 0; c < channels; c++)
        for (int64_t tap = 0; tap < p->taps; tap++, to += LANES) {
            const double *x = b->copy + c * p->channel_size + p->tap_at[tap];
            for (int i = 0; runs <= few && i < runs; i++)
                for (int v = 0; v < LANES; v += 8)
                    *(eight *)(to + r[i].lane + v) = *(const eight *)(x + r[i].from + v);
            for (int i = 0; runs > few && i < LANES; i++)
                to[i] = x[from[i]];
        }
}

/* ---- results ---- */

/* y[i * step] = from[i], or added to it. Out of line, where its loop has registers for itself. */
__attribute__((noinline)) static void store_run(double *restrict y, int64_t step, int64_t n,
                                                const double *restrict from, bool add)
{
    if (add)
        for (int64_t i = 0; i < n; i++)
            y[i * step] += from[i];
    else if (step == 1)
        memcpy(y, from, (size_t)n * sizeof *y);
    else
        for (int64_t i = 0; i < n; i++)
            y[i * step] = from[i];
}

/* Channel after channel, so that results are written in order. */
static void store_tiles(const block *b, slide_pass pass)
{
    const ref_sliding *s = b->j->s;
    const ref_slide_axis *a = b->p->s->axis;
    const int64_t panels = ceil_div(b->rows * b->columns, LANES), lines = b->p->panels * ROWS;
    double *to = pass == VALUES ? s->c->out->v : s->c->out->e;
    for (int64_t m = 0; m < s->c_out; m++) {
        int64_t d = a[0].base + b->depth * a[0].step;
        double *plane = to + ((b->unit * s->c_out + m) * s->y[0] + d) * s->y[1] * s->y[2];
        for (int64_t panel = 0; panel < panels; panel++)
            for (int i = b->panel_at[panel]; i < b->panel_at[panel + 1]; i++) {
                const run *r = &b->runs[i];
                int64_t h = a[1].base + (b->row + r->row) * a[1].step;
                int64_t q = a[2].base + (b->column + r->column) * a[2].step;
                store_run(plane + h * s->y[2] + q, a[2].step, r->n,
                          b->tiles + (panel * lines + m) * LANES + r->lane, pass == SIZES);
            }
    }
}

/* ---- blocks ---- */

static void run_pass(const block *b, slide_pass pass)
{
    const plan *p = b->p;
    const ref_sliding *s = b->j->s;
    const int64_t places = b->rows * b->columns;
    const double *w = p->w[pass] + b->unit % s->groups * p->panel_step;
    memset(b->tiles, 0, (size_t)(ceil_div(places, LANES) * p->panels * ROWS * LANES) * sizeof *w);
    for (int64_t c = 0; p->taps && c < s->c_in; c += p->channels) {
        int64_t channels = at_most(p->channels, s->c_in - c), k = channels * p->taps;
        double *tile = b->tiles;
        copy_channels(b, pass, c, c + channels);
        for (int64_t first = 0; first < places; first += LANES) {
            int64_t lanes = at_most(LANES, places - first);
            fill_panel(b, channels, first / LANES);
            for (int64_t m = 0; m < p->panels; m++, tile += ROWS * LANES)
                b->j->tile(k, (int)at_most(ROWS, s->c_out - m * ROWS), (int)lanes, b->panel,
                           w + (m * p->terms + c * p->taps) * ROWS, tile);
        }
    }
    store_tiles(b, pass);
}

/* Block i of all: the slides of a unit take turns, so that what lies in one cache line of the
 * results is written at about one time. */
static void run_block(const slide_job *j, int64_t i, block *b)
{
    b->unit = i / j->unit_blocks;
    b->p = &j->plan[i % j->s->n_slides];
    i = i % j->unit_blocks / j->s->n_slides;
    if (i >= b->p->blocks)
        return;
    const plan *p = b->p;
    const ref_slide_axis *a = p->s->axis;
    b->depth = i / (p->down * p->across);
    b->row = i / p->across % p->down * p->rows;
    b->column = i % p->across * p->columns;
    b->rows = at_most(p->rows, a[1].count - b->row);
    b->columns = at_most(p->columns, a[2].count - b->column);
    find_columns(b);
    find_runs(b);
    for (int k = 0; k < N_PASSES; k++)
        if (j->passes[k])
            run_pass(b, (slide_pass)k);
}

/* The working arrays of a worker, as large as any plan needs; LANES behind each for full lines. */
static bool make_arrays(const slide_job *j, block *b)
{
    int64_t copy = 0, panel = 0, tiles = 0, phases = 0;
    for (int64_t i = 0; i < j->s->n_slides; i++) {
        const plan *p = &j->plan[i];
        int64_t places = (p->rows * p->columns + LANES - 1) / LANES * LANES;
        copy = at_least(copy, p->channels * p->channel_size + LANES);
        panel = at_least(panel, p->channels * p->taps * LANES + LANES);
        tiles = at_least(tiles, places * p->panels * ROWS);
        phases = at_least(phases, p->phases);
    }
    b->j = j;
    b->copy = ws_alloc_tensor((size_t)(copy + panel + tiles) * sizeof *b->copy);
    if (!b->copy)
        return false;
    b->panel = b->copy + copy;
    b->tiles = b->panel + panel;
    b->first = ws_malloc(2 * (size_t)(phases + 1) * sizeof *b->first);
    b->end = b->first + phases;
    return true;
}

static void slide_task(void *ud, size_t index, int worker)
{
    slide_job *j = ud;
    block *b = &j->worker[worker];
    int64_t task = (int64_t)index;
    if (!b->j && !make_arrays(j, b))
        j->failed = 1;
    for (int64_t i = j->blocks * task / j->tasks; i < j->blocks * (task + 1) / j->tasks; i++)
        if (b->copy)
            run_block(j, i, b);
}

/* Small jobs on this thread alone. */
static void run_tasks(slide_job *j, double work)
{
    const double worth_a_thread = 1e6;
    int workers = work < worth_a_thread ? 1 : ws_cpu_count();
    j->blocks = j->units * j->unit_blocks;
    j->tasks = at_most(j->blocks, 8 * workers);
    j->worker = ws_calloc((size_t)workers, sizeof *j->worker);
    ws_parallel_for((size_t)j->tasks, workers, slide_task, j);
    for (int i = 0; i < workers; i++) {
        free(j->worker[i].first);
        ws_free_tensor(j->worker[i].copy);
    }
    free(j->worker);
}

/* ---- all of it ---- */

typedef struct finish_job {
    const ref_call *c;
    int64_t channels, plane;
} finish_job;

/* Bias; an unbounded error times zero is unbounded. */
static void finish_plane(void *ud, int64_t i)
{
    const finish_job *f = ud;
    const ref_tensor *bias = f->c->n_in > 2 ? f->c->in[2] : NULL;
    const int64_t channel = i % f->channels;
    double *v = f->c->out->v + i * f->plane, *e = f->c->out->e ? f->c->out->e + i * f->plane : NULL;
    for (int64_t k = 0; bias && k < f->plane; k++)
        v[k] += bias->v[channel];
    for (int64_t k = 0; e && k < f->plane; k++) {
        e[k] += bias ? ref_err(bias, channel) + f->c->u * fabs(v[k]) : 0;
        e[k] = isnan(e[k]) ? (double)INFINITY : e[k];
    }
}

static ws_status run_job(slide_job *j, ws_err *err)
{
    const ref_sliding *s = j->s;
    double work = 0;
    for (int64_t i = 0; i < s->n_slides; i++) {
        ref_plan_init(s, &s->slide[i], &j->plan[i]);
        for (int pass = 0; pass < N_PASSES; pass++)
            if (j->passes[pass] && ref_plan_pack(s, &j->plan[i], (slide_pass)pass, err))
                return err->status;
        j->unit_blocks = at_least(j->unit_blocks, j->plan[i].blocks * s->n_slides);
        const ref_slide_axis *a = s->slide[i].axis;
        work += (double)(a[0].count * a[1].count * a[2].count * j->units) *
                (double)(j->plan[i].terms + 1) * (double)s->c_out;
    }
    run_tasks(j, work);
    if (j->failed)
        return ws_fail(err, WS_ELIMIT, "no memory for a convolution's terms");
    int64_t plane = s->y[0] * s->y[1] * s->y[2], planes = j->units * s->c_out;
    finish_job f = {s->c, s->groups * s->c_out, plane};
    if (s->c->n_in > 2 || s->c->out->e)
        ref_for(planes, (double)plane * 4, finish_plane, &f);
    return WS_OK;
}

ws_status ref_slide_sums(const ref_sliding *s, ws_err *err)
{
    const ref_call *c = s->c;
    slide_job j = {.s = s, .units = c->in[0]->shape.dim[0] * s->groups, .tile = ref_tile_now()};
    j.passes[VALUES] = true;
    j.passes[WEIGHTED] = c->out->e != NULL;
    j.passes[SIZES] = c->out->e && c->in[1]->e;
    j.plan = ws_calloc((size_t)s->n_slides + 1, sizeof *j.plan);
    ws_status st = run_job(&j, err);
    for (int64_t i = 0; i < s->n_slides; i++)
        ref_plan_release(&j.plan[i]);
    free(j.plan);
    return st;
}
