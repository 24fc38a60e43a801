/* HTTP/1.1 for the server, by libmicrohttpd. One thread, the caller's: connections are
 * served whenever web_run is called, and a request may stay open for as long as its answer takes.
 * What a client sends is bounded in size and time, whatever it sends. */
#ifndef AGENT_SERVE_WEB_H
#define AGENT_SERVE_WEB_H

#include "base/buf.h"

#include <stdint.h>

typedef struct web_server web_server;
typedef struct web_request web_request;

/* What is known before the body comes. */
typedef struct web_head {
    const char *method, *path;        /* without a query */
    const char *content_type, *authorization, *origin; /* "": not sent */
    int64_t content_length;           /* -1: not told */
} web_head;

/* An answer; `json` is one document. */
typedef struct web_answer {
    int status;
    const char *json;
    int retry_after_s;  /* 0: no Retry-After */
    const char *allow;  /* of 405 */
} web_answer;

typedef struct web_options {
    const char *address;    /* numeric, IPv4 or IPv6 */
    int port;               /* 0: any that is free */
    size_t max_body;        /* bytes */
    int max_connections;
    double receive_seconds; /* for a request to arrive, and for an answer to be taken */
    double idle_seconds;    /* between requests of a connection */
    /* false: refused, with the answer in *out, whose text lasts until the next call. */
    bool (*begin)(void *ud, const web_head *head, web_answer *out);
    /* A whole request; to be answered now or later. The body lasts until then. */
    void (*take)(void *ud, web_request *r);
    /* The client of an unanswered request is gone: no answer is wanted any more. */
    void (*gone)(void *ud, web_request *r);
    void *ud;
} web_options;

/* The options' strings outlive the server. */
ws_status web_open(const web_options *o, web_server **out, ws_err *err) WS_MUST_CHECK;
void web_close(web_server *s);   /* unanswered requests are dropped without `gone` */
int web_port(const web_server *s);
int web_descriptor(const web_server *s); /* readable: web_run has something to do */
/* Serves what is there; to be called at least every half second, for the deadlines. */
void web_run(web_server *s);
void web_stop_listening(web_server *s); /* connections that are open are served on */
int web_open_requests(const web_server *s); /* taken and not answered, or not sent yet */

const char *web_request_path(const web_request *r);
const char *web_request_body(const web_request *r, size_t *n);
void web_request_answer(web_request *r, const web_answer *a); /* once; copies the text */
/* The caller's own pointer. */
void web_request_keep(web_request *r, void *data);
void *web_request_kept(const web_request *r);

bool web_is_loopback(const char *address);

#endif
