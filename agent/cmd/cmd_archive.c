#include "agent/cli.h"
#include "agent/cmd/archive_merge.h"
#include "agent/cmd/archive_packet.h"
#include "agent/cmd/archive_rejudge.h"
#include "agent/cmd/archive_search.h"
#include "base/file.h"
#include "base/json.h"
#include "results/archive.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *archive, *like, *gpu, *run, *stricter, *output;
    int64_t limit;
    bool dry_run, apply;
} options;

static const ws_opt option_table[] = {
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = offsetof(options, archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "like", .type = WS_OPT_STRING, .offset = offsetof(options, like), .arg = "SPEC",
     .help = "search: kernels and lessons of related specs", .group = "Search"},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = offsetof(options, gpu), .arg = "NAME",
     .help = "search, lessons: of this GPU; h100 where a SPEC is given", .group = "Search"},
    {.name = "limit", .type = WS_OPT_INT, .offset = offsetof(options, limit), .fallback = "20",
     .min = 1, .max = 1000, .arg = "N", .group = "Search",
     .help = "search, lessons: at most so many"},
    {.name = "output", .letter = 'o', .type = WS_OPT_STRING, .offset = offsetof(options, output),
     .fallback = "-", .arg = "FILE", .help = "packet: where to write; - is standard output",
     .group = "Packet"},
    {.name = "run", .type = WS_OPT_STRING, .offset = offsetof(options, run), .arg = "RUN",
     .help = "rejudge: this run's alone", .group = "Rejudge"},
    {.name = "dry-run", .type = WS_OPT_FLAG, .offset = offsetof(options, dry_run),
     .help = "rejudge: say what would fall and change nothing", .group = "Rejudge"},
    {.name = "stricter", .type = WS_OPT_STRING, .offset = offsetof(options, stricter),
     .arg = "RULE", .group = "Rejudge",
     .help = "rejudge: what would fall if less of each tolerance were allowed: tolerance=0.5"},
    {.name = "apply", .type = WS_OPT_FLAG, .offset = offsetof(options, apply),
     .help = "rejudge: demote by --stricter, too, which alone changes nothing", .group = "Rejudge"},
    CLI_COMMON_OPTIONS};

/* ---- list ---- */

static ws_status list(db_archive *db, bool json, ws_err *err)
{
    ws_arena a = {0};
    db_run *run;
    int n;
    if (db_run_list(db, &a, &run, &n, err))
        return err->status;
    cJSON *array = json ? cJSON_CreateArray() : NULL;
    for (int i = 0; i < n; i++) {
        if (json) {
            cJSON *o = cJSON_CreateObject();
            cJSON_AddStringToObject(o, "name", run[i].name);
            cJSON_AddStringToObject(o, "spec", run[i].spec_name);
            cJSON_AddStringToObject(o, "status", run[i].status);
            cJSON_AddStringToObject(o, "model", run[i].model ? run[i].model : "");
            cJSON_AddStringToObject(o, "started", run[i].started);
            cJSON_AddItemToArray(array, o);
        } else {
            printf("%-40s %-12s %-28s %s\n", run[i].name, run[i].status, run[i].spec_name,
                   run[i].model ? run[i].model : "");
        }
    }
    if (json)
        cli_print_json(array);
    else if (!n)
        puts("no runs");
    ws_arena_release(&a);
    return WS_OK;
}

/* ---- show ---- */

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
    if (c->tune_json)
        printf("  %s", c->tune_json);
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
        if (outcome && strcmp(outcome, "ok") != 0)
            printf("            %s, HTTP %.0f: %s\n", outcome,
                   cJSON_IsNumber(status) ? status->valuedouble : 0, detail ? detail : "");
    }
    cJSON_Delete(attempts);
}

static void show_text(const shown *s)
{
    const db_run *r = &s->run;
    printf("%s: %s for %s, %s%s%s\n", r->name, r->spec_name, r->gpu ? r->gpu : "?", r->status,
           r->stop_reason && strcmp(r->stop_reason, r->status) ? ", " : "",
           r->stop_reason && strcmp(r->stop_reason, r->status) ? r->stop_reason : "");
    printf("  model '%s'%s%s%s\n", r->model ? r->model : "", r->base_url ? " at " : "",
           r->base_url ? r->base_url : "", r->scripted ? " (scripted replies)" : "");
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
        cJSON_AddStringToObject(o, "note", c->note);
    cJSON_AddStringToObject(o, "source", c->source);
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
    cJSON_AddStringToObject(o, "error", c->error ? c->error : "");
    cJSON_AddStringToObject(o, "model", c->model ? c->model : "");
    cJSON_AddStringToObject(o, "provider", c->provider ? c->provider : "");
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
    cJSON_AddStringToObject(o, "reply", c->content ? c->content : "");
    return o;
}

static void show_json(const shown *s)
{
    const db_run *r = &s->run;
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddStringToObject(o, "run", r->name);
    cJSON_AddStringToObject(o, "spec", r->spec_name);
    cJSON_AddStringToObject(o, "status", r->status);
    cJSON_AddStringToObject(o, "stop_reason", r->stop_reason ? r->stop_reason : "");
    cJSON_AddStringToObject(o, "model", r->model ? r->model : "");
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

static ws_status show(db_archive *db, const char *which, bool json, ws_err *err)
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

/* ---- check ---- */

static ws_status check(db_archive *db, bool json, ws_err *err)
{
    if (db_check(db, err))
        return err->status;
    if (!json) {
        puts("ok");
        return WS_OK;
    }
    cJSON *o = cJSON_CreateObject();
    cJSON_AddNumberToObject(o, "schema", 1);
    cJSON_AddBoolToObject(o, "ok", true);
    cli_print_json(o);
    return WS_OK;
}

/* Retrieval keeps what it finds out of specs; an archive that cannot be written is searched as it
 * is. */
static ws_status open_for_search(const char *path, db_archive **out, ws_err *err)
{
    ws_err ignored = {0};
    if (ws_file_exists(path) && !db_open(path, false, out, &ignored))
        return WS_OK;
    return db_open(path, true, out, err);
}

typedef struct subcommand {
    const char *name;
    int max_args;  /* after the name; -1: any number */
    enum { READS, SEARCHES, WRITES, OPENS } access; /* OPENS: what it wants by itself */
    ws_status (*run)(db_archive *db, const char **args, int n, const options *o, int *exit_code,
                     ws_err *err);
} subcommand;

static search_options search_options_of(const options *o)
{
    return (search_options){.like = o->like, .gpu = o->gpu, .limit = (int)o->limit,
                            .json = o->common.json};
}

static ws_status run_list(db_archive *db, const char **args, int n, const options *o,
                          int *exit_code, ws_err *err)
{
    (void)exit_code;
    (void)args, (void)n;
    return list(db, o->common.json, err);
}

static ws_status run_show(db_archive *db, const char **args, int n, const options *o,
                          int *exit_code, ws_err *err)
{
    (void)exit_code;
    return show(db, n ? args[0] : "last", o->common.json, err);
}

static ws_status run_check(db_archive *db, const char **args, int n, const options *o,
                           int *exit_code, ws_err *err)
{
    (void)exit_code;
    (void)args, (void)n;
    return check(db, o->common.json, err);
}

static ws_status run_search(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    (void)exit_code;
    search_options s = search_options_of(o);
    return archive_search(db, args, n, &s, err);
}

static ws_status run_lessons(db_archive *db, const char **args, int n, const options *o,
                             int *exit_code, ws_err *err)
{
    (void)exit_code;
    search_options s = search_options_of(o);
    return archive_lessons(db, n ? args[0] : NULL, &s, err);
}

static ws_status run_rejudge(db_archive *db, const char **args, int n, const options *o,
                             int *exit_code, ws_err *err)
{
    const rejudge_options r = {.run = o->run, .stricter = o->stricter, .dry_run = o->dry_run,
                               .apply = o->apply, .json = o->common.json};
    int fell = 0;
    (void)args, (void)n;
    if (o->apply && o->dry_run)
        return ws_fail(err, WS_EUSAGE, "--apply and --dry-run contradict each other");
    ws_status st = archive_rejudge(db, o->archive, &r, &fell, err);
    *exit_code = fell > 0;
    return st;
}

static ws_status run_packet(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    ws_arena a = {0};
    db_run r = {0};
    db_candidate c = {0};
    cJSON *packet = NULL;
    vfy_verdict *v = ws_calloc(1, sizeof *v);
    ws_status st = archive_choose(db, n ? args[0] : "last", &a, &r, &c, err);
    if (!st)
        st = archive_packet(db, &r, &c, v, &packet, err);
    if (!st)
        st = archive_packet_write(packet, o->output, err);
    *exit_code = !st && v->reason != HX_PASS;
    cJSON_Delete(packet);
    free(v);
    ws_arena_release(&a);
    return st;
}

static ws_status run_merge(db_archive *db, const char **args, int n, const options *o,
                           int *exit_code, ws_err *err)
{
    (void)db, (void)exit_code;
    return archive_merge(args, n, o->common.json, err);
}

static ws_status run_digest(db_archive *db, const char **args, int n, const options *o,
                            int *exit_code, ws_err *err)
{
    (void)db, (void)exit_code;
    return archive_digest(o->archive, n ? args[0] : NULL, o->common.json, err);
}

static const subcommand subcommands[] = {{"list", 0, READS, run_list},
                                         {"show", 1, READS, run_show},
                                         {"check", 0, READS, run_check},
                                         {"search", -1, SEARCHES, run_search},
                                         {"lessons", 1, SEARCHES, run_lessons},
                                         {"packet", 1, READS, run_packet},
                                         {"rejudge", 0, WRITES, run_rejudge},
                                         {"merge", -1, OPENS, run_merge},
                                         {"digest", 1, OPENS, run_digest}};

/* An archive that is not there is none to write to. */
static ws_status open_archive(const options *o, const subcommand *c, db_archive **out, ws_err *err)
{
    if (c->access == SEARCHES)
        return open_for_search(o->archive, out, err);
    const bool writes = c->access == WRITES && ws_file_exists(o->archive);
    return db_open(o->archive, !writes, out, err);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    const subcommand *c = NULL;
    db_archive *db = NULL;
    for (size_t i = 0; i < WS_COUNT(subcommands) && !c; i++)
        if (strcmp(args[0], subcommands[i].name) == 0)
            c = &subcommands[i];
    if (!c)
        return ws_fail(err, WS_EUSAGE,
                       "unknown subcommand 'archive %s'; there are list, show, check, search, "
                       "lessons, packet, rejudge, merge, digest",
                       args[0]);
    if (c->max_args >= 0 && nargs - 1 > c->max_args)
        return ws_fail(err, WS_EUSAGE, "archive %s takes %s; --archive FILE names the file",
                       args[0], c->max_args ? "one argument" : "no argument");
    if (o->gpu && cli_check_gpu(o->gpu, err))
        return err->status;
    ws_status st = c->access == OPENS ? WS_OK : open_archive(o, c, &db, err);
    if (!st)
        st = c->run(db, args + 1, nargs - 1, o, exit_code, err);
    db_close(db);
    return st;
}

const cli_command cmd_archive = {
    .doc = {.name = "archive",
            .summary = "list runs, show a run's candidates, search kernels and lessons, "
                       "judge again",
            .usage = "list | show [RUN] | search TEXT... | search --like SPEC | lessons [SPEC] | "
                     "check | packet [RUN | #ID] | rejudge | merge OUT IN... | digest [RUN | SWEEP]",
            .details =
            "RUN is a run's name, the beginning of one, its number, or 'last' (also when "
                       "it is left out).\nshow --json has every prompt, reply, source and verdict "
                       "of the run.\nsearch finds kernels that passed by the words of their notes, "
                       "specs and what their sources use (float4,\nshuffle, wmma, ...), and "
                       "lessons; --like those of specs with the same operations, numbers and "
                       "shapes.\nlessons are what runs learned: gains, losses and failures, with "
                       "the attempts that showed them.\ncheck looks for damage in the file.\n"
                       "packet verifies a candidate in full and writes its evidence packet, which "
                       "'warpsmith recheck' repeats.\n"
                       "rejudge verifies every candidate that passed again, in full, "
                       "demotes those that no longer hold and\nprints which and why; exit code 1 "
                       "means that some fell. An interrupted one goes on where it was.\n"
                       "merge puts archives together, such as those of a sweep's shards: the same "
                       "one twice changes nothing.\n"
                       "digest prints a hash of what the archive says, without times and row "
                       "numbers: equal ones hold the\nsame runs with the same results.",
            .examples = "warpsmith archive list\nwarpsmith archive show last --json\n"
                        "warpsmith archive search online softmax\n"
                        "warpsmith archive search --like softmax\n"
                        "warpsmith archive lessons softmax\n"
                        "warpsmith archive packet last -o best.packet.json\n"
                        "warpsmith archive rejudge --dry-run\n"
                        "warpsmith archive merge all.db shard-*.db",
            .options = option_table,
            .min_args = 1,
            .max_args = -1},
    .values_size = sizeof(options),
    .run = run,
};
