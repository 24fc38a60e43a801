/* What the CPU driver tells of a program that `warpsmith run` started: the lines of
 * harness/ptx/cuda/monitor.c, printed as they come and summed up at the end. */
#ifndef AGENT_CMD_RUN_FINDINGS_H
#define AGENT_CMD_RUN_FINDINGS_H

#include "base/buf.h"

#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>

typedef struct run_findings {
    FILE *to;           /* findings as text, each when it is known; NULL: only collected */
    cJSON *finding;     /* of all processes, in the order in which they came */
    ws_buf rest;        /* the beginning of a line whose end is not there yet */
    uint64_t launches, leaks, leaked_bytes;
    int processes;      /* that called cuInit */
} run_findings;

void run_findings_open(run_findings *f, FILE *to);
/* Takes what the report file holds from where the last call ended. */
void run_findings_read(run_findings *f, int fd);
/* Errors, leaks among them; warnings of racecheck are none. */
uint64_t run_findings_errors(const run_findings *f);
/* The last lines, as compute-sanitizer has them. */
void run_findings_sum_up(const run_findings *f, FILE *to);
void run_findings_release(run_findings *f);

#endif
