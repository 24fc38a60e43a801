/* Training data out of an archive: rows of JSON in the shapes that trainers read (docs/dataset.md).
 * Rewards are those of verifier/reward.h. Nothing is invented: prompts are as they were sent,
 * replies as they came, but for keys and paths (scrub.h); what cannot be used is counted by why. */
#ifndef RESULTS_DATASET_H
#define RESULTS_DATASET_H

#include "results/archive.h"
#include "verifier/reward.h"

/* What a row is made of. */
typedef enum data_kind {
    DATA_PROMPTS,     /* one a distinct prompt: the trainer samples, `warpsmith serve` judges */
    DATA_WINNERS,     /* one a distinct right kernel that is fast enough */
    DATA_LABELS,      /* one a reply that is right and fast enough, or wrong */
    DATA_PAIRS        /* a better and a worse reply to one prompt, or from one parent */
} data_kind;

typedef struct data_format {
    const char *name;    /* of --format */
    data_kind kind;
    const char *trainer; /* whose loader reads it, and the version that was checked */
    const char *summary;
} data_format;
extern const data_format data_formats[]; /* ended by a NULL name */
const data_format *data_format_find(const char *name);

typedef struct data_options {
    const data_format *format;
    vfy_reward_scheme scheme;
    double min_speedup;       /* of winners and of labels that are true */
    double margin;            /* a worse kernel that is right takes so many times longer */
    int max_pairs;            /* of one spec; 0: all */
    double held_out_share;    /* of op families, by hash, when none is named */
    const char *const *held_out;
    int n_held_out;           /* families, whole ("matmul+gelu") or their first op ("matmul") */
    const char *const *purpose;
    int n_purposes;           /* of calls: generate, repair, improve, ...; 0: all */
    int64_t run;              /* 0: all */
    double lint_seconds;      /* of processor time, for the flaws of one spec */
    const char *license;      /* of what models wrote; NULL: "not stated" */
    const char *tool_version;
    /* The ops that carry a spec's work, most work first, joined by '+'; in the arena. */
    const char *(*family_of)(const spec *s, ws_arena *a);
} data_options;

/* Why something of the archive is no row: id, sentence after the count. */
#define DATA_LEFT_OUT(X)                                                                           \
    X(NO_CALL, "candidates that no model wrote: plain translations, tuned settings, submissions "  \
               "without a prompt")                                                                 \
    X(NO_REPLY, "calls without a usable reply: unanswered, refused, cut off")                      \
    X(NOT_KERNEL, "calls that did not ask for a kernel")                                           \
    X(PURPOSE, "calls for another purpose")                                                        \
    X(FLAWED, "of flawed specs")                                                                   \
    X(UNKNOWN, "that passed the quick runs only, or that the engine cannot run: 'warpsmith "       \
               "archive rejudge' decides")                                                         \
    X(WRONG, "that are wrong")                                                                     \
    X(SLOW, "that are right and not fast enough")                                                  \
    X(REPEATED, "that repeat an earlier one")                                                      \
    X(TELLS, "for training whose prompt names a spec that is held out")                            \
    X(SCRUB, "whose text could not be examined for keys and paths")                                \
    X(MANY, "pairs beyond --max-pairs")
typedef enum data_left_out {
#define X(id, text) DATA_OUT_##id,
    DATA_LEFT_OUT(X)
#undef X
    DATA_OUT_COUNT
} data_left_out;
const char *data_left_out_text(data_left_out why);

/* A spec of the archive. */
typedef struct data_spec {
    const char *name, *sha256, *family;
    char structure[65];  /* equal for specs whose graphs have the same ops, wired alike */
    bool held_out;
    const char *flaw;    /* NULL: none */
    bool lint_complete;  /* every trial had its time */
    int64_t rows;
} data_spec;

typedef struct data_result {
    data_spec *spec;
    int n_specs;
    int64_t rows[2];      /* for training, held out */
    int64_t left_out[DATA_OUT_COUNT];
    int64_t scrubbed;     /* keys and paths that were replaced */
    ws_arena arena;       /* owns the specs' strings */
} data_result;
void data_result_release(data_result *r);

/* Called for each row, in the archive's order. */
typedef ws_status (*data_sink)(void *ud, bool held_out, const char *line, size_t n, ws_err *err);

/* Reads the whole archive. A held-out family that no spec has is an error that names those that
 * are there. */
ws_status data_make(db_archive *db, const data_options *o, data_sink sink, void *ud,
                    data_result *out, ws_err *err) WS_MUST_CHECK;

/* What the rows are, where they come from and how they were split, for programs and for people (a
 * data card as Hugging Face's hub reads it). */
cJSON *data_manifest(const data_options *o, const data_result *r);
void data_card(const data_options *o, const data_result *r, ws_buf *out);

#endif
