/* The archive: one SQLite file (WAL) that holds every prompt, reply, compile, verdict and timing
 * sample as it happens. Large texts are stored once by SHA-256. Every call is one transaction that
 * is on disk when it returns. Several processes may use one file; a db_archive belongs to one
 * thread. */
#ifndef RESULTS_ARCHIVE_H
#define RESULTS_ARCHIVE_H

#include "base/err.h"
#include "base/mem.h"
#include "verifier/verdict.h"

typedef struct db_archive db_archive;

/* Opens or creates, migrates to the newest schema (PRAGMA user_version); a newer schema is
 * refused. */
ws_status db_open(const char *path, bool read_only, db_archive **out, ws_err *err) WS_MUST_CHECK;
void db_close(db_archive *db);
/* PRAGMA integrity_check and foreign_key_check. */
ws_status db_check(db_archive *db, ws_err *err) WS_MUST_CHECK;

/* ---- runs ---- */
typedef struct db_run {
    int64_t id;
    char name[64];            /* "softmax-20260102-030405-1a2b", unique: what --resume takes */
    const char *spec_name, *spec_sha256, *spec_json;
    const char *model, *base_url, *strategy, *gpu, *arch, *device;
    const char *config_json;  /* options as given, secrets never */
    const char *status;       /* "running", "done", "interrupted", "limit", "failed" */
    const char *stop_reason;
    const char *started, *ended; /* ISO UTC; ended NULL while running */
    int64_t best_candidate;   /* 0: none */
    bool scripted;            /* replies came from the bundled replay server */
} db_run;
/* A new run's name: the last part of the spec's, the time, four random digits. */
ws_status db_run_name(const char *spec_name, char out[64], ws_err *err) WS_MUST_CHECK;
ws_status db_run_begin(db_archive *db, const db_run *r, int64_t *id, ws_err *err) WS_MUST_CHECK;
ws_status db_run_end(db_archive *db, int64_t id, const char *status, const char *stop_reason,
                     int64_t best, ws_err *err) WS_MUST_CHECK;
ws_status db_run_reopen(db_archive *db, int64_t id,
                        ws_err *err) WS_MUST_CHECK; /* back to "running" */
/* Replaces options, model and server of a run that goes on with others. */
ws_status db_run_configure(db_archive *db, int64_t id, const char *config_json, const char *model,
                           const char *base_url, ws_err *err) WS_MUST_CHECK;
/* Makes this process the only one that works on the run, until db_close or the process's end,
 * however it ends. WS_EENV when another one does. One run for a db_archive. */
ws_status db_run_lock(db_archive *db, int64_t id, ws_err *err) WS_MUST_CHECK;
/* By name, numeric id, "last", or unique prefix of a name. Strings in `a`. */
ws_status db_run_find(db_archive *db, const char *which, ws_arena *a, db_run *out,
                      ws_err *err) WS_MUST_CHECK;
ws_status db_run_list(db_archive *db, ws_arena *a, db_run **out, int *n, ws_err *err) WS_MUST_CHECK;

/* ---- model calls ---- */
typedef struct db_call {
    int64_t id, run;
    int turn;                 /* 0-based, unique in the run */
    const char *purpose;      /* "generate", "repair", "improve" */
    const char *prompt_json;  /* messages as sent (request body) */
    const char *step_json;    /* what the strategy asked for; NULL: written before steps were kept */
    const char *state;        /* "sent" before the request leaves, then "done" */
    const char *outcome;      /* llm_outcome_name */
    const char *content, *reasoning, *raw, *finish_reason, *model, *provider, *error;
    const char *usage_json;   /* as the server told it, or NULL */
    int64_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens; /* -1 unknown */
    bool usage_estimated;
    double cost_usd;          /* NaN: unknown */
    double seconds;
    const char *attempts_json; /* array of attempts */
    const char *started, *ended;
} db_call;
ws_status db_call_begin(db_archive *db, const db_call *c, int64_t *id, ws_err *err) WS_MUST_CHECK;
/* Sent again, by c->id: prompt, step and attempts so far replace what the row has. */
ws_status db_call_again(db_archive *db, const db_call *c, ws_err *err) WS_MUST_CHECK;
ws_status db_call_end(db_archive *db, const db_call *c, ws_err *err) WS_MUST_CHECK; /* by c->id */
/* All calls of a run in turn order. */
ws_status db_call_list(db_archive *db, int64_t run, ws_arena *a, db_call **out, int *n,
                       ws_err *err) WS_MUST_CHECK;

/* ---- what servers do not accept ---- */
/* `quirks` in the words of agent/llm/quirk.h; saving replaces what was known of the model there. */
ws_status db_quirks_save(db_archive *db, const char *base_url, const char *model,
                         const char *quirks, ws_err *err) WS_MUST_CHECK;
/* NULL: nothing was learned. The text in `a`. */
ws_status db_quirks_load(db_archive *db, const char *base_url, const char *model, ws_arena *a,
                         const char **quirks, ws_err *err) WS_MUST_CHECK;

/* ---- candidates ---- */
struct db_timing;
typedef struct db_candidate {
    int64_t id, run, call;    /* call 0: not from a model (generation 0, tuner) */
    int64_t parent;           /* 0: none */
    int round;                /* 0: the emitted translation */
    const char *origin;       /* "emitted", "model", "tuned", "submitted" */
    const char *source;       /* CUDA text */
    const char *source_sha256, *ptx_sha256;
    const char *tune_json;    /* {"BLOCK":256} or NULL */
    const char *reason;       /* hx_reason_name */
    int level;                /* vfy_level */
    double modelled_s, measured_s; /* NaN: none */
    const char *gpu;          /* of the modelled or measured time */
    const char *created;
    const char *note;         /* what the model said it changed, or NULL */
} db_candidate;
/* Stores candidate, verdict, compile facts and counters in one transaction; with
 * db_candidate_add_timed a timing too (its `candidate` is not read; NULL: none). */
ws_status db_candidate_add(db_archive *db, const db_candidate *c, const vfy_verdict *v, int64_t *id,
                           ws_err *err) WS_MUST_CHECK;
ws_status db_candidate_add_timed(db_archive *db, const db_candidate *c, const vfy_verdict *v,
                                 const struct db_timing *t, int64_t *id, ws_err *err) WS_MUST_CHECK;
/* The same for a verdict that a run would give again: it does not wait for the disk, so a power cut
 * may take it, but never something later without it. */
ws_status db_candidate_add_judged(db_archive *db, const db_candidate *c, const vfy_verdict *v,
                                  const struct db_timing *t, int64_t *id,
                                  ws_err *err) WS_MUST_CHECK;
ws_status db_candidate_list(db_archive *db, int64_t run, ws_arena *a, db_candidate **out, int *n,
                            ws_err *err) WS_MUST_CHECK;
ws_status db_candidate_get(db_archive *db, int64_t id, ws_arena *a, db_candidate *out,
                           ws_err *err) WS_MUST_CHECK;
/* The verdict as JSON text, in `a`: of a candidate that fell, that of its judgement. */
ws_status db_verdict_json(db_archive *db, int64_t candidate, ws_arena *a, const char **out,
                          ws_err *err) WS_MUST_CHECK;
/* That of the last judgement, whether the candidate fell or not; else the first verdict. */
ws_status db_verdict_latest(db_archive *db, int64_t candidate, ws_arena *a, const char **out,
                            ws_err *err) WS_MUST_CHECK;
/* The seed of its inputs in the first verdict. */
ws_status db_verdict_seed(db_archive *db, int64_t candidate, uint64_t *out,
                          ws_err *err) WS_MUST_CHECK;
/* A candidate that is judged already and equals `c` in run, ptx_sha256, tune_json and launch plan
 * (the PTX does not hold the plan, so it is compared too, from c->source): its id, or 0. */
ws_status db_candidate_same(db_archive *db, const db_candidate *c, int64_t *id,
                            ws_err *err) WS_MUST_CHECK;

/* ---- judging again ---- */

/* A candidate that passed at level emulated at least, and still does; or did until a rejudge. */
typedef struct db_standing {
    int64_t candidate, run;
    int level;     /* of one that fell: of its first verdict */
    uint64_t seed; /* of its verdict */
    bool fell;
} db_standing;
/* Of one run (0: all), but for those with a judgement of `rejudge` (0: none), by run and id. */
ws_status db_standing_list(db_archive *db, int64_t run, int64_t rejudge, ws_arena *a,
                           db_standing **out, int *n, ws_err *err) WS_MUST_CHECK;
/* Begins to judge again, or goes on with what was begun by this version and never ended. */
ws_status db_rejudge_begin(db_archive *db, const char *tool, const char *options_json, int64_t *id,
                           ws_err *err) WS_MUST_CHECK;
/* Keeps a verdict. With `holds` false the candidate takes its reason and level, and a run whose
 * best it was gets the best that stands. With `lifted_to` one that fell passes at that level again,
 * and is its run's best if it is the best that stands; 0: it had not fallen. Its first verdict
 * stays. */
ws_status db_rejudge_add(db_archive *db, int64_t id, int64_t candidate, const vfy_verdict *v,
                         bool holds, int lifted_to, ws_err *err) WS_MUST_CHECK;
ws_status db_rejudge_end(db_archive *db, int64_t id, ws_err *err) WS_MUST_CHECK;

/* ---- timings: raw samples ---- */
typedef struct db_timing {
    int64_t candidate;
    const char *kind;         /* "modelled", "measured" */
    const char *gpu, *shape, *unit; /* unit "s" */
    const double *sample;
    int n_samples;
    const char *environment_json;
} db_timing;
ws_status db_timing_add(db_archive *db, const db_timing *t, ws_err *err) WS_MUST_CHECK;
/* All timings of a candidate in the order in which they were added. */
ws_status db_timing_list(db_archive *db, int64_t candidate, ws_arena *a, db_timing **out, int *n,
                         ws_err *err) WS_MUST_CHECK;

/* ---- sittings: candidates against a baseline, with every raw sample ---- */

/* One comparison of a sitting, or the A/A run that says what the sitting can tell apart. */
typedef struct db_comparison {
    const char *role;         /* "aa": baseline and its copy; "first"; "confirmation": another
                               * process, roles swapped; "confirmation-aa": of that process */
    const char *name, *source;
    const char *verdict;      /* tim_verdict_name; NULL: of an A/A run */
    double ratio, ratio_lo, ratio_hi; /* NaN: none */
    const char *reason;
    const char *samples_json; /* tim_pairs_to_json */
} db_comparison;
typedef struct db_sitting {
    const char *spec_name, *spec_sha256;
    const char *kind;         /* "modelled", "measured" */
    const char *gpu, *shape;
    const char *regime;       /* "cold", "warm" */
    const char *seed;         /* in decimal */
    const char *baseline, *baseline_source;
    const char *environment_json; /* rule, noise, counts */
    const db_comparison *comparison;
    int n;
} db_sitting;
ws_status db_sitting_add(db_archive *db, const db_sitting *s, int64_t *id,
                         ws_err *err) WS_MUST_CHECK;
ws_status db_comparison_list(db_archive *db, int64_t sitting, ws_arena *a, db_comparison **out,
                             int *n, ws_err *err) WS_MUST_CHECK;

/* Sums over a run. Unknown tokens count as none. */
typedef struct db_totals {
    int calls;              /* rows, also those sent and never answered */
    int attempts; /* requests that left: the attempts of answered calls, one for each unanswered */
    int candidates, passed;
    int64_t prompt_tokens, completion_tokens;
    double cost_usd;        /* of the calls whose cost is known */
    bool cost_known;        /* of all calls */
    double model_seconds, judge_seconds;
} db_totals;
ws_status db_run_totals(db_archive *db, int64_t run, db_totals *out, ws_err *err) WS_MUST_CHECK;

/* ---- memory: specs by their structure, lessons, search ---- */

/* By what a spec is related to others (agent/evidence/memory.h makes them). */
typedef struct db_keys {
    const char *spec_sha256, *spec_name, *title, *family, *dtype, *shape_class;
} db_keys;
ws_status db_keys_put(db_archive *db, const db_keys *k, ws_err *err) WS_MUST_CHECK;
ws_status db_keys_list(db_archive *db, ws_arena *a, db_keys **out, int *n, ws_err *err) WS_MUST_CHECK;
/* One run of each spec that has no keys: what is yet to be put. Only spec_* are filled. */
ws_status db_keys_missing(db_archive *db, ws_arena *a, db_run **out, int *n, ws_err *err) WS_MUST_CHECK;

typedef struct db_lesson {
    int64_t id, run;
    const char *gpu;
    db_keys keys;              /* to store a lesson only spec_sha256 is needed, whose keys were put */
    const char *kind;          /* "gain", "loss", "failure" */
    const char *subject;       /* what lessons of one kind are put together by */
    const char *text;
    double effect;             /* time before / time after, NaN: a failure's */
    int support;               /* attempts that showed it */
    const char *timing;        /* of `effect`: "modelled", "measured"; NULL: none */
    const char *evidence_json; /* array of candidate ids */
} db_lesson;
/* The run's lessons, in the place of those that it had. */
ws_status db_lessons_replace(db_archive *db, int64_t run, const db_lesson *list, int n,
                             ws_err *err) WS_MUST_CHECK;
/* Of one GPU (NULL: all) and one spec (NULL: all), not of run `except`; at most `most`, those with
 * the most support and effect first. */
ws_status db_lesson_list(db_archive *db, const char *gpu, const char *spec_sha256, int64_t except,
                         int most, ws_arena *a, db_lesson **out, int *n, ws_err *err) WS_MUST_CHECK;

/* A kernel that passed at level emulated at least, and what it is compared with. */
typedef struct db_kernel {
    db_candidate candidate;
    const char *spec_name, *run_name, *traits;
    double first_s;  /* generation 0 of its run, the same kind of time; NaN: unknown */
} db_kernel;
/* The fastest of a spec on a GPU, measured before modelled times, not of run `except`; *found false:
 * there is none. */
ws_status db_kernel_best(db_archive *db, const char *spec_sha256, const char *gpu, int64_t except,
                         ws_arena *a, db_kernel *out, bool *found, ws_err *err) WS_MUST_CHECK;
/* Full text over notes, spec names and what sources use. Every word of `text` must match; words may
 * end in '*'. Of the newest 500 matches those that gained most over generation 0 come first; each
 * source once, with its best tunables. */
ws_status db_kernel_search(db_archive *db, const char *text, int most, ws_arena *a, db_kernel **out,
                           int *n, ws_err *err) WS_MUST_CHECK;
/* Those of specs with `name` in their name and of GPUs with `gpu` in theirs, of each source the
 * fastest, by spec, GPU and time; every word of `text` must match as above ("": none need to). */
ws_status db_kernel_list(db_archive *db, const char *text, const char *name, const char *gpu,
                         int most, ws_arena *a, db_kernel **out, int *n, ws_err *err) WS_MUST_CHECK;
ws_status db_lesson_search(db_archive *db, const char *text, int most, ws_arena *a, db_lesson **out,
                           int *n, ws_err *err) WS_MUST_CHECK;

#endif
