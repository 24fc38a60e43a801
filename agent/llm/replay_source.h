/* What the replay server answers with: scripts, a cassette, or a played model. No sockets here. */
#ifndef AGENT_LLM_REPLAY_SOURCE_H
#define AGENT_LLM_REPLAY_SOURCE_H

#include "agent/llm/cassette.h"
#include "agent/llm/replay.h"
#include "agent/llm/wire.h"

typedef struct replay_source replay_source;

/* An answer for the file of replay_options.answers. */
typedef struct replay_note {
    int turn, status;
    int64_t prompt_tokens, completion_tokens;
    bool answer; /* a whole reply of the model, if all of it is sent */
} replay_note;

ws_status replay_source_open(const replay_options *o, replay_source **out,
                             ws_err *err) WS_MUST_CHECK;
void replay_source_close(replay_source *s);
void replay_source_answer(replay_source *s, const wire_request *q, wire_response *out,
                          replay_note *note);
void replay_source_print(const replay_source *s); /* one line each on standard output */

/* replay_tape.c: a recorded exchange with its framing, or the error that there is none. */
void replay_tape_answer(cassette *c, const wire_request *q, wire_response *out, replay_note *note);

#endif
