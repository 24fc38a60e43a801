/* A problem's run in a process of its own: a fork of the program, which has models and keys in its
 * memory already. Whatever happens to it, even a crash, is the end of that problem and no other. It
 * dies with the sweep's process, its judges with it; what it has stored by then is in the archive,
 * and its run can go on. */
#ifndef AGENT_SWEEP_CHILD_H
#define AGENT_SWEEP_CHILD_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct child child;

/* What a child does: prints lines of JSON to standard output, and returns as a command does. */
typedef ws_status (*child_main)(void *ud, int *exit_code, ws_err *err);

/* How it ended. */
typedef struct child_end {
    int exit_code;  /* -1: it was killed, or crashed */
    int signal;     /* by which, 0: it was not */
    bool late;      /* killed by child_kill */
    ws_err err;     /* what it returned; a crash is WS_EBUG */
} child_end;

/* The child keeps no descriptor of the parent's. SQLite cannot be carried through a fork: no
 * connection may be open here, not even an idle one. */
ws_status child_start(child_main main, void *ud, child **out, ws_err *err) WS_MUST_CHECK;
int child_fd(const child *c); /* readable: child_line may have something */
/* The next whole line that it printed, until the next call; NULL: none at present. `over` becomes
 * true when it is gone and all is read. */
char *child_line(child *c, bool *over);
void child_interrupt(child *c); /* SIGTERM: stores what is at hand, and ends */
void child_kill(child *c);      /* SIGKILL to it and to all that it started */
/* Waits for its end, which is near when child_line said that it is over. Frees it. */
void child_finish(child *c, child_end *out);

#endif
