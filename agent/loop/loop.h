/* The optimisation loop: asks, judges, remembers, stops. One controller (one event loop),
 * strategies behind one interface. Everything that happens is in the archive before the next thing
 * starts, so that a run can be killed at any point and resumed. */
#ifndef AGENT_LOOP_LOOP_H
#define AGENT_LOOP_LOOP_H

#include "agent/llm/llm.h"
#include "agent/money/budget.h"
#include "agent/strategy/prompt.h"
#include "agent/strategy/strategy.h"
#include "results/archive.h"
#include "verifier/verify.h"

enum { LOOP_MAX_MODELS = 16, LOOP_MAX_LANES = 256 };

/* A model and where it is asked. */
typedef struct loop_model {
    const char *name;     /* as the server knows it */
    const char *provider; /* a name of provider.h's table, NULL: by the base URL */
    const char *base_url;
    const char *api_key; /* NULL or "": none */
    llm_key_kind key_kind;
    llm_wire wire;
    const char *quirks; /* of a recording; NULL: what the archive knows */
} loop_model;

typedef struct loop_options {
    const char *spec, *archive, *gpu, *arch, *prompts, *resume, *export_path, *reasoning_effort;
    const char *models;   /* as given, separated by commas: what a resumed run asks again */
    const char *base_url; /* as given; NULL: each provider's own */
    loop_model model[LOOP_MAX_MODELS];
    int n_models;
    const char *run_name; /* of a new run; NULL: a fresh one */
    bool fused; /* the fused translation is judged, too, when nothing more is asked */
    bool no_model; /* nothing is asked: the run is its translations */
    const char *reply; /* judged as the one reply of this session, NULL: a model is asked */
    const char *record, *replay;   /* cassettes */
    const char *prices;            /* NULL: the bundled table */
    const char *lessons, *related; /* in the place of what the archive has; NULL: that */
    bool replay_loose;             /* another prompt may be answered too */
    bool no_stream, json, scripted, allow_insecure, allow_unknown_price, no_memory;
    int64_t script_replies; /* scripted: how many there are */
    int64_t max_tokens, tune_max;
    int64_t lanes, slack, judges;           /* 0: 1, the strategy's, as lane.h */
    int cores;                              /* for the judges; 0: all */
    int64_t seed;                           /* of a new run; 0: a fresh one */
    double temperature;                     /* negative: not sent */
    double target_speedup, target_roofline; /* 0: none; over generation 0, fraction of the floor */
    double value_usd_per_gpu_hour;          /* 0: none */
    double expected_calls; /* that the kernel will serve, 0: see worth.h */
    double replay_speed;
    const char *strategy; /* NULL: the first */
    strat_options strategy_options;
    budget_limits budget;
    llm_limits limits;
} loop_options;

/* Runs to the end, a limit, or an interrupt. `exit_code` becomes 1 when nothing beats generation 0.
 * With `resume` the options are the run's own, as loop_options_of_run gives them, or what replaces
 * them. */
ws_status loop_run(const loop_options *o, int *exit_code, ws_err *err) WS_MUST_CHECK;

/* The options that a stored run was started with, into `o`; strings in `a`. The models are names
 * only: what asks them is found by the caller. */
ws_status loop_options_of_run(const db_run *r, ws_arena *a, loop_options *o,
                              ws_err *err) WS_MUST_CHECK;

/* The options that a run keeps, as a JSON object of the caller's. */
cJSON *loop_options_json(const loop_options *o);
/* The other way, of that or of a recording's header; what it does not tell stays. */
void loop_options_of_json(const cJSON *config, ws_arena *a, loop_options *o);

/* The prompt that a run of the archive sends next, with its own templates when `dir` is NULL. */
ws_status loop_prompt_next(const char *archive, const char *run, const char *dir, prompt_text *out,
                           ws_err *err) WS_MUST_CHECK;

#endif
