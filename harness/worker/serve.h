/* The server behind `warpsmith worker run`: it forks a child per request, so that a request costs a
 * fork instead of starting the program, and each candidate still has a process of its own. The
 * server itself never opens a device. */
#ifndef HARNESS_WORKER_SERVE_H
#define HARNESS_WORKER_SERVE_H

#include "base/err.h"
#include "base/proc.h"
#include "harness/worker/run.h"

#include <stdint.h>

/* How the child ended; the reply to a request. */
typedef struct serve_reply {
    ws_proc_end how;
    int code; /* exit code, or signal number */
} serve_reply;

enum { SERVE_RUN = 1, SERVE_ENDED = 2 };

enum { SERVE_MAX_WIRES = RUN_MAX_TOGETHER };

/* A child that did not get the processor for its wall time, on a machine that is busy with others,
 * may take so many times as long: whether a kernel passes must not depend on who else is at work. */
enum { SERVE_PATIENCE = 10 };

/* Sends a request: the memory of each of `n` runs, a file for what the child prints, and its wall
 * time. */
ws_status serve_send(int sock, const int *wire_fd, int n, int output_fd, double wall_seconds,
                     ws_err *err) WS_MUST_CHECK;

#endif
