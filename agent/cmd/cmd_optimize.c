#include "agent/cmd/run_options.h"
#include "specs/spec.h"

#include <string.h>

typedef run_options options;

#define OPT(field) offsetof(options, field)
#define GIVEN(field) .given = offsetof(options, given.field)
static const ws_opt option_table[] = {
    {.name = "model", .letter = 'm', .type = WS_OPT_STRING, .offset = OPT(l.models),
     .arg = "NAME,...", .help = "models to ask, as NAME or PROVIDER/NAME", .group = "Model",
     .env = "WARPSMITH_MODEL", GIVEN(model)},
#include "agent/cmd/run_server.def"
    {.name = "strategy", .letter = 's', .type = WS_OPT_STRING, .offset = OPT(l.strategy),
     .arg = "NAME", .help = "refine (default), best-of, ideas or evolve", .group = "Strategy",
     GIVEN(strategy)},
#include "agent/cmd/run_search.def"
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
#include "agent/cmd/run_worth.def"
#include "agent/cmd/run_device.def"
    {.name = "jobs", .letter = 'j', .type = WS_OPT_INT, .offset = OPT(l.judges), .fallback = "0",
     .arg = "N", .help = "judges at work; 0 is three for two cores", .group = "Device", .min = 0,
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

/* Which spec, and for a resumed run its options: it goes on with the spec that it has. */
static ws_status find_work(const options *o, db_run *run, ws_arena *a, model_access *m,
                           loop_options *l, const char **spec_name, ws_err *err)
{
    spec *s = NULL;
    if (l->resume && run_options_resume(o, run, a, l, err))
        return err->status;
    if (l->replay && run_options_replay(o, m, l, err))
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
    ws_status st = run_options_check(o, &l, err);
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
