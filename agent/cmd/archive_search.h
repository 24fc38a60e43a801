/* `warpsmith archive search` and `warpsmith archive lessons`. */
#ifndef AGENT_CMD_ARCHIVE_SEARCH_H
#define AGENT_CMD_ARCHIVE_SEARCH_H

#include "results/archive.h"

typedef struct search_options {
    const char *like, *gpu; /* NULL: not given */
    int limit;
    bool json;
} search_options;

/* `words`: n of them, joined by spaces. */
ws_status archive_search(db_archive *db, const char **words, int n, const search_options *o,
                         ws_err *err) WS_MUST_CHECK;
/* `spec_name` NULL: all lessons of the archive. */
ws_status archive_lessons(db_archive *db, const char *spec_name, const search_options *o,
                          ws_err *err) WS_MUST_CHECK;

#endif
