/* What a mutation test showed. */
#ifndef TESTS_MUTATE_REPORT_H
#define TESTS_MUTATE_REPORT_H

#include "tests/mutate/ledger.h"
#include "tests/mutate/results.h"

/* A kernel with the mutants that were chosen. */
typedef struct subject {
    char *name, *spec;
    ws_buf text;
    mut_list list;
    int *chosen, n_chosen;
} subject;

typedef struct report {
    int mutants, fate[MUT_FATES], argued, missing, stale, unjudged, rejected_originals;
} report;

/* Prints tables by operator, by kernel, by reason and by argument, the survivors without an
 * argument and the arguments that do not hold, and writes those survivors to `survivors` in the
 * form of the ledger. */
ws_status report_make(const subject *s, int n, const results *r, ledger *l, const char *survivors,
                      report *out, ws_err *err) WS_MUST_CHECK;

#endif
