#include "agent/loop/state.h"

#include "base/file.h"
#include "base/json.h"
#include "agent/cli.h"
#include "results/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Tokens of the call that a candidate came from, or 0. */
static int64_t tokens_of(const loop_state *s, const db_candidate *c)
{
    if (strcmp(c->origin, "model"))
        return 0;
    for (int i = 0; i < s->n_calls; i++)
        if (s->call[i].id == c->call)
            return s->call[i].prompt_tokens + s->call[i].completion_tokens;
    return 0;
}

void loop_report_header(const loop_state *s)
{
    if (!s->o->json)
        printf("%-6s %-9s %-20s %15s %9s %8s  %s\n", "round", "origin", "verdict", "time", "speed-up",
               "tokens", "reason");
}

static void print_speedup(const loop_state *s, const db_candidate *c)
{
    double r = s->n_attempts ? loop_seconds(s->attempt[0].candidate) / loop_seconds(c) : (double)NAN;
    if (isfinite(r))
        printf(" %8.2fx", r);
    else
        printf(" %9s", "-");
}

void loop_report_row(const loop_state *s, const db_candidate *c, const vfy_verdict *v)
{
    if (s->o->json)
        return;
    double t = loop_seconds(c);
    printf("%-6d %-9s %-20s", c->round, c->origin, c->reason);
    if (isfinite(t))
        printf(" %9.2f us mod", t * 1e6);
    else
        printf(" %16s", "-");
    print_speedup(s, c);
    int64_t tokens = tokens_of(s, c);
    if (tokens > 0)
        printf(" %8" PRId64, tokens);
    else
        printf(" %8s", "-");
    if (c->tune_json)
        printf("  %s", c->tune_json);
    if (v->line)
        printf("  %s:%d: %s\n", v->file, v->line, v->text);
    else
        printf("  %s\n", v->text);
    fflush(stdout);
}

static void print_json(const loop_state *s, const db_candidate *best, const db_totals *t)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", s->run.name);
    cJSON_AddStringToObject(o, "spec", s->spec->name);
    cJSON_AddStringToObject(o, "status", s->status);
    cJSON_AddStringToObject(o, "stop_reason", s->stop ? s->stop : "");
    cJSON_AddBoolToObject(o, "scripted", s->run.scripted);
    cJSON_AddNumberToObject(o, "calls", t->calls);
    cJSON_AddNumberToObject(o, "candidates", t->candidates);
    ws_json_add_int(o, "prompt_tokens", t->prompt_tokens);
    ws_json_add_int(o, "completion_tokens", t->completion_tokens);
    if (t->cost_known)
        cJSON_AddNumberToObject(o, "cost_usd", t->cost_usd);
    cJSON *rows = cJSON_AddArrayToObject(o, "attempts");
    for (int i = 0; i < s->n_attempts; i++) {
        const db_candidate *c = s->attempt[i].candidate;
        cJSON *r = cJSON_CreateObject();
        cJSON_AddNumberToObject(r, "id", (double)c->id);
        cJSON_AddNumberToObject(r, "round", c->round);
        cJSON_AddStringToObject(r, "origin", c->origin);
        cJSON_AddStringToObject(r, "reason", c->reason);
        ws_json_add_double(r, "modelled_seconds", c->modelled_s);
        cJSON_AddItemToArray(rows, r);
    }
    if (best) {
        cJSON *w = cJSON_AddObjectToObject(o, "winner");
        cJSON_AddNumberToObject(w, "id", (double)best->id);
        cJSON_AddNumberToObject(w, "round", best->round);
        cJSON_AddStringToObject(w, "source_sha256", best->source_sha256);
        ws_json_add_double(w, "modelled_seconds", best->modelled_s);
        ws_json_add_double(w, "speedup_over_generation_0",
                           loop_seconds(s->attempt[0].candidate) / loop_seconds(best));
    }
    cli_print_json(o);
}

static void print_text(const loop_state *s, const db_candidate *best, const db_totals *t)
{
    if (best)
        printf("\nwinner: candidate #%" PRId64 " of round %d, %.2f us modelled on %s, %.2fx over "
               "generation 0\n",
               best->id, best->round, loop_seconds(best) * 1e6, s->run.gpu,
               loop_seconds(s->attempt[0].candidate) / loop_seconds(best));
    else
        printf("\nno candidate passed\n");
    printf("run %s: %s%s%s; %d calls, %" PRId64 " tokens", s->run.name, s->status,
           s->stop ? ", " : "", s->stop ? s->stop : "", t->calls,
           t->prompt_tokens + t->completion_tokens);
    if (t->cost_known)
        printf(", %.4f USD", t->cost_usd);
    else
        printf(", cost unknown");
    printf("; archive %s\n", s->o->archive);
}

static ws_status write_header(const loop_state *s, const loop_attempt *best, ws_err *err)
{
    ws_buf text = {0};
    exp_input in = {s->spec, best->candidate, &s->run, best->verdict_json, NULL};
    ws_status st = exp_header(&in, &text, err);
    if (!st)
        st = ws_write_file(s->o->export_path, text.p, text.n, err);
    if (!st && !s->o->json)
        printf("header %s\n", s->o->export_path);
    ws_buf_release(&text);
    return st;
}

ws_status loop_report_end(loop_state *s, ws_err *err)
{
    db_totals t = {0};
    const loop_attempt *best = s->best >= 0 ? &s->attempt[s->best] : NULL;
    if (db_run_totals(s->db, s->run.id, &t, err))
        return err->status;
    if (s->o->json)
        print_json(s, best ? best->candidate : NULL, &t);
    else
        print_text(s, best ? best->candidate : NULL, &t);
    return best && s->o->export_path ? write_header(s, best, err) : WS_OK;
}
