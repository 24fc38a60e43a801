/* The replay server's side of HTTP/1.1: bytes in memory, no sockets. The bodies are in wire_body.h.
 */
#ifndef AGENT_LLM_WIRE_H
#define AGENT_LLM_WIRE_H

#include "agent/llm/script.h"
#include "base/buf.h"

typedef struct wire_request {
    char method[8], path[256];
    int turn; /* X-Warpsmith-Turn, -1: absent */
    bool keep_alive;
    bool expects_continue; /* set as soon as the head is whole */
    ws_str body;
    size_t bytes; /* of the whole request */
} wire_request;

typedef enum wire_state { WIRE_MORE, WIRE_WHOLE, WIRE_BAD } wire_state;
/* BAD: *status is the response's. Views point into `bytes`. */
wire_state wire_parse(const char *bytes, size_t n, wire_request *out, int *status);

/* A response as it goes out: after `wait_ms`, the bytes up to `end`. */
typedef struct wire_piece {
    size_t end;
    int64_t wait_ms;
} wire_piece;
typedef struct wire_response {
    ws_buf bytes;
    wire_piece *piece;
    int n_pieces, cap_pieces;
    bool close; /* the connection ends with it */
} wire_response;
void wire_response_release(wire_response *r);

/* What was added to `bytes` since the last piece goes out after `wait_ms`. */
void wire_end_piece(wire_response *r, int64_t wait_ms);
/* As a chunk of a chunked body, or as it is; a piece of its own. */
void wire_add_chunk(wire_response *r, bool chunked, const char *p, size_t n, int64_t wait_ms);
const char *wire_status_text(int status);

/* A JSON body with a status; `a` (NULL: none) may hold headers and faults. */
void wire_json(const char *body, int status, const script_answer *a, bool keep_alive,
               wire_response *out);
/* {"error": {...}} */
void wire_error(int status, const char *code, const char *message, bool keep_alive,
                wire_response *out);

/* OpenAI Chat Completions, OpenAI Responses, Anthropic Messages. */
typedef enum wire_shape { WIRE_CHAT, WIRE_RESPONSES, WIRE_MESSAGES, WIRE_SHAPES } wire_shape;

typedef struct wire_completion {
    wire_shape shape;
    const char *model;
    int64_t id, created_s, prompt_tokens;
    bool stream, include_usage, keep_alive;
} wire_completion;
int64_t wire_completion_tokens(const script_answer *a);
void wire_complete(const wire_completion *c, const script_answer *a, wire_response *out);

#endif
