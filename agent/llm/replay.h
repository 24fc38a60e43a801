/* The bundled replay server: an HTTP server on loopback, in the formats of OpenAI (Chat
 * Completions, Responses) and Anthropic (Messages), that answers with scripted replies from files,
 * with what a cassette has recorded, or as a played model. Real sockets, real streaming, one
 * process, one poll loop. Parts: replay_source.c (what is answered: script.c, behave.c,
 * replay_tape.c), wire.c (HTTP/1.1), wire_body.c and wire_events.c (the formats), replay.c (sockets
 * and time).
 *
 * A script is agent/replays/<spec name with '_' for '/'>.json; see script.h. Which reply is served
 * follows from the header X-Warpsmith-Turn (0-based), so that a resumed run gets the same replies;
 * a client that does not send it gets them in order, and from the start again after the last. */
#ifndef AGENT_LLM_REPLAY_H
#define AGENT_LLM_REPLAY_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Path of the script for a spec name in <home>/agent/replays, or false. */
bool replay_find_script(const char *spec_name, char *path, int size);

typedef struct replay_server replay_server;
typedef struct replay_options {
    const char *script;    /* path of a script or a cassette; NULL: all scripts in
                            * <home>/agent/replays,    chosen by the model's name */
    int port;              /* 0: the kernel chooses */
    bool no_stream;        /* answer streaming requests with plain JSON all the same */
    const char *behaviour; /* in the place of a script: see behave.h */
    const char *spec;      /* of the behaviour */
    uint64_t seed;
    int64_t delay_ms;
    double speed; /* of a cassette, see cassette_options */
    bool loose;
    const char *answers; /* a file to which a line is appended for each answer: its turn, status,
                          * tokens, whether all of it was sent, and read; NULL: none */
} replay_options;
/* Binds 127.0.0.1 and serves from a child process until stopped, or until this process is gone. */
ws_status replay_start(const replay_options *o, replay_server **out, ws_err *err) WS_MUST_CHECK;
int replay_port(const replay_server *s);
void replay_stop(replay_server *s);
/* Serves in this process until SIGINT or SIGTERM; prints the base URL first. */
ws_status replay_serve(const replay_options *o, ws_err *err) WS_MUST_CHECK;

#endif
