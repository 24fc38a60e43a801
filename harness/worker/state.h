/* What a plan's runs leave in module variables for later ones.
 *
 * A later run may find there what it found the first time (a counter that was set back), and a count
 * that goes up by the same amount each run, or two values by turns, as long as results stay the same
 * however far it has gone: barriers are built so. It may not need anything else that an earlier run
 * left. Scratch and outputs are poisoned before every run and need no such rule. */
#ifndef HARNESS_WORKER_STATE_H
#define HARNESS_WORKER_STATE_H

#include "harness/driver.h"

typedef struct state_runner {
    cu_device *d;
    cu_module *m;
    /* Prepares buffers and runs the plan once. *good: it ended well; else *reason and text say what
     * it did. */
    ws_status (*run)(void *ud, bool *good, ws_err *err);
    /* Whether the outputs are, bit for bit, what `keep` saw last. */
    ws_status (*keep)(void *ud, ws_err *err);
    ws_status (*same)(void *ud, bool *same, ws_err *err);
    void *ud;
    uint64_t seed;
} state_runner;

/* Runs the plan until it is known. *found: it needs what an earlier run left; `text` says what. When
 * the first run fails, that is no matter of state: *found is false and *good too. */
ws_status state_examine(const state_runner *r, bool *good, bool *found, char *text, size_t size,
                        ws_err *err) WS_MUST_CHECK;

#endif
