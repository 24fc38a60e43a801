/* Strategies side by side, on the same recorded replies or against the same played model. Each runs
 * as its own `warpsmith optimize` with an archive of its own, so that none learns from another. */
#include "agent/cli.h"
#include "agent/llm/cassette.h"
#include "agent/llm/replay.h"
#include "agent/money/price.h"
#include "agent/strategy/strategy.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proc.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLAYED_ROUNDS = 16, PATH_SIZE = 512 };

typedef struct options {
    cli_common common;
    ws_opt_list strategies;
    const char *replay, *behaviour, *gpu, *arch, *keep, *prices;
    int64_t lanes, rounds, seed, tune, delay_ms;
} options;

#define FIELD(f) .offset = offsetof(options, f)
static const ws_opt option_table[] = {
    {.name = "replay", .type = WS_OPT_STRING, FIELD(replay), .arg = "FILE",
     .help = "a recording of optimize --record, with its options where none is given"},
    {.name = "behaviour", .type = WS_OPT_STRING, FIELD(behaviour), .arg = "NAME",
     .help = "a played model: perfect, sloppy, wrong, plagiarist or flaky"},
    {.name = "strategy", .letter = 's', .type = WS_OPT_LIST, FIELD(strategies), .arg = "NAME",
     .help = "one to compare, repeatable; all when none is named"},
    {.name = "lanes", .letter = 'l', .type = WS_OPT_INT, FIELD(lanes), .fallback = "0", .arg = "N",
     .help = "requests at the same time; of a played model 4", .min = 0, .max = 64},
    {.name = "rounds", .letter = 'n', .type = WS_OPT_INT, FIELD(rounds), .fallback = "0",
     .arg = "N", .help = "replies of each; 0: as many as are recorded, of a played model 16",
     .min = 0, .max = 1000000},
    {.name = "seed", .type = WS_OPT_INT, FIELD(seed), .fallback = "0", .arg = "N",
     .help = "of inputs, strategies and played models; of a played model 1", .min = 0,
     .max = INT64_MAX},
    {.name = "tune", .type = WS_OPT_INT, FIELD(tune), .fallback = "-1", .arg = "N",
     .help = "tunable settings tried per kernel that passes; of a played model 4", .min = -1,
     .max = 100000},
    {.name = "delay-ms", .type = WS_OPT_INT, FIELD(delay_ms), .fallback = "0", .arg = "N",
     .help = "of a played model before an answer", .min = 0, .max = 60000},
    {.name = "prices", .type = WS_OPT_STRING, FIELD(prices), .arg = "FILE",
     .help = "prices of models in the place of the bundled table"},
    {.name = "keep", .type = WS_OPT_STRING, FIELD(keep), .arg = "DIR",
     .help = "keep the archives there, one a strategy"},
    {.name = "gpu", .type = WS_OPT_STRING, FIELD(gpu), .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, FIELD(arch), .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device"},
    CLI_COMMON_OPTIONS};

typedef struct row {
    const char *strategy, *status, *stop;
    db_totals totals;
    int answered;
    double cost_usd;        /* of the tokens at today's prices, NaN: unknown */
    double first_s, best_s; /* generation 0, the fastest that passes; NaN: none */
    double wall_s;
    int exit_code;
} row;

typedef struct comparison {
    const options *o;
    const char *spec, *self;
    char dir[PATH_SIZE];
    int64_t rounds;
    price_table *prices;
    ws_arena arena;
    row *row;
    int n;
} comparison;

/* ---- one strategy ---- */

enum { MAX_ARGS = 40 };

typedef struct arguments {
    const char *v[MAX_ARGS];
    int n;
} arguments;

static void add(arguments *a, const char *name, const char *value)
{
    if (a->n + 3 > MAX_ARGS)
        ws_bug("too many arguments");
    a->v[a->n++] = name;
    if (value)
        a->v[a->n++] = value;
}

static void add_number(comparison *c, arguments *a, const char *name, int64_t value)
{
    add(a, name, ws_arena_printf(&c->arena, "%" PRId64, value));
}

/* What is not given is left to the recording. */
static void add_options(comparison *c, const row *r, const char *archive, arguments *a)
{
    const options *o = c->o;
    bool played = o->behaviour != NULL;
    add(a, c->self, "optimize");
    add(a, c->spec, NULL);
    add(a, "--quiet", NULL);
    add(a, "--strategy", r->strategy);
    add(a, "--archive", archive);
    add_number(c, a, "--rounds", c->rounds);
    if (o->lanes || played)
        add_number(c, a, "--lanes", o->lanes ? o->lanes : 4);
    if (o->seed || played)
        add_number(c, a, "--seed", o->seed ? o->seed : 1);
    if (o->tune >= 0 || played)
        add_number(c, a, "--tune", o->tune >= 0 ? o->tune : 4);
    if (o->gpu)
        add(a, "--gpu", o->gpu);
    if (o->arch)
        add(a, "--arch", o->arch);
}

static ws_status run_child(comparison *c, row *r, const char *archive, const char *url, ws_err *err)
{
    const options *o = c->o;
    arguments a = {.n = 0};
    ws_proc child;
    ws_proc_result result;
    ws_buf said = {0};
    add_options(c, r, archive, &a);
    if (url) {
        add(&a, "--base-url", url);
        add(&a, "--model", o->behaviour);
    } else {
        add(&a, "--replay", o->replay);
        add(&a, "--loose", NULL);
    }
    int64_t begin = ws_now_ns();
    if (ws_proc_spawn(&(ws_proc_options){.argv = a.v, .keep_output = true}, &child, err) ||
        ws_proc_wait(&child, 0, &said, &result, err)) {
        ws_buf_release(&said);
        return err->status;
    }
    r->wall_s = ws_seconds_since(begin);
    r->exit_code = result.how == WS_PROC_EXITED ? result.code : 128 + result.code;
    ws_log(r->exit_code > 1 && r->exit_code != 5 && r->exit_code != 6 ? WS_LOG_ERROR : WS_LOG_DEBUG,
           "%s: exit code %d: %s", r->strategy, r->exit_code, ws_buf_z(&said));
    ws_buf_release(&said);
    return WS_OK;
}

static double seconds_of(const db_candidate *k)
{
    return isnan(k->measured_s) ? k->modelled_s : k->measured_s;
}

static ws_status read_times(comparison *c, db_archive *db, int64_t run, row *r, ws_err *err)
{
    db_candidate *k;
    int n;
    if (db_candidate_list(db, run, &c->arena, &k, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        double s = strcmp(k[i].reason, "pass") == 0 ? seconds_of(&k[i]) : (double)NAN;
        if (k[i].round == 0 && strcmp(k[i].origin, "emitted") == 0)
            r->first_s = s;
        if (s > 0 && !(s >= r->best_s))
            r->best_s = s;
    }
    return WS_OK;
}

/* What the reply costs where it is paid for; a replay pays nothing. */
static double cost_of(const comparison *c, const db_call *call)
{
    price p;
    if (call->cost_usd > 0)
        return call->cost_usd;
    if (!call->model || !price_find(c->prices, call->provider, call->model, NULL, &p))
        return (double)NAN;
    return price_cost(&p, &(price_usage){.prompt = call->prompt_tokens,
                                         .cached = call->cached_tokens,
                                         .cache_write = -1,
                                         .completion = call->completion_tokens,
                                         .reasoning = call->reasoning_tokens});
}

static ws_status read_answers(comparison *c, db_archive *db, int64_t run, row *r, ws_err *err)
{
    db_call *call;
    int n;
    if (db_call_list(db, run, &c->arena, &call, &n, err))
        return err->status;
    for (int i = 0; i < n; i++) {
        if (strcmp(call[i].state, "done") != 0 || call[i].completion_tokens <= 0)
            continue;
        r->answered++;
        r->cost_usd += cost_of(c, &call[i]);
    }
    return WS_OK;
}

static ws_status read_archive(comparison *c, const char *archive, row *r, ws_err *err)
{
    db_archive *db = NULL;
    db_run run;
    r->first_s = r->best_s = (double)NAN;
    if (db_open(archive, true, &db, err))
        return err->status;
    ws_status st = db_run_find(db, "last", &c->arena, &run, err);
    if (!st && !(st = db_run_totals(db, run.id, &r->totals, err)) &&
        !(st = read_times(c, db, run.id, r, err)))
        st = read_answers(c, db, run.id, r, err);
    if (!st) {
        r->status = run.status;
        r->stop = run.stop_reason ? run.stop_reason : run.status;
    }
    db_close(db);
    return st;
}

static ws_status run_strategy(comparison *c, row *r, ws_err *err)
{
    const options *o = c->o;
    replay_server *server = NULL;
    char url[64];
    const char *archive = ws_arena_printf(&c->arena, "%s/%s.db", c->dir, r->strategy);
    if (ws_file_exists(archive))
        return ws_fail(err, WS_EUSAGE, "'%s' is there already", archive);
    if (o->behaviour) {
        replay_options ro = {.behaviour = o->behaviour,
                             .seed = (uint64_t)(o->seed ? o->seed : 1),
                             .delay_ms = o->delay_ms};
        if (replay_start(&ro, &server, err))
            return err->status;
        snprintf(url, sizeof url, "http://127.0.0.1:%d/v1", replay_port(server));
    }
    ws_status st = run_child(c, r, archive, server ? url : NULL, err);
    replay_stop(server);
    if (!st && !ws_file_exists(archive))
        st = ws_fail(err, WS_EENV, "optimize left no archive, exit code %d", r->exit_code);
    return st ? st : read_archive(c, archive, r, err);
}

/* ---- the table ---- */

static double speed_up(const row *r)
{
    return r->first_s / r->best_s;
}

static void print_table(const comparison *c)
{
    printf("%-10s %8s %10s %7s %9s %11s %9s %8s %8s %7s  %s\n", "strategy", "replies", "candidates",
           "passed", "speed-up", "best", "tokens", "cost", "model", "judge", "stopped because");
    for (int i = 0; i < c->n; i++) {
        const row *r = &c->row[i];
        const db_totals *t = &r->totals;
        char best[32] = "-", ratio[32] = "-", cost[32] = "unknown";
        if (!isnan(r->best_s))
            snprintf(best, sizeof best, "%.2f us", r->best_s * 1e6);
        if (isfinite(speed_up(r)))
            snprintf(ratio, sizeof ratio, "%.2fx", speed_up(r));
        if (!isnan(r->cost_usd))
            snprintf(cost, sizeof cost, "$%.4f", r->cost_usd);
        printf("%-10s %8d %10d %7d %9s %11s %9" PRId64 " %8s %7.1fs %6.1fs  %s\n", r->strategy,
               r->answered, t->candidates, t->passed, ratio, best,
               t->prompt_tokens + t->completion_tokens, cost, t->model_seconds, t->judge_seconds,
               r->stop);
    }
}

static void print_json(const comparison *c)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "schema", 1);
    cJSON_AddStringToObject(root, "spec", c->spec);
    cJSON_AddStringToObject(root, c->o->replay ? "replay" : "behaviour",
                            c->o->replay ? c->o->replay : c->o->behaviour);
    cJSON *array = cJSON_AddArrayToObject(root, "strategies");
    for (int i = 0; i < c->n; i++) {
        const row *r = &c->row[i];
        const db_totals *t = &r->totals;
        cJSON *o = cJSON_CreateObject();
        cJSON_AddStringToObject(o, "strategy", r->strategy);
        cJSON_AddNumberToObject(o, "replies", r->answered);
        cJSON_AddNumberToObject(o, "requests", t->attempts);
        cJSON_AddNumberToObject(o, "candidates", t->candidates);
        cJSON_AddNumberToObject(o, "passed", t->passed);
        ws_json_add_double(o, "first_seconds", r->first_s);
        ws_json_add_double(o, "best_seconds", r->best_s);
        ws_json_add_double(o, "speed_up", speed_up(r));
        ws_json_add_int(o, "prompt_tokens", t->prompt_tokens);
        ws_json_add_int(o, "completion_tokens", t->completion_tokens);
        ws_json_add_double(o, "cost_usd", r->cost_usd);
        ws_json_add_double(o, "model_seconds", t->model_seconds);
        ws_json_add_double(o, "judge_seconds", t->judge_seconds);
        ws_json_add_double(o, "wall_seconds", r->wall_s);
        cJSON_AddStringToObject(o, "status", r->status);
        cJSON_AddStringToObject(o, "stop_reason", r->stop);
        cJSON_AddNumberToObject(o, "exit_code", r->exit_code);
        cJSON_AddItemToArray(array, o);
    }
    cli_print_json(root);
}

/* ---- all of them ---- */

/* As many answers as the recording holds. */
static ws_status count_answers(comparison *c, ws_err *err)
{
    cassette *tape = NULL;
    ws_err ignored = {0};
    if (cassette_replay_open(c->o->replay, NULL, &tape, err))
        return err->status;
    for (int i = 0; i < cassette_count(tape); i++) {
        const cassette_exchange *x = cassette_get(tape, i);
        c->rounds += x->end == CASSETTE_COMPLETE && x->status / 100 == 2;
    }
    if (cassette_close(tape, &ignored))
        ws_log(WS_LOG_DEBUG, "%s", ignored.msg);
    return c->rounds ? WS_OK : ws_fail(err, WS_EINPUT, "'%s' holds no answer", c->o->replay);
}

static ws_status choose(comparison *c, ws_err *err)
{
    const ws_opt_list *named = &c->o->strategies;
    while (strategies[c->n])
        c->n++;
    c->row = WS_ARENA_NEW(&c->arena, row, named->n ? (int)named->n : c->n);
    if (!named->n)
        for (int i = 0; i < c->n; i++)
            c->row[i].strategy = strategies[i]->name;
    else
        c->n = (int)named->n;
    for (size_t i = 0; i < named->n; i++) {
        if (!strategy_find(named->item[i]))
            return ws_fail(err, WS_EUSAGE, "no strategy '%s'", named->item[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(named->item[i], named->item[k]) == 0)
                return ws_fail(err, WS_EUSAGE, "strategy '%s' is named twice", named->item[i]);
        c->row[i].strategy = named->item[i];
    }
    return WS_OK;
}

static ws_status open_dir(comparison *c, ws_err *err)
{
    if (c->o->keep) {
        snprintf(c->dir, sizeof c->dir, "%s", c->o->keep);
        return ws_make_dirs(c->dir, err);
    }
    const char *base = getenv("TMPDIR");
    snprintf(c->dir, sizeof c->dir, "%s/warpsmith-compare-XXXXXX", base && *base ? base : "/tmp");
    return mkdtemp(c->dir) ? WS_OK : ws_fail_errno(err, WS_EENV, "cannot make '%s'", c->dir);
}

static void remove_dir(comparison *c)
{
    static const char *const tails[] = {"", "-wal", "-shm", ".lock"};
    char path[PATH_SIZE + 64];
    if (c->o->keep || !c->dir[0])
        return;
    for (int i = 0; i < c->n; i++)
        for (size_t k = 0; k < WS_COUNT(tails); k++) {
            snprintf(path, sizeof path, "%s/%s.db%s", c->dir, c->row[i].strategy, tails[k]);
            unlink(path);
        }
    if (rmdir(c->dir))
        ws_log(WS_LOG_WARN, "'%s' is not empty", c->dir);
}

static ws_status compare(comparison *c, ws_err *err)
{
    ws_status st = choose(c, err);
    if (!st)
        st = price_table_open(c->o->prices, &c->prices, err);
    if (!st && c->o->replay && !c->rounds)
        st = count_answers(c, err);
    if (!st)
        st = open_dir(c, err);
    for (int i = 0; !st && i < c->n; i++) {
        ws_log(WS_LOG_INFO, "%s", c->row[i].strategy);
        if ((st = run_strategy(c, &c->row[i], err)))
            ws_wrap(err, "strategy '%s'", c->row[i].strategy);
        else if (cli_interrupted)
            st = ws_fail(err, WS_EINTR, "interrupted after strategy '%s'", c->row[i].strategy);
    }
    return st;
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    comparison c = {.o = o, .spec = args[0], .self = ws_proc_self(), .rounds = o->rounds};
    (void)nargs;
    (void)exit_code;
    if (!o->replay == !o->behaviour)
        return ws_fail(err, WS_EUSAGE, "name the replies: --replay FILE, or --behaviour NAME");
    if (!c.rounds && o->behaviour)
        c.rounds = PLAYED_ROUNDS;
    ws_status st = compare(&c, err);
    if (!st && o->common.json)
        print_json(&c);
    else if (!st)
        print_table(&c);
    remove_dir(&c);
    price_table_close(c.prices);
    ws_arena_release(&c.arena);
    return st;
}

const cli_command cmd_compare = {
    .doc = {.name = "compare",
            .summary = "run strategies on the same recorded replies and print them side by side",
            .usage = "SPEC (--replay FILE | --behaviour NAME) [options]",
            .details =
                "A strategy that asks something that was not recorded gets the next recorded "
                "answer of\n"
                "the same turn or model. Model seconds and costs are those of the recording.",
            .examples =
                "warpsmith compare softmax --replay run.jsonl\n"
                "warpsmith compare softmax --behaviour sloppy --strategy refine --strategy evolve",
            .options = option_table,
            .min_args = 1,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
