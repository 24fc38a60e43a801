#include "agent/money/worth.h"

#include "base/json.h"

#include <math.h>
#include <stdio.h>

#define LEAST_GAIN  0.01 /* of a win */
#define PRIOR_WINS  1.0
#define PRIOR_CALLS 10.0
#define GPU_YEAR_S  (365.0 * 24 * 3600)
enum { LEAST_CALLS = 5 }; /* before that the prior would decide */

ws_status worth_deal_of(const spec *s, double usd_per_gpu_hour, double calls, worth_deal *out,
                        ws_err *err)
{
    worth_deal d = {.usd_per_gpu_hour = usd_per_gpu_hour, .calls = calls};
    int64_t tokens, passes;
    ws_env env = spec_env(s, -1);
    if (s->economics) {
        if (ws_expr_eval(s->economics->tokens, &env, &tokens, err) ||
            ws_expr_eval(s->economics->calls, &env, &passes, err))
            return ws_wrap(err, "economics");
        d.tokens = (double)tokens;
        d.calls_of_pass = (double)passes;
    }
    *out = d;
    return WS_OK;
}

static double best_after(const worth_run *r, int i)
{
    for (; i >= 0; i--)
        if (r->call[i].best_s > 0)
            return r->call[i].best_s;
    return r->first_s;
}

static double left(const worth_run *r, double best, double last_gain)
{
    if (r->floor_s > 0)
        return best > r->floor_s ? log(best / r->floor_s) : 0;
    return last_gain > 0 ? last_gain : log(2);
}

void worth_look(const worth_run *r, const worth_deal *d, worth_outlook *out)
{
    worth_outlook o = {.calls = d->calls > 0 ? d->calls : GPU_YEAR_S / r->first_s};
    double best = r->first_s, shares = 0, last = 0;
    double usd = 0, recent_usd = 0, recent_calls = 0, recent_wins = 0;
    for (int i = 0; i < r->n; i++) {
        double now = best_after(r, i), weight = (i + 1.0) / r->n;
        usd += r->call[i].usd; /* NaN stays NaN */
        recent_usd += weight * r->call[i].usd;
        recent_calls += weight;
        if (!(now < best * (1 - LEAST_GAIN)))
            continue;
        double h = left(r, best, last);
        last = log(best / now);
        shares += h > 0 ? fmin(last / h, 1) : 1;
        recent_wins += weight;
        o.wins++;
        best = now;
    }
    double rate = PRIOR_WINS + recent_wins;
    double share = r->floor_s > 0 ? (1 + shares) / (2 + o.wins) : 0.5;
    best = best_after(r, r->n - 1); /* smaller steps add up too */
    o.usd = usd;
    o.usd_per_win = o.wins ? usd / o.wins : (double)NAN;
    o.calls_to_win = (PRIOR_CALLS + recent_calls) / rate;
    o.usd_to_win = r->n ? (PRIOR_CALLS * usd / r->n + recent_usd) / rate : (double)NAN;
    o.gain = -expm1(-share * left(r, best, last));
    o.value_usd = o.gain * best * o.calls * d->usd_per_gpu_hour / 3600;
    o.stop = r->n >= LEAST_CALLS && d->usd_per_gpu_hour > 0 && o.usd_to_win > o.value_usd;
    *out = o;
}

/* ---- in words ---- */

/* "39.7 million" */
static const char *count_words(double n, char *text, int size)
{
    static const struct {
        double from;
        const char *name;
    } unit[] = {{1e15, NULL}, {1e12, " trillion"}, {1e9, " billion"}, {1e6, " million"}};
    for (size_t i = 0; i < WS_COUNT(unit); i++)
        if (n >= unit[i].from) {
            if (unit[i].name)
                snprintf(text, (size_t)size, "%.3g%s", n / unit[i].from, unit[i].name);
            else
                snprintf(text, (size_t)size, "%.2g", n);
            return text;
        }
    snprintf(text, (size_t)size, "%.0f", ceil(n));
    return text;
}

static const char *kind(const worth_run *r)
{
    return r->measured ? "measured" : "modelled";
}

void worth_print_next(const worth_run *r, const worth_deal *d, ws_buf *out)
{
    worth_outlook o;
    char n[40];
    worth_look(r, d, &o);
    ws_buf_printf(out, "next gain: about %.1f%% less time (%s) after about %.0f calls",
                  100 * o.gain, kind(r), ceil(o.calls_to_win));
    if (isnan(o.usd_to_win))
        ws_buf_adds(out, ", whose cost is not known");
    else
        ws_buf_printf(out, ", %.4g USD", o.usd_to_win);
    if (d->usd_per_gpu_hour > 0)
        ws_buf_printf(out, "; worth %.4g USD over %s calls%s%s", o.value_usd,
                      count_words(o.calls, n, sizeof n),
                      d->calls > 0 ? "" : " (a GPU-year of the first kernel's)",
                      o.stop ? ": not worth it" : "");
    ws_buf_adds(out, "\n");
}

static void print_cost(const worth_run *r, const worth_outlook *o, ws_buf *out)
{
    ws_buf_printf(out, "cost: ");
    if (isnan(o->usd))
        ws_buf_printf(out, "not known, %d call%s, %d win%s\n", r->n, r->n == 1 ? "" : "s", o->wins,
                      o->wins == 1 ? "" : "s");
    else if (o->wins)
        ws_buf_printf(out, "%.4f USD in %d call%s, %d win%s, %.4f USD a win\n", o->usd, r->n,
                      r->n == 1 ? "" : "s", o->wins, o->wins == 1 ? "" : "s", o->usd_per_win);
    else
        ws_buf_printf(out, "%.4f USD in %d call%s, no win\n", o->usd, r->n, r->n == 1 ? "" : "s");
}

void worth_print_end(const worth_run *r, const worth_deal *d, ws_buf *out)
{
    worth_outlook o;
    char n[40];
    worth_look(r, d, &o);
    double saved = r->first_s - best_after(r, r->n - 1); /* GPU-seconds a call */
    double usd = saved * d->usd_per_gpu_hour / 3600;
    print_cost(r, &o, out);
    if (!(saved > 0)) {
        ws_buf_adds(out, "saves: nothing, no kernel is faster than generation 0\n");
        return;
    }
    ws_buf_printf(out, "saves: %.4g GPU-seconds per million calls (%s)", saved * 1e6, kind(r));
    if (usd > 0)
        ws_buf_printf(out, ", %.4g USD at %g USD a GPU-hour", usd * 1e6, d->usd_per_gpu_hour);
    ws_buf_adds(out, "\n");
    if (d->tokens > 0 && usd > 0)
        ws_buf_printf(out,
                      "saves: %.4g USD per million tokens (%g calls a pass, %g tokens a call)\n",
                      usd * d->calls_of_pass / d->tokens * 1e6, d->calls_of_pass, d->tokens);
    else if (d->tokens > 0)
        ws_buf_printf(out, "saves: %.4g GPU-seconds per million tokens\n",
                      saved * d->calls_of_pass / d->tokens * 1e6);
    if (usd > 0 && o.usd > 0)
        ws_buf_printf(out, "pays for itself after %s calls\n",
                      count_words(o.usd / usd, n, sizeof n));
    else if (usd > 0 && isnan(o.usd))
        ws_buf_adds(out, "when it has paid for itself is not known: its cost is not\n");
}

static void add(cJSON *o, const char *key, double v)
{
    if (isfinite(v))
        cJSON_AddNumberToObject(o, key, v);
    else
        cJSON_AddNullToObject(o, key); /* not known */
}

cJSON *worth_json(const worth_run *r, const worth_deal *d)
{
    worth_outlook w;
    worth_look(r, d, &w);
    cJSON *o = cJSON_CreateObject();
    double saved = r->first_s - best_after(r, r->n - 1);
    double usd = saved * d->usd_per_gpu_hour / 3600;
    cJSON_AddStringToObject(o, "times", kind(r));
    cJSON_AddNumberToObject(o, "model_calls", r->n);
    cJSON_AddNumberToObject(o, "wins", w.wins);
    add(o, "cost_usd", w.usd);
    add(o, "cost_per_win_usd", w.usd_per_win);
    add(o, "saved_gpu_seconds_per_million_calls", saved * 1e6);
    if (d->usd_per_gpu_hour > 0) {
        cJSON_AddNumberToObject(o, "usd_per_gpu_hour", d->usd_per_gpu_hour);
        add(o, "saved_usd_per_million_calls", usd * 1e6);
        add(o, "break_even_calls", usd > 0 ? w.usd / usd : (double)NAN);
    }
    if (d->tokens > 0) {
        add(o, "saved_gpu_seconds_per_million_tokens", saved * d->calls_of_pass / d->tokens * 1e6);
        if (d->usd_per_gpu_hour > 0)
            add(o, "saved_usd_per_million_tokens", usd * d->calls_of_pass / d->tokens * 1e6);
    }
    cJSON *next = cJSON_AddObjectToObject(o, "next_gain");
    add(next, "calls", w.calls_to_win);
    add(next, "cost_usd", w.usd_to_win);
    add(next, "less_time", w.gain);
    if (d->usd_per_gpu_hour > 0) {
        add(next, "worth_usd", w.value_usd);
        add(next, "over_calls", w.calls);
        cJSON_AddBoolToObject(next, "stop", w.stop);
    }
    return o;
}
