/* A script of the replay server:
 *
 *   { "schema": 1, "scripted": true, "spec": "basics/softmax", "model": "scripted-softmax",
 *     "note": "for people",
 *     "replies": [ { "file": "basics_softmax/1_compile_error.md", "chunk_ms": 1 }, ... ] }
 *
 * A reply's text stands in "text", or in "file", relative to the script; it is sent in events of
 * "chunk_bytes", "chunk_ms" apart. Faults, for tests: members of a reply, or of the entries of its
 * "faults", which are served first, one a request:
 *
 *   "status", "headers", "body"    an HTTP response as given
 *   "stall_ms", "stall_after"      a pause, before the response or after so many bytes of its body
 *   "cut_after", "clean"           the connection ends after so many bytes of the body; with
 *                                  "clean": true as if they were all
 *   "finish_reason", "reasoning", "no_usage"    of the completion */
#ifndef AGENT_LLM_SCRIPT_H
#define AGENT_LLM_SCRIPT_H

#include "base/buf.h"
#include "base/mem.h"

#include <stdint.h>

typedef struct script_answer {
    const char *text;          /* of the message; NULL: `body` is the response */
    const char *reasoning, *finish_reason;
    int status;                /* 0: 200 */
    const char *headers;       /* "Name: value\r\n" each */
    const char *body;
    int64_t chunk_bytes;       /* of text in one event */
    int64_t chunk_ms;          /* between events */
    int64_t stall_ms;
    int64_t stall_after;       /* bytes of the body, -1: before the response */
    int64_t cut_after;         /* bytes of the body, -1: never */
    bool clean, no_usage;
} script_answer;

typedef struct script_turn {
    script_answer answer;
    script_answer *fault;
    int n_faults;
    int asked;                 /* requests so far */
} script_turn;

typedef struct script {
    ws_arena arena;
    const char *path, *spec, *model;
    script_turn *turn;
    int n_turns;
    int next;                  /* for clients that name no turn */
} script;

ws_status script_load(const char *path, script *out, ws_err *err) WS_MUST_CHECK;
void script_release(script *s);
/* What the next request of this turn gets; -1: the script's next. NULL: the script has no such
 * turn. */
const script_answer *script_take(script *s, int turn);

#endif
