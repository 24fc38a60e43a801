/* Shared by http.c (curl, timers) and http_tape.c (recording, replay). */
#ifndef AGENT_LLM_HTTP_STATE_H
#define AGENT_LLM_HTTP_STATE_H

#include "agent/llm/curl.h"
#include "agent/llm/http.h"

struct http_pool {
    CURLM *multi;
    http_options o;
    http_transfer *first;
};

struct http_transfer {
    http_pool *pool;
    http_transfer *next;
    http_request r;
    http_response response;
    CURL *easy;                      /* NULL: answered by the cassette */
    cassette_exchange *tape;         /* that is being recorded */
    const cassette_exchange *played; /* that answers, up to frame `next_frame` */
    int next_frame;
    struct curl_slist *header;
    char curl_error[CURL_ERROR_SIZE];
    int64_t start_ns, progress_ns; /* progress_ns 0: no first byte yet */
    int64_t settled_ns, body_bytes, header_bytes;
    bool ended, delivered, too_large, ending;
};

/* ---- http.c ---- */
/* What arrives, from a socket or from a tape. False: the transfer ends here. */
bool http_take_body(http_transfer *t, int status, const char *bytes, size_t n);
void http_take_header(http_transfer *t, ws_str line);
void http_end_transfer(http_transfer *t, http_end how, const char *fmt, ...) WS_PRINTF(3, 4);

/* ---- http_tape.c ---- */
/* True: the cassette answers, if only that it has no recording of this. */
bool http_tape_replay(http_transfer *t);
/* Plays all that is due; seconds until more is. */
double http_tape_play(http_pool *p);
/* Does nothing where nothing is recorded. */
void http_tape_begin(http_transfer *t);
void http_tape_end(http_transfer *t, cassette_end how);

#endif
