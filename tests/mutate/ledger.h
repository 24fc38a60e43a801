/* Mutants that are accepted with a reason: tests/mutants.txt, which says how it is written. */
#ifndef TESTS_MUTATE_LEDGER_H
#define TESTS_MUTATE_LEDGER_H

#include "tests/mutate/mutant.h"

typedef struct ledger_entry {
    int line; /* of the file */
    bool rule;
    const char *kernel; /* of a rule: a glob */
    const char *family; /* of a rule: a glob */
    void *change;       /* of a rule: the compiled expression that "kernel: was => now" matches */
    const char *was, *now; /* else */
    int occurrence;
    const char *kind, *why;
    int fits, survived, killed; /* mutants: of the sources, and of those that were judged */
} ledger_entry;

typedef struct ledger {
    ledger_entry *entry;
    int n, cap;
    ws_arena arena;
} ledger;

ws_status ledger_load(const char *path, ledger *out, ws_err *err) WS_MUST_CHECK;
void ledger_release(ledger *l);
/* The first entry that fits the mutant, NULL: none. */
ledger_entry *ledger_find(const ledger *l, const char *kernel, const mutant *m);
/* Counts the mutant at every entry that fits; `fate` is one of mut_fate, -1: it was not judged. */
void ledger_count(ledger *l, const char *kernel, const mutant *m, int fate);

#endif
