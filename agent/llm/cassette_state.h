/* Shared by the cassette's parts: cassette.c (what both sides share, recording), cassette_load.c
 * (the file), cassette_find.c (which exchange answers a request), cassette_key.c. */
#ifndef AGENT_LLM_CASSETTE_STATE_H
#define AGENT_LLM_CASSETTE_STATE_H

#include "agent/llm/cassette.h"

struct cassette {
    char *path;
    int fd; /* recording; -1: replaying */
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
/* A 2xx response that came whole. */
bool cassette_answered(const cassette_exchange *x);

#endif
