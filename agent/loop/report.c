#include "agent/loop/state.h"

#include "agent/cli.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "results/export.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const loop_turn *turn_of(const loop_state *s, const db_candidate *c)
{
    for (int i = 0; c->call && i < s->n_turns; i++)
        if (s->turn[i]->call.id == c->call)
            return s->turn[i];
    return NULL;
}

/* Tokens of the call that a candidate came from, or 0. */
static int64_t tokens_of(const loop_state *s, const db_candidate *c)
{
    const loop_turn *t = strcmp(c->origin, "model") ? NULL : turn_of(s, c);
    return t && t->call.prompt_tokens >= 0 && t->call.completion_tokens >= 0
               ? t->call.prompt_tokens + t->call.completion_tokens
               : 0;
}

/* Over generation 0; NaN when one of the times is not known. */
static double speedup(const loop_state *s, const db_candidate *c)
{
    return s->n_attempts ? strat_seconds(s->attempt[0].candidate) / strat_seconds(c) : (double)NAN;
}

/* ---- rows ---- */

/* Columns left for the finding on a terminal; 0: no terminal, all of it. */
static int room(int used)
{
    struct winsize w;
    if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) || w.ws_col <= used + 20)
        return 0;
    return w.ws_col - used;
}

/* {"BLOCK":256,"VEC":4} as "BLOCK=256 VEC=4: " */
static void put_tune(const char *json, ws_buf *out)
{
    cJSON *o = json ? cJSON_Parse(json) : NULL;
    const cJSON *v;
    cJSON_ArrayForEach(v, o)
        ws_buf_printf(out, "%s%s=%.0f", out->n ? " " : "", v->string, v->valuedouble);
    if (out->n)
        ws_buf_adds(out, ": ");
    cJSON_Delete(o);
}

/* The verdict's finding in one line: what was tuned, the place, the text, and what bounds a right
 * one. */
static void put_finding(const strat_attempt *a, ws_buf *out)
{
    cJSON *v = cJSON_Parse(a->verdict_json);
    const cJSON *place = cJSON_GetObjectItemCaseSensitive(v, "place");
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(place, "line");
    const char *file = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(place, "file"));
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(v, "modelled");
    const char *bound = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(time, "bound"));
    put_tune(a->candidate->tune_json, out);
    if (cJSON_IsNumber(line) && line->valuedouble > 0)
        ws_buf_printf(out, "%s:%.0f: ", file ? file : "line", line->valuedouble);
    ws_buf_adds(out, text ? text : a->candidate->reason);
    if (bound)
        ws_buf_printf(out, ", %s-bound", bound);
    for (size_t i = 0; i < out->n;
         i++) /* text of a model or a compiler must not command a terminal */
        if ((unsigned char)out->p[i] < ' ' || out->p[i] == 0x7f)
            out->p[i] = ' ';
    cJSON_Delete(v);
}

static const char header[] =
    "round  origin   verdict                               time  speed-up  tokens  finding";

/* One line of --json. */
static void print_event(cJSON *o)
{
    ws_buf text = {0};
    ws_json_print(o, false, &text);
    puts(ws_buf_z(&text));
    fflush(stdout);
    ws_buf_release(&text);
    cJSON_Delete(o);
}

static cJSON *event(const char *name)
{
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "event", name);
    return o;
}

static void print_run(const loop_state *s)
{
    cJSON *o = event("run");
    cJSON_AddStringToObject(o, "run", s->run.name);
    cJSON_AddStringToObject(o, "spec", s->spec->name);
    cJSON_AddStringToObject(o, "model", s->run.model ? s->run.model : "");
    cJSON_AddStringToObject(o, "strategy", s->strategy->name);
    cJSON_AddNumberToObject(o, "lanes", s->lanes);
    cJSON_AddStringToObject(o, "gpu", s->run.gpu);
    cJSON_AddBoolToObject(o, "resumed", s->o->resume != NULL);
    print_event(o);
}

void loop_report_header(const loop_state *s)
{
    if (ws_log_level() >= WS_LOG_WARN && !s->o->json)
        fprintf(stderr, "%s %s: %s for %s, model '%s'%s%s\n", s->o->resume ? "resuming" : "run",
                s->run.name, s->spec->name, s->run.gpu, s->run.model ? s->run.model : "",
                s->run.base_url ? " at " : "", s->run.base_url ? s->run.base_url : "");
    if (s->o->json)
        print_run(s);
    else
        puts(header);
    fflush(stdout);
}

void loop_event_call(const loop_state *s, const char *what, const loop_turn *t)
{
    const db_call *c = &t->call;
    if (!s->o->json)
        return;
    cJSON *o = event(what);
    cJSON_AddNumberToObject(o, "turn", t->turn);
    cJSON_AddNumberToObject(o, "lane", t->lane);
    cJSON_AddNumberToObject(o, "round", t->round + 1);
    cJSON_AddStringToObject(o, "purpose", t->step.purpose);
    cJSON_AddStringToObject(o, "model", c->model ? c->model : "");
    if (c->outcome) {
        cJSON_AddStringToObject(o, "outcome", c->outcome);
        cJSON_AddNumberToObject(o, "seconds", c->seconds);
        if (c->prompt_tokens >= 0)
            ws_json_add_int(o, "prompt_tokens", c->prompt_tokens);
        if (c->completion_tokens >= 0)
            ws_json_add_int(o, "completion_tokens", c->completion_tokens);
        if (isfinite(c->cost_usd))
            cJSON_AddNumberToObject(o, "cost_usd", c->cost_usd);
    }
    print_event(o);
}

static cJSON *json_attempt(const loop_state *s, const strat_attempt *a);

void loop_report_row(const loop_state *s, const strat_attempt *a)
{
    const db_candidate *c = a->candidate;
    double t = strat_seconds(c), r = speedup(s, c);
    int64_t tokens = tokens_of(s, c);
    const loop_turn *turn = turn_of(s, c);
    ws_buf finding = {0};
    if (s->o->json) {
        cJSON *o = json_attempt(s, a);
        cJSON_AddStringToObject(o, "event", "candidate");
        print_event(o);
        return;
    }
    loop_report_quiet(s);
    put_finding(a, &finding);
    if (s->lanes > 1 && turn)
        printf("%3d.%-2d %-8s %-18s", c->round, turn->lane + 1, c->origin, c->reason);
    else
        printf("%5d  %-8s %-18s", c->round, c->origin, c->reason);
    if (isfinite(t))
        printf(" %9.2f us %s", t * 1e6, isnan(c->measured_s) ? "modelled" : "measured");
    else
        printf(" %21s", "-");
    isfinite(r) ? printf("  %8.2fx", r) : printf("  %9s", "-");
    tokens > 0 ? printf(" %7" PRId64, tokens) : printf(" %7s", "-");
    size_t left = (size_t)room(68);
    if (left && finding.n > left) {
        for (left -= 3; left && ((unsigned char)finding.p[left] & 0xc0) == 0x80;)
            left--;
        printf("  %.*s...\n", (int)left, finding.p);
    } else {
        printf("  %s\n", ws_buf_z(&finding));
    }
    fflush(stdout);
    ws_buf_release(&finding);
}

void loop_report_so_far(const loop_state *s)
{
    for (int i = 0; i < s->n_attempts; i++)
        loop_report_row(s, &s->attempt[i]);
}

static bool shows_progress(const loop_state *s)
{
    return !s->o->json && ws_log_level() >= WS_LOG_WARN && isatty(STDERR_FILENO);
}

static bool shown;

void loop_report_quiet(const loop_state *s)
{
    if (shown && shows_progress(s))
        fputs("\033[K", stderr);
    shown = false;
    fflush(stderr);
}

/* One line: what the models do, what the judges do, what it cost so far. */
void loop_report_progress(const loop_state *s)
{
    static int64_t last_ns;
    ws_buf line = {0};
    int calls = loop_calls_in_flight(s), busy = lane_busy(s->judges);
    if (!shows_progress(s) || ws_seconds_since(last_ns) < 0.5)
        return;
    last_ns = ws_now_ns();
    if (calls)
        ws_buf_printf(&line, "%d call%s in flight", calls, calls == 1 ? "" : "s");
    if (busy)
        ws_buf_printf(&line, "%sjudging %d, %d waiting", calls ? ", " : "", busy,
                      lane_waiting(s->judges));
    ws_buf_printf(&line, "; %d candidates, %.0f s", s->n_attempts, loop_spent_seconds(s));
    if (s->budget.spent.usd > 0)
        ws_buf_printf(&line, ", %.4f USD", s->budget.spent.usd);
    /* The cursor goes back, so that a warning writes over it. */
    fprintf(stderr, "\033[K%s\r", ws_buf_z(&line));
    fflush(stderr);
    shown = true;
    ws_buf_release(&line);
}

/* ---- the end ---- */

static cJSON *json_attempt(const loop_state *s, const strat_attempt *a)
{
    const db_candidate *c = a->candidate;
    cJSON *r = cJSON_CreateObject(), *v = cJSON_Parse(a->verdict_json);
    cJSON *tune = c->tune_json ? cJSON_Parse(c->tune_json) : NULL;
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(v, "text"));
    cJSON *place = cJSON_DetachItemFromObjectCaseSensitive(v, "place");
    int64_t tokens = tokens_of(s, c);
    cJSON_AddNumberToObject(r, "id", (double)c->id);
    cJSON_AddNumberToObject(r, "parent", (double)c->parent);
    cJSON_AddNumberToObject(r, "round", c->round);
    cJSON_AddStringToObject(r, "origin", c->origin);
    cJSON_AddStringToObject(r, "reason", c->reason);
    cJSON_AddStringToObject(r, "text", text ? text : "");
    if (place)
        cJSON_AddItemToObject(r, "place", place);
    if (tune)
        cJSON_AddItemToObject(r, "tune", tune);
    if (isfinite(c->modelled_s))
        cJSON_AddNumberToObject(r, "modelled_seconds", c->modelled_s);
    if (isfinite(speedup(s, c)))
        cJSON_AddNumberToObject(r, "speedup_over_generation_0", speedup(s, c));
    if (tokens > 0)
        ws_json_add_int(r, "tokens", tokens);
    cJSON_Delete(v);
    return r;
}

/* Where the time of this session went; `idle`: no judge was at work. */
static void add_seconds(const loop_state *s, cJSON *o)
{
    cJSON *j = cJSON_AddObjectToObject(o, "seconds");
    cJSON_AddNumberToObject(j, "wall", ws_seconds_since(s->start_ns));
    cJSON_AddNumberToObject(j, "judges_busy", lane_busy_seconds(s->judges));
    cJSON_AddNumberToObject(j, "judges", lane_count(s->judges));
    cJSON_AddNumberToObject(j, "compile", s->clock.compile);
    cJSON_AddNumberToObject(j, "run", s->clock.run);
    cJSON_AddNumberToObject(j, "archive", s->clock.archive);
    cJSON_AddNumberToObject(j, "prompts", s->clock.prompt);
    cJSON_AddNumberToObject(j, "idle", s->clock.idle);
}

/* What the winner's arithmetic is faithful to, as full verification measured it; "": not known. */
static void winner_precision(const loop_state *s, char *out, size_t size)
{
    cJSON *v = s->best >= 0 ? cJSON_Parse(s->attempt[s->best].verdict_json) : NULL;
    const cJSON *evidence = cJSON_GetObjectItemCaseSensitive(v, "evidence");
    const char *label =
        cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(evidence, "precision"));
    snprintf(out, size, "%s", label ? label : "");
    cJSON_Delete(v);
}

static void print_json(const loop_state *s, const db_candidate *best, const db_totals *t)
{
    cJSON *o = event("end");
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", s->run.name);
    cJSON_AddStringToObject(o, "spec", s->spec->name);
    cJSON_AddStringToObject(o, "status", s->status);
    cJSON_AddStringToObject(o, "stop_reason", s->stop ? s->stop : "");
    cJSON_AddStringToObject(o, "archive", s->o->archive);
    cJSON_AddStringToObject(o, "model", s->run.model ? s->run.model : "");
    cJSON_AddStringToObject(o, "gpu", s->run.gpu);
    cJSON_AddBoolToObject(o, "scripted", s->run.scripted);
    cJSON_AddNumberToObject(o, "calls", t->calls);
    cJSON_AddNumberToObject(o, "requests", t->attempts);
    cJSON_AddNumberToObject(o, "candidates", t->candidates);
    ws_json_add_int(o, "prompt_tokens", t->prompt_tokens);
    ws_json_add_int(o, "completion_tokens", t->completion_tokens);
    if (t->cost_known)
        cJSON_AddNumberToObject(o, "cost_usd", t->cost_usd);
    if (s->lost_requests)
        cJSON_AddNumberToObject(o, "lost_requests", s->lost_requests);
    if (s->uncounted_usd > 0)
        cJSON_AddNumberToObject(o, "lost_requests_most_usd", s->uncounted_usd);
    cJSON *charged = cJSON_AddObjectToObject(o, "charged"); /* to the budget, in all sessions */
    ws_json_add_int(charged, "requests", s->budget.spent.requests);
    ws_json_add_int(charged, "tokens", s->budget.spent.tokens);
    cJSON_AddNumberToObject(charged, "usd", s->budget.spent.usd);
    add_seconds(s, o);
    cJSON *rows = cJSON_AddArrayToObject(o, "attempts");
    for (int i = 0; i < s->n_attempts; i++)
        cJSON_AddItemToArray(rows, json_attempt(s, &s->attempt[i]));
    if (best) {
        cJSON *w = cJSON_AddObjectToObject(o, "winner");
        cJSON_AddNumberToObject(w, "id", (double)best->id);
        cJSON_AddNumberToObject(w, "round", best->round);
        cJSON_AddStringToObject(w, "source_sha256", best->source_sha256);
        ws_json_add_double(w, "modelled_seconds", best->modelled_s);
        ws_json_add_double(w, "speedup_over_generation_0", speedup(s, best));
        char precision[16];
        winner_precision(s, precision, sizeof precision);
        if (precision[0])
            cJSON_AddStringToObject(w, "precision", precision);
    }
    cJSON *worth = loop_worth_json(s);
    if (worth)
        cJSON_AddItemToObject(o, "worth", worth);
    print_event(o);
}

static void print_winner(const loop_state *s, const db_candidate *best)
{
    char precision[16];
    const char *kind = best && isnan(best->measured_s) ? "modelled" : "measured";
    ws_buf tuned = {0};
    if (!best) {
        puts(s->n_attempts ? "\nno candidate passed" : "");
        return;
    }
    put_tune(best->tune_json, &tuned);
    winner_precision(s, precision, sizeof precision);
    if (s->n_attempts == 1)
        printf("\n");
    else if (s->best == 0)
        printf("\nno reply is faster than the plain translation: %.2f us %s on %s\n",
               strat_seconds(best) * 1e6, kind, s->run.gpu);
    else
        printf("\nwinner: candidate #%" PRId64 " of round %d%s%.*s, %.2f us %s on %s, %.2fx over "
               "generation 0%s%s\n",
               best->id, best->round, tuned.n ? ", " : "", tuned.n ? (int)tuned.n - 2 : 0,
               ws_buf_z(&tuned), strat_seconds(best) * 1e6, kind, s->run.gpu, speedup(s, best),
               precision[0] ? ", arithmetic: " : "", precision);
    ws_buf_release(&tuned);
}

static void print_text(const loop_state *s, const db_candidate *best, const db_totals *t)
{
    ws_buf worth = {0};
    print_winner(s, best);
    printf("run %s: %s%s%s; %d call%s, %" PRId64 " tokens", s->run.name, s->status,
           s->stop && strcmp(s->stop, s->status) ? ", " : "",
           s->stop && strcmp(s->stop, s->status) ? s->stop : "", t->calls, t->calls == 1 ? "" : "s",
           t->prompt_tokens + t->completion_tokens);
    if (t->calls && t->cost_known)
        printf(", %.4f USD", t->cost_usd);
    else if (t->calls)
        printf(", cost unknown");
    printf("; archive %s\n", s->o->archive);
    loop_print_worth(s, &worth);
    fputs(ws_buf_z(&worth), stdout);
    ws_buf_release(&worth);
    if (s->o->reply)
        printf("the next prompt: warpsmith prompt --run %s --archive %s\n", s->run.name,
               s->o->archive);
    if (strcmp(s->status, "interrupted") == 0 || strcmp(s->status, "limit") == 0)
        printf("to go on%s: %s\n", strcmp(s->status, "limit") ? "" : ", with a larger budget",
               cli_resume_hint);
    fflush(stdout);
}

static ws_status write_export(const loop_state *s, const strat_attempt *best, ws_err *err)
{
    const exp_format *format = exp_format_of_file(s->o->export_path);
    exp_input in = {.spec = s->spec, .candidate = best->candidate, .run = &s->run,
                    .verdict_json = best->verdict_json};
    comp_service *comp = NULL;
    if (!format)
        format = exp_format_named("cuh");
    ws_status st = format->has_binaries ? comp_service_open(&(comp_service_options){0}, &comp, err)
                                        : WS_OK;
    in.compiler = comp;
    if (!st)
        st = exp_save(format, &in, s->o->export_path, err);
    if (!st && !s->o->json)
        printf("header %s\n", s->o->export_path);
    comp_service_close(comp);
    return st;
}

ws_status loop_report_end(loop_state *s, ws_err *err)
{
    db_totals t = {0};
    const strat_attempt *best = s->best >= 0 ? &s->attempt[s->best] : NULL;
    loop_report_quiet(s);
    if (db_run_totals(s->db, s->run.id, &t, err))
        return err->status;
    if (s->o->json)
        print_json(s, best ? best->candidate : NULL, &t);
    else
        print_text(s, best ? best->candidate : NULL, &t);
    return best && s->o->export_path ? write_export(s, best, err) : WS_OK;
}
