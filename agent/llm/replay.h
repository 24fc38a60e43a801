/* The bundled replay server: an OpenAI-compatible HTTP server on loopback that answers with scripted
 * replies from files. Real sockets, real streaming, one process, poll loop.
 *
 * A script is agent/replays/<spec name>.json:
 *   { "schema": 1, "scripted": true, "spec": "basics/softmax", "model": "scripted-softmax",
 *     "note": "...", "replies": [ { "file": "softmax/1_compile_error.md", "chunk_ms": 2 }, ... ] }
 * File names are relative to the script. A reply may carry instead "status": 429, "headers": {...},
 * "body": "...", "stall_ms", "cut_after": bytes: faults for tests. Which reply is served follows from
 * the number of assistant turns that the request declares in the header X-Warpsmith-Turn (0-based), else
 * from a count per connection source; so a resumed run gets the same replies. */
#ifndef AGENT_LLM_REPLAY_H
#define AGENT_LLM_REPLAY_H

#include "base/err.h"

#include <stdbool.h>

/* Path of the script for a spec name in <home>/agent/replays, or false. */
bool replay_find_script(const char *spec_name, char *path, int size);

typedef struct replay_server replay_server;
typedef struct replay_options {
    const char *script;    /* path; NULL: any spec's script, chosen by the request's model name */
    int port;              /* 0: the kernel chooses */
    bool no_stream;        /* answer streaming requests with plain JSON all the same */
} replay_options;
/* Binds 127.0.0.1 and serves from a child process until stopped. */
ws_status replay_start(const replay_options *o, replay_server **out, ws_err *err);
int replay_port(const replay_server *s);
void replay_stop(replay_server *s);
/* Serves in this process until SIGINT or SIGTERM (`warpsmith replay`); prints the base URL first. */
ws_status replay_serve(const replay_options *o, ws_err *err);

#endif
