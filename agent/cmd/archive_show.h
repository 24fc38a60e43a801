/* `warpsmith archive list`, `show`, `lineage` and `diff`. What models and compilers wrote reaches the
 * terminal without control characters. */
#ifndef AGENT_CMD_ARCHIVE_SHOW_H
#define AGENT_CMD_ARCHIVE_SHOW_H

#include "results/overview.h"

ws_status archive_list(db_archive *db, const db_overview_filter *f, bool json,
                       ws_err *err) WS_MUST_CHECK;
/* `which`: a run, or "#12": that candidate. `source`: of a candidate or a run's winner, nothing but
 * its source, byte for byte where stdout is no terminal. */
ws_status archive_show(db_archive *db, const char *which, bool source, bool json,
                       ws_err *err) WS_MUST_CHECK;
ws_status archive_lineage(db_archive *db, const char *which, bool json, ws_err *err) WS_MUST_CHECK;
/* Each a run (its winner) or "#12"; `b` NULL: the first from the nearest ancestor with another source
 * to `a`. */
ws_status archive_diff(db_archive *db, const char *a, const char *b, int context, bool json,
                       ws_err *err) WS_MUST_CHECK;

#endif
