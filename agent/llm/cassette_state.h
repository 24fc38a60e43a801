/* Shared by the cassette's parts: cassette.c (what both sides share, recording), cassette_load.c
 * (the file), cassette_lock.c (who may write it), cassette_find.c (which exchange answers a
 * request), cassette_key.c. */
#ifndef AGENT_LLM_CASSETTE_STATE_H
#define AGENT_LLM_CASSETTE_STATE_H

#include "agent/llm/cassette.h"

struct cassette {
    char *path;
    int fd; /* recording; -1: replaying */
    struct keeper *keeper; /* that writes in the place of this process; NULL: none yet */
    char *mark;            /* a file that is there while a keeper has work: see cassette_mark */
    bool broken;           /* it was there before: a keeper was killed with its work */
    int64_t last_seq;
    ws_err failure; /* of the first write that failed */
    cassette_options o;
    cJSON *header;
    cassette_exchange **x; /* by seq */
    int n, cap;
};

void cassette_exchange_free(cassette_exchange *x);
/* Reads all whole lines into `c`; *whole_bytes is where a torn last line begins, or the file's
 * size. */
ws_status cassette_load(cassette *c, int64_t *whole_bytes, ws_err *err) WS_MUST_CHECK;
const char *cassette_end_name(cassette_end e);

/* ---- cassette_lock.c ---- */
/* As the run that records, after the calls of an earlier one have ended. */
ws_status cassette_lock(cassette *c, ws_err *err) WS_MUST_CHECK;
ws_status cassette_lock_writer(cassette *c, ws_err *err) WS_MUST_CHECK;
void cassette_unlock_writer(cassette *c);
/* By the keeper, before the first request leaves, and when everything is written down. In between a
 * keeper that is killed, or a machine that loses power, leaves the file behind. */
void cassette_mark(const cassette *c);
void cassette_unmark(const cassette *c);
/* Tells who waits what a keeper that is left alone still has to do. */
void cassette_lock_state(cassette *c, int calls, double seconds);

#endif
