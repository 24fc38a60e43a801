#include "agent/cmd/bench_print.h"

#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool was_timed(const vfy_bench_entry *e)
{
    return e->reason == HX_PASS;
}

static bool has_won(const vfy_bench_entry *e)
{
    return was_timed(e) && e->again && e->last.verdict == TIM_FASTER;
}

bool bench_has_winner(const vfy_bench *b)
{
    for (int i = 0; i < b->n; i++)
        if (has_won(&b->entry[i]))
            return true;
    return false;
}

static const char *verdict_of(const vfy_bench_entry *e)
{
    return was_timed(e) ? tim_verdict_name(e->last.verdict) : hx_reason_name(e->reason);
}

/* What became of a win of the sitting. */
static const char *standing(const vfy_bench_entry *e)
{
    if (!was_timed(e) || !e->again)
        return "";
    return has_won(e) ? ", confirmed" : ", not confirmed";
}

/* ---- text ---- */

static void print_entry(const vfy_bench_entry *e, ws_buf *out)
{
    const tim_judgement *j = &e->last;
    ws_buf_printf(out, "%-24s ", e->name);
    if (!was_timed(e)) {
        ws_buf_printf(out, "%s: %s\n", hx_reason_name(e->reason), e->text);
        return;
    }
    ws_buf_printf(out, "%10.4g %9.4fx ", 1e6 * j->b.median_s, j->ratio);
    if (j->looks)
        ws_buf_printf(out, "[%.4f, %.4f] ", j->ratio_lo, j->ratio_hi);
    ws_buf_printf(out, "%4d  %s%s\n", j->used, tim_verdict_name(j->verdict), standing(e));
    if (j->verdict == TIM_UNDECIDED || j->verdict == TIM_UNSTABLE || j->verdict == TIM_IMPOSSIBLE)
        ws_buf_printf(out, "%-24s   %s\n", "", j->reason);
}

/* What the times are, and of which GPU. */
static const char *kind_of(const bench_report *r)
{
    return r->o->measured_on ? "measured" : "modelled";
}

static const char *gpu_of(const bench_report *r)
{
    return r->o->measured_on ? r->o->measured_on : r->o->gpu;
}

void bench_print_text(const bench_report *r, ws_buf *out)
{
    const vfy_bench *b = r->b;
    ws_buf_printf(out, "%s at %s, %s, against %s; %s on %s, ", r->spec->name, b->shape,
                  r->o->warm ? "warm" : "cold", b->base.name, kind_of(r), gpu_of(r));
    if (!r->o->measured_on)
        ws_buf_printf(out, "uncalibrated, noise '%s', ", r->noise);
    ws_buf_printf(out, "seed %" PRIu64 "\n", r->o->seed);
    ws_buf_printf(out, "%-24s %7s us %10s %-16s %5s  %s\n", "", kind_of(r), "speed-up", "interval",
                  "pairs", "verdict");
    for (int i = 0; i < b->n; i++)
        print_entry(&b->entry[i], out);
    ws_buf_printf(out,
                  "the A/A run tells %.3f %% from nothing (%d pairs); %" PRId64
                  " launches timed, %" PRId64 " outputs compared%s%s\n",
                  100 * b->rule.mde, b->aa.n, b->launched, b->compared,
                  b->settled || !b->aa.n ? "" : "; the clock had not settled",
                  b->out_of_time ? "; the budget was spent" : "");
}

/* ---- JSON ---- */

static cJSON *judgement_json(const tim_judgement *j)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "verdict", tim_verdict_name(j->verdict));
    ws_json_add_double(o, "ratio", j->ratio);
    ws_json_add_double(o, "ratio_lo", j->ratio_lo);
    ws_json_add_double(o, "ratio_hi", j->ratio_hi);
    ws_json_add_double(o, "cycle_ratio", j->cycle_ratio);
    ws_json_add_double(o, "eps", j->eps);
    ws_json_add_double(o, "a_median_s", j->a.median_s);
    ws_json_add_double(o, "b_median_s", j->b.median_s);
    ws_json_add_double(o, "b_p10_s", j->b.p10_s);
    ws_json_add_double(o, "b_p90_s", j->b.p90_s);
    cJSON_AddNumberToObject(o, "pairs", j->pairs);
    cJSON_AddNumberToObject(o, "used", j->used);
    cJSON_AddNumberToObject(o, "discarded", j->discarded);
    cJSON_AddNumberToObject(o, "looks", j->looks);
    cJSON_AddStringToObject(o, "reason", j->reason);
    return o;
}

static cJSON *entry_json(const vfy_bench_entry *e)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", e->name);
    cJSON_AddStringToObject(o, "verdict", verdict_of(e));
    cJSON_AddBoolToObject(o, "winner", has_won(e));
    if (!was_timed(e)) {
        cJSON_AddStringToObject(o, "text", e->text);
        return o;
    }
    cJSON_AddItemToObject(o, "first", judgement_json(&e->first));
    cJSON_AddItemToObject(o, "samples", tim_pairs_to_json(&e->pairs));
    if (e->again) {
        cJSON_AddItemToObject(o, "confirmation", judgement_json(&e->last));
        cJSON_AddItemToObject(o, "confirmation_samples", tim_pairs_to_json(&e->pairs_again));
        cJSON_AddItemToObject(o, "confirmation_aa", tim_pairs_to_json(&e->aa_again));
    }
    return o;
}

static void add_environment(const bench_report *r, cJSON *o)
{
    const vfy_bench *b = r->b;
    cJSON_AddStringToObject(o, "device", r->o->measured_on ? r->o->measured_on : "CPU engine");
    cJSON_AddStringToObject(o, "noise", r->o->measured_on ? "of the machine" : r->noise);
    ws_json_add_double(o, "alpha", b->rule.alpha);
    ws_json_add_double(o, "eps", b->rule.eps);
    ws_json_add_double(o, "mde", b->rule.mde);
    ws_json_add_double(o, "floor_s", b->floor_s);
    cJSON_AddNumberToObject(o, "most_pairs", b->rule.look[TIM_LOOKS - 1]);
    cJSON_AddBoolToObject(o, "settled", b->settled);
    cJSON_AddBoolToObject(o, "out_of_time", b->out_of_time);
    cJSON_AddNumberToObject(o, "launched", (double)b->launched);
    cJSON_AddNumberToObject(o, "compared", (double)b->compared);
}

cJSON *bench_print_json(const bench_report *r)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "spec", r->spec->name);
    cJSON_AddStringToObject(o, "shape", r->b->shape);
    cJSON_AddStringToObject(o, "kind", kind_of(r));
    if (!r->o->measured_on)
        cJSON_AddBoolToObject(o, "calibrated", false); /* the clock is another process's */
    cJSON_AddStringToObject(o, "gpu", gpu_of(r));
    cJSON_AddStringToObject(o, "regime", r->o->warm ? "warm" : "cold");
    ws_json_add_seed(o, "seed", r->o->seed);
    cJSON_AddStringToObject(o, "baseline", r->b->base.name);
    add_environment(r, cJSON_AddObjectToObject(o, "environment"));
    cJSON_AddItemToObject(o, "aa", tim_pairs_to_json(&r->b->aa));
    cJSON *list = cJSON_AddArrayToObject(o, "candidates");
    for (int i = 0; i < r->b->n; i++)
        cJSON_AddItemToArray(list, entry_json(&r->b->entry[i]));
    return o;
}

/* ---- other baselines ---- */

void bench_print_baselines(const vfy_baseline *b, int n, ws_buf *out)
{
    if (n)
        ws_buf_adds(out, "other baselines, which modelled times are not compared with:\n");
    for (int i = 0; i < n; i++) {
        ws_buf_printf(out, "%-24s %s", b[i].name, vfy_baseline_kind_name(b[i].kind));
        if (b[i].kind == VFY_BASELINE_ABSENT) {
            ws_buf_printf(out, ": %s%s%s\n", b[i].why, b[i].hint[0] ? "; " : "", b[i].hint);
            continue;
        }
        ws_buf_printf(out, ": %.4g us on %s%s", 1e6 * b[i].seconds, b[i].hardware,
                      b[i].same_gpu ? "" : ", which is another GPU than --gpu");
        if (b[i].std_s >= 0)
            ws_buf_printf(out, ", standard deviation %.2g us of %d samples", 1e6 * b[i].std_s,
                          b[i].samples);
        ws_buf_printf(out, "%s%s", b[i].precision[0] ? ", " : "", b[i].precision);
        ws_buf_printf(out, "%s%s", b[i].note[0] ? "; " : "", b[i].note);
        if (b[i].resolution > 0)
            ws_buf_printf(out, ", rounded to %.1f %%", 100 * b[i].resolution);
        ws_buf_addc(out, '\n');
    }
}

cJSON *bench_baselines_json(const vfy_baseline *b, int n)
{
    cJSON *list = cJSON_CreateArray();
    for (int i = 0; i < n; i++) {
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "name", b[i].name);
        cJSON_AddStringToObject(o, "kind", vfy_baseline_kind_name(b[i].kind));
        cJSON_AddBoolToObject(o, "compared", false);
        cJSON_AddItemToArray(list, o);
        if (b[i].kind == VFY_BASELINE_ABSENT) {
            cJSON_AddStringToObject(o, "why", b[i].why);
            if (b[i].hint[0])
                cJSON_AddStringToObject(o, "hint", b[i].hint);
            continue;
        }
        ws_json_add_double(o, "seconds", b[i].seconds);
        ws_json_add_double(o, "std_s", b[i].std_s);
        ws_json_add_double(o, "min_s", b[i].min_s);
        ws_json_add_double(o, "max_s", b[i].max_s);
        cJSON_AddNumberToObject(o, "samples", b[i].samples);
        cJSON_AddStringToObject(o, "hardware", b[i].hardware);
        cJSON_AddBoolToObject(o, "same_gpu", b[i].same_gpu);
        ws_json_add_double(o, "resolution", b[i].resolution);
        cJSON_AddStringToObject(o, "precision", b[i].precision);
        cJSON_AddStringToObject(o, "note", b[i].note);
        cJSON_AddStringToObject(o, "file", b[i].file ? b[i].file : "");
    }
    return list;
}

/* ---- the archive ---- */

/* `o` is freed. */
static const char *text_of(cJSON *o, ws_arena *a)
{
    const char *text = ws_json_text(o, a);
    cJSON_Delete(o);
    return text;
}

static db_comparison row(const char *role, const vfy_bench_entry *e, const tim_judgement *j,
                         const tim_pairs *p, ws_arena *a)
{
    return (db_comparison){.role = role,
                           .name = e->name,
                           .source = e->source,
                           .verdict = j ? tim_verdict_name(j->verdict) : NULL,
                           .ratio = j ? j->ratio : (double)NAN,
                           .ratio_lo = j ? j->ratio_lo : (double)NAN,
                           .ratio_hi = j && isfinite(j->ratio_hi) ? j->ratio_hi : (double)NAN,
                           .reason = j ? j->reason : NULL,
                           .samples_json = text_of(tim_pairs_to_json(p), a)};
}

ws_status bench_store(const bench_report *r, db_archive *db, int64_t *id, ws_err *err)
{
    const vfy_bench *b = r->b;
    ws_arena a = {0};
    cJSON *environment = cJSON_CreateObject();
    db_comparison *c = WS_ARENA_NEW(&a, db_comparison, 3 * b->n + 1);
    int n = 0;
    c[n++] = row("aa", &b->base, NULL, &b->aa, &a);
    for (int i = 0; i < b->n; i++) {
        const vfy_bench_entry *e = &b->entry[i];
        if (e->pairs.n)
            c[n++] = row("first", e, &e->first, &e->pairs, &a);
        if (e->again) {
            c[n++] = row("confirmation", e, &e->last, &e->pairs_again, &a);
            c[n++] = row("confirmation-aa", e, NULL, &e->aa_again, &a);
        }
    }
    add_environment(r, environment);
    const db_sitting s = {.spec_name = r->spec->name,
                          .spec_sha256 = r->spec->sha256,
                          .kind = kind_of(r),
                          .gpu = gpu_of(r),
                          .shape = b->shape,
                          .regime = r->o->warm ? "warm" : "cold",
                          .seed = ws_arena_printf(&a, "%" PRIu64, r->o->seed),
                          .baseline = b->base.name,
                          .baseline_source = b->base.source,
                          .environment_json = text_of(environment, &a),
                          .comparison = c,
                          .n = n};
    ws_status st = db_sitting_add(db, &s, id, err);
    ws_arena_release(&a);
    return st;
}
