/* What agents submit, kept in the archive: one run for each operation, GPU and architecture of a
 * session of the server. Such a run is shown, searched, learned from and exported like any other.
 */
#ifndef AGENT_MCP_KEEP_H
#define AGENT_MCP_KEEP_H

#include "agent/mcp/tools.h"
#include "results/archive.h"

typedef struct mcp_kept {
    int64_t run, candidate;
    char run_name[64];
} mcp_kept;

typedef struct mcp_submission {
    const spec *spec;
    const char *gpu, *arch, *client; /* client: who submits, NULL: not told */
    const char *source, *note;       /* note: what the author says of it, "" or NULL: nothing */
    const vfy_verdict *verdict;
    const char *first_source; /* the plain translation, which begins a new run, */
    const vfy_verdict *first; /* and its verdict */
} mcp_submission;

/* Adds the source to `run` (0: to a new one). */
ws_status mcp_keep(const char *archive, const mcp_submission *s, int64_t run, mcp_kept *out,
                   ws_err *err) WS_MUST_CHECK;

#endif
