#include "agent/cli.h"
#include "agent/llm/replay.h"
#include "agent/llm/script.h"
#include "agent/loop/loop.h"
#include "base/file.h"
#include "base/log.h"
#include "specs/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *model, *base_url, *api_key_file, *archive, *gpu, *arch, *prompts, *resume;
    const char *effort, *export_path;
    int64_t rounds, max_tokens, tokens, calls, tune_max, attempts, seed;
    double temperature, time, idle, timeout, max_wait;
    bool no_stream, insecure;
    struct { /* what replaces the own options of a run that is resumed */
        bool model, base_url, prompts, effort, rounds, max_tokens, tokens, calls, tune, temperature;
        bool time, stream, gpu, arch;
    } given;
} options;

#define OPT(field) offsetof(options, field)
#define GIVEN(field) .given = offsetof(options, given.field)
static const ws_opt option_table[] = {
    {.name = "model", .letter = 'm', .type = WS_OPT_STRING, .offset = OPT(model), .arg = "NAME",
     .help = "model to ask", .group = "Model", .env = "WARPSMITH_MODEL", GIVEN(model)},
    {.name = "base-url", .letter = 'u', .type = WS_OPT_STRING, .offset = OPT(base_url),
     .arg = "URL", .help = "OpenAI-compatible server, up to and including /v1", .group = "Model",
     .env = "OPENAI_BASE_URL", GIVEN(base_url)},
    {.name = "api-key-file", .type = WS_OPT_STRING, .offset = OPT(api_key_file), .arg = "FILE",
     .help = "read the key from FILE instead of OPENAI_API_KEY", .group = "Model"},
    {.name = "no-stream", .type = WS_OPT_FLAG, .offset = OPT(no_stream),
     .help = "ask for whole replies instead of a stream", .group = "Model", GIVEN(stream)},
    {.name = "max-tokens", .type = WS_OPT_INT, .offset = OPT(max_tokens), .fallback = "16000",
     .arg = "N", .help = "longest reply, reasoning included; 0 leaves it to the server",
     .group = "Model", .min = 0, .max = 100000000, GIVEN(max_tokens)},
    {.name = "temperature", .type = WS_OPT_NUMBER, .offset = OPT(temperature), .fallback = "-1",
     .arg = "T", .help = "sampling temperature; negative leaves it to the server", .group = "Model",
     GIVEN(temperature)},
    {.name = "reasoning-effort", .type = WS_OPT_STRING, .offset = OPT(effort), .arg = "LEVEL",
     .help = "sent as reasoning_effort", .group = "Model", GIVEN(effort)},
    {.name = "attempts", .type = WS_OPT_INT, .offset = OPT(attempts), .fallback = "5", .arg = "N",
     .help = "requests per call, retries included", .group = "Model", .min = 1, .max = 100},
    {.name = "idle-timeout", .type = WS_OPT_SECONDS, .offset = OPT(idle), .fallback = "300s",
     .arg = "TIME", .help = "give a stream up after this long without data", .group = "Model"},
    {.name = "timeout", .type = WS_OPT_SECONDS, .offset = OPT(timeout), .fallback = "30m",
     .arg = "TIME", .help = "give a request up after this long", .group = "Model"},
    {.name = "max-wait", .type = WS_OPT_SECONDS, .offset = OPT(max_wait), .fallback = "2m",
     .arg = "TIME", .help = "longest Retry-After that is waited out", .group = "Model"},
    {.name = "insecure-http", .type = WS_OPT_FLAG, .offset = OPT(insecure),
     .help = "send the key over plain http", .group = "Model"},
    {.name = "prompts", .type = WS_OPT_STRING, .offset = OPT(prompts), .arg = "DIR",
     .help = "templates that replace the bundled ones", .group = "Model", GIVEN(prompts)},
    {.name = "rounds", .letter = 'n', .type = WS_OPT_INT, .offset = OPT(rounds), .fallback = "6",
     .arg = "N", .help = "replies to ask for; 0 is no limit", .group = "Budget", .min = 0,
     .max = 1000000, GIVEN(rounds)},
    {.name = "max-time", .type = WS_OPT_SECONDS, .offset = OPT(time), .fallback = "0",
     .arg = "TIME", .help = "time of the run, all its sessions together; 0 is no limit",
     .group = "Budget", GIVEN(time)},
    {.name = "token-budget", .type = WS_OPT_INT, .offset = OPT(tokens), .fallback = "0", .arg = "N",
     .help = "tokens of the run; 0 is no limit", .group = "Budget", .min = 0,
     .max = 1000000000000000, GIVEN(tokens)},
    {.name = "call-budget", .type = WS_OPT_INT, .offset = OPT(calls), .fallback = "0", .arg = "N",
     .help = "requests of the run, retries included; 0 is no limit", .group = "Budget", .min = 0,
     .max = 1000000000, GIVEN(calls)},
    {.name = "tune", .type = WS_OPT_INT, .offset = OPT(tune_max), .fallback = "16", .arg = "N",
     .help = "tunable settings tried per kernel that passes", .group = "Budget", .min = 0,
     .max = 4096, GIVEN(tune)},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = OPT(gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device", GIVEN(gpu)},
    {.name = "arch", .type = WS_OPT_STRING, .offset = OPT(arch), .fallback = "sm_90", .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device", GIVEN(arch)},
    {.name = "seed", .type = WS_OPT_INT, .offset = OPT(seed), .fallback = "0", .arg = "N",
     .help = "seed of the inputs of a new run; 0 takes a fresh one", .group = "Device"},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "export", .letter = 'o', .type = WS_OPT_STRING, .offset = OPT(export_path),
     .arg = "FILE", .help = "write the winner's header", .group = "Output"},
    {.name = "resume", .type = WS_OPT_STRING, .offset = OPT(resume), .arg = "RUN",
     .help = "go on with a run of the archive, with its own options; 'last' is the newest"},
    CLI_COMMON_OPTIONS};

/* The key leaves the environment: no child, not even one that is only forked, shows it. */
static ws_status read_key(const options *o, ws_buf *key, ws_err *err)
{
    char *env = getenv("OPENAI_API_KEY");
    key->max = 4096;
    if (env) {
        if (!o->api_key_file)
            ws_buf_adds(key, env);
        explicit_bzero(env, strlen(env));
        unsetenv("OPENAI_API_KEY");
    }
    if (o->api_key_file && ws_read_file(o->api_key_file, 4096, key, err))
        return ws_wrap(err, "--api-key-file");
    while (key->n && strchr(" \t\r\n", key->p[key->n - 1]))
        key->p[--key->n] = '\0';
    if (o->api_key_file && !key->n)
        return ws_fail(err, WS_EINPUT, "--api-key-file '%s' is empty", o->api_key_file);
    return WS_OK;
}

/* The model of the bundled script when none is configured and the spec has one. */
static ws_status use_replay(const char *spec_name, replay_server **server, ws_buf *url,
                            loop_options *l, ws_err *err)
{
    static char path[4096];
    script replies = {0};
    if (!replay_find_script(spec_name, path, sizeof path)) {
        ws_fail(err, WS_EENV, "no model is configured, and '%s' has no bundled script", spec_name);
        return ws_hint(err, "set OPENAI_API_KEY and --model, or --base-url of a local server; "
                            "'warpsmith doctor' lists the scripts");
    }
    replay_options r = {.script = path};
    if (script_load(path, &replies, err))
        return err->status;
    l->script_replies = replies.n_turns;
    script_release(&replies);
    if (replay_start(&r, server, err))
        return err->status;
    ws_buf_printf(url, "http://127.0.0.1:%d/v1", replay_port(*server));
    l->scripted = true;
    l->base_url = ws_buf_z(url);
    l->model = "scripted";
    if (ws_log_level() >= WS_LOG_WARN)
        fprintf(stderr,
                "no model is configured: scripted replies of '%s' answer over HTTP on loopback\n",
                path);
    return WS_OK;
}

static ws_status same_device(const options *o, const db_run *r, ws_err *err)
{
    if (o->given.gpu && strcmp(o->gpu, r->gpu) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --gpu %s, not %s", r->name, r->gpu, o->gpu);
    if (o->given.arch && strcmp(o->arch, r->arch) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --arch %s, not %s", r->name, r->arch,
                       o->arch);
    return WS_OK;
}

/* The stored options of the run, where none is given now. */
static ws_status options_of_run(const options *o, const db_run *r, ws_arena *a, loop_options *l,
                                ws_err *err)
{
    loop_options old = *l;
    if (loop_options_of_run(r, a, &old, err) || same_device(o, r, err))
        return err->status;
#define KEEP(field, is_given)                                                                      \
    if (!(is_given))                                                                               \
        l->field = old.field
    KEEP(model, o->given.model);
    KEEP(base_url, o->given.base_url);
    KEEP(no_stream, o->given.stream);
    KEEP(max_tokens, o->given.max_tokens);
    KEEP(temperature, o->given.temperature);
    KEEP(reasoning_effort, o->given.effort);
    KEEP(prompts, o->given.prompts);
    KEEP(tune_max, o->given.tune);
    KEEP(budget.rounds, o->given.rounds);
    KEEP(budget.tokens, o->given.tokens);
    KEEP(budget.calls, o->given.calls);
    KEEP(budget.seconds, o->given.time);
#undef KEEP
    l->gpu = r->gpu;
    l->arch = r->arch;
    return WS_OK;
}

/* Which spec, and for a resumed run its options: it goes on with the spec that it has. */
static ws_status find_work(const options *o, const char **args, int nargs, ws_arena *a, db_run *run,
                           loop_options *l, const char **spec_name, ws_err *err)
{
    spec *s = NULL;
    db_archive *db = NULL;
    if (!nargs && !o->resume) {
        ws_fail(err, WS_EUSAGE, "optimize needs a SPEC, or --resume RUN");
        return ws_hint(err, "'warpsmith spec list' shows the specs");
    }
    if (nargs) {
        if (spec_find(args[0], &s, err))
            return err->status;
        *spec_name = ws_arena_strdup(a, s->name);
        spec_free(s);
    }
    if (!o->resume)
        return WS_OK;
    ws_status st = db_open(o->archive, true, &db, err);
    if (!st)
        st = db_run_find(db, o->resume, a, run, err);
    db_close(db);
    if (st)
        return st;
    if (nargs && strcmp(*spec_name, run->spec_name) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is of '%s', not of '%s'", run->name,
                       run->spec_name, *spec_name);
    *spec_name = run->spec_name;
    return options_of_run(o, run, a, l, err);
}

/* Whose replies: a configured server, or the bundled script. */
static ws_status choose_model(const ws_buf *key, loop_options *l, ws_err *err)
{
    l->api_key = ws_buf_z(key);
    if (!l->base_url || !*l->base_url)
        l->base_url = "https://api.openai.com/v1";
    if (l->model && *l->model)
        return WS_OK;
    ws_fail(err, WS_EUSAGE, "no model is named");
    return ws_hint(err, "give --model NAME, or set WARPSMITH_MODEL");
}

static ws_status check_limits(const options *o, ws_err *err)
{
    if (o->idle <= 0 || o->timeout <= 0 || o->max_wait <= 0)
        return ws_fail(err, WS_EUSAGE,
                       "--idle-timeout, --timeout and --max-wait must be more than 0");
    return cli_check_gpu(o->gpu, err);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    ws_arena a = {0};
    ws_buf key = {0}, url = {0};
    replay_server *server = NULL;
    db_run old = {0};
    const char *spec_name = NULL;
    loop_options l = {
        .spec = nargs ? args[0] : NULL, .model = o->model, .base_url = o->base_url,
        .archive = o->archive, .gpu = o->gpu, .arch = o->arch, .prompts = o->prompts,
        .resume = o->resume, .export_path = o->export_path, .reasoning_effort = o->effort,
        .no_stream = o->no_stream, .json = o->common.json, .allow_insecure = o->insecure,
        .max_tokens = o->max_tokens, .tune_max = o->tune_max, .temperature = o->temperature,
        .seed = o->seed,
        .budget = {o->rounds, o->tokens, o->calls, o->time},
        .limits = {.max_attempts = (int)o->attempts, .idle_s = o->idle, .total_s = o->timeout,
                   .max_wait_s = o->max_wait},
    };
    ws_status st = read_key(o, &key, err);
    if (!st)
        st = check_limits(o, err);
    if (!st)
        st = find_work(o, args, nargs, &a, &old, &l, &spec_name, err);
    if (!st) {
        l.resume = o->resume ? old.name : NULL; /* 'last' may be another run soon */
        /* A scripted run stays one, and no other becomes one: the archive says which it is. */
        bool configured = o->resume ? !old.scripted : key.n || (o->base_url && *o->base_url);
        st = configured ? choose_model(&key, &l, err)
                        : use_replay(spec_name, &server, &url, &l, err);
    }
    if (!st)
        st = loop_run(&l, exit_code, err);
    replay_stop(server);
    if (key.p)
        explicit_bzero(key.p, key.cap);
    ws_buf_release(&key);
    ws_buf_release(&url);
    ws_arena_release(&a);
    return st;
}

const cli_command cmd_optimize = {
    .doc = {.name = "optimize",
            .summary = "ask a model for kernels, judge them, keep the fastest that can be trusted",
            .usage = "SPEC [options], or --resume RUN [options]",
            .details =
            "Without a configured model, specs that have a bundled script run against the "
                       "replay server.\nCtrl-C stops after the step at hand; --resume goes on, and "
                       "asks "
                       "for no reply twice.\nExit code 1: nothing was faster than the plain "
                       "translation; 5: the model gave no answer; 6: a budget is spent.",
            .examples = "warpsmith optimize softmax --export softmax.cuh\n"
                        "warpsmith optimize softmax --model gpt-5.4-mini --rounds 10\n"
                        "warpsmith optimize --resume last",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
