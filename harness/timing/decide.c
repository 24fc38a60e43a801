#include "harness/timing/decide.h"

#include "base/mem.h"
#include "base/philox.h"

#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A roofline is made of data sheet values; a run may beat it by a little. */
static const double FLOOR_SHARE = 0.9;
/* Pairs that resemble their neighbours so much that fewer than these are left say nothing about
 * their own spread. */
static const double LEAST_EFFECTIVE = 12;
/* Relative error of a time that was computed from whole ticks. */
static const double ROUNDING = 1e-9;

const tim_rule tim_rule_default = {.alpha = 0.025,
                                   .eps = 0.005,
                                   .clock_tolerance = 0.01,
                                   .discard_limit = 0.2,
                                   .look = {30, 60, 120, 240, 480}};

static const char *const verdict_name[] = {
#define X(name, json) json,
    TIM_VERDICT_LIST(X)
#undef X
};

const char *tim_verdict_name(tim_verdict v)
{
    assert((unsigned)v < TIM_VERDICT_COUNT);
    return verdict_name[v];
}

double tim_spent(const tim_rule *rule, int pairs)
{
    double t = fmin(1, (double)pairs / rule->look[TIM_LOOKS - 1]);
    return rule->alpha * log1p((exp(1) - 1) * t);
}

/* ---- one look ---- */

typedef struct look {
    int pairs, used;
    double tail;       /* error on either side */
    tim_spread spread; /* of ln(tA / tB) */
    double lo, hi;     /* its interval */
    double cycles;     /* trimmed mean of ln(cycles A / cycles B); NAN: clocks not known */
    tim_side a, b;
} look;

static bool counts(const tim_pair *t, const tim_rule *rule)
{
    if (t->discard != TIM_DISCARD_NONE)
        return false;
    return !(t->a_hz > 0 && t->b_hz > 0) ||
           fabs(t->a_hz - t->b_hz) <= rule->clock_tolerance * fmin(t->a_hz, t->b_hz);
}

/* Times without noise are whole multiples of something by chance, when they are few. */
enum { LEAST_READINGS = 3 };

/* The step of the timer: as it is given, or the smallest difference between readings if all of them
 * are whole multiples of it; 0: none is seen. */
static double step_of(const tim_pairs *p, int n, ws_arena *arena)
{
    double *reading = WS_ARENA_NEW(arena, double, 2 * n + 1), step = INFINITY;
    int different = 1;
    if (p->quantum_s > 0 || !n)
        return p->quantum_s;
    for (int i = 0; i < n; i++) {
        reading[2 * i] = p->v[i].a_s * p->v[i].launches;
        reading[2 * i + 1] = p->v[i].b_s * p->v[i].launches;
    }
    tim_sort(reading, 2 * n);
    for (int i = 1; i < 2 * n; i++) {
        double gap = reading[i] - reading[i - 1];
        if (gap > ROUNDING * reading[i]) {
            step = fmin(step, gap);
            different++;
        }
    }
    for (int i = 0; i < 2 * n; i++) {
        double ticks = reading[i] / step;
        if (different < LEAST_READINGS || fabs(ticks - rint(ticks)) > ROUNDING * ticks)
            return 0;
    }
    return step;
}

/* A reading, spread evenly over the step of the timer that it stands for. Otherwise many pairs tie,
 * and a trimmed mean of ties jumps, or cuts off the few pairs that show a difference below a step.
 */
static double unrounded(double t, double step, uint64_t seed, int index, int member)
{
    uint64_t draw = 2 * (uint64_t)index + (uint64_t)member;
    double u = ws_philox_uniform(seed, 0x7469636b, draw);
    return fmax(t + (u - 0.5) * step, t / 2);
}

static void describe(double *t, int n, tim_side *out)
{
    tim_sort(t, n);
    *out = (tim_side){.median_s = tim_quantile(t, n, 0.5),
                      .p10_s = tim_quantile(t, n, 0.1),
                      .p90_s = tim_quantile(t, n, 0.9)};
}

/* A timer that gives each member always the same number has said no more than which step each is
 * in. */
static double within_a_step(const double *a, const double *b, int n, double step)
{
    bool constant = a[0] == a[n - 1] && b[0] == b[n - 1]; /* both ascend */
    return constant ? log1p(step / fmin(a[0], b[0])) : 0;
}

/* *out of the first n pairs; the spread is only there when used >= TIM_BOOTSTRAP_MIN. */
static void take_look(const tim_pairs *p, int n, double tail, const tim_rule *rule, uint64_t seed,
                      look *out)
{
    ws_arena arena = {0};
    double *a = WS_ARENA_NEW(&arena, double, n + 1), *b = WS_ARENA_NEW(&arena, double, n + 1);
    double *r = WS_ARENA_NEW(&arena, double, n + 1), *cycles = WS_ARENA_NEW(&arena, double, n + 1);
    double tick = step_of(p, n, &arena), widest = 0; /* widest: of one launch */
    int k = 0, clocks = 0;
    for (int i = 0; i < n; i++) {
        const tim_pair *t = &p->v[i];
        if (!counts(t, rule))
            continue;
        double step = tick / t->launches;
        widest = fmax(widest, step);
        a[k] = t->a_s;
        b[k] = t->b_s;
        r[k] = log(unrounded(t->a_s, step, seed, t->index, 0) /
                   unrounded(t->b_s, step, seed, t->index, 1));
        if (t->a_hz > 0 && t->b_hz > 0)
            cycles[clocks++] = r[k] + log(t->a_hz / t->b_hz);
        k++;
    }
    *out = (look){.pairs = n,
                  .used = k,
                  .tail = tail,
                  .lo = -INFINITY,
                  .hi = INFINITY,
                  .cycles = NAN,
                  .spread = {.alike = 1}};
    if (k) {
        describe(a, k, &out->a);
        describe(b, k, &out->b);
    }
    if (k >= TIM_BOOTSTRAP_MIN) {
        tim_bootstrap(r, k, seed, &out->spread);
        double reach = tim_spread_reach(&out->spread, tail) + within_a_step(a, b, k, widest);
        out->lo = out->spread.mean - reach;
        out->hi = out->spread.mean + reach;
        if (clocks == k)
            out->cycles = tim_trimmed_mean(cycles, k, tim_trim);
    }
    ws_arena_release(&arena);
}

/* ---- what a look says ---- */

static double eps_of(const tim_rule *rule)
{
    return fmax(rule->eps, rule->mde);
}

static bool is_unstable(const look *l, const tim_rule *rule)
{
    return !(l->pairs - l->used <= rule->discard_limit * l->pairs);
}

static bool is_alike(const look *l)
{
    return !(l->used >= LEAST_EFFECTIVE * l->spread.alike);
}

/* Seconds say one thing and clock cycles the opposite: who gained got the faster clock. */
static bool is_confounded(const look *l, double direction)
{
    return !isnan(l->cycles) && l->cycles * direction < 0;
}

WS_PRINTF(2, 3) static void say(tim_judgement *j, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->reason, sizeof j->reason, fmt, ap);
    va_end(ap);
}

static double percent(double log_ratio)
{
    return 100 * expm1(log_ratio);
}

static void record(const look *l, const tim_rule *rule, tim_judgement *j)
{
    j->ratio = exp(l->spread.mean);
    j->ratio_lo = exp(l->lo);
    j->ratio_hi = exp(l->hi);
    j->cycle_ratio = isnan(l->cycles) ? 0 : exp(l->cycles);
    j->eps = eps_of(rule);
    j->a = l->a;
    j->b = l->b;
    j->pairs = l->pairs;
    j->used = l->used;
    j->discarded = l->pairs - l->used;
    j->alike = l->spread.alike;
    j->looks++;
}

static bool is_below_floor(const look *l, const tim_rule *rule, tim_judgement *j)
{
    double least = FLOOR_SHARE * rule->floor_s;
    bool a = l->used && l->a.median_s < least, b = l->used && l->b.median_s < least;
    if (a || b)
        say(j, "%s takes %.4g s, below %.4g s, %.1f of the %.4g s that the work takes at least",
            b ? "the candidate" : "the baseline", b ? l->b.median_s : l->a.median_s, least,
            FLOOR_SHARE, rule->floor_s);
    return a || b;
}

/* Whether the look decides; if not, the reason says what is missing. */
static bool judge_look(const look *l, const tim_rule *rule, tim_judgement *j)
{
    double least = log1p(j->eps);
    double low = percent(l->lo), high = percent(l->hi), about = percent(l->spread.mean);
    j->verdict = TIM_UNDECIDED;
    if (is_below_floor(l, rule, j)) {
        j->verdict = TIM_IMPOSSIBLE;
        return true;
    }
    if (is_unstable(l, rule)) {
        j->verdict = TIM_UNSTABLE;
        say(j, "%d of %d pairs do not count, more than %.0f %%", l->pairs - l->used, l->pairs,
            100 * rule->discard_limit);
        return false;
    }
    if (is_alike(l)) {
        say(j, "pairs resemble their neighbours: %d say as much as %.0f, fewer than %.0f", l->used,
            l->used / l->spread.alike, LEAST_EFFECTIVE);
        return false;
    }
    double direction = l->lo > least ? 1 : l->hi < -least ? -1 : 0;
    if (direction && is_confounded(l, direction)) {
        j->verdict = TIM_UNSTABLE;
        say(j, "seconds say %+.2f %%, clock cycles %+.2f %%: the clocks differed", about,
            percent(l->cycles));
        return false;
    }
    if (direction) {
        j->verdict = direction > 0 ? TIM_FASTER : TIM_SLOWER;
        say(j, "%+.2f %% [%+.2f, %+.2f] is more than %.2f %% %s, after %d pairs", about, low, high,
            100 * j->eps, direction > 0 ? "faster" : "slower", l->pairs);
        return true;
    }
    if (l->lo > -least && l->hi < least) {
        j->verdict = TIM_SAME;
        say(j, "%+.2f %% [%+.2f, %+.2f] is within %.2f %%, after %d pairs", about, low, high,
            100 * j->eps, l->pairs);
        return true;
    }
    say(j, "%+.2f %% [%+.2f, %+.2f] reaches across %.2f %%, after %d pairs", about, low, high,
        100 * j->eps, l->pairs);
    return false;
}

/* The pairs at which the look after `at` pairs takes place; 0: there is none. */
static int next_look(const tim_rule *rule, int at)
{
    for (int i = 0; i < TIM_LOOKS; i++)
        if (rule->look[i] > at)
            return rule->look[i];
    return 0;
}

void tim_decide(const tim_pairs *p, const tim_rule *rule, bool final, uint64_t seed,
                tim_judgement *out)
{
    double spent = 0;
    int at = 0, next;
    *out = (tim_judgement){.verdict = TIM_UNDECIDED, .ratio_hi = INFINITY, .eps = eps_of(rule)};
    say(out, "%d pairs, fewer than the %d of the first look", p->n, rule->look[0]);
    while ((next = next_look(rule, at)) && (next <= p->n || (final && at && at < p->n))) {
        look l;
        at = next <= p->n ? next : p->n;
        take_look(p, at, tim_spent(rule, at) - spent, rule, seed, &l);
        spent = tim_spent(rule, at);
        record(&l, rule, out);
        if (judge_look(&l, rule, out)) {
            out->done = true;
            return;
        }
    }
    out->done = final || !next;
    out->next_pairs = out->done ? 0 : next;
}

ws_status tim_mde(const tim_pairs *aa, const tim_rule *rule, uint64_t seed, double *out,
                  ws_err *err)
{
    look l;
    take_look(aa, aa->n, rule->alpha, rule, seed, &l);
    if (l.used < rule->look[0])
        return ws_fail(err, WS_EINPUT,
                       "A/A run: %d of its %d pairs count, %d must to say what can be told apart",
                       l.used, aa->n, rule->look[0]);
    *out = expm1(fmax(fabs(l.lo), fabs(l.hi)));
    return WS_OK;
}

/* ---- several candidates ---- */

void tim_decide_set(const tim_pairs *const p[], int n, const tim_rule *rule, bool final,
                    uint64_t seed, tim_judgement out[])
{
    tim_rule r = *rule;
    int winners = 0, before;
    bool *won = ws_calloc((size_t)n + 1, sizeof *won);
    do {
        before = winners;
        r.alpha = rule->alpha / (n - before);
        for (int i = 0; i < n; i++)
            if (!won[i])
                tim_decide(p[i], &r, final, ws_philox_u64(seed, 0x736574, (uint64_t)i), &out[i]);
        for (int i = 0; i < n; i++)
            if (!won[i] && out[i].verdict == TIM_FASTER) {
                won[i] = true;
                winners++;
            }
    } while (winners > before && winners < n);
    free(won);
}

void tim_confirm(const tim_judgement *first, const tim_pairs *again, const tim_rule *rule,
                 bool final, uint64_t seed, tim_judgement *out)
{
    if (first->verdict != TIM_FASTER) {
        *out = *first;
        return;
    }
    tim_pairs swapped = {0};
    tim_pairs_swap(again, &swapped);
    tim_decide(&swapped, rule, final, seed, out);
    tim_pairs_release(&swapped);
}
