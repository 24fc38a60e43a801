/* `warpsmith archive merge` and `archive digest`. */
#ifndef AGENT_CMD_ARCHIVE_MERGE_H
#define AGENT_CMD_ARCHIVE_MERGE_H

#include "base/err.h"

#include <stdbool.h>

/* args[0] is the target, made when it is not there; the others are merged into it. */
ws_status archive_merge(const char **args, int n, bool json, ws_err *err) WS_MUST_CHECK;
/* Of the archive, or of the run or sweep `what` (NULL: all). */
ws_status archive_digest(const char *archive, const char *what, bool json,
                         ws_err *err) WS_MUST_CHECK;

#endif
