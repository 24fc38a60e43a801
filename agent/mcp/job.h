/* The process in which a tool is called. */
#ifndef AGENT_MCP_JOB_H
#define AGENT_MCP_JOB_H

#include "agent/mcp/tools.h"

#include <sys/types.h>

typedef struct mcp_job {
    pid_t pid; /* 0: none */
    int fd;    /* its result comes here */
    int64_t start_ns;
    ws_buf text;
} mcp_job;

/* Forks; the caller has one thread. */
ws_status mcp_job_start(mcp_job *j, const mcp_context *c, const mcp_tool *t, const cJSON *args,
                        ws_err *err) WS_MUST_CHECK;
/* Reads what there is. true: the job is over, *result is the caller's; a process that died without
 * a result is a failure in words. */
bool mcp_job_read(mcp_job *j, cJSON **result);
/* Ends the job and all processes that it started; fine when there is none. */
void mcp_job_kill(mcp_job *j);

#endif
