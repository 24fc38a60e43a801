/* The optimisation loop: asks, judges, remembers, stops. One controller, strategies behind one
 * interface. Everything that happens is in the archive before the next thing starts, so that a run
 * can be killed at any point and resumed. */
#ifndef AGENT_LOOP_LOOP_H
#define AGENT_LOOP_LOOP_H

#include "agent/llm/llm.h"
#include "results/archive.h"
#include "verifier/verify.h"

typedef struct loop_budget { /* 0: no limit */
    int64_t rounds;          /* model replies */
    int64_t tokens;          /* prompt + completion */
    int64_t calls;           /* HTTP requests, retries included */
    double seconds;          /* wall time, over all resumptions */
} loop_budget;

typedef struct loop_options {
    const char *spec, *model, *base_url, *api_key, *archive, *gpu, *arch, *prompts, *resume,
        *export_path;
    const char *reasoning_effort;
    const char *reply; /* judged as the one reply of this session, NULL: a model is asked */
    bool no_stream, json, scripted, allow_insecure;
    int64_t script_replies; /* scripted: how many there are */
    int64_t max_tokens, tune_max;
    int64_t seed;       /* of the inputs of a new run; 0: a fresh one */
    double temperature; /* negative: not sent */
    loop_budget budget;
    llm_limits limits;
} loop_options;

/* Runs to the end, a limit, or an interrupt. `exit_code` becomes 1 when nothing beats generation 0.
 * With `resume` the options are the run's own, as loop_options_of_run gives them, or what replaces
 * them. */
ws_status loop_run(const loop_options *o, int *exit_code, ws_err *err) WS_MUST_CHECK;

/* The options that a stored run was started with, into `o`; strings in `a`. */
ws_status loop_options_of_run(const db_run *r, ws_arena *a, loop_options *o,
                              ws_err *err) WS_MUST_CHECK;

/* ---- what a strategy sees ---- */
typedef struct loop_attempt {
    const db_candidate *candidate;
    const char *verdict_json;
} loop_attempt;

typedef struct loop_history {
    const loop_attempt *attempt; /* in order of judgement; [0] is the emitted translation */
    int n;
    int best; /* index of the fastest that passes, -1: none */
} loop_history;

typedef struct loop_step {
    const char *purpose; /* "generate", "repair", "again", "improve": also the template's name */
    int subject;         /* index of the attempt to work on, -1: none */
} loop_step;

typedef struct loop_strategy {
    const char *name;
    loop_step (*next)(const loop_history *h);
} loop_strategy;
extern const loop_strategy loop_refine;

/* Seconds of an attempt: measured when there is a measurement, else modelled, else NaN. */
double loop_seconds(const db_candidate *c);

/* ---- prompts ---- */
typedef struct loop_prompt {
    char *system, *user; /* malloc'ed */
} loop_prompt;
/* Fills the templates <dir>/system.txt and <dir>/<purpose>.txt (dir NULL: the bundled ones). An
 * unknown
 * {{name}} in a template is an error with its line. */
ws_status loop_prompt_make(const spec *s, const char *dir, const char *gpu, const loop_history *h,
                           const loop_step *step, loop_prompt *out, ws_err *err) WS_MUST_CHECK;
void loop_prompt_release(loop_prompt *p);
/* The prompt that a run of the archive sends next, with its own templates when `dir` is NULL. */
ws_status loop_prompt_next(const char *archive, const char *run, const char *dir, loop_prompt *out,
                           ws_err *err) WS_MUST_CHECK;

#endif
