/* The server behind `warpsmith worker run`: it forks a child per candidate, so that a request costs
 * a fork instead of starting the program, or nothing where the latest child was of the same
 * candidate and all its runs passed on the engine; each candidate still has a process of its own.
 * The server itself never opens a device. */
#ifndef HARNESS_WORKER_SERVE_H
#define HARNESS_WORKER_SERVE_H

#include "base/err.h"
#include "base/proc.h"
#include "harness/worker/run.h"

#include <stdint.h>

/* How the child ended, or that it did what it was asked for; the reply to a request. */
typedef struct serve_reply {
    ws_proc_end how;
    int code;   /* exit code, or signal number */
    bool stays; /* the child waits for more */
} serve_reply;

enum { SERVE_RUN = 1, SERVE_ENDED = 2 };

enum { SERVE_MAX_WIRES = RUN_MAX_TOGETHER };

/* A child that did not get the processor for its wall time, on a machine that is busy with others,
 * may take so many times as long: whether a kernel passes must not depend on who else is at work. */
enum { SERVE_PATIENCE = 10 };

typedef struct serve_request {
    int fd[SERVE_MAX_WIRES]; /* the memory of each of `n` runs */
    int n;
    int output_fd; /* for what the child prints */
    double wall_seconds;
    bool again; /* all runs are of the image that the child which stays had */
} serve_request;
ws_status serve_send(int sock, const serve_request *r, ws_err *err) WS_MUST_CHECK;

#endif
