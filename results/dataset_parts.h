/* Inside the data set: one reply with all that is known of it, and what the files share. */
#ifndef RESULTS_DATASET_PARTS_H
#define RESULTS_DATASET_PARTS_H

#include "base/json.h"
#include "results/dataset.h"
#include "results/scrub.h"

/* Strings live as long as the run at hand. */
typedef struct data_reply {
    const db_run *run;
    const data_spec *spec;
    const db_call *call;
    const db_candidate *candidate; /* NULL: a prompt alone */
    cJSON *prompt;                 /* messages, scrubbed; owned by the list of the run */
    char prompt_sha256[65];
    const char *text;              /* the reply, scrubbed */
    int scrubbed;                  /* in the reply */
    const char *depth;             /* of the latest verdict: "quick", "full", "" */
    const char *arch, *compiler;
    uint64_t seed;                 /* of the inputs of the first verdict */
    double seconds;                /* NaN: none */
    vfy_reward reward;
} data_reply;

/* ---- dataset_split.c ---- */

/* Adds the spec of a run, once; NULL: it cannot be read any more, `err` says why. */
data_spec *data_spec_add(data_result *r, const db_run *run, const data_options *o, ws_err *err);
data_spec *data_spec_find(const data_result *r, const char *sha256);
/* Which specs are held out: all of a family or structure, or none. */
ws_status data_split(data_result *r, const data_options *o, ws_err *err) WS_MUST_CHECK;

/* ---- dataset_shape.c ---- */

/* A row of the format. `b`: the worse reply of a pair, else NULL. */
cJSON *data_row(const data_options *o, const data_reply *a, const data_reply *b, int64_t index);
/* The messages of a request body in any of the three formats of model APIs, as
 * [{"role", "content"}]; NULL: there are none. */
cJSON *data_messages(const char *body);

#endif
