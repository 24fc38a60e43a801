/* Outcomes that last: one line a mutant in a file, so that a run that was ended goes on where it
 * was. */
#ifndef TESTS_MUTATE_RESULTS_H
#define TESTS_MUTATE_RESULTS_H

#include "tests/mutate/judge.h"

typedef struct result {
    char hash[WS_SHA256_HEX]; /* of spec and text */
    mut_outcome outcome;
} result;

typedef struct results {
    result *r; /* by hash */
    int n, cap;
    char build[17]; /* of the program that judged them */
} results;

/* Reads the outcomes that the present warpsmith gave, or `any` one. */
ws_status results_load(const char *path, bool any, results *out, ws_err *err) WS_MUST_CHECK;
void results_release(results *r);
const result *results_find(const results *r, const char *hash);
/* Adds a line; safe from several processes at once. `id` is for readers. */
ws_status results_add(const char *path, const char *build, const char *hash, const char *id,
                      const mut_outcome *o, ws_err *err) WS_MUST_CHECK;

#endif
