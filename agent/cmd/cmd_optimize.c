#include "agent/cli.h"
#include "agent/llm/replay.h"
#include "agent/loop/loop.h"
#include "specs/spec.h"
#include "base/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct options {
    cli_common common;
    const char *model, *base_url, *api_key_file, *archive, *gpu, *arch, *prompts, *resume, *export_path;
    const char *effort;
    int64_t rounds, max_tokens, tokens, calls, tune_max, attempts;
    double temperature, time, idle;
    bool no_stream, insecure;
} options;

#define OPT(field) offsetof(options, field)
static const ws_opt option_table[] = {
    {.name = "model", .letter = 'm', .type = WS_OPT_STRING, .offset = OPT(model), .arg = "NAME",
     .help = "model to ask", .group = "Model", .env = "WARPSMITH_MODEL"},
    {.name = "base-url", .letter = 'u', .type = WS_OPT_STRING, .offset = OPT(base_url), .arg = "URL",
     .help = "OpenAI-compatible server, up to and including /v1", .group = "Model",
     .env = "OPENAI_BASE_URL"},
    {.name = "api-key-file", .type = WS_OPT_STRING, .offset = OPT(api_key_file), .arg = "FILE",
     .help = "read the key from FILE instead of OPENAI_API_KEY", .group = "Model"},
    {.name = "no-stream", .type = WS_OPT_FLAG, .offset = OPT(no_stream),
     .help = "ask for whole replies instead of a stream", .group = "Model"},
    {.name = "max-tokens", .type = WS_OPT_INT, .offset = OPT(max_tokens), .fallback = "16000",
     .arg = "N", .help = "longest reply, reasoning included; 0 leaves it to the server",
     .group = "Model"},
    {.name = "temperature", .type = WS_OPT_NUMBER, .offset = OPT(temperature), .fallback = "-1",
     .arg = "T", .help = "sampling temperature; negative leaves it to the server", .group = "Model"},
    {.name = "reasoning-effort", .type = WS_OPT_STRING, .offset = OPT(effort), .arg = "LEVEL",
     .help = "sent as reasoning_effort", .group = "Model"},
    {.name = "attempts", .type = WS_OPT_INT, .offset = OPT(attempts), .fallback = "5", .arg = "N",
     .help = "requests per call, retries included", .group = "Model", .min = 1, .max = 100},
    {.name = "idle-timeout", .type = WS_OPT_SECONDS, .offset = OPT(idle), .fallback = "300s",
     .arg = "TIME", .help = "give a stream up after this long without data", .group = "Model"},
    {.name = "insecure-http", .type = WS_OPT_FLAG, .offset = OPT(insecure),
     .help = "send the key over plain http", .group = "Model"},
    {.name = "prompts", .type = WS_OPT_STRING, .offset = OPT(prompts), .arg = "DIR",
     .help = "templates that replace the bundled ones", .group = "Model"},
    {.name = "rounds", .letter = 'n', .type = WS_OPT_INT, .offset = OPT(rounds), .fallback = "6",
     .arg = "N", .help = "replies to ask for", .group = "Budget", .min = 0, .max = 1000000},
    {.name = "max-time", .type = WS_OPT_SECONDS, .offset = OPT(time), .fallback = "0", .arg = "TIME",
     .help = "wall time of the run; 0 is no limit", .group = "Budget"},
    {.name = "token-budget", .type = WS_OPT_INT, .offset = OPT(tokens), .fallback = "0", .arg = "N",
     .help = "tokens of the run; 0 is no limit", .group = "Budget"},
    {.name = "call-budget", .type = WS_OPT_INT, .offset = OPT(calls), .fallback = "0", .arg = "N",
     .help = "requests of the run, retries included; 0 is no limit", .group = "Budget"},
    {.name = "tune", .type = WS_OPT_INT, .offset = OPT(tune_max), .fallback = "16", .arg = "N",
     .help = "tunable settings tried per kernel that passes", .group = "Budget", .min = 0,
     .max = 4096},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = OPT(gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device"},
    {.name = "arch", .type = WS_OPT_STRING, .offset = OPT(arch), .fallback = "sm_90", .arg = "ARCH",
     .help = "compile for this architecture", .group = "Device"},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "export", .letter = 'o', .type = WS_OPT_STRING, .offset = OPT(export_path), .arg = "FILE",
     .help = "write the winner's header", .group = "Output"},
    {.name = "resume", .type = WS_OPT_STRING, .offset = OPT(resume), .arg = "RUN",
     .help = "go on with a run of the archive; 'last' is the newest"},
    CLI_COMMON_OPTIONS};

static ws_status read_key(const options *o, ws_buf *key, ws_err *err)
{
    const char *env = getenv("OPENAI_API_KEY");
    key->max = 4096;
    if (!o->api_key_file) {
        ws_buf_adds(key, env ? env : "");
        return WS_OK;
    }
    if (ws_read_file(o->api_key_file, 4096, key, err))
        return err->status;
    while (key->n && strchr(" \t\r\n", key->p[key->n - 1]))
        key->p[--key->n] = '\0';
    return WS_OK;
}

/* The model of the bundled script when none is configured and the spec has one. */
static ws_status use_replay(const char *spec_name, replay_server **server, ws_buf *url, ws_err *err)
{
    static char script[4096];
    if (!replay_find_script(spec_name, script, sizeof script)) {
        ws_fail(err, WS_EENV, "no model is configured, and '%s' has no bundled script", spec_name);
        return ws_hint(err, "set OPENAI_API_KEY and --model, or --base-url of a local server");
    }
    replay_options r = {.script = script};
    if (replay_start(&r, server, err))
        return err->status;
    ws_buf_printf(url, "http://127.0.0.1:%d/v1", replay_port(*server));
    fprintf(stderr, "no model is configured: scripted replies of '%s' answer over HTTP on loopback\n",
            script);
    return WS_OK;
}

/* A resumed run goes on with the spec that it has. */
static ws_status spec_name_of(const options *o, const char **args, int nargs, ws_arena *a,
                              const char **out, db_run *run, ws_err *err)
{
    spec *s = NULL;
    db_archive *db = NULL;
    if (o->resume) {
        ws_status st = db_open(o->archive, true, &db, err);
        if (!st)
            st = db_run_find(db, o->resume, a, run, err);
        db_close(db);
        *out = run->spec_name;
        return st;
    }
    if (nargs < 1)
        return ws_fail(err, WS_EUSAGE, "optimize needs a SPEC, or --resume RUN");
    if (spec_find(args[0], &s, err))
        return err->status;
    *out = ws_arena_strdup(a, s->name);
    spec_free(s);
    return WS_OK;
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
        .budget = {o->rounds, o->tokens, o->calls, o->time},
        .limits = {.max_attempts = (int)o->attempts, .idle_s = o->idle},
    };
    ws_status st = read_key(o, &key, err);
    if (!st)
        st = spec_name_of(o, args, nargs, &a, &spec_name, &old, err);
    if (!st && !tim_gpu_find(o->gpu))
        st = ws_fail(err, WS_EUSAGE, "--gpu '%s': the cost model does not know it", o->gpu);
    bool configured = (o->base_url && *o->base_url) || key.n;
    if (!st && !configured) {
        st = use_replay(spec_name, &server, &url, err);
        l.scripted = true;
        l.base_url = ws_buf_z(&url);
        l.model = "scripted";
    } else if (!st) {
        l.api_key = ws_buf_z(&key);
        l.base_url = o->base_url && *o->base_url ? o->base_url : "https://api.openai.com/v1";
        if (!o->model && o->resume)
            l.model = old.model;
        if (!l.model || !*l.model) {
            st = ws_fail(err, WS_EUSAGE, "no model is named");
            ws_hint(err, "give --model NAME, or set WARPSMITH_MODEL");
        }
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
            .usage = "SPEC [options]",
            .details = "Without a configured model, specs that have a bundled script run against the "
                       "replay server.\nCtrl-C stops after the step at hand; --resume goes on.",
            .examples = "warpsmith optimize softmax --export softmax.cuh\n"
                        "warpsmith optimize softmax --model gpt-5.4-mini --rounds 10\n"
                        "warpsmith optimize --resume last",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
