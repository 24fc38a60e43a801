/* `warpsmith archive rejudge`: every candidate that passed, judged again by this program. */
#ifndef AGENT_CMD_ARCHIVE_REJUDGE_H
#define AGENT_CMD_ARCHIVE_REJUDGE_H

#include "results/archive.h"

typedef struct rejudge_options {
    const char *run;      /* NULL: all runs */
    const char *stricter; /* "tolerance=0.5", NULL: the rules as they are */
    bool dry_run, apply;  /* apply: although the rules are stricter */
    bool json;
} rejudge_options;

/* *fell: how many did not hold. */
ws_status archive_rejudge(db_archive *db, const char *path, const rejudge_options *o, int *fell,
                          ws_err *err) WS_MUST_CHECK;

#endif
