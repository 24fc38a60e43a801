/* Economics: what an operation costs where it serves tokens, before and after. */
#include "results/report.h"

#include "specs/spec.h"

#include <math.h>
#include <string.h>

#define SECONDS_A_MONTH (365.25 / 12 * 24 * 3600)

/* On-demand prices of one GPU for an hour as public pages gave them on the day named; --price-per-hour
 * replaces them. They differ by a factor of three between vendors and fall by tens of per cent a
 * year. GPUs without a row have no default. */
static const rep_gpu_price prices[] = {
    {"h100", 3.95, "Modal's list price, 2026-05-07"},
    {"h100-pcie", 2.86, "Lambda's list price, 2026-05-07"},
    {"h200", 4.54, "Spheron's on-demand price, 2026-03-17"},
    {"b200", 6.03, "Spheron's on-demand price, 2026-03-17"},
    {"a100", 2.50, "Modal's list price, 2026-05-07"},
    {"l40s", 1.95, "Modal's list price, 2026-05-07"},
    {"l4", 0.80, "Modal's list price, 2026-05-07"},
};

const rep_gpu_price *rep_gpu_price_find(const char *gpu)
{
    for (size_t i = 0; gpu && i < WS_COUNT(prices); i++)
        if (strcmp(prices[i].gpu, gpu) == 0)
            return &prices[i];
    return NULL;
}

const rep_gpu_price *rep_gpu_price_list(int *n)
{
    *n = (int)WS_COUNT(prices);
    return prices;
}

/* Fills what the spec says; false: it serves no tokens. */
static bool read_economics(const char *spec_json, rep_worth *w, ws_arena *a)
{
    spec *s = NULL;
    ws_err ignored = {0};
    int64_t tokens = 0, calls = 0;
    if (!spec_json || spec_from_text(spec_json, strlen(spec_json), "spec", &s, &ignored))
        return false; /* an older format: the run's numbers stand without it */
    if (s->economics) {
        ws_env env = spec_env(s, -1);
        if (!ws_expr_eval(s->economics->tokens, &env, &tokens, &ignored) &&
            !ws_expr_eval(s->economics->calls, &env, &calls, &ignored)) {
            w->model = ws_arena_strdup(a, s->economics->model);
            w->phase = ws_arena_strdup(a, s->economics->phase);
            w->tokens = (double)tokens;
            w->calls = (double)calls;
        }
    }
    spec_free(s);
    return tokens > 0 && calls > 0;
}

void rep_weigh(rep_problem *p, const char *spec_json, const rep_options *o, ws_arena *a)
{
    const res_problem *row = p->row;
    const res_time *first = &row->baseline[0].time;
    rep_worth w = {.gpu = first->gpu, .traffic = o->traffic > 0 ? o->traffic : REP_TRAFFIC};
    if (!isfinite(first->seconds) || !read_economics(spec_json, &w, a))
        return;
    const rep_gpu_price *price = rep_gpu_price_find(first->gpu);
    w.usd_per_hour = o->usd_per_hour > 0 ? o->usd_per_hour : price ? price->usd_per_hour : (double)NAN;
    w.price_source = o->usd_per_hour > 0 ? "as given" : price ? price->source : NULL;
    /* A kernel that is slower, or not comparable, is not used. */
    const double speedup = row->baseline[0].speedup;
    const double after = speedup > 1 ? row->best_time.seconds : first->seconds;
    const double usd_per_second = w.usd_per_hour / 3600 * w.calls / w.tokens;
    w.before_usd = first->seconds * usd_per_second * 1e6;
    w.after_usd = after * usd_per_second * 1e6;
    const double saved_a_token = (w.before_usd - w.after_usd) * 1e-6;
    w.saved_usd_per_month = saved_a_token * w.traffic * SECONDS_A_MONTH;
    w.spent_usd = row->usd;
    w.break_even_tokens = isnan(saved_a_token) || isnan(w.spent_usd) ? (double)NAN
                          : saved_a_token > 0                        ? w.spent_usd / saved_a_token
                          : w.spent_usd > 0                          ? (double)INFINITY
                                                                     : (double)NAN;
    p->worth = WS_ARENA_NEW(a, rep_worth, 1);
    *p->worth = w;
}
