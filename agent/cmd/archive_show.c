#include "agent/cmd/archive_show.h"

#include "agent/cli.h"
#include "agent/cmd/archive_packet.h"
#include "base/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- a run ---- */

typedef struct shown {
    db_run run;
    db_totals totals;
    db_call *call;
    db_candidate *candidate;
    const char **verdict; /* of each candidate */
    int n_calls, n_candidates;
} shown;

static double seconds_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? c->modelled_s : c->measured_s;
}

static const char *kind_of(const db_candidate *c)
{
    return isnan(c->measured_s) ? "modelled" : "measured";
}

static void print_candidate(const db_candidate *c, bool best)
{
    printf("  #%-5" PRId64 " round %-3d %-9s level %-2d %-20s", c->id, c->round, c->origin,
           c->level, c->reason);
    if (isfinite(seconds_of(c)))
        printf(" %10.2f us %s", seconds_of(c) * 1e6, kind_of(c));
    if (c->tune_json) {
        printf("  ");
        cli_put_foreign(c->tune_json, 0);
    }
    puts(best ? "  <- winner" : "");
}

/* A call, and the requests of it that failed. */
static void print_call(const db_call *c)
{
    cJSON *attempts = c->attempts_json ? cJSON_Parse(c->attempts_json) : NULL;
    const cJSON *a;
    printf("  round %-3d %-9s %-16s ", c->turn + 1, c->purpose ? c->purpose : "",
           c->outcome ? c->outcome : "unanswered");
    if (c->prompt_tokens >= 0 && c->completion_tokens >= 0)
        printf("%" PRId64 " + %" PRId64 " tokens%s, ", c->prompt_tokens, c->completion_tokens,
               c->usage_estimated ? " (estimated)" : "");
    printf("%d request%s, %.1f s\n", cJSON_GetArraySize(attempts),
           cJSON_GetArraySize(attempts) == 1 ? "" : "s", c->seconds);
    cJSON_ArrayForEach(a, attempts)
    {
        const char *outcome = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(a, "outcome"));
        const char *detail = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(a, "detail"));
        const cJSON *status = cJSON_GetObjectItemCaseSensitive(a, "http_status");
        if (outcome && strcmp(outcome, "ok") != 0) {
            printf("            %s, HTTP %.0f: ", outcome,
                   cJSON_IsNumber(status) ? status->valuedouble : 0);
            cli_put_foreign(detail, 0);
            putchar('\n');
        }
    }
    cJSON_Delete(attempts);
}

static void show_text(const shown *s)
{
    const db_run *r = &s->run;
    printf("%s: ", r->name);
    cli_put_foreign(r->spec_name, 0);
    printf(" for %s, %s", r->gpu ? r->gpu : "?", r->status);
    if (r->stop_reason && strcmp(r->stop_reason, r->status) != 0) {
        fputs(", ", stdout);
        cli_put_foreign(r->stop_reason, 0);
    }
    fputs("\n  model '", stdout);
    cli_put_foreign(r->model, 0);
    fputs(r->base_url ? "' at " : "'", stdout);
    cli_put_foreign(r->base_url, 0);
    puts(r->scripted ? " (scripted replies)" : "");
    printf("  %d calls, %d requests, %" PRId64 " + %" PRId64 " tokens", s->totals.calls,
           s->totals.attempts, s->totals.prompt_tokens, s->totals.completion_tokens);
    if (s->totals.calls && s->totals.cost_known)
        printf(", %.4f USD", s->totals.cost_usd);
    printf("; model %.1f s, verdicts %.1f s\n", s->totals.model_seconds, s->totals.judge_seconds);
    puts("candidates");
    for (int i = 0; i < s->n_candidates; i++)
        print_candidate(&s->candidate[i], s->candidate[i].id == r->best_candidate);
    if (s->n_calls)
        puts("calls");
    for (int i = 0; i < s->n_calls; i++)
        print_call(&s->call[i]);
}

/* JSON is UTF-8, whatever a model wrote. */
static void add_foreign(cJSON *o, const char *key, const char *z)
{
    char *valid = ws_utf8_valid(z ? z : "");
    cJSON_AddStringToObject(o, key, valid);
    free(valid);
}

static cJSON *json_candidate(const db_candidate *c, const char *verdict)
{
    cJSON *o = cJSON_CreateObject(), *v = cJSON_Parse(verdict);
    cJSON *tune = c->tune_json ? cJSON_Parse(c->tune_json) : NULL;
    cJSON_AddNumberToObject(o, "id", (double)c->id);
    cJSON_AddNumberToObject(o, "parent", (double)c->parent);
    cJSON_AddNumberToObject(o, "round", c->round);
    cJSON_AddStringToObject(o, "origin", c->origin);
    cJSON_AddStringToObject(o, "reason", c->reason);
    cJSON_AddNumberToObject(o, "level", c->level);
    if (isfinite(seconds_of(c))) {
        cJSON_AddNumberToObject(o, "seconds", seconds_of(c));
        cJSON_AddStringToObject(o, "kind", kind_of(c));
    }
    if (tune)
        cJSON_AddItemToObject(o, "tune", tune);
    if (c->note)
        add_foreign(o, "note", c->note);
    add_foreign(o, "source", c->source);
    if (v)
        cJSON_AddItemToObject(o, "verdict", v);
    return o;
}

static cJSON *json_call(const db_call *c)
{
    cJSON *o = cJSON_CreateObject();
    cJSON *attempts = c->attempts_json ? cJSON_Parse(c->attempts_json) : NULL;
    cJSON *prompt = c->prompt_json ? cJSON_Parse(c->prompt_json) : NULL;
    cJSON_AddNumberToObject(o, "round", c->turn + 1);
    cJSON_AddStringToObject(o, "purpose", c->purpose ? c->purpose : "");
    cJSON_AddStringToObject(o, "outcome", c->outcome ? c->outcome : "unanswered");
    add_foreign(o, "error", c->error);
    add_foreign(o, "model", c->model);
    add_foreign(o, "provider", c->provider);
    ws_json_add_int(o, "prompt_tokens", c->prompt_tokens);
    if (c->cached_tokens >= 0)
        ws_json_add_int(o, "cached_tokens", c->cached_tokens);
    ws_json_add_int(o, "completion_tokens", c->completion_tokens);
    if (c->reasoning_tokens >= 0)
        ws_json_add_int(o, "reasoning_tokens", c->reasoning_tokens);
    cJSON_AddBoolToObject(o, "usage_estimated", c->usage_estimated);
    if (!isnan(c->cost_usd))
        cJSON_AddNumberToObject(o, "cost_usd", c->cost_usd);
    cJSON_AddNumberToObject(o, "seconds", c->seconds);
    if (attempts)
        cJSON_AddItemToObject(o, "attempts", attempts);
    if (prompt)
        cJSON_AddItemToObject(o, "request", prompt);
    add_foreign(o, "reply", c->content);
    return o;
}

static void show_json(const shown *s)
{
    const db_run *r = &s->run;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", r->name);
    add_foreign(o, "spec", r->spec_name);
    cJSON_AddStringToObject(o, "status", r->status);
    add_foreign(o, "stop_reason", r->stop_reason);
    add_foreign(o, "model", r->model);
    cJSON_AddStringToObject(o, "gpu", r->gpu ? r->gpu : "");
    cJSON_AddBoolToObject(o, "scripted", r->scripted);
    cJSON_AddStringToObject(o, "started", r->started);
    cJSON_AddStringToObject(o, "ended", r->ended ? r->ended : "");
    cJSON_AddNumberToObject(o, "winner", (double)r->best_candidate);
    cJSON_AddNumberToObject(o, "requests", s->totals.attempts);
    ws_json_add_int(o, "prompt_tokens", s->totals.prompt_tokens);
    ws_json_add_int(o, "completion_tokens", s->totals.completion_tokens);
    cJSON *array = cJSON_AddArrayToObject(o, "candidates");
    for (int i = 0; i < s->n_candidates; i++)
        cJSON_AddItemToArray(array, json_candidate(&s->candidate[i], s->verdict[i]));
    array = cJSON_AddArrayToObject(o, "calls");
    for (int i = 0; i < s->n_calls; i++)
        cJSON_AddItemToArray(array, json_call(&s->call[i]));
    cli_print_json(o);
}

static ws_status show_run(db_archive *db, const char *which, bool json, ws_err *err)
{
    ws_arena a = {0};
    shown s = {0};
    ws_status st = db_run_find(db, which, &a, &s.run, err);
    if (!st)
        st = db_candidate_list(db, s.run.id, &a, &s.candidate, &s.n_candidates, err);
    if (!st)
        st = db_call_list(db, s.run.id, &a, &s.call, &s.n_calls, err);
    if (!st)
        st = db_run_totals(db, s.run.id, &s.totals, err);
    if (!st)
        s.verdict = WS_ARENA_NEW(&a, const char *, s.n_candidates + 1);
    for (int i = 0; !st && i < s.n_candidates; i++)
        st = db_verdict_json(db, s.candidate[i].id, &a, &s.verdict[i], err);
    if (!st)
        json ? show_json(&s) : show_text(&s);
    ws_arena_release(&a);
    return st;
}

/* ---- a candidate ---- */

static const char *word(const cJSON *o, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static void print_line(const char *name, const char *text)
{
    if (!text || !*text)
        return;
    printf("  %-11s ", name);
    cli_put_foreign(text, 0);
    putchar('\n');
}

/* What the verdict tells beyond its reason: place, what was tried, what bounds the time. */
static void print_verdict(const char *verdict_json)
{
    cJSON *v = cJSON_Parse(verdict_json);
    const cJSON *evidence = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(v, "place");
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(v, "modelled");
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(place, "line");
    const cJSON *floor = cJSON_GetObjectItemCaseSensitive(time, "floor_seconds");
    print_line("verdict", word(v, "text"));
    if (cJSON_IsNumber(line) && line->valuedouble > 0)
        printf("  %-11s %s:%.0f\n", "place", word(place, "file") ? "kernel.cu" : "line",
               line->valuedouble);
    print_line("depth", word(evidence, "depth"));
    print_line("schedules", word(evidence, "schedule"));
    print_line("warning", word(cJSON_GetObjectItemCaseSensitive(v, "warning"), "text"));
    print_line("relations", word(evidence, "relations"));
    print_line("arithmetic", word(evidence, "precision"));
    print_line("resources", word(cJSON_GetObjectItemCaseSensitive(v, "resources"), "text"));
    if (word(time, "bound") && cJSON_IsNumber(floor))
        printf("  %-11s by %s; no kernel can be faster than %.2f us\n", "bound",
               word(time, "bound"), floor->valuedouble * 1e6);
    cJSON_Delete(v);
}

static void print_source(const char *source)
{
    ws_buf safe = {0};
    if (!isatty(STDOUT_FILENO)) {
        fputs(source, stdout);
        return;
    }
    ws_buf_add_foreign(&safe, source, "");
    puts(ws_buf_z(&safe));
    ws_buf_release(&safe);
}

static void show_candidate_text(const db_run *r, const db_candidate *c, const char *verdict)
{
    ws_buf safe = {0};
    printf("#%" PRId64 " of run %s: %s, level %s\n", c->id, r->name, c->reason,
           vfy_level_name((vfy_level)c->level));
    print_line("spec", r->spec_name);
    printf("  %-11s %s, round %d", "origin", c->origin, c->round);
    c->parent ? printf(", from #%" PRId64 "\n", c->parent) : printf("\n");
    if (isfinite(seconds_of(c)))
        printf("  %-11s %.2f us %s for %s%s\n", "time", seconds_of(c) * 1e6, kind_of(c),
               c->gpu ? c->gpu : "?", c->id == r->best_candidate ? ", the run's winner" : "");
    print_line("tunables", c->tune_json);
    print_verdict(verdict);
    print_line("note", c->note);
    print_line("sha256", c->source_sha256);
    ws_buf_add_foreign(&safe, c->source, "");
    printf("\n%s\n", ws_buf_z(&safe));
    ws_buf_release(&safe);
}

static void show_candidate_json(const db_run *r, const db_candidate *c, const char *verdict)
{
    cJSON *o = json_candidate(c, verdict);
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", r->name);
    add_foreign(o, "spec", r->spec_name);
    cJSON_AddStringToObject(o, "gpu", c->gpu ? c->gpu : "");
    cJSON_AddBoolToObject(o, "winner", c->id == r->best_candidate);
    cJSON_AddStringToObject(o, "source_sha256", c->source_sha256);
    cJSON_AddStringToObject(o, "created", c->created);
    cli_print_json(o);
}

ws_status archive_show(db_archive *db, const char *which, bool source, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_run r = {0};
    db_candidate c = {0};
    const char *verdict = NULL;
    if (which[0] != '#' && !source)
        return show_run(db, which, json, err);
    ws_status st = archive_choose(db, which, &a, &r, &c, err);
    if (!st)
        st = db_verdict_json(db, c.id, &a, &verdict, err);
    if (!st && json)
        show_candidate_json(&r, &c, verdict);
    else if (!st && source)
        print_source(c.source);
    else if (!st)
        show_candidate_text(&r, &c, verdict);
    ws_arena_release(&a);
    return st;
}
