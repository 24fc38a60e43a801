/* The bodies of the replay server's replies in the three formats of model APIs, whole and as
 * streams. Written apart from the client's adapters: what is sent here must be understood there. */
#ifndef AGENT_LLM_WIRE_BODY_H
#define AGENT_LLM_WIRE_BODY_H

#include "agent/llm/wire.h"

/* A body in parts that end at `end[i]`: the events of a stream. */
typedef struct wire_parts {
    ws_buf body;
    size_t *end;
    int n, cap;
} wire_parts;
void wire_end_part(wire_parts *p);
void wire_parts_release(wire_parts *p);

void wire_chat_body(const wire_completion *c, const script_answer *a, wire_parts *p);
void wire_responses_body(const wire_completion *c, const script_answer *a, wire_parts *p);
void wire_messages_body(const wire_completion *c, const script_answer *a, wire_parts *p);

/* ---- for the three ---- */
int64_t wire_reasoning_tokens(const script_answer *a);
/* Bytes of the next piece of `text` from `from` on, at most chunk_bytes, not inside a UTF-8
 * sequence; 0 at its end. */
size_t wire_next_piece(const script_answer *a, const char *text, size_t from);

#endif
