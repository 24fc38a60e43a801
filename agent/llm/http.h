/* HTTP POSTs in parallel over libcurl's multi interface: bytes, timers and limits, no meaning. The
 * only part that sees curl. Where a cassette records, another process moves the bytes: keeper.h.
 * Redirects are never followed: curl would forward the headers that hold keys. */
#ifndef AGENT_LLM_HTTP_H
#define AGENT_LLM_HTTP_H

#include "agent/llm/cassette.h"
#include "agent/llm/header.h"

#include <stdint.h>

struct pollfd;

typedef struct http_pool http_pool;
typedef struct http_transfer http_transfer;

typedef struct http_options {
    int max_connections;
    cassette *cassette; /* records every exchange, or answers in the place of the network; NULL:
                         * neither. Outlives the pool */
} http_options;

/* The headers in which a key is sent; any of them. */
enum { HTTP_KEY_BEARER = 1, HTTP_KEY_X_API_KEY = 2, HTTP_KEY_AZURE = 4 };

/* What a URL is, so that a key does not leave in the clear. Only http and https, no user name. */
typedef struct http_url {
    bool tls, loopback;
    bool azure; /* has Azure's query parameter api-version */
} http_url;
ws_status http_url_parse(const char *url, http_url *out, ws_err *err) WS_MUST_CHECK;

/* What the receiver made of a piece of the body. SETTLED: the message is complete; the rest of the
 * transfer may end as it likes, and soon. ENDING: the answer is complete, a little may follow. */
typedef enum http_take {
    HTTP_TAKE_NOTHING,
    HTTP_TAKE_PROGRESS,
    HTTP_TAKE_ENDING,
    HTTP_TAKE_SETTLED,
    HTTP_TAKE_TOO_LARGE
} http_take;
typedef http_take (*http_receiver)(void *ud, int status, const char *bytes, size_t n);

typedef struct http_request {
    const char *url, *body; /* kept by reference until the transfer is freed */
    size_t body_bytes;
    const char *const *header; /* "Name: value", NULL-terminated; copied */
    const char *key;           /* kept by reference: outlives the transfer; NULL or "": none */
    unsigned key_headers;
    bool direct;               /* no proxy, whatever the environment says */
    bool stream;               /* asks for text/event-stream */
    int turn;                  /* for the cassette, -1: none */
    int64_t max_body_bytes;
    double connect_s, first_byte_s, idle_s, total_s;
    http_receiver receive;
    void *ud;
} http_request;

typedef enum http_end {
    HTTP_COMPLETE,
    HTTP_FAILED,
    HTTP_CUT,
    HTTP_STALLED,
    HTTP_TOO_LARGE,
    HTTP_NO_RECORDING /* of a replay; `error` says what is nearest */
} http_end;

typedef struct http_response {
    http_end end;
    int status;           /* 0: no response */
    int worth_retrying;   /* after HTTP_FAILED: retries that make sense, 0: none */
    bool sent;            /* the request left, so that it may be answered and billed */
    header_limits limits; /* what the headers say of waiting */
    char request_id[128];
    char location[256]; /* of a redirect */
    char error[512];    /* curl's words, or which timer ran out */
    double seconds;
} http_response;

ws_status http_open(const http_options *o, http_pool **out, ws_err *err) WS_MUST_CHECK;
void http_close(http_pool *p); /* after every transfer is freed */
ws_status http_start(http_pool *p, const http_request *r, http_transfer **out,
                     ws_err *err) WS_MUST_CHECK;
/* Drives all transfers for up to timeout_ms; the first that ended, or NULL. Returns early, with
 * `*ready`, when one of the caller's descriptors is. */
http_transfer *http_poll_with(http_pool *p, struct pollfd *fd, int n_fds, int timeout_ms,
                              bool *ready);
const http_response *http_result(const http_transfer *t);
double http_seconds(const http_transfer *t); /* since the start */
void *http_context(const http_transfer *t);  /* the request's ud */
void http_free(http_transfer *t);            /* aborts one that still runs */

#endif
