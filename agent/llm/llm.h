/* Talking to language models: OpenAI's Chat Completions and Responses, Anthropic's Messages, and
 * all that imitate them, over libcurl's multi interface. One client drives every request of a run;
 * it has an endpoint for each server and key, so several models need one client and one poll.
 * Layers, each a file: http.c (bytes, timers, limits; http_curl.c and curl.c alone see curl),
 * keeper.c (where it is recorded, a process for the connections that outlives this one), intake.c,
 * sse.c (framing), chat.c, responses.c, messages.c (wire formats behind adapter.h), quirk.c (what
 * servers refuse), endpoint.c, client.c, attempt.c and retry.c (the queue, attempts, rate limits).
 * provider.h is the table of servers and keys. Only llm_poll waits, and no longer than it is told.
 */
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

typedef enum llm_wire {
    LLM_WIRE_AUTO, /* by the provider or the address; a model that needs another is noticed */
    LLM_WIRE_CHAT,
    LLM_WIRE_RESPONSES,
    LLM_WIRE_MESSAGES,
    LLM_N_WIRES
} llm_wire;

/* How the key is sent. */
typedef enum llm_key_kind {
    LLM_KEY_AUTO, /* by the provider */
    LLM_KEY_BEARER,
    LLM_KEY_X_API_KEY
} llm_key_kind;

/* What was learned about a model of an endpoint, as text of ours. `load`: malloc'ed, NULL: nothing
 * yet. The base URL holds no secret. */
typedef struct llm_quirk_store {
    char *(*load)(void *ud, const char *base_url, const char *model);
    void (*save)(void *ud, const char *base_url, const char *model, const char *quirks);
    void *ud;
} llm_quirk_store;

typedef struct llm_client_options {
    /* The endpoint; strings are copied. */
    const char *provider; /* a name of provider.h's table; NULL: by the base URL */
    const char *base_url; /* "https://host/v1"; a final slash or the endpoint's path are fine */
    const char *api_key;  /* wiped at close; NULL or "": no key is sent */
    llm_key_kind key_kind;
    llm_wire wire;
    bool allow_insecure; /* send a key over plain http to a host that is not loopback */
    bool loopback_only;  /* bundled replay server: no other host is meant */
    /* The client. */
    struct cassette *cassette; /* records all exchanges, or answers them (then no base_url and no
                                * key are needed); may serve several clients and outlives them */
    llm_limits limits;
    llm_quirk_store quirks; /* {0}: what is learned is forgotten at close */
} llm_client_options;

/* Opens a client with its endpoint 0. */
ws_status llm_client_open(const llm_client_options *o, llm_client **out, ws_err *err) WS_MUST_CHECK;
void llm_client_close(llm_client *c);
/* One more endpoint, for llm_request.endpoint: another server, key, or wire. Only the endpoint's
 * options count. The same again is the same endpoint: what a server limits it limits by key. */
ws_status llm_endpoint_add(llm_client *c, const llm_client_options *o, int *endpoint,
                           ws_err *err) WS_MUST_CHECK;
/* The endpoint's base URL, without path of a wire or query, and its provider's name. */
const char *llm_endpoint_url(const llm_client *c, int endpoint);
const char *llm_endpoint_provider(const llm_client *c, int endpoint);

typedef struct llm_message {
    const char *role;       /* "system" or "user" or "assistant" */
    const char *content;
    size_t cache_prefix;    /* leading bytes of it that every call repeats; 0: none */
} llm_message;

typedef struct llm_attempt llm_attempt;
typedef struct llm_request {
    int endpoint;           /* 0: the client's first */
    const char *model;
    const llm_message *message;
    int n_messages;
    bool stream;
    int64_t max_tokens;     /* 0: not sent; where the wire needs one, 16000 */
    bool hard_limit;        /* max_tokens was promised to a budget: a server that refuses it is not
                             * asked without it */
    double temperature;     /* negative: not sent */
    const char *reasoning_effort; /* NULL: not sent */
    int turn;               /* sent as X-Warpsmith-Turn to a server on this machine, and recorded;
                             * -1: none */
    int max_requests; /* HTTP requests that this call may make, resends included; 0: no limit */
    /* Asked before every resend, whatever its reason, with the attempt that failed; false ends the
     * request with that outcome. NULL: always. Must not call the client. */
    bool (*again)(void *ud, const llm_attempt *failed);
    void *ud;
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
struct llm_attempt {
    llm_outcome outcome;
    int http_status;        /* 0: no response */
    double seconds, waited_s; /* waited before it (back-off or Retry-After) */
    char detail[512];       /* the server's or curl's words */
    char request_id[128];
    /* What it may be billed for: as told; 0 when the server refused it or never saw it; else (a cut
     * stream, a stall) estimated: characters / 4 of the prompt and of what came. */
    int64_t prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens;
    bool tokens_estimated;
    double cost_usd; /* server-told, NaN: not told */
};

typedef struct llm_reply {
    llm_outcome outcome;
    char *content;          /* never NULL */
    char *reasoning;        /* kept apart; "" when none */
    char *raw;              /* the response body as received, SSE frames or JSON */
    char *request_body;     /* JSON as sent */
    char finish_reason[48]; /* in the server's words */
    char model[128];        /* as the server names it */
    const char *provider;   /* name of provider.h's table */
    const char *wire;       /* "chat", "responses", "messages": as asked at last */
    /* Of the last attempt; the earlier ones have their own. prompt: all of the input, cached and
     * written ones too. -1: not told. */
    int64_t prompt_tokens, cached_tokens, cache_write_tokens, completion_tokens, reasoning_tokens;
    char *usage_json;       /* the server's usage object, "" when none */
    bool usage_estimated;   /* no usage came: characters / 4 */
    double cost_usd;        /* server-told (OpenRouter usage.cost), NaN: not told */
    llm_attempt *attempt;
    int n_attempts;
    double seconds;         /* first send to last byte, waits included; replayed at once: what the
                             * recorded attempts took */
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
/* As llm_poll, and returns false early when one of the descriptors is ready: poll's revents say
 * which. */
struct pollfd;
bool llm_poll_with(llm_client *c, struct pollfd *fd, int n_fds, int timeout_ms, int *id,
                   llm_reply *out);
void llm_cancel(llm_client *c, int id);
int llm_in_flight(const llm_client *c);
/* The JSON body that would be sent as a chat completion, for `prompt` and --dry-run. */
void llm_request_body(const llm_request *r, ws_buf *out);
/* The body that this client would send now: wire and learned quirks of the endpoint. */
void llm_client_body(llm_client *c, const llm_request *r, ws_buf *out);

#endif
