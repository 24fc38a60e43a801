/* `warpsmith spec lint`, a part of the command spec. */
#ifndef AGENT_CMD_SPEC_LINT_H
#define AGENT_CMD_SPEC_LINT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct spec_lint_options {
    bool all, json;
    int64_t seed;
    double seconds; /* for the trials of one spec */
} spec_lint_options;

/* The named specs; with `all` the whole catalogue. Exit code 1: a named spec has
 * findings, or honest arithmetic is out of some bound. */
ws_status spec_lint(const spec_lint_options *o, const char **names, int n, int *exit_code,
                    ws_err *err) WS_MUST_CHECK;

#endif
