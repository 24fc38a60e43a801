/* Sets of specs by what a user calls them:
 *
 *   kernelbench, kernelbench/level1, level1, basics, all   suites: folders of the catalogue
 *   softmax, basics/softmax, my.json                       one spec
 *   DIR                                                    every *.json below it
 *   @FILE                                                  a list: one of these a line, # comments
 *   kernelbench/level[12]/0*_conv*, dir/[a-m]*.json        patterns: of the catalogue, of files
 *
 * A name of the catalogue goes before a folder of the same name; ./basics is the folder. */
#ifndef AGENT_SWEEP_SUITE_H
#define AGENT_SWEEP_SUITE_H

#include "specs/spec.h"

typedef struct suite_spec {
    const char *given;  /* what spec_find takes: a name of the catalogue, or a file */
    const char *name;   /* the spec's; of one that cannot be read the file */
    const char *sha256; /* "" of one that cannot be read */
    const char *error;  /* why not, or NULL: it is reported, and stops nothing */
} suite_spec;

typedef struct suite {
    ws_arena arena;
    suite_spec *spec; /* each once, in the order given, within one set by name */
    int n, cap;
} suite;

/* What is named wrongly, or names nothing, is an error that lists what there is. A single spec that
 * cannot be read is an error, too; one of a set is not. */
ws_status suite_open(const char *const *name, int n, suite *out, ws_err *err) WS_MUST_CHECK;
void suite_release(suite *s);
/* "basics (21), kernelbench (250), ..." */
ws_status suite_list(ws_buf *out, ws_err *err) WS_MUST_CHECK;

#endif
