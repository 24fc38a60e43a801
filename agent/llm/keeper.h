/* The keeper: the process that holds the connections of a recorded run, and writes its cassette. A
 * request that has left may be paid for, whatever becomes of the process that made it. So where
 * replies are recorded, transfers run in a process of their own, which outlives a controller that
 * is killed: it starts nothing more, lets what is in flight end within its timers, writes each
 * exchange down, and goes. Who resumes the run waits for it (cassette_lock.c), and takes the
 * answers from the cassette.
 *
 * The controller decides: it reads the bodies, runs the timers and says how a transfer ended. The
 * keeper moves bytes, and judges itself only when the controller is gone. One keeper a cassette, in
 * keeper.c; http_kept.c is the controller's side. */
#ifndef AGENT_LLM_KEEPER_H
#define AGENT_LLM_KEEPER_H

#include "agent/llm/channel.h"
#include "agent/llm/http.h"

typedef struct keeper keeper;

/* The cassette's own, started when it is first asked for. */
ws_status keeper_of(cassette *c, keeper **out, ws_err *err) WS_MUST_CHECK;
/* Waits until all is written, and frees it. */
ws_status keeper_end(keeper *k, ws_err *err);

/* ---- what they say to each other ---- */
enum {
    /* down */
    KEEP_REQUEST = 1, /* keep_request, then url, body, key and headers, each with its NUL */
    KEEP_VERDICT,     /* keep_verdict, then the error: record it so */
    KEEP_CANCEL,      /* no longer wanted: recorded as cancelled */
    KEEP_QUIT,        /* nothing follows */
    /* up */
    KEEP_HEADER, /* a line */
    KEEP_BODY,   /* keep_state, then bytes */
    KEEP_DONE,   /* keep_state, then the error: the connection has ended, a verdict is wanted */
    KEEP_WRITTEN /* keep_state, then why it could not be written, or nothing: it is on disk */
};

typedef struct keep_request {
    uint64_t n_body;
    int64_t max_body_bytes;
    double connect_s, first_byte_s, idle_s, total_s;
    int32_t turn, n_headers;
    uint32_t key_headers;
    bool direct, stream;
} keep_request;

typedef struct keep_verdict {
    http_end end;
} keep_verdict;

typedef struct keep_state {
    http_end end;
    int32_t status, worth_retrying;
    bool sent;
    double seconds;
} keep_state;

/* The process itself; does not return. `fd`: of the cassette; `sock`: to the controller. */
_Noreturn void keeper_main(cassette *c, int sock);

#endif
