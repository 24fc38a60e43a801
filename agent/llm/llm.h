/* Talking to a language model: an OpenAI-compatible chat client over libcurl's multi interface.
 * Layers, each a file: http.c (bytes, timers, limits; the only one that sees curl), sse.c
 * (framing), chat.c (wire format), client.c (retries, rate limits, quirks). Only llm_poll waits,
 * and no longer than it is told. */
#ifndef AGENT_LLM_LLM_H
#define AGENT_LLM_LLM_H

#include "base/buf.h"

#include <cjson/cJSON.h>
#include <stdint.h>

typedef struct llm_client llm_client;

typedef struct llm_limits {          /* 0: the default in brackets */
    int64_t max_body_bytes;          /* [32 MiB] */
    int64_t max_event_bytes;         /* [4 MiB] of one SSE event */
    double connect_s, first_byte_s;  /* [10, 2 idle_s] */
    double idle_s, total_s;          /* [300, 1800]; idle counts data events only */
    int max_attempts;                /* [5] including the first */
    double max_wait_s;               /* [120] a longer Retry-After ends the request */
    int max_in_flight;               /* [4] */
    double backoff_s;                /* [0.5] without Retry-After; doubles, up to 8 s */
} llm_limits;

typedef struct llm_client_options {
    const char *base_url;   /* "https://host/v1"; a final slash or /chat/completions is fine */
    const char *api_key;    /* copied, wiped at close; NULL or "": no Authorization header */
    bool allow_insecure;    /* send a key over plain http to a host that is not loopback */
    bool loopback_only;     /* bundled replay server: ignore proxies */
    struct cassette *cassette; /* records all exchanges, or answers them (then no base_url and no key
                                * are needed); may serve several clients and outlives them */
    llm_limits limits;
} llm_client_options;

ws_status llm_client_open(const llm_client_options *o, llm_client **out, ws_err *err) WS_MUST_CHECK;
void llm_client_close(llm_client *c);

typedef struct llm_message {
    const char *role;       /* "system" or "user" or "assistant" */
    const char *content;
} llm_message;

typedef struct llm_request {
    const char *model;
    const llm_message *message;
    int n_messages;
    bool stream;
    int64_t max_tokens;     /* 0: not sent */
    double temperature;     /* negative: not sent */
    const char *reasoning_effort; /* NULL: not sent */
    int turn;               /* sent as X-Warpsmith-Turn to a server on this machine, and recorded;
                             * -1: none */
    int max_requests; /* HTTP requests that this call may make, resends included; 0: no limit */
} llm_request;

/* How a request ended. All but OK are recorded outcomes, not ws_err errors. */
#define LLM_OUTCOME_LIST(X)                                                                        \
    X(OK, "ok") X(TRUNCATED, "truncated") X(REFUSED, "refused") X(EMPTY, "empty")                  \
    X(AUTH, "auth") X(QUOTA, "quota") X(RATE_LIMITED, "rate_limited")                              \
    X(CONTEXT, "context_too_long") X(BAD_REQUEST, "bad_request") X(SERVER, "server_error")         \
    X(TRANSPORT, "transport_error") X(STALL, "stall") X(CUT, "cut")                                \
    X(PROTOCOL, "protocol_error") X(TOO_LARGE, "too_large") X(CANCELLED, "cancelled")              \
    X(NO_RECORDING, "no_recording")
typedef enum llm_outcome {
#define X(id, name) LLM_##id,
    LLM_OUTCOME_LIST(X)
#undef X
} llm_outcome;
const char *llm_outcome_name(llm_outcome o);

/* One HTTP attempt, for the archive. */
typedef struct llm_attempt {
    llm_outcome outcome;
    int http_status;        /* 0: no response */
    double seconds, waited_s; /* waited before it (back-off or Retry-After) */
    char detail[512];       /* the server's or curl's words */
    char request_id[128];
} llm_attempt;

typedef struct llm_reply {
    llm_outcome outcome;
    char *content;          /* never NULL */
    char *reasoning;        /* kept apart; "" when none */
    char *raw;              /* the response body as received, SSE frames or JSON */
    char *request_body;     /* JSON as sent */
    char finish_reason[32];
    char model[128];        /* as the server names it */
    int64_t prompt_tokens, cached_tokens, completion_tokens, reasoning_tokens; /* -1: not told */
    bool usage_estimated;   /* no usage came: characters / 4 */
    double cost_usd;        /* server-told (OpenRouter usage.cost), NaN: not told */
    llm_attempt *attempt;
    int n_attempts;
    double seconds;         /* first send to last byte, waits included */
    char error[1024];       /* sentence for a person when outcome is not OK */
    char hint[512];         /* what to do, or "" */
    bool fatal;             /* no further request can succeed (auth, quota, unknown model) */
} llm_reply;
void llm_reply_release(llm_reply *r);

/* Queues a request; `id` names it in llm_poll. The request is copied. */
ws_status llm_submit(llm_client *c, const llm_request *r, int *id, ws_err *err) WS_MUST_CHECK;
/* Drives transfers for up to timeout_ms; true when a request finished: its id and reply (caller
 * releases). */
bool llm_poll(llm_client *c, int timeout_ms, int *id, llm_reply *out);
void llm_cancel(llm_client *c, int id);
int llm_in_flight(const llm_client *c);
/* The JSON body that would be sent, for `prompt` and --dry-run. */
void llm_request_body(const llm_request *r, ws_buf *out);

#endif
