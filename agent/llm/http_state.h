/* Shared by http.c (transfers, timers, ends), http_curl.c (curl), http_kept.c (the keeper's
 * connections), http_tape.c (recording, replay) and keeper.c. */
#ifndef AGENT_LLM_HTTP_STATE_H
#define AGENT_LLM_HTTP_STATE_H

#include "agent/llm/curl.h"
#include "agent/llm/http.h"
#include "agent/llm/keeper.h"

struct http_pool {
    CURLM *multi; /* NULL: the keeper has the connections */
    http_options o;
    http_transfer *first;
    keeper *keeper; /* NULL: curl runs here */
    bool keeping;   /* this is the keeper's: nothing is replayed, and http_conclude says what is
                     * recorded */
    bool untimed;   /* somebody else watches the time */
    void (*hear)(void *ud, ws_str line); /* header lines, with the request's ud; NULL: nobody */
};

struct http_transfer {
    http_pool *pool;
    http_transfer *next, *next_kept;
    http_request r;
    http_response response;
    CURL *easy;                      /* NULL: answered by the cassette, or kept */
    cassette_exchange *tape;         /* that is being recorded */
    const cassette_exchange *played; /* that answers, up to frame `next_frame` */
    int next_frame;
    uint32_t id;    /* at the keeper */
    int status;     /* as it told */
    bool kept;      /* the keeper has it */
    bool concluded; /* and knows how it ended; it has ended when that is written */
    struct curl_slist *header;
    char curl_error[CURL_ERROR_SIZE];
    int64_t start_ns, progress_ns; /* progress_ns 0: no first byte yet */
    int64_t settled_ns, body_bytes, header_bytes;
    bool ended, delivered, too_large, ending;
};

/* ---- http.c ---- */
ws_status http_open_keeping(const http_options *o, http_pool **out, ws_err *err) WS_MUST_CHECK;
/* What arrives, from a socket or from a tape. False: the transfer ends here. */
bool http_take_body(http_transfer *t, int status, const char *bytes, size_t n);
bool http_note(http_transfer *t, http_take take);
void http_take_header(http_transfer *t, ws_str line);
void http_end_transfer(http_transfer *t, http_end how, const char *fmt, ...) WS_PRINTF(3, 4);
/* Of a keeping pool: ends it if it has not, and records it so. */
void http_conclude(http_transfer *t, http_end how, const char *error);

/* ---- http_curl.c ---- */
ws_status http_curl_open(http_pool *p, ws_err *err) WS_MUST_CHECK;
void http_curl_close(http_pool *p);
ws_status http_curl_start(http_transfer *t, ws_err *err) WS_MUST_CHECK;
void http_curl_stop(http_transfer *t);
void http_curl_free(http_transfer *t);
int http_curl_status(const http_transfer *t);
bool http_curl_sent(const http_transfer *t);
void http_curl_perform(http_pool *p);
void http_curl_wait(http_pool *p, const struct pollfd *fd, int n_fds, int wait_ms);

/* ---- http_kept.c ---- */
ws_status http_kept_start(http_transfer *t, ws_err *err) WS_MUST_CHECK;
void http_kept_conclude(http_transfer *t); /* as its response says */
void http_kept_free(http_transfer *t);
void http_kept_take(keeper *k); /* what the keeper told, for the transfers of all pools */
void http_kept_flush(keeper *k);
void http_kept_wait(keeper *k, const struct pollfd *fd, int n_fds, int wait_ms);

/* ---- http_tape.c ---- */
/* True: the cassette answers, if only that it has no recording of this. */
bool http_tape_replay(http_transfer *t);
/* Plays all that is due; seconds until more is. */
double http_tape_play(http_pool *p);
/* Does nothing where nothing is recorded. */
void http_tape_begin(http_transfer *t);
void http_tape_end(http_transfer *t, cassette_end how);
cassette_end http_tape_name(http_end how);

#endif
