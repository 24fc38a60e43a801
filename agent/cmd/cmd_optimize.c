#include "agent/cli.h"
#include "agent/cmd/model_access.h"
#include "agent/llm/cassette.h"
#include "agent/loop/loop.h"
#include "base/json.h"
#include "specs/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options that a run of the archive and a recording keep: what is given now replaces them. The
 * option's name here, the loop's. */
#define KEPT_OPTIONS(X)                                                                            \
    X(model, models) X(base_url, base_url) X(stream, no_stream) X(max_tokens, max_tokens)          \
    X(temperature, temperature) X(effort, reasoning_effort) X(prompts, prompts)                    \
    X(strategy, strategy) X(lanes, lanes) X(slack, slack)                                          \
    X(repairs, strategy_options.repairs) X(patience, strategy_options.patience)                    \
    X(stagnation, strategy_options.stagnation) X(barren, strategy_options.barren)                  \
    X(islands, strategy_options.islands)                                                           \
    X(migrate, strategy_options.migrate_every) X(inspirations, strategy_options.keep)              \
    X(diagnose, strategy_options.diagnose) X(rounds, budget.most.replies)                          \
    X(tokens, budget.most.tokens) X(calls, budget.most.requests)                                   \
    X(candidates, budget.most.candidates) X(cost, budget.most.usd) X(time, budget.seconds)         \
    X(prices, prices) X(unknown_price, allow_unknown_price) X(value, value_usd_per_gpu_hour)       \
    X(serves, expected_calls) X(target, target_speedup) X(target, target_roofline)                 \
    X(tune, tune_max)                                                                              \
    X(memory, no_memory) X(seed, seed)

typedef struct options {
    cli_common common;
    loop_options l;
    const char *provider, *wire, *api_key_file, *target;
    int64_t attempts, repairs, patience, stagnation, barren, islands, migrate, inspirations;
    bool gpu, arch; /* were given */
    struct {
        bool model, base_url, stream, max_tokens, temperature, effort, prompts, strategy, lanes,
            slack, repairs, patience, stagnation, barren, islands, migrate, inspirations, diagnose,
            rounds, tokens, calls, candidates, cost, time, prices, unknown_price, value, serves,
            target, tune, memory, seed;
    } given;
} options;

#define OPT(field) offsetof(options, field)
#define GIVEN(field) .given = offsetof(options, given.field)
static const ws_opt option_table[] = {
    {.name = "model", .letter = 'm', .type = WS_OPT_STRING, .offset = OPT(l.models),
     .arg = "NAME,...", .help = "models to ask, as NAME or PROVIDER/NAME", .group = "Model",
     .env = "WARPSMITH_MODEL", GIVEN(model)},
    {.name = "provider", .type = WS_OPT_STRING, .offset = OPT(provider), .arg = "NAME",
     .help = "openai, anthropic, openrouter, ollama, ...; else by the URL or the model's name",
     .group = "Model"},
    {.name = "base-url", .letter = 'u', .type = WS_OPT_STRING, .offset = OPT(l.base_url),
     .arg = "URL", .help = "the server, up to and including /v1", .group = "Model",
     GIVEN(base_url)},
    {.name = "wire", .type = WS_OPT_CHOICE, .offset = OPT(wire), .choices =
     "auto|chat|responses|messages", .fallback = "auto", .arg = "NAME",
     .help = "API to speak: chat completions, OpenAI responses, Anthropic messages",
     .group = "Model"},
    {.name = "api-key-file", .type = WS_OPT_STRING, .offset = OPT(api_key_file), .arg = "FILE",
     .help = "read the key from FILE instead of the provider's variable", .group = "Model"},
    {.name = "no-stream", .type = WS_OPT_FLAG, .offset = OPT(l.no_stream),
     .help = "ask for whole replies instead of a stream", .group = "Model", GIVEN(stream)},
    {.name = "max-tokens", .type = WS_OPT_INT, .offset = OPT(l.max_tokens), .fallback = "16000",
     .arg = "N", .help = "longest reply, reasoning included; 0 leaves it to the server",
     .group = "Model", .min = 0, .max = 100000000, GIVEN(max_tokens)},
    {.name = "temperature", .type = WS_OPT_NUMBER, .offset = OPT(l.temperature), .fallback = "-1",
     .arg = "T", .help = "sampling temperature; negative leaves it to the server", .group = "Model",
     GIVEN(temperature)},
    {.name = "reasoning-effort", .type = WS_OPT_STRING, .offset = OPT(l.reasoning_effort),
     .arg = "LEVEL", .help = "how much the model reasons, in the provider's words",
     .group = "Model", GIVEN(effort)},
    {.name = "attempts", .type = WS_OPT_INT, .offset = OPT(attempts), .fallback = "5", .arg = "N",
     .help = "requests per call, retries included", .group = "Model", .min = 1, .max = 100},
    {.name = "idle-timeout", .type = WS_OPT_SECONDS, .offset = OPT(l.limits.idle_s),
     .fallback = "300s", .arg = "TIME", .help = "give a stream up after this long without data",
     .group = "Model"},
    {.name = "timeout", .type = WS_OPT_SECONDS, .offset = OPT(l.limits.total_s),
     .fallback = "30m", .arg = "TIME", .help = "give a request up after this long",
     .group = "Model"},
    {.name = "max-wait", .type = WS_OPT_SECONDS, .offset = OPT(l.limits.max_wait_s),
     .fallback = "2m", .arg = "TIME", .help = "longest Retry-After that is waited out",
     .group = "Model"},
    {.name = "insecure-http", .type = WS_OPT_FLAG, .offset = OPT(l.allow_insecure),
     .help = "send the key over plain http", .group = "Model"},
    {.name = "prompts", .type = WS_OPT_STRING, .offset = OPT(l.prompts), .arg = "DIR",
     .help = "templates that replace the bundled ones", .group = "Model", GIVEN(prompts)},
    {.name = "strategy", .letter = 's', .type = WS_OPT_STRING, .offset = OPT(l.strategy),
     .arg = "NAME", .help = "refine (default), best-of, ideas or evolve", .group = "Strategy",
     GIVEN(strategy)},
    {.name = "lanes", .letter = 'l', .type = WS_OPT_INT, .offset = OPT(l.lanes), .fallback = "1",
     .arg = "N", .help = "model calls in flight", .group = "Strategy", .min = 1,
     .max = LOOP_MAX_LANES, GIVEN(lanes)},
    {.name = "slack", .type = WS_OPT_INT, .offset = OPT(l.slack), .fallback = "0", .arg = "N",
     .help = "rounds that lanes may be apart; 0 is the strategy's own", .group = "Strategy",
     .min = 0, .max = 1000, GIVEN(slack)},
    {.name = "diagnose", .type = WS_OPT_FLAG, .offset = OPT(l.strategy_options.diagnose),
     .help = "refine: ask for the bottleneck first, then for the change", .group = "Strategy",
     GIVEN(diagnose)},
    {.name = "repairs", .type = WS_OPT_INT, .offset = OPT(repairs), .fallback = "0", .arg = "N",
     .help = "tries to repair one kernel; 0 is the strategy's own, as below", .group = "Strategy",
     .min = 0, .max = 1000, GIVEN(repairs)},
    {.name = "patience", .type = WS_OPT_INT, .offset = OPT(patience), .fallback = "0", .arg = "N",
     .help = "replies without gain before something else is worked on", .group = "Strategy",
     .min = 0, .max = 100000, GIVEN(patience)},
    {.name = "stagnation", .type = WS_OPT_INT, .offset = OPT(stagnation), .fallback = "0",
     .arg = "N", .help = "stop after this many kernels without gain; 0 is never",
     .group = "Strategy", .min = 0, .max = 1000000, GIVEN(stagnation)},
    {.name = "barren", .type = WS_OPT_INT, .offset = OPT(barren), .fallback = "0", .arg = "N",
     .help = "replies in a row without a new kernel that end a lane", .group = "Strategy",
     .min = 0, .max = 1000000, GIVEN(barren)},
    {.name = "islands", .type = WS_OPT_INT, .offset = OPT(islands), .fallback = "0", .arg = "N",
     .help = "evolve: populations", .group = "Strategy", .min = 0, .max = LOOP_MAX_LANES,
     GIVEN(islands)},
    {.name = "migrate-every", .type = WS_OPT_INT, .offset = OPT(migrate), .fallback = "0",
     .arg = "N", .help = "evolve: rounds between migrations", .group = "Strategy", .min = 0,
     .max = 1000000, GIVEN(migrate)},
    {.name = "inspirations", .type = WS_OPT_INT, .offset = OPT(inspirations), .fallback = "0",
     .arg = "N", .help = "kernels that a prompt shows beside its subject", .group = "Strategy",
     .min = 0, .max = STRAT_MAX_INSPIRATIONS, GIVEN(inspirations)},
    {.name = "no-memory", .type = WS_OPT_FLAG, .offset = OPT(l.no_memory),
     .help = "neither use nor keep lessons and kernels of other runs", .group = "Strategy",
     GIVEN(memory)},
    {.name = "rounds", .letter = 'n', .type = WS_OPT_INT, .offset = OPT(l.budget.most.replies),
     .fallback = "6", .arg = "N", .help = "replies to ask for; 0 is no limit", .group = "Budget",
     .min = 0, .max = 1000000, GIVEN(rounds)},
    {.name = "max-cost", .type = WS_OPT_NUMBER, .offset = OPT(l.budget.most.usd), .fallback = "0",
     .arg = "USD", .help = "never spend more on models; 0 is no limit", .group = "Budget",
     GIVEN(cost)},
    {.name = "max-time", .type = WS_OPT_SECONDS, .offset = OPT(l.budget.seconds), .fallback = "0",
     .arg = "TIME", .help = "time of the run, all its sessions together; 0 is no limit",
     .group = "Budget", GIVEN(time)},
    {.name = "token-budget", .type = WS_OPT_INT, .offset = OPT(l.budget.most.tokens),
     .fallback = "0", .arg = "N", .help = "tokens of the run; 0 is no limit", .group = "Budget",
     .min = 0, .max = 1000000000000000, GIVEN(tokens)},
    {.name = "call-budget", .type = WS_OPT_INT, .offset = OPT(l.budget.most.requests),
     .fallback = "0", .arg = "N", .help = "requests of the run, retries included; 0 is no limit",
     .group = "Budget", .min = 0, .max = 1000000000, GIVEN(calls)},
    {.name = "candidates", .type = WS_OPT_INT, .offset = OPT(l.budget.most.candidates),
     .fallback = "0", .arg = "N", .help = "kernels to judge, tuned ones too; 0 is no limit",
     .group = "Budget", .min = 0, .max = 1000000000, GIVEN(candidates)},
    {.name = "target", .type = WS_OPT_STRING, .offset = OPT(target), .arg = "2x|80%",
     .help = "stop at this speed-up over generation 0, or this part of the roofline",
     .group = "Budget", GIVEN(target)},
    {.name = "value", .type = WS_OPT_NUMBER, .offset = OPT(l.value_usd_per_gpu_hour),
     .fallback = "0", .arg = "USD", .help = "what a saved GPU-hour is worth: stop when the next "
     "gain is expected to cost more than it saves", .group = "Budget", GIVEN(value)},
    {.name = "expected-calls", .type = WS_OPT_NUMBER, .offset = OPT(l.expected_calls),
     .fallback = "0", .arg = "N", .help = "with --value: calls that the kernel will serve; else as "
     "many as fill a GPU-year", .group = "Budget", GIVEN(serves)},
    {.name = "prices", .type = WS_OPT_STRING, .offset = OPT(l.prices), .arg = "FILE",
     .help = "prices of models, as LiteLLM writes them, in the place of the bundled table",
     .group = "Budget", GIVEN(prices)},
    {.name = "allow-unknown-price", .type = WS_OPT_FLAG, .offset = OPT(l.allow_unknown_price),
     .help = "with --max-cost: let calls of unknown price count as free", .group = "Budget",
     GIVEN(unknown_price)},
    {.name = "tune", .type = WS_OPT_INT, .offset = OPT(l.tune_max), .fallback = "16", .arg = "N",
     .help = "tunable settings tried per kernel that passes", .group = "Budget", .min = 0,
     .max = 4096, GIVEN(tune)},
    {.name = "gpu", .type = WS_OPT_STRING, .offset = OPT(l.gpu), .fallback = "h100", .arg = "NAME",
     .help = "GPU of the cost model", .group = "Device", .given = OPT(gpu)},
    {.name = "arch", .type = WS_OPT_STRING, .offset = OPT(l.arch), .fallback = "sm_90",
     .arg = "ARCH", .help = "compile for this architecture", .group = "Device",
     .given = OPT(arch)},
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, .offset = OPT(l.judges), .fallback = "0",
     .arg = "N", .help = "judges at work; 0 is one a core", .group = "Device", .min = 0,
     .max = 1024},
    {.name = "seed", .type = WS_OPT_INT, .offset = OPT(l.seed), .fallback = "0", .arg = "N",
     .help = "seed of inputs and choices of a new run; 0 takes a fresh one", .group = "Device",
     GIVEN(seed)},
    {.name = "archive", .letter = 'a', .type = WS_OPT_STRING, .offset = OPT(l.archive),
     .fallback = "warpsmith.db", .arg = "FILE", .help = "the archive", .env = "WARPSMITH_ARCHIVE"},
    {.name = "record", .type = WS_OPT_STRING, .offset = OPT(l.record), .arg = "FILE",
     .help = "write every exchange with a model, without keys", .group = "Output"},
    {.name = "replay", .type = WS_OPT_STRING, .offset = OPT(l.replay), .arg = "FILE",
     .help = "ask no model: the exchanges of a recording answer, with its options",
     .group = "Output"},
    {.name = "replay-speed", .type = WS_OPT_NUMBER, .offset = OPT(l.replay_speed),
     .fallback = "0", .arg = "X", .help = "1 is as recorded, 0 is at once", .group = "Output"},
    {.name = "loose", .type = WS_OPT_FLAG, .offset = OPT(l.replay_loose),
     .help = "with --replay: answer other prompts too, with the recorded replies in order",
     .group = "Output"},
    {.name = "export", .letter = 'o', .type = WS_OPT_STRING, .offset = OPT(l.export_path),
     .arg = "FILE", .help = "write the winner: .cuh, .h or .py (docs/export.md)", .group = "Output"},
    {.name = "resume", .type = WS_OPT_STRING, .offset = OPT(l.resume), .arg = "RUN",
     .help = "go on with a run of the archive, with its own options; 'last' is the newest"},
    CLI_COMMON_OPTIONS};

/* "2x" is a speed-up, "80%" a part of the roofline. */
static ws_status read_target(const char *text, loop_options *l, ws_err *err)
{
    char *end;
    if (!text)
        return WS_OK;
    double v = strtod(text, &end);
    bool part = strcmp(end, "%") == 0;
    if (end == text || !(v > 0) || !isfinite(v) || (!part && strcmp(end, "x") != 0))
        return ws_fail(err, WS_EUSAGE, "--target: '%s' is neither a speed-up such as 2x nor a part "
                       "of the roofline such as 80%%", text);
    *(part ? &l->target_roofline : &l->target_speedup) = part ? v / 100 : v;
    return WS_OK;
}

static ws_status check_options(const options *o, loop_options *l, ws_err *err)
{
    if (!(l->limits.idle_s > 0 && l->limits.total_s > 0 && l->limits.max_wait_s > 0))
        return ws_fail(err, WS_EUSAGE,
                       "--idle-timeout, --timeout and --max-wait must be more than 0");
    if (!(l->budget.most.usd >= 0 && l->value_usd_per_gpu_hour >= 0 && l->replay_speed >= 0 &&
          l->expected_calls >= 0))
        return ws_fail(err, WS_EUSAGE, "--max-cost, --value, --expected-calls and --replay-speed "
                       "cannot be negative");
    if (l->record && l->replay)
        return ws_fail(err, WS_EUSAGE, "--record and --replay exclude each other");
    l->strategy_options.repairs = (int)o->repairs;
    l->strategy_options.patience = (int)o->patience;
    l->strategy_options.stagnation = (int)o->stagnation;
    l->strategy_options.barren = (int)o->barren;
    l->strategy_options.islands = (int)o->islands;
    l->strategy_options.migrate_every = (int)o->migrate;
    l->strategy_options.keep = (int)o->inspirations;
    l->limits.max_attempts = (int)o->attempts;
    l->json = o->common.json;
    if (read_target(o->target, l, err))
        return err->status;
    return cli_check_gpu(l->gpu, err);
}

/* ---- a run of the archive, a recording ---- */

static void keep_old(const options *o, const loop_options *old, loop_options *l)
{
#define KEEP(name, field)                                                                          \
    if (!o->given.name)                                                                            \
        l->field = old->field;
    KEPT_OPTIONS(KEEP)
#undef KEEP
}

static ws_status same_device(const options *o, const db_run *r, ws_err *err)
{
    if (o->gpu && strcmp(o->l.gpu, r->gpu) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --gpu %s, not %s", r->name, r->gpu,
                       o->l.gpu);
    if (o->arch && strcmp(o->l.arch, r->arch) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is for --arch %s, not %s", r->name, r->arch,
                       o->l.arch);
    return WS_OK;
}

static ws_status resume_options(const options *o, db_run *run, ws_arena *a, loop_options *l,
                                ws_err *err)
{
    loop_options old = *l;
    db_archive *db = NULL;
    ws_status st = db_open(l->archive, true, &db, err);
    if (!st)
        st = db_run_find(db, l->resume, a, run, err);
    db_close(db);
    if (st || (st = loop_options_of_run(run, a, &old, err)) || (st = same_device(o, run, err)))
        return st;
    keep_old(o, &old, l);
    if (!l->record && !l->replay)
        l->record = old.record;
    l->gpu = run->gpu;
    l->arch = run->arch;
    l->strategy = run->strategy; /* a run keeps its strategy */
    return WS_OK;
}

static const char *text_of(const cJSON *o, const char *key, ws_arena *a)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(v) && *v->valuestring ? ws_arena_strdup(a, v->valuestring) : NULL;
}

/* Its models; its spec, unless one is named; its options where none is given. */
static ws_status replay_options_of(const options *o, model_access *m, loop_options *l, ws_err *err)
{
    ws_arena *a = &m->arena;
    loop_options old = *l;
    cassette *c = NULL;
    ws_err late = {0};
    const char *seed;
    if (cassette_replay_open(l->replay, &(cassette_options){0}, &c, err))
        return err->status;
    const cJSON *run = cassette_run(c);
    loop_options_of_json(run, a, &old);
    if ((seed = text_of(run, "seed", a)))
        old.seed = (int64_t)strtoull(seed, NULL, 10);
    if (!l->spec)
        l->spec = text_of(run, "spec", a);
    if (!o->gpu && text_of(run, "gpu", a))
        l->gpu = text_of(run, "gpu", a);
    if (!o->arch && text_of(run, "arch", a))
        l->arch = text_of(run, "arch", a);
    keep_old(o, &old, l);
    l->lessons = text_of(run, "lessons", a);
    l->related = text_of(run, "related", a);
    if (!l->lessons && !l->related) /* it had none */
        l->lessons = l->related = "";
    ws_status st = model_access_recorded(m, run, l, err);
    if (cassette_close(c, &late) && !st) {
        *err = late;
        st = late.status;
    }
    return st;
}

/* Which spec, and for a resumed run its options: it goes on with the spec that it has. */
static ws_status find_work(const options *o, db_run *run, ws_arena *a, model_access *m,
                           loop_options *l, const char **spec_name, ws_err *err)
{
    spec *s = NULL;
    if (l->resume && resume_options(o, run, a, l, err))
        return err->status;
    if (l->replay && replay_options_of(o, m, l, err))
        return err->status;
    if (!l->spec && !l->resume) {
        ws_fail(err, WS_EUSAGE, "optimize needs a SPEC, or --resume RUN");
        return ws_hint(err, "'warpsmith spec list' shows the specs");
    }
    if (l->spec) {
        if (spec_find(l->spec, &s, err))
            return err->status;
        *spec_name = ws_arena_strdup(a, s->name);
        spec_free(s);
    }
    if (!l->resume)
        return WS_OK;
    if (*spec_name && strcmp(*spec_name, run->spec_name) != 0)
        return ws_fail(err, WS_EUSAGE, "run '%s' is of '%s', not of '%s'", run->name,
                       run->spec_name, *spec_name);
    *spec_name = run->spec_name;
    l->resume = run->name; /* 'last' may be another run soon */
    return WS_OK;
}

/* A scripted run stays one, and no other becomes one: the archive says which it is. */
static ws_status find_models(const options *o, const db_run *run, const char *spec_name,
                             model_access *m, loop_options *l, ws_err *err)
{
    model_wish w = {l->models, o->provider, l->base_url, o->wire, o->api_key_file};
    if (l->replay)
        return WS_OK; /* the recording has told them */
    bool configured = l->resume ? !run->scripted : model_access_configured(m, &w);
    return configured ? model_access_resolve(m, &w, l, err)
                      : model_access_script(m, spec_name, l, err);
}

static ws_status run(const void *values, const char **args, int nargs, int *exit_code, ws_err *err)
{
    const options *o = values;
    ws_arena a = {0};
    model_access m;
    db_run old = {0};
    const char *spec_name = NULL;
    loop_options l = o->l;
    model_access_init(&m);
    l.spec = nargs ? args[0] : NULL;
    ws_status st = check_options(o, &l, err);
    if (!st)
        st = find_work(o, &old, &a, &m, &l, &spec_name, err);
    if (!st)
        st = find_models(o, &old, spec_name, &m, &l, err);
    if (!st)
        st = loop_run(&l, exit_code, err);
    model_access_release(&m);
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
                        "warpsmith optimize softmax --model a,b --strategy evolve --lanes 8 "
                        "--max-cost 2\n"
                        "warpsmith optimize --resume last",
            .options = option_table,
            .min_args = 0,
            .max_args = 1},
    .values_size = sizeof(options),
    .run = run,
};
