/* A Model Context Protocol server on standard input and output: agents use the verifier as a tool.
 *
 * Revisions 2026-07-28 (no handshake: each request names its revision in params._meta, and
 * server/discover lists what is served) and 2025-11-25 to 2024-11-05 (initialize first). Only tools
 * are offered; batches, which 2025-03-26 alone has, are refused.
 *
 * Every call of a tool runs in a process of its own, one at a time, in the order of the requests;
 * meanwhile all else is answered at once. A cancelled call and one that takes too long are killed
 * with all that they started. Standard output has messages only, the log goes to standard error. */
#ifndef AGENT_MCP_SERVER_H
#define AGENT_MCP_SERVER_H

#include "base/err.h"

#include <signal.h>
#include <stdbool.h>

typedef struct mcp_options {
    const char *archive;               /* see mcp_context */
    bool keep;                         /* what is submitted, in the archive */
    double wall_seconds;               /* of one run of a candidate */
    double call_seconds;               /* of one call of a tool */
    const volatile sig_atomic_t *stop; /* set by a signal */
} mcp_options;

/* Serves until the input ends and everything is answered, the reader of the output is gone, or
 * `stop` is set. */
ws_status mcp_serve(const mcp_options *o, ws_err *err) WS_MUST_CHECK;

#endif
