/* The source lines that cost: what the engine counted of each in the blocks that it ran. */
#ifndef AGENT_CMD_PROFILE_LINES_H
#define AGENT_CMD_PROFILE_LINES_H

#include "agent/cmd/profile_print.h"

/* A table of the lines that cost most, by what decides the launch; nothing where none were counted. */
void profile_lines_text(const profile_report *r, ws_buf *out);
/* [{"line", "text", "launch", "cost", "instructions", "sectors", "wavefronts", ...}], the same lines. */
cJSON *profile_lines_json(const profile_report *r);

#endif
