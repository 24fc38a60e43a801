/* A reply's body as it arrives: what kind it is, its events, and whether it is over. The client
 * reads replies through it; the keeper (keeper.h) does when the client is gone. */
#ifndef AGENT_LLM_INTAKE_H
#define AGENT_LLM_INTAKE_H

#include "agent/llm/adapter.h"
#include "agent/llm/http.h"
#include "agent/llm/sse.h"

/* What the body turned out to be: servers answer JSON to a stream request and streams to a plain
 * one. */
typedef enum body_kind { BODY_UNKNOWN, BODY_SSE, BODY_JSON, BODY_OTHER } body_kind;

typedef struct llm_intake {
    const llm_adapter *wire;
    body_kind kind;
    ws_buf raw; /* as received */
    sse_parser sse;
    llm_answer answer;
    bool progress; /* an event came in the piece being fed */
} llm_intake;

/* Empty, of a body and events of at most so many bytes; `wire` stays. What it held is released. */
void intake_begin(llm_intake *in, int64_t max_body_bytes, int64_t max_event_bytes);
/* A piece of a response's body. */
http_take intake_take(llm_intake *in, int status, const char *bytes, size_t n);
/* The stream has ended: its last event may lack the blank line. */
void intake_finish(llm_intake *in);
void intake_release(llm_intake *in);
/* Whether a response's body holds a whole answer: a stream whose end was told, or JSON that HTTP
 * says is all (`ended`). */
bool intake_is_whole(const char *url, int status, const char *bytes, size_t n, bool ended);

#endif
