#include "agent/tune/space.h"

#include "base/philox.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_VISITS = 1 << 19, /* nodes of the walk through the whole space */
    MAX_POINTS = 1 << 16, /* of a whole space */
    SAMPLE_POINTS = 4096, /* of a space that is larger */
    SAMPLE_TRIES = 40000,
    MAX_SAMPLED = 16384, /* with the neighbours that were added */
    LAUNCHES = 3         /* whose sizes are features */
};

/* Which tunables each `require` reads: it is evaluated as soon as those have values. */
typedef struct tune_rules {
    uint32_t *reads; /* per require, a bit a tunable */
} tune_rules;

typedef struct tune_scale {
    int n_raw;
    int used[TUNE_MAX_FEATURES]; /* raw features that vary */
    double least[TUNE_MAX_FEATURES], width[TUNE_MAX_FEATURES];
    double *raw; /* n x n_raw, until the scale is known */
    size_t cap;
} tune_scale;

/* ---- validity ---- */

typedef struct reader {
    const plan *p;
    uint32_t mask;
} reader;

static void note_name(void *ud, const char *name)
{
    reader *r = ud;
    for (int k = 0; k < r->p->n_tune; k++)
        if (strcmp(r->p->tune[k].name, name) == 0)
            r->mask |= UINT32_C(1) << k;
}

static tune_rules *rules_new(const plan *p)
{
    tune_rules *r = ws_calloc(1, sizeof *r);
    r->reads = ws_calloc((size_t)p->n_require + 1, sizeof *r->reads);
    for (int i = 0; i < p->n_require; i++) {
        reader of = {p, 0};
        ws_expr_names(p->require[i].condition, note_name, &of);
        r->reads[i] = of.mask;
    }
    return r;
}

/* The requires that can be evaluated once tunable k joins those of `have`. */
static bool holds(const tune_space *s, const ws_binding *value, uint32_t have, int k)
{
    const uint32_t now = have | UINT32_C(1) << k;
    const ws_env env = {value, (size_t)s->width, s->dims};
    for (int i = 0; i < s->plan->n_require; i++) {
        int64_t ok;
        ws_err ignored = {0};
        const uint32_t reads = s->rules->reads[i];
        if (!(reads >> k & 1) || (reads & ~now))
            continue;
        if (ws_expr_eval(s->plan->require[i].condition, &env, &ok, &ignored) || !ok)
            return false;
    }
    return true;
}

/* ---- features ---- */

static double logarithm(int64_t v)
{
    return v >= 0 ? log2(1 + (double)v) : -log2(1 - (double)v);
}

/* Positive values by their logarithm, so that 2, 4, 8 are as far apart as 32, 64, 128. */
static double coordinate(const plan_tunable *t, int64_t v)
{
    bool positive = true;
    for (int i = 0; i < t->n_values; i++)
        positive &= t->value[i] > 0;
    return positive ? log2((double)v) : logarithm(v);
}

/* Banks and alignment follow the factors of two in a value; where all values are powers of two the
 * coordinate says as much. */
static double twos(const plan_tunable *t, int64_t v)
{
    bool powers = true;
    for (int i = 0; i < t->n_values; i++)
        powers &= t->value[i] > 0 && (t->value[i] & (t->value[i] - 1)) == 0;
    return powers || v == 0 ? 0 : fmin(__builtin_ctzll((unsigned long long)v), 5);
}

/* What times follow and tunables only hint at: threads of a block, blocks, shared memory. */
static int raw_features(const plan *p, const int64_t *row, const plan_bound *b, double *out)
{
    int n = 0;
    for (int k = 0; k < p->n_tune; k++) {
        out[n++] = coordinate(&p->tune[k], row[k]);
        out[n++] = twos(&p->tune[k], row[k]);
    }
    for (int i = 0; i < b->n_launches && i < LAUNCHES; i++) {
        const plan_bound_launch *l = &b->launch[i];
        out[n++] = log2((double)l->block[0] * (double)l->block[1] * (double)l->block[2]);
        out[n++] = log2((double)l->grid[0] * (double)l->grid[1] * (double)l->grid[2]);
        out[n++] = log2(1024 + (double)l->shared);
    }
    return n;
}

static void put_feature(tune_space *s, int at, const double *raw)
{
    for (int f = 0; f < s->n_features; f++) {
        int u = s->scale->used[f];
        s->feature[(size_t)at * (size_t)s->n_features + (size_t)f] =
            (raw[u] - s->scale->least[u]) / s->scale->width[u];
    }
}

/* After the first points are known: drops what does not vary, scales the rest. */
static void fix_scale(tune_space *s)
{
    tune_scale *c = s->scale;
    const size_t n_raw = (size_t)c->n_raw;
    for (int f = 0; f < c->n_raw; f++) {
        double lo = INFINITY, hi = -INFINITY;
        for (int i = 0; i < s->n; i++) {
            lo = fmin(lo, c->raw[(size_t)i * n_raw + (size_t)f]);
            hi = fmax(hi, c->raw[(size_t)i * n_raw + (size_t)f]);
        }
        if (!(hi - lo > 1e-9))
            continue;
        c->least[f] = lo;
        c->width[f] = hi - lo;
        c->used[s->n_features++] = f;
    }
    s->feature = ws_calloc((size_t)s->cap * (size_t)s->n_features + 1, sizeof *s->feature);
    for (int i = 0; i < s->n; i++)
        put_feature(s, i, c->raw + (size_t)i * n_raw);
    free(c->raw);
    c->raw = NULL;
}

/* ---- the list ---- */

int tune_space_find(const tune_space *s, const int64_t *row)
{
    for (int i = 0; i < s->n; i++)
        if (memcmp(tune_space_row(s, i), row, (size_t)s->width * sizeof *row) == 0)
            return i;
    return -1;
}

static void grow(tune_space *s)
{
    s->cap = s->cap ? 2 * s->cap : 256;
    s->row = ws_realloc(s->row, (size_t)s->cap * (size_t)s->width * sizeof *s->row);
    if (s->feature)
        s->feature = ws_realloc(s->feature,
                                ((size_t)s->cap * (size_t)s->n_features + 1) * sizeof *s->feature);
    else
        s->scale->raw =
            ws_realloc(s->scale->raw, (size_t)s->cap * TUNE_MAX_FEATURES * sizeof(double));
}

/* false: it cannot be launched. */
static bool add_point(tune_space *s, const int64_t *row)
{
    double raw[TUNE_MAX_FEATURES];
    ws_arena a = {0};
    plan_bound *b;
    hx_diag d;
    const bool fits = plan_bind(&a, s->plan, s->dims, row, &b, &d);
    if (fits) {
        if (s->n == s->cap)
            grow(s);
        s->scale->n_raw = raw_features(s->plan, row, b, raw);
        memcpy(s->row + (size_t)s->n * (size_t)s->width, row, (size_t)s->width * sizeof *row);
        if (s->feature)
            put_feature(s, s->n, raw);
        else
            memcpy(s->scale->raw + (size_t)s->n * (size_t)s->scale->n_raw, raw,
                   (size_t)s->scale->n_raw * sizeof *raw);
        s->n++;
    }
    ws_arena_release(&a);
    return fits;
}

/* ---- the whole space, tunable by tunable ---- */

typedef struct walk {
    tune_space *s;
    ws_binding value[PLAN_MAX_TUNE];
    int visits;
} walk;

static bool is_repeated(const plan_tunable *t, int v)
{
    for (int i = 0; i < v; i++)
        if (t->value[i] == t->value[v])
            return true;
    return false;
}

/* false: too much. */
static bool walk_from(walk *w, int k)
{
    tune_space *s = w->s;
    if (k == s->width) {
        int64_t row[PLAN_MAX_TUNE];
        for (int i = 0; i < k; i++)
            row[i] = w->value[i].value;
        add_point(s, row);
        return s->n < MAX_POINTS;
    }
    for (int v = 0; v < s->plan->tune[k].n_values; v++) {
        w->value[k].value = s->plan->tune[k].value[v];
        if (is_repeated(&s->plan->tune[k], v))
            continue;
        if (++w->visits > MAX_VISITS)
            return false;
        if (holds(s, w->value, (UINT32_C(1) << k) - 1, k) && !walk_from(w, k + 1))
            return false;
    }
    return true;
}

static void name_values(const plan *p, ws_binding *value)
{
    for (int k = 0; k < p->n_tune; k++)
        value[k] = (ws_binding){p->tune[k].name, p->tune[k].value[0]};
}

/* ---- a sample ---- */

static int below(tune_space *s, int n)
{
    return (int)(ws_philox_u64(s->seed, 0x7a6c, s->draws++) % (uint64_t)n);
}

/* One point by random values, each kept only when the requires that it completes hold. */
static bool draw(tune_space *s, int64_t *row)
{
    ws_binding value[PLAN_MAX_TUNE];
    uint32_t have = 0;
    name_values(s->plan, value);
    for (int left = s->width; left; left--) {
        int k = 0, nth = below(s, left);
        while ((have >> k & 1) || nth--)
            k++;
        const plan_tunable *t = &s->plan->tune[k];
        const int from = below(s, t->n_values);
        bool found = false;
        for (int v = 0; v < t->n_values && !found; v++) {
            value[k].value = row[k] = t->value[(from + v) % t->n_values];
            found = holds(s, value, have, k);
        }
        if (!found)
            return false;
        have |= UINT32_C(1) << k;
    }
    return true;
}

static bool is_valid(const tune_space *s, const int64_t *row)
{
    ws_binding value[PLAN_MAX_TUNE];
    name_values(s->plan, value);
    for (int k = 0; k < s->width; k++)
        value[k].value = row[k];
    for (int k = 0; k < s->width; k++)
        if (!holds(s, value, (UINT32_C(1) << k) - 1, k))
            return false;
    return true;
}

/* Uniform draws say how much of the raw space is valid. */
static double valid_fraction(tune_space *s)
{
    enum { DRAWS = 2000 };
    int valid = 0;
    int64_t row[PLAN_MAX_TUNE];
    for (int i = 0; i < DRAWS; i++) {
        for (int k = 0; k < s->width; k++)
            row[k] = s->plan->tune[k].value[below(s, s->plan->tune[k].n_values)];
        valid += is_valid(s, row);
    }
    return (valid + 0.5) / (DRAWS + 1);
}

static void sample(tune_space *s)
{
    int64_t row[PLAN_MAX_TUNE];
    double raw = 1;
    s->n = 0;
    for (int k = 0; k < s->width; k++) {
        raw *= s->plan->tune[k].n_values;
        row[k] = s->plan->tune[k].value[0];
    }
    s->count = raw * valid_fraction(s);
    if (is_valid(s, row))
        add_point(s, row);
    for (int tries = 0; tries < SAMPLE_TRIES && s->n < SAMPLE_POINTS; tries++)
        if (draw(s, row) && tune_space_find(s, row) < 0)
            add_point(s, row);
}

void tune_space_add_neighbours(tune_space *s, const int64_t *row)
{
    int64_t other[PLAN_MAX_TUNE];
    if (s->whole)
        return;
    memcpy(other, row, (size_t)s->width * sizeof *row);
    for (int k = 0; k < s->width; k++) {
        for (int v = 0; v < s->plan->tune[k].n_values && s->n < MAX_SAMPLED; v++) {
            other[k] = s->plan->tune[k].value[v];
            if (other[k] != row[k] && is_valid(s, other) && tune_space_find(s, other) < 0)
                add_point(s, other);
        }
        other[k] = row[k];
    }
}

void tune_space_init(tune_space *s, const plan *p, const ws_env *dims, uint64_t seed)
{
    *s = (tune_space){.plan = p, .dims = dims, .width = p->n_tune, .seed = seed};
    s->rules = rules_new(p);
    s->scale = ws_calloc(1, sizeof *s->scale);
    walk w = {.s = s};
    name_values(p, w.value);
    s->whole = walk_from(&w, 0);
    if (s->whole)
        s->count = s->n;
    else
        sample(s);
    fix_scale(s);
}

void tune_space_release(tune_space *s)
{
    if (s->scale)
        free(s->scale->raw);
    free(s->scale);
    if (s->rules)
        free(s->rules->reads);
    free(s->rules);
    free(s->row);
    free(s->feature);
    *s = (tune_space){0};
}
